//! The journal of a run: what happened, one line each, only ever appended to.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use retort_spec::{Event, Record};

use crate::{EngineError, Result, crash_point};

/// An open journal.
pub(crate) struct Journal<'a> {
    file: File,
    path: PathBuf,
    attempt: u32,
    /// Epochs whose metrics are written, evaluations, and checks: a resumed run reports none of them twice.
    metrics: usize,
    evaluations: usize,
    checks: usize,
    observe: &'a mut dyn FnMut(&Record),
}

impl<'a> Journal<'a> {
    /// Opens the journal at `path` to append to it. A last line that a crash cut short is removed; no reader took it,
    /// since it has no end.
    pub(crate) fn open(path: &Path, attempt: u32, observe: &'a mut dyn FnMut(&Record)) -> Result<Self> {
        let fault = |e| EngineError::io(path, e);
        let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        let mut file = open.map_err(fault)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(fault)?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        file.set_len(whole as u64).map_err(fault)?;
        file.seek(SeekFrom::End(0)).map_err(fault)?;
        let (mut metrics, mut evaluations, mut checks) = (0, 0, 0);
        for line in text[..whole].split(|b| *b == b'\n') {
            match serde_json::from_slice::<Record>(line).map(|r| r.event) {
                Ok(Event::Metrics { epoch, .. }) => metrics = metrics.max(epoch),
                Ok(Event::Evaluation { .. }) => evaluations += 1,
                Ok(Event::Check(_)) => checks += 1,
                _ => {}
            }
        }
        Ok(Self { file, path: path.to_owned(), attempt, metrics, evaluations, checks, observe })
    }

    /// Appends an event, unless an earlier attempt has reported it.
    pub(crate) fn write(&mut self, event: Event) -> Result<()> {
        if let Event::Metrics { epoch, .. } = event {
            if epoch <= self.metrics {
                return Ok(());
            }
            self.metrics = epoch;
        }
        let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let record = Record { at, attempt: self.attempt, event };
        let fault = |e| EngineError::io(&self.path, e);
        let mut line = serde_json::to_vec(&record).map_err(|e| fault(e.into()))?;
        line.push(b'\n');
        // One write for the whole line: a reader sees it whole or not at all.
        self.file.write_all(&line).map_err(fault)?;
        crash_point("journal.appended");
        if !matches!(record.event, Event::Progress { .. }) {
            self.file.sync_data().map_err(fault)?;
        }
        (self.observe)(&record);
        Ok(())
    }

    /// Evaluations that stood in the journal when it was opened.
    pub(crate) const fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// Masking checks that stood in the journal when it was opened.
    pub(crate) const fn checks(&self) -> usize {
        self.checks
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use retort_spec::{Metric, Stage};

    use super::*;

    fn metrics(epoch: usize) -> Event {
        Event::Metrics { stage: Stage::Train, epoch, values: BTreeMap::from([(Metric::TrainLoss, 0.5)]) }
    }

    #[test]
    fn a_reopened_journal_drops_a_torn_line_and_reports_no_epoch_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        Journal::open(&path, 1, &mut |_| {}).unwrap().write(metrics(1)).unwrap();
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("{\"at\":\"2026-01-01T");
        fs::write(&path, text).unwrap();
        let mut seen = 0;
        let mut observe = |_: &Record| seen += 1;
        let mut journal = Journal::open(&path, 2, &mut observe).unwrap();
        journal.write(metrics(1)).unwrap();
        journal.write(metrics(2)).unwrap();
        drop(journal);
        let text = fs::read_to_string(&path).unwrap();
        let epochs: Vec<Record> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(epochs.iter().map(|r| r.attempt).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(seen, 1);
    }
}
