//! Figures as files, and pages with many of them: few are made at once, as each takes memory and time, and the last ones are
//! kept.

use std::{
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    thread::available_parallelism,
};

use axum::body::Bytes;
use retort_web::figures::{Figure, FigureFormat};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::errors::{PageError, Result};

/// Drawings that are made at once, at most. One of a large gallery takes about 150 MB for about a second.
const AT_ONCE: usize = 2;
/// Requests that wait for their turn.
const WAITING: usize = 64;
/// Bytes of all files that are kept.
const KEPT: usize = 64 << 20;

/// What a file is of: the digest of the drawing, and the format.
type Key = ([u8; 32], &'static str);

/// Makes files of figures.
#[derive(Clone, Debug)]
pub struct Drawings {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// The last files, the oldest first.
    kept: Arc<Mutex<Vec<(Key, Bytes)>>>,
}

/// A turn to draw something large, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _turn: OwnedSemaphorePermit,
}

impl Default for Drawings {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self {
            turns: Arc::new(Semaphore::new(cores.clamp(1, AT_ONCE))),
            places: Arc::new(Semaphore::new(WAITING)),
            kept: Arc::default(),
        }
    }
}

impl Drawings {
    /// The file of a figure. The same drawing is made once, as long as its file is kept.
    ///
    /// # Errors
    /// When too many requests wait already, or the figure cannot be drawn.
    pub async fn file(&self, figure: Figure, format: FigureFormat) -> Result<Bytes> {
        let drawn = blocking(move || {
            let svg = FigureFormat::Svg.write(&figure)?;
            Ok((Sha256::digest(&svg).into(), svg, figure))
        });
        let (digest, svg, figure) = drawn.await?;
        if format == FigureFormat::Svg {
            return Ok(svg.into());
        }
        drop(svg);
        let key = (digest, format.extension());
        if let Some(file) = self.find(&key) {
            return Ok(file);
        }
        let turn = self.turn().await?;
        // Whoever had the turn before may have drawn the same.
        if let Some(file) = self.find(&key) {
            return Ok(file);
        }
        let file: Bytes = blocking(move || {
            let _turn = turn;
            format.write(&figure)
        })
        .await?
        .into();
        self.keep(key, file.clone());
        Ok(file)
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// When too many requests wait already.
    pub async fn turn(&self) -> Result<Turn> {
        let Ok(_place) = self.places.clone().try_acquire_owned() else { return Err(PageError::busy()) };
        let turn = self.turns.clone().acquire_owned().await.map_err(|e| PageError::internal(&e))?;
        Ok(Turn { _turn: turn })
    }

    fn find(&self, key: &Key) -> Option<Bytes> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(own, _)| own == key).map(|(_, file)| file.clone())
    }

    fn keep(&self, key: Key, file: Bytes) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((key, file));
        while kept.iter().map(|(_, file)| file.len()).sum::<usize>() > KEPT {
            kept.remove(0);
        }
    }
}

/// Does work that would hold up other requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::result::Result<T, String> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|e| PageError::internal(&e))?;
    done.map_err(|e| PageError::internal(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn few_draw_at_once_and_who_would_wait_behind_many_is_told_so() {
        let drawings = Drawings::default();
        let mut turns = Vec::new();
        for _ in 0..drawings.turns.available_permits() {
            turns.push(drawings.turn().await.unwrap());
        }
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let drawings = drawings.clone();
                tokio::spawn(async move { drawings.turn().await.is_ok() })
            })
            .collect();
        while drawings.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(drawings.turn().await.is_err());
        drop(turns);
        for one in waiting {
            assert!(one.await.unwrap());
        }
    }

    #[test]
    fn the_last_files_are_kept_up_to_a_size() {
        let drawings = Drawings::default();
        let third = Bytes::from(vec![0; KEPT / 3]);
        for i in 0..4 {
            drawings.keep(([i; 32], "png"), third.clone());
        }
        assert_eq!(
            (0..4).map(|i| drawings.find(&([i; 32], "png")).is_some()).collect::<Vec<_>>(),
            [false, true, true, true]
        );
        assert_eq!(drawings.find(&([3; 32], "pdf")), None);
    }
}
