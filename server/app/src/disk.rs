//! Room on the disk.

use std::path::Path;

/// Below this many free bytes no run is started: a checkpoint of the largest model and the database need room to be
/// replaced as a whole.
pub const FLOOR: u64 = 1 << 30;

/// Free bytes on the disk that holds `path`, for a user without privileges; none when the system does not tell.
pub fn free(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_existing_folder_has_a_known_amount_of_room_and_a_missing_one_has_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(super::free(dir.path()).is_some());
        assert!(super::free(&dir.path().join("missing")).is_none());
    }
}
