//! Which images belong to which part and class, by where they lie.

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization;

use super::{
    around,
    classes::{self, Classes},
};
use crate::{
    EngineError, Result,
    data::{
        content::is_named_as_image,
        listing::{Entry, EntryKind, HIDDEN, Listing},
        report::{self, Finding},
        split_name::Part,
    },
};

const LAYOUT: &str = "images lie in train/CLASS/ and test/CLASS/";

/// The images of a dataset.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The images to train on and those to test on, by class and then by name: the number of each in the listing, and
    /// its label.
    pub parts: [Vec<(usize, u8)>; 2],
    /// What was not taken.
    pub left_out: Vec<Finding>,
    /// Sentences about what was found.
    pub notes: Vec<String>,
}

/// An image and the folders that it lies in.
struct Image<'a> {
    entry: usize,
    parts: &'a [String],
}

/// A folder that is a part of the dataset.
type PartFolder<'a> = (&'a [String], Part);

/// The part that a name means.
type Named = fn(&str) -> Option<Part>;

/// Whether images lie in folders for training and for testing.
pub(in crate::data) fn is_in_parts(listing: &Listing) -> bool {
    let images = images(listing, &mut Vec::new());
    !complete_roots(&part_folders(&images, Part::named)).is_empty()
}

/// Finds the images and their classes.
///
/// # Errors
/// In words that say how the images should lie.
pub(super) fn of(listing: &Listing) -> Result<Layout> {
    let mut layout = Layout::default();
    let images = images(listing, &mut layout.left_out);
    if images.is_empty() {
        return refuse(&no_images(listing));
    }
    let chosen = choose(&images)?;
    let mut by_part = split(listing, &images, &chosen, &mut layout)?;
    if let (true, Some((one, other, shared))) = (chosen.is_empty(), around::around_classes(&by_part[0])) {
        return refuse(&format!(
            "the folders {one} and {other} both hold {}: if those are the classes, import one of the two folders, or name the \
             folders train and test; if {one} and {other} are the classes, put their images right into them",
            shared[..shared.len().min(3)].join(", ")
        ));
    }
    if let Some((count, first)) = around::merged(&by_part[0]) {
        layout.notes.push(format!("Folders inside of classes were not told apart: {count}, as {first}."));
    }
    if by_part[1].is_empty() && chosen.iter().any(|(_, part)| *part != Part::Train) {
        return refuse(&format!("there are no images in the folders of the test classes; {LAYOUT}"));
    }
    leave_out_empty_folders(listing, &images, &mut layout.left_out);
    layout.classes = classes::names(&by_part, &mut layout.notes)?;
    for (part, images) in by_part.iter_mut().enumerate() {
        for (label, class) in (0..=u8::MAX).zip(&layout.classes) {
            let mut of_class = images.remove(class).unwrap_or_default().images;
            of_class.sort_unstable();
            layout.parts[part].extend(of_class.into_iter().map(|(_, entry)| (entry, label)));
        }
    }
    Ok(layout)
}

/// All images by what they hold or by how they are named; the other files are left out.
fn images<'a>(listing: &'a Listing, left_out: &mut Vec<Finding>) -> Vec<Image<'a>> {
    let mut images = Vec::new();
    for (i, entry) in listing.entries.iter().enumerate() {
        match &entry.kind {
            _ if entry.is_hidden() => report::count(left_out, HIDDEN, &entry.name()),
            EntryKind::Folder => {}
            EntryKind::File(content, _) if content.is_image() || is_named_as_image(entry.file_name()) => {
                images.push(Image { entry: i, parts: &entry.parts });
            }
            EntryKind::File(content, _) if content.is_packed() => {
                report::count(left_out, "archives inside, which are not opened", &entry.name());
            }
            EntryKind::File(..) => report::count(left_out, "files that are no images", &entry.name()),
            // What is named as an image is missed; the reader says why.
            EntryKind::Unreadable(_) if is_named_as_image(entry.file_name()) => {
                images.push(Image { entry: i, parts: &entry.parts });
            }
            EntryKind::Unreadable(why) => report::count(left_out, why, &entry.name()),
        }
    }
    images
}

fn no_images(listing: &Listing) -> String {
    let inside = listing.files().filter(|(_, _, content)| content.is_packed()).map(|(_, entry, _)| entry.name()).min();
    match inside {
        Some(inside) if inside.contains("-ubyte") => format!(
            "{inside} and its like are of MNIST's own format (IDX), which is not read: save the arrays with NumPy, as x_train, \
             y_train, x_test and y_test in an .npz"
        ),
        Some(inside) => format!(
            "there are no images, but an archive inside, {inside}: unpack it, and import the folder that its images lie \
             in; {LAYOUT}"
        ),
        None => format!("there are no images; {LAYOUT}"),
    }
}

/// Every folder around an image whose name is that of a part.
fn part_folders<'a>(images: &[Image<'a>], named: Named) -> BTreeSet<PartFolder<'a>> {
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
fn complete_roots<'a>(folders: &BTreeSet<PartFolder<'a>>) -> Vec<&'a [String]> {
    let mut roots: BTreeMap<&[String], [bool; 2]> = BTreeMap::new();
    for (folder, part) in folders {
        roots.entry(&folder[..folder.len() - 1]).or_default()[usize::from(*part != Part::Train)] = true;
    }
    roots.retain(|_, has| *has == [true, true]);
    let depth = roots.keys().map(|root| root.len()).min();
    roots.into_keys().filter(|root| Some(root.len()) == depth).collect()
}

/// The folders of the parts that are meant. None are, where there are only folders of classes.
fn choose<'a>(images: &[Image<'a>]) -> Result<Vec<PartFolder<'a>>> {
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

/// The images of the training and the test part by class.
fn split(
    listing: &Listing,
    images: &[Image<'_>],
    chosen: &[PartFolder<'_>],
    layout: &mut Layout,
) -> Result<[Classes; 2]> {
    if !chosen.is_empty() && !chosen.iter().any(|(_, part)| *part == Part::Train) {
        let folder = chosen[0].0.join("/");
        return refuse(&format!(
            "there is a folder {folder} but none for training: import {folder} itself and hold test images out, by \
             `--test-percent 20` (a field of the form), or add training images; {LAYOUT}"
        ));
    }
    let inside = |folder: &[String]| -> (Vec<&Image<'_>>, usize) {
        let inside: Vec<&Image<'_>> = images.iter().filter(|image| image.parts.starts_with(folder)).collect();
        let depth = folder.len() + wrappers(&inside, folder.len());
        (inside, depth)
    };
    let has_classes = |(folder, _): &PartFolder<'_>| {
        let (inside, depth) = inside(folder);
        let mut classes =
            inside.iter().filter(|i| i.parts.len() > depth + 1).map(|i| i.parts[depth].as_str()).peekable();
        classes.peek().is_some() && !around::are_containers(classes)
    };
    // Test images are often published without labels; then the validation images serve.
    let of = |wanted: Part| chosen.iter().find(|(_, part)| *part == wanted);
    let has_unlabelled_test =
        of(Part::Test).is_some_and(|test| !has_classes(test)) && of(Part::Validation).is_some_and(has_classes);
    let has_test = of(Part::Test).is_some() && !has_unlabelled_test;
    let everything: [PartFolder<'_>; 1] = [(&[], Part::Train)];
    let folders = if chosen.is_empty() { &everything[..] } else { chosen };
    let mut by_part = [Classes::new(), Classes::new()];
    let mut outside = Vec::new();
    let mut unlabelled = Vec::new();
    for (folder, part) in folders {
        let (inside, depth) = inside(folder);
        let left_out = match part {
            Part::Validation if has_test => Some("validation images: Retort holds its own out of the training images"),
            Part::Test if has_unlabelled_test => Some("test images without classes"),
            _ => None,
        };
        if let Some(what) = left_out {
            for image in inside {
                report::count(&mut layout.left_out, what, &image.parts.join("/"));
            }
            continue;
        }
        let place = &mut by_part[usize::from(*part != Part::Train)];
        let mut without_class = 0;
        for image in &inside {
            let Some([class, name @ ..]) = image.parts.get(depth..).filter(|rest| rest.len() > 1) else {
                without_class += 1;
                outside.push(image.parts.join("/"));
                continue;
            };
            let of_class = place.entry(class.nfc().collect()).or_default();
            of_class.spellings.insert(class.clone());
            of_class.images.push((name.to_vec(), image.entry));
        }
        let only_containers = around::are_containers(place.keys().map(String::as_str));
        if without_class == inside.len() && without_class > 0 || !place.is_empty() && only_containers {
            let around = [folder, &inside[0].parts[folder.len()..depth]].concat();
            let folder = if around.is_empty() { "the source".to_owned() } else { around.join("/") };
            let count = if inside.len() == 1 { "1 image".to_owned() } else { format!("{} images", inside.len()) };
            let names: Vec<String> = place.keys().map(|name| format!("“{name}”")).collect();
            let but = if names.is_empty() { String::new() } else { format!(" (only {})", names.join(", ")) };
            // Every part is told, so that none is found out only after another was put in order.
            unlabelled.push(format!(
                "{folder} has {} but no folders of classes{but}, so nobody knows what they show; {}",
                count,
                how_to_label(listing, *part)
            ));
            continue;
        }
        note_folder(*part, &inside, depth, layout);
    }
    if !unlabelled.is_empty() {
        return refuse(&unlabelled.join(". Also, "));
    }
    let in_none = images.iter().filter(|image| !folders.iter().any(|(folder, _)| image.parts.starts_with(folder)));
    outside.extend(in_none.map(|image| image.parts.join("/")));
    for name in outside {
        report::count(&mut layout.left_out, "images outside of the folders of classes", &name);
    }
    Ok(by_part)
}

/// What to do with images of a part that lie in no folders of classes.
fn how_to_label(listing: &Listing, part: Part) -> String {
    const TABLES: [&str; 6] = [".csv", ".tsv", ".json", ".jsonl", ".xml", ".txt"];
    let is_table = |entry: &&Entry| {
        let name = entry.file_name().to_lowercase();
        !entry.is_hidden() && !name.starts_with("readme") && TABLES.iter().any(|ending| name.ends_with(ending))
    };
    // The table that is likeliest to hold the labels.
    let rank = |entry: &&Entry| {
        let name = entry.name().to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        match () {
            () if has(&["sample", "submission", "meta"]) => 3,
            () if Part::mentioned(&entry.name()) == Some(part) => 0,
            () if has(&["label", "annot", "class", "truth"]) => 1,
            () => 2,
        }
    };
    if listing.files().any(|(_, entry, _)| entry.file_name().to_lowercase().ends_with(".cls")) {
        return format!(
            "the labels beside them (.cls) are those of WebDataset, which is not read: make {LAYOUT} of them"
        );
    }
    let table = listing.files().map(|(_, entry, _)| entry).filter(is_table).min_by_key(rank);
    let of_validation = table.filter(|table| Part::mentioned(&table.name()) == Some(Part::Validation));
    if let (Some(table), Part::Test) = (of_validation, part) {
        return format!(
            "nothing here labels them, but {} labels the validation images: move each of those into the folder of its class, \
             val/CLASS/, and they are tested on instead",
            table.name()
        );
    }
    table.map_or_else(
        || LAYOUT.to_owned(),
        |table| {
            format!(
                "labels are not read from {}: move each image into the folder of its class, as {LAYOUT}",
                table.name()
            )
        },
    )
}

/// How many folders lie one in the other around all classes of a part.
fn wrappers(images: &[&Image<'_>], start: usize) -> usize {
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

/// Says what a part's folder is called and lies in, where that is not what the layout says.
fn note_folder(part: Part, inside: &[&Image<'_>], depth: usize, layout: &mut Layout) {
    let usual = match part {
        Part::Train => "train",
        Part::Test | Part::Validation => "test",
    };
    let Some(image) = inside.first() else { return };
    let found = image.parts[..depth].join("/");
    if found != usual && !found.is_empty() {
        let is = if part == Part::Train { "training" } else { "test" };
        layout.notes.push(format!("The {is} images were taken from {found}."));
    }
}

fn leave_out_empty_folders(listing: &Listing, images: &[Image<'_>], left_out: &mut Vec<Finding>) {
    let around: BTreeSet<&[String]> = images.iter().flat_map(|i| (1..i.parts.len()).map(|n| &i.parts[..n])).collect();
    let is_empty = |entry: &&Entry| {
        entry.kind == EntryKind::Folder && !around.contains(entry.parts.as_slice()) && !entry.is_hidden()
    };
    for folder in listing.entries.iter().filter(is_empty) {
        report::count(left_out, "folders without images", &folder.name());
    }
}

pub(super) fn refuse<T>(fault: &str) -> Result<T> {
    Err(EngineError::Data(fault.to_owned()))
}
