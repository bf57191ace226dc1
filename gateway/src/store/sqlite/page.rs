use std::cmp::Reverse;
use std::sync::Arc;

use rusqlite::{Connection, ToSql};
use uuid::Uuid;

use super::reads;
use super::record::{COLUMNS, integer, limit as sql_limit};
use crate::store::{Filter, Order, Position, Record};

/// Conditions and their values, growing together.
struct Query {
    conditions: Vec<String>,
    values: Vec<Box<dyn ToSql>>,
    /// Whether an index has been chosen.
    led: bool,
}

/// A page of records; `None` if the record that it was to follow is not there.
pub(super) fn page(
    connection: &Connection,
    filter: &Filter,
    after: Option<Uuid>,
    order: Order,
    limit: usize,
) -> rusqlite::Result<Option<Vec<Arc<Record>>>> {
    let moment = connection.unchecked_transaction()?;
    let mut from = None;
    if let Some(id) = after {
        let Some(position) = reads::position(&moment, id)? else { return Ok(None) };
        from = Some(position);
    }
    let mut records = Vec::new();
    for contact in each_contact(filter) {
        records.extend(part(&moment, filter, contact, from, order, limit)?);
    }
    if filter.contacts.len() > 1 {
        sort(&mut records, order);
        records.truncate(limit);
    }
    Ok(Some(records))
}

/// The newest records beyond a position, newest first.
pub(super) fn newer(
    connection: &Connection,
    filter: &Filter,
    beyond: Position,
    limit: usize,
) -> rusqlite::Result<Vec<Arc<Record>>> {
    let mut records = Vec::new();
    for contact in each_contact(filter) {
        let mut query = Query::of(filter, contact);
        query.follow(integer(beyond.0), Order::OldestFirst);
        let sql = query.sql(Order::NewestFirst, limit);
        let values: Vec<&dyn ToSql> = query.values.iter().map(AsRef::as_ref).collect();
        records.extend(reads::records(connection, &sql, &values)?);
    }
    sort(&mut records, Order::NewestFirst);
    Ok(records)
}

/// One index leads for each contact: that of all together would have to be sorted.
fn each_contact(filter: &Filter) -> Vec<Option<Uuid>> {
    if filter.contacts.is_empty() { vec![None] } else { filter.contacts.iter().copied().map(Some).collect() }
}

/// A contact that is named twice has its records once.
fn sort(records: &mut Vec<Arc<Record>>, order: Order) {
    match order {
        Order::OldestFirst => records.sort_by_key(|record| record.position),
        Order::NewestFirst => records.sort_by_key(|record| Reverse(record.position)),
    }
    records.dedup_by_key(|record| record.position);
}

fn part(
    connection: &Connection,
    filter: &Filter,
    contact: Option<Uuid>,
    from: Option<Position>,
    order: Order,
    limit: usize,
) -> rusqlite::Result<Vec<Arc<Record>>> {
    let mut query = Query::of(filter, contact);
    if let Some(position) = from {
        query.follow(integer(position.0), order);
    }
    let sql = query.sql(order, limit);
    let values: Vec<&dyn ToSql> = query.values.iter().map(AsRef::as_ref).collect();
    reads::records(connection, &sql, &values)
}

impl Query {
    /// The narrowest index leads: a conversation is smaller than a contact, that than a channel, that than a kind.
    fn of(filter: &Filter, contact: Option<Uuid>) -> Self {
        let mut query = Self { conditions: Vec::new(), values: Vec::new(), led: false };
        if let Some(conversation) = filter.conversation {
            query.matches("lane", "?", conversation);
            query.matches("conversation", "?", conversation);
        }
        if let Some(contact) = contact {
            query.matches("contact", "?", contact);
        }
        if let Some(channel) = &filter.channel {
            query.matches("channel", "(SELECT id FROM names WHERE name = ?)", channel.clone());
        }
        query.of_kinds(filter);
        query.within(filter);
        query
    }

    fn of_kinds(&mut self, filter: &Filter) {
        match filter.kinds.as_slice() {
            [] => {}
            [kind] => self.matches("kind", "?", kind.code()),
            kinds => {
                // Their order would be lost if the index of kinds led.
                self.conditions.push(format!("+kind IN ({})", vec!["?"; kinds.len()].join(", ")));
                self.values.extend(kinds.iter().map(|kind| Box::new(kind.code()) as Box<dyn ToSql>));
            }
        }
    }

    fn within(&mut self, filter: &Filter) {
        for (time, beyond) in [(filter.since, ">="), (filter.until, "<")] {
            let Some(time) = time else { continue };
            self.conditions.push(format!("time {beyond} ?"));
            self.values.push(Box::new(time.ms()));
        }
    }

    /// The plus keeps SQLite from preferring the index of any but the first column.
    fn matches(&mut self, column: &str, value: &str, parameter: impl ToSql + 'static) {
        let plus = if self.led { "+" } else { "" };
        self.led = true;
        self.conditions.push(format!("{plus}{column} = {value}"));
        self.values.push(Box::new(parameter));
    }

    fn follow(&mut self, position: i64, order: Order) {
        let beyond = match order {
            Order::OldestFirst => ">",
            Order::NewestFirst => "<",
        };
        self.conditions.push(format!("position {beyond} ?"));
        self.values.push(Box::new(position));
    }

    fn sql(&mut self, order: Order, limit: usize) -> String {
        let direction = match order {
            Order::OldestFirst => "ASC",
            Order::NewestFirst => "DESC",
        };
        self.values.push(Box::new(sql_limit(limit)));
        let conditions = if self.conditions.is_empty() { "TRUE".to_owned() } else { self.conditions.join(" AND ") };
        format!("SELECT {COLUMNS} FROM log WHERE {conditions} ORDER BY position {direction} LIMIT ?")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interaction::{Kind, Time};
    use crate::store::sqlite::schema;

    /// The plan of SQLite for a filter, in both orders.
    fn plan(filter: &Filter, order: Order) -> String {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("plan.db");
        std::fs::File::create(&file).unwrap();
        let connection = schema::open(&file).unwrap();
        let mut query = Query::of(filter, filter.contacts.first().copied());
        query.follow(1, order);
        let sql = format!("EXPLAIN QUERY PLAN {}", query.sql(order, 10));
        let mut statement = connection.prepare(&sql).unwrap();
        let values: Vec<&dyn ToSql> = query.values.iter().map(AsRef::as_ref).collect();
        let rows = statement.query_map(&values[..], |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_filter_walks_an_index_and_sorts_nothing() {
        let (id, channel) = (Some(Uuid::nil()), Some("mail".to_owned()));
        let (contacts, kinds) = (vec![Uuid::nil()], vec![Kind::MessageStatus]);
        let all = Filter { contacts, channel, kinds, conversation: id, ..Filter::default() };
        let (nobody, everything) = (Vec::new(), Vec::new());
        let of_contact = Filter { conversation: None, ..all.clone() };
        let of_channel = Filter { contacts: nobody.clone(), ..of_contact.clone() };
        let times = Filter { since: Some(Time::from_ms(1)), until: Some(Time::from_ms(2)), ..of_contact.clone() };
        let cases = [
            (Filter::default(), "INTEGER PRIMARY KEY"),
            (Filter { channel: None, ..of_channel.clone() }, "log_kind"),
            (Filter { channel: None, kinds: Kind::ALL.into(), ..of_channel.clone() }, "INTEGER PRIMARY KEY"),
            (of_channel, "log_channel"),
            (Filter { kinds: everything, ..of_contact.clone() }, "log_contact"),
            (Filter { kinds: Kind::ALL.into(), ..of_contact.clone() }, "log_contact"),
            (of_contact, "log_contact"),
            (times, "log_contact"),
            (all, "log_lane"),
        ];
        for (filter, index) in cases {
            for order in [Order::OldestFirst, Order::NewestFirst] {
                let plan = plan(&filter, order);
                assert!(plan.contains(index), "{index}: {plan}");
                assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN log"), "{index}: {plan}");
            }
        }
    }
}
