use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::ledger::{Entry, Ledger};
use super::random::Random;
use super::{Client, Telegram, within};

/// Persons that each writer stands for.
const PERSONS: u64 = 8;

/// Many persons who write all the time, and go on where they were when the gateway goes away and comes back.
pub struct Load {
    pub ledger: Arc<Ledger>,
    /// Where the gateway is, while it is there.
    place: watch::Sender<Option<Client>>,
    acknowledged: watch::Receiver<usize>,
    unanswered: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    writers: JoinSet<()>,
}

/// Somebody who writes for [`PERSONS`] persons, one message at a time.
struct Writer {
    channel: Telegram,
    first_person: u64,
    written: [u64; PERSONS as usize],
    ledger: Arc<Ledger>,
    acknowledged: Arc<watch::Sender<usize>>,
    unanswered: Arc<AtomicUsize>,
    place: watch::Receiver<Option<Client>>,
    /// Where it wrote last; every other writer keeps its connection.
    client: Option<Client>,
    keeps: bool,
    random: Random,
}

impl Load {
    pub fn start(channel: Telegram, writers: u64, random: &mut Random) -> Self {
        let (place, _) = watch::channel(None);
        let (sender, acknowledged) = watch::channel(0);
        let sender = Arc::new(sender);
        let mut load = Self {
            ledger: Arc::default(),
            place,
            acknowledged,
            unanswered: Arc::default(),
            stop: Arc::default(),
            writers: JoinSet::new(),
        };
        for writer in 0..writers {
            let mut writer = Writer {
                channel,
                first_person: 1000 + writer * PERSONS,
                written: [0; PERSONS as usize],
                ledger: load.ledger.clone(),
                acknowledged: sender.clone(),
                unanswered: load.unanswered.clone(),
                place: load.place.subscribe(),
                client: None,
                keeps: writer % 2 == 0,
                random: random.fork(),
            };
            let stop = load.stop.clone();
            load.writers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    writer.write().await;
                }
            });
        }
        load
    }

    /// The gateway is there from now on.
    pub fn turn_to(&self, client: Client) {
        self.place.send_replace(Some(client));
    }

    /// It is away from now on.
    pub fn turn_away(&self) {
        self.place.send_replace(None);
    }

    /// Waits for so many more acknowledgements.
    pub async fn acknowledged(&self, more: usize) {
        let target = *self.acknowledged.borrow() + more;
        let mut acknowledged = self.acknowledged.clone();
        within("the load goes on", acknowledged.wait_for(|count| *count >= target)).await.unwrap();
    }

    /// Requests whose connection was refused or broke.
    pub fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Lets everybody finish the message in hand.
    pub async fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = within("the end of the load", self.writers.join_next()).await {
            ended.unwrap();
        }
    }
}

impl Writer {
    /// Mostly as providers do it: the same message again until it is acknowledged. Some are given up, and nobody knows of them.
    async fn write(&mut self) {
        let index = self.random.within(0..PERSONS as usize);
        self.written[index] += 1;
        let entry = (self.first_person + index as u64, self.written[index]);
        let stubborn = self.random.within(0..4) != 0;
        while !self.send(entry).await {
            if !stubborn {
                return;
            }
        }
        self.ledger.enter(entry);
        self.acknowledged.send_modify(|count| *count += 1);
    }

    /// Whether it was acknowledged.
    async fn send(&mut self, entry: Entry) -> bool {
        let client = self.client().await;
        let (person, number) = entry;
        let webhook = self.channel.text(person * 1_000_000 + number, person, &Ledger::text(entry));
        match webhook.try_send(&client).await {
            Ok(answer) => answer.status == 200,
            Err(_) => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                false
            }
        }
    }

    async fn client(&mut self) -> Client {
        if self.place.has_changed().unwrap() {
            self.client = None;
        }
        if self.client.is_none() {
            let place = within("the gateway", self.place.wait_for(Option::is_some)).await.unwrap().clone().unwrap();
            self.client = Some(if self.keeps { place.keeping_its_connection() } else { place });
        }
        self.client.clone().unwrap()
    }
}
