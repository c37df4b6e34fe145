//! The paper's figures, and the experiments that make them.

use super::Conditions;
use crate::{
    AdversarialImages, AnalyseSpec, Analysis, Architecture, Correlation, ExperimentSpec, Features, MethodName,
    PixelDistance, RunSpec, Surrogate, Sweep, TeacherChoice,
};

/// A figure of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaperFigure {
    /// Figure 2a: GACD's accuracies against the number of negatives.
    Negatives,
    /// Figure 2b: GACD's accuracies against the temperature.
    Temperature,
    /// Figures 3 and 4: differences between the logit correlations of the teacher and of its students, on natural and on
    /// adversarial images.
    Correlation,
    /// Figure 5: t-SNE maps of birds, trucks, and adversarial trucks.
    Features,
}

impl PaperFigure {
    /// All of them, in the paper's order.
    pub const ALL: [Self; 4] = [Self::Negatives, Self::Temperature, Self::Correlation, Self::Features];

    /// The name in addresses.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Negatives => "2a",
            Self::Temperature => "2b",
            Self::Correlation => "3-4",
            Self::Features => "5",
        }
    }

    /// The figure of this name.
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|figure| figure.id() == id)
    }

    /// What it shows.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Negatives => "Figure 2a: GACD against the number of negatives k",
            Self::Temperature => "Figure 2b: GACD against the temperature T",
            Self::Correlation => "Figures 3 and 4: correlation differences, natural and adversarial",
            Self::Features => "Figure 5: t-SNE of birds, trucks and adversarial trucks",
        }
    }

    /// What the paper finds in it, where it prints no numbers.
    pub const fn claim(self) -> &'static str {
        match self {
            Self::Negatives => {
                "Adversarial accuracy rises with k and is highest at k = 16,384; natural accuracy falls."
            }
            Self::Temperature => "Natural and adversarial accuracy are both best at T = 0.1.",
            Self::Correlation => {
                "GACD's student is nearer to the teacher than ARD's, on natural and on adversarial images."
            }
            Self::Features => {
                "GACD separates birds and trucks better than ARD does, and adversarial trucks stay with the trucks."
            }
        }
    }

    /// The dataset.
    pub const fn dataset(self) -> &'static str {
        match self {
            Self::Correlation => "cifar100",
            Self::Negatives | Self::Temperature | Self::Features => "cifar10",
        }
    }

    /// The teacher and the student. The paper does not name those of Figure 5: they are of its first table.
    pub const fn networks(self) -> (Architecture, Architecture) {
        match self {
            Self::Correlation => (Architecture::Wrn40x2, Architecture::Wrn16x2),
            Self::Negatives | Self::Temperature | Self::Features => (Architecture::ResNet18, Architecture::ResNet18),
        }
    }

    /// The experiment that makes it.
    pub fn experiment(self, conditions: &Conditions) -> ExperimentSpec {
        let (teacher, student) = self.networks();
        let methods = match self {
            Self::Negatives | Self::Temperature => vec![MethodName::GACD],
            Self::Correlation | Self::Features => vec![MethodName::ARD, MethodName::GACD],
        };
        let surrogates = match self {
            Self::Features => vec![Surrogate { method: MethodName::NATURAL, architecture: student }],
            _ => Vec::new(),
        };
        ExperimentSpec {
            title: format!("Paper: {}", self.title()),
            teacher: TeacherChoice::Train(teacher),
            students: vec![student],
            methods,
            sweeps: self.sweep().into_iter().collect(),
            surrogates,
            analyses: self.analysis().map(|(analysis, _)| analysis).into_iter().collect(),
            ..conditions.experiment(self.dataset())
        }
    }

    /// Whether an experiment is of its networks and images.
    pub fn is_of(self, spec: &ExperimentSpec) -> bool {
        let (teacher, student) = self.networks();
        spec.dataset.name == self.dataset()
            && spec.teacher.architecture() == teacher
            && spec.students.contains(&student)
    }

    /// Whether an experiment is launched to make it, or makes it among other things: it sweeps over all the values, or plans
    /// the analysis of the same models.
    pub fn is_asked_of(self, spec: &ExperimentSpec) -> bool {
        let is_swept = |own: &Sweep| {
            let sweep = spec.sweeps.iter().find(|sweep| sweep.has_same_parameter(own));
            sweep.is_some_and(|sweep| own.values.iter().all(|value| sweep.values.contains(value)))
        };
        let is_planned = |analysis: &Analysis| {
            let planned = || spec.expand().into_iter().map(|run| run.spec);
            spec.analyses.contains(analysis)
                && planned().any(|run| matches!(&run, RunSpec::Analyse(planned) if self.shows(planned, spec)))
        };
        self.is_of(spec) && self.sweep().iter().all(is_swept) && self.analysis().iter().all(|(own, _)| is_planned(own))
    }

    /// The values that it sweeps over; none of an analysis.
    pub fn sweep(self) -> Option<Sweep> {
        let (path, values): (_, &[&str]) = match self {
            Self::Negatives => ("method.negatives", &["16", "64", "256", "1024", "4096", "16384"]),
            Self::Temperature => ("method.temperature", &["0.02", "0.05", "0.07", "0.1", "0.2"]),
            Self::Correlation | Self::Features => return None,
        };
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Some(Sweep { method: MethodName::GACD, path: path.into(), values })
    }

    /// The analysis that it shows, and the names of its models; none of a sweep.
    fn analysis(self) -> Option<(Analysis, &'static [&'static str])> {
        match self {
            Self::Negatives | Self::Temperature => None,
            Self::Correlation => Some((Analysis::Correlation(Correlation::default()), &["Teacher", "ARD", "GACD"])),
            Self::Features => Some((
                Analysis::Features(Features {
                    attacked: "truck".into(),
                    target: "bird".into(),
                    images: 100,
                    adversarial: AdversarialImages::Shared,
                }),
                &["Natural", "Teacher", "ARD", "GACD"],
            )),
        }
    }

    /// Whether an analysis of an experiment's models is the one that it shows: of its networks, at its radius.
    pub fn shows(self, analysis: &AnalyseSpec, experiment: &ExperimentSpec) -> bool {
        let names = analysis.models.iter().map(|model| model.name.as_str());
        let is_own = |(own, models): (Analysis, &[&str])| own == analysis.analysis && names.eq(models.iter().copied());
        // Names without an architecture are of the first student.
        self.is_of(experiment)
            && experiment.students.first() == Some(&self.networks().1)
            && analysis.eps == PixelDistance::levels(8.0)
            && self.analysis().is_some_and(is_own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Budget, DeviceName};

    fn at(budget: Budget) -> Conditions {
        Conditions { budget, seeds: vec![1], device: DeviceName::Cpu }
    }

    #[test]
    fn a_figure_is_made_by_an_experiment_that_is_of_it() {
        for figure in PaperFigure::ALL {
            assert_eq!(PaperFigure::of_id(figure.id()), Some(figure));
            for budget in Budget::ALL {
                let spec = figure.experiment(&at(budget));
                spec.validate().unwrap();
                let asked = |other: &&PaperFigure| other.is_asked_of(&spec);
                assert_eq!(PaperFigure::ALL.iter().filter(asked).collect::<Vec<_>>(), [&figure]);
                let analyses = spec.expand().into_iter().filter_map(|run| match run.spec {
                    RunSpec::Analyse(analysis) => Some(analysis),
                    _ => None,
                });
                let shown = analyses.filter(|analysis| figure.shows(analysis, &spec)).count();
                assert_eq!(shown, usize::from(spec.sweeps.is_empty()), "{figure:?}");
            }
        }
    }

    #[test]
    fn what_others_made_of_other_models_is_not_the_papers_figure() {
        let figure = PaperFigure::Features;
        let spec = figure.experiment(&at(Budget::Paper));
        let shows = |spec: &ExperimentSpec| {
            let Some(RunSpec::Analyse(last)) = spec.expand().pop().map(|run| run.spec) else { panic!("maps") };
            figure.shows(&last, spec)
        };
        assert!(shows(&spec));
        let natural = Surrogate { method: MethodName::NATURAL, architecture: Architecture::ResNet8 };
        let mobile = vec![Architecture::MobileNetV2, Architecture::ResNet18];
        let attacks = vec![crate::Attack::pgd(20).with_eps(PixelDistance::levels(4.0))];
        for other in [
            ExperimentSpec { surrogates: vec![], ..spec.clone() },
            ExperimentSpec { surrogates: vec![natural], ..spec.clone() },
            ExperimentSpec { methods: vec![MethodName::KD, MethodName::ARD, MethodName::GACD], ..spec.clone() },
            ExperimentSpec { students: mobile, ..spec.clone() },
            ExperimentSpec { attacks, ..spec.clone() },
        ] {
            assert!(!shows(&other) && !figure.is_asked_of(&other), "{other:?}");
        }
        let mut few = PaperFigure::Negatives.experiment(&at(Budget::Paper));
        few.sweeps[0].values.truncate(2);
        assert!(!PaperFigure::Negatives.is_asked_of(&few));
    }

    #[test]
    fn the_smallest_budget_takes_few_images_and_the_others_all() {
        let images = |budget| {
            let spec = PaperFigure::Features.experiment(&at(budget));
            (spec.dataset.train_images, spec.dataset.test_images)
        };
        assert_eq!(images(Budget::Smoke), (Some(2_000), Some(1_000)));
        assert_eq!(images(Budget::Quick), (None, None));
    }
}
