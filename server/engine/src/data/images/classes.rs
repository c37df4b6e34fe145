//! The classes of a dataset, by the folders that images lie in.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::refuse;
use crate::{
    Result,
    data::import::{check_class_count, some},
};

/// A class in one part: the ways in which its folders are spelt, and its images by name.
#[derive(Default)]
pub(super) struct Class {
    pub spellings: BTreeSet<String>,
    pub images: Vec<(Vec<String>, usize)>,
}

/// The classes of a part by name, in Unicode's composed form.
pub(super) type Classes = BTreeMap<String, Class>;

/// The names of the classes, which must be the same in both parts. They are in the order of text; labels of a table that
/// `may_be_numbers` and are, in that of numbers.
pub(super) fn names(by_part: &[Classes; 2], may_be_numbers: bool, notes: &mut Vec<String>) -> Result<Vec<String>> {
    let [train, test] = by_part;
    if !test.is_empty() {
        let missing = |from: &Classes, other: &Classes| -> Vec<String> {
            other.keys().filter(|class| !from.contains_key(*class)).cloned().collect()
        };
        let (no_test, no_train) = (missing(test, train), missing(train, test));
        let mut faults = Vec::new();
        if !no_test.is_empty() {
            faults.push(format!("{} in the training images but not in the test images", are(&no_test)));
        }
        if !no_train.is_empty() {
            faults.push(format!("{} in the test images but not in the training images", are(&no_train)));
        }
        if !faults.is_empty() {
            let fault = faults.join(", and ");
            let advice =
                no_test.iter().flat_map(|a| no_train.iter().map(move |b| (a, b))).find(|(a, b)| are_alike(a, b));
            let advice = advice.map_or_else(
                || "both need images of every class; add some, or remove the class's folder".to_owned(),
                |(a, b)| format!("“{a}” and “{b}” seem to be one class; give its folders the same name"),
            );
            return refuse(&format!("{fault}: {advice}"));
        }
    }
    for (name, class) in train {
        let mut spellings = class.spellings.clone();
        spellings.extend(test.get(name).into_iter().flat_map(|class| class.spellings.clone()));
        if spellings.len() > 1 {
            notes.push(format!("“{name}” is spelt in {} Unicode forms and is one class.", spellings.len()));
        }
    }
    let mut classes: Vec<String> = train.keys().cloned().collect();
    check_class_count(&classes)?;
    let numbers: Option<Vec<u64>> = classes.iter().map(|class| class.parse().ok()).collect();
    if may_be_numbers && numbers.is_some() {
        classes.sort_by_key(|class| class.parse::<u64>().unwrap_or(u64::MAX));
    } else if are_numbers_out_of_order(&classes) {
        notes.push(format!(
            "The classes are in the order of text, as torchvision's ImageFolder has them and not as numbers: {} …",
            classes[..classes.len().min(5)].join(", ")
        ));
    }
    for (i, class) in classes.iter().enumerate() {
        if let Some(other) = classes[..i].iter().find(|other| other.to_lowercase() == class.to_lowercase()) {
            notes.push(format!(
                "“{other}” and “{class}” are two classes, although their names differ in capitals only."
            ));
        }
    }
    Ok(classes)
}

/// Whether names that differ in a number at their end alone are not in its order: `class_1`, `class_10`, `class_2`.
fn are_numbers_out_of_order(classes: &[String]) -> bool {
    let front = |class: &str| class.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let Some(first) = classes.first() else { return false };
    let shared = &first[..front(first)];
    let number = |class: &String| class.strip_prefix(shared)?.parse().ok();
    classes.iter().map(number).collect::<Option<Vec<u64>>>().is_some_and(|numbers| !numbers.is_sorted())
}

/// Some classes and the verb of a sentence about them.
fn are(names: &[String]) -> String {
    format!("{} {}", some(names), if names.len() == 1 { "is" } else { "are" })
}

/// Whether two names differ only in capitals, in what stands between their words, or by a plural's s.
fn are_alike(a: &str, b: &str) -> bool {
    let bare = |name: &str| {
        let letters: String = name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
        letters.trim_end_matches('s').to_owned()
    };
    bare(a) == bare(b)
}
