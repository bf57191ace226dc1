use std::sync::Arc;

use rusqlite::{Connection, ToSql};
use uuid::Uuid;

use super::reads;
use super::record::{COLUMNS, integer, limit as sql_limit};
use crate::store::{Filter, Order, Record};

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
    let mut query = Query::of(filter);
    if let Some(id) = after {
        let Some(position) = reads::position(&moment, id)? else { return Ok(None) };
        query.follow(integer(position.0), order);
    }
    let sql = query.sql(order, limit);
    let values: Vec<&dyn ToSql> = query.values.iter().map(AsRef::as_ref).collect();
    reads::records(&moment, &sql, &values).map(Some)
}

impl Query {
    /// The narrowest index leads: a conversation is smaller than a contact, that than a channel, that than a kind.
    fn of(filter: &Filter) -> Self {
        let mut query = Self { conditions: Vec::new(), values: Vec::new(), led: false };
        if let Some(conversation) = filter.conversation {
            query.matches("lane", "?", conversation);
            query.matches("conversation", "?", conversation);
        }
        if let Some(contact) = filter.contact {
            query.matches("contact", "?", contact);
        }
        if let Some(channel) = &filter.channel {
            query.matches("channel", "(SELECT id FROM names WHERE name = ?)", channel.clone());
        }
        if let Some(kind) = filter.kind {
            query.matches("kind", "?", kind.code());
        }
        query
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
    use crate::interaction::Kind;
    use crate::store::sqlite::schema;

    /// The plan of SQLite for a filter, in both orders.
    fn plan(filter: &Filter, order: Order) -> String {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("plan.db");
        std::fs::File::create(&file).unwrap();
        let connection = schema::open(&file).unwrap();
        let mut query = Query::of(filter);
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
        let kind = Some(Kind::MessageStatus);
        let cases = [
            (Filter::default(), "INTEGER PRIMARY KEY"),
            (Filter { kind, ..Filter::default() }, "log_kind"),
            (Filter { channel: channel.clone(), kind, ..Filter::default() }, "log_channel"),
            (Filter { contact: id, channel: channel.clone(), kind, ..Filter::default() }, "log_contact"),
            (Filter { conversation: id, contact: id, channel, kind }, "log_lane"),
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
