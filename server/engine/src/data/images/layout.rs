//! Which images belong to which part and class, by where they lie.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;

use super::{
    around,
    classes::{self, Class, Classes},
    labels::{self, Labels},
    parts::{Image, LAYOUT, PartFolder, choose, complete_roots, part_folders, refuse, wrappers},
    table,
};
use crate::{
    Result,
    data::{
        content::is_named_as_image,
        listing::{Entry, EntryKind, HIDDEN, Listing},
        progress::Watch,
        report::{self, Finding},
        split_name::Part,
    },
};

/// What test images that nothing labels are called in reports.
pub(in crate::data) const UNLABELLED: &str = "test images without labels";
const VALIDATION: &str = "validation images: Retort holds its own out of the training images";

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

/// Whether images lie in folders for training and for testing.
pub(in crate::data) fn is_in_parts(listing: &Listing) -> bool {
    let (images, _) = images(listing);
    !complete_roots(&part_folders(&images, Part::named)).is_empty()
}

/// Finds the images and their classes.
///
/// # Errors
/// In words that say how the images should lie.
pub(super) fn of(listing: &Listing, watch: &mut Watch<'_>) -> Result<Layout> {
    let mut layout = Layout::default();
    let (images, others) = images(listing);
    if images.is_empty() {
        return refuse(&no_images(listing));
    }
    let chosen = choose(&images)?;
    let everything: [PartFolder<'_>; 1] = [(&[], Part::Train)];
    let folders = if chosen.is_empty() { &everything[..] } else { &chosen };
    let mut parts: Vec<PartImages<'_>> = folders.iter().map(|folder| PartImages::of(folder, &images)).collect();
    let tables = label_by_tables(listing, &mut parts, !chosen.is_empty(), watch)?;
    for (entry, what) in others.into_iter().filter(|(entry, _)| !tables.contains(entry)) {
        report::count(&mut layout.left_out, what, &listing.entries[entry].name());
    }
    let mut by_part = split(listing, &images, &parts, &mut layout)?;
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
    if by_part[1].is_empty() && chosen.iter().any(|(_, part)| *part != Part::Train) && layout.left_out_tests() == 0 {
        return refuse(&format!("there are no images in the folders of the test classes; {LAYOUT}"));
    }
    leave_out_empty_folders(listing, &images, &mut layout.left_out);
    let are_numbers = parts.iter().any(|part| part.part == Part::Train && part.labels.is_some());
    layout.classes = classes::names(&by_part, are_numbers, &mut layout.notes)?;
    for (part, images) in by_part.iter_mut().enumerate() {
        for (label, class) in (0..=u8::MAX).zip(&layout.classes) {
            let mut of_class = images.remove(class).unwrap_or_default().images;
            of_class.sort_unstable();
            layout.parts[part].extend(of_class.into_iter().map(|(_, entry)| (entry, label)));
        }
    }
    Ok(layout)
}

impl Layout {
    /// How many test images were left out, as nothing tells their classes.
    fn left_out_tests(&self) -> usize {
        self.left_out.iter().filter(|finding| finding.what == UNLABELLED).map(|finding| finding.count).sum()
    }
}

/// The images in the folder of a part.
struct PartImages<'a> {
    folder: &'a [String],
    part: Part,
    images: Vec<&'a Image<'a>>,
    /// How many folders lie around its classes.
    depth: usize,
    /// What tables say of its images, where they lie in no folders of classes.
    labels: Option<Labels>,
}

impl<'a> PartImages<'a> {
    fn of((folder, part): &PartFolder<'a>, images: &'a [Image<'a>]) -> Self {
        let inside: Vec<&Image<'_>> = images.iter().filter(|image| image.parts.starts_with(folder)).collect();
        let depth = folder.len() + wrappers(&inside, folder.len());
        Self { folder, part: *part, images: inside, depth, labels: None }
    }

    /// The folders that its images lie in, if these are classes.
    fn classes(&self) -> BTreeSet<String> {
        let inside = self.images.iter().filter(|image| image.parts.len() > self.depth + 1);
        let classes: BTreeSet<&str> = inside.map(|image| image.parts[self.depth].as_str()).collect();
        if around::are_containers(classes.iter().copied()) {
            return BTreeSet::new();
        }
        classes.into_iter().map(|class| class.nfc().collect()).collect()
    }

    fn are_labelled(&self) -> bool {
        self.labels.is_some() || !self.classes().is_empty()
    }
}

/// Reads the labels of the parts that have no folders of classes from tables beside them, and gives the tables that were read.
fn label_by_tables(
    listing: &Listing,
    parts: &mut [PartImages<'_>],
    are_folders: bool,
    watch: &mut Watch<'_>,
) -> Result<Vec<usize>> {
    let folders: Vec<PartFolder<'_>> = parts.iter().map(|part| (part.folder, part.part)).collect();
    let unlabelled = parts.iter().filter(|part| part.classes().is_empty());
    let unlabelled: Vec<PartFolder<'_>> = unlabelled.map(|part| (part.folder, part.part)).collect();
    if unlabelled.is_empty() {
        return Ok(Vec::new());
    }
    let known: BTreeSet<String> =
        parts.iter().filter(|part| part.part == Part::Train).flat_map(PartImages::classes).collect();
    let mut used = Vec::new();
    for table in table::read(listing, &unlabelled, watch)? {
        let told = table.part(&folders);
        for part in parts.iter_mut().filter(|part| unlabelled.contains(&(part.folder, part.part))) {
            if are_folders && told.is_some_and(|told| told != part.part) {
                continue;
            }
            let of = are_folders.then_some(part.part);
            let Some(mut labels) = labels::of(&table, &part.images, of, &known)? else { continue };
            if !are_folders {
                labels.of.values_mut().for_each(|(_, part)| *part = part.or(told));
            }
            used.push(table.entry);
            part.labels = Some(match part.labels.take() {
                Some(before) => before.and(labels, |entry| listing.entries[entry].name())?,
                None => labels,
            });
        }
    }
    Ok(used)
}

/// All images by what they hold or by how they are named, and the other files with what they are.
fn images(listing: &Listing) -> (Vec<Image<'_>>, Vec<(usize, &'static str)>) {
    let (mut images, mut others) = (Vec::new(), Vec::new());
    for (i, entry) in listing.entries.iter().enumerate() {
        match &entry.kind {
            _ if entry.is_hidden() => others.push((i, HIDDEN)),
            EntryKind::Folder => {}
            EntryKind::File(content, _) if content.is_image() || is_named_as_image(entry.file_name()) => {
                images.push(Image { entry: i, parts: &entry.parts });
            }
            EntryKind::File(content, _) if content.is_packed() => {
                others.push((i, "archives inside, which are not opened"));
            }
            EntryKind::File(..) => others.push((i, "files that are no images")),
            // What is named as an image is missed; the reader says why.
            EntryKind::Unreadable(_) if is_named_as_image(entry.file_name()) => {
                images.push(Image { entry: i, parts: &entry.parts });
            }
            EntryKind::Unreadable(why) => others.push((i, why)),
        }
    }
    (images, others)
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

/// The images of the training and the test part by class.
fn split(
    listing: &Listing,
    images: &[Image<'_>],
    parts: &[PartImages<'_>],
    layout: &mut Layout,
) -> Result<[Classes; 2]> {
    if !parts.iter().any(|part| part.part == Part::Train) {
        let folder = parts[0].folder.join("/");
        return refuse(&format!(
            "there is a folder {folder} but none for training: import {folder} itself and hold test images out, by \
             `--test-percent 20` (a field of the form), or add training images; {LAYOUT}"
        ));
    }
    // Test images are often published without labels; then the validation images serve.
    let is_trained = parts.iter().any(|part| part.part == Part::Train && part.are_labelled());
    let has_test = parts.iter().any(|part| part.part == Part::Test && (part.are_labelled() || !is_trained));
    let mut by_part = [Classes::new(), Classes::new()];
    let mut outside = Vec::new();
    let mut faults = Vec::new();
    for part in parts {
        let left_out = match part.part {
            Part::Validation if has_test => Some(VALIDATION),
            Part::Test | Part::Validation if is_trained && !part.are_labelled() => Some(UNLABELLED),
            _ => None,
        };
        if let Some(what) = left_out {
            for image in &part.images {
                report::count(&mut layout.left_out, what, &image.parts.join("/"));
            }
        } else if let Some(labels) = &part.labels {
            split_by_labels(part, labels, &mut by_part, layout);
        } else {
            faults.extend(split_by_folders(listing, part, &mut by_part, &mut outside, layout));
        }
    }
    if !faults.is_empty() {
        // Every part is told, so that none is found out only after another was put in order.
        return refuse(&faults.join(". Also, "));
    }
    for name in outside {
        report::count(&mut layout.left_out, "images outside of the folders of classes", &name);
    }
    for image in images.iter().filter(|image| !parts.iter().any(|part| image.parts.starts_with(part.folder))) {
        let names: Vec<String> = parts.iter().map(|part| part.folder.join("/")).collect();
        let what = format!("images outside of {}", names.join(", "));
        report::count(&mut layout.left_out, &what, &image.parts.join("/"));
    }
    Ok(by_part)
}

/// Puts the images of a part where tables say.
fn split_by_labels(part: &PartImages<'_>, labels: &Labels, by_part: &mut [Classes; 2], layout: &mut Layout) {
    let part_of = |told: &Option<Part>| told.unwrap_or(part.part);
    let has_test = labels.of.values().any(|(_, told)| part_of(told) == Part::Test);
    for image in &part.images {
        let Some((class, told)) = labels.of.get(&image.entry) else {
            report::count(&mut layout.left_out, "images that no table labels", &image.parts.join("/"));
            continue;
        };
        let place = match part_of(told) {
            Part::Train => 0,
            Part::Validation if has_test && part.part == Part::Train => {
                report::count(&mut layout.left_out, VALIDATION, &image.parts.join("/"));
                continue;
            }
            Part::Test | Part::Validation => 1,
        };
        let Class { spellings, images } = by_part[place].entry(class.clone()).or_default();
        spellings.insert(class.clone());
        images.push((image.parts[part.folder.len()..].to_vec(), image.entry));
    }
    layout.notes.push(labels.note.clone());
    note_folder(part, layout);
}

/// Puts the images of a part into the classes that its folders are, and says what is wrong where there are none.
fn split_by_folders(
    listing: &Listing,
    part: &PartImages<'_>,
    by_part: &mut [Classes; 2],
    outside: &mut Vec<String>,
    layout: &mut Layout,
) -> Option<String> {
    let PartImages { folder, depth, images, .. } = part;
    let place = &mut by_part[usize::from(part.part != Part::Train)];
    let mut without_class = 0;
    for image in images {
        let Some([class, name @ ..]) = image.parts.get(*depth..).filter(|rest| rest.len() > 1) else {
            without_class += 1;
            outside.push(image.parts.join("/"));
            continue;
        };
        let of_class = place.entry(class.nfc().collect()).or_default();
        of_class.spellings.insert(class.clone());
        of_class.images.push((name.to_vec(), image.entry));
    }
    let only_containers = around::are_containers(place.keys().map(String::as_str));
    if without_class == images.len() && without_class > 0 || !place.is_empty() && only_containers {
        let around = [folder, &images[0].parts[folder.len()..*depth]].concat();
        let folder = if around.is_empty() { "the source".to_owned() } else { around.join("/") };
        let count = if images.len() == 1 { "1 image".to_owned() } else { format!("{} images", images.len()) };
        let names: Vec<String> = place.keys().map(|name| format!("“{name}”")).collect();
        let but = if names.is_empty() { String::new() } else { format!(" (only {})", names.join(", ")) };
        return Some(format!(
            "{folder} has {count} but no folders of classes{but}, so nobody knows what they show; {}",
            how_to_label(listing)
        ));
    }
    note_folder(part, layout);
    None
}

/// What to do with images that lie in no folders of classes.
fn how_to_label(listing: &Listing) -> String {
    const TABLE: &str =
        "a file labels.csv with the columns filename and label tells their classes, if they do not lie as";
    let folders = "train/CLASS/ and test/CLASS/";
    if listing.files().any(|(_, entry, _)| entry.file_name().to_lowercase().ends_with(".cls")) {
        return format!("the labels beside them (.cls) are those of WebDataset, which is not read: {TABLE} {folders}");
    }
    table::likeliest(listing).map_or_else(
        || format!("{TABLE} {folders}"),
        |table| format!("{} was not understood as their labels: {TABLE} {folders}", table.name()),
    )
}

/// Says what a part's folder is called and lies in, where that is not what the layout says.
fn note_folder(part: &PartImages<'_>, layout: &mut Layout) {
    let usual = match part.part {
        Part::Train => "train",
        Part::Test | Part::Validation => "test",
    };
    let Some(image) = part.images.first() else { return };
    let found = image.parts[..part.depth].join("/");
    if found != usual && !found.is_empty() {
        let is = if part.part == Part::Train { "training" } else { "test" };
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
