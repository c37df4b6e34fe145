//! A JSON object: the table with everything that is known of each cell.

use serde_json::{Value, json};

use super::About;
use crate::{
    tables::{Cell, Column, ComparisonTable, Seed, Spread},
    words,
};

pub(super) fn write(table: &ComparisonTable, about: &About) -> String {
    let heads: Vec<String> = table.columns.iter().map(Column::describe).collect();
    let mut rows = Vec::new();
    for group in &table.groups {
        for row in &group.rows {
            rows.push(json!({
                "role": if group.is_teacher { "teacher" } else { "student" },
                "group": group.title,
                "experiments": row.experiments,
                "student": (!group.is_teacher).then(|| row.architecture.id()),
                "teacher": row.teacher.id(),
                "method": row.method.id(),
                "variant": row.variant.to_string(),
                "collapse": row.remarks.collapse(),
                "seeds": row.measured().map(|s| seed(s, &heads)).collect::<Vec<_>>(),
                "cells": cells(&row.cells, &heads),
            }));
        }
    }
    let object = json!({
        "title": about.title,
        "setting": about.setting,
        "legend": about.legend,
        "baseline": table.baseline,
        "columns": table.columns.iter().map(|column| json!({
            "name": column.describe(),
            "attack": column.attack(),
            "unit": "percent of the test images that are classified correctly",
        })).collect::<Vec<_>>(),
        "rows": rows,
    });
    words::json(&format!("{object:#}\n"))
}

fn seed(seed: &Seed, heads: &[String]) -> Value {
    json!({
        "seed": seed.value,
        "training_run": seed.training,
        "evaluation_runs": seed.evaluations,
        "cells": cells(&seed.cells, heads),
    })
}

fn cells(cells: &[Option<Cell>], heads: &[String]) -> Vec<Value> {
    let cell = |(cell, head): (&Option<Cell>, &String)| {
        let cell = cell.as_ref()?;
        let (std, n, interval) = match cell.spread {
            Spread::Deviation { std, n } => (Some(std), n, None),
            Spread::Interval(interval) => (None, 1, Some(interval)),
        };
        Some(json!({
            "column": head,
            "mean": cell.mean,
            "std": std,
            "n": n,
            "interval": interval,
            "test_images": cell.images,
            "among_best": cell.is_among_best,
            "paper": cell.paper,
            "difference_from_baseline": cell.against.map(|a| a.difference),
            "p": cell.against.map(|a| a.p_value),
            "p_holm": cell.against.map(|a| a.adjusted),
            "seeds_paired": cell.against.and_then(|a| a.over_seeds).map(|over| over.seeds),
            "p_over_seeds": cell.against.and_then(|a| a.over_seeds?.p_value),
        }))
    };
    cells.iter().zip(heads).filter_map(cell).collect()
}
