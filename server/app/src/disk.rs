//! Room on the disk.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use retort_engine::test_setting;
use retort_web::format;

/// Below this many free bytes no run is started: a checkpoint of the largest model and the database need room to be
/// replaced as a whole.
const FLOOR: u64 = 1 << 30;

/// [`FLOOR`], or what a test on a small disk sets.
pub fn floor() -> u64 {
    test_setting("RETORT_DISK_FLOOR").and_then(|bytes| bytes.parse().ok()).unwrap_or(FLOOR)
}

/// Free bytes on the disk that holds `path`, for a user without privileges; none when the system does not tell.
pub fn free(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Bytes of the disk that holds `path`; none when the system does not tell.
pub fn size(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_blocks.saturating_mul(disk.f_frsize))
}

/// The room that was promised to files which are still being written, so that several at once do not fill the disk.
/// Clones speak of the same promises.
#[derive(Clone, Debug, Default)]
pub struct Room {
    promised: Arc<Mutex<u64>>,
}

/// Room that was promised to one file. What is left of the promise ends with this value.
#[derive(Debug)]
pub struct Reservation {
    room: Room,
    bytes: u64,
}

impl Room {
    /// Promises `bytes` on the disk that holds `path`, where the floor and all other promises are still met. Where the
    /// system does not tell how much is free, everything is promised.
    ///
    /// # Errors
    /// In words, when there is too little.
    pub fn reserve(&self, path: &Path, bytes: u64) -> Result<Reservation, String> {
        let mut promised = self.promised();
        let needed = bytes.saturating_add(*promised).saturating_add(floor());
        if let Some(free) = free(path).filter(|free| *free < needed) {
            let others = match *promised {
                0 => String::new(),
                promised => format!(", {} of them promised to what is coming in already", format::bytes(promised)),
            };
            return Err(format!(
                "The disk has {} free{others}; this needs {}, and {} stay free for runs.",
                format::bytes(free),
                format::bytes(bytes),
                format::bytes(floor())
            ));
        }
        *promised += bytes;
        Ok(Reservation { room: self.clone(), bytes })
    }

    fn promised(&self) -> MutexGuard<'_, u64> {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// So many more bytes are written: they are no longer promised, as they are no longer free.
    pub fn fill(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        *self.room.promised() -= bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.fill(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_folder_has_a_known_amount_of_room_and_a_missing_one_has_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free(dir.path()).is_some());
        assert!(free(&dir.path().join("missing")).is_none());
    }

    #[test]
    fn room_is_promised_once_and_comes_back_when_it_is_filled_or_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room::default();
        // Other tests write to the same disk meanwhile: all but the half that is free now is out of their reach.
        let half = free(dir.path()).unwrap() / 2;
        let mut first = room.reserve(dir.path(), half).unwrap();
        let message = room.reserve(dir.path(), half).unwrap_err();
        assert!(message.contains("promised to what is coming in already"), "{message}");
        first.fill(half / 2);
        assert_eq!(*room.promised(), half - half / 2);
        drop(first);
        assert_eq!(*room.promised(), 0);
        assert!(room.reserve(dir.path(), u64::MAX).unwrap_err().contains("stay free for runs"));
    }
}
