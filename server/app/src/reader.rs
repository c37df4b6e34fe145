//! Weights and bundles of unknown origin, read by a process of its own: a hostile file can take no more than that.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use retort_engine::import::{Description, Report, Wanted};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{io::AsyncWriteExt, process::Command, sync::Mutex, time::timeout};

use crate::{
    bundle::CheckedModel,
    program::{self, this_program},
    scheduler::how_it_ended,
};

/// How long reading one file may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Characters of what a failed process printed.
const LAST_WORDS: usize = 600;

/// What the reading process is asked to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// Write a file as a model.
    Import {
        /// The file.
        file: PathBuf,
        /// What it is to be read as.
        wanted: Wanted,
        /// The model to write.
        out: PathBuf,
    },
    /// Tell what a file is.
    Describe {
        /// The file.
        file: PathBuf,
    },
    /// Unpack a bundle, look through it, and tell what its models are.
    OpenBundle {
        /// The bundle.
        file: PathBuf,
        /// An empty folder.
        into: PathBuf,
    },
}

/// Starts the reading processes, one after the other.
#[derive(Debug)]
pub struct Reader {
    program: PathBuf,
    patience: Duration,
    turn: Mutex<()>,
}

impl Reader {
    /// A reader whose processes are this program's.
    ///
    /// # Errors
    /// When the system does not tell where this program is.
    pub fn new() -> io::Result<Self> {
        Ok(Self::of(this_program()?, PATIENCE))
    }

    fn of(program: PathBuf, patience: Duration) -> Self {
        Self { program, patience, turn: Mutex::default() }
    }

    /// Imports `file` and writes the model to `out`.
    ///
    /// # Errors
    /// With what is wrong with the file and what to do; or when the process failed.
    pub async fn import(&self, file: &Path, wanted: Wanted, out: &Path) -> Result<Report> {
        self.ask(&Task::Import { file: file.to_owned(), wanted, out: out.to_owned() }).await
    }

    /// What `file` is.
    ///
    /// # Errors
    /// As [`Self::import`].
    pub async fn describe(&self, file: &Path) -> Result<Description> {
        self.ask(&Task::Describe { file: file.to_owned() }).await
    }

    /// Unpacks a bundle to an empty folder and looks through it; returns its models in the order of its manifest.
    ///
    /// # Errors
    /// As [`Self::import`].
    pub async fn open_bundle(&self, file: &Path, into: &Path) -> Result<Vec<CheckedModel>> {
        // It is read three times and written once: by slow disks ten megabytes a second.
        let bytes = tokio::fs::metadata(file).await.context("reading the bundle")?.len();
        let patience = self.patience + Duration::from_secs(bytes / 10_000_000);
        self.ask_for(patience, &Task::OpenBundle { file: file.to_owned(), into: into.to_owned() }).await
    }

    async fn ask<T: DeserializeOwned>(&self, task: &Task) -> Result<T> {
        self.ask_for(self.patience, task).await
    }

    async fn ask_for<T: DeserializeOwned>(&self, patience: Duration, task: &Task) -> Result<T> {
        let task = serde_json::to_vec(task).context("the file's name is not Unicode")?;
        let _turn = self.turn.lock().await;
        let mut child = Command::from(program::command(&self.program))
            .arg("read-weights")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the process that reads weights")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A process that ended without listening says why below.
            let _ = stdin.write_all(&task).await;
        }
        let Ok(output) = timeout(patience, child.wait_with_output()).await else {
            bail!("reading the file took longer than {} s and was given up", patience.as_secs());
        };
        let output = output.context("waiting for the process that reads weights")?;
        if output.status.success()
            && let Ok(answer) = serde_json::from_slice::<Result<T, String>>(&output.stdout)
        {
            return answer.map_err(|fault| anyhow!(fault));
        }
        let printed = String::from_utf8_lossy(&output.stderr);
        let end = printed.trim().char_indices().rev().nth(LAST_WORDS - 1).map_or(0, |(at, _)| at);
        bail!(
            "the process that read the file failed: {}. Its last words: {}",
            how_it_ended(output.status),
            &printed.trim()[end..]
        )
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    /// What a reader says whose process is this shell script.
    async fn told(script: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("retort.sh");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let reader = Reader::of(program, Duration::from_secs(2));
        loop {
            let error = reader.describe(Path::new("teacher.pt")).await.unwrap_err();
            // While another test forks, its child has the just-written script open and the system refuses it.
            let busy = |e: &io::Error| e.kind() == io::ErrorKind::ExecutableFileBusy;
            if !error.downcast_ref().is_some_and(busy) {
                return format!("{error:#}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_fault_of_the_file_is_told_in_the_words_of_the_process() {
        let told = told(r#"grep -q '"task":"describe","file":"teacher.pt"' && echo '{"Err":"it is a shopping list"}'"#);
        assert_eq!(told.await, "it is a shopping list");
    }

    #[tokio::test]
    async fn a_process_that_dies_is_told_with_its_end_and_its_last_words() {
        let told = told("echo 'memory allocation of 7 bytes failed' >&2; kill -6 $$").await;
        assert!(told.contains("killed by signal 6") && told.contains("memory allocation of 7 bytes failed"), "{told}");
    }

    #[tokio::test]
    async fn a_process_that_does_not_end_is_given_up() {
        assert_eq!(told("exec sleep 60").await, "reading the file took longer than 2 s and was given up");
    }

    #[tokio::test]
    async fn an_answer_that_is_none_is_a_failure() {
        assert!(told("echo nonsense").await.contains("it ended with exit code 0"));
    }
}
