//! Runs that have a worker: what it wrote, whether it lives, how it ended.

use std::{io, time::Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use retort_engine::crash_point;
use retort_spec::{LogLevel, RunState};
use retort_store::Run;

use super::{Scheduler, Worker, follower::read_on, printed, silence::Look};

/// Attempts that may vanish before the run fails.
const MOST_LOST_WORKERS: u32 = 3;

impl Scheduler {
    /// Reads on in a run's journal; ends a cancelled worker that does not listen; judges a run whose worker is gone.
    pub(super) async fn watch(&mut self, run: &Run) -> Result<()> {
        // Asked before the journal is read: what a worker wrote before its end is then read before it is judged.
        let worker = self.executor.worker(run.id);
        if worker != Worker::Alive {
            self.control.silences.remove(run.id);
        }
        let went_on = match self.follow(run).await {
            Ok(went_on) => went_on,
            Err(fault) => return self.give_up_unreadable(run, worker != Worker::Alive, fault).await,
        };
        self.unreadable.remove(&run.id);
        let before = run.state;
        let run = self.control.store.run(run.id).await?;
        if run.state == before {
            if went_on {
                self.control.live.run_went_on(&run);
            }
        } else {
            self.control.live.run_changed(&run);
            tracing::info!(run = run.id, attempt = run.attempt, state = run.state.id(), "{}", run.cause);
        }
        if run.state == RunState::Lost {
            // A server that was killed between two changes left it so.
            return self.after_loss(&run).await;
        }
        if !run.state.is_active() {
            return Ok(());
        }
        match worker {
            Worker::Alive => {
                let log = self.control.folder(run.id).worker_log();
                printed::shorten(&log).with_context(|| format!("shortening {}", log.display()))?;
                self.press_for_cancel(&run)?;
                self.look_for_life(&run).await
            }
            Worker::Gone(ending) => self.judge(&run, ending.as_deref()).await,
            Worker::LeftOff => self.take_back(&run).await,
        }
    }

    /// Tells of a worker that lives and shows no sign of it, and ends it when it has not for long.
    async fn look_for_life(&mut self, run: &Run) -> Result<()> {
        let silences = self.control.silences.clone();
        let minutes = silences.ended_after.as_secs() / 60;
        match silences.look(run.id, self.control.folder(run.id).last_sign_of_life()) {
            Look::Well => {}
            Look::Silent => {
                let message = format!(
                    "The worker shows no sign of life: it was stopped, or hangs. After {minutes} min of silence it is ended."
                );
                tracing::warn!(run = run.id, "{message}");
                self.control.store.log(run.id, run.attempt, LogLevel::Warning, &message).await?;
                self.control.live.run_changed(run);
            }
            Look::TooLong => {
                self.ended.insert(run.id, format!("it showed no sign of life for {minutes} min and was ended"));
                self.executor.kill(run.id).context("killing its worker")?;
            }
        }
        Ok(())
    }

    /// Fails a run whose worker is gone and whose journal could not be read for a while: nobody will ever write its end.
    async fn give_up_unreadable(&mut self, run: &Run, is_gone: bool, fault: anyhow::Error) -> Result<()> {
        let is_of_journal = fault.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some());
        let since = *self.unreadable.entry(run.id).or_insert_with(Instant::now);
        if !(is_gone && is_of_journal && since.elapsed() >= self.journal_patience) {
            return Err(fault);
        }
        let cause = format!("Its worker is gone, and what it wrote cannot be read: {fault:#}");
        self.change(run, RunState::Failed, &cause).await?;
        self.unreadable.remove(&run.id);
        self.control.live.run_changed(run);
        Ok(())
    }

    /// Queues a run again whose worker left off because of a fault of the machine. That is no loss: it is tried for as long as
    /// the fault stays.
    async fn take_back(&mut self, run: &Run) -> Result<()> {
        if run.cancel_requested_at.is_some() {
            return self.judge(run, None).await;
        }
        let words = printed::last_words(&self.control.folder(run.id).worker_log());
        let reason = format!(
            "Its worker left off: {}.",
            words.as_deref().unwrap_or("a fault of the machine that it could not write down")
        );
        self.change(run, RunState::Queued, &reason).await?;
        self.hinder(run, &reason).await?;
        self.control.live.run_changed(run);
        Ok(())
    }

    /// Takes over everything that the worker has written so far; true where that is something.
    async fn follow(&self, run: &Run) -> Result<bool> {
        let journal = self.control.folder(run.id).journal();
        let mut offset = run.journal_offset;
        while let Some(chunk) = read_on(&journal, offset, run.attempt).context("reading its journal")? {
            offset = chunk.bytes.end;
            crash_point("journal.read");
            self.control.store.record_journal(run.id, chunk.bytes, &chunk.records).await?;
            crash_point("journal.recorded");
        }
        Ok(offset != run.journal_offset)
    }

    fn press_for_cancel(&mut self, run: &Run) -> Result<()> {
        let Some(since) = run.cancel_requested_at else { return Ok(()) };
        let folder = self.control.folder(run.id);
        if !folder.cancel_requested() {
            // The server was killed after it had noted the wish and before it told the worker.
            folder.request_cancel()?;
        }
        let waited = Timestamp::now().duration_since(since).unsigned_abs();
        if waited >= self.cancel_grace {
            self.executor.kill(run.id).context("killing its worker")?;
        }
        Ok(())
    }

    /// Decides about a run whose worker is gone without a final record.
    async fn judge(&mut self, run: &Run, ending: Option<&str>) -> Result<()> {
        let ended = self.ended.remove(&run.id);
        let ending = ended.as_deref().or(ending);
        let store = &self.control.store;
        if run.cancel_requested_at.is_some() {
            self.change(run, RunState::Cancelled, "cancelled by a person; its worker was ended").await?;
            self.control.live.run_changed(run);
            return Ok(());
        }
        let ending = ending.map(|words| format!(" ({words})")).unwrap_or_default();
        let last_words = match printed::last_words(&self.control.folder(run.id).worker_log()) {
            Some(words) => format!("Last words: {words}"),
            None => "It printed nothing.".into(),
        };
        let cause = format!("Its worker ended without a final record{ending}. {last_words}");
        self.change(run, RunState::Lost, &cause).await?;
        crash_point("loss.noted");
        let run = store.run(run.id).await?;
        self.after_loss(&run).await
    }

    /// Queues a lost run again, or gives it up.
    async fn after_loss(&self, run: &Run) -> Result<()> {
        let store = &self.control.store;
        if run.lost_workers < MOST_LOST_WORKERS {
            let next = run.lost_workers + 1;
            let cause = format!("Queued again for attempt {next} of at most {MOST_LOST_WORKERS}. {}", run.cause);
            store.log(run.id, run.attempt, LogLevel::Warning, &cause).await?;
            self.change(run, RunState::Queued, &cause).await?;
        } else {
            let cause = format!("Given up after {MOST_LOST_WORKERS} attempts whose workers vanished. {}", run.cause);
            self.change(run, RunState::Failed, &cause).await?;
        }
        self.control.live.run_changed(run);
        Ok(())
    }
}
