use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use imap::extensions::idle::SetReadTimeout;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::account::Server;
use crate::egress::tls;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one read or write; a server that says nothing for longer is gone.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A connection that can be cut from outside, and reads no more than it is allowed: servers say how long a literal is, and one
/// that lies must not fill the memory.
pub(super) struct Stream {
    wire: Wire,
    allowance: Allowance,
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Bytes that may still be read.
#[derive(Clone, Default)]
pub(super) struct Allowance(Arc<AtomicU64>);

impl Allowance {
    pub(super) fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed).checked_sub(bytes as u64);
        let left = left.ok_or_else(|| io::Error::other("the server sends more than was asked for"))?;
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// Cuts whatever connection there is and will be, from another thread.
#[derive(Clone, Default)]
pub(super) struct Scissors(Arc<Mutex<Held>>);

#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    Socket(TcpStream),
    /// Nothing more is to be held.
    Cut,
}

impl Scissors {
    pub(super) fn hold(&self, socket: &TcpStream) -> io::Result<()> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*held, Held::Cut) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        *held = Held::Socket(socket.try_clone()?);
        Ok(())
    }

    pub(super) fn cut(&self) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Held::Socket(socket) = std::mem::replace(&mut *held, Held::Cut) {
            // It may be closed already, which is all that is wanted.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Tries every address of the host.
pub(super) fn connect(server: &Server) -> io::Result<TcpStream> {
    let host = server.host.trim_start_matches('[').trim_end_matches(']');
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (host, server.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                socket.set_read_timeout(Some(SILENCE_MAX))?;
                socket.set_write_timeout(Some(SILENCE_MAX))?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Stream {
    pub(super) fn plain(socket: TcpStream, allowance: Allowance) -> Self {
        Self { wire: Wire::Plain(socket), allowance }
    }

    /// Shakes hands; the name of the server must be in its certificate.
    pub(super) fn protected(mut socket: TcpStream, server: &Server, allowance: Allowance) -> io::Result<Self> {
        let host = server.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|_| io::Error::other("the host is no name for a certificate"))?;
        let mut connection = ClientConnection::new(tls(), name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(Self { wire: Wire::Tls(Box::new(StreamOwned::new(connection, socket))), allowance })
    }

    fn socket(&self) -> &TcpStream {
        match &self.wire {
            Wire::Plain(socket) => socket,
            Wire::Tls(stream) => stream.get_ref(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.wire {
            Wire::Plain(socket) => socket.read(buffer),
            Wire::Tls(stream) => stream.read(buffer),
        }?;
        self.allowance.take(read)?;
        Ok(read)
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.wire {
            Wire::Plain(socket) => socket.write(buffer),
            Wire::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.wire {
            Wire::Plain(socket) => socket.flush(),
            Wire::Tls(stream) => stream.flush(),
        }
    }
}

impl SetReadTimeout for Stream {
    /// Never without an end.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> imap::Result<()> {
        Ok(self.socket().set_read_timeout(Some(timeout.unwrap_or(SILENCE_MAX)))?)
    }
}
