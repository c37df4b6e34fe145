//! Which figures of a bundle were found again.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use retort_engine::Outcomes;
use retort_spec::Confirmation;

use super::{BundledRun, Opened};

/// Holds what an evaluation found here against what it found where the bundle is from, figure by figure.
///
/// # Errors
/// When a file is missing or damaged, or they are of other images.
pub fn confirmations(opened: &Opened, run: &BundledRun, found: &Path) -> Result<Vec<Confirmation>> {
    let reported = Outcomes::load(&opened.outcomes(run))?;
    let found = Outcomes::load(found)?;
    ensure!(
        reported.labels == found.labels && reported.predictions.len() == found.predictions.len(),
        "run {} of the bundle was shown other images, or made other attacks",
        run.id
    );
    let pairs = reported.predictions.iter().zip(&found.predictions);
    let confirmed = pairs.map(|((_, before), (_, now))| Confirmation::of(&reported.labels, before, now));
    confirmed.collect::<Option<Vec<_>>>().context("the answers are of different numbers of images")
}
