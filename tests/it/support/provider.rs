use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::peer::{Answer, Call, Peer};
use super::wait_for;

type Rule = Box<dyn FnMut(&Call) -> Answer + Send>;

/// A provider's API: answers by a rule that can be changed, and tells when it was called.
pub struct Provider {
    peer: Peer,
    rule: Arc<Mutex<Rule>>,
    calls: Arc<Mutex<Vec<Call>>>,
    news: watch::Receiver<usize>,
}

impl Provider {
    pub async fn start(rule: impl FnMut(&Call) -> Answer + Send + 'static) -> Self {
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(rule)));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (sender, news) = watch::channel(0);
        let (ruled, written) = (rule.clone(), calls.clone());
        let peer = Peer::with(move |call| {
            let answer = ruled.lock().unwrap()(call);
            written.lock().unwrap().push(call.clone());
            sender.send_modify(|count| *count += 1);
            answer
        })
        .await;
        Self { peer, rule, calls, news }
    }

    pub fn address(&self) -> SocketAddr {
        self.peer.address
    }

    /// From now on.
    pub fn behave(&self, rule: impl FnMut(&Call) -> Answer + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Waits until `look` finds what it looks for in the calls.
    pub async fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&[Call]) -> Option<T>) -> T {
        wait_for(what, &mut self.news.clone(), || look(&self.calls.lock().unwrap())).await
    }
}
