//! What became of the files of a source when it was imported.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Examples of a finding that are kept.
const EXAMPLES: usize = 3;

/// What an import took, left out and changed. It is kept with the dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportReport {
    /// The name of the file or folder that was read, without the folders that it lies in.
    pub source: String,
    /// What the source is, in words: `a folder`, `a tar archive, compressed with gzip`.
    pub container: String,
    /// What was found in it, in words: `images in folders`, `CIFAR-10's files for Python`.
    pub kind: String,
    /// The images that were taken, by class, in the order of the labels.
    pub classes: Vec<ClassCount>,
    /// What was not taken, and why.
    pub left_out: Vec<Finding>,
    /// How images differ from what their files hold: another colour type, another size.
    pub changed: Vec<Finding>,
    /// Whole sentences about the source as a whole.
    pub notes: Vec<String>,
}

/// How many images of a class were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// The name of the class.
    pub class: String,
    /// Training images.
    pub train: usize,
    /// Test images.
    pub test: usize,
}

/// Files with which the same was done. As text: `hidden files: 4 (.DS_Store, train/.DS_Store, train/cat/._1.png, …)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What they are and what was done, in the plural: `hidden files`.
    pub what: String,
    /// How many there are.
    pub count: usize,
    /// The first of them by name, at most three.
    pub examples: Vec<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.count)?;
        if self.examples.is_empty() {
            return Ok(());
        }
        let more = if self.count > self.examples.len() { ", …" } else { "" };
        write!(f, " ({}{more})", self.examples.join(", "))
    }
}

/// Counts one more file of this kind.
pub(super) fn count(findings: &mut Vec<Finding>, what: &str, example: &str) {
    let at = findings.iter().position(|finding| finding.what == what).unwrap_or_else(|| {
        findings.push(Finding { what: what.to_owned(), count: 0, examples: Vec::new() });
        findings.len() - 1
    });
    findings[at].count += 1;
    let examples = &findings[at].examples;
    if examples.len() < EXAMPLES && examples.last().is_none_or(|last| last != example) {
        findings[at].examples.push(example.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_counts_all_its_files_and_names_the_first_three() {
        let mut findings = Vec::new();
        for name in ["a", "b", "c"] {
            count(&mut findings, "hidden files", name);
        }
        count(&mut findings, "files that are no images", "README");
        assert_eq!(findings[0].to_string(), "hidden files: 3 (a, b, c)");
        count(&mut findings, "hidden files", "d");
        assert_eq!(findings[0].to_string(), "hidden files: 4 (a, b, c, …)");
        assert_eq!(findings[1].to_string(), "files that are no images: 1 (README)");
    }

    #[test]
    fn a_report_of_another_version_is_read() {
        let report: ImportReport = serde_json::from_str(r#"{"source": "pets", "colour": 3}"#).unwrap();
        assert_eq!(report, ImportReport { source: "pets".into(), ..ImportReport::default() });
    }
}
