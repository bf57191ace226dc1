use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What the other side may be waited for, in multiples of the patience, if it took much at once before.
const CREDIT: u32 = 4;

/// A connection that ends when the other side takes nothing of what is written for so long, or takes it too slowly all in all:
/// else whoever asks and reads a few bytes now and then would keep a place for ever.
///
/// Only waiting counts: each byte that is taken pays for a part of it, and a connection on which nothing is to be written
/// costs nothing.
pub(super) struct Reluctant<S> {
    stream: S,
    rules: Reading,
    /// How long may be waited until more is taken.
    credit: Duration,
    /// Until when the other side must take something; runs while it does not.
    deadline: Pin<Box<Sleep>>,
    waits_since: Option<Instant>,
}

/// How answers must be taken.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// Until something is taken.
    pub(super) patience: Duration,
    /// Bytes a second, on average; 0: any.
    pub(super) rate_min: u64,
}

impl Reading {
    fn credit_max(&self) -> Duration {
        self.patience.saturating_mul(CREDIT)
    }

    fn worth(&self, bytes: usize) -> Duration {
        match self.rate_min {
            0 => self.credit_max(),
            rate => Duration::from_secs_f64(bytes as f64 / rate as f64),
        }
    }
}

impl<S> Reluctant<S> {
    pub(super) fn new(stream: S, rules: Reading) -> Self {
        let deadline = Box::pin(tokio::time::sleep(rules.patience));
        Self { stream, rules, credit: rules.patience, deadline, waits_since: None }
    }

    /// What the stream said, unless it has said for too long that it must wait.
    fn within_patience(&mut self, cx: &mut Context<'_>, said: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(taken) = said {
            self.account(*taken.as_ref().unwrap_or(&0));
            return Poll::Ready(taken);
        }
        if self.waits_since.is_none() {
            let now = Instant::now();
            self.waits_since = Some(now);
            self.deadline.as_mut().reset(now + self.rules.patience.min(self.credit));
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other side does not read, or too slowly")))
    }

    fn account(&mut self, bytes: usize) {
        let waited = self.waits_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        let left = self.credit.saturating_sub(waited).saturating_add(self.rules.worth(bytes));
        self.credit = left.min(self.rules.credit_max());
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Reluctant<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Reluctant<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let said = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.within_patience(cx, said)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let said = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.within_patience(cx, said)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const RULES: Reading = Reading { patience: Duration::from_secs(30), rate_min: 10 };

    /// How long somebody is served who takes so much, at most, again and again after a pause.
    async fn served(rules: Reading, bytes: usize, pause: Duration) -> Option<Duration> {
        let (ours, mut theirs) = duplex(16);
        let mut stream = Reluctant::new(ours, rules);
        let reader = tokio::spawn(async move {
            let mut piece = vec![0; bytes];
            loop {
                tokio::time::sleep(pause).await;
                // Who takes nothing stays there.
                if bytes > 0 && theirs.read_exact(&mut piece).await.is_err() {
                    return;
                }
            }
        });
        let began = Instant::now();
        let written = stream.write_all(&vec![1; 40 * 1024]).await;
        reader.abort();
        written.err().map(|error| {
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            began.elapsed()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_is_waited_for_and_who_does_not_read_is_not() {
        assert_eq!(served(RULES, 320, Duration::from_secs(29)).await, None, "eleven bytes a second");
        let ended = served(RULES, 0, Duration::from_secs(1)).await.unwrap();
        assert!(ended >= RULES.patience && ended < RULES.patience * 2, "{ended:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_few_bytes_now_and_then_does_not_stay() {
        let ended = served(RULES, 16, Duration::from_secs(5)).await.unwrap();
        assert!(ended >= RULES.patience && ended < RULES.credit_max() * 2, "{ended:?}");
        let any = Reading { rate_min: 0, ..RULES };
        assert_eq!(served(any, 16, Duration::from_secs(5)).await, None);
    }

    /// What was not waited for is not paid for, and what was taken fast does not pay for ever.
    #[tokio::test(start_paused = true)]
    async fn idle_time_is_free_and_speed_is_no_savings_book() {
        let (ours, mut theirs) = duplex(1 << 20);
        let mut stream = Reluctant::new(ours, RULES);
        for _ in 0..100 {
            stream.write_all(&[1; 1 << 16]).await.unwrap();
            theirs.read_exact(&mut [0; 1 << 16]).await.unwrap();
            tokio::time::sleep(RULES.patience * 10).await;
        }
        assert_eq!(stream.credit, RULES.credit_max());
        let began = Instant::now();
        stream.write_all(&[1; 2 << 20]).await.unwrap_err();
        assert!(began.elapsed() < RULES.patience * 2);
    }
}
