//! A table of accuracies as a drawing, to paste where no table goes.

use std::fmt::Write;

use super::{Figure, text::text};
use crate::{
    mark,
    tables::{Cell, ComparisonTable, Row},
    words::{escape, most_width},
};

/// The height of a line, the sizes of letters, the room around the table and between its columns, and the most that a name takes.
const LINE: f64 = 22.0;
const LETTERS: f64 = 13.0;
const SMALL: f64 = 11.0;
const MARGIN: f64 = 8.0;
const GAP: f64 = 22.0;
const NAME: f64 = 330.0;
/// How far names stand from their markers' left.
const INDENT: f64 = 16.0;

/// The table as the page shows it: its rows and columns, with bold and spreads, without what is tested. `setting` says how it was made.
pub fn table(table: &ComparisonTable, title: String, setting: &str) -> Figure {
    let names = table.rows().map(|row| INDENT + most_width(&row.title(), LETTERS));
    let groups = table.groups.iter().map(|group| most_width(&group.title, LETTERS));
    let first = names.chain(groups).fold(60.0, f64::max).min(NAME) + MARGIN;
    let mut right = first;
    let mut ends = Vec::new();
    for (place, column) in table.columns.iter().enumerate() {
        let cells = table.rows().filter_map(|row| row.cells[place].as_ref());
        let widest =
            cells.map(|cell| most_width(&cell.value(), LETTERS) + most_width(&spread(cell, table), SMALL) + 6.0);
        let heads = [format!("{}, %", column.title()), column.details().unwrap_or_default()];
        let widest = widest.chain(heads.iter().map(|head| most_width(head, SMALL))).fold(40.0, f64::max);
        right += GAP + widest;
        ends.push(right);
    }
    let lines = table.groups.iter().map(|group| 1 + group.rows.len()).sum::<usize>();
    let (width, height) = (right + MARGIN, 2.0 * LINE + lines as f64 * LINE + MARGIN);
    let mut svg = format!(
        r#"<svg class="chart" viewBox="0 0 {width:.0} {height:.0}" role="img" aria-label="{}">"#,
        escape(&title)
    );
    for (column, end) in table.columns.iter().zip(&ends) {
        let heads = [format!("{}, %", column.title()), column.details().unwrap_or_default()];
        for (head, y) in heads.iter().zip([LINE * 0.8, LINE * 1.5]) {
            let _ = write!(svg, r#"<text x="{end:.1}" y="{y:.1}" text-anchor="end">{}</text>"#, escape(head));
        }
    }
    let mut y = 2.0 * LINE;
    for group in &table.groups {
        rule(&mut svg, y - LINE * 0.2, width);
        y += LINE;
        text(&mut svg, &format!(r#"x="{MARGIN}" y="{:.1}""#, y - LINE * 0.4), &group.title, NAME, LETTERS);
        for row in &group.rows {
            y += LINE;
            draw_row(&mut svg, (row, table), y - LINE * 0.4, &ends);
        }
    }
    rule(&mut svg, y, width);
    svg.push_str("</svg>");
    Figure { title, svg, caption: setting.to_owned() }
}

fn rule(svg: &mut String, y: f64, width: f64) {
    let _ = write!(svg, r#"<line class="grid" x1="{MARGIN}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/>"#, width - MARGIN);
}

fn draw_row(svg: &mut String, (row, table): (&Row, &ComparisonTable), y: f64, ends: &[f64]) {
    svg.push_str(&mark::of(row.method, row.is_teacher).at(MARGIN + 5.0, y - 4.0));
    let attributes = format!(r#"class="name" x="{:.1}" y="{y:.1}""#, MARGIN + INDENT);
    text(svg, &attributes, &row.title(), NAME - INDENT, LETTERS);
    for (cell, end) in row.cells.iter().zip(ends) {
        let Some(cell) = cell else {
            let _ = write!(svg, r#"<text x="{end:.1}" y="{y:.1}" text-anchor="end">–</text>"#);
            continue;
        };
        let spread = spread(cell, table);
        let class = if cell.is_among_best { "head" } else { "name" };
        let from = end - most_width(&spread, SMALL) - 6.0;
        let _ = write!(
            svg,
            r#"<text class="{class}" x="{from:.1}" y="{y:.1}" text-anchor="end">{}</text><text x="{end:.1}" y="{y:.1}" text-anchor="end">{}</text>"#,
            cell.value(),
            escape(&spread)
        );
    }
}

fn spread(cell: &Cell, table: &ComparisonTable) -> String {
    cell.spread(table.has_seeds)
}
