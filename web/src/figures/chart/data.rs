//! What a chart shows, as data: for the script that lets a reader look into it.

use serde::Serialize;

use super::{BOTTOM, BandPoint, Chart, HEIGHT, LETTERS, Line, MAX_POINTS, NAME, Scale, TOP, thin};
use crate::words::{shortened, shown};

/// A chart as it is drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChartData {
    /// The words at the x axis.
    x_label: String,
    /// The range of x.
    x: (f64, f64),
    /// Whether x is marked at whole numbers.
    is_whole: bool,
    /// Whether the y axis is logarithmic.
    is_log: bool,
    /// Where the axes lie in the drawing: left, right, top and bottom.
    plot: [f64; 4],
    /// Upright rules with their words.
    rules: Vec<(f64, String)>,
    lines: Vec<LineData>,
}

/// A line of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct LineData {
    /// What it is called; lines of one name are one series.
    name: String,
    /// The name as it has room in the drawing.
    short: String,
    class: String,
    dash: &'static str,
    outline: &'static str,
    /// x, y, and of a mean the lowest and the highest value; in pieces that are not joined.
    pieces: Vec<Vec<Vec<f64>>>,
}

impl Chart {
    /// Its data, of each line as many points as are drawn.
    pub fn data(&self) -> ChartData {
        let (left, right) = self.plot();
        ChartData {
            x_label: self.x_label.clone(),
            x: self.x,
            is_whole: self.x_scale == Scale::Whole,
            is_log: self.is_log,
            plot: [left, right, TOP, HEIGHT - BOTTOM],
            rules: self.rules.clone(),
            lines: self.lines.iter().map(LineData::of).collect(),
        }
    }
}

impl LineData {
    fn of(line: &Line) -> Self {
        let mark = line.label.mark();
        let name = shown(&line.name).into_owned();
        Self {
            short: shortened(&name, NAME, LETTERS).into_owned(),
            name,
            class: line.class(),
            dash: line.dash(),
            outline: mark.outline(),
            pieces: line.pieces.iter().map(|piece| points(piece)).collect(),
        }
    }
}

/// The points of a piece, those that are drawn. A value needs no more digits than anybody reads.
fn points(piece: &[BandPoint]) -> Vec<Vec<f64>> {
    let kept = thin(&piece.iter().map(|p| (p.x, p.y)).collect::<Vec<_>>(), MAX_POINTS);
    let short = |value: f64| format!("{value:.6e}").parse().unwrap_or(value);
    let mut all = piece.iter();
    let of = |(x, y): (f64, f64)| {
        let point = all.find(|point| point.x == x);
        match point.filter(|point| point.low < point.high) {
            Some(point) => vec![short(x), short(y), short(point.low), short(point.high)],
            None => vec![short(x), short(y)],
        }
    };
    kept.into_iter().map(of).collect()
}
