//! Points in the plane, of a few kinds.

use std::fmt::Write;

use crate::words::escape;

/// The side of the drawing, in its own units, and the margin that markers need.
const SIDE: f64 = 300.0;
const MARGIN: f64 = 10.0;

/// The marker of a kind, about 6 units wide: a disc, a square, a cross.
pub(super) fn outline(kind: usize) -> &'static str {
    match kind {
        0 => "M-3,0a3,3 0 1,0 6,0a3,3 0 1,0 -6,0z",
        1 => "M-2.6,-2.6h5.2v5.2h-5.2z",
        _ => "M-3.4,-2.4l1,-1l2.4,2.4l2.4,-2.4l1,1l-2.4,2.4l2.4,2.4l-1,1l-2.4,-2.4l-2.4,2.4l-1,-1l2.4,-2.4z",
    }
}

/// Draws points, the first `counts[0]` of the first kind and so on. Only which are near each other means something, so
/// there are no axes. `description` stands in its place for a screen reader.
pub fn scatter(points: &[[f32; 2]], counts: &[usize], description: &str) -> String {
    let values = |axis: usize| points.iter().map(move |point| f64::from(point[axis]));
    let range = |axis: usize| values(axis).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let [(left, right), (low, high)] = [range(0), range(1)];
    // One scale for both directions: distances are to be seen as they are.
    let extent = (right - left).max(high - low).max(1e-6);
    let scale = (SIDE - 2.0 * MARGIN) / extent;
    let centre = [f64::midpoint(left, right), f64::midpoint(low, high)];
    let mut svg =
        format!(r#"<svg class="scatter" viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{}">"#, escape(description));
    let mut kinds = counts.iter().enumerate().flat_map(|(kind, count)| std::iter::repeat_n(kind, *count));
    for point in points {
        let kind = kinds.next().unwrap_or(counts.len());
        let [x, y] = [0, 1].map(|axis| SIDE / 2.0 + (f64::from(point[axis]) - centre[axis]) * scale);
        let _ = write!(
            svg,
            r#"<path class="kind-{kind}" transform="translate({x:.1} {:.1})" d="{}"/>"#,
            SIDE - y,
            outline(kind)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// The marker of a kind alone, to stand before its name: an `<svg>` that a screen reader passes over.
pub fn kind_swatch(kind: usize) -> String {
    format!(
        r#"<svg class="swatch" viewBox="-5 -5 10 10" aria-hidden="true"><path class="kind-{kind}" d="{}"/></svg>"#,
        outline(kind)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_has_the_marker_of_its_kind_inside_the_drawing() {
        let svg = scatter(&[[0.0, 0.0], [10.0, 1.0], [5.0, -2.0], [4.0, 0.5]], &[1, 2, 1], "four <points>");
        let count = |kind: usize| svg.matches(&format!(r#"class="kind-{kind}""#)).count();
        assert_eq!([count(0), count(1), count(2)], [1, 2, 1]);
        assert!(svg.contains("four &lt;points&gt;"));
        assert!(svg.contains("translate(10.0 ") && svg.contains("translate(290.0 "), "{svg}");
    }

    #[test]
    fn points_that_coincide_are_drawn_in_the_middle() {
        assert!(scatter(&[[3.0, 3.0]; 2], &[2], "").contains("translate(150.0 150.0)"));
    }
}
