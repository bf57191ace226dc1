//! What a site pays for the chat.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{ConfigBuilder, Gateway};

#[tokio::test]
async fn the_widget_is_one_script_under_thirty_kilobytes_on_the_wire() {
    let gateway = Gateway::start(ConfigBuilder::new().set("channels.website", "adapter", "webchat")).await;
    let widget = gateway.client().call("GET", "/chat/website/widget.js", None).await;
    assert_eq!(widget.status, 200);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&widget.body).unwrap();
    let bytes = encoder.finish().unwrap().len();
    assert!((10_000..30_000).contains(&bytes), "{bytes} bytes compressed");
}
