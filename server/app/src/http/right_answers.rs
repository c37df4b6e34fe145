//! Which answers of evaluations were right, kept in memory: a finished evaluation never changes, and every page of a
//! comparison tests its rows by them.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use retort_engine::Outcomes;
use retort_spec::RunState;
use retort_web::{RightAnswers, RunRow};

use super::errors::{PageError, Result};
use crate::scheduler::Control;

/// Evaluations that are kept: of 10,000 images under three attacks each takes 40 kB.
const KEPT: usize = 1_000;

/// The right answers of finished evaluations by run.
#[derive(Debug, Default)]
pub struct RightAnswersOfEvaluations(Mutex<HashMap<i64, Arc<RightAnswers>>>);

impl RightAnswersOfEvaluations {
    /// Those of the finished evaluations among these runs. One whose file cannot be read has none.
    pub async fn of(
        &self,
        runs: impl Iterator<Item = &RunRow>,
        control: &Control,
    ) -> Result<HashMap<i64, Arc<RightAnswers>>> {
        let finished = runs.filter(|run| run.label.is_evaluation() && run.state == RunState::Finished);
        let mut found = HashMap::new();
        let mut files = Vec::new();
        {
            let kept = self.kept();
            for run in finished.map(|run| run.label.id) {
                match kept.get(&run) {
                    Some(answers) => {
                        found.insert(run, answers.clone());
                    }
                    None => files.push((run, control.folder(run).outcomes())),
                }
            }
        }
        if files.is_empty() {
            return Ok(found);
        }
        let read = move || {
            let outcomes = files.into_iter().filter_map(|(run, file)| Some((run, Outcomes::load(&file).ok()?)));
            outcomes.map(|(run, outcomes)| (run, Arc::new(right(&outcomes)))).collect::<Vec<_>>()
        };
        let fresh = tokio::task::spawn_blocking(read).await.map_err(|e| PageError::internal(&e))?;
        let mut kept = self.kept();
        if kept.len() + fresh.len() > KEPT {
            kept.clear();
        }
        kept.extend(fresh.iter().cloned());
        found.extend(fresh);
        Ok(found)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Arc<RightAnswers>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn right(outcomes: &Outcomes) -> RightAnswers {
    // Two evaluations are of the same images if they are of the same choice of the same dataset, and its labels agree.
    let mut images = DefaultHasher::new();
    (&outcomes.dataset.name, outcomes.dataset.test_images, &outcomes.labels).hash(&mut images);
    let under = outcomes.predictions.iter().map(|(attack, answers)| {
        (attack.clone(), answers.iter().zip(&outcomes.labels).map(|(answer, label)| *answer == Some(*label)).collect())
    });
    RightAnswers { images: images.finish(), under: under.collect() }
}
