//! What an import took, left out and changed, as text.

use std::fmt::Write;

use retort_engine::data::{Finding, ImportReport};
use retort_web::format;

/// Classes that are listed one by one.
const LISTED: usize = 20;

/// The whole report, several lines.
pub fn words(report: &ImportReport) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "Read from {}, {}: {}", report.source, report.container, report.kind);
    let _ = writeln!(text, "Taken:");
    let width = report.classes.iter().map(|c| c.class.chars().count()).max().unwrap_or_default();
    for count in report.classes.iter().take(LISTED) {
        let (train, test) = (format::count(count.train), format::count(count.test));
        let _ = writeln!(text, "  {:<width$}  {train} training, {test} test images", count.class);
    }
    if report.classes.len() > LISTED {
        let rest = &report.classes[LISTED..];
        let (train, test) = (rest.iter().map(|c| c.train).sum(), rest.iter().map(|c| c.test).sum());
        let (train, test) = (format::count(train), format::count(test));
        let _ = writeln!(text, "  and {} more classes with {train} training and {test} test images", rest.len());
    }
    section(&mut text, "Left out", &report.left_out);
    section(&mut text, "Changed", &report.changed);
    for note in &report.notes {
        let _ = writeln!(text, "Note: {note}");
    }
    text
}

fn section(text: &mut String, title: &str, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}:");
    for finding in findings {
        let _ = writeln!(text, "  {finding}");
    }
}

#[cfg(test)]
mod tests {
    use retort_engine::data::ClassCount;

    use super::*;

    #[test]
    fn a_report_names_the_source_the_classes_and_every_finding() {
        let class = |class: &str, train| ClassCount { class: class.into(), train, test: 5 };
        let hidden = Finding { what: "hidden files".into(), count: 1, examples: vec![".DS_Store".into()] };
        let report = ImportReport {
            source: "pets.zip".into(),
            container: "a zip archive".into(),
            kind: "images in folders".into(),
            classes: vec![class("cat", 1_200), class("giraffe", 30)],
            left_out: vec![hidden],
            changed: vec![],
            notes: vec!["train and test lie in the folder pets.".into()],
        };
        let expected = "\
Read from pets.zip, a zip archive: images in folders
Taken:
  cat      1,200 training, 5 test images
  giraffe  30 training, 5 test images
Left out:
  hidden files: 1 (.DS_Store)
Note: train and test lie in the folder pets.
";
        assert_eq!(words(&report), expected);
    }

    #[test]
    fn of_many_classes_the_first_twenty_are_listed() {
        let class = |i: usize| ClassCount { class: format!("c{i}"), train: 2, test: 1 };
        let text = words(&ImportReport { classes: (0..23).map(class).collect(), ..ImportReport::default() });
        assert!(text.contains("  c19  2 training") && !text.contains("c20"), "{text}");
        assert!(text.contains("and 3 more classes with 6 training and 3 test images"), "{text}");
    }
}
