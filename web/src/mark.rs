//! What tells methods apart beside their colour: a dash and a marker each.

use retort_spec::MethodName;

use crate::{RunLabel, run_row::method_class};

/// The dash of the line of `label`, as `stroke-dasharray`; empty for a solid line.
pub fn dash(label: &RunLabel) -> &'static str {
    if label.is_teacher {
        return "1 4";
    }
    match label.method {
        MethodName::Natural => "2 3",
        MethodName::PgdAt => "9 3 2 3",
        MethodName::Trades => "9 3 2 3 2 3",
        MethodName::Kd => "",
        MethodName::KdAft => "14 3",
        MethodName::Ard => "8 4",
        MethodName::ArdAft => "8 4 3 4",
        MethodName::Gacd => "5 2",
        MethodName::GacdAft => "12 3 3 3",
    }
}

/// The marker's outline around the origin, about 8 units wide.
fn outline(method: MethodName, is_teacher: bool) -> &'static str {
    if is_teacher {
        // A ring's outer edge; the teacher is the reference that the others are held against.
        return "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0zM-2,0a2,2 0 1,1 4,0a2,2 0 1,1 -4,0z";
    }
    match method {
        MethodName::Natural => "M-4,-1.3h2.7v-2.7h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7z",
        MethodName::PgdAt => "M-4.2,-3.4h8.4l-4.2,7.4z",
        // A triangle that lies on its side.
        MethodName::Trades => "M-3.4,-4.2v8.4l7.4,-4.2z",
        MethodName::Kd => "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
        // What is fine-tuned has the outline of what it was, cut in half.
        MethodName::KdAft => "M-4.5,1.5a4.5,4.5 0 0,1 9,0z",
        MethodName::Ard => "M-3.5,-3.5h7v7h-7z",
        MethodName::ArdAft => "M-4.5,-2h9v4h-9z",
        MethodName::Gacd => "M0,-4.6l4.6,4.6l-4.6,4.6l-4.6,-4.6z",
        MethodName::GacdAft => "M0,-4.4l4.4,7.8h-8.8z",
    }
}

/// The marker of `label` at a point of a drawing.
pub fn marker(label: &RunLabel, x: f64, y: f64) -> String {
    let path = outline(label.method, label.is_teacher);
    format!(r#"<path class="marker {}" transform="translate({x:.1} {y:.1})" d="{path}"/>"#, label.class())
}

/// The marker of a method alone, to stand before its name: an `<svg>` that a screen reader passes over.
pub fn swatch(method: MethodName, is_teacher: bool) -> String {
    let class = if is_teacher { "method-teacher" } else { method_class(method) };
    let path = outline(method, is_teacher);
    format!(
        r#"<svg class="swatch" viewBox="-6 -6 12 12" aria-hidden="true"><path class="marker {class}" d="{path}"/></svg>"#
    )
}
