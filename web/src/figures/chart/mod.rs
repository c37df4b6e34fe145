//! A line chart.

mod data;
mod ticks;

use std::fmt::Write;

pub use self::data::ChartData;
pub(super) use self::ticks::Axis;
use super::text::text;
use crate::{
    RunLabel,
    words::{escape, most_width, shown, width},
};

/// At most so many points are drawn for a line; more could not be told apart.
const MAX_POINTS: usize = 2_000;

/// So many shades tell the variants of a method apart.
pub const SHADES: usize = 4;

/// The size of the drawing, in its own units.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 270.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
/// The height of a line of text, the size of its letters that a phone needs, and the most that a name takes.
const LINE: f64 = 15.0;
const LETTERS: f64 = 14.0;
const NAME: f64 = 176.0;

/// A line of a chart.
pub struct Line {
    /// The run that it belongs to, which gives it its colour, dash and marker.
    pub label: RunLabel,
    /// Its place among the variants of its method that are drawn: 0 for the first.
    pub variant: usize,
    /// What stands beside its end; lines with the same name share one, and an empty one is left out.
    pub name: String,
    /// The points in ascending x, in pieces that are not joined to each other.
    pub pieces: Vec<Vec<BandPoint>>,
}

/// A point of a line, and the range of what it is the mean of; of a single value the range is that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BandPoint {
    /// Its place.
    pub x: f64,
    /// The mean.
    pub y: f64,
    /// The lowest value.
    pub low: f64,
    /// The highest value.
    pub high: f64,
}

/// How an axis is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// From end to end, with ticks at whole numbers.
    Whole,
    /// Between round numbers.
    Linear,
    /// Logarithmic, between round numbers; all values must be above 0.
    Log,
}

/// A line chart before it is drawn.
pub struct Chart {
    /// What a screen reader says in its place.
    pub description: String,
    /// The words at the x axis.
    pub x_label: String,
    /// The lines.
    pub lines: Vec<Line>,
    /// The range of x.
    pub x: (f64, f64),
    /// How x is laid out.
    pub x_scale: Scale,
    /// Whether the y axis is logarithmic; all values must be above 0 then.
    pub is_log: bool,
    /// Upright rules with their words.
    pub rules: Vec<(f64, String)>,
}

impl Chart {
    /// Where its axes begin and end, from left to right.
    fn plot(&self) -> (f64, f64) {
        let longest = widest(self.lines.iter().map(|line| shown(&line.name)));
        let right = if longest == 0.0 { 16.0 } else { longest.min(NAME) + 24.0 };
        let y = self.y_axis();
        (widest(y.ticks.iter().map(|tick| y.label(*tick))) + 10.0, WIDTH - right)
    }

    /// Draws it.
    pub fn svg(&self) -> String {
        let (y, pixels) = (self.y_axis(), self.plot());
        let x = match self.x_scale {
            Scale::Whole => Axis::whole(self.x.0, self.x.1, pixels, 6),
            Scale::Linear => Axis::linear(self.x.0, self.x.1, pixels, 5),
            Scale::Log => Axis::log(self.x.0, self.x.1, pixels),
        };
        let mut svg = format!(
            r#"<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#,
            escape(&self.description)
        );
        self.draw_axes(&mut svg, &x, &y, pixels.1);
        for line in &self.lines {
            draw_bands(&mut svg, line, &x, &y);
        }
        for line in &self.lines {
            draw_line(&mut svg, line, &x, &y);
        }
        self.draw_names(&mut svg, &y, pixels.1);
        svg.push_str("</svg>");
        svg
    }

    fn y_axis(&self) -> Axis {
        let points = self.lines.iter().flat_map(|l| l.pieces.iter().flatten());
        let (low, high) = points.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p.low), h.max(p.high)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let pixels = (HEIGHT - BOTTOM, TOP);
        if self.is_log && low > 0.0 { Axis::log(low, high, pixels) } else { Axis::linear(low, high, pixels, 5) }
    }

    fn draw_axes(&self, svg: &mut String, x: &Axis, y: &Axis, right: f64) {
        let (left, bottom) = (x.left(), HEIGHT - BOTTOM);
        for tick in &y.ticks {
            let at = y.place(*tick);
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{left:.1}" x2="{right:.1}" y1="{at:.1}" y2="{at:.1}"/><text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                left - 7.0,
                at + 4.0,
                y.label(*tick)
            );
        }
        if self.is_log {
            let _ = write!(svg, r#"<text class="tick" x="{left:.1}" y="{:.1}">log scale</text>"#, TOP - 3.0);
        }
        for tick in &x.ticks {
            let _ = write!(
                svg,
                r#"<text class="tick" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                x.place(*tick),
                bottom + LINE + 2.0,
                x.label(*tick)
            );
        }
        for (value, words) in &self.rules {
            let at = x.place(*value);
            // Words that have no room on the right stand on the left.
            let has_room = at + 4.0 + width(words, LETTERS) <= right;
            let (from, anchor) = if has_room { (at + 4.0, "start") } else { (at - 4.0, "end") };
            let _ = write!(
                svg,
                r#"<line class="rule" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom}"/><text class="tick" x="{from:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#,
                TOP + 9.0,
                escape(words)
            );
        }
        let _ = write!(
            svg,
            r#"<text class="tick" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            f64::midpoint(left, right),
            HEIGHT - 6.0,
            escape(&self.x_label)
        );
    }

    /// Writes each name once, beside the mean end of its lines, and moves names apart that would overlap.
    fn draw_names(&self, svg: &mut String, y: &Axis, right: f64) {
        let mut names: Vec<(f64, &Line)> = Vec::new();
        for line in &self.lines {
            if line.name.is_empty() || names.iter().any(|(_, other)| other.name == line.name) {
                continue;
            }
            let ends: Vec<f64> =
                self.lines.iter().filter(|l| l.name == line.name).filter_map(Line::end).map(|p| y.place(p.1)).collect();
            if !ends.is_empty() {
                names.push((ends.iter().sum::<f64>() / ends.len() as f64, line));
            }
        }
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let places = spread(&names.iter().map(|n| n.0).collect::<Vec<_>>(), TOP + 4.0, HEIGHT - BOTTOM);
        for ((_, line), at) in names.iter().zip(places) {
            svg.push_str(&line.mark_at(right + 11.0, at));
            let attributes = format!(r#"class="name" x="{:.1}" y="{:.1}""#, right + 19.0, at + 4.0);
            text(svg, &attributes, &line.name, NAME, LETTERS);
        }
    }
}

impl Line {
    /// The classes that give it its colour: the method's, and a shade of it where several variants of one method are drawn. The
    /// markers of models of a best epoch are hollow.
    pub fn class(&self) -> String {
        let hollow = if self.label.variant.is_best_epoch { " hollow" } else { "" };
        match self.variant {
            0 => format!("{}{hollow}", self.label.class()),
            n => format!("{} shade-{}{hollow}", self.label.class(), (n - 1) % SHADES + 1),
        }
    }

    /// The method's dash for its first variant, and one of their own for the others.
    pub fn dash(&self) -> &'static str {
        match self.variant {
            0 => self.label.mark().dash,
            n => ["6 2", "2 2", "10 2 2 2", "1 3"][(n - 1) % SHADES],
        }
    }

    fn mark_at(&self, x: f64, y: f64) -> String {
        self.label.mark().in_class(&self.class(), x, y)
    }

    /// Its last point.
    pub fn end(&self) -> Option<(f64, f64)> {
        self.pieces.iter().rev().find_map(|piece| piece.last()).map(|point| (point.x, point.y))
    }
}

/// Gives the lines of one method the places of its variants.
pub fn number_variants(lines: &mut [Line]) {
    for place in 0..lines.len() {
        let (before, own) = (&lines[..place], &lines[place]);
        lines[place].variant = before
            .iter()
            .filter(|line| (line.label.method, line.label.is_teacher) == (own.label.method, own.label.is_teacher))
            .count();
    }
}

/// The range behind a line, where it has one.
fn draw_bands(svg: &mut String, line: &Line, x: &Axis, y: &Axis) {
    for piece in line.pieces.iter().filter(|piece| piece.len() > 1 && piece.iter().any(|p| p.low < p.high)) {
        let side = |value: fn(&BandPoint) -> f64| {
            thin(&piece.iter().map(|p| (p.x, value(p))).collect::<Vec<_>>(), MAX_POINTS / 2)
        };
        let (above, below) = (side(|p| p.high), side(|p| p.low));
        let _ = write!(svg, r#"<polygon class="band {}" points=""#, line.class());
        for (px, py) in above.into_iter().chain(below.into_iter().rev()) {
            let _ = write!(svg, "{:.1},{:.1} ", x.place(px), y.place(py));
        }
        svg.truncate(svg.len() - 1);
        svg.push_str(r#""/>"#);
    }
}

fn draw_line(svg: &mut String, line: &Line, x: &Axis, y: &Axis) {
    let dash = line.dash();
    for piece in line.pieces.iter().filter(|p| p.len() > 1) {
        let _ = write!(svg, r#"<polyline class="line {}""#, line.class());
        if !dash.is_empty() {
            let _ = write!(svg, r#" stroke-dasharray="{dash}""#);
        }
        svg.push_str(r#" points=""#);
        for (px, py) in thin(&piece.iter().map(|p| (p.x, p.y)).collect::<Vec<_>>(), MAX_POINTS) {
            let _ = write!(svg, "{:.1},{:.1} ", x.place(px), y.place(py));
        }
        svg.truncate(svg.len() - 1);
        svg.push_str(r#""/>"#);
    }
    // A single epoch has no line to see; otherwise the end is marked.
    for piece in line.pieces.iter().filter(|p| p.len() == 1) {
        svg.push_str(&line.mark_at(x.place(piece[0].x), y.place(piece[0].y)));
    }
    if let Some((px, py)) = line.end() {
        svg.push_str(&line.mark_at(x.place(px), y.place(py)));
    }
}

/// At most `most` points of a line that keep its shape: the lowest and the highest of each stretch.
fn thin(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    if points.len() <= most {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(most / 2);
    let mut kept = Vec::with_capacity(most);
    for chunk in points.chunks(stretch) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (low, high) = (chunk.iter().min_by(by_value), chunk.iter().max_by(by_value));
        let mut pair: Vec<_> = low.into_iter().chain(high).copied().collect();
        pair.sort_by(|a, b| a.0.total_cmp(&b.0));
        pair.dedup();
        kept.extend(pair);
    }
    kept
}

/// Moves ascending places at least a line of text apart, inside `low` to `high` where there is room.
fn spread(places: &[f64], low: f64, high: f64) -> Vec<f64> {
    let mut moved = places.to_vec();
    let mut least = low;
    for place in &mut moved {
        *place = place.max(least);
        least = *place + LINE;
    }
    let mut most = high;
    for place in moved.iter_mut().rev() {
        *place = place.min(most);
        most = *place - LINE;
    }
    moved
}

/// The width of the widest of these words.
fn widest(words: impl Iterator<Item = impl AsRef<str>>) -> f64 {
    words.map(|words| most_width(words.as_ref(), LETTERS)).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_thinned_but_keeps_its_peaks() {
        let mut points: Vec<_> = (0..100_000).map(|i| (f64::from(i), 1.0)).collect();
        points[54_321].1 = 9.0;
        let kept = thin(&points, MAX_POINTS);
        assert!(kept.len() <= MAX_POINTS && kept.contains(&(54_321.0, 9.0)), "{}", kept.len());
        assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn names_that_would_overlap_stand_apart() {
        let places = spread(&[100.0, 101.0, 102.0, 229.0, 230.0], 16.0, 230.0);
        assert!(places.windows(2).all(|w| w[1] - w[0] >= LINE - 1e-9), "{places:?}");
        assert!(places[4] <= 230.0, "{places:?}");
    }
}
