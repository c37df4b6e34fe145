//! Experiments: questions that expand into runs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    Architecture, Attack, DatasetChoice, DeviceName, EvaluateSpec, FineTune, Invalid, MethodName, ModelRef, Problem,
    RunSpec, TrainSpec,
};

/// How much computing an experiment may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// A few epochs with three attack steps: minutes on a laptop, to see that everything works.
    #[default]
    Smoke,
    /// A tenth of the paper's epochs with seven attack steps.
    Quick,
    /// The defaults of the published methods.
    Paper,
}

impl Budget {
    /// All of them, smallest first.
    pub const ALL: [Self; 3] = [Self::Smoke, Self::Quick, Self::Paper];

    /// The name in specs and forms.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Paper => "paper",
        }
    }

    /// One sentence that says what it means.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Smoke => "A few epochs, 3 attack steps: minutes, to see that it works.",
            Self::Quick => "A tenth of the paper's epochs, 7 attack steps: a first answer.",
            Self::Paper => "The published schedules, 10 attack steps: the real thing.",
        }
    }

    /// Steps of the attack inside adversarial training.
    const fn attack_steps(self) -> usize {
        match self {
            Self::Smoke => 3,
            Self::Quick => 7,
            Self::Paper => 10,
        }
    }

    /// Epochs where the published schedule has `paper`.
    fn epochs(self, paper: usize) -> usize {
        match self {
            Self::Smoke => (paper / 40).max(2),
            Self::Quick => (paper / 10).max(3),
            Self::Paper => paper,
        }
    }

    /// The spec of one training at this budget, its teacher left open.
    pub fn train(self, method: MethodName, architecture: Architecture, dataset: DatasetChoice, seed: u64) -> TrainSpec {
        let steps = self.attack_steps();
        let paper = method.schedule();
        let mut schedule = paper.clone().stretched_to(self.epochs(paper.epochs));
        let mut finetune = (method == MethodName::GacdAft).then(|| FineTune::with_steps(steps));
        let mut classifier_epochs = 120;
        if let Some(finetune) = &mut finetune {
            let epochs = self.epochs(finetune.schedule.epochs);
            finetune.schedule = finetune.schedule.clone().stretched_to(epochs);
        }
        if self == Self::Smoke {
            // So few epochs would hardly move a network in batches of 128.
            schedule.batch_size = 64;
            classifier_epochs = 40;
            if let Some(finetune) = &mut finetune {
                finetune.schedule.batch_size = 64;
            }
        }
        TrainSpec {
            dataset,
            architecture,
            teacher: None,
            method: method.defaults(steps, classifier_epochs),
            schedule,
            finetune,
            start_from: None,
            augment: true,
            seed,
            device: DeviceName::Cpu,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|b| b.id() == text)
            .ok_or_else(|| format!("there is no budget “{text}”: choose smoke, quick or paper"))
    }
}

/// Where the teacher comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TeacherChoice {
    /// Train this architecture with PGD-AT first, once a seed.
    Train(Architecture),
    /// The model of a finished run.
    Run {
        /// The run.
        id: i64,
        /// Its model's architecture.
        architecture: Architecture,
    },
    /// A model that was imported.
    Imported {
        /// The model.
        id: i64,
        /// Its architecture.
        architecture: Architecture,
    },
}

impl TeacherChoice {
    /// The teacher's architecture.
    pub const fn architecture(&self) -> Architecture {
        match self {
            Self::Train(architecture) | Self::Run { architecture, .. } | Self::Imported { architecture, .. } => {
                *architecture
            }
        }
    }
}

/// A question: these methods, these students, this teacher, these seeds, evaluated so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    /// What people call it.
    pub title: String,
    /// The images.
    pub dataset: DatasetChoice,
    /// Where the teacher comes from.
    pub teacher: TeacherChoice,
    /// The students' architectures.
    pub students: Vec<Architecture>,
    /// The methods to compare.
    pub methods: Vec<MethodName>,
    /// One training of everything for each seed.
    pub seeds: Vec<u64>,
    /// The attacks that every model is evaluated under, beside its natural accuracy.
    pub attacks: Vec<Attack>,
    /// How much computing it may take.
    pub budget: Budget,
    /// Train every model for this many epochs instead of the budget's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Where its runs compute.
    pub device: DeviceName,
}

/// A run of an experiment before it has an id. Its spec names other runs of the same plan by their index in it, as
/// [`ModelRef::Planned`].
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRun {
    /// The spec.
    pub spec: RunSpec,
    /// The row of the comparison that it belongs to: the method that trained the model.
    pub method: MethodName,
    /// The architecture of the model that it trains or evaluates.
    pub architecture: Architecture,
    /// The teacher's architecture, for students.
    pub teacher: Option<Architecture>,
    /// Whether the model is the experiment's teacher.
    pub is_teacher: bool,
    /// The runs of the plan that must have finished before, by index.
    pub needs: Vec<usize>,
}

impl ExperimentSpec {
    /// The comparison that `retort demo` launches: KD, ARD and GACD+AFT from one PGD-AT teacher on the bundled images.
    pub fn demo() -> Self {
        Self {
            title: "Demo: KD, ARD and GACD+AFT from one robust teacher".into(),
            dataset: DatasetChoice::all_of(crate::BUNDLED_DATASET),
            teacher: TeacherChoice::Train(Architecture::ResNet8),
            students: vec![Architecture::ResNet8],
            methods: vec![MethodName::Kd, MethodName::Ard, MethodName::GacdAft],
            seeds: vec![1],
            attacks: vec![Attack::pgd(20)],
            budget: Budget::Smoke,
            epochs: Some(4),
            device: DeviceName::Cpu,
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// With all problems at once, each by the field's name.
    pub fn validate(&self) -> Result<(), Invalid> {
        let mut problems = Vec::new();
        let mut expect = |holds: bool, field: &str, message: String| {
            if !holds {
                problems.push(Problem::new(field, message));
            }
        };
        expect(!self.title.trim().is_empty(), "title", "give the comparison a name".into());
        expect(self.title.chars().count() <= 200, "title", "use at most 200 characters".into());
        expect(!self.students.is_empty(), "students", "choose at least one student".into());
        expect(!self.methods.is_empty(), "methods", "choose at least one method".into());
        expect(!self.seeds.is_empty(), "seeds", "give at least one seed, such as 1".into());
        expect(!self.attacks.is_empty(), "attacks", "choose at least one attack".into());
        for (i, seed) in self.seeds.iter().enumerate() {
            expect(!self.seeds[..i].contains(seed), "seeds", format!("seed {seed} stands twice"));
        }
        for (i, attack) in self.attacks.iter().enumerate() {
            expect(!self.attacks[..i].contains(attack), "attacks", format!("{attack} stands twice"));
        }
        expect(self.epochs.is_none_or(|e| (1..=10_000).contains(&e)), "epochs", "must be from 1 to 10,000".into());
        let runs = self.seeds.len() * self.students.len() * self.methods.len();
        expect(runs <= 2_000, "seeds", format!("that makes {runs} students: use at most 2,000"));
        for (i, attack) in self.attacks.iter().enumerate() {
            attack.check(&format!("attacks[{i}]"), &mut problems);
        }
        self.dataset.check(&mut problems);
        Invalid::unless_empty(problems)
    }

    /// The runs that answer the question, each after those that it needs.
    pub fn expand(&self) -> Vec<PlannedRun> {
        let mut plan = Vec::new();
        let needs_teacher = self.methods.iter().any(|m| m.needs_teacher());
        for &seed in &self.seeds {
            let teacher = needs_teacher.then(|| self.plan_teacher(&mut plan, seed));
            for &student in &self.students {
                let mut methods = self.methods.clone();
                // The order of the tables, in which GACD stands before the GACD+AFT that starts from it.
                methods.sort_unstable();
                let mut gacd = None;
                for method in methods {
                    let index = self.plan_student(&mut plan, seed, student, method, teacher.as_ref(), gacd);
                    if method == MethodName::Gacd {
                        gacd = Some(index);
                    }
                }
            }
        }
        plan
    }

    /// The spec of one training, with this experiment's epochs and device.
    fn train(&self, method: MethodName, architecture: Architecture, seed: u64) -> TrainSpec {
        let mut spec = self.budget.train(method, architecture, self.dataset.clone(), seed);
        spec.device = self.device;
        match self.epochs {
            Some(epochs) => spec.with_epochs(epochs),
            None => spec,
        }
    }

    /// Adds the teacher's training, if it needs one, and its evaluation; returns the teacher and what waits for it.
    fn plan_teacher(&self, plan: &mut Vec<PlannedRun>, seed: u64) -> (ModelRef, Vec<usize>) {
        let architecture = self.teacher.architecture();
        let (model, needs) = match self.teacher {
            TeacherChoice::Run { id, .. } => (ModelRef::Run(id), Vec::new()),
            TeacherChoice::Imported { id, .. } => (ModelRef::Imported(id), Vec::new()),
            TeacherChoice::Train(_) => {
                let spec = RunSpec::Train(self.train(MethodName::PgdAt, architecture, seed));
                let method = MethodName::PgdAt;
                plan.push(PlannedRun { spec, method, architecture, teacher: None, is_teacher: true, needs: vec![] });
                (ModelRef::Planned(plan.len() - 1), vec![plan.len() - 1])
            }
        };
        self.plan_evaluation(plan, model.clone(), (MethodName::PgdAt, architecture, true), seed, needs.clone());
        (model, needs)
    }

    /// Adds a student's training and its evaluation; returns the training's index.
    fn plan_student(
        &self,
        plan: &mut Vec<PlannedRun>,
        seed: u64,
        architecture: Architecture,
        method: MethodName,
        teacher: Option<&(ModelRef, Vec<usize>)>,
        gacd: Option<usize>,
    ) -> usize {
        let mut spec = self.train(method, architecture, seed);
        let mut needs = Vec::new();
        if method.needs_teacher()
            && let Some((model, before)) = teacher
        {
            spec.teacher = Some(model.clone());
            needs.clone_from(before);
        }
        if method == MethodName::GacdAft
            && let Some(index) = gacd
        {
            spec.start_from = Some(ModelRef::Planned(index));
            needs.push(index);
        }
        let teacher = spec.teacher.as_ref().map(|_| self.teacher.architecture());
        plan.push(PlannedRun { spec: RunSpec::Train(spec), method, architecture, teacher, is_teacher: false, needs });
        let index = plan.len() - 1;
        self.plan_evaluation(plan, ModelRef::Planned(index), (method, architecture, false), seed, vec![index]);
        index
    }

    fn plan_evaluation(
        &self,
        plan: &mut Vec<PlannedRun>,
        model: ModelRef,
        (method, architecture, is_teacher): (MethodName, Architecture, bool),
        seed: u64,
        needs: Vec<usize>,
    ) {
        let spec = RunSpec::Evaluate(EvaluateSpec {
            model,
            dataset: self.dataset.clone(),
            attacks: self.attacks.clone(),
            batch_size: 100,
            seed,
            device: self.device,
        });
        plan.push(PlannedRun { spec, method, architecture, teacher: None, is_teacher, needs });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_expands_to_a_teacher_three_students_and_their_evaluations() {
        let plan = ExperimentSpec::demo().expand();
        let trained: Vec<_> =
            plan.iter().filter(|r| matches!(r.spec, RunSpec::Train(_))).map(|r| r.method.id()).collect();
        assert_eq!(trained, ["pgd-at", "kd", "ard", "gacd+aft"]);
        assert_eq!(plan.len(), 8);
        assert!(plan.iter().all(|r| r.spec.validate().is_ok()));
    }

    #[test]
    fn every_run_stands_after_those_that_it_needs() {
        let spec = ExperimentSpec { methods: MethodName::ALL.to_vec(), seeds: vec![1, 2], ..ExperimentSpec::demo() };
        for (index, run) in spec.expand().iter().enumerate() {
            assert!(run.needs.iter().all(|need| *need < index));
        }
    }

    #[test]
    fn gacd_aft_fine_tunes_the_gacd_model_of_the_same_student_and_seed() {
        let methods = vec![MethodName::GacdAft, MethodName::Gacd];
        let plan = ExperimentSpec { methods, ..ExperimentSpec::demo() }.expand();
        let gacd = plan.iter().position(|r| r.method == MethodName::Gacd).unwrap();
        let aft = plan.iter().find(|r| r.method == MethodName::GacdAft).unwrap();
        let RunSpec::Train(spec) = &aft.spec else { panic!("a training stands before its evaluation") };
        assert_eq!(spec.start_from, Some(ModelRef::Planned(gacd)));
        assert!(aft.needs.contains(&gacd));
    }

    #[test]
    fn students_of_an_imported_teacher_wait_for_nothing() {
        let teacher = TeacherChoice::Imported { id: 7, architecture: Architecture::ResNet18 };
        let plan = ExperimentSpec { teacher, ..ExperimentSpec::demo() }.expand();
        let RunSpec::Evaluate(evaluation) = &plan[0].spec else { panic!("the teacher is evaluated first") };
        assert_eq!((&evaluation.model, plan[0].is_teacher), (&ModelRef::Imported(7), true));
        let students: Vec<_> = plan.iter().filter(|r| matches!(r.spec, RunSpec::Train(_))).collect();
        assert!(students.len() == 3 && students.iter().all(|r| r.needs.is_empty()));
        assert!(students.iter().all(|r| r.teacher == Some(Architecture::ResNet18)));
    }

    #[test]
    fn a_question_without_students_or_with_a_seed_twice_is_refused_by_field() {
        let spec = ExperimentSpec { students: vec![], seeds: vec![2, 2], ..ExperimentSpec::demo() };
        let Invalid(problems) = spec.validate().unwrap_err();
        let fields: Vec<_> = problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(fields, ["students", "seeds"]);
    }
}
