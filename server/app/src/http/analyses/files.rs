//! What analyses left in their folders, kept in memory: a finished one never changes, and a page reads it again and again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use retort_engine::RunFolder;
use retort_web::analyses::AnalysisFiles;

use super::super::errors::{PageError, Result};

/// Analyses that are kept. Most take some hundred kilobytes, the largest galleries three megabytes.
const KEPT: usize = 16;

/// The files of finished analyses by run.
#[derive(Debug, Default)]
pub struct FilesOfAnalyses(Mutex<HashMap<i64, Arc<AnalysisFiles>>>);

impl FilesOfAnalyses {
    /// What a finished analysis left in its folder; none when that cannot be read.
    pub async fn of(&self, run: i64, folder: RunFolder) -> Result<Option<Arc<AnalysisFiles>>> {
        if let Some(files) = self.kept().get(&run) {
            return Ok(Some(files.clone()));
        }
        let read = tokio::task::spawn_blocking(move || read(&folder));
        let Some(files) = read.await.map_err(|e| PageError::internal(&e))?.map(Arc::new) else { return Ok(None) };
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(run, files.clone());
        Ok(Some(files))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Arc<AnalysisFiles>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(folder: &RunFolder) -> Option<AnalysisFiles> {
    let result = serde_json::from_slice(&std::fs::read(folder.analysis()).ok()?).ok()?;
    Some(AnalysisFiles { result, sheet: std::fs::read(folder.gallery()).ok() })
}
