use std::collections::VecDeque;
use std::sync::Arc;

use uuid::Uuid;

use crate::store::{Position, Record, Stream};

const RECORDS_MAX: usize = 4096;
const BYTES_MAX: usize = 8 << 20;

/// The newest records, in memory: who reads near the head does not touch the disk.
pub(super) struct Tail {
    records: VecDeque<Arc<Record>>,
    bytes: usize,
    /// Every record beyond this position and up to the head is here.
    base: Position,
    head: Position,
}

impl Tail {
    /// Empty, at the head of a log.
    pub(super) fn at(head: Position) -> Self {
        Self { records: VecDeque::new(), bytes: 0, base: head, head }
    }

    /// The last position that readers may see.
    pub(super) fn head(&self) -> Position {
        self.head
    }

    /// Takes records that are durable, in order, and moves the head.
    pub(super) fn extend(&mut self, records: Vec<Arc<Record>>, head: Position) {
        for record in records {
            self.bytes += weight(&record);
            self.records.push_back(record);
            self.shrink();
        }
        self.head = head;
    }

    /// Records at these positions have gone.
    pub(super) fn forget(&mut self, positions: &[u64]) {
        for position in positions {
            let Ok(index) = self.records.binary_search_by_key(position, |record| record.position.0) else { continue };
            if let Some(record) = self.records.remove(index) {
                self.bytes -= weight(&record);
            }
        }
    }

    /// The next records of a stream and how far the reading went; `None` if it begins before this tail.
    pub(super) fn read(&self, stream: &Stream, after: Position, limit: usize) -> Option<(Vec<Arc<Record>>, Position)> {
        if after < self.base {
            return None;
        }
        if limit == 0 {
            return Some((Vec::new(), after));
        }
        let beyond = self.records.partition_point(|record| record.position <= after);
        let matching = self.records.range(beyond..).filter(|record| belongs(record, stream));
        let records: Vec<_> = matching.take(limit).cloned().collect();
        let seen = match records.last() {
            Some(last) if records.len() == limit => last.position,
            _ => self.head.max(after),
        };
        Some((records, seen))
    }

    /// The records of a lane; `None` if they may begin before this tail.
    pub(super) fn lane(&self, stream: &Stream, lane: Uuid, from: Position, limit: usize) -> Option<Vec<Arc<Record>>> {
        if from <= self.base {
            return None;
        }
        let start = self.records.partition_point(|record| record.position < from);
        let matching = self.records.range(start..).filter(|record| record.lane == lane && belongs(record, stream));
        Some(matching.take(limit).cloned().collect())
    }

    fn shrink(&mut self) {
        while self.records.len() > RECORDS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.records.pop_front() else { return };
            self.bytes -= weight(&oldest);
            self.base = oldest.position;
        }
    }
}

fn belongs(record: &Record, stream: &Stream) -> bool {
    match stream {
        Stream::All => true,
        Stream::Target(name) => record.target.as_ref() == Some(name),
    }
}

fn weight(record: &Record) -> usize {
    size_of::<Record>() + record.body.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interaction::{Kind, Time};
    use crate::store::Partition;

    fn record(position: u64, body: usize) -> Arc<Record> {
        Arc::new(Record {
            partition: Partition(0),
            position: Position(position),
            id: Uuid::from_u128(position.into()),
            kind: Kind::MessageReceived,
            lane: Uuid::nil(),
            conversation: None,
            contact: None,
            channel: "mail".to_owned(),
            target: None,
            time: Time::from_ms(0),
            body: vec![0; body].into(),
        })
    }

    fn filled(count: u64, body: usize) -> Tail {
        let mut tail = Tail::at(Position(10));
        tail.extend((11..11 + count).map(|position| record(position, body)).collect(), Position(10 + count));
        tail
    }

    #[test]
    fn a_reader_from_before_goes_to_the_disk() {
        let tail = filled(3, 1);
        assert!(tail.read(&Stream::All, Position(9), 10).is_none());
        assert!(tail.lane(&Stream::All, Uuid::nil(), Position(10), 10).is_none());
        assert_eq!(tail.read(&Stream::All, Position(10), 10).unwrap().0.len(), 3);
        assert_eq!(tail.lane(&Stream::All, Uuid::nil(), Position(11), 10).unwrap().len(), 3);
    }

    #[test]
    fn a_limited_reading_went_to_its_last_record() {
        let (records, seen) = filled(3, 1).read(&Stream::All, Position(10), 2).unwrap();
        assert_eq!((records.len(), seen), (2, Position(12)));
    }

    #[test]
    fn a_stream_without_records_is_seen_up_to_the_head() {
        let (records, seen) = filled(3, 1).read(&Stream::Target("crm".to_owned()), Position(10), 2).unwrap();
        assert_eq!((records.len(), seen), (0, Position(13)));
    }

    #[test]
    fn it_is_bounded_in_number_and_in_bytes() {
        let many = filled(5000, 1);
        assert_eq!(many.records.len(), RECORDS_MAX);
        assert_eq!(many.base, Position(10 + 5000 - RECORDS_MAX as u64));
        let large = filled(100, 1 << 20);
        assert!(large.bytes <= BYTES_MAX && large.records.len() < 8);
        assert!(large.read(&Stream::All, Position(100), 1).is_none());
    }
}
