//! Pages of long lists, by their address.

use retort_store::{Cursor, Page};
use retort_web::pages::{ListOrder, SortColumn};
use serde::{Deserialize, Serialize};

use super::errors::{PageError, Result};

/// The part of a list's address that says which page it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The rows just older than this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// The rows just newer than this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
}

impl Place {
    /// The same for the database.
    pub fn cursor(self) -> Cursor {
        match (self.before, self.after) {
            (Some(id), _) => Cursor::OlderThan(id),
            (None, Some(id)) => Cursor::NewerThan(id),
            (None, None) => Cursor::Newest,
        }
    }

    /// The pages with newer and with older rows than this one, where there are such rows.
    pub fn neighbours<T>(self, page: &Page<T>, id: impl Fn(&T) -> i64) -> (Option<Self>, Option<Self>) {
        let newer = page.rows.first().map(|row| Self { after: Some(id(row)), before: None });
        let older = page.rows.last().map(|row| Self { before: Some(id(row)), after: None });
        match self.cursor() {
            Cursor::Newest => (None, older.filter(|_| page.more)),
            Cursor::OlderThan(_) => (newer, older.filter(|_| page.more)),
            // Whoever went to newer rows came from older ones.
            Cursor::NewerThan(_) => (newer.filter(|_| page.more), older),
        }
    }
}

/// The order that an address asks for, or the usual one where it asks for none.
pub fn order(columns: &[SortColumn], text: &str, usual: ListOrder) -> Result<ListOrder> {
    if text.is_empty() {
        return Ok(usual);
    }
    let known = || columns.iter().map(|column| column.id).collect::<Vec<_>>().join(", ");
    ListOrder::read(columns, text)
        .ok_or_else(|| PageError::bad_request(format!("The list has no column “{text}”: sort by {}.", known())))
}

/// An address with this query, if it says anything.
pub fn href(path: &str, query: &impl Serialize) -> String {
    match serde_html_form::to_string(query) {
        Ok(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_page_has_no_newer_one_and_the_last_no_older_one() {
        let page = |rows: &[i64], more| Page { rows: rows.to_vec(), more };
        let (before, after) =
            (|id| Place { before: Some(id), after: None }, |id| Place { before: None, after: Some(id) });
        let of = |place: Place, page| place.neighbours(&page, |id| *id);
        assert_eq!(of(Place::default(), page(&[9, 8], true)), (None, Some(before(8))));
        assert_eq!(of(before(8), page(&[7, 6], true)), (Some(after(7)), Some(before(6))));
        assert_eq!(of(before(3), page(&[2, 1], false)), (Some(after(2)), None));
        assert_eq!(of(after(7), page(&[9, 8], false)), (None, Some(before(8))));
        assert_eq!(href("/runs", &before(3)), "/runs?before=3");
        assert_eq!(href("/runs", &Place::default()), "/runs");
    }
}
