use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::fs;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

/// Where files lie until they are whole.
const INCOMING: &str = "incoming";
/// Bytes that tell what a file is.
const SNIFF_BYTES: usize = 512;

/// A file on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Hexadecimal.
    pub sha256: String,
    pub bytes: u64,
    /// What the content itself says, else what was declared.
    pub content_type: String,
}

/// Why a file was not stored.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the file has more than {0} bytes (media.bytes_max)")]
    TooLarge(u64),
    #[error("files of type {0} are not taken (media.content_types)")]
    ContentType(String),
    #[error("the transfer broke off: {0}")]
    Broken(String),
    #[error("the disk is full, or has less room than media.disk_reserve")]
    Full,
    #[error("the file cannot be written: {0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

/// The folder. While one configuration follows another, both work with it.
///
/// Each entry has a name of its own there, so that nobody who removes a file can meet somebody else's that is just arriving.
/// Equal content lies on the disk once: names of one digest are links to the same file.
pub(super) struct Files {
    directory: PathBuf,
    /// Bytes of the disk that are left to the log.
    reserve: u64,
}

impl Files {
    pub(super) fn open(directory: &Path, reserve: u64) -> io::Result<Self> {
        std::fs::create_dir_all(directory.join(INCOMING))?;
        Ok(Self { directory: directory.to_owned(), reserve })
    }

    /// Where a file lies.
    pub(super) fn path(&self, name: &Name) -> PathBuf {
        self.shared(&name.sha256).with_file_name(name.to_string())
    }

    /// What others with the same content link to.
    fn shared(&self, sha256: &str) -> PathBuf {
        self.directory.join(&sha256[..2]).join(sha256)
    }

    /// Removes a file; tells whether nobody else has its content, so that it is gone.
    pub(super) async fn remove(&self, name: &Name) -> Result<bool, WriteError> {
        let (place, shared) = (self.path(name), self.shared(&name.sha256));
        let remove = move || {
            let was_there = found(std::fs::remove_file(place))?;
            Ok::<_, io::Error>(remove_unlinked(&shared)? || (was_there && !shared.exists()))
        };
        Ok(tokio::task::spawn_blocking(remove).await.map_err(io::Error::from)??)
    }

    /// Removes files that nobody refers to and what was never finished, unless they are younger than `age`: their entry, or
    /// their rest, may be on its way. Blocks.
    pub(super) fn sweep(&self, is_used: impl Fn(&Name) -> bool, age: Duration) -> io::Result<u64> {
        let mut removed = sweep_incoming(&self.directory.join(INCOMING), age)?;
        for folder in std::fs::read_dir(&self.directory)?.flatten().filter(|folder| folder.file_name().len() == 2) {
            let files = || Ok::<_, io::Error>(std::fs::read_dir(folder.path())?.flatten());
            let named = |file: &std::fs::DirEntry| file.file_name().to_str().and_then(|name| name.parse::<Name>().ok());
            let left = |name: &Name| name.is_older_than(age) && !is_used(name);
            for file in files()?.filter(|file| named(file).is_some_and(|name| left(&name))) {
                removed += u64::from(found(std::fs::remove_file(file.path()))?);
            }
            for file in files()?.filter(|file| named(file).is_none()) {
                remove_unlinked(&file.path())?;
            }
        }
        Ok(removed)
    }

    /// Writes aside, syncs, renames: under its name a file is always whole.
    pub(super) async fn write<E: fmt::Display>(
        &self,
        id: Uuid,
        body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        bytes_max: u64,
        declared: Option<&str>,
        allowed: &[String],
    ) -> Result<Stored, WriteError> {
        self.check_room()?;
        let aside = self.directory.join(INCOMING).join(Uuid::now_v7().to_string());
        let written = self.write_aside(&aside, id, body, bytes_max, declared, allowed).await;
        // Where it is not the file itself now. What is left behind is swept.
        let _ = fs::remove_file(&aside).await;
        written
    }

    /// Files give way before messages do.
    fn check_room(&self) -> Result<(), WriteError> {
        let disk = rustix::fs::statvfs(&self.directory).map_err(io::Error::from)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < self.reserve { Err(WriteError::Full) } else { Ok(()) }
    }

    async fn write_aside<E: fmt::Display>(
        &self,
        aside: &Path,
        id: Uuid,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        bytes_max: u64,
        declared: Option<&str>,
        allowed: &[String],
    ) -> Result<Stored, WriteError> {
        let mut file = fs::File::create(aside).await?;
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let (mut bytes, mut head) = (0_u64, Vec::new());
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| WriteError::Broken(error.to_string()))?;
            bytes += chunk.len() as u64;
            if bytes > bytes_max {
                return Err(WriteError::TooLarge(bytes_max));
            }
            head.extend_from_slice(&chunk[..chunk.len().min(SNIFF_BYTES - head.len())]);
            digest.update(&chunk);
            file.write_all(&chunk).await?;
        }
        let content_type = content_type(&head, declared);
        check_type(&content_type, allowed)?;
        file.sync_all().await?;
        let name = Name { sha256: hex::encode(digest.finish()), id };
        self.put_in_place(aside, &name).await?;
        Ok(Stored { sha256: name.sha256, bytes, content_type })
    }

    /// A file survives a power cut only with its name, and so does a new folder.
    async fn put_in_place(&self, aside: &Path, name: &Name) -> io::Result<()> {
        let (place, shared) = (self.path(name), self.shared(&name.sha256));
        let folder = place.parent().unwrap_or(&self.directory);
        if !fs::try_exists(folder).await? {
            fs::create_dir_all(folder).await?;
            sync(&self.directory).await?;
        }
        if !is_linked(&shared, &place).await {
            // Of many who come at once with the same, one is linked to by all.
            let _ = fs::hard_link(aside, &shared).await;
            if !is_linked(&shared, &place).await {
                // The disk knows no links: equal files lie there several times.
                fs::rename(aside, &place).await?;
            }
        }
        sync(folder).await
    }
}

/// A file's name: its digest and the entry that it is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) sha256: String,
    pub(super) id: Uuid,
}

impl Name {
    /// Whether its entry was announced longer ago.
    fn is_older_than(&self, age: Duration) -> bool {
        let announced = self.id.get_timestamp().map_or(Duration::ZERO, |time| {
            let (seconds, nanos) = time.to_unix();
            Duration::new(seconds, nanos)
        });
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + announced).is_ok_and(|passed| passed > age)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.sha256, self.id)
    }
}

impl FromStr for Name {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let (sha256, id) = text.split_once('.').ok_or(NoName)?;
        let is_digest = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
        let id = id.parse().map_err(|_| NoName)?;
        if is_digest { Ok(Self { sha256: sha256.to_owned(), id }) } else { Err(NoName) }
    }
}

/// That is no name of a file of ours.
#[derive(Debug)]
pub(super) struct NoName;

/// Whether a file has its place now, by a link to what lies there already.
async fn is_linked(shared: &Path, place: &Path) -> bool {
    match fs::hard_link(shared, place).await {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::AlreadyExists,
    }
}

/// Whether there was anything to do.
fn found(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes what nothing links to any more. Whoever links to it in this very moment has the content all the same.
fn remove_unlinked(shared: &Path) -> io::Result<bool> {
    match std::fs::metadata(shared) {
        Ok(file) if file.nlink() == 1 => found(std::fs::remove_file(shared)),
        _ => Ok(false),
    }
}

async fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder).await?.sync_all().await
}

fn sweep_incoming(folder: &Path, age: Duration) -> io::Result<u64> {
    let mut removed = 0;
    for file in std::fs::read_dir(folder)?.flatten() {
        // One that has found its place meanwhile is not there any more.
        let modified = file.metadata().and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|elapsed| elapsed > age)) {
            removed += u64::from(found(std::fs::remove_file(file.path()))?);
        }
    }
    Ok(removed)
}

/// The content decides; a declaration counts only where the content says nothing.
fn content_type(head: &[u8], declared: Option<&str>) -> String {
    if let Some(kind) = infer::get(head) {
        return kind.mime_type().to_owned();
    }
    let declared = declared.and_then(|text| text.split(';').next()).map(|text| text.trim().to_ascii_lowercase());
    declared.filter(|text| is_media_type(text)).unwrap_or_else(|| "application/octet-stream".to_owned())
}

/// RFC 6838 section 4.2, as far as it keeps a header whole.
fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        !part.is_empty()
            && part.len() <= 127
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

fn check_type(content_type: &str, allowed: &[String]) -> Result<(), WriteError> {
    let fits = |pattern: &String| match pattern.strip_suffix("/*") {
        Some("*") => true,
        Some(kind) => content_type.split('/').next() == Some(kind),
        None => pattern == content_type,
    };
    if allowed.iter().any(fits) { Ok(()) } else { Err(WriteError::ContentType(content_type.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(chunks: &[&'static [u8]]) -> impl Stream<Item = Result<Bytes, String>> + Unpin {
        futures_util::stream::iter(chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect::<Vec<_>>())
    }

    fn files() -> (tempfile::TempDir, Files) {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::open(directory.path(), 0).unwrap();
        (directory, files)
    }

    fn name(id: Uuid, stored: &Stored) -> Name {
        Name { sha256: stored.sha256.clone(), id }
    }

    #[tokio::test]
    async fn the_same_content_is_stored_once() {
        let (_directory, files) = files();
        let any = ["*/*".to_owned()];
        let [one, other] = [Uuid::now_v7(), Uuid::now_v7()];
        let first = files.write(one, body(&[b"ab", b"c"]), 10, Some("text/plain; charset=utf-8"), &any).await.unwrap();
        let second = files.write(other, body(&[b"abc"]), 10, None, &any).await.unwrap();
        assert_eq!((first.bytes, first.content_type.as_str()), (3, "text/plain"));
        let paths = [name(one, &first), name(other, &second)].map(|name| files.path(&name));
        let inodes = paths.each_ref().map(|path| std::fs::metadata(path).unwrap().ino());
        assert_eq!(inodes[0], inodes[1]);
        assert_eq!(std::fs::read(&paths[1]).unwrap(), b"abc");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_same_content_that_comes_many_times_at_once_is_stored_once() {
        let (_directory, files) = files();
        let any = ["*/*".to_owned()];
        let ids: Vec<Uuid> = (0..20).map(|_| Uuid::now_v7()).collect();
        let all = ids.iter().map(|id| files.write(*id, body(&[b"abc"]), 10, None, &any));
        let all: Vec<Stored> = futures_util::future::try_join_all(all).await.unwrap();
        let mut gone = Vec::new();
        for (id, stored) in ids.iter().zip(&all) {
            assert_eq!(std::fs::metadata(files.path(&name(*id, stored))).unwrap().nlink(), 21 - gone.len() as u64);
            gone.push(files.remove(&name(*id, stored)).await.unwrap());
        }
        assert_eq!(gone.iter().filter(|gone| **gone).count(), 1, "with the last one");
    }

    #[tokio::test]
    async fn content_is_gone_with_the_last_who_has_it() {
        let (directory, files) = files();
        let any = ["*/*".to_owned()];
        let [one, other] = [Uuid::now_v7(), Uuid::now_v7()];
        let stored = files.write(one, body(&[b"abc"]), 10, None, &any).await.unwrap();
        files.write(other, body(&[b"abc"]), 10, None, &any).await.unwrap();
        assert!(!files.remove(&name(one, &stored)).await.unwrap(), "somebody else has it");
        assert_eq!(std::fs::read(files.path(&name(other, &stored))).unwrap(), b"abc");
        assert!(files.remove(&name(other, &stored)).await.unwrap());
        assert!(!files.remove(&name(other, &stored)).await.unwrap(), "a second time nothing is there");
        let folder = directory.path().join(&stored.sha256[..2]);
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn the_content_decides_on_its_type() {
        let (_directory, files) = files();
        let png = files
            .write(Uuid::now_v7(), body(&[b"\x89PNG\r\n\x1a\n0000"]), 99, Some("text/html"), &["image/*".to_owned()])
            .await
            .unwrap();
        assert_eq!(png.content_type, "image/png");
        let refused = files
            .write(
                Uuid::now_v7(),
                body(&[b"\x89PNG\r\n\x1a\n0000"]),
                99,
                Some("text/plain"),
                &["text/plain".to_owned()],
            )
            .await;
        assert!(matches!(refused, Err(WriteError::ContentType(kind)) if kind == "image/png"));
    }

    #[tokio::test]
    async fn limits_and_broken_transfers_leave_nothing_behind() {
        let (directory, files) = files();
        let any = ["*/*".to_owned()];
        assert!(matches!(
            files.write(Uuid::now_v7(), body(&[b"abcd"]), 3, None, &any).await,
            Err(WriteError::TooLarge(3))
        ));
        let broken = futures_util::stream::iter([Ok(Bytes::from_static(b"ab")), Err("cut")]);
        assert!(matches!(files.write(Uuid::now_v7(), broken, 9, None, &any).await, Err(WriteError::Broken(_))));
        assert_eq!(std::fs::read_dir(directory.path().join("incoming")).unwrap().count(), 0);
    }

    /// As while one configuration follows another: both have the folder, and the first still has a file in hand.
    #[tokio::test]
    async fn two_who_share_the_folder_do_not_share_a_file() {
        let (directory, first) = files();
        let second = Files::open(directory.path(), 0).unwrap();
        let any = ["*/*".to_owned()];
        let (chunks, arriving) = tokio::sync::mpsc::unbounded_channel::<Result<Bytes, String>>();
        let arriving = Box::pin(futures_util::stream::unfold(arriving, async |mut arriving| {
            arriving.recv().await.map(|chunk| (chunk, arriving))
        }));
        let [one, other] = [Uuid::now_v7(), Uuid::now_v7()];
        let slow = first.write(one, arriving, 99, None, &any);
        tokio::pin!(slow);
        chunks.send(Ok("the first ".into())).unwrap();
        assert!(futures_util::poll!(slow.as_mut()).is_pending());
        while std::fs::read_dir(directory.path().join("incoming")).unwrap().count() == 0 {
            let _ = futures_util::poll!(slow.as_mut());
            tokio::task::yield_now().await;
        }
        let quick = second.write(other, body(&[b"the second"]), 99, None, &any).await.unwrap();
        chunks.send(Ok("half".into())).unwrap();
        drop(chunks);
        let slow = slow.await.unwrap();
        assert_eq!(std::fs::read(first.path(&name(one, &slow))).unwrap(), b"the first half");
        assert_eq!(std::fs::read(first.path(&name(other, &quick))).unwrap(), b"the second");
    }

    #[tokio::test]
    async fn what_a_crash_left_behind_is_swept() {
        let (directory, files) = files();
        let left = directory.path().join("incoming").join("left");
        std::fs::write(&left, "half a file").unwrap();
        assert_eq!(files.sweep(|_| true, Duration::from_secs(3600)).unwrap(), 0, "somebody may be writing it");
        assert_eq!(files.sweep(|_| true, Duration::ZERO).unwrap(), 1);
        assert!(!left.exists());
    }

    #[tokio::test]
    async fn files_leave_room_for_messages() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::open(directory.path(), u64::MAX).unwrap();
        let refused = files.write(Uuid::now_v7(), body(&[b"abc"]), 10, None, &["*/*".to_owned()]).await;
        assert!(matches!(refused, Err(WriteError::Full)), "{refused:?}");
    }

    #[tokio::test]
    async fn files_that_nobody_refers_to_are_swept() {
        let (_directory, files) = files();
        let any = ["*/*".to_owned()];
        let [kept, left] = [Uuid::now_v7(), Uuid::now_v7()];
        let stored = files.write(kept, body(&[b"the same"]), 10, None, &any).await.unwrap();
        files.write(left, body(&[b"the same"]), 10, None, &any).await.unwrap();
        assert_eq!(files.sweep(|_| false, Duration::from_secs(3600)).unwrap(), 0, "both are young");
        let age = Duration::from_secs(1);
        // So old are names alone: what a link says of its time, it says of all.
        let old = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_000_000, 0));
        std::fs::rename(files.path(&name(left, &stored)), files.path(&name(old, &stored))).unwrap();
        assert_eq!(files.sweep(|name| name.id == kept, age).unwrap(), 1);
        let [kept, left] = [kept, old].map(|id| files.path(&name(id, &stored)).exists());
        assert!(kept && !left);
    }

    #[test]
    fn nothing_declared_breaks_a_header() {
        for declared in ["text/html\r\nx: y", "text", "/", "a/b c", ""] {
            assert_eq!(content_type(b"abc", Some(declared)), "application/octet-stream", "{declared:?}");
        }
    }
}
