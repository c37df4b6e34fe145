//! What a comparison says where its rows average their KL differently.

use std::collections::BTreeMap;

use super::ComparisonPage;
use crate::{format, tables::ComparisonTable};

/// The parameter of the methods that match a teacher's soft labels: its path, and what a variant calls it.
const REDUCTION: &str = "method.reduction";
const NAME: &str = "KL reduction ";

/// So many rows are named one by one.
const MOST_NAMED: usize = 4;

impl ComparisonPage {
    /// Which rows average their KL over the batch and which over its classes too, where there are both: sentences without the last
    /// full stop.
    pub(in crate::pages) fn reductions(&self, table: &ComparisonTable) -> Option<String> {
        let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for row in table.rows().filter(|row| !row.is_teacher) {
            let config = row.seeds.iter().find_map(|seed| self.configs.get(&seed.training?));
            let Some(reduction) = config.and_then(|config| config.get(REDUCTION)) else { continue };
            let title = row.title();
            let rest: Vec<&str> = title.split(", ").filter(|part| !part.starts_with(NAME)).collect();
            let titles = rows.entry(reduction).or_default();
            if !titles.contains(&rest.join(", ")) {
                titles.push(rest.join(", "));
            }
        }
        let (element, batch) = (rows.get("element_mean")?, rows.get("batch_mean")?);
        let named = |titles: &[String]| {
            if titles.len() > MOST_NAMED { format!("{} rows", titles.len()) } else { titles.join("; ") }
        };
        let times = match self.classes.len() {
            0 => "as many times as much as there are classes".to_owned(),
            classes => format!("{} times as much", format::count(classes)),
        };
        Some(format!(
            "The KL reduction differs. Over batch and classes (element_mean): {}. Over the batch alone (batch_mean), where soft \
             labels weigh {times}: {}. A difference between the two is not of the methods alone",
            named(element),
            named(batch)
        ))
    }
}
