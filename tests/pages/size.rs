//! What a site pays for the chat.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

#[test]
fn the_widget_is_under_thirty_kilobytes_on_the_wire() {
    let widget = include_bytes!("../../plugins/webchat/web/widget.js");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(widget).unwrap();
    let bytes = encoder.finish().unwrap().len();
    assert!(bytes < 30_000, "{bytes} bytes compressed");
}
