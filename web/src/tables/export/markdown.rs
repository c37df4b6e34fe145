//! A table of GitHub's Markdown.

use super::About;
use crate::{
    tables::{Cell, ComparisonTable, Spread},
    words::shown,
};

pub(super) fn write(table: &ComparisonTable, about: &About) -> String {
    let mut text = format!("**{}**\n\n{}\n\n", escape(&about.title), escape(&about.setting));
    let mut names = vec!["Method".to_owned()];
    if table.has_seeds {
        names.push("Seeds".into());
    }
    names.extend(table.columns.iter().map(|column| format!("{}, %", escape(&column.describe()))));
    text += &line(&names);
    text +=
        &line(&names.iter().enumerate().map(|(i, _)| if i == 0 { "---" } else { "---:" }.into()).collect::<Vec<_>>());
    for group in &table.groups {
        let mut title = vec![format!("**{}**", escape(&group.title))];
        title.resize(names.len(), String::new());
        text += &line(&title);
        for row in &group.rows {
            let mut cells = vec![escape(&row.title())];
            if table.has_seeds {
                cells.push(row.measured().map(|seed| seed.value.to_string()).collect::<Vec<_>>().join(", "));
            }
            cells.extend(
                row.cells
                    .iter()
                    .map(|cell| cell.as_ref().map_or_else(|| "–".into(), |cell| words(cell, table.has_seeds))),
            );
            text += &line(&cells);
            for seed in row.seeds.iter().filter(|_| about.unfolds_seeds && row.seeds.len() > 1) {
                let mut cells = vec![format!("seed {}", seed.value), String::new()];
                cells.extend(
                    seed.cells.iter().map(|cell| cell.as_ref().map_or_else(|| "–".into(), |cell| words(cell, false))),
                );
                text += &line(&cells);
            }
        }
    }
    format!("{text}\n{}\n", escape(&about.legend))
}

/// A cell; `beside_means` says whether others are means over several seeds.
fn words(cell: &Cell, beside_means: bool) -> String {
    let value = if cell.is_among_best { format!("**{}**", cell.value()) } else { cell.value() };
    let against = cell.against.map(|a| format!(", {} ({})", a.difference(), a.p_value())).unwrap_or_default();
    let paper = cell.beside_paper().map(|paper| format!(", paper {paper}")).unwrap_or_default();
    let spread = match cell.spread {
        Spread::Interval(_) => format!("({})", cell.spread(beside_means).replace(" (", ", ").replace(')', "")),
        Spread::Deviation { .. } => cell.spread(beside_means),
    };
    format!("{value} {spread}{against}{paper}")
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Text as Markdown shows it: without what it reads as its own signs, such as those of a link or of bold words.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in shown(text).chars() {
        match sign {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' | '$' | '@' => {
                out.extend(['\\', sign]);
            }
            sign => out.push(sign),
        }
    }
    out
}
