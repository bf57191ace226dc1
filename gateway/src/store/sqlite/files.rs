use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What opening a long log of writes may need beside it.
const RESERVE_BYTES: usize = 512 << 10;

/// Where the store lies, held against a second process for as long as this lives.
pub(super) struct Home {
    pub(super) database: PathBuf,
    reserve: PathBuf,
    _lock: File,
}

impl Home {
    /// Makes what is missing (directory 0700, files 0600) and takes the lock.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let lock = file(&directory.join("omnigate.lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another process works with it"),
            TryLockError::Error(error) => error,
        })?;
        let database = directory.join("omnigate.db");
        file(&database)?.sync_all()?;
        sync(directory)?;
        Ok(Self { database, reserve: directory.join("omnigate.reserve"), _lock: lock })
    }

    /// Keeps some space, so that the store can be opened again on a full disk. Where there is none left, it does without.
    pub(super) fn keep_reserve(&self) {
        let kept = self.reserve.metadata().is_ok_and(|metadata| metadata.len() == RESERVE_BYTES as u64);
        if !kept && self.fill_reserve().is_err() {
            self.release_reserve();
        }
    }

    /// Gives the kept space free; false if there was none.
    pub(super) fn release_reserve(&self) -> bool {
        fs::remove_file(&self.reserve).is_ok()
    }

    fn fill_reserve(&self) -> io::Result<()> {
        let mut reserve = file(&self.reserve)?;
        reserve.write_all(&vec![0; RESERVE_BYTES])?;
        reserve.sync_all()
    }
}

/// Bytes on the disk: the database and its log of writes.
pub(super) fn size(database: &Path) -> u64 {
    let of = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    of(database) + of(Path::new(&log))
}

fn file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// A new file survives a power cut only with its name, and so does a new directory.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()?;
    match directory.canonicalize()?.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
