//! What a worker printed, in its file `worker.log`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// Bytes of the worker's last words.
const LAST_WORDS: u64 = 600;

/// Bytes that the file may have, and that are kept of a longer one.
const MOST: u64 = 16 << 20;
const KEPT: u64 = 1 << 20;

/// An empty file for a worker to print to. It appends, so that the file can be shortened meanwhile.
///
/// # Errors
/// When it cannot be written.
pub fn create(log: &Path) -> io::Result<File> {
    File::create(log)?;
    OpenOptions::new().append(true).open(log)
}

/// Keeps the end alone of a file that became too long: a library that complains for days fills no disk.
///
/// # Errors
/// When it is there and cannot be written.
pub fn shorten(log: &Path) -> io::Result<()> {
    let length = match log.metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata?.len(),
    };
    if length <= MOST {
        return Ok(());
    }
    let mut file = OpenOptions::new().read(true).append(true).open(log)?;
    file.seek(SeekFrom::Start(length - KEPT))?;
    let mut end = Vec::new();
    (&file).take(KEPT).read_to_end(&mut end)?;
    file.set_len(0)?;
    let text = format!("(What was printed before, {} MB, is left out.)\n", (length - KEPT) >> 20);
    file.write_all(&[text.as_bytes(), &end].concat())
}

/// The end of what the worker printed.
pub fn last_words(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS))).ok()?;
    let mut bytes = Vec::new();
    file.take(LAST_WORDS).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{fffd}').trim();
    if text.is_empty() { None } else { Some(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_the_end_of_a_long_log_and_nothing_of_an_empty_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(last_words(file.path()), None);
        std::fs::write(file.path(), format!("{}out of memory\n", "ε".repeat(5_000))).unwrap();
        let words = last_words(file.path()).unwrap();
        assert!(words.ends_with("out of memory") && words.starts_with('ε'), "{words}");
    }

    #[test]
    fn a_file_that_became_too_long_keeps_its_end_while_the_worker_prints_on() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut printed = create(log.path()).unwrap();
        printed.write_all(b"short\n").unwrap();
        shorten(log.path()).unwrap();
        assert_eq!(std::fs::read_to_string(log.path()).unwrap(), "short\n");
        printed.write_all("0123456789abcdef".repeat(1 << 20).as_bytes()).unwrap();
        shorten(log.path()).unwrap();
        printed.write_all(b"\nafter it").unwrap();
        let text = std::fs::read_to_string(log.path()).unwrap();
        assert!(text.starts_with("(What was printed before, 15 MB, is left out.)\n"), "{}", &text[..60]);
        assert!(text.ends_with("cdef\nafter it") && text.len() < (1 << 20) + 100, "{}", text.len());
        shorten(Path::new("/nowhere/worker.log")).unwrap();
    }
}
