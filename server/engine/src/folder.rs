//! The folder of one run: the truth about it, written by its worker and read by everybody else.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use retort_spec::{ModelRef, RunSpec};

use crate::{EngineError, Result};

/// A run's folder: `spec.json`, `journal.jsonl`, `checkpoint.safetensors` and the one before it, what it leaves
/// (`model.safetensors`, `best.safetensors`, `averaged.safetensors`, `outcomes.safetensors`, `analysis.json`, `gallery.png`), `worker.log`.
///
/// A worker holds the lock of `worker.lock` as long as it lives. The operating system releases it however the worker
/// ends, so the lock, and not a process id, tells whether there is one.
#[derive(Clone, Debug)]
pub struct RunFolder {
    dir: PathBuf,
}

/// Whoever asks for the living worker takes the lock for a moment; a worker that starts just then waits this long.
const PEEK: Duration = Duration::from_millis(400);

impl RunFolder {
    /// The folder at `dir`, which need not exist yet.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Creates the folder and writes its spec.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(dir: impl Into<PathBuf>, spec: &RunSpec) -> Result<Self> {
        let folder = Self::at(dir);
        fs::create_dir_all(&folder.dir).map_err(|e| EngineError::io(&folder.dir, e))?;
        write_atomically(&folder.spec(), spec.to_json()?.as_bytes())?;
        Ok(folder)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The spec, as JSON.
    pub fn spec(&self) -> PathBuf {
        self.dir.join("spec.json")
    }

    /// What happened, one [`retort_spec::Record`] a line, only ever appended to.
    pub fn journal(&self) -> PathBuf {
        self.dir.join("journal.jsonl")
    }

    /// The state from which a stopped run goes on.
    pub fn checkpoint(&self) -> PathBuf {
        self.dir.join("checkpoint.safetensors")
    }

    /// The state before that one, which serves where that one is damaged.
    pub fn earlier_checkpoint(&self) -> PathBuf {
        self.dir.join("checkpoint.earlier.safetensors")
    }

    /// The trained weights; there once the run has finished.
    pub fn model(&self) -> PathBuf {
        self.dir.join("model.safetensors")
    }

    /// The weights of the best epoch, where validation images were held out.
    pub fn best_model(&self) -> PathBuf {
        self.dir.join("best.safetensors")
    }

    /// The average of the weights over the last stage's steps, where one was asked for.
    pub fn averaged_model(&self) -> PathBuf {
        self.dir.join("averaged.safetensors")
    }

    /// The file of the one of its models that is meant: of its best epoch, of its average, or of its last step.
    pub fn file_of(&self, model: &ModelRef) -> PathBuf {
        match model {
            ModelRef::Best(_) => self.best_model(),
            ModelRef::Averaged(_) => self.averaged_model(),
            _ => self.model(),
        }
    }

    /// What an evaluation's model answered to each image, an [`crate::Outcomes`]; there once the run has finished.
    pub fn outcomes(&self) -> PathBuf {
        self.dir.join("outcomes.safetensors")
    }

    /// What an analysis found, an [`AnalysisResult`](retort_spec::AnalysisResult) as JSON; there once the run has finished.
    pub fn analysis(&self) -> PathBuf {
        self.dir.join("analysis.json")
    }

    /// The sheet of pictures of a gallery.
    pub fn gallery(&self) -> PathBuf {
        self.dir.join("gallery.png")
    }

    /// What the worker process printed.
    pub fn worker_log(&self) -> PathBuf {
        self.dir.join("worker.log")
    }

    /// What a worker holds while it computes.
    pub fn lock_file(&self) -> PathBuf {
        self.dir.join("worker.lock")
    }

    /// What a worker touches every few seconds. One whose file is older than its lock writes none, as those of before did.
    pub fn heartbeat(&self) -> PathBuf {
        self.dir.join("heartbeat")
    }

    /// When the worker that holds the folder has last shown a sign of life; none where it is one that shows none.
    pub fn last_sign_of_life(&self) -> Option<SystemTime> {
        let modified = |path: PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
        let (sign, begun) = (modified(self.heartbeat())?, modified(self.lock_file())?);
        (sign >= begun).then_some(sign)
    }

    fn cancel_file(&self) -> PathBuf {
        self.dir.join("cancel")
    }

    /// Takes the folder for this process, until the returned guard is dropped.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when another worker holds it.
    pub fn lock(&self) -> Result<File> {
        let file = self.lock_for_worker()?;
        self.name_worker()?;
        Ok(file)
    }

    /// Takes the folder for a process that is about to be started, and that inherits the guard: so it holds the folder from its
    /// first moment. It names itself by [`RunFolder::name_worker`].
    ///
    /// # Errors
    /// [`EngineError::Busy`] when another worker holds it.
    pub fn lock_for_worker(&self) -> Result<File> {
        let path = self.lock_file();
        let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let file = open.map_err(|e| EngineError::io(&path, e))?;
        let deadline = Instant::now() + PEEK;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(PEEK / 20),
                Err(TryLockError::WouldBlock) => return Err(EngineError::Busy(self.dir.clone())),
                Err(TryLockError::Error(e)) => return Err(EngineError::io(&path, e)),
            }
        }
        file.set_len(0).map_err(|e| EngineError::io(&path, e))?;
        Ok(file)
    }

    /// Writes this process's id into the lock that it holds.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn name_worker(&self) -> Result<()> {
        let path = self.lock_file();
        fs::write(&path, format!("{}\n", std::process::id())).map_err(|e| EngineError::io(&path, e))
    }

    /// The process id of the worker that holds the folder, if one lives; 0 in the moment before it has written its id.
    ///
    /// # Errors
    /// When the lock file cannot be read.
    pub fn worker(&self) -> Result<Option<u32>> {
        let path = self.lock_file();
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(EngineError::io(&path, e)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(|e| EngineError::io(&path, e))?;
                // A worker that has just taken the lock may not have written its id yet; it lives all the same.
                Ok(Some(text.trim().parse().unwrap_or(0)))
            }
            Err(TryLockError::Error(e)) => Err(EngineError::io(&path, e)),
        }
    }

    /// Asks the worker to end the run; it looks between two steps.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn request_cancel(&self) -> Result<()> {
        fs::create_dir_all(&self.dir).map_err(|e| EngineError::io(&self.dir, e))?;
        File::create(self.cancel_file()).map_err(|e| EngineError::io(&self.cancel_file(), e))?;
        Ok(())
    }

    /// Takes such a request back, so that the run may be resumed.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn withdraw_cancel(&self) -> Result<()> {
        match fs::remove_file(self.cancel_file()) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(EngineError::io(&self.cancel_file(), e)),
            _ => Ok(()),
        }
    }

    /// Whether somebody asked to end the run.
    pub fn cancel_requested(&self) -> bool {
        self.cancel_file().exists()
    }
}

/// Replaces the file at `path` as a whole: written beside, synced, renamed, so that a crash leaves the old or the new.
///
/// # Errors
/// When the disk refuses; the old file is then untouched.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes, || Ok(()))
}

/// The same; `before` is done once the new file is safe on the disk, and before it takes the place of the old one.
pub(crate) fn replace(path: &Path, bytes: &[u8], before: impl FnOnce() -> io::Result<()>) -> Result<()> {
    let beside = path.with_extension("tmp");
    let write = || -> io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        before()?;
        fs::rename(&beside, path)?;
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            File::open(dir)?.sync_all()?;
        }
        Ok(())
    };
    write().map_err(|e| {
        // The half-written file is of no use to anybody; if even this fails, the error below says why.
        let _ = fs::remove_file(&beside);
        EngineError::io(path, e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_worker_cannot_take_a_folder_that_one_holds() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(dir.path());
        let held = folder.lock().unwrap();
        assert!(matches!(folder.lock(), Err(EngineError::Busy(_))));
        assert_eq!(folder.worker().unwrap(), Some(std::process::id()));
        drop(held);
        assert_eq!(folder.worker().unwrap(), None);
    }

    #[test]
    fn a_file_that_cannot_be_replaced_keeps_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kept");
        write_atomically(&path, b"old").unwrap();
        fs::create_dir(path.with_extension("tmp")).unwrap();
        assert!(write_atomically(&path, b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
