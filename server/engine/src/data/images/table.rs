//! Tables of text beside images: values between commas, tabs, semicolons or spaces.

use std::cmp::Reverse;

use super::parts::PartFolder;
use crate::{
    Result,
    data::{
        content::Content,
        listing::{Entry, Listing},
        progress::Watch,
        split_name::Part,
    },
};

/// Tables that are read at most, and bytes of each.
const TABLES: usize = 16;
const MAX_BYTES: usize = 64 << 20;

/// A table of text.
pub(super) struct Table {
    /// Its number in the listing.
    pub entry: usize,
    /// Its name with the folders that it lies in.
    pub name: String,
    folder: Vec<String>,
    /// All its rows. The first may be the names of the columns.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A cell, empty where there is none.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        self.rows.get(row).and_then(|row| row.get(column)).map_or("", String::as_str)
    }

    /// Columns of the widest row.
    pub fn width(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Which part's images it can label: that of the folder in which it lies, or the one that its name mentions. Any, where
    /// neither tells one.
    pub fn part(&self, folders: &[PartFolder<'_>]) -> Option<Part> {
        let around = folders.iter().find(|(folder, _)| !folder.is_empty() && self.folder.starts_with(folder));
        around.map(|(_, part)| *part).or_else(|| Part::mentioned(self.name.rsplit('/').next().unwrap_or_default()))
    }
}

/// The tables that may label images of `folders`, likeliest first.
///
/// # Errors
/// As [`Listing::read`].
pub(super) fn read(listing: &Listing, folders: &[PartFolder<'_>], watch: &mut Watch<'_>) -> Result<Vec<Table>> {
    let is_near = |entry: &Entry| {
        folders.iter().any(|(folder, _)| folder.starts_with(entry.folder()) || entry.folder().starts_with(folder))
    };
    let mut wanted: Vec<usize> = listing
        .files()
        .filter(|(_, entry, content)| {
            *content == Content::Other
                && ends_as(entry, &["csv", "tsv", "txt"])
                && is_label_file(entry)
                && is_near(entry)
        })
        .map(|(i, ..)| i)
        .collect();
    wanted.sort_by_key(|i| {
        let entry = &listing.entries[*i];
        (rank(entry), Reverse(entry.parts.len()), &entry.parts)
    });
    wanted.truncate(TABLES);
    let mut tables = Vec::new();
    listing.read(&wanted, watch, &mut |entries, member| {
        if member.size > MAX_BYTES as u64 {
            return Ok(());
        }
        let bytes = member.read(MAX_BYTES)?;
        for entry in entries {
            let Entry { parts, .. } = &listing.entries[*entry];
            tables.extend(rows(&bytes).map(|rows| Table {
                entry: *entry,
                name: parts.join("/"),
                folder: parts[..parts.len() - 1].to_vec(),
                rows,
            }));
        }
        Ok(())
    })?;
    tables.sort_by_key(|table| wanted.iter().position(|i| *i == table.entry));
    Ok(tables)
}

/// The file that is likeliest to hold labels, whether it is a table or not.
pub(super) fn likeliest(listing: &Listing) -> Option<&Entry> {
    let files = listing.files().map(|(_, entry, _)| entry);
    files
        .filter(|entry| ends_as(entry, &["csv", "tsv", "json", "jsonl", "xml", "txt"]) && is_label_file(entry))
        .min_by_key(|entry| rank(entry))
}

fn ends_as(entry: &Entry, endings: &[&str]) -> bool {
    entry.file_name().rsplit_once('.').is_some_and(|(_, end)| endings.contains(&end.to_lowercase().as_str()))
}

/// Whether it is not one of those files that lie beside images and hold no labels, or made-up ones.
fn is_label_file(entry: &Entry) -> bool {
    let name = entry.file_name().to_lowercase();
    let others = ["readme", "license", "requirements", "sample", "submission"];
    !entry.is_hidden() && !others.iter().any(|word| name.contains(word))
}

/// How likely a file is to hold labels, by its name: the lower, the likelier.
fn rank(entry: &Entry) -> usize {
    let name = entry.name().to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match () {
        () if has(&["meta"]) => 3,
        () if has(&["label", "annot", "class", "truth"]) => 0,
        () if Part::mentioned(entry.file_name()).is_some() => 1,
        () => 2,
    }
}

/// The rows of a text, or nothing where it is none.
fn rows(bytes: &[u8]) -> Option<Vec<Vec<String>>> {
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).ok()?;
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    let Some(delimiter) = ['\t', ',', ';'].into_iter().find(|sign| first.contains(*sign)) else {
        let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        return Some(text.lines().map(cells).filter(|row| !row.is_empty()).collect());
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(delimiter as u8)
        .quoting(delimiter != '\t')
        .from_reader(text.as_bytes());
    let rows: Result<Vec<Vec<String>>, csv::Error> =
        reader.records().map(|record| Ok(record?.iter().map(str::to_owned).collect())).collect();
    rows.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_between_tabs_commas_semicolons_or_spaces() {
        for (text, expected) in [
            ("a.png\tcat\t0\n", vec![vec!["a.png", "cat", "0"]]),
            ("\u{feff}id,label\r\n1,\"big, cat\"\r\n", vec![vec!["id", "label"], vec!["1", "big, cat"]]),
            ("id;label\n1;cat\n", vec![vec!["id", "label"], vec!["1", "cat"]]),
            ("a.png 3\n\nb.png  4\n", vec![vec!["a.png", "3"], vec!["b.png", "4"]]),
        ] {
            assert_eq!(rows(text.as_bytes()).unwrap(), expected, "{text}");
        }
        assert_eq!(rows(b"\xff\xfe"), None, "no UTF-8");
        assert_eq!(rows(b" \n"), None);
    }
}
