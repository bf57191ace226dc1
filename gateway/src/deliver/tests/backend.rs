//! The backend target against a scripted peer, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::support::record;
use crate::config::Secret;
use crate::deliver::{Attempt, Backend, Outcome, Rendered, Scope, Signer, Target};
use crate::egress::Egress;
use crate::interaction::Time;
use crate::store::Record;

#[expect(unreachable_pub, reason = "shared with tests that are crates of their own")]
#[path = "../../../../tests/support/peer.rs"]
mod peer;

use peer::{Answer, Peer};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const FIRST: Attempt = Attempt { number: 1, uncertain: false, replayed: false };
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn backend(url: &str, timeout: Duration) -> Backend {
    let egress = Arc::new(Egress::new());
    Backend::new("desk", egress, url.parse().unwrap(), &Secret::new(SECRET), timeout, Arc::new(Rendered::plain))
        .unwrap()
}

fn event() -> Record {
    let body = format!(r#"{{"specversion":"1.0","traceparent":"{TRACE}","data":{{"message":{{"text":"hi"}}}}}}"#);
    Record { body: Bytes::from(body), ..Record::clone(&record(1, Uuid::nil())) }
}

async fn outcomes(answers: Vec<Answer>) -> Vec<Outcome> {
    let count = answers.len();
    let peer = Peer::scripted(answers).await;
    let backend = backend(&peer.url(), Duration::from_secs(10));
    let mut outcomes = Vec::new();
    for _ in 0..count {
        outcomes.push(backend.deliver(&event(), FIRST).await);
    }
    outcomes
}

fn answer(status: u16, header: Option<(&str, &str)>) -> Answer {
    let headers = header.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Answer { status, headers, body: Bytes::new(), close: false }
}

#[tokio::test]
async fn a_delivery_is_a_signed_cloud_event() {
    let peer = Peer::scripted(vec![answer(202, None), answer(202, None)]).await;
    let backend = backend(&format!("{}/interactions?x=1", peer.url()), Duration::from_secs(10));
    let event = event();
    assert_eq!(backend.deliver(&event, FIRST).await, Outcome::Done);
    assert_eq!(backend.deliver(&event, Attempt { replayed: true, ..FIRST }).await, Outcome::Done);
    let calls = peer.calls();
    let call = &calls[0];
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/interactions?x=1"));
    assert_eq!(call.body, event.body);
    let header = |name: &str| call.headers[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/cloudevents+json");
    assert_eq!(header("webhook-id"), event.id.to_string());
    assert_eq!(header("traceparent"), TRACE);
    assert!(header("user-agent").starts_with("omnigate/"));
    let seconds: i64 = header("webhook-timestamp").parse().unwrap();
    assert!((Time::now().seconds() - seconds).abs() < 10);
    let expected = Signer::new(&Secret::new(SECRET)).unwrap().sign(
        &event.id.to_string(),
        Time::from_ms(seconds * 1000),
        &call.body,
    );
    assert_eq!(header("webhook-signature"), expected);
    assert!(!call.headers.contains_key("omnigate-replayed"));
    assert_eq!(calls[1].headers["omnigate-replayed"], "true");
}

#[tokio::test]
async fn answers_lead_to_outcomes() {
    let outcomes = outcomes(vec![
        answer(200, None),
        answer(410, None),
        answer(429, Some(("retry-after", "7"))),
        answer(500, None),
        answer(302, Some(("location", "http://127.0.0.1:1/"))),
        answer(204, None),
    ])
    .await;
    assert_eq!(outcomes[0], Outcome::Done);
    assert_eq!(outcomes[1], Outcome::Stop { why: "the backend answered 410".into() });
    let why = "the backend answered 429".into();
    assert_eq!(outcomes[2], Outcome::Retry { after: Some(Duration::from_secs(7)), why, scope: Scope::Target });
    for (outcome, status) in [(&outcomes[3], 500), (&outcomes[4], 302)] {
        let why = format!("the backend answered {status}");
        assert_eq!(*outcome, Outcome::Retry { after: None, why, scope: Scope::Lane });
    }
    assert_eq!(outcomes[5], Outcome::Done);
}

#[tokio::test]
async fn a_cut_connection_and_a_closed_port_are_retried() {
    let cut = outcomes(vec![Answer { close: true, ..answer(200, None) }]).await.remove(0);
    assert!(matches!(cut, Outcome::Retry { after: None, scope: Scope::Lane, .. }), "{cut:?}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let closed = backend(&url, Duration::from_secs(10)).deliver(&event(), FIRST).await;
    assert_eq!(closed, Outcome::Retry { after: None, why: "no connection".into(), scope: Scope::Lane });
}

#[tokio::test]
async fn a_silent_backend_is_given_its_time_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let backend = backend(&url, Duration::from_millis(200));
    let outcome = backend.deliver(&event(), FIRST).await;
    assert_eq!(outcome, Outcome::Retry { after: None, why: "no answer in time".into(), scope: Scope::Lane });
}

#[tokio::test]
async fn a_long_answer_is_not_read_and_a_short_one_keeps_the_connection() {
    let long = Answer { body: Bytes::from(vec![b'x'; 8 << 20]), ..answer(200, None) };
    let short = Answer { body: Bytes::from_static(b"ok"), ..answer(200, None) };
    assert_eq!(outcomes(vec![long, short.clone(), short]).await, vec![Outcome::Done; 3]);
}

#[tokio::test]
async fn the_body_is_what_the_renderer_makes() {
    let peer = Peer::scripted(vec![answer(200, None)]).await;
    let render = Arc::new(|_: &Record| Rendered { body: Bytes::from_static(b"{\"new\":1}"), traceparent: None });
    let (egress, url) = (Arc::new(Egress::new()), peer.url().parse().unwrap());
    let backend = Backend::new("desk", egress, url, &Secret::new(SECRET), Duration::from_secs(10), render).unwrap();
    assert_eq!(backend.deliver(&event(), FIRST).await, Outcome::Done);
    assert_eq!(peer.calls()[0].body, "{\"new\":1}");
    assert!(!peer.calls()[0].headers.contains_key("traceparent"));
}
