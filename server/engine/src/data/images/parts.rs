//! The folders that are the parts of a dataset: those to train on and those to test on.

use std::collections::{BTreeMap, BTreeSet};

use crate::{EngineError, Result, data::split_name::Part};

/// How images are expected to lie.
pub(super) const LAYOUT: &str = "images lie in train/CLASS/ and test/CLASS/";

/// An image and the folders that it lies in.
pub(super) struct Image<'a> {
    /// Its number in the listing.
    pub entry: usize,
    /// The parts of its name.
    pub parts: &'a [String],
}

impl Image<'_> {
    /// The last part of its name.
    pub fn file_name(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }
}

/// A folder that is a part of the dataset.
pub(super) type PartFolder<'a> = (&'a [String], Part);

/// The part that a name means.
pub(super) type Named = fn(&str) -> Option<Part>;

/// Every folder around an image whose name is that of a part.
pub(super) fn part_folders<'a>(images: &[Image<'a>], named: Named) -> BTreeSet<PartFolder<'a>> {
    let mut found = BTreeSet::new();
    for image in images {
        for depth in 0..image.parts.len() - 1 {
            if let Some(part) = named(&image.parts[depth]) {
                found.insert((&image.parts[..=depth], part));
            }
        }
    }
    found
}

/// The outermost folders in which some folder is for training and another for testing, all at one depth.
pub(super) fn complete_roots<'a>(folders: &BTreeSet<PartFolder<'a>>) -> Vec<&'a [String]> {
    let mut roots: BTreeMap<&[String], [bool; 2]> = BTreeMap::new();
    for (folder, part) in folders {
        roots.entry(&folder[..folder.len() - 1]).or_default()[usize::from(*part != Part::Train)] = true;
    }
    roots.retain(|_, has| *has == [true, true]);
    let depth = roots.keys().map(|root| root.len()).min();
    roots.into_keys().filter(|root| Some(root.len()) == depth).collect()
}

/// The folders of the parts that are meant. None are, where there are only folders of classes.
pub(super) fn choose<'a>(images: &[Image<'a>]) -> Result<Vec<PartFolder<'a>>> {
    for (named, is_sure) in [(Part::named as Named, true), (Part::mentioned as Named, false)] {
        let folders = part_folders(images, named);
        let roots = complete_roots(&folders);
        let chosen: Vec<PartFolder<'_>> = match roots.as_slice() {
            // Folders that were unpacked side by side: one of them for training, another for testing.
            [] => outermost(&folders),
            [root] => folders.iter().filter(|(folder, _)| folder[..folder.len() - 1] == **root).copied().collect(),
            roots => {
                let names: Vec<String> = roots.iter().take(5).map(|root| root.join("/")).collect();
                return refuse(&format!(
                    "there are folders for training and for testing in each of {}{}: import one of these, or put the \
                     parts outside and the classes inside; {LAYOUT}",
                    names.join(", "),
                    if roots.len() > 5 { ", …" } else { "" }
                ));
            }
        };
        for part in [Part::Train, Part::Test, Part::Validation] {
            let same: Vec<String> = chosen.iter().filter(|(_, p)| *p == part).map(|(f, _)| f.join("/")).collect();
            if same.len() > 1 && !roots.is_empty() {
                let names = same.join(" and ");
                return refuse(&format!("both {names} would be the {}: keep one of them", part.images()));
            }
        }
        // A folder of training images alone is believed when it holds folders, or everything: a class may be called so too.
        let has_folders = |folder: &[String]| {
            images.iter().any(|image| image.parts.starts_with(folder) && image.parts.len() > folder.len() + 1)
        };
        let is_everything = |folder: &[String]| images.iter().all(|image| image.parts.starts_with(folder));
        let is_believed = |(folder, _): &PartFolder<'_>| has_folders(folder) || is_everything(folder);
        let is_whole = chosen.len() > 1 || (is_sure && chosen.iter().any(is_believed));
        if is_whole {
            return Ok(chosen);
        }
    }
    Ok(Vec::new())
}

/// One folder of each part that no other folder of a part lies around; nothing where there are several of a part.
fn outermost<'a>(folders: &BTreeSet<PartFolder<'a>>) -> Vec<PartFolder<'a>> {
    let is_inside = |folder: &[String]| folders.iter().any(|(o, _)| o.len() < folder.len() && folder.starts_with(o));
    let outer: Vec<PartFolder<'_>> = folders.iter().filter(|(folder, _)| !is_inside(folder)).copied().collect();
    let is_twice = |part: Part| outer.iter().filter(|(_, p)| *p == part).count() > 1;
    if [Part::Train, Part::Test, Part::Validation].into_iter().any(is_twice) { Vec::new() } else { outer }
}

/// How many folders lie one in the other around all classes of a part.
pub(super) fn wrappers(images: &[&Image<'_>], start: usize) -> usize {
    let mut depth = start;
    loop {
        let Some(first) = images.first().and_then(|image| image.parts.get(depth)) else { return depth - start };
        let is_around = images.iter().all(|image| image.parts.len() > depth + 2 && image.parts[depth] == *first);
        let below: BTreeSet<&String> = images.iter().filter_map(|image| image.parts.get(depth + 1)).collect();
        if !is_around || (below.len() < 2 && images.iter().any(|image| image.parts.len() == depth + 3)) {
            return depth - start;
        }
        depth += 1;
    }
}

pub(super) fn refuse<T>(fault: &str) -> Result<T> {
    Err(EngineError::Data(fault.to_owned()))
}
