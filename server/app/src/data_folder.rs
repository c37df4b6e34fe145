//! The folder in which a server keeps everything.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    ops::Deref,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// What the folders begin with in which uploads are removed.
const ASIDE: &str = ".uploads-";

/// A data folder that this process owns until the value is dropped.
#[derive(Debug)]
pub struct DataFolder {
    places: Places,
    left_uploads: Vec<String>,
    _lock: File,
}

impl DataFolder {
    /// Creates the folder where it is missing, and takes it for this process.
    ///
    /// # Errors
    /// When another server owns it, or it cannot be written.
    pub fn open(root: &Path) -> Result<Self> {
        let cannot = || format!("cannot use {} as the data folder", root.display());
        fs::create_dir_all(root).with_context(cannot)?;
        // Specs name models by absolute paths, which stay right whatever folder a worker runs in.
        let root = root.canonicalize().with_context(cannot)?;
        let lock = lock(&root)?;
        let mut folder = Self { places: Places { root }, left_uploads: Vec::new(), _lock: lock };
        if let Ok(entries) = fs::read_dir(folder.uploads()) {
            let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            folder.left_uploads = names.collect();
        }
        folder.clear_uploads().with_context(|| format!("cannot clear {}", folder.uploads().display()))?;
        for dir in [folder.runs(), folder.datasets(), folder.models(), folder.uploads()] {
            fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        Ok(folder)
    }

    /// Removes what a killed server left of uploads, which is of no use to anybody.
    ///
    /// A process that the server started to read one may still write there, so that the folder fills while it is emptied: it is
    /// moved aside first, and what cannot be removed then goes at the next start.
    fn clear_uploads(&self) -> io::Result<()> {
        for left in fs::read_dir(&self.root)?.flatten() {
            if left.file_name().to_string_lossy().starts_with(ASIDE) {
                let _ = fs::remove_dir_all(left.path());
            }
        }
        let aside = tempfile::Builder::new().prefix(ASIDE).tempdir_in(&self.root)?;
        match fs::rename(self.uploads(), aside.path().join("uploads")) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// The names of what an earlier server left in the folder of uploads, which is gone now.
    pub fn left_uploads(&self) -> &[String] {
        &self.left_uploads
    }

    /// The highest number that a folder of a run bears, and the highest of a file of a model; 0 where there are none.
    pub fn highest_numbers(&self) -> (i64, i64) {
        (highest_number(&self.runs()), highest_number(&self.models()))
    }
}

impl Deref for DataFolder {
    type Target = Places;

    fn deref(&self) -> &Places {
        &self.places
    }
}

/// Where things lie in a data folder, whoever uses it.
#[derive(Clone, Debug)]
pub struct Places {
    root: PathBuf,
}

impl Places {
    /// Those of the data folder at `root`, which need not be there.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.root.join("retort.db")
    }

    /// What people launched, imported and shared, beside the database.
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger.jsonl")
    }

    /// Named addresses of lists and comparisons.
    pub fn views(&self) -> PathBuf {
        self.root.join("views.json")
    }

    /// The folder with a folder for each run.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// The folder of imported and fetched datasets.
    pub fn datasets(&self) -> PathBuf {
        self.root.join("datasets")
    }

    /// The folder of imported models.
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// The folder of frozen copies.
    pub fn shares(&self) -> PathBuf {
        self.root.join("shares")
    }

    /// The folder of bundles from elsewhere, each under the number of its experiment.
    pub fn bundles(&self) -> PathBuf {
        self.root.join("bundles")
    }

    /// The folder of daily backups.
    pub fn backups(&self) -> PathBuf {
        self.root.join("backups")
    }

    /// The folder of what is being uploaded, on the same disk as the models.
    pub fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }
}

/// The highest number that a name in this folder begins with.
fn highest_number(folder: &Path) -> i64 {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.split('.').next()?.parse().ok()).max().unwrap_or(0)
}

fn lock(root: &Path) -> Result<File> {
    let path = root.join("server.lock");
    let cannot = || format!("cannot write {}", path.display());
    let mut options = OpenOptions::new();
    let mut file = options.create(true).truncate(false).read(true).write(true).open(&path).with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // Only a help for the reader; without it the sentence still says what to do.
            let _ = file.read_to_string(&mut owner);
            let process = owner.trim().parse::<u32>().map(|id| format!(" (process {id})")).unwrap_or_default();
            bail!(
                "another Retort server{process} uses {}: stop that one, or name another folder with --data",
                root.display()
            );
        }
        Err(TryLockError::Error(e)) => return Err(e).with_context(cannot),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .with_context(cannot)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_on_the_same_folder_is_told_which_process_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataFolder::open(dir.path()).unwrap();
        let error = DataFolder::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()) && error.contains("--data"), "{error}");
        drop(first);
        assert!(DataFolder::open(dir.path()).is_ok());
    }

    #[test]
    fn what_was_left_of_an_upload_is_swept_and_what_was_imported_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(dir.path()).unwrap();
        let (half, model) = (folder.uploads().join("half"), folder.models().join("1.safetensors"));
        fs::write(&half, "half").unwrap();
        fs::write(&model, "weights").unwrap();
        drop(folder);
        assert_eq!(DataFolder::open(dir.path()).unwrap().left_uploads(), ["half"]);
        assert!(!half.exists() && model.exists());
    }

    #[test]
    fn uploads_are_swept_while_a_process_of_the_server_before_still_writes_there() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataFolder::open(dir.path()).unwrap());
        let (stop, half) = (std::sync::atomic::AtomicBool::new(false), dir.path().join("uploads/half"));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = fs::create_dir_all(&half);
                    (0..20).for_each(|i| drop(fs::write(half.join(i.to_string()), "half")));
                }
            });
            let opened: Vec<Result<()>> = (0..200).map(|_| DataFolder::open(dir.path()).map(drop)).collect();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(opened.iter().all(Result::is_ok), "{opened:?}");
        });
        drop(DataFolder::open(dir.path()).unwrap());
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(ASIDE)), "{left:?}");
    }

    #[test]
    fn the_highest_numbers_are_those_of_run_folders_and_model_files() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(dir.path()).unwrap();
        assert_eq!(folder.highest_numbers(), (0, 0));
        for name in ["runs/9", "runs/12.other-1", "runs/lost+found"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::write(folder.models().join("3.safetensors"), "weights").unwrap();
        assert_eq!(folder.highest_numbers(), (12, 3));
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataFolder::open(file.path()).unwrap_err().to_string();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }
}
