//! Values separated by commas (RFC 4180) or by tabs, numbers in full.

use super::About;
use crate::{
    tables::{Beside, Cell, ComparisonTable, Row, Spread},
    words::shown,
};

/// What a spreadsheet tells by that the text is in UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A file for spreadsheets and programs.
pub(super) fn comma_separated(table: &ComparisonTable, about: &About) -> String {
    format!("{BYTE_ORDER_MARK}{}", write(table, about, ','))
}

/// What can be pasted into a spreadsheet.
pub(super) fn tab_separated(table: &ComparisonTable, about: &About) -> String {
    write(table, about, '\t')
}

fn write(table: &ComparisonTable, about: &About, separator: char) -> String {
    let line = |cells: &[String]| line(cells, separator);
    let heads = ["experiments", "dataset", "budget", "role", "student", "teacher", "method", "variant", "seeds"];
    let mut names: Vec<String> = heads.map(str::to_owned).to_vec();
    let tested = table.baseline.is_some();
    for column in &table.columns {
        let head = column.describe();
        names.push(head.clone());
        let parts = ["std", "low", "high", "n", "paper"].into_iter().chain(
            if tested { &["difference", "paired p", "paired p Holm", "p over seeds"][..] } else { &[] }.iter().copied(),
        );
        names.extend(parts.map(|part| format!("{head} {part}")));
    }
    let collapses = table.rows().any(|row| row.remarks.collapse().is_some());
    names.extend(collapses.then(|| "collapse".to_owned()));
    let mut text = line(&names);
    for row in table.rows() {
        let seeds: Vec<_> = row.measured().map(|seed| seed.value.to_string()).collect();
        let collapse = collapses.then(|| row.remarks.collapse().unwrap_or_default());
        text += &line(&cells_of(row, (&seeds.join(" "), about), &row.cells, tested, collapse));
        for seed in row.seeds.iter().filter(|_| about.unfolds_seeds && row.seeds.len() > 1) {
            let collapse = collapses.then(String::new);
            text += &line(&cells_of(row, (&seed.value.to_string(), about), &seed.cells, tested, collapse));
        }
    }
    text
}

/// The line of a row, or of one of its seeds; how it has collapsed comes last, in a table where one has.
fn cells_of(
    row: &Row,
    (seeds, about): (&str, &About),
    numbers: &[Option<Cell>],
    tested: bool,
    collapse: Option<String>,
) -> Vec<String> {
    let experiments: Vec<_> = row.experiments.iter().map(i64::to_string).collect();
    // Those that share a row were made alike.
    let made = row.experiments.first().and_then(|id| about.made.get(id));
    let mut cells = vec![
        experiments.join(" "),
        made.map(|made| made.dataset.clone()).unwrap_or_default(),
        made.map(|made| made.budget.clone()).unwrap_or_default(),
        if row.is_teacher { "teacher" } else { "student" }.into(),
        if row.is_teacher { String::new() } else { row.architecture.to_string() },
        row.teacher.to_string(),
        row.name.into(),
        row.variant.to_string(),
        seeds.into(),
    ];
    for cell in numbers {
        let Some(cell) = cell else {
            cells.extend(vec![String::new(); if tested { 10 } else { 6 }]);
            continue;
        };
        let (std, low, high, n) = match cell.spread {
            Spread::Deviation { std, n } => (number(std), String::new(), String::new(), n),
            Spread::Interval([low, high]) => (String::new(), number(low), number(high), 1),
        };
        let paper = cell.paper.map(number).unwrap_or_default();
        cells.extend([number(cell.mean), std, low, high, n.to_string(), paper]);
        if tested {
            let of = |value: fn(&Beside) -> f64| {
                cell.against.as_ref().map(|against| number(value(against))).unwrap_or_default()
            };
            cells.extend([of(|a| a.difference), of(|a| a.p_value), of(|a| a.adjusted)]);
            cells.push(cell.against.and_then(|a| a.over_seeds?.p_value).map(number).unwrap_or_default());
        }
    }
    cells.extend(collapse);
    cells
}

/// A number to 13 decimals, without those that are zero: binary rounding is nobody's result.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-6 {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.13}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn line(cells: &[String], separator: char) -> String {
    let quoted = cells.iter().map(|cell| {
        let mut cell = shown(cell).into_owned();
        // A spreadsheet would compute what begins so.
        if cell.starts_with(['=', '+', '-', '@']) && cell.parse::<f64>().is_err() {
            cell.insert(0, '\'');
        }
        if cell.contains([separator, '"']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
    });
    quoted.collect::<Vec<_>>().join(&separator.to_string()) + "\r\n"
}
