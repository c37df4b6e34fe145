//! What imports and downloads that did not end leave in a library's folder.

use std::fs;

use super::{Library, official};
use crate::{EngineError, Result};

impl Library {
    /// Bytes that an interrupted download of this dataset of [`Library::fetchable`] left, with which the next
    /// [`Library::fetch`] begins; 0 where there are none.
    pub fn downloaded(&self, name: &str) -> u64 {
        fs::metadata(self.part(name)).map_or(0, |part| part.len())
    }

    /// Removes them.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn discard_download(&self, name: &str) -> Result<()> {
        let is_known = official::ALL.iter().any(|official| official.name == name);
        let part = self.part(name);
        if is_known && part.exists() { fs::remove_file(&part).map_err(|e| EngineError::io(&part, e)) } else { Ok(()) }
    }

    /// Removes the half-written datasets of those processes that `is_gone` knows to have ended.
    ///
    /// # Errors
    /// When the folder cannot be read or a half-written dataset cannot be removed.
    pub fn discard_unfinished(&self, is_gone: impl Fn(u32) -> bool) -> Result<()> {
        if !self.dir.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.dir).map_err(|e| EngineError::io(&self.dir, e))? {
            let path = entry.map_err(|e| EngineError::io(&self.dir, e))?.path();
            let writer = path.file_name().and_then(|name| writer_of(name.to_str()?));
            if writer.is_some_and(&is_gone) {
                fs::remove_dir_all(&path).map_err(|e| EngineError::io(&path, e))?;
            }
        }
        Ok(())
    }
}

/// The process that writes the folder of this name, `.pets.4711.tmp`; none where the folder is something else.
fn writer_of(name: &str) -> Option<u32> {
    let (_, process) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
    process.parse().ok()
}
