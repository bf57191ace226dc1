use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

/// An IMAP server with one small mail, which it sends as a literal of four gigabytes. Gives its port.
pub fn start() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // It ends when the gateway has enough.
            std::thread::spawn(move || talk(stream));
        }
    });
    port
}

fn talk(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"* OK flooding\r\n")?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while let Some(line) = lines.next().transpose()? {
        let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
        let first = match command {
            "CAPABILITY" => "* CAPABILITY IMAP4rev1\r\n",
            _ if command.starts_with("EXAMINE") => "* 1 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n* OK [UIDNEXT 2] ok\r\n",
            _ if command.starts_with("UID SEARCH") => "* SEARCH 1\r\n",
            _ if command.contains("RFC822.SIZE") => {
                "* 1 FETCH (UID 1 RFC822.SIZE 100 INTERNALDATE \"21-Nov-2026 10:00:00 +0000\")\r\n"
            }
            _ if command.contains("BODY.PEEK") => {
                stream.write_all(b"* 1 FETCH (UID 1 BODY[] {4000000000}\r\n")?;
                loop {
                    stream.write_all(&[b'x'; 64 << 10])?;
                }
            }
            _ => "",
        };
        stream.write_all(format!("{first}{tag} OK done\r\n").as_bytes())?;
    }
    Ok(())
}
