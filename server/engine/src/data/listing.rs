//! The files of a container, known before any of them is read.

use std::{collections::HashMap, ops::ControlFlow};

use super::{
    container::{Container, Member, MemberKind, head_of},
    content::Content,
    progress::Watch,
};
use crate::{EngineError, Result};

/// What hidden files are called in reports.
pub(super) const HIDDEN: &str = "hidden files and folders";
/// Folders that programs make beside images.
const LITTER: [&str; 4] = ["__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"];

/// All files and folders of a container, in its order.
#[derive(Debug)]
pub(super) struct Listing {
    pub container: Container,
    pub entries: Vec<Entry>,
}

/// A file or folder.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The parts of its name.
    pub parts: Vec<String>,
    pub kind: EntryKind,
}

/// What an [`Entry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    Folder,
    /// A file by its first bytes; its bytes lie in the entry of this number, which is its own unless it is a hard link.
    File(Content, usize),
    /// What cannot be read, and why.
    Unreadable(&'static str),
}

impl Entry {
    /// Its name.
    pub fn name(&self) -> String {
        self.parts.join("/")
    }

    /// The last part of its name.
    pub fn file_name(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }

    /// The folder that it lies in.
    pub fn folder(&self) -> &[String] {
        &self.parts[..self.parts.len() - 1]
    }

    /// Whether it is hidden, or lies in a folder that is hidden or that a program made for itself.
    pub fn is_hidden(&self) -> bool {
        self.parts.iter().any(|part| part.starts_with('.') || LITTER.contains(&part.as_str()))
    }

    /// What it is by its first bytes, where it is a file.
    pub fn content(&self) -> Option<Content> {
        if let EntryKind::File(content, _) = self.kind { Some(content) } else { None }
    }
}

impl Listing {
    /// Lists what `container` holds.
    ///
    /// # Errors
    /// As [`Container::walk`], and when a hard link leads to no earlier file.
    pub fn of(container: Container, watch: &mut Watch<'_>) -> Result<Self> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut by_name: HashMap<Vec<String>, usize> = HashMap::new();
        container.walk("looking at files", watch, &mut |member| {
            let kind = match &member.kind {
                MemberKind::Folder => EntryKind::Folder,
                MemberKind::Unreadable(why) => EntryKind::Unreadable(why),
                MemberKind::File => match head_of(member.content()) {
                    Ok(head) => EntryKind::File(Content::of(&head), entries.len()),
                    Err(_) if container.is_folder() => EntryKind::Unreadable("files that cannot be opened"),
                    Err(e) => return Err(member.unreadable(&e)),
                },
                MemberKind::HardLink(target) => {
                    let found = by_name.get(target).map(|i: &usize| entries[*i].kind.clone());
                    found.ok_or_else(|| {
                        let (name, target) = (member.name(), target.join("/"));
                        EngineError::Data(format!(
                            "{name} is a link to {target}, which does not come before it in the archive: pack it anew"
                        ))
                    })?
                }
            };
            let parts = member.parts.clone();
            if kind != EntryKind::Folder && by_name.insert(parts.clone(), entries.len()).is_some() {
                return Err(EngineError::Data(format!("{} occurs twice in the archive", member.name())));
            }
            entries.push(Entry { parts, kind });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Self { container, entries })
    }

    /// The files, with their numbers and what they are.
    pub fn files(&self) -> impl Iterator<Item = (usize, &Entry, Content)> {
        self.entries.iter().enumerate().filter_map(|(i, entry)| Some((i, entry, entry.content()?)))
    }

    /// Reads the files of these numbers. `take` gets each content once, with the numbers of all wanted files that have
    /// it.
    ///
    /// # Errors
    /// As [`Container::walk`], when the container was changed meanwhile, and what `take` fails with.
    pub fn read(
        &self,
        wanted: &[usize],
        watch: &mut Watch<'_>,
        take: &mut dyn FnMut(&[usize], &mut Member<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.container.is_folder() {
            for i in wanted {
                self.container.read_in_folder(&self.entries[*i].parts, &mut |member| take(&[*i], member))?;
            }
            return Ok(());
        }
        let mut by_place: HashMap<usize, Vec<usize>> = HashMap::new();
        for i in wanted {
            if let EntryKind::File(_, at) = self.entries[*i].kind {
                by_place.entry(at).or_default().push(*i);
            }
        }
        let mut next = 0;
        self.container.walk("reading", watch, &mut |member| {
            let same = self.entries.get(next).is_some_and(|entry| entry.parts == member.parts);
            if !same {
                return Err(EngineError::Data("the archive was changed while it was read: try again".into()));
            }
            if let Some(wanted) = by_place.remove(&next) {
                take(&wanted, member)?;
            }
            next += 1;
            Ok(if by_place.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if by_place.is_empty() {
            Ok(())
        } else {
            Err(EngineError::Data("the archive was changed while it was read: try again".into()))
        }
    }

    /// The whole of one file.
    ///
    /// # Errors
    /// As [`Listing::read`], and when the file is longer than `limit` bytes.
    pub fn read_one(&self, i: usize, limit: usize, watch: &mut Watch<'_>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read(&[i], watch, &mut |_, member| {
            bytes = member.read(limit)?;
            Ok(())
        })?;
        Ok(bytes)
    }
}
