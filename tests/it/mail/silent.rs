use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// An SMTP server that takes a letter to its last dot, and closes the connection without a word.
pub struct Silent {
    pub port: u16,
    letters: Arc<AtomicUsize>,
}

impl Silent {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, letters) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let count = letters.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, count.clone()));
            }
        });
        Self { port, letters }
    }

    pub fn letters(&self) -> usize {
        self.letters.load(Ordering::SeqCst)
    }
}

async fn talk(stream: TcpStream, letters: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 silent\r\n").await?;
    let (mut line, mut is_letter) = (String::new(), false);
    while stream.read_line(&mut line).await? > 0 {
        let answer = match line.trim_end() {
            "." if is_letter => {
                letters.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            _ if is_letter => "",
            "DATA" => "354 go on\r\n",
            _ => "250 ok\r\n",
        };
        is_letter |= line.trim_end() == "DATA";
        stream.write_all(answer.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}
