//! `retort add-dataset`: the process in which a server fetches a dataset, or reads one of unknown origin.

use std::{
    io::{self, BufRead, Write},
    ops::ControlFlow,
    process::exit,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use retort_engine::data::{ImportOptions, Library, Links, Progress};

use super::memory;
use crate::arrivals::{Message, Order, Source};

/// The time between two reports.
const BEAT: Duration = Duration::from_millis(500);

/// Reads an [`Order`] from standard input, and writes what it does to standard output.
///
/// It ends with its input: the server that gave the order is gone then.
///
/// # Errors
/// When memory cannot be limited, or there is no order. What is wrong with a dataset is told as its last words.
pub fn add_dataset() -> Result<()> {
    memory::limit()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("reading the order")?;
    let order: Order = serde_json::from_str(&line).context("reading the order")?;
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        exit(1)
    });
    let latest = Arc::new(Mutex::new(None));
    let told = latest.clone();
    thread::spawn(move || {
        loop {
            thread::sleep(BEAT);
            let news: Option<Progress> = told.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(progress) = news {
                say(&progress.into());
            }
        }
    });
    let mut watch = |progress| {
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
        ControlFlow::Continue(())
    };
    let library = Library::new(&order.datasets);
    let added = match &order.source {
        Source::Address(url) => library.fetch(&order.name, Some(url), &mut watch),
        Source::File(upload) => {
            let options = ImportOptions {
                resize: upload.resize,
                links: Links::Refuse,
                test_percent: upload.test_percent,
                source_name: Some(upload.file_name.clone()),
            };
            library.import(&upload.path, &order.name, &options, &mut watch)
        }
    };
    say(&Message::Ended(added.map(|_| ()).map_err(|fault| fault.to_string())));
    Ok(())
}

/// Writes a line. Where nobody listens any more there is nothing to do about it: this process ends soon.
fn say(message: &Message) {
    if let Ok(line) = serde_json::to_string(message) {
        let _ = writeln!(io::stdout(), "{line}");
    }
}
