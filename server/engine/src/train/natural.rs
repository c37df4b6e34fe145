//! What the network in training answers to the test images.

use retort_spec::{Accuracy, Event, LogLevel};

use super::Training;
use crate::{EngineError, Result, answers::counted, natural::Natural};

impl Training<'_, '_, '_, '_> {
    /// The natural accuracy on the test images after `epoch` epochs; with `is_end`, a collapse is said too, as the model stays
    /// so.
    ///
    /// # Errors
    /// [`EngineError::Diverged`] when an image is answered with numbers that are not finite: those of batch norm's running
    /// statistics, which later epochs do not mend, can be so while the loss is not.
    pub(super) fn natural_accuracy(&mut self, epoch: usize, is_end: bool) -> Result<Accuracy> {
        let test = &self.dataset.test;
        let natural = Natural::of(&mut self.network, test, &self.context.device)?;
        let unanswered = natural.unanswered();
        if !unanswered.is_empty() {
            let images = counted(&unanswered, test.len(), "test images");
            return Err(EngineError::Diverged(format!(
                "after epoch {epoch} the network answers {images} with numbers that are not finite: lower the learning rate"
            )));
        }
        if is_end && let Some(collapse) = natural.variety(self.dataset).collapse() {
            let message = format!("The model has collapsed: it {collapse}.");
            self.context.journal.write(Event::Log { level: LogLevel::Warning, message })?;
        }
        Ok(natural.accuracy(test))
    }
}
