//! Checking a question against the datasets that are there.

use crate::{ExperimentSpec, KnownDataset, Problem};

impl ExperimentSpec {
    /// What keeps it from being computed on the datasets that are there: all problems, each by the field's name. What is wrong by
    /// itself is told by [`Self::validate`].
    pub fn faults_on(&self, datasets: &[KnownDataset]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let find = |name: &str| datasets.iter().find(|dataset| dataset.name == name);
        for (i, probe) in self.probes.iter().enumerate() {
            match find(&probe.name) {
                Some(dataset) => dataset.check(&format!("probes[{i}]"), probe, &mut problems),
                None => {
                    problems.push(Problem::new("probes", format!("“{}” is not among the datasets here", probe.name)));
                }
            }
        }
        if self.dataset.name.trim().is_empty() {
            return problems;
        }
        let Some(dataset) = find(&self.dataset.name) else {
            let known: Vec<_> = datasets.iter().map(|dataset| dataset.name).collect();
            let message = format!("“{}” is not among the datasets here: {}", self.dataset.name, known.join(", "));
            problems.push(Problem::new("dataset", message));
            return problems;
        };
        dataset.check("dataset", &self.dataset, &mut problems);
        for attack in &self.attacks {
            let (fewest, there) = (attack.fewest_classes(), dataset.classes.len());
            if there < fewest {
                let message =
                    format!("{attack} needs {fewest} classes, and {} has {there}: leave it out", dataset.name);
                problems.push(Problem::new("attacks", message));
            }
        }
        let tested = self.dataset.test_images.unwrap_or(dataset.test);
        if self.masking_images.is_some_and(|images| images > tested) {
            let message = format!("models are evaluated on {tested} test images: check them on at most so many");
            problems.push(Problem::new("masking_images", message));
        }
        for analysis in &self.analyses {
            problems.extend(analysis.faults_on(&self.dataset, dataset).into_iter().map(|problem| {
                // An analysis has no images of its own: it takes the experiment's.
                let is_own = problem.field != "test_images";
                let field = if is_own { format!("analyses.{}", problem.field) } else { "dataset.test_images".into() };
                Problem { field, ..problem }
            }));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Analysis, DatasetChoice, Features};

    fn faults(spec: &ExperimentSpec) -> Vec<(String, String)> {
        let classes: Vec<String> = (0..10).map(|class| format!("class {class}")).collect();
        let known = [
            KnownDataset { name: "fashion-mnist-5k", classes: &classes, train: 4_000, test: 1_000 },
            KnownDataset { name: "tiny", classes: &classes[..2], train: 20, test: 20 },
        ];
        spec.faults_on(&known).into_iter().map(|problem| (problem.field, problem.message)).collect()
    }

    fn of(train: Option<usize>, validation: Option<usize>, test: Option<usize>) -> ExperimentSpec {
        let demo = ExperimentSpec::demo();
        let dataset = DatasetChoice {
            train_images: train,
            validation_images: validation,
            test_images: test,
            ..demo.dataset.clone()
        };
        ExperimentSpec { dataset, ..demo }
    }

    #[test]
    fn the_demo_can_be_computed_on_the_bundled_images() {
        assert_eq!(faults(&ExperimentSpec::demo()), []);
        assert_eq!(faults(&of(Some(3_500), Some(500), Some(1_000))), []);
    }

    #[test]
    fn validation_images_that_leave_nothing_to_train_on_are_refused() {
        let found = faults(&of(None, Some(4_000), None));
        assert_eq!(
            found,
            [(
                "dataset.validation_images".into(),
                "fashion-mnist-5k has 4000 training images, and 4000 of them held out leave too few to train on: use at most \
                 3990"
                    .into()
            )]
        );
        assert_eq!(faults(&of(None, Some(3_990), None)), []);
        let both = faults(&of(Some(3_501), Some(500), None));
        assert_eq!(both[0].1, "beside them 3500 images are left to train on, and 3501 are asked for");
    }

    #[test]
    fn all_that_cannot_be_had_is_said_at_once_each_by_its_field() {
        let features = |attacked: &str| {
            Analysis::Features(Features {
                attacked: attacked.into(),
                target: "class 1".into(),
                images: 100,
                adversarial: crate::AdversarialImages::Shared,
            })
        };
        let spec = ExperimentSpec {
            masking_images: Some(200),
            probes: vec![DatasetChoice::all_of("stl10"), DatasetChoice::all_of("tiny")],
            analyses: vec![features("truck")],
            ..of(Some(5_000), Some(5_000), Some(100))
        };
        let fields: Vec<String> = faults(&spec).into_iter().map(|(field, _)| field).collect();
        let expected = [
            "probes",
            "dataset.train_images",
            "dataset.validation_images",
            "masking_images",
            "analyses.attacked",
            "dataset.test_images",
        ];
        assert_eq!(fields, expected);
        let elsewhere = ExperimentSpec { dataset: DatasetChoice::all_of("imagenet"), ..ExperimentSpec::demo() };
        assert_eq!(faults(&elsewhere)[0].0, "dataset");
    }

    #[test]
    fn an_attack_that_needs_more_classes_than_there_are_is_refused() {
        let attacks = ["pgd-20", "autoattack", "dlr-20"].map(|id| id.parse().unwrap()).to_vec();
        let spec = ExperimentSpec { dataset: DatasetChoice::all_of("tiny"), attacks, ..ExperimentSpec::demo() };
        let found = faults(&spec);
        let expected = [
            "AutoAttack needs 4 classes, and tiny has 2: leave it out",
            "DLR-20 needs 3 classes, and tiny has 2: leave it out",
        ];
        assert_eq!(found, expected.map(|message| ("attacks".to_owned(), message.to_owned())));
        let dataset = ExperimentSpec::demo().dataset;
        assert_eq!(faults(&ExperimentSpec { dataset, ..spec }), []);
    }

    #[test]
    fn maps_of_features_say_how_many_images_they_need_if_there_are_so_many() {
        let features = Analysis::Features(Features {
            attacked: "class 0".into(),
            target: "class 1".into(),
            images: 100,
            adversarial: crate::AdversarialImages::Shared,
        });
        let spec = |dataset| ExperimentSpec { dataset, analyses: vec![features.clone()], ..ExperimentSpec::demo() };
        let few = spec(of(None, None, Some(300)).dataset);
        assert_eq!(faults(&few)[0].1, "maps of features need 31 test images of a class: use 310 test images");
        let tiny = spec(DatasetChoice::all_of("tiny"));
        assert!(faults(&tiny)[0].1.ends_with("tiny has 20 in all: leave the maps out"), "{:?}", faults(&tiny));
    }
}
