//! What every list has: heads by which it is ordered, and addresses of it that were given names.

/// A column by which a list can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortColumn {
    /// Its name in addresses.
    pub id: &'static str,
    /// Its head.
    pub title: &'static str,
    /// Whether it holds numbers or times, of which the highest come first when its head is clicked; words begin with the first
    /// of the alphabet.
    pub is_number: bool,
    /// Whether its cells stand at the right, as plain numbers do.
    pub is_right: bool,
}

/// The order of a list, as its address says it: a column's id, with `-` before it the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOrder {
    /// By which column.
    pub column: SortColumn,
    /// Whether it is the other way round than the column's own.
    pub is_reversed: bool,
}

/// The head of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its words.
    pub title: &'static str,
    /// Whether its cells stand at the right.
    pub is_right: bool,
    /// The address of the list that is ordered by it, or the other way round where it is already.
    pub href: String,
    /// `ascending` or `descending` where the list is ordered by it; else empty.
    pub sorted: &'static str,
}

/// An address of a list or of a comparison that was given a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedView {
    /// Its name.
    pub name: String,
    /// Path and query.
    pub address: String,
}

/// The saved views that stand above a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedViews {
    /// Those of this list.
    pub list: Vec<SavedView>,
    /// The address of the page itself, to be saved.
    pub here: String,
}

impl SortColumn {
    /// Words.
    pub const fn words(id: &'static str, title: &'static str) -> Self {
        Self { id, title, is_number: false, is_right: false }
    }

    /// Numbers or times.
    pub const fn numbers(id: &'static str, title: &'static str) -> Self {
        Self { id, title, is_number: true, is_right: true }
    }
}

impl ListOrder {
    /// The order that an address asks for; none where it names no column.
    pub fn read(columns: &[SortColumn], text: &str) -> Option<Self> {
        let (id, is_reversed) = text.strip_prefix('-').map_or((text, false), |id| (id, true));
        columns.iter().find(|column| column.id == id).map(|column| Self { column: *column, is_reversed })
    }

    /// Whether the highest, or the last of the alphabet, come first.
    pub const fn is_descending(self) -> bool {
        self.column.is_number != self.is_reversed
    }

    /// How an address says it; nothing for the usual order.
    pub fn unless(self, usual: Self) -> String {
        match self {
            order if order == usual => String::new(),
            Self { column, is_reversed: true } => format!("-{}", column.id),
            Self { column, .. } => column.id.to_owned(),
        }
    }

    /// The heads of the columns of a list in this order; `address` is that of the list in another one.
    pub fn heads(self, columns: &[SortColumn], address: impl Fn(&str) -> String) -> Vec<Head> {
        let head = |column: &SortColumn| {
            let is_sorted = self.column.id == column.id;
            let other = if is_sorted && !self.is_reversed { format!("-{}", column.id) } else { column.id.to_owned() };
            let sorted = match (is_sorted, self.is_descending()) {
                (false, _) => "",
                (true, true) => "descending",
                (true, false) => "ascending",
            };
            Head { title: column.title, is_right: column.is_right, href: address(&other), sorted }
        };
        columns.iter().map(head).collect()
    }
}

impl SavedViews {
    pub(crate) fn is_here(&self, view: &SavedView) -> bool {
        view.address == self.here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [SortColumn; 2] = [SortColumn::words("title", "Title"), SortColumn::numbers("took", "Took")];

    #[test]
    fn a_head_leads_to_its_order_and_the_second_time_to_the_other_way_round() {
        let heads =
            |text: &str| ListOrder::read(&COLUMNS, text).unwrap().heads(&COLUMNS, |sort| format!("?sort={sort}"));
        let said = |text: &str| heads(text).into_iter().map(|head| (head.href, head.sorted)).collect::<Vec<_>>();
        assert_eq!(said("took"), [("?sort=title".into(), ""), ("?sort=-took".into(), "descending")]);
        assert_eq!(said("-took"), [("?sort=title".into(), ""), ("?sort=took".into(), "ascending")]);
        assert_eq!(said("title"), [("?sort=-title".into(), "ascending"), ("?sort=took".into(), "")]);
        assert_eq!(ListOrder::read(&COLUMNS, "colour"), None);
    }
}
