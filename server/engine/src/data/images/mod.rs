//! Images in folders: `train/CLASS/*.jpg` and `test/CLASS/*`, from a folder or an archive.

mod area;
mod around;
mod change;
mod classes;
mod decode;
mod jpeg;
mod labels;
mod layout;
mod parts;
mod table;

use std::{collections::BTreeMap, fmt::Write};

use rayon::prelude::*;

pub(super) use self::{
    area::planes,
    change::{Change, Decoded, Fault},
    decode::{MAX_FILE_BYTES, decode},
    layout::{UNLABELLED, is_in_parts},
};
use super::{
    content::Content,
    dataset::{Dataset, IMAGE_BYTES, Split},
    import::Import,
    listing::{EntryKind, Listing},
    options::ImportOptions,
    progress::{Progress, Watch},
    report::{self, ImportReport},
};
use crate::{EngineError, Result};

/// Images decoded at once, at most.
const CHUNK: usize = 2_000;
/// Bytes of encoded images that are held at once.
const CHUNK_BYTES: usize = 128 << 20;
/// What decoders differ in, by the golden images and as measured on photographs with halved colours.
const JPEG: &str = "JPEG images: decoders round differently. Where colours are stored at half size, about a \
                    third of the values differ from Pillow's, by 1 to 3 of 255 and rarely by 5.";
/// Broken images and sizes that a refusal names.
const NAMED: usize = 10;

/// Reads the images of a listing.
///
/// # Errors
/// When they do not lie as a dataset's do, or when some cannot be taken, with the names of the first of them.
pub(super) fn read(listing: &Listing, options: &ImportOptions, watch: &mut Watch<'_>) -> Result<Import> {
    let layout = layout::of(listing, watch)?;
    let mut results: Vec<Option<Result<Decoded, Fault>>> = listing.entries.iter().map(|_| None).collect();
    let mut wanted = Vec::new();
    for (entry, _) in layout.parts.iter().flatten() {
        match listing.entries[*entry].kind {
            EntryKind::Unreadable(why) => results[*entry] = Some(Err(Fault::Broken(format!("cannot be read: {why}")))),
            _ => wanted.push(*entry),
        }
    }
    decode_all(listing, &wanted, options.resize, &mut results, watch)?;
    check(listing, &layout.parts, &results, options)?;
    let mut report = ImportReport {
        kind: "images in folders".into(),
        left_out: layout.left_out,
        notes: layout.notes,
        ..ImportReport::default()
    };
    let mut changes = Changes::default();
    let is_jpeg = |i: &usize| listing.entries[*i].content() == Some(Content::Image(image::ImageFormat::Jpeg));
    if wanted.iter().any(is_jpeg) {
        report.notes.push(JPEG.into());
    }
    let [train, test] = layout.parts.map(|labelled| {
        let mut split = Split { images: Vec::with_capacity(labelled.len() * IMAGE_BYTES), labels: Vec::new() };
        for (entry, label) in labelled {
            if let Some(Ok(decoded)) = results[entry].take() {
                changes.add(&decoded.changes, &listing.entries[entry].name());
                split.push(label, &decoded.planes);
            }
        }
        split
    });
    changes.tell(&mut report);
    let dataset = Dataset { classes: layout.classes, train, test, ..Dataset::default() };
    Ok(Import { dataset, report })
}

/// Decodes the wanted images on all cores, a chunk at a time.
fn decode_all(
    listing: &Listing,
    wanted: &[usize],
    resize: bool,
    results: &mut [Option<Result<Decoded, Fault>>],
    watch: &mut Watch<'_>,
) -> Result<()> {
    let mut chunk = Chunk { waiting: Vec::new(), bytes: 0, done: 0, resize };
    // Progress through an archive is told by its bytes.
    let total = if listing.container.is_folder() { wanted.len() } else { 0 };
    for some in wanted.chunks(if total > 0 { CHUNK } else { wanted.len().max(1) }) {
        listing.read(some, watch, &mut |entries, member| {
            let bytes = if member.size > MAX_FILE_BYTES as u64 { None } else { Some(member.read(MAX_FILE_BYTES)?) };
            chunk.add(entries, bytes);
            if chunk.is_full() {
                chunk.decode(results);
            }
            Ok(())
        })?;
        if total > 0 {
            chunk.decode(results);
            Progress::images("decoding", chunk.done, total).tell(watch)?;
        }
    }
    chunk.decode(results);
    Ok(())
}

/// Encoded images that wait to be decoded together.
struct Chunk {
    waiting: Vec<(Vec<usize>, Option<Vec<u8>>)>,
    bytes: usize,
    done: usize,
    resize: bool,
}

impl Chunk {
    /// Adds a file with the numbers of the entries that it is; without its bytes where there are too many.
    fn add(&mut self, entries: &[usize], bytes: Option<Vec<u8>>) {
        self.bytes += bytes.as_ref().map_or(0, Vec::len);
        self.waiting.push((entries.to_vec(), bytes));
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= CHUNK || self.bytes >= CHUNK_BYTES
    }

    fn decode(&mut self, results: &mut [Option<Result<Decoded, Fault>>]) {
        let too_long = || Fault::Broken(format!("has more than {} MB", MAX_FILE_BYTES >> 20));
        let decoded: Vec<Result<Decoded, Fault>> = self
            .waiting
            .par_iter()
            .map(|(_, bytes)| bytes.as_ref().map_or_else(|| Err(too_long()), |bytes| decode(bytes, self.resize)))
            .collect();
        for ((entries, _), image) in self.waiting.drain(..).zip(decoded) {
            self.done += entries.len();
            for entry in entries {
                results[entry] = Some(image.clone());
            }
        }
        self.bytes = 0;
    }
}

/// Refuses when an image is broken or of another size, with all that is wrong at once.
fn check(
    listing: &Listing,
    parts: &[Vec<(usize, u8)>; 2],
    results: &[Option<Result<Decoded, Fault>>],
    options: &ImportOptions,
) -> Result<()> {
    let mut faults = Faults::default();
    for (entry, _) in parts.iter().flatten() {
        match &results[*entry] {
            Some(Ok(_)) => {}
            Some(Err(fault)) => faults.add(&listing.entries[*entry].name(), fault),
            None => faults.add(&listing.entries[*entry].name(), &Fault::Broken("is gone".into())),
        }
    }
    faults.refusal(parts[1].is_empty() && options.test_percent.is_none())
}

/// What is wrong with images.
#[derive(Default)]
pub(super) struct Faults {
    broken: Vec<String>,
    broken_count: usize,
    /// How many images have a size, and the first of them.
    sizes: BTreeMap<(usize, usize), (usize, String)>,
}

impl Faults {
    /// Notes what is wrong with one.
    pub fn add(&mut self, name: &str, fault: &Fault) {
        match fault {
            Fault::Broken(words) => {
                self.broken_count += 1;
                if self.broken.len() < NAMED {
                    self.broken.push(format!("{name} {words}"));
                }
            }
            Fault::Size(width, height) => {
                self.sizes.entry((*width, *height)).or_insert_with(|| (0, name.to_owned())).0 += 1;
            }
        }
    }

    /// Everything that is wrong in one message, and nothing when nothing is. That `lacks_test` images is told beside it, so
    /// that the next try need not fail for it.
    pub fn refusal(self, lacks_test: bool) -> Result<()> {
        let mut faults = Vec::new();
        if self.broken_count > 0 {
            let more = self.broken_count - self.broken.len();
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            let them = if self.broken_count == 1 { "it" } else { "them" };
            faults.push(format!("{}{more}: replace {them} or take {them} out", self.broken.join("; ")));
        }
        if !self.sizes.is_empty() {
            let mut by_count: Vec<_> = self.sizes.iter().collect();
            by_count.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
            let total: usize = by_count.iter().map(|(_, (count, _))| count).sum();
            let mut words =
                format!("images must be 32×32, but {total} {}: ", if total == 1 { "is not" } else { "are not" });
            for (i, ((width, height), (count, first))) in by_count.iter().take(5).enumerate() {
                let comma = if i == 0 { "" } else { ", " };
                // Writing to a string cannot fail.
                let _ = write!(words, "{comma}{count} of {width}×{height} (as {first})");
            }
            let more =
                if by_count.len() > 5 { format!(", and {} other sizes", by_count.len() - 5) } else { String::new() };
            faults.push(format!(
                "{words}{more}. `--resize` (in the form, its box) makes them 32×32, each pixel the mean of the area that it \
                 covers"
            ));
        }
        if !faults.is_empty() && lacks_test {
            faults.push(
                "there are no images to test on: `--test-percent 20` (a field of the form) holds 20 percent of each class out"
                    .into(),
            );
        }
        if faults.is_empty() { Ok(()) } else { Err(EngineError::Data(faults.join(". Also, "))) }
    }
}

/// What was done to images.
#[derive(Default)]
pub(super) struct Changes {
    findings: Vec<report::Finding>,
    sizes: BTreeMap<(usize, usize), usize>,
    colours: bool,
}

impl Changes {
    /// Notes what was done to one.
    pub fn add(&mut self, changes: &[Change], name: &str) {
        for change in changes {
            report::count(&mut self.findings, change.words(), name);
            self.colours |= change.is_colour();
            if let Change::Resized(width, height) = change {
                *self.sizes.entry((*width, *height)).or_default() += 1;
            }
        }
    }

    /// Puts it into the report.
    pub fn tell(self, report: &mut ImportReport) {
        if !self.sizes.is_empty() {
            let mut by_count: Vec<_> = self.sizes.into_iter().collect();
            by_count.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let shown: Vec<String> =
                by_count.iter().take(5).map(|((width, height), count)| format!("{width}×{height} ({count})")).collect();
            let more = if by_count.len() > 5 { format!(" and {} others", by_count.len() - 5) } else { String::new() };
            report.notes.push(format!(
                "Sizes before: {}{more}. Each axis was scaled by itself; each pixel is the mean of the area that it covers.",
                shown.join(", ")
            ));
        }
        if self.colours {
            report.notes.push(
                "Colours became RGB as Pillow's convert(\"RGB\") makes them, which torchvision uses for folders."
                    .into(),
            );
        }
        if self.findings.iter().any(|finding| finding.what == Change::SixteenBits.words()) {
            report
                .notes
                .push("Of 16-bit greys Pillow makes all above 255 white; here the upper 8 bits were kept.".into());
        }
        report.changed.extend(self.findings);
    }
}

#[cfg(test)]
mod tests;
