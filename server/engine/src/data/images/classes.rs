//! The classes of a dataset, by the folders that images lie in.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::refuse;
use crate::Result;

/// Labels are bytes.
const MAX_CLASSES: usize = 256;

/// A class in one part: the ways in which its folders are spelt, and its images by name.
#[derive(Default)]
pub(super) struct Class {
    pub spellings: BTreeSet<String>,
    pub images: Vec<(Vec<String>, usize)>,
}

/// The classes of a part by name, in Unicode's composed form.
pub(super) type Classes = BTreeMap<String, Class>;

/// The names of the classes, which must be the same in both parts.
pub(super) fn names(by_part: &[Classes; 2], notes: &mut Vec<String>) -> Result<Vec<String>> {
    let [train, test] = by_part;
    if !test.is_empty() {
        let missing = |from: &Classes, other: &Classes| -> Vec<String> {
            other.keys().filter(|class| !from.contains_key(*class)).map(|class| format!("“{class}”")).collect()
        };
        let (no_test, no_train) = (missing(test, train), missing(train, test));
        let some = |names: &[String]| match names {
            [name] => format!("the class {name} is"),
            names => format!(
                "{} classes ({}{}) are",
                names.len(),
                names[..names.len().min(5)].join(", "),
                if names.len() > 5 { ", …" } else { "" }
            ),
        };
        let mut faults = Vec::new();
        if !no_test.is_empty() {
            faults.push(format!("{} in the training images but not in the test images", some(&no_test)));
        }
        if !no_train.is_empty() {
            faults.push(format!("{} in the test images but not in the training images", some(&no_train)));
        }
        if !faults.is_empty() {
            let fault = faults.join(", and ");
            return refuse(&format!(
                "{fault}: both need images of every class; add some, or remove the class's folder"
            ));
        }
    }
    for (name, class) in train {
        let mut spellings = class.spellings.clone();
        spellings.extend(test.get(name).into_iter().flat_map(|class| class.spellings.clone()));
        if spellings.len() > 1 {
            notes.push(format!("“{name}” is spelt in {} Unicode forms and is one class.", spellings.len()));
        }
    }
    let classes: Vec<String> = train.keys().cloned().collect();
    match classes.len() {
        2..=MAX_CLASSES => Ok(classes),
        1 => refuse(&format!(
            "there is one class only, “{}”: a network learns to tell classes apart, so give it two",
            classes[0]
        )),
        n => {
            refuse(&format!("there are {n} classes; at most {MAX_CLASSES} are possible, since a label takes one byte"))
        }
    }
}
