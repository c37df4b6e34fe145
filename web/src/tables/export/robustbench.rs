//! The models of a table as RobustBench keeps one in its `model_info` (Croce et al. 2021): an object for each that AutoAttack has
//! measured. What only a model's authors know stands empty.

use retort_spec::Attack;
use serde_json::json;

use super::About;
use crate::{
    tables::{Cell, Column, ComparisonTable},
    words,
};

pub(super) fn write(table: &ComparisonTable, about: &About) -> String {
    let place = |is: fn(&Column) -> bool| table.columns.iter().position(is);
    let natural = place(|column| *column == Column::Natural);
    let robust = place(is_auto_attack);
    let mut models = Vec::new();
    if let (Some(natural), Some(robust)) = (natural, robust) {
        let eps = table.columns[robust].attack().map(|attack| attack.eps().to_string());
        for row in table.rows() {
            for seed in row.measured() {
                let percent = |cell: &Option<Cell>| cell.as_ref().map(Cell::value);
                let (Some(clean), Some(robust)) = (percent(&seed.cells[natural]), percent(&seed.cells[robust])) else {
                    continue;
                };
                models.push(json!({
                    "link": "",
                    "name": format!("{}: {}, seed {}", about.title, table.name(row), seed.value),
                    "authors": "",
                    "additional_data": null,
                    "number_forward_passes": 1,
                    "dataset": about.dataset,
                    "venue": "Unpublished",
                    "architecture": row.architecture.to_string(),
                    "eps": eps,
                    "clean_acc": clean,
                    "reported": robust,
                    "autoattack_acc": robust,
                }));
            }
        }
    }
    words::json(&format!("{:#}\n", serde_json::Value::Array(models)))
}

/// Whether AutoAttack measures a column.
pub(super) fn is_auto_attack(column: &Column) -> bool {
    column.attack().is_some_and(Attack::is_auto_attack)
}
