//! A disk that is full: told to the provider, and healed by space alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Backend, ConfigBuilder, Gateway, Ledger, Telegram};

const BOT: Telegram = Telegram("bot");
const DISK_BYTES: usize = 8 << 20;

/// A small file system of its own, until the end of the test.
struct Disk {
    place: PathBuf,
    _parent: tempfile::TempDir,
}

impl Disk {
    /// Nothing if this user may not mount.
    fn mount() -> Option<Self> {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("disk");
        fs::create_dir(&place).unwrap();
        let size = format!("size={DISK_BYTES}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&place).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self { place, _parent: parent })
    }

    fn filler(&self) -> PathBuf {
        self.place.join("filler")
    }

    /// Takes all the space there is.
    fn fill(&self) {
        let mut file = fs::File::create(self.filler()).unwrap();
        let block = [0; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, since a test that fails may leave the process for a moment longer.
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).status();
    }
}

fn data(disk: &Disk) -> String {
    Path::new(&disk.place).join("data").to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_full_disk_refuses_for_a_while_and_loses_nothing() {
    let Some(disk) = Disk::mount() else {
        eprintln!("SKIPPED a_full_disk_refuses_for_a_while_and_loses_nothing: only root may mount a small disk");
        return;
    };
    let backend = Backend::start().await;
    let config = ConfigBuilder::new().backend("desk", &backend).telegram(&BOT, None).set("store", "path", data(&disk));
    let gateway = Gateway::start(config).await;
    let ledger = Ledger::default();
    let send = async |number: u64| {
        let answer = BOT.text(number, 1, &Ledger::text((1, number))).send(&gateway.client()).await;
        if answer.status == 200 {
            ledger.enter((1, number));
        }
        answer
    };
    send(1).await.expect(200);
    backend.wait_for_text("1/1").await;
    disk.fill();

    let mut number = 1;
    let refused = loop {
        number += 1;
        let answer = send(number).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(number < 10_000, "the disk is full, and everything is taken");
    };
    let refused = refused.expect_problem(503, "unavailable", "nothing can be stored at the moment");
    assert_eq!(refused.header("retry-after"), Some("5"));

    // What was acknowledged is there after a crash on the full disk too, and more is refused.
    disk.free();
    send(number).await.expect(200);
    backend.wait_for("everything acknowledged", |all| ledger.has_all(all).then_some(())).await;
    ledger.judge(&backend.attempts()).expect_kept();
}

#[tokio::test]
async fn what_was_kept_survives_a_kill_on_a_full_disk() {
    let Some(disk) = Disk::mount() else {
        eprintln!("SKIPPED what_was_kept_survives_a_kill_on_a_full_disk: only root may mount a small disk");
        return;
    };
    let backend = Backend::start().await;
    let config = ConfigBuilder::new().backend("desk", &backend).telegram(&BOT, None).set("store", "path", data(&disk));
    let gateway = Gateway::start(config).await;
    let ledger = Ledger::default();
    disk.fill();
    for number in 1.. {
        let answer = BOT.text(number, 1, &Ledger::text((1, number))).send(&gateway.client()).await;
        if answer.status == 503 {
            break;
        }
        answer.expect(200);
        ledger.enter((1, number));
    }
    let stopped = gateway.kill();
    disk.free();
    let gateway = stopped.start().await;
    BOT.text(1_000_000, 2, "2/1").send(&gateway.client()).await.expect(200);
    ledger.enter((2, 1));
    backend.wait_for("everything acknowledged", |all| ledger.has_all(all).then_some(())).await;
    ledger.judge(&backend.attempts()).expect_kept();
}
