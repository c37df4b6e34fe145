//! The orders in which runs can be listed.

use retort_spec::{Architecture, Metric};

use super::FROM;
use crate::db::keyset::Keyset;

/// By what runs are ordered. Those without the value come last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunKey {
    /// By their numbers, and so by when they were launched.
    #[default]
    Id,
    /// By method, variant, architecture and seed.
    Model,
    /// By what they do.
    Kind,
    /// By the dataset.
    Dataset,
    /// By state: what is under way comes first, then what waits, what needs a person, and what is done.
    State,
    /// By the natural accuracy that they measured, or reached last in training.
    Result,
    /// By how long they computed.
    Took,
    /// By when they came to their state.
    Since,
    /// By how many parameters their model has.
    ModelSize,
    /// By the accuracy of the model that they trained, under the attack of this name; under none where it is empty.
    ModelAccuracy(&'static str),
}

/// An order of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOrder {
    /// By what.
    pub key: RunKey,
    /// Whether the highest, or the last of the alphabet, come first.
    pub is_descending: bool,
}

impl Default for RunOrder {
    /// The newest first.
    fn default() -> Self {
        Self { key: RunKey::Id, is_descending: true }
    }
}

/// States in their order.
const STATES: &str = "running starting queued lost failed diverged cancelled finished";

impl RunOrder {
    /// The same for a query of [`SELECT`](super::SELECT).
    pub(super) fn keyset(self) -> Keyset<'static> {
        // What has no value stands behind all that have one.
        let missing = if self.is_descending { "-1e300" } else { "1e300" };
        let accuracy = "100.0 * evaluations.correct / evaluations.n";
        let key = match self.key {
            RunKey::Id => None,
            RunKey::Model => Some(
                "iif(runs.kind = 'analyse', '', runs.method || ' ' || runs.variant || ' ' || runs.architecture || ' ' ||
                 printf('%020d', runs.seed))"
                    .into(),
            ),
            RunKey::Kind => Some("runs.kind || runs.is_teacher".into()),
            RunKey::Dataset => Some("runs.dataset".into()),
            RunKey::State => Some(format!("instr('{STATES}', runs.state)")),
            RunKey::Result => Some(format!(
                "coalesce(CASE runs.kind
                     WHEN 'evaluate' THEN
                         (SELECT {accuracy} FROM evaluations WHERE evaluations.run = runs.id AND evaluations.attack = '')
                     WHEN 'train' THEN
                         (SELECT value FROM metrics WHERE metrics.run = runs.id AND key = '{}' ORDER BY epoch DESC LIMIT 1)
                 END, {missing})",
                Metric::NaturalAccuracy.id()
            )),
            RunKey::Took => Some(format!(
                "coalesce(runs.seconds, (SELECT sum(unixepoch(coalesce(attempts.ended_at, 'now'), 'subsec')
                     - unixepoch(attempts.started_at, 'subsec')) FROM attempts WHERE attempts.run = runs.id), {missing})"
            )),
            RunKey::Since => Some("runs.state_since".into()),
            RunKey::ModelSize => {
                let sizes = Architecture::ALL.map(|one| format!("WHEN '{}' THEN {} ", one.id(), one.parameters()));
                Some(format!("CASE runs.architecture {}ELSE 0 END", sizes.concat()))
            }
            // CROSS keeps SQLite from looking for the evaluation by its method: from the training there are few.
            RunKey::ModelAccuracy(attack) => Some(format!(
                "coalesce((SELECT {accuracy} FROM run_needs CROSS JOIN runs AS evaluation ON evaluation.id = run_needs.run
                     CROSS JOIN evaluations ON evaluations.run = evaluation.id
                     WHERE run_needs.needs = runs.id AND evaluation.kind = 'evaluate' AND evaluation.method = runs.method
                         AND evaluation.variant = runs.variant AND evaluation.architecture = runs.architecture
                         AND evaluation.seed = runs.seed AND {} ORDER BY evaluation.id LIMIT 1), {missing})",
                match attack {
                    "" => "evaluations.attack = ''".to_owned(),
                    name => format!("evaluations.title LIKE '{name},%'"),
                }
            )),
        };
        Keyset { from: FROM, id: "runs.id", key, is_descending: self.is_descending }
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::{Accuracy, Attack, Event, MethodName, RunState, Stage};

    use super::*;
    use crate::{
        Cursor, RunFilter,
        testing::{TestStore, started},
    };

    const KEYS: [RunKey; 11] = [
        RunKey::Id,
        RunKey::Model,
        RunKey::Kind,
        RunKey::Dataset,
        RunKey::State,
        RunKey::Result,
        RunKey::Took,
        RunKey::Since,
        RunKey::ModelSize,
        RunKey::ModelAccuracy(""),
        RunKey::ModelAccuracy("PGD-20"),
    ];

    async fn page(test: &TestStore, key: RunKey, is_descending: bool, cursor: Cursor, limit: u32) -> Vec<i64> {
        let order = RunOrder { key, is_descending };
        let page = test.store.sorted_runs(&RunFilter::default(), order, cursor, limit).await.unwrap();
        page.rows.iter().map(|run| run.id).collect()
    }

    fn evaluation(attack: Option<Attack>, correct: usize) -> Event {
        let accuracy = Accuracy { correct, n: 100 };
        Event::Evaluation { attack, accuracy, unanswered: 0, standing: Vec::new(), variety: None }
    }

    /// Two demos; runs 2, 4, 6 of the first have measured something, training 3 has reached something.
    async fn measured() -> TestStore {
        let test = TestStore::new().await;
        test.demo().await;
        test.demo().await;
        for (run, natural, attacked) in [(2, 50, 40), (4, 70, 20), (6, 60, 30)] {
            test.walk(run, &[RunState::Starting, RunState::Running]).await;
            test.record(run, [evaluation(None, natural), evaluation(Some(Attack::pgd(20)), attacked)]).await;
        }
        test.walk(3, &[RunState::Starting]).await;
        let values = [(Metric::NaturalAccuracy, 65.0)].into();
        test.record(3, [started(), Event::Metrics { stage: Stage::Train, epoch: 1, values }]).await;
        test
    }

    #[tokio::test]
    async fn pages_of_every_order_join_without_gap_or_overlap_in_both_directions() {
        let test = measured().await;
        for key in KEYS {
            for is_descending in [false, true] {
                let all = page(&test, key, is_descending, Cursor::Newest, 100).await;
                assert_eq!(all.len(), 16);
                let mut joined = page(&test, key, is_descending, Cursor::Newest, 5).await;
                while let Some(last) = joined.last().copied() {
                    let next = page(&test, key, is_descending, Cursor::OlderThan(last), 5).await;
                    if next.is_empty() {
                        break;
                    }
                    joined.extend(next);
                }
                assert_eq!(joined, all, "{key:?}, descending: {is_descending}");
                let before = page(&test, key, is_descending, Cursor::NewerThan(all[9]), 5).await;
                assert_eq!(before, all[4..9], "{key:?}, descending: {is_descending}");
            }
        }
    }

    #[tokio::test]
    async fn runs_stand_by_what_they_measured_and_those_without_a_number_come_last() {
        let test = measured().await;
        assert_eq!(page(&test, RunKey::Result, true, Cursor::Newest, 4).await, [4, 3, 6, 2]);
        assert_eq!(page(&test, RunKey::Result, false, Cursor::Newest, 4).await, [2, 6, 3, 4]);
        // The trainings whose models they measured.
        assert_eq!(page(&test, RunKey::ModelAccuracy(""), true, Cursor::Newest, 3).await, [3, 5, 1]);
        assert_eq!(page(&test, RunKey::ModelAccuracy("PGD-20"), true, Cursor::Newest, 3).await, [1, 5, 3]);
    }

    #[tokio::test]
    async fn runs_stand_by_state_by_model_and_by_kind() {
        let test = measured().await;
        test.walk(8, &[RunState::Cancelled]).await;
        let by_state = page(&test, RunKey::State, false, Cursor::Newest, 100).await;
        assert_eq!((&by_state[..4], by_state[15]), (&[2, 3, 4, 6][..], 8));
        let (filter, order) = (RunFilter::default(), RunOrder { key: RunKey::Model, is_descending: false });
        let runs = test.store.sorted_runs(&filter, order, Cursor::Newest, 100);
        let methods: Vec<_> = runs.await.unwrap().rows.iter().map(|run| run.method).collect();
        assert_eq!((methods[0], methods[15]), (MethodName::ARD, MethodName::PGD_AT));
        let by_kind = page(&test, RunKey::Kind, false, Cursor::Newest, 16).await;
        assert_eq!((&by_kind[..3], by_kind[15]), (&[4, 6, 8][..], 9), "evaluations, then trainings, teachers last");
    }
}
