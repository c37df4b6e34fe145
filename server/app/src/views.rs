//! Named addresses of lists and comparisons, for all who use the server: a small file of the data folder.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::archive::put;

/// Views that are kept at once.
const MOST: usize = 100;
/// Letters of a name, and bytes of an address.
const LONGEST_NAME: usize = 80;
const LONGEST_ADDRESS: usize = 2_000;

/// An address with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its name, which no other has.
    pub name: String,
    /// Path and query.
    pub address: String,
}

/// The views of a data folder. Clones speak of the same ones.
#[derive(Clone, Debug)]
pub struct Views {
    file: PathBuf,
    /// What the file holds, or why it cannot be read.
    kept: Arc<Mutex<Result<Vec<View>, String>>>,
}

/// Why a view was not saved.
#[derive(Debug)]
pub enum NotSaved {
    /// What was asked for cannot be, in a sentence.
    Impossible(String),
    /// The disk refused.
    Failed(anyhow::Error),
}

impl Views {
    /// Those of this file, which need not be there. One that cannot be read is left as it is.
    pub fn open(file: PathBuf) -> Self {
        let kept =
            read(&file).map_err(|e| format!("{} cannot be read: {e:#}. Mend it, or move it away", file.display()));
        if let Err(fault) = &kept {
            tracing::error!("no saved view is shown: {fault}");
        }
        Self { file, kept: Arc::new(Mutex::new(kept)) }
    }

    /// All views by their names.
    pub fn list(&self) -> Vec<View> {
        self.kept().clone().unwrap_or_default()
    }

    /// Keeps an address under a name; one of the same name is replaced.
    ///
    /// # Errors
    /// When it has no name or too long a one, the address is none of a list or a comparison here, or the disk refuses.
    pub fn save(&self, name: &str, address: &str) -> Result<(), NotSaved> {
        let name = name.trim();
        let impossible = |fault: &str| Err(NotSaved::Impossible(fault.into()));
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            return impossible("A view needs a name of at most 80 letters.");
        }
        if !is_view(address) {
            return impossible("Only lists and comparisons of this server can be saved.");
        }
        let view = View { name: name.into(), address: address.into() };
        self.change(|views| {
            views.retain(|other| other.name != view.name);
            if views.len() >= MOST {
                return Err(NotSaved::Impossible(format!("There are {MOST} saved views already: remove one first.")));
            }
            views.push(view);
            views.sort_by_cached_key(|view| view.name.to_lowercase());
            Ok(())
        })
    }

    /// Forgets the view of this name, if there is one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(&self, name: &str) -> Result<(), NotSaved> {
        self.change(|views| {
            views.retain(|view| view.name != name);
            Ok(())
        })
    }

    /// Changes the views on the disk and then here, or neither.
    fn change(&self, change: impl FnOnce(&mut Vec<View>) -> Result<(), NotSaved>) -> Result<(), NotSaved> {
        let mut kept = self.kept();
        let mut views = kept.clone().map_err(|fault| NotSaved::Failed(anyhow::anyhow!(fault)))?;
        change(&mut views)?;
        write(&self.file, &views)
            .with_context(|| format!("writing {}", self.file.display()))
            .map_err(NotSaved::Failed)?;
        *kept = Ok(views);
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Result<Vec<View>, String>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an address is that of a list or of a comparison of this server, and of nothing else.
pub fn is_view(address: &str) -> bool {
    let path = address.split('?').next().unwrap_or_default();
    let is_comparison = path
        .strip_prefix("/experiments/")
        .is_some_and(|id| (1..=18).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()));
    let is_plain = address.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'#'));
    address.len() <= LONGEST_ADDRESS
        && is_plain
        && (["/runs", "/experiments", "/models"].contains(&path) || is_comparison)
}

fn read(file: &Path) -> anyhow::Result<Vec<View>> {
    let text = match fs::read_to_string(file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let mut views: Vec<View> = serde_json::from_str(&text)?;
    // What somebody wrote into the file by hand leads nowhere else either.
    views.retain(|view| is_view(&view.address));
    Ok(views)
}

/// Writes beside the file and renames, so that a crash leaves what was there.
fn write(file: &Path, views: &[View]) -> anyhow::Result<()> {
    let beside = file.with_extension("json.half");
    let mut half = File::create(&beside)?;
    half.write_all(&serde_json::to_vec_pretty(views)?)?;
    half.sync_all()?;
    put(&beside, file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_there_after_a_restart_and_what_was_removed_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("views.json");
        let views = Views::open(file.clone());
        views.save(" ours ", "/runs?text=seed+2").unwrap();
        views.save("Best", "/experiments/3?with=4").unwrap();
        views.save("ours", "/models?sort=natural").unwrap();
        let names = |views: &Views| views.list().into_iter().map(|view| (view.name, view.address)).collect::<Vec<_>>();
        let expected = [("Best", "/experiments/3?with=4"), ("ours", "/models?sort=natural")];
        assert_eq!(names(&views), expected.map(|(name, address)| (name.to_owned(), address.to_owned())));
        assert_eq!(Views::open(file.clone()).list(), views.list());
        views.remove("Best").unwrap();
        assert_eq!(Views::open(file).list().len(), 1);
    }

    #[test]
    fn only_lists_and_comparisons_of_this_server_are_views() {
        for address in ["/runs", "/runs?sort=-took", "/experiments", "/experiments/12?with=3", "/models?text=a%20b"] {
            assert!(is_view(address), "{address}");
        }
        for address in [
            "",
            "/",
            "runs",
            "//evil.example/runs",
            "/runs/../disk",
            "/runs//evil.example",
            "https://evil.example/runs",
            "/\\evil.example",
            "/experiments/new",
            "/experiments/3/cancel",
            "/runs?a=\r\nb",
            "/runs?a=é",
            "javascript:alert(1)",
        ] {
            assert!(!is_view(address), "{address}");
        }
        assert!(!is_view(&format!("/runs?{}", "a".repeat(LONGEST_ADDRESS))));
    }

    #[test]
    fn a_crash_amid_writing_leaves_the_old_views() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("views.json");
        let views = Views::open(file.clone());
        views.save("old", "/runs").unwrap();
        // As a process leaves it that was killed before the renaming.
        fs::write(file.with_extension("json.half"), "[{\"name\": \"ne").unwrap();
        assert_eq!(Views::open(file.clone()).list(), views.list());
        views.save("new", "/models").unwrap();
        assert_eq!(Views::open(file.clone()).list().len(), 2);
        // The disk refuses.
        fs::create_dir(file.with_extension("json.half")).unwrap();
        assert!(matches!(views.save("newer", "/models"), Err(NotSaved::Failed(_))));
        assert_eq!((views.list().len(), Views::open(file).list().len()), (2, 2));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("views.json");
        fs::write(&file, "not JSON").unwrap();
        let views = Views::open(file.clone());
        assert!(views.list().is_empty());
        assert!(matches!(views.save("new", "/models"), Err(NotSaved::Failed(_))));
        assert_eq!(fs::read_to_string(&file).unwrap(), "not JSON");
    }

    #[test]
    fn there_is_an_end_to_names_and_to_views() {
        let dir = tempfile::tempdir().unwrap();
        let views = Views::open(dir.path().join("views.json"));
        for name in ["", "  ", "a\nb", &"é".repeat(LONGEST_NAME + 1)] {
            assert!(matches!(views.save(name, "/runs"), Err(NotSaved::Impossible(_))), "{name}");
        }
        views.save(&"é".repeat(LONGEST_NAME), "/runs").unwrap();
        for i in 1..MOST {
            views.save(&i.to_string(), "/runs").unwrap();
        }
        assert!(matches!(views.save("one more", "/runs"), Err(NotSaved::Impossible(_))));
        views.save("1", "/models").unwrap();
        assert_eq!(views.list().len(), MOST);
    }
}
