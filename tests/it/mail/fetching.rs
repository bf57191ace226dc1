use serde_json::json;

use super::dovecot::{Dovecot, mail};
use super::{CHANNEL, wait_for_state};
use crate::support::{Backend, ConfigBuilder, Gateway};

#[tokio::test]
async fn a_mail_comes_to_the_backend_as_it_arrives() {
    let (dovecot, backend) = (Dovecot::start(), Backend::start().await);
    dovecot.deliver(&[mail("too early", "ann@example.com", "")]);
    let config = dovecot.channel(ConfigBuilder::new().backend("desk", &backend), json!({}));
    let gateway = Gateway::start(config).await;
    wait_for_state(&gateway.client(), "connected").await;
    dovecot.deliver(&[mail("first", "ann@example.com", ""), mail("second", "bob@example.com", "")]);
    let first = backend.wait_for_text("first").await;
    backend.wait_for_text("second").await;
    assert_eq!(first.event["data"]["channel"]["name"], CHANNEL);
    assert_eq!(first.event["data"]["from"]["value"], "ann@example.com");
    let texts: Vec<_> =
        backend.taken().into_iter().map(|delivery| delivery.text).filter(|text| !text.is_empty()).collect();
    assert_eq!(texts.len(), 2, "what lay there before the start is none of ours: {texts:?}");
    assert!(dovecot.lying("INBOX").iter().all(|(_, flags)| flags.is_empty()), "the mailbox is left untouched");
}
