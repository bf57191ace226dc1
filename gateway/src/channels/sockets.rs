use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Frames that wait for one socket; a browser that takes none for so long is closed and resumes later.
const QUEUE: usize = 64;
/// Pushes remembered for sockets that are being bound.
const RECENT_MAX: usize = 512;
const RECENT_BYTES_MAX: usize = 4 << 20;
const RECENT_AGE: Duration = Duration::from_secs(30);

/// Open sockets, by channel and address: as one configuration sees them.
#[derive(Default)]
pub struct Hub {
    rooms: Arc<Rooms>,
    closed: CancellationToken,
}

/// All sockets. While one configuration follows another, what either pushes reaches those of both.
#[derive(Default)]
pub struct Rooms {
    channels: Mutex<HashMap<String, Room>>,
    next: AtomicU64,
}

#[derive(Default)]
struct Room {
    sockets: HashMap<u64, Open>,
    /// While an adapter reads the history for a new socket, somebody may push: what was pushed since then is caught up.
    recent: VecDeque<(Instant, String, String)>,
    recent_bytes: usize,
}

struct Open {
    address: Option<String>,
    frames: mpsc::Sender<String>,
}

/// One open socket; leaves the hub when it is dropped.
pub struct Socket<'a> {
    hub: &'a Hub,
    channel: String,
    id: u64,
    /// Frames pushed from elsewhere; ends when the socket was too slow.
    pub frames: mpsc::Receiver<String>,
}

impl Hub {
    /// With sockets that are open already.
    pub fn of(rooms: Arc<Rooms>) -> Self {
        Self { rooms, closed: CancellationToken::new() }
    }

    /// A socket that no address is bound to yet; `None` if the channel has `max` already.
    pub fn enter(&self, channel: &str, max: usize) -> Option<Socket<'_>> {
        let id = self.rooms.next.fetch_add(1, Ordering::Relaxed);
        let (sender, frames) = mpsc::channel(QUEUE);
        let mut channels = self.lock();
        let room = channels.entry(channel.to_owned()).or_default();
        if room.sockets.len() >= max {
            return None;
        }
        room.sockets.insert(id, Open { address: None, frames: sender });
        Some(Socket { hub: self, channel: channel.to_owned(), id, frames })
    }

    /// Sends a frame to every socket with that address; tells to how many.
    pub fn push(&self, channel: &str, address: &str, frame: &str) -> u32 {
        let mut channels = self.lock();
        let Some(room) = channels.get_mut(channel) else { return 0 };
        room.remember(address, frame);
        let mut reached = 0;
        room.sockets.retain(|_, open| {
            if open.address.as_deref() != Some(address) {
                return true;
            }
            let taken = open.frames.try_send(frame.to_owned()).is_ok();
            reached += u32::from(taken);
            taken
        });
        reached
    }

    /// Whoever answers for these sockets goes: they end, and visitors come back to whoever follows.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Waits for [`Self::close`].
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Sockets of a channel.
    pub fn count(&self, channel: &str) -> usize {
        self.lock().get(channel).map_or(0, |room| room.sockets.len())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Room>> {
        self.rooms.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn remember(&mut self, address: &str, frame: &str) {
        let now = Instant::now();
        let size = address.len() + frame.len();
        while self.recent.len() >= RECENT_MAX
            || self.recent_bytes + size > RECENT_BYTES_MAX
            || self.recent.front().is_some_and(|(at, ..)| now - *at > RECENT_AGE)
        {
            let Some((_, address, frame)) = self.recent.pop_front() else { return };
            self.recent_bytes -= address.len() + frame.len();
        }
        self.recent_bytes += size;
        self.recent.push_back((now, address.to_owned(), frame.to_owned()));
    }
}

impl Socket<'_> {
    /// Binds an address; frames pushed to it since `since` come, too.
    pub fn bind(&self, address: &str, since: Instant) {
        let mut channels = self.hub.lock();
        let Some(room) = channels.get_mut(&self.channel) else { return };
        let Some(open) = room.sockets.get_mut(&self.id) else { return };
        if open.address.as_deref() == Some(address) {
            return;
        }
        open.address = Some(address.to_owned());
        let missed = room.recent.iter().filter(|(at, to, _)| *at >= since && to == address);
        for (_, _, frame) in missed {
            // A queue that is full at once belongs to a socket that will be closed as too slow.
            let _ = open.frames.try_send(frame.clone());
        }
    }
}

impl Drop for Socket<'_> {
    fn drop(&mut self) {
        if let Some(room) = self.hub.lock().get_mut(&self.channel) {
            room.sockets.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_reach_the_sockets_of_their_address_alone() {
        let hub = Hub::default();
        let mut ann = hub.enter("web", 9).unwrap();
        let mut bob = hub.enter("web", 9).unwrap();
        ann.bind("ann", Instant::now());
        bob.bind("bob", Instant::now());
        assert_eq!(hub.push("web", "ann", "1"), 1);
        assert_eq!(hub.push("other", "ann", "2"), 0);
        assert_eq!(ann.frames.try_recv().ok(), Some("1".into()));
        assert!(bob.frames.try_recv().is_err());
    }

    #[test]
    fn what_an_earlier_configuration_pushes_reaches_who_came_back() {
        let earlier = Hub::default();
        let mut left = earlier.enter("web", 9).unwrap();
        left.bind("ann", Instant::now());
        let later = Hub::of(earlier.rooms.clone());
        let mut came_back = later.enter("web", 9).unwrap();
        came_back.bind("ann", Instant::now());
        assert_eq!((earlier.push("web", "ann", "1"), later.push("web", "ann", "2")), (2, 2));
        for frames in [&mut left.frames, &mut came_back.frames] {
            assert_eq!((frames.try_recv().ok(), frames.try_recv().ok()), (Some("1".into()), Some("2".into())));
        }
        earlier.close();
        assert!(earlier.closed.is_cancelled() && !later.closed.is_cancelled());
    }

    #[test]
    fn what_was_pushed_while_binding_is_not_missed() {
        let hub = Hub::default();
        let mut socket = hub.enter("web", 9).unwrap();
        hub.push("web", "ann", "before");
        let since = Instant::now();
        hub.push("web", "ann", "while");
        socket.bind("ann", since);
        assert_eq!(socket.frames.try_recv().ok(), Some("while".into()));
        assert!(socket.frames.try_recv().is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded_in_bytes() {
        let hub = Hub::default();
        let frame = "x".repeat(1 << 20);
        for _ in 0..20 {
            hub.push("web", "ann", &frame);
        }
        assert_eq!(hub.lock().get("web").map(|room| room.recent.len()), None, "nobody is there to be caught up");
        let _ann = hub.enter("web", 9).unwrap();
        for _ in 0..20 {
            hub.push("web", "ann", &frame);
        }
        let channels = hub.lock();
        let room = channels.get("web").unwrap();
        assert!(room.recent_bytes <= RECENT_BYTES_MAX && room.recent.len() < 4);
    }

    #[test]
    fn a_slow_socket_is_closed_and_a_left_one_is_gone() {
        let hub = Hub::default();
        let mut socket = hub.enter("web", 1).unwrap();
        assert!(hub.enter("web", 1).is_none());
        socket.bind("ann", Instant::now());
        for _ in 0..QUEUE {
            assert_eq!(hub.push("web", "ann", "x"), 1);
        }
        assert_eq!(hub.push("web", "ann", "one too many"), 0);
        while socket.frames.try_recv().is_ok() {}
        assert_eq!(socket.frames.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
        drop(socket);
        assert_eq!(hub.count("web"), 0);
    }
}
