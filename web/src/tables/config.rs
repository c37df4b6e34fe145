//! What sets the trainings behind a table's rows apart.

use std::collections::{BTreeMap, HashMap};

use super::ComparisonTable;

/// A training's parameters by their paths in its spec, such as `method.temperature`.
pub type Config = BTreeMap<String, String>;

/// The parameters in which rows differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigDifferences {
    /// The rows, by title.
    pub heads: Vec<String>,
    /// By parameter: its path, and its value in each row; none where the row's method has no such parameter.
    pub rows: Vec<(String, Vec<Option<String>>)>,
    /// How many parameters are the same in all rows.
    pub same: usize,
}

/// Parameters that tell one run from another of the same row, or where it lay.
const OWN: [&str; 4] = ["seed", "device", "teacher", "start_from"];

/// Compares the configs of the first training of each row, given by the training's run. Rows whose model was not trained
/// here have none.
pub fn differences(table: &ComparisonTable, configs: &HashMap<i64, Config>) -> ConfigDifferences {
    let trained = table.rows().filter_map(|row| {
        let config = row.seeds.iter().find_map(|seed| configs.get(&seed.training?))?;
        Some((table.name(row), config))
    });
    let trained: Vec<_> = trained.collect();
    let mut paths: Vec<&String> = trained.iter().flat_map(|(_, config)| config.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.retain(|path| !OWN.contains(&path.split('.').next().unwrap_or_default()));
    let values = |path: &String| trained.iter().map(|(_, config)| config.get(path).cloned()).collect::<Vec<_>>();
    let all: Vec<_> = paths.into_iter().map(|path| (path.clone(), values(path))).collect();
    let (rows, same): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(_, values)| values.windows(2).any(|w| w[0] != w[1]));
    ConfigDifferences { heads: trained.into_iter().map(|(title, _)| title).collect(), rows, same: same.len() }
}
