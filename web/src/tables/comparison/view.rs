//! What of a comparison is shown, and how: everything that stands behind the `?` of its address.

use serde::{Deserialize, Serialize};

use super::Column;

/// The choices that a person made on a comparison; the default shows everything in the order of the methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComparisonView {
    /// Other experiments that are shown with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<i64>,
    /// Ids of the students to show; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub student: Vec<String>,
    /// Ids of the methods to show; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub method: Vec<String>,
    /// Names of the columns to show, as [`Column::name`] gives them; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub column: Vec<String>,
    /// The column to sort the rows of each student by, highest first; with `-` before it, lowest first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sort: String,
    /// The row that every other is tested against, by its key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub baseline: String,
    /// `each` for a line for each seed below its row.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub seeds: String,
    /// `time` for curves by wall time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub curves: String,
    /// How a reader looks into the curves: a script's words, which the server hands on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chart: String,
    /// `signed` for differences of correlations with their sign.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub correlation: String,
    /// The column whose confusion matrices are shown, by its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub confusion: String,
}

/// By what curves are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XAxis {
    /// By the epoch.
    Epochs,
    /// By the wall time since the run began.
    WallTime,
}

/// How values become colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// One colour below zero and another above.
    Signed,
    /// Their sizes.
    Sizes,
}

impl ComparisonView {
    /// Whether a column is to be shown.
    pub fn shows_column(&self, column: &Column) -> bool {
        self.column.is_empty() || self.column.contains(&column.name())
    }

    /// Whether rows of a method are to be shown, by its id.
    pub fn shows_method(&self, id: &str) -> bool {
        self.method.is_empty() || self.method.iter().any(|m| m == id)
    }

    /// Whether a student is to be shown, by its architecture's id.
    pub fn shows_student(&self, id: &str) -> bool {
        self.student.is_empty() || self.student.iter().any(|s| s == id)
    }

    /// Whether every seed has a line of its own.
    pub fn unfolds_seeds(&self) -> bool {
        self.seeds == "each"
    }

    /// By what curves are drawn.
    pub fn x_axis(&self) -> XAxis {
        if self.curves == "time" { XAxis::WallTime } else { XAxis::Epochs }
    }

    /// How differences of correlations are drawn.
    pub fn values(&self) -> Values {
        if self.correlation == "signed" { Values::Signed } else { Values::Sizes }
    }

    /// Whether the rows are sorted by this column, and if so, whether the lowest comes first.
    pub fn sorted_by(&self, column: &Column) -> Option<bool> {
        let name = column.name();
        match self.sort.strip_prefix('-') {
            Some(sort) => (sort == name).then_some(true),
            None => (self.sort == name).then_some(false),
        }
    }

    /// The same view sorted by a column: highest first, then lowest first, then not.
    #[must_use]
    pub fn sorting(&self, column: &Column) -> Self {
        let sort = match self.sorted_by(column) {
            None => column.name(),
            Some(false) => format!("-{}", column.name()),
            Some(true) => String::new(),
        };
        Self { sort, ..self.clone() }
    }

    /// The query of an address that shows this: empty for everything, else with its `?`.
    pub fn query(&self) -> String {
        // Its fields are numbers and strings, which a query can always hold.
        match serde_html_form::to_string(self).unwrap_or_default() {
            query if query.is_empty() => query,
            query => format!("?{query}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::Attack;

    use super::*;

    #[test]
    fn a_view_comes_back_from_its_query() {
        let view = ComparisonView {
            with: vec![3, 7],
            method: vec!["gacd+aft".into()],
            sort: "-natural".into(),
            baseline: "ard:resnet8".into(),
            ..ComparisonView::default()
        };
        let query = view.query();
        assert_eq!(query, "?with=3&with=7&method=gacd%2Baft&sort=-natural&baseline=ard%3Aresnet8");
        assert_eq!(serde_html_form::from_str::<ComparisonView>(&query[1..]).unwrap(), view);
        assert_eq!(ComparisonView::default().query(), "");
    }

    #[test]
    fn a_columns_head_sorts_downwards_then_upwards_then_not() {
        let pgd = Column::Under(Attack::pgd(20));
        let once = ComparisonView::default().sorting(&pgd);
        let twice = once.sorting(&pgd);
        assert_eq!((once.sorted_by(&pgd), twice.sorted_by(&pgd)), (Some(false), Some(true)));
        assert_eq!(once.sorted_by(&Column::Natural), None);
        assert_eq!(twice.sorting(&pgd), ComparisonView::default());
    }
}
