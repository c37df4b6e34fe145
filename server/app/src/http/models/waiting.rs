//! Uploaded files that wait for a person's decision.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use retort_engine::import::Description;
use tempfile::TempDir;

/// Files that wait at once; the one that has waited longest makes room for a further one.
const MOST: usize = 4;

/// How long a file waits.
const PATIENCE: Duration = Duration::from_hours(1);

/// Bytes of a token.
const TOKEN: usize = 16;

/// What a file is called in its folder.
pub const FILE: &str = "upload";

/// Files that were uploaded and looked into, and of which nothing is kept yet. They end with the server.
#[derive(Debug, Default)]
pub struct Waiting {
    uploads: Mutex<Vec<Upload>>,
}

/// A file that waits.
#[derive(Debug)]
pub struct Upload {
    /// What stands in its address.
    pub token: String,
    /// What the browser called it.
    pub file_name: String,
    /// What it is.
    pub description: Description,
    /// The folder that it is in; removed with this value.
    pub dir: TempDir,
    since: Instant,
}

/// What a page says about a file that waits.
#[derive(Clone, Debug)]
pub struct Found {
    /// What stands in its address.
    pub token: String,
    /// What the browser called it.
    pub file_name: String,
    /// What it is.
    pub description: Description,
}

impl Waiting {
    /// Lets a file wait; returns the token in its address.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn add(&self, dir: TempDir, file_name: String, description: Description) -> anyhow::Result<String> {
        let mut bytes = [0; TOKEN];
        getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let mut uploads = self.uploads();
        if uploads.len() >= MOST {
            uploads.remove(0);
        }
        uploads.push(Upload { token: token.clone(), file_name, description, dir, since: Instant::now() });
        Ok(token)
    }

    /// What is known about the file of this token.
    pub fn find(&self, token: &str) -> Option<Found> {
        let uploads = self.uploads();
        let found = uploads.iter().find(|upload| upload.token == token)?;
        let Upload { token, file_name, description, .. } = found;
        Some(Found { token: token.clone(), file_name: file_name.clone(), description: description.clone() })
    }

    /// Takes the file of this token; whoever has it decides whether it waits on.
    pub fn take(&self, token: &str) -> Option<Upload> {
        let mut uploads = self.uploads();
        let at = uploads.iter().position(|upload| upload.token == token)?;
        Some(uploads.remove(at))
    }

    /// Lets a file wait on that was taken.
    pub fn put_back(&self, upload: Upload) {
        self.uploads().push(upload);
    }

    fn uploads(&self) -> MutexGuard<'_, Vec<Upload>> {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.retain(|upload| upload.since.elapsed() < PATIENCE);
        uploads
    }
}

impl Upload {
    /// Where the file is.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join(FILE)
    }
}

/// Options of the command line, as faults name them beside the form.
const OPTIONS: [&str; 3] = [" or by --weights PATH", " or by --normaliser", " or by --despite-doubt"];

/// What is wrong with an uploaded file, by what the browser called it: the name that the server gave it says nothing to anybody,
/// nor do the options of the command line.
pub fn in_words(fault: &anyhow::Error, file: &Path, file_name: &str) -> String {
    let fault = format!("{fault:#}").replace(&format!("{}: ", file.display()), "");
    let mut fault = OPTIONS.iter().fold(fault, |fault, option| fault.replace(option, ""));
    while let Some((before, (_, after))) =
        fault.split_once(" (--weights ").and_then(|(before, rest)| Some((before, rest.split_once(')')?)))
    {
        fault = format!("{before}{after}");
    }
    format!("“{file_name}”: {fault}")
}

#[cfg(test)]
mod tests {
    use retort_engine::import::Format;

    use super::*;

    fn description() -> Description {
        Description { format: Format::PyTorch, bytes: 7, header: None, candidates: Vec::new(), misses: Vec::new() }
    }

    #[test]
    fn a_fault_is_told_by_the_name_of_the_upload_and_without_options() {
        let fault = anyhow::anyhow!("/tmp/a/upload: it holds 2 networks: name one, in the form or by --weights PATH");
        let words = in_words(&fault, Path::new("/tmp/a/upload"), "net.pt");
        assert_eq!(words, "“net.pt”: it holds 2 networks: name one, in the form");
        let fault = anyhow::anyhow!("it is broken. Whole is what stands at a (--weights a) or b (--weights b)");
        assert!(in_words(&fault, Path::new("upload"), "net.pt").ends_with("Whole is what stands at a or b"));
    }

    #[test]
    fn a_file_waits_under_its_token_until_it_is_taken_or_too_many_others_came() {
        let waiting = Waiting::default();
        let dirs: Vec<PathBuf> = (0..=MOST)
            .map(|i| {
                let dir = TempDir::new().unwrap();
                let path = dir.path().to_owned();
                waiting.add(dir, format!("{i}.pt"), description()).unwrap();
                path
            })
            .collect();
        assert!(!dirs[0].exists() && dirs[1].exists(), "the oldest made room");
        let token = waiting.uploads()[0].token.clone();
        assert_eq!(waiting.find(&token).unwrap().file_name, "1.pt");
        let taken = waiting.take(&token).unwrap();
        assert!(waiting.find(&token).is_none() && dirs[1].exists());
        waiting.put_back(taken);
        assert!(waiting.find(&token).is_some());
        drop(waiting.take(&token));
        assert!(!dirs[1].exists());
        assert!(waiting.find("another").is_none());
    }
}
