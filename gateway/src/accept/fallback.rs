//! The clock of ways: a message that did not arrive in time goes on by the next channel, also after a crash.

use std::time::Duration;

use futures_util::future::join_all;
use uuid::Uuid;

use super::envelope::Trace;
use super::messages::MessageState;
use super::{Accept, Rounds};
use crate::interaction::Time;
use crate::store::{Batch, Key, StoreError, Write};

const PREFIX: [&str; 2] = ["fallback", "due"];
/// Clocks looked at together.
const PAGE: usize = 100;
/// The clocks are looked at so often, whether one is known to be due or not: another node may have set one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a failure of the store.
const PAUSE: Duration = Duration::from_secs(5);

/// Sets the clock of the last way, if one waits for it. Keys are in order of time.
pub(super) fn due_write(state: &MessageState) -> Option<Write> {
    let due = state.due_at()?;
    Some(Write::put(due_key(due, state.id), state.ways.len().to_string()))
}

fn due_key(due: Time, id: Uuid) -> Key {
    Key::of(&[PREFIX[0], PREFIX[1], &format!("{:015}", due.ms()), &id.to_string()])
}

/// Time and message of a clock.
fn read(key: &Key) -> Option<(Time, Uuid)> {
    let mut segments = key.0.rsplit('/');
    let id = Uuid::parse_str(segments.next()?).ok()?;
    Some((Time::from_ms(segments.next()?.parse().ok()?), id))
}

impl Accept {
    /// Lets overdue messages go on by their next channels, for as long as it is polled.
    pub async fn watch_fallbacks(&self) {
        loop {
            let pause = match self.go_on_where_due(Time::now()).await {
                Ok(()) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "overdue messages cannot go on by other channels; trying again");
                    PAUSE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Pages are done together: the store takes their commits as a group.
    async fn go_on_where_due(&self, now: Time) -> Result<(), StoreError> {
        loop {
            let clocks = self.store.scan(&Key::prefix(&PREFIX), None, PAGE).await?;
            let due = clocks.iter().take_while(|(key, _)| read(key).is_none_or(|(due, _)| due <= now));
            let done = join_all(due.map(|(key, entry)| self.overdue(key, &entry.value, now))).await;
            let count = done.len();
            done.into_iter().collect::<Result<(), StoreError>>()?;
            if count < PAGE {
                return Ok(());
            }
        }
    }

    async fn overdue(&self, clock: &Key, ways: &[u8], now: Time) -> Result<(), StoreError> {
        let mut rounds = Rounds::default();
        loop {
            match self.go_on_if_overdue(clock, ways, now).await {
                Err(StoreError::Conflict(key)) => self.lost(&key, &mut rounds)?,
                Err(StoreError::Corrupt(what)) => {
                    tracing::error!(what, "a message's state cannot be read: it goes by no other channel");
                    let writes = vec![Write::delete(clock.clone())];
                    return self.store.commit(Batch { writes, ..Batch::default() }).await.map(drop);
                }
                decided => return decided,
            }
        }
    }

    /// The clock goes with what it led to. It counts for the way that was the last when it was set.
    async fn go_on_if_overdue(&self, clock: &Key, ways: &[u8], now: Time) -> Result<(), StoreError> {
        let mut batch = Batch { writes: vec![Write::delete(clock.clone())], ..Batch::default() };
        let message = match read(clock) {
            Some((_, id)) => self.message_entry(id).await?,
            None => None,
        };
        if let Some((mut state, entry)) = message
            && state.ways.len().to_string().as_bytes() == ways
            && state.overdue(now)
        {
            self.going_on(&mut batch, &state, &Trace::from_header(None)).await?;
            batch.writes.push(self.state_write(&state, Some(&entry)));
        }
        self.store.commit(batch).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_in_order_of_time() {
        let (id, early, late) = (Uuid::now_v7(), Time::from_ms(999_999_999_999), Time::from_ms(1_000_000_000_000));
        assert!(due_key(early, id) < due_key(late, id));
        assert_eq!(read(&due_key(late, id)), Some((late, id)));
        assert_eq!(read(&Key("fallback/due/x/y".into())), None);
    }
}
