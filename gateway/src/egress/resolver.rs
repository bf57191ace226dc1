use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tower::Service;

use super::{Reach, is_public};

/// Long enough for a second try of the system's resolver after a lost packet.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Names that are looked up at once. What hangs holds its place until the system gives up, whoever asked for it.
const AT_ONCE: usize = 128;
/// The same below one domain: whoever may reach every host there has no more places, however many names he makes up.
const AT_ONCE_OF_A_DOMAIN: usize = 16;

/// Tells the addresses behind a name; may block for long.
pub type Lookup = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Looks names up, each on a thread of its own: the system's resolver cannot be interrupted, and neither the threads of others
/// nor the end of the process wait for it.
pub(super) struct Resolver {
    lookup: Arc<Lookup>,
    places: Arc<Semaphore>,
    domains: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Held by the thread, and not by whoever asked.
type Places = [OwnedSemaphorePermit; 2];

impl Resolver {
    /// By the system.
    pub(super) fn system() -> Self {
        Self::by(Arc::new(|name| Ok((name, 0).to_socket_addrs()?.collect())))
    }

    pub(super) fn by(lookup: Arc<Lookup>) -> Self {
        Self { lookup, places: Arc::new(Semaphore::new(AT_ONCE)), domains: Mutex::default() }
    }

    async fn resolve(&self, name: String) -> io::Result<Vec<SocketAddr>> {
        let resolved = async {
            let places = self.places(&name).await?;
            self.begin(name, places)?.await.map_err(io::Error::other)?
        };
        tokio::time::timeout(TIMEOUT, resolved).await?
    }

    /// First that of the domain: nobody waits in the common queue for names of a domain that has enough there.
    async fn places(&self, name: &str) -> io::Result<Places> {
        let of_domain = self.domain(name).acquire_owned().await.map_err(io::Error::other)?;
        let of_all = self.places.clone().acquire_owned().await.map_err(io::Error::other)?;
        Ok([of_domain, of_all])
    }

    fn domain(&self, name: &str) -> Arc<Semaphore> {
        let mut domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        // Where nobody is, nothing need be remembered.
        domains.retain(|_, places| Arc::strong_count(places) > 1);
        let places = domains.entry(domain_of(name)).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE_OF_A_DOMAIN)));
        places.clone()
    }

    fn begin(&self, name: String, places: Places) -> io::Result<oneshot::Receiver<io::Result<Vec<SocketAddr>>>> {
        let (answer, answered) = oneshot::channel();
        let lookup = self.lookup.clone();
        thread::Builder::new().name("lookup".into()).spawn(move || {
            // Who has stopped waiting does not want to know.
            let _ = answer.send(lookup(&name));
            drop(places);
        })?;
        Ok(answered)
    }
}

/// Its last two labels.
fn domain_of(name: &str) -> String {
    let mut labels: Vec<&str> = name.trim_end_matches('.').rsplit('.').take(2).collect();
    labels.reverse();
    labels.join(".").to_ascii_lowercase()
}

/// Resolves names to the addresses that may be reached; the connection is made to one of exactly these.
#[derive(Clone)]
pub(super) struct CheckedResolver {
    pub(super) reach: Reach,
    pub(super) resolver: Arc<Resolver>,
}

#[derive(Debug, thiserror::Error)]
#[error("the name leads to private addresses only")]
pub(super) struct PrivateAddress;

#[derive(Debug, thiserror::Error)]
#[error("the name cannot be resolved")]
pub(super) struct Unresolved(#[source] io::Error);

impl Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { reach, resolver } = self.clone();
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str().to_owned()).await.map_err(Unresolved)?;
            let may_reach = |address: &SocketAddr| reach == Reach::Granted || is_public(address.ip());
            let allowed: Vec<_> = addresses.iter().copied().filter(may_reach).collect();
            if allowed.is_empty() && !addresses.is_empty() {
                return Err(PrivateAddress.into());
            }
            Ok(allowed.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use super::*;
    use crate::egress::{Allowed, Egress, Error, Limits, Request};

    /// Names of `hangs.test` and below it are never resolved while the test runs; others are here.
    fn hanging(asked: Arc<AtomicUsize>) -> Arc<Lookup> {
        Arc::new(move |name| {
            if name.ends_with("hangs.test") {
                asked.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_secs(600));
            }
            Ok(vec![([127, 0, 0, 1], 0).into()])
        })
    }

    async fn get(egress: &Egress, url: String, timeout: Duration) -> Result<(), Error> {
        let (method, headers, body) = (axum::http::Method::GET, axum::http::HeaderMap::new(), bytes::Bytes::new());
        let request = Request { method, url: url.parse().unwrap(), headers, body };
        let limits = Limits { timeout, response: 100 };
        egress.send(request, |_| Ok(Allowed(Reach::Granted)), limits).await.map(drop)
    }

    /// A port at which nobody listens.
    async fn closed_port() -> u16 {
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn names_that_hang_end_with_their_request_and_keep_no_other_waiting() {
        let asked = Arc::new(AtomicUsize::new(0));
        let egress = Egress::resolving_by(hanging(asked.clone()));
        let quick = Duration::from_millis(50);
        for round in 0..4 {
            let many = (0..50).map(|n| get(&egress, format!("http://a{round}-{n}.b.hangs.test/"), quick));
            for answer in futures_util::future::join_all(many).await {
                assert_eq!(answer, Err(Error::Timeout));
            }
        }
        assert_eq!(asked.load(Ordering::SeqCst), AT_ONCE_OF_A_DOMAIN, "more threads than one domain may have");
        let (port, began) = (closed_port().await, Instant::now());
        let neighbour = get(&egress, format!("http://other.test:{port}/"), Duration::from_secs(60)).await;
        assert_eq!(neighbour, Err(Error::Connect), "resolved, and nobody listens");
        assert!(began.elapsed() < TIMEOUT, "it did not wait for the others");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_hangs_is_given_up_before_the_caller() {
        let egress = Egress::resolving_by(hanging(Arc::default()));
        let answer = get(&egress, "http://hangs.test/".into(), Duration::from_secs(3600)).await;
        assert_eq!(answer, Err(Error::Dns));
    }

    /// Whoever answers for a name may say another thing each time: what is checked is what is connected to.
    #[tokio::test]
    async fn private_addresses_among_public_ones_are_left_out() {
        let mixed = ["127.0.0.1:0", "93.184.216.34:0", "[::1]:0", "169.254.169.254:0", "[::ffff:10.0.0.1]:0"];
        let mixed = mixed.map(|address| address.parse::<SocketAddr>().unwrap());
        let resolver = Arc::new(Resolver::by(Arc::new(move |name| {
            Ok(if name == "mixed.test" { mixed.to_vec() } else { mixed[..1].to_vec() })
        })));
        let resolve = async |name: &str, reach| {
            let mut checked = CheckedResolver { reach, resolver: resolver.clone() };
            checked.call(name.parse().unwrap()).await.map(Iterator::collect::<Vec<_>>)
        };
        assert_eq!(resolve("mixed.test", Reach::Public).await.unwrap(), mixed[1..2]);
        assert!(resolve("private.test", Reach::Public).await.unwrap_err().is::<PrivateAddress>());
        assert_eq!(resolve("mixed.test", Reach::Granted).await.unwrap(), mixed);
    }

    #[test]
    fn names_are_of_the_domain_of_their_last_two_labels() {
        for (name, domain) in [("a.b.Example.com", "example.com"), ("example.com.", "example.com"), ("host", "host")] {
            assert_eq!(domain_of(name), domain);
        }
    }
}
