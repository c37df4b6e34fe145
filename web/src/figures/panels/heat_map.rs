//! A square of values as colours.

use std::fmt::Write;

use super::super::text::text;
use crate::{tables::Values, words::escape};

/// How many depths of colour there are on each side of zero; more could not be told apart.
pub const LEVELS: usize = 10;

/// The side of the drawing in its own units, what names take of it on the left and below, and the most classes that have
/// room for their names.
const SIDE: f64 = 300.0;
const NAMES: f64 = 76.0;
const MOST_NAMED: usize = 20;
/// The size of the names' letters, and the gap between a name and the map.
const LETTERS: f64 = 11.0;
const GAP: f64 = 5.0;

/// Draws a value for each class and class, row after row, with the names of up to 20 classes. The largest depth is `most`,
/// the same for all figures that are compared.
pub fn heat_map(values: &[f32], classes: &[String], (most, how): (f64, Values), description: &str) -> String {
    let count = classes.len().max(1);
    let mut cells = vec![String::new(); 2 * LEVELS + 1];
    for (place, value) in values.iter().enumerate() {
        let value = if how == Values::Signed { f64::from(*value) } else { f64::from(value.abs()) };
        let level =
            (value / most.max(f64::MIN_POSITIVE) * LEVELS as f64).round().clamp(-(LEVELS as f64), LEVELS as f64);
        let cell = &mut cells[(level + LEVELS as f64) as usize];
        let _ = write!(cell, "M{} {}h1v1h-1z", place % count, place / count);
    }
    let left = if classes.len() <= MOST_NAMED { NAMES } else { 0.0 };
    let (side, cell) = (SIDE - left, (SIDE - left) / count as f64);
    let mut svg = format!(
        r#"<svg class="heat" viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{}"><g transform="translate({left} 0) scale({cell:.4})" shape-rendering="crispEdges">"#,
        escape(description)
    );
    for (place, path) in cells.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        let level = place as i64 - LEVELS as i64;
        let value = level as f64 / LEVELS as f64 * most;
        let _ = write!(svg, r#"<path class="{}" data-value="{value:.3}" d="{path}"/>"#, level_class(level));
    }
    let _ = write!(svg, r#"</g><rect class="frame" x="{left}" y="0" width="{side}" height="{side}"/>"#);
    for (place, name) in classes.iter().enumerate().filter(|_| left > 0.0) {
        let (middle, edge) = ((place as f64 + 0.5) * cell + 4.0, side + GAP);
        for at in [
            format!(r#"x="{}" y="{middle:.1}""#, left - GAP),
            format!(r#"transform="translate({:.1} {edge}) rotate(-90)""#, left + middle),
        ] {
            text(&mut svg, &format!(r#"{at} text-anchor="end""#), name, left - GAP, LETTERS);
        }
    }
    svg.push_str("</svg>");
    svg
}

/// The class that gives a level its colour.
pub(super) fn level_class(level: i64) -> String {
    match level {
        0 => "zero".into(),
        level if level > 0 => format!("above l{level}"),
        level => format!("below l{}", -level),
    }
}

/// The scale of the colours, from the least to the most, with its ends in numbers.
pub fn scale(most: f64, how: Values) -> String {
    let is_signed = how == Values::Signed;
    let levels: Vec<i64> =
        if is_signed { (-(LEVELS as i64)..=LEVELS as i64).collect() } else { (0..=LEVELS as i64).collect() };
    let width = levels.len();
    let mut svg =
        format!(r#"<svg class="heat scale" viewBox="0 0 {width} 1" preserveAspectRatio="none" aria-hidden="true">"#);
    for (x, level) in levels.into_iter().enumerate() {
        let _ = write!(svg, r#"<path class="{}" d="M{x} 0h1v1h-1z"/>"#, level_class(level));
    }
    let low = if is_signed { format!("−{most:.2}") } else { "0".into() };
    format!(r#"<span class="scale"><span class="num">{low}</span>{svg}</svg><span class="num">{most:.2}</span></span>"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("class {i}")).collect()
    }

    #[test]
    fn a_value_has_the_depth_of_its_share_of_the_most() {
        let signed = heat_map(&[0.0, 0.5, -0.26, 2.0], &names(2), (0.5, Values::Signed), "");
        assert!(signed.contains(r#"<path class="zero" data-value="0.000" d="M0 0h1v1h-1z"/>"#), "{signed}");
        assert!(signed.contains(r#"class="below l5" data-value="-0.250" d="M0 1h1v1h-1z""#), "{signed}");
        // What lies beyond the scale has its last colour.
        assert!(signed.contains(r#"class="above l10" data-value="0.500" d="M1 0h1v1h-1zM1 1h1v1h-1z""#), "{signed}");
        let sizes = heat_map(&[0.0, 0.5, -0.5, 0.1], &names(2), (0.5, Values::Sizes), "");
        assert!(!sizes.contains("below") && sizes.contains("above l10"), "{sizes}");
    }

    #[test]
    fn a_few_classes_are_named_at_both_edges_and_many_leave_the_room_to_the_map() {
        let mut few = names(3);
        few[1] = "a very long <name>".into();
        let svg = heat_map(&[0.0; 9], &few, (1.0, Values::Sizes), "");
        assert_eq!(svg.matches(">class 2</text>").count(), 2);
        assert_eq!(svg.matches(">a very lon…</text>").count(), 2);
        assert!(svg.contains("translate(76 0) scale(74.6667)"), "{svg}");
        let svg = heat_map(&[0.0; 441], &names(21), (1.0, Values::Sizes), "");
        assert!(!svg.contains("<text") && svg.contains("translate(0 0) scale(14.2857)"), "{svg}");
    }
}
