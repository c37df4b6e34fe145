//! Reading a worker's journal on from where it was left.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
};

use jiff::Timestamp;
use retort_spec::{Event, LogLevel, Record};

/// Bytes that are read at once.
const CHUNK: u64 = 4 << 20;

/// Lines that were read, and where they stand in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// The bytes that the lines take.
    pub bytes: Range<u64>,
    /// What the lines say. A line that does not say anything readable is reported in the run's log.
    pub records: Vec<Record>,
}

/// Reads the complete lines that stand behind `offset`; none when there is none yet. A line is complete with its end: what
/// a worker is just writing, or what a killed one left half-written, waits.
///
/// # Errors
/// When the journal is there and cannot be read.
pub fn read_on(journal: &Path, offset: u64, attempt: u32) -> io::Result<Option<Chunk>> {
    let mut file = match File::open(journal) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(CHUNK).read_to_end(&mut bytes)?;
    let complete = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => last + 1,
        // No worker of ours writes such a line, and waiting for its end could last forever.
        None if bytes.len() as u64 == CHUNK => bytes.len(),
        None => return Ok(None),
    };
    let mut records = Vec::new();
    let mut at = offset;
    for line in bytes[..complete].split_inclusive(|byte| *byte == b'\n') {
        if !line.trim_ascii().is_empty() {
            records.push(serde_json::from_slice(line).unwrap_or_else(|fault| unreadable(at, attempt, &fault)));
        }
        at += line.len() as u64;
    }
    Ok(Some(Chunk { bytes: offset..at, records }))
}

fn unreadable(at: u64, attempt: u32, fault: &serde_json::Error) -> Record {
    let message = format!("the line at byte {at} of journal.jsonl cannot be read and was skipped: {fault}");
    let event = Event::Log { level: LogLevel::Warning, message };
    Record { at: Timestamp::now().to_string(), attempt, event }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOPPED: &str = r#"{"at":"2026-01-01T00:00:00Z","attempt":1,"event":"stopped"}"#;

    fn read(content: &str, offset: u64) -> Option<Chunk> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        read_on(file.path(), offset, 1).unwrap()
    }

    #[test]
    fn a_line_without_its_end_waits() {
        let length = STOPPED.len() as u64 + 1;
        let chunk = read(&format!("{STOPPED}\n{STOPPED}"), 0).unwrap();
        assert_eq!((chunk.records.len(), chunk.bytes), (1, 0..length));
        assert_eq!(read(&format!("{STOPPED}\n{STOPPED}"), length), None);
        assert_eq!(read(&format!("{STOPPED}\n{STOPPED}\n"), length).unwrap().bytes, length..2 * length);
    }

    #[test]
    fn a_line_that_is_no_record_is_reported_with_its_place_and_the_next_is_read() {
        let chunk = read(&format!("\n{{\"at\":12,\u{fffd}\n{STOPPED}\n"), 0).unwrap();
        assert!(matches!(&chunk.records[0].event, Event::Log { message, .. } if message.contains("byte 1 ")));
        assert_eq!(chunk.records[1].event, Event::Stopped {});
    }

    #[test]
    fn a_journal_that_is_not_there_yet_or_became_shorter_has_nothing_to_read() {
        assert_eq!(read_on(Path::new("/nowhere/journal.jsonl"), 0, 1).unwrap(), None);
        assert_eq!(read(STOPPED, 10_000), None);
    }
}
