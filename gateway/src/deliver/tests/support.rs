use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::interaction::{Kind, Time};
use crate::store::{Partition, Position, Record};

pub(super) fn record(position: u64, lane: Uuid) -> Arc<Record> {
    Arc::new(Record {
        partition: Partition(0),
        position: Position(position),
        id: Uuid::from_u128(u128::from(position) << 64),
        kind: Kind::MessageReceived,
        lane,
        conversation: None,
        contact: None,
        channel: "sms".to_owned(),
        target: None,
        time: Time::from_ms(0),
        body: Bytes::new(),
    })
}
