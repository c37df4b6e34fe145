//! What tells methods apart on every page and in every figure: a colour, a dash and a marker each.

use retort_spec::MethodName;

/// How a method is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The class that gives it its colour. Of those that share one, marker and dash tell which it is.
    pub class: &'static str,
    /// The dash of its lines, as `stroke-dasharray`; empty for a solid line.
    pub dash: &'static str,
    /// The outline of its marker around the origin, about 8 units wide.
    outline: &'static str,
}

const fn mark(class: &'static str, dash: &'static str, outline: &'static str) -> Mark {
    Mark { class, dash, outline }
}

/// A ring's outer edge; the teacher is the reference that the others are held against.
const TEACHER: Mark =
    mark("method-teacher", "1 4", "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0zM-2,0a2,2 0 1,1 4,0a2,2 0 1,1 -4,0z");

/// The marks of the paper's methods. What is fine-tuned has the outline of what it was, cut in half.
const NAMED: [(MethodName, Mark); 9] = [
    (MethodName::NATURAL, mark("method-natural", "2 3", "M-4,-1.3h2.7v-2.7h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7z")),
    (MethodName::PGD_AT, mark("method-pgd-at", "9 3 2 3", "M-4.2,-3.4h8.4l-4.2,7.4z")),
    (MethodName::TRADES, mark("method-pgd-at", "9 3 2 3 2 3", "M-3.4,-4.2v8.4l7.4,-4.2z")),
    (MethodName::KD, mark("method-kd", "", "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z")),
    (MethodName::KD.fine_tuned(), mark("method-kd", "14 3", "M-4.5,1.5a4.5,4.5 0 0,1 9,0z")),
    (MethodName::ARD, mark("method-ard", "8 4", "M-3.5,-3.5h7v7h-7z")),
    (MethodName::ARD.fine_tuned(), mark("method-ard", "8 4 3 4", "M-4.5,-2h9v4h-9z")),
    (MethodName::GACD, mark("method-gacd", "5 2", "M0,-4.6l4.6,4.6l-4.6,4.6l-4.6,-4.6z")),
    (MethodName::GACD.fine_tuned(), mark("method-gacd-aft", "12 3 3 3", "M0,-4.4l4.4,7.8h-8.8z")),
];

/// The marks of the other methods, in their order: each with that of the same fine-tuned. After the last comes the first.
const OTHERS: [[Mark; 2]; 5] = [
    [
        mark("method-other-1", "6 2 2 2", "M0,-4.5l4.3,3.1l-1.6,5h-5.4l-1.6,-5z"),
        mark("method-other-1", "6 2 2 2 2 2", "M-4.3,1l4.3,-3.1l4.3,3.1z"),
    ],
    [
        mark("method-other-2", "4 3", "M-2.2,-3.9h4.4l2.3,3.9l-2.3,3.9h-4.4l-2.3,-3.9z"),
        mark("method-other-2", "4 3 1 3", "M-4.5,2l2.3,-3.9h4.4l2.3,3.9z"),
    ],
    [
        mark("method-other-3", "10 2 4 2", "M-3.4,4.2v-8.4l3.4,3l3.4,-3v8.4l-3.4,-3z"),
        mark("method-other-3", "10 2 4 2 1 2", "M-4,-2.5l4,3l4,-3v3l-4,3l-4,-3z"),
    ],
    [
        mark("method-other-4", "3 2", "M-4,-4l4,2l4,-2l-2,4l2,4l-4,-2l-4,2l2,-4z"),
        mark("method-other-4", "3 2 6 2", "M-4.5,0l4.5,-1.6l4.5,1.6l-4.5,1.6z"),
    ],
    [
        mark("method-other-5", "2 2 8 2", "M-1.6,-4.4h3.2l0.8,8.8h-4.8z"),
        mark("method-other-5", "2 2 8 2 2 2", "M-1.6,-2.2h3.2l1.6,4.4h-6.4z"),
    ],
];

/// The mark of a method, or of the teacher.
pub fn of(method: MethodName, is_teacher: bool) -> Mark {
    if is_teacher {
        return TEACHER;
    }
    if let Some((_, mark)) = NAMED.iter().find(|(named, _)| *named == method) {
        return *mark;
    }
    let plain = method.fine_tunes().unwrap_or(method);
    let others = MethodName::all().filter(|m| m.fine_tunes().is_none() && NAMED.iter().all(|(named, _)| named != m));
    let place = others.take_while(|other| *other != plain).count();
    OTHERS[place % OTHERS.len()][usize::from(plain != method)]
}

impl Mark {
    /// The outline of its marker around the origin.
    pub const fn outline(self) -> &'static str {
        self.outline
    }

    /// The marker at a point of a drawing.
    pub fn at(self, x: f64, y: f64) -> String {
        self.in_class(self.class, x, y)
    }

    /// The marker at a point of a drawing, in another colour than its own.
    pub fn in_class(self, class: &str, x: f64, y: f64) -> String {
        let outline = self.outline;
        format!(r#"<path class="marker {class}" transform="translate({x:.1} {y:.1})" d="{outline}"/>"#)
    }

    /// The marker alone, to stand before a method's name: an `<svg>` that a screen reader passes over.
    pub fn swatch(self) -> String {
        let Self { class, outline, .. } = self;
        format!(
            r#"<svg class="swatch" viewBox="-6 -6 12 12" aria-hidden="true"><path class="marker {class}" d="{outline}"/></svg>"#
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_method_has_a_dash_and_a_marker_of_its_own() {
        let marks: Vec<Mark> = MethodName::all().map(|method| of(method, false)).chain([TEACHER]).collect();
        let others = OTHERS.concat();
        for marks in [&marks, &others] {
            for of in [|mark: &Mark| mark.dash, |mark: &Mark| mark.outline] {
                assert_eq!(marks.iter().map(of).collect::<HashSet<_>>().len(), marks.len(), "{marks:?}");
            }
        }
    }
}
