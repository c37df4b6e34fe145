//! Labels that a table beside the images tells: `trainLabels.csv`, `val_annotations.txt`.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use unicode_normalization::UnicodeNormalization;

use super::{
    parts::{Image, refuse},
    table::Table,
};
use crate::{
    Result,
    data::{content::is_named_as_image, import::some, split_name::Part, split_name::words},
};

/// What columns of labels are called, as a word of their name.
const LABEL: [&str; 9] = ["label", "labels", "class", "classes", "category", "target", "breed", "species", "y"];
/// What columns of images are called, as a word of their name.
const IMAGE: [&str; 9] = ["id", "image", "img", "file", "filename", "filepath", "path", "name", "images"];
/// What columns are called that say which part an image belongs to.
const SPLIT: [&str; 5] = ["split", "subset", "partition", "set", "part"];

/// What a table says of images.
pub(super) struct Labels {
    /// The label of each image by its number in the listing, and its part where the table tells it.
    pub of: BTreeMap<usize, (String, Option<Part>)>,
    /// How the table was read, in a sentence.
    pub note: String,
}

impl Labels {
    /// These with those of another table.
    ///
    /// # Errors
    /// When both label an image and not alike.
    pub fn and(mut self, other: Self, name_of: impl Fn(usize) -> String) -> Result<Self> {
        for (image, label) in other.of {
            if self.of.insert(image, label.clone()).is_some_and(|before| before != label) {
                return refuse(&format!(
                    "two tables label {}, and not alike: leave one of them out ({} {})",
                    name_of(image),
                    self.note,
                    other.note
                ));
            }
        }
        self.note = format!("{} {}", self.note, other.note);
        Ok(self)
    }
}

/// A row of a table that names an image.
#[derive(Clone, Copy)]
struct Row {
    row: usize,
    image: usize,
}

/// What `table` says of `images`, all of one part, and nothing when it names none of them. Where the classes of the training
/// images are `known`, only these are labels.
///
/// # Errors
/// When it names images but its labels cannot be told for certain, with what to do.
pub(super) fn of(
    table: &Table,
    images: &[&Image<'_>],
    part: Option<Part>,
    known: &BTreeSet<String>,
) -> Result<Option<Labels>> {
    let index = Index::of(images, part);
    let Some((column, rows)) = image_column(table, &index)? else { return Ok(None) };
    let has_header = rows.first().is_some_and(|row| row.row > 0);
    let header = if has_header { table.rows.first().map_or(&[][..], Vec::as_slice) } else { &[] };
    let columns = Columns { table, header, image: column, rows: &rows };
    let (labels, told) = columns.labels(known)?;
    let split = if part.is_none() { columns.split() } else { None };
    let mut of: BTreeMap<usize, (String, Option<Part>)> = BTreeMap::new();
    for (row, label) in rows.iter().zip(labels).filter(|(_, label)| !label.is_empty()) {
        let part = split.and_then(|split| Part::named(table.cell(row.row, split)));
        let said = (label.nfc().collect::<String>(), part);
        match of.get(&row.image) {
            Some(before) if *before != said => {
                return refuse(&format!(
                    "{} says of {} both “{}” and “{}”: an image has one label and one part, so take one of these rows out",
                    table.name,
                    table.cell(row.row, column),
                    before.0,
                    said.0
                ));
            }
            _ => drop(of.insert(row.image, said)),
        }
    }
    let others = table.rows.len() - usize::from(has_header) - rows.len();
    let others = if others > 0 { format!(" {others} of its rows name no image that is here.") } else { String::new() };
    let note = format!(
        "{} labels {} images: the image is {}, its class {told}.{others}",
        table.name,
        of.len(),
        columns.name(column)
    );
    Ok(Some(Labels { of, note }))
}

/// The images of a part by their names.
struct Index<'a> {
    images: &'a [&'a Image<'a>],
    part: Option<Part>,
    /// Places among the images, by the file's name without its ending.
    by_stem: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Index<'a> {
    fn of(images: &'a [&'a Image<'a>], part: Option<Part>) -> Self {
        let mut by_stem: HashMap<&str, Vec<usize>> = HashMap::new();
        for (i, image) in images.iter().enumerate() {
            by_stem.entry(stem(image.file_name())).or_default().push(i);
        }
        Self { images, part, by_stem }
    }

    /// The images that a cell may name.
    fn find(&self, cell: &str) -> Vec<&'a Image<'a>> {
        let mut folders: Vec<&str> = cell.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
        let Some(file) = folders.pop() else { return Vec::new() };
        let stem = if is_named_as_image(file) { stem(file) } else { file };
        let Some(found) = self.by_stem.get(stem) else { return Vec::new() };
        let found: Vec<&Image<'_>> = found.iter().map(|i| self.images[*i]).collect();
        let exact: Vec<&Image<'_>> = found.iter().filter(|image| image.file_name() == file).copied().collect();
        let found = if exact.is_empty() { found } else { exact };
        let agrees = |image: &&Image<'_>| {
            let around = image.parts[..image.parts.len() - 1].iter().rev();
            around.zip(folders.iter().rev()).all(|(a, b)| a == b)
        };
        let agreeing: Vec<&Image<'_>> = found.iter().copied().filter(agrees).collect();
        // The folders may have had other names where the table was made, but not those of another part.
        let is_elsewhere =
            folders.iter().filter_map(|folder| Part::named(folder)).any(|named| self.part != Some(named));
        match (agreeing.as_slice(), found.as_slice()) {
            ([], [image]) if !is_elsewhere => vec![*image],
            _ => agreeing,
        }
    }
}

/// A column with the rows in which it names an image.
struct Naming {
    column: usize,
    rows: Vec<Row>,
    /// Cells with the ending of an image.
    exact: usize,
    images: usize,
    /// Whether it is called as such columns are.
    is_called_so: bool,
}

impl Naming {
    /// # Errors
    /// When a column that is called so names an image that may be one of two.
    fn of(table: &Table, column: usize, index: &Index<'_>) -> Result<Self> {
        let is_called_so = table.rows.first().is_some_and(|header| is_called(header.get(column), &IMAGE));
        let (mut rows, mut exact) = (Vec::new(), 0);
        for row in 0..table.rows.len() {
            let cell = table.cell(row, column);
            let is_exact = is_named_as_image(cell);
            match index.find(cell).as_slice() {
                [image] => {
                    exact += usize::from(is_exact);
                    rows.push(Row { row, image: image.entry });
                }
                [one, other, ..] if is_exact || is_called_so => {
                    return refuse(&format!(
                        "{} names {cell}, which may be {} or {}: write the folder too",
                        table.name,
                        one.parts.join("/"),
                        other.parts.join("/")
                    ));
                }
                _ => {}
            }
        }
        let images = rows.iter().map(|row| row.image).collect::<BTreeSet<_>>().len();
        Ok(Self { column, rows, exact, images, is_called_so })
    }

    fn rank(&self) -> (usize, usize, bool) {
        (self.exact, self.images, self.is_called_so)
    }
}

/// The column that names images, with the rows that do; none where no column does.
fn image_column(table: &Table, index: &Index<'_>) -> Result<Option<(usize, Vec<Row>)>> {
    let mut columns: Vec<Naming> =
        (0..table.width()).map(|column| Naming::of(table, column, index)).collect::<Result<_>>()?;
    columns.sort_by_key(|naming| Reverse(naming.rank()));
    let is_tied = matches!(columns.as_slice(), [one, other, ..] if one.rank() == other.rank());
    if columns.is_empty() {
        return Ok(None);
    }
    let best = columns.swap_remove(0);
    // A few numbers that happen to be names of images are no list of images.
    let is_list = best.exact > 0 || best.images * 2 >= index.images.len() || best.rows.len() * 2 >= table.rows.len();
    if best.images == 0 || !is_list {
        return Ok(None);
    }
    if is_tied {
        return refuse(&format!(
            "several columns of {} name images, column {} among them: call the one that is meant “filename”",
            table.name,
            best.column + 1
        ));
    }
    Ok(Some((best.column, best.rows)))
}

/// The columns of a table whose images are known.
struct Columns<'a> {
    table: &'a Table,
    header: &'a [String],
    image: usize,
    rows: &'a [Row],
}

impl Columns<'_> {
    /// What a column is called: by its name, or by its place.
    fn name(&self, column: usize) -> String {
        match self.header.get(column) {
            Some(name) if !name.is_empty() => format!("“{name}”"),
            _ => format!("column {}", column + 1),
        }
    }

    fn names(&self, columns: &[usize]) -> String {
        columns.iter().map(|column| self.name(*column)).collect::<Vec<_>>().join(", ")
    }

    /// The cells of a column in the rows that name images.
    fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| self.table.cell(row.row, column))
    }

    /// The column that says which part an image belongs to.
    fn split(&self) -> Option<usize> {
        let says = |column: &usize| {
            is_called(self.header.get(*column), &SPLIT) && self.cells(*column).all(|cell| Part::named(cell).is_some())
        };
        (0..self.table.width()).find(says)
    }

    /// The label of each row, and the columns that told it.
    fn labels(&self, known: &BTreeSet<String>) -> Result<(Vec<String>, String)> {
        let split = self.split();
        let is_told = |column: &usize| {
            *column != self.image && Some(*column) != split && self.cells(*column).any(|cell| !cell.is_empty())
        };
        let others: Vec<usize> = (0..self.table.width()).filter(is_told).collect();
        let named: Vec<usize> =
            others.iter().copied().filter(|column| is_called(self.header.get(*column), &LABEL)).collect();
        let table = &self.table.name;
        if !known.is_empty() {
            let is_known = |column: &usize| {
                self.cells(*column).all(|cell| cell.is_empty() || known.contains(&cell.nfc().collect::<String>()))
            };
            let fitting: Vec<usize> = others.iter().copied().filter(is_known).collect();
            let named: Vec<usize> = fitting.iter().copied().filter(|column| named.contains(column)).collect();
            return match (fitting.as_slice(), named.as_slice()) {
                ([column], _) | (_, [column]) => Ok(self.told_by(*column)),
                ([], _) => {
                    let classes: Vec<String> = known.iter().cloned().collect();
                    refuse(&format!(
                        "{table} names {} images, but no column of it has the names of the training images' classes alone, \
                         which are {}: name the classes in it as those folders are called",
                        self.rows.len(),
                        some(&classes)
                    ))
                }
                _ => self.unclear(&fitting),
            };
        }
        match (named.as_slice(), others.as_slice()) {
            ([column], _) | ([], [column]) => Ok(self.told_by(*column)),
            ([], []) => refuse(&format!("{table} names images but has no column of labels: add one, called “label”")),
            ([], others) => match self.one_hot(others) {
                Some(labels) => Ok((labels, format!("the one of {} that is 1", self.names(others)))),
                None => self.unclear(others),
            },
            // A number and a name of the same class.
            (named, _) if self.are_synonyms(named) => {
                let is_name = |column: &usize| self.cells(*column).any(|cell| cell.parse::<f64>().is_err());
                Ok(self.told_by(named.iter().copied().find(is_name).unwrap_or(named[0])))
            }
            (named, _) => self.unclear(named),
        }
    }

    fn told_by(&self, column: usize) -> (Vec<String>, String) {
        (self.cells(column).map(str::to_owned).collect(), self.name(column))
    }

    fn unclear<T>(&self, columns: &[usize]) -> Result<T> {
        let table = &self.table.name;
        if self.header.is_empty() {
            return refuse(&format!(
                "which column of {table} holds the labels is not told ({}): give it a first line that names the columns, \
                 with “filename” and “label” among them",
                self.names(columns)
            ));
        }
        refuse(&format!(
            "which column of {table} holds the labels is not clear ({}): call that column “label”, and no other by such a \
             word",
            self.names(columns)
        ))
    }

    /// Whether each value of one of the columns goes with one value of any other.
    fn are_synonyms(&self, columns: &[usize]) -> bool {
        let distinct = |columns: &[usize]| {
            let values = self
                .rows
                .iter()
                .map(|row| columns.iter().map(|column| self.table.cell(row.row, *column)).collect::<Vec<_>>());
            values.collect::<BTreeSet<_>>().len()
        };
        let all = distinct(columns);
        columns.iter().all(|column| distinct(&[*column]) == all)
    }

    /// Labels of columns that are called as the classes, of which each row has 1 in one and 0 in the others.
    fn one_hot(&self, columns: &[usize]) -> Option<Vec<String>> {
        let class_of = |row: &Row| -> Option<String> {
            let mut class = None;
            for column in columns {
                let name = self.header.get(*column).filter(|name| !name.is_empty())?;
                match self.table.cell(row.row, *column).parse::<f64>() {
                    Ok(0.0) => {}
                    Ok(1.0) if class.is_none() => class = Some(name.clone()),
                    _ => return None,
                }
            }
            class
        };
        if columns.len() < 2 { None } else { self.rows.iter().map(class_of).collect() }
    }
}

/// Whether a column's name has one of these words.
fn is_called(name: Option<&String>, by: &[&str]) -> bool {
    name.is_some_and(|name| words(name).any(|word| by.contains(&word.as_str())))
}

/// A file's name without its ending.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests;
