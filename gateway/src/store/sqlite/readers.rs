use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failure::{Fault, without_effect};
use super::{lock, schema};
use crate::store::StoreError;

const QUEUE_QUESTIONS: usize = 1024;

type Question = Box<dyn FnOnce(&mut Desk) + Send>;

/// Threads that read, each with its own connection, on one queue.
pub(super) struct Readers {
    queue: Option<mpsc::Sender<Question>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(database: &Path, name: &str, threads: usize) -> io::Result<Self> {
        let (queue, questions) = mpsc::channel(QUEUE_QUESTIONS);
        let questions = Arc::new(Mutex::new(questions));
        let threads = (0..threads).map(|_| spawn(database, name, &questions)).collect::<io::Result<_>>()?;
        Ok(Self { queue: Some(queue), threads })
    }

    /// Asks a connection that sees everything that was committed before this call.
    pub(super) async fn ask<T, F>(&self, question: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let unavailable = || StoreError::Unavailable("the store cannot be read".to_owned());
        let (reply, answer) = oneshot::channel();
        let asked: Question = Box::new(move |desk| {
            // Who has stopped waiting does not want to know.
            let _ = reply.send(desk.answer(question));
        });
        let queue = self.queue.as_ref().ok_or_else(unavailable)?;
        queue.send(asked).await.map_err(|_| unavailable())?;
        answer.await.unwrap_or_else(|_| Err(unavailable()))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // A panic has been told where it happened.
            let _ = thread.join();
        }
    }
}

/// A thread's connection, opened when it is wanted and again after it failed.
struct Desk {
    database: PathBuf,
    connection: Option<Connection>,
}

impl Desk {
    fn answer<T>(&mut self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => schema::reader(&self.database).map_err(|error| without_effect(&error))?,
        };
        let answer = question(&connection);
        if !answer.as_ref().is_err_and(|error| Fault::of(error).needs_reopening()) {
            self.connection = Some(connection);
        }
        answer.map_err(|error| without_effect(&error))
    }
}

fn spawn(database: &Path, name: &str, questions: &Arc<Mutex<mpsc::Receiver<Question>>>) -> io::Result<JoinHandle<()>> {
    let mut desk = Desk { database: database.to_owned(), connection: None };
    let questions = Arc::clone(questions);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        while let Some(question) = next(&questions) {
            if catch_unwind(AssertUnwindSafe(|| question(&mut desk))).is_err() {
                tracing::error!("a reader of the store was interrupted by a bug and goes on");
            }
        }
    })
}

/// One thread waits at the queue, the others for their turn.
fn next(questions: &Mutex<mpsc::Receiver<Question>>) -> Option<Question> {
    lock(questions).blocking_recv()
}
