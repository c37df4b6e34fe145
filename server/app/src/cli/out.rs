//! The files that commands write.

use std::path::Path;

use anyhow::{Result, bail};

/// Refuses a file whose folder is not there, before anything is computed for it.
///
/// # Errors
/// Naming the folder.
pub fn check(file: &Path) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    if let Some(folder) = folder {
        bail!("{}: there is no folder {}: make it, or name another file", file.display(), folder.display());
    }
    Ok(())
}
