//! What is left in the files of what was removed.

use std::path::Path;

use bytes::Bytes;
use tempfile::TempDir;
use uuid::Uuid;

use super::{event, open};
use crate::store::{Batch, Key, NewEvent, Store as _, Write};

/// Files in which a text can be read.
fn files_with(directory: &Path, text: &str) -> Vec<String> {
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let with = files.filter(|file| memchr::memmem::find(&std::fs::read(file).unwrap(), text.as_bytes()).is_some());
    with.map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// Texts of many sizes between others, written over and moved about, so that every way of leaving a copy behind is gone.
async fn fill(store: &impl crate::store::Store) -> Vec<Uuid> {
    let mut secret = Vec::new();
    for n in 0..600_u64 {
        let text = if n.is_multiple_of(7) { "trace-of-ann" } else { "somebody else" };
        let body = format!("{{\"text\":\"{}\"}}", text.repeat(1 + (n as usize * 37) % 900));
        let added =
            NewEvent { raw: n.is_multiple_of(14).then(|| Bytes::from(body.clone())), ..event(n.into(), body.into()) };
        if n.is_multiple_of(7) {
            secret.push(added.id);
        }
        let name = |k: u64| Key(format!("entry/{}{}", k % 53, if k.is_multiple_of(7) { "trace-of-ann" } else { "" }));
        let writes =
            vec![Write::put(name(n), text.repeat(1 + n as usize % 300)), Write::delete(name(n.wrapping_sub(40)))];
        store.commit(Batch { events: vec![added], writes, ..Batch::default() }).await.unwrap();
    }
    secret
}

#[tokio::test]
async fn nothing_removed_can_be_read_after_a_scrub() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    let removals = fill(&store).await;
    let entries = store.scan("entry/", None, 1000).await.unwrap();
    let writes = entries.into_iter().map(|(key, _)| Write::delete(key)).collect();
    store.commit(Batch { removals, writes, ..Batch::default() }).await.unwrap();
    assert!(!files_with(directory.path(), "trace-of-ann").is_empty(), "otherwise this proves nothing");
    assert!(store.scrub(u64::MAX).await.unwrap());
    assert_eq!(files_with(directory.path(), "trace-of-ann"), Vec::<String>::new());
    assert!(!files_with(directory.path(), "somebody else").is_empty());
    drop(store);
    assert_eq!(files_with(directory.path(), "trace-of-ann"), Vec::<String>::new());
}
