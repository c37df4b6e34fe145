//! Progress bars on the terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use retort_engine::data::{Progress, ProgressUnit};
use retort_spec::{CheckResult, Event, LogLevel, Metric, Record};
use retort_web::words::shown_in_lines;

/// A bar that follows a run's journal; figures of epochs are printed above it.
pub struct RunProgress {
    bar: ProgressBar,
}

impl RunProgress {
    /// An empty bar.
    pub fn new() -> Self {
        let bar = ProgressBar::new(1_000);
        bar.set_style(style("{bar:32} {percent:>3} %  {msg}"));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar }
    }

    /// Shows what happened.
    pub fn show(&self, record: &Record) {
        match &record.event {
            Event::Progress { stage, epoch, epochs, done, seconds_left, attack } => {
                self.bar.set_position((done * 1_000.0) as u64);
                let left = match *seconds_left {
                    seconds if seconds > 0.0 => retort_web::format::duration(seconds) + " left",
                    _ => String::new(),
                };
                let epoch = if *epochs > 0 { format!(", epoch {} of {epochs}", epoch + 1) } else { String::new() };
                let under = attack.as_ref().map(|at| format!(", {}, {} images", at.attack, at.standing));
                self.bar.set_message(format!("{}{epoch}{}  {left}", stage.title(), under.unwrap_or_default()));
            }
            Event::Metrics { stage, epoch, values } => {
                let of = |metric: Metric| values.get(&metric).copied();
                let mut line = format!("epoch {epoch} ({})", stage.title());
                if let Some(loss) = of(Metric::TrainLoss) {
                    line = format!("{line}: loss {loss:.4}");
                }
                if let Some(natural) = of(Metric::NaturalAccuracy) {
                    line = format!("{line}, natural accuracy {natural:.2} %");
                }
                self.print(&line);
            }
            Event::Check(CheckResult { check, verdict, finding, .. }) => {
                self.print(&format!("{verdict}: {check}. {finding}"));
            }
            Event::Log { level: LogLevel::Warning, message } => self.print(&format!("warning: {message}")),
            Event::Log { message, .. } => self.print(message),
            _ => {}
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn print(&self, line: &str) {
        let line = shown_in_lines(line);
        if self.bar.is_hidden() { complain!("{line}") } else { self.bar.println(line) }
    }
}

/// A bar for work on datasets.
pub struct DataProgress {
    bar: ProgressBar,
    what: &'static str,
}

impl DataProgress {
    /// An empty bar.
    pub fn new() -> Self {
        Self { bar: ProgressBar::no_length(), what: "" }
    }

    /// Shows how far the work is.
    pub fn show(&mut self, progress: &Progress) {
        if self.what != progress.what {
            self.what = progress.what;
            self.bar.reset();
            self.bar.set_style(match progress.unit {
                ProgressUnit::Bytes => style("{msg:16} {bar:32} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"),
                ProgressUnit::Images => style("{msg:16} {bar:32} {human_pos} of {human_len} images, {eta} left"),
                ProgressUnit::Files if progress.total.is_none() => style("{msg:16} {human_pos} files"),
                ProgressUnit::Files => style("{msg:16} {bar:32} {human_pos} of {human_len} files, {eta} left"),
            });
            self.bar.set_message(progress.what);
        }
        if let Some(total) = progress.total {
            self.bar.set_length(total);
        }
        self.bar.set_position(progress.done);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates above are constants that a test reads; an unreadable one would only cost the bar its looks.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ")
}
