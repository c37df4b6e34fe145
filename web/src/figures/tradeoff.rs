//! Natural against adversarial accuracy, with the rows of which no other is higher in both (the Pareto front).

use std::fmt::Write;

use super::{Figure, chart::Axis, text::text};
use crate::{
    format, mark,
    tables::{Cell, Column, ComparisonTable, Row},
    words::{escape, width},
};

/// The drawing's size, in its own units, and the margins of its axes.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 310.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;
/// The size of letters, the room of a name, and how far it stands from its marker.
const LETTERS: f64 = 13.0;
const NAME: f64 = 170.0;
const GAP: f64 = 8.0;

/// A row with both of its accuracies.
struct Point<'a> {
    row: &'a Row,
    name: String,
    natural: &'a Cell,
    adversarial: &'a Cell,
}

impl<'a> Point<'a> {
    /// A row at these columns; its name tells the student where there are several.
    fn of(row: &'a Row, (natural, adversarial): (usize, usize), has_many: bool) -> Option<Self> {
        let (natural, adversarial) = (row.cells[natural].as_ref()?, row.cells[adversarial].as_ref()?);
        let name = match (row.is_teacher, has_many) {
            (true, _) => row.variant.named("Teacher"),
            (false, true) => format!("{} · {}", row.title(), row.architecture),
            (false, false) => row.title(),
        };
        Some(Self { row, name, natural, adversarial })
    }
}

/// The figure of a table, under the strongest attack that its students were evaluated under; none with fewer than two students.
pub fn tradeoff(table: &ComparisonTable) -> Option<Figure> {
    let natural = table.columns.iter().position(|column| *column == Column::Natural)?;
    let strongest = (0..table.columns.len()).filter_map(|i| Some((i, table.columns[i].attack()?.strength())));
    let (attacked, _) = strongest.max_by_key(|(_, strength)| *strength)?;
    let attack = table.columns[attacked].attack()?;
    let has_many = table.groups.iter().filter(|group| !group.is_teacher).count() > 1;
    let points: Vec<Point> = table.rows().filter_map(|row| Point::of(row, (natural, attacked), has_many)).collect();
    let students: Vec<&Point> = points.iter().filter(|point| !point.row.is_teacher).collect();
    // Numbers that were made at different settings are no match for each other.
    if students.len() < 2 || table.has_settings {
        return None;
    }
    let front = front(&students);
    let names = format::list(&front.iter().map(|point| point.name.as_str()).collect::<Vec<_>>());
    let caption = match front.as_slice() {
        [one] => format!("{} has the highest natural and the highest {attack} accuracy.", one.name),
        _ => format!("On the front: {names}; no student is higher in both than one of these."),
    };
    let title = format!("Natural against {attack} accuracy, %");
    let spread = if table.has_seeds { "one standard deviation over seeds" } else { "95 % intervals" };
    let caption = format!("{caption} Whiskers: {spread}.");
    let labels = (attack.describe(), format!("{title}. {caption}"));
    Some(Figure { svg: draw(&points, &front, labels), title, caption })
}

/// The students of which no other has both accuracies higher, by ascending natural accuracy.
fn front<'p, 'a>(students: &[&'p Point<'a>]) -> Vec<&'p Point<'a>> {
    let dominates = |a: &Point, b: &Point| {
        let (natural, adversarial) = (a.natural.mean - b.natural.mean, a.adversarial.mean - b.adversarial.mean);
        natural >= 0.0 && adversarial >= 0.0 && natural + adversarial > 0.0
    };
    let is_front = |point: &&&Point| point.row.can_be_best() && !students.iter().any(|other| dominates(other, point));
    let mut front: Vec<&'p Point<'a>> = students.iter().filter(is_front).copied().collect();
    front.sort_by(|a, b| a.natural.mean.total_cmp(&b.natural.mean));
    front
}

fn draw(points: &[Point], front: &[&Point], (attack, description): (String, String)) -> String {
    let range = |cell: fn(&Point) -> [f64; 2]| {
        let all = points.iter().map(cell);
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), [l, h]| (low.min(l), high.max(h)))
    };
    let (low, high) = range(|point| point.natural.range());
    let x = Axis::linear(low, high, (LEFT, WIDTH - RIGHT), 5);
    let (low, high) = range(|point| point.adversarial.range());
    let y = Axis::linear(low, high, (HEIGHT - BOTTOM, TOP), 5);
    let mut svg = format!(
        r#"<svg class="chart tradeoff" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#,
        escape(&description)
    );
    axes(&mut svg, &x, &y, &attack);
    let place = |point: &Point| (x.place(point.natural.mean), y.place(point.adversarial.mean));
    let corners: Vec<(f64, f64)> = front.iter().map(|point| place(point)).collect();
    if corners.len() > 1 {
        // Between two of the front nothing is known to be reached: the line goes down before it goes on.
        let steps = corners.windows(2).map(|w| format!("{:.1},{:.1} {:.1},{:.1}", w[0].0, w[1].1, w[1].0, w[1].1));
        let steps = steps.collect::<Vec<_>>().join(" ");
        let _ = write!(svg, r#"<polyline class="front" points="{:.1},{:.1} {steps}"/>"#, corners[0].0, corners[0].1);
    }
    for point in points {
        let ((px, py), class) = (place(point), mark::of(point.row.method, point.row.is_teacher).class);
        let ([left, right], [low, high]) = (point.natural.range(), point.adversarial.range());
        let ((left, right), (low, high)) = ((x.place(left), x.place(right)), (y.place(low), y.place(high)));
        let _ = write!(
            svg,
            r#"<path class="whisker {class}" d="M{left:.1},{py:.1}H{right:.1}M{px:.1},{low:.1}V{high:.1}"/>"#
        );
    }
    let markers: Vec<(f64, f64)> = points.iter().map(place).collect();
    let mut taken: Vec<[f64; 4]> = markers.iter().map(|(x, y)| [x - 6.0, y - 6.0, x + 6.0, y + 6.0]).collect();
    for (point, (px, py)) in points.iter().zip(markers) {
        let (percent, mark) = (format::percent, mark::of(point.row.method, point.row.is_teacher));
        // As in curves, a model of a best epoch is told from that of the last.
        let hollow = if point.row.variant.is_best_epoch { " hollow" } else { "" };
        let marker = mark.in_class(&format!("{}{hollow}", mark.class), px, py);
        let words = format!(
            "{}: natural {} %, {attack} {} %",
            point.name,
            percent(point.natural.mean),
            percent(point.adversarial.mean)
        );
        let _ = write!(svg, "<g><title>{}</title>{marker}</g>", escape(&words));
        name(&mut svg, &point.name, (px, py), &mut taken);
    }
    svg.push_str("</svg>");
    svg
}

fn axes(svg: &mut String, x: &Axis, y: &Axis, attack: &str) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for tick in &y.ticks {
        let at = y.place(*tick);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/><text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 7.0,
            at + 4.0,
            y.label(*tick)
        );
    }
    for tick in &x.ticks {
        let at = x.place(*tick);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom}"/><text class="tick" x="{at:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            bottom + 17.0,
            x.label(*tick)
        );
    }
    let middle = f64::midpoint(LEFT, right);
    let words = format!("↑ {attack}   → natural");
    text(
        svg,
        &format!(r#"class="tick" x="{middle:.1}" y="{:.1}" text-anchor="middle""#, HEIGHT - 6.0),
        &words,
        right - LEFT,
        LETTERS,
    );
}

/// Writes a name beside its marker, above or below it, where it meets nothing that stands there already; nowhere if there is no
/// such place. The marker tells it under the pointer, and the table has it.
fn name(svg: &mut String, name: &str, (x, y): (f64, f64), taken: &mut Vec<[f64; 4]>) {
    let wide = width(name, LETTERS).min(NAME);
    let places = [
        (x + GAP, y + 4.0, "start", x + GAP),
        (x - GAP, y + 4.0, "end", x - GAP - wide),
        (x, y - GAP, "middle", x - wide / 2.0),
        (x, y + GAP + LETTERS - 3.0, "middle", x - wide / 2.0),
    ];
    for (at, base, anchor, left) in places {
        let room = [left, base - LETTERS + 3.0, left + wide, base + 3.0];
        let is_inside = left >= LEFT && left + wide <= WIDTH && room[1] >= 0.0 && base <= HEIGHT - BOTTOM;
        let meets =
            |other: &[f64; 4]| room[0] < other[2] && other[0] < room[2] && room[1] < other[3] && other[1] < room[3];
        if is_inside && !taken.iter().any(meets) {
            text(
                svg,
                &format!(r#"class="name" x="{at:.1}" y="{base:.1}" text-anchor="{anchor}""#),
                name,
                NAME,
                LETTERS,
            );
            taken.push(room);
            return;
        }
    }
}
