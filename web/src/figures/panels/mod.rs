//! Several drawings side by side as one, to take along.

mod heat_map;
mod scatter;

use std::fmt::Write;

pub(super) use self::heat_map::LEVELS;
use self::{heat_map::level_class, scatter::outline};
pub use self::{
    heat_map::{heat_map, scale},
    scatter::{kind_swatch, scatter},
};
use super::{Figure, text::text};
use crate::{
    tables::Values,
    words::{most_width, shown},
};

/// A drawing with its words.
pub struct Panel {
    /// What stands above it.
    pub title: String,
    /// The drawing: an `<svg>` with a square view.
    pub svg: String,
    /// What stands below it, line by line.
    pub lines: Vec<String>,
}

/// What stands above all panels.
pub enum Key {
    /// The kinds of points, in their order.
    Kinds(Vec<String>),
    /// The scale of a heat map's colours, to its largest value, on both sides of zero or on one.
    Colours {
        /// The largest value.
        most: f64,
        /// Whether values have a sign.
        values: Values,
    },
}

/// The side of a panel, the gaps between them, the height of a line of text, and the sizes of its letters: those of heads, which
/// are bold, of the key, and of others.
const SIDE: f64 = 260.0;
const GAP: f64 = 20.0;
const LINE: f64 = 16.0;
const HEAD: f64 = 13.5;
const NAME: f64 = 12.0;
const LETTERS: f64 = 11.0;

/// What the marker of a kind and the gaps around it take.
const KEY: f64 = 30.0;

/// Panels in a row; more would be too small on a page of paper.
const IN_A_ROW: usize = 4;

/// One drawing of them all.
pub fn panels(title: String, caption: String, key: &Key, panels: &[Panel]) -> Figure {
    let lines = panels.iter().map(|panel| panel.lines.len()).max().unwrap_or(0);
    let width = GAP + panels.len().min(IN_A_ROW) as f64 * (SIDE + GAP);
    let above = LINE + 12.0;
    let row = LINE + LINE + SIDE + lines as f64 * LINE + GAP;
    let height = above + panels.len().div_ceil(IN_A_ROW) as f64 * row;
    let mut svg = format!(r#"<svg class="panels" viewBox="0 0 {width} {height}">"#);
    draw_key(&mut svg, key, width);
    for (place, panel) in panels.iter().enumerate() {
        let x = GAP + (place % IN_A_ROW) as f64 * (SIDE + GAP);
        let top = above + (place / IN_A_ROW) as f64 * row + LINE;
        let y = top + LINE;
        text(&mut svg, &format!(r#"class="head" x="{x}" y="{}""#, top + 8.0), &panel.title, SIDE, HEAD);
        let view = panel.svg.split("viewBox=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("0 0 1 1");
        let inner = panel.svg.split_once('>').map_or("", |(_, rest)| rest);
        let inner = inner.strip_suffix("</svg>").unwrap_or(inner);
        if matches!(key, Key::Kinds(_)) {
            let _ = write!(svg, r#"<rect class="ground" x="{x}" y="{y}" width="{SIDE}" height="{SIDE}"/>"#);
        }
        let _ = write!(svg, r#"<svg x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" viewBox="{view}">{inner}</svg>"#);
        for (i, line) in panel.lines.iter().enumerate() {
            let at = y + SIDE + LINE * (i as f64 + 1.0);
            text(&mut svg, &format!(r#"x="{x}" y="{at}""#), line, SIDE, LETTERS);
        }
    }
    svg.push_str("</svg>");
    Figure { title, svg, caption }
}

fn draw_key(svg: &mut String, key: &Key, room: f64) {
    let y = LINE + 4.0;
    match key {
        Key::Kinds(kinds) => {
            let mut x = GAP + 4.0;
            for (kind, words) in kinds.iter().enumerate() {
                let (marker, left) = (outline(kind), kinds.len() - kind);
                let _ =
                    write!(svg, r#"<path class="kind-{kind}" transform="translate({x} {})" d="{marker}"/>"#, y - 4.0);
                // The last ones are the longest, and have what the first ones leave.
                let most = (room - x) / left as f64 - KEY;
                text(svg, &format!(r#"class="name" x="{}" y="{y}""#, x + 9.0), words, most, NAME);
                x += KEY + most_width(&shown(words), NAME).min(most);
            }
        }
        Key::Colours { most, values } => {
            let low = if *values == Values::Signed { -(LEVELS as i64) } else { 0 };
            let words = if *values == Values::Signed { format!("−{most:.2}") } else { "0".into() };
            let _ = write!(svg, r#"<text x="{GAP}" y="{y}">{words}</text>"#);
            let start = GAP + 38.0;
            let mut x = start;
            for level in low..=LEVELS as i64 {
                let _ = write!(svg, r#"<path class="{}" d="M{x} {}h12v12h-12z"/>"#, level_class(level), y - 10.0);
                x += 12.0;
            }
            let _ = write!(
                svg,
                r#"<rect class="frame" x="{start}" y="{}" width="{}" height="12"/><text x="{}" y="{y}">{most:.2}</text>"#,
                y - 10.0,
                x - start,
                x + 6.0
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{FigureFormat, scatter};

    #[test]
    fn what_has_no_room_in_a_row_stands_in_the_next() {
        let panel = |_| Panel { title: "KD".into(), svg: scatter(&[[0.0, 0.0]], &[1], "a point"), lines: vec![] };
        let of = |count: usize| {
            let drawn: Vec<Panel> = (0..count).map(panel).collect();
            let figure = panels(String::new(), String::new(), &Key::Kinds(vec![]), &drawn);
            figure.svg.split('"').nth(3).unwrap().to_owned()
        };
        assert_eq!([of(4), of(6)], ["0 0 1140 340", "0 0 1140 652"]);
    }

    #[test]
    fn panels_stand_side_by_side_with_their_words_and_one_key() {
        let one = |title: &str| Panel {
            title: title.into(),
            svg: scatter(&[[0.0, 0.0], [1.0, 1.0]], &[1, 1], "two points"),
            lines: vec!["silhouette 0.1".into(), "2 < 3".into()],
        };
        let key = Key::Kinds(vec!["truck".into(), "bird".into()]);
        let figure = panels("Features".into(), "Apart.".into(), &key, &[one("ARD"), one("GACD")]);
        assert!(figure.svg.starts_with(r#"<svg class="panels" viewBox="0 0 580 "#), "{}", figure.svg);
        assert_eq!(figure.svg.matches(r#"viewBox="0 0 300 300""#).count(), 2);
        assert!(figure.svg.contains(">GACD</text>") && figure.svg.contains("2 &lt; 3"));
        for format in FigureFormat::ALL {
            assert!(!format.write(&figure).unwrap().is_empty());
        }
    }
}
