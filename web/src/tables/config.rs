//! What sets the trainings behind a table's rows apart.

use std::collections::{BTreeMap, HashMap};

use retort_spec::MethodName;

use super::ComparisonTable;

/// A training's parameters by their paths in its spec, such as `method.temperature`.
pub type Config = BTreeMap<String, String>;

/// The parameters in which rows differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigDifferences {
    /// First those that every row has, then those of each method by itself.
    pub tables: Vec<ConfigTable>,
    /// How many parameters every row has, with the same value.
    pub same: usize,
}

/// Parameters that the same rows have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigTable {
    /// Whose parameters they are.
    pub title: String,
    /// The rows, by title.
    pub heads: Vec<String>,
    /// By parameter: its path, and its value in each row; none where a row has no such parameter.
    pub rows: Vec<(String, Vec<Option<String>>)>,
    /// Those that have one value in all of these rows, which other methods do not have: each with its path.
    pub same: Vec<(String, String)>,
}

/// Parameters that tell one run from another of the same row, or where it lay.
const OWN: [&str; 4] = ["seed", "device", "teacher", "start_from"];

impl ConfigDifferences {
    /// How many parameters differ.
    pub fn count(&self) -> usize {
        self.tables.iter().map(|table| table.rows.len() + table.same.len()).sum()
    }
}

/// Compares the configs of the first training of each row, given by the training's run. Rows whose model was not trained
/// here have none.
pub fn differences(table: &ComparisonTable, configs: &HashMap<i64, Config>) -> ConfigDifferences {
    let trained: Vec<(String, MethodName, &Config)> = table
        .rows()
        .filter_map(|row| {
            let config = row.seeds.iter().find_map(|seed| configs.get(&seed.training?))?;
            Some((table.name(row), row.method, config))
        })
        .collect();
    let mut paths: Vec<&String> = trained.iter().flat_map(|(_, _, config)| config.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.retain(|path| !OWN.contains(&path.split('.').next().unwrap_or_default()));
    let (common, own): (Vec<_>, Vec<_>) =
        paths.into_iter().partition(|path| trained.iter().all(|(_, _, config)| config.contains_key(*path)));
    let shared = ConfigTable::of("Parameters of every row", &trained.iter().collect::<Vec<_>>(), &common);
    let mut methods: Vec<MethodName> = trained.iter().map(|(_, method, _)| *method).collect();
    methods.sort_unstable();
    methods.dedup();
    let of_methods = methods.into_iter().map(|method| {
        let rows: Vec<_> = trained.iter().filter(|(_, own, _)| *own == method).collect();
        ConfigTable::of(method.title(), &rows, &own)
    });
    let same = shared.same.len();
    let shared = ConfigTable { same: Vec::new(), ..shared };
    let tables = std::iter::once(shared).chain(of_methods).filter(|t| !t.rows.is_empty() || !t.same.is_empty());
    ConfigDifferences { tables: tables.collect(), same }
}

impl ConfigTable {
    fn of(title: &str, trained: &[&(String, MethodName, &Config)], paths: &[&String]) -> Self {
        let mut table = Self { title: title.to_owned(), ..Self::default() };
        table.heads.extend(trained.iter().map(|(title, _, _)| title.clone()));
        for path in paths {
            let values: Vec<Option<String>> = trained.iter().map(|(_, _, config)| config.get(*path).cloned()).collect();
            match values.first() {
                Some(first) if values.iter().all(|value| value == first) => {
                    table.same.extend(first.clone().map(|value| ((*path).clone(), value)));
                }
                _ => table.rows.push(((*path).clone(), values)),
            }
        }
        table
    }
}
