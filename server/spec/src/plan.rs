//! How an experiment expands into runs.

use crate::{
    Architecture, Attack, EvaluateSpec, ExperimentSpec, MaskingSpec, MethodName, ModelRef, ProbeSpec, RunSpec,
    Schedule, Surrogate, TeacherChoice,
    experiment::{PRESET, Variant},
};

/// A run of an experiment before it has an id. Its spec names other runs of the same plan by their index in it, as
/// [`ModelRef::Planned`].
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRun {
    /// The spec.
    pub spec: RunSpec,
    /// The row of the comparison that it belongs to: the method that trained the model.
    pub method: MethodName,
    /// What sets the row apart from the method as published, such as `temperature T 0.05`; mostly empty.
    pub variant: String,
    /// The architecture of the model that it trains or evaluates.
    pub architecture: Architecture,
    /// The teacher's architecture, for students.
    pub teacher: Option<Architecture>,
    /// Whether the model is the experiment's teacher.
    pub is_teacher: bool,
    /// The runs of the plan that must have finished before, by index.
    pub needs: Vec<usize>,
}

/// A model of the plan with the row that its evaluations belong to.
#[derive(Clone)]
struct PlannedModel {
    model: ModelRef,
    method: MethodName,
    variant: String,
    architecture: Architecture,
    is_teacher: bool,
    seed: u64,
    /// The training that leaves it, unless it is there already.
    training: Option<usize>,
    /// Whether that training leaves the model of its best epoch too.
    has_best: bool,
}

impl PlannedModel {
    /// A teacher that is there already.
    fn stored(model: ModelRef, architecture: Architecture, seed: u64) -> Self {
        let (method, variant) = (MethodName::PgdAt, String::new());
        Self { model, method, variant, architecture, is_teacher: true, seed, training: None, has_best: false }
    }

    /// The model of the best epoch where there is one.
    fn best(&self) -> Option<Self> {
        let variant = join([self.variant.as_str(), "best epoch"]);
        self.has_best.then(|| Self { model: ModelRef::Best(Box::new(self.model.clone())), variant, ..self.clone() })
    }
}

/// The runs so far.
struct Plan<'a> {
    experiment: &'a ExperimentSpec,
    runs: Vec<PlannedRun>,
    /// The surrogates of the seed in hand.
    surrogates: Vec<PlannedModel>,
}

impl ExperimentSpec {
    /// The runs that answer the question, each after those that it needs.
    pub fn expand(&self) -> Vec<PlannedRun> {
        let mut plan = Plan { experiment: self, runs: Vec::new(), surrogates: Vec::new() };
        let needs_teacher = self.methods.iter().any(|m| m.needs_teacher());
        let mut methods = self.methods.clone();
        // The order of the tables, in which a method stands before the one that fine-tunes its model.
        methods.sort_unstable();
        for &seed in &self.seeds {
            let teacher = needs_teacher.then(|| plan.teacher(seed));
            plan.train_surrogates(seed, teacher.as_ref());
            if let Some(teacher) = &teacher {
                plan.evaluate(teacher);
            }
            for &architecture in &self.students {
                let mut trained: Vec<(MethodName, Variant, ModelRef)> = Vec::new();
                for &method in &methods {
                    for variant in self.variants(method) {
                        let before = trained.iter().find(|(before, settings, _)| {
                            method.fine_tunes() == Some(*before) && variant.starts_with(settings)
                        });
                        let start_from = before.map(|(_, _, model)| model.clone());
                        let student = plan.train((method, architecture, seed), &variant, teacher.as_ref(), start_from);
                        plan.evaluate(&student);
                        trained.push((method, variant, student.model));
                    }
                }
            }
        }
        plan.runs
    }
}

impl Plan<'_> {
    /// The teacher, trained first unless it is there already.
    fn teacher(&mut self, seed: u64) -> PlannedModel {
        let teacher = match self.experiment.teacher {
            TeacherChoice::Train(architecture) => {
                self.train((MethodName::PgdAt, architecture, seed), &Variant::new(), None, None)
            }
            TeacherChoice::Run { id, architecture } => PlannedModel::stored(ModelRef::Run(id), architecture, seed),
            TeacherChoice::Imported { id, architecture } => {
                PlannedModel::stored(ModelRef::Imported(id), architecture, seed)
            }
        };
        if let Some(run) = teacher.training.and_then(|index| self.runs.get_mut(index)) {
            run.is_teacher = true;
        }
        PlannedModel { is_teacher: true, ..teacher }
    }

    /// Trains the surrogates of a seed; the teacher serves where it is one of them.
    fn train_surrogates(&mut self, seed: u64, teacher: Option<&PlannedModel>) {
        self.surrogates.clear();
        for &Surrogate { method, architecture } in &self.experiment.surrogates {
            let trained =
                teacher.filter(|t| t.training.is_some() && (t.method, t.architecture) == (method, architecture));
            let surrogate = match trained {
                Some(teacher) => teacher.clone(),
                None => self.train((method, architecture, seed), &Variant::new(), None, None),
            };
            self.surrogates.push(surrogate);
        }
    }

    /// Adds a training.
    fn train(
        &mut self,
        (method, architecture, seed): (MethodName, Architecture, u64),
        variant: &Variant,
        teacher: Option<&PlannedModel>,
        start_from: Option<ModelRef>,
    ) -> PlannedModel {
        // The sweeps were checked with the experiment; a plan of one that was not is made of defaults.
        let spec = self.experiment.train(method, architecture, seed, variant);
        let mut spec = spec.unwrap_or_else(|_| self.experiment.default_train(method, architecture, seed));
        let mut needs = Vec::new();
        let teacher = teacher.filter(|_| method.needs_teacher());
        if let Some(teacher) = teacher {
            spec.teacher = Some(teacher.best().unwrap_or_else(|| teacher.clone()).model);
            needs.extend(teacher.training);
        }
        if let Some(ModelRef::Planned(index)) = start_from {
            spec.start_from = start_from;
            needs.push(index);
        }
        let has_best = spec.keeps_best();
        let variant = describe(variant);
        self.runs.push(PlannedRun {
            spec: RunSpec::Train(spec),
            method,
            variant: variant.clone(),
            architecture,
            teacher: teacher.map(|teacher| teacher.architecture),
            is_teacher: false,
            needs,
        });
        let index = self.runs.len() - 1;
        let (model, training) = (ModelRef::Planned(index), Some(index));
        PlannedModel { model, method, variant, architecture, is_teacher: false, seed, training, has_best }
    }

    /// Adds the evaluations of a model, of its best epoch, and of its probes, and its masking checks.
    fn evaluate(&mut self, model: &PlannedModel) {
        let mut attacks = self.experiment.attacks.clone();
        let eps = attacks.first().map(Attack::eps);
        let mut needs: Vec<usize> = model.training.into_iter().collect();
        for (surrogate, planned) in self.experiment.surrogates.iter().zip(&self.surrogates) {
            if planned.training == model.training {
                continue;
            }
            let attack = Attack::transfer(surrogate.to_string(), planned.model.clone());
            attacks.push(eps.map_or_else(|| attack.clone(), |eps| attack.clone().with_eps(eps)));
            needs.extend(planned.training);
        }
        for model in [Some(model.clone()), model.best()].into_iter().flatten() {
            self.evaluation(&model, self.experiment.dataset.clone(), attacks.clone(), needs.clone());
        }
        self.masking(model, &attacks, needs);
        for dataset in &self.experiment.probes {
            let spec = RunSpec::Probe(ProbeSpec {
                model: model.model.clone(),
                dataset: dataset.clone(),
                schedule: self.experiment.probe_schedule(),
                seed: model.seed,
                device: self.experiment.device,
            });
            self.add(spec, model, model.training.into_iter().collect());
            let index = self.runs.len() - 1;
            let probe = PlannedModel { model: ModelRef::Planned(index), ..model.clone() };
            let attack = eps.map_or(Attack::pgd(PROBE_STEPS), |eps| Attack::pgd(PROBE_STEPS).with_eps(eps));
            self.evaluation(&probe, dataset.clone(), vec![attack], vec![index]);
        }
    }

    fn evaluation(
        &mut self,
        model: &PlannedModel,
        dataset: crate::DatasetChoice,
        attacks: Vec<Attack>,
        needs: Vec<usize>,
    ) {
        let spec = RunSpec::Evaluate(EvaluateSpec {
            model: model.model.clone(),
            dataset,
            attacks,
            batch_size: 100,
            seed: model.seed,
            device: self.experiment.device,
        });
        self.add(spec, model, needs);
    }

    /// Adds the masking checks of a model, at the radius of its evaluation.
    fn masking(&mut self, model: &PlannedModel, attacks: &[Attack], needs: Vec<usize>) {
        let (Some(images), Some(first)) = (self.experiment.masking_images, attacks.first()) else { return };
        let spec = RunSpec::Masking(MaskingSpec {
            model: model.model.clone(),
            dataset: crate::DatasetChoice { test_images: Some(images), ..self.experiment.dataset.clone() },
            eps: first.eps(),
            transfers: attacks.iter().filter(|a| matches!(a, Attack::Transfer { .. })).cloned().collect(),
            batch_size: 100,
            seed: model.seed,
            device: self.experiment.device,
        });
        self.add(spec, model, needs);
    }

    fn add(&mut self, spec: RunSpec, model: &PlannedModel, needs: Vec<usize>) {
        let PlannedModel { method, variant, architecture, is_teacher, .. } = model.clone();
        self.runs.push(PlannedRun { spec, method, variant, architecture, teacher: None, is_teacher, needs });
    }
}

/// Steps of the attack on probes (methods.md §7).
const PROBE_STEPS: usize = 7;

impl ExperimentSpec {
    /// A method's training without any setting.
    fn default_train(&self, method: MethodName, architecture: Architecture, seed: u64) -> crate::TrainSpec {
        let mut spec = self.budget.train(method, architecture, self.dataset.clone(), seed);
        (spec.normaliser, spec.device) = (self.normaliser, self.device);
        spec
    }

    /// A probe's schedule, shortened like the linear classifier of GACD.
    fn probe_schedule(&self) -> Schedule {
        let classifier = self.train(MethodName::Gacd, Architecture::ResNet8, 0, &[]).ok();
        let schedule = classifier.and_then(|spec| spec.method.classifier().cloned());
        schedule.unwrap_or_else(Schedule::linear_classifier)
    }
}

/// What sets a variant apart, in words: `temperature T 0.05, anchor student_only`.
fn describe(variant: &Variant) -> String {
    let words = variant.iter().map(|(method, setting)| {
        let parameters = method.parameters();
        let name = parameters.iter().find(|p| p.path == setting.path).map_or(setting.path.as_str(), |p| p.name);
        if setting.path == PRESET { setting.value.clone() } else { format!("{name} {}", setting.value) }
    });
    words.collect::<Vec<_>>().join(", ")
}

fn join(parts: [&str; 2]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DatasetChoice, Method, Sweep};

    fn sweep(method: MethodName, path: &str, values: &[&str]) -> Sweep {
        Sweep { method, path: path.into(), values: values.iter().map(|v| (*v).to_owned()).collect() }
    }

    fn trained(plan: &[PlannedRun]) -> Vec<(&PlannedRun, &crate::TrainSpec)> {
        let mut trained = Vec::new();
        for run in plan {
            if let RunSpec::Train(spec) = &run.spec {
                trained.push((run, spec));
            }
        }
        trained
    }

    #[test]
    fn the_demo_expands_to_a_teacher_three_students_and_their_evaluations() {
        let plan = ExperimentSpec::demo().expand();
        assert_eq!(
            trained(&plan).iter().map(|t| t.0.method.id()).collect::<Vec<_>>(),
            ["pgd-at", "kd", "ard", "gacd+aft"]
        );
        assert_eq!(plan.len(), 8);
        assert!(plan.iter().all(|r| r.spec.validate().is_ok()));
    }

    #[test]
    fn every_run_stands_after_those_that_it_needs() {
        let spec = ExperimentSpec {
            methods: MethodName::ALL.to_vec(),
            seeds: vec![1, 2],
            surrogates: vec![Surrogate { method: MethodName::Natural, architecture: Architecture::ResNet8 }],
            probes: vec![DatasetChoice::all_of("stl10")],
            ..ExperimentSpec::demo()
        };
        let plan = spec.expand();
        for (index, run) in plan.iter().enumerate() {
            assert!(run.needs.iter().all(|need| *need < index));
        }
        // A seed has a teacher, a surrogate and nine students; all but the surrogate are evaluated, probed, and that too.
        assert_eq!(plan.len(), 2 * (11 + 10 * 3));
    }

    #[test]
    fn fine_tuning_starts_from_the_model_of_the_same_student_seed_and_variant() {
        let methods = vec![MethodName::GacdAft, MethodName::Gacd];
        let sweeps = vec![
            sweep(MethodName::Gacd, "method.temperature", &["0.05", "0.2"]),
            sweep(MethodName::GacdAft, "finetune.schedule.learning_rate", &["0.1", "0.01"]),
        ];
        let spec = ExperimentSpec { methods, sweeps, ..ExperimentSpec::demo() };
        spec.validate().unwrap();
        let plan = spec.expand();
        let temperature = |spec: &crate::TrainSpec| spec.parameter("method.temperature").unwrap();
        let tuned: Vec<_> = trained(&plan).into_iter().filter(|t| t.0.method == MethodName::GacdAft).collect();
        assert_eq!(tuned.len(), 4);
        for (run, spec) in tuned {
            let Some(ModelRef::Planned(before)) = spec.start_from else { panic!("it starts from a GACD model") };
            let RunSpec::Train(before_spec) = &plan[before].spec else { panic!("that is a training") };
            assert_eq!((plan[before].method, temperature(before_spec)), (MethodName::Gacd, temperature(spec)));
            assert!(run.needs.contains(&before) && run.variant.starts_with("temperature T "), "{}", run.variant);
            assert!(run.variant.contains("learning rate "), "{}", run.variant);
        }
    }

    #[test]
    fn a_preset_keeps_its_proportions_and_what_is_set_by_hand_stands() {
        let sweeps = vec![
            sweep(MethodName::Kd, "preset", &["repdistiller"]),
            sweep(MethodName::Kd, "schedule.learning_rate", &["0.02"]),
        ];
        let spec = ExperimentSpec { methods: vec![MethodName::Kd], sweeps, epochs: None, ..ExperimentSpec::demo() };
        spec.validate().unwrap();
        let plan = spec.expand();
        let (run, kd) = trained(&plan)[1];
        assert_eq!(run.variant, "repdistiller, learning rate 0.02");
        // 240 epochs at a fortieth; the milestones at 150, 180 and 210.
        assert_eq!((kd.schedule.epochs, kd.schedule.milestones.as_slice()), (6, &[4, 5, 5][..]));
        let Method::Kd { temperature, .. } = kd.method else { panic!("it is KD") };
        assert!((temperature - 4.0).abs() < 1e-12 && (kd.schedule.learning_rate - 0.02).abs() < 1e-12);
    }

    #[test]
    fn with_a_validation_split_the_best_epoch_is_evaluated_too_and_teaches() {
        let dataset = DatasetChoice { validation_images: Some(100), ..DatasetChoice::all_of("d") };
        let methods = vec![MethodName::Ard, MethodName::Gacd];
        let plan = ExperimentSpec { dataset, methods, ..ExperimentSpec::demo() }.expand();
        let evaluated: Vec<_> = plan.iter().filter(|r| matches!(r.spec, RunSpec::Evaluate(_))).collect();
        let names: Vec<_> = evaluated.iter().map(|r| format!("{} {}", r.method.id(), r.variant)).collect();
        assert_eq!(names, ["pgd-at ", "pgd-at best epoch", "ard ", "ard best epoch", "gacd "]);
        let (_, ard) = trained(&plan)[1];
        assert_eq!(ard.teacher, Some(ModelRef::Best(Box::new(ModelRef::Planned(0)))));
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
    fn every_model_is_checked_for_masking_where_that_is_asked_for() {
        let surrogates = vec![Surrogate { method: MethodName::Natural, architecture: Architecture::ResNet8 }];
        let spec = ExperimentSpec { masking_images: Some(100), surrogates, ..ExperimentSpec::demo() };
        let plan = spec.expand();
        let checked: Vec<_> = plan.iter().filter(|r| matches!(r.spec, RunSpec::Masking(_))).collect();
        let methods: Vec<_> = checked.iter().map(|r| r.method.id()).collect();
        assert_eq!(methods, ["pgd-at", "kd", "ard", "gacd+aft"]);
        let RunSpec::Masking(masking) = &checked[1].spec else { panic!("it checks") };
        assert_eq!((masking.dataset.test_images, masking.transfers.len()), (Some(100), 1));
        // The student and the surrogate.
        assert_eq!(checked[1].needs.len(), 2);
        assert!(plan.iter().all(|r| r.spec.validate().is_ok()));
    }

    #[test]
    fn every_network_that_is_trained_has_the_experiments_normaliser() {
        let normaliser = Some(crate::Normaliser::PRESETS[0].1);
        let plan = ExperimentSpec { normaliser, ..ExperimentSpec::demo() }.expand();
        assert!(trained(&plan).iter().all(|(_, spec)| spec.normaliser == normaliser));
    }

    #[test]
    fn a_surrogate_attacks_every_model_but_itself() {
        let surrogates = [MethodName::Natural, MethodName::PgdAt]
            .map(|method| Surrogate { method, architecture: Architecture::ResNet8 });
        let spec = ExperimentSpec { surrogates: surrogates.to_vec(), ..ExperimentSpec::demo() };
        let plan = spec.expand();
        // The teacher is the PGD-AT surrogate.
        assert_eq!(trained(&plan).len(), 5);
        let attacks: Vec<Vec<String>> = plan
            .iter()
            .filter_map(|r| match &r.spec {
                RunSpec::Evaluate(spec) => Some(spec.attacks.iter().map(ToString::to_string).collect()),
                _ => None,
            })
            .collect();
        assert_eq!(attacks[0], ["PGD-20", "PGD-20 on Natural ResNet-8"]);
        assert_eq!(attacks[1], ["PGD-20", "PGD-20 on Natural ResNet-8", "PGD-20 on PGD-AT ResNet-8"]);
    }
}
