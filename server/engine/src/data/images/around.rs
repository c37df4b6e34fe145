//! Folders that look like classes and are none.

use std::collections::BTreeSet;

use super::classes::Classes;
use crate::data::split_name::Part;

/// Names of folders in which images lie whatever they show, or what belongs to images.
const CONTAINERS: [&str; 20] = [
    "annotation",
    "annotations",
    "bbox",
    "boxes",
    "data",
    "ground_truth",
    "groundtruth",
    "image",
    "images",
    "img",
    "imgs",
    "jpegimages",
    "labels",
    "mask",
    "masks",
    "photos",
    "pictures",
    "segmentation",
    "segmentations",
    "trimaps",
];

/// Whether folders of these names say nothing of what images show: they hold all images of a kind or of a part.
pub(super) fn are_containers<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    names.all(|name| CONTAINERS.contains(&name.to_lowercase().as_str()) || Part::mentioned(name).is_some())
}

/// Two folders that would be classes and hold folders of the same names, at least two: these are rather the classes, and the
/// two folders parts, folds or variants.
pub(super) fn around_classes(classes: &Classes) -> Option<(&str, &str, Vec<&str>)> {
    let inside: Vec<(&str, BTreeSet<&str>)> = classes
        .iter()
        .map(|(name, class)| {
            let folders = class.images.iter().flat_map(|(parts, _)| &parts[..parts.len().saturating_sub(1)]);
            (name.as_str(), folders.map(String::as_str).collect())
        })
        .collect();
    inside.iter().enumerate().find_map(|(i, (one, folders))| {
        inside[..i].iter().find_map(|(other, others)| {
            let shared: Vec<&str> = folders.intersection(others).copied().collect();
            (shared.len() > 1).then_some((*other, *one, shared))
        })
    })
}

/// How many folders lie inside of classes, and one of them; none where no class has several.
pub(super) fn merged(classes: &Classes) -> Option<(usize, String)> {
    let mut all = BTreeSet::new();
    for (name, class) in classes {
        let folders: BTreeSet<&[String]> =
            class.images.iter().map(|(parts, _)| &parts[..parts.len().saturating_sub(1)]).collect();
        if folders.len() > 1 {
            all.extend(folders.iter().filter(|f| !f.is_empty()).map(|folder| format!("{name}/{}", folder.join("/"))));
        }
    }
    all.first().cloned().map(|first| (all.len(), first))
}
