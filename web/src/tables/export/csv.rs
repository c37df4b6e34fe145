//! Comma-separated values (RFC 4180), numbers in full.

use super::head;
use crate::tables::{ComparisonTable, Spread};

pub(super) fn write(table: &ComparisonTable) -> String {
    let mut names: Vec<String> =
        ["role", "student", "teacher", "method", "variant", "seeds"].map(str::to_owned).to_vec();
    let tested = table.baseline.is_some();
    for column in &table.columns {
        let head = head(column.as_ref());
        names.push(head.clone());
        let parts = ["std", "low", "high", "n", "paper"]
            .into_iter()
            .chain(if tested { &["difference", "p"][..] } else { &[] }.iter().copied());
        names.extend(parts.map(|part| format!("{head} {part}")));
    }
    let mut text = line(&names);
    for group in &table.groups {
        for row in &group.rows {
            let role = if group.is_teacher { "teacher" } else { "student" };
            let student = if group.is_teacher { String::new() } else { row.architecture.to_string() };
            let seeds: Vec<_> = row.seeds.iter().map(|seed| seed.value.to_string()).collect();
            let mut cells = vec![
                role.into(),
                student,
                row.teacher.to_string(),
                row.name.into(),
                row.variant.clone(),
                seeds.join(" "),
            ];
            for cell in &row.cells {
                let Some(cell) = cell else {
                    cells.extend(vec![String::new(); if tested { 8 } else { 6 }]);
                    continue;
                };
                let (std, low, high, n) = match cell.spread {
                    Spread::Deviation { std, n } => (number(std), String::new(), String::new(), n),
                    Spread::Interval([low, high]) => (String::new(), number(low), number(high), 1),
                };
                let paper = cell.paper.map(number).unwrap_or_default();
                cells.extend([number(cell.mean), std, low, high, n.to_string(), paper]);
                if tested {
                    let of = |value: fn(&crate::tables::Beside) -> f64| {
                        cell.against.as_ref().map(|against| number(value(against))).unwrap_or_default()
                    };
                    cells.extend([of(|a| a.difference), of(|a| a.p_value)]);
                }
            }
            text += &line(&cells);
        }
    }
    text
}

/// A number to 13 decimals, without those that are zero: binary rounding is nobody's result.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-6 {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.13}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn line(cells: &[String]) -> String {
    let quoted = cells.iter().map(|cell| {
        let plain = !cell.contains([',', '"', '\n', '\r']);
        if plain { cell.clone() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}
