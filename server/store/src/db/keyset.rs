//! Pages of a list that is ordered by any key: a page begins behind a row, and not at a count, so that what comes meanwhile
//! neither doubles a row nor hides one.

use sqlx::{QueryBuilder, Sqlite};

/// Which page of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cursor {
    /// The first; where nothing else is said, that of the newest rows.
    #[default]
    Newest,
    /// The rows just behind the one with this id.
    OlderThan(i64),
    /// The rows just before it.
    NewerThan(i64),
}

/// The rows of a list and their order. Rows of the same key stand by their ids.
#[derive(Debug)]
pub(crate) struct Keyset<'a> {
    /// The tables.
    pub from: &'a str,
    /// The column with the id.
    pub id: &'a str,
    /// The expression whose value orders the rows, which is never null; none for the id alone.
    pub key: Option<String>,
    /// Whether the highest come first.
    pub is_descending: bool,
}

impl Keyset<'_> {
    /// Narrows a query that already has a condition to the rows of the page, and orders and limits it.
    pub fn page(&self, query: &mut QueryBuilder<Sqlite>, cursor: Cursor, limit: i64) {
        let Self { id, from, .. } = self;
        let is_descending = self.is_descending != matches!(cursor, Cursor::NewerThan(_));
        let (sign, order) = if is_descending { ("<", "DESC") } else { (">", "ASC") };
        if let Cursor::OlderThan(row) | Cursor::NewerThan(row) = cursor {
            match &self.key {
                None => query.push(format_args!(" AND {id} {sign} ")).push_bind(row),
                Some(key) => query
                    .push(format_args!(" AND ({key}, {id}) {sign} (SELECT {key}, {id} FROM {from} WHERE {id} = "))
                    .push_bind(row)
                    .push(")"),
            };
        }
        let by_key = self.key.as_ref().map(|key| format!("{key} {order}, ")).unwrap_or_default();
        query.push(format_args!(" ORDER BY {by_key}{id} {order} LIMIT ")).push_bind(limit);
    }
}
