//! How an experiment expands into runs.

use crate::{
    AnalyseSpec, AnalysedModel, Analysis, Architecture, Attack, EvaluateSpec, ExperimentSpec, MaskingSpec, MethodName,
    ModelRef, PixelDistance, ProbeSpec, RunSpec, Schedule, Surrogate, TeacherChoice, Variant,
};

/// A run of an experiment before it has an id. Its spec names other runs of the same plan by their index in it, as
/// [`ModelRef::Planned`].
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRun {
    /// The spec.
    pub spec: RunSpec,
    /// The row of the comparison that it belongs to: the method that trained the model.
    pub method: MethodName,
    /// What sets the row apart from the method as published; mostly nothing.
    pub variant: Variant,
    /// The architecture of the model that it trains or evaluates.
    pub architecture: Architecture,
    /// The teacher's architecture, for students.
    pub teacher: Option<Architecture>,
    /// Whether the model is the experiment's teacher.
    pub is_teacher: bool,
    /// The runs of the plan that must have finished before, by index.
    pub needs: Vec<usize>,
}

impl PlannedRun {
    /// An analysis as a run of an experiment, which waits for those that it needs. It stands in lists under the method and the
    /// architecture of its first model.
    pub fn of_analysis(
        analyse: AnalyseSpec,
        method: MethodName,
        architecture: Architecture,
        needs: Vec<usize>,
    ) -> Self {
        Self {
            method,
            variant: Variant::default(),
            architecture,
            teacher: None,
            is_teacher: false,
            needs,
            spec: RunSpec::Analyse(analyse),
        }
    }
}

/// A model of the plan with the row that its evaluations belong to.
#[derive(Clone)]
struct PlannedModel {
    model: ModelRef,
    method: MethodName,
    variant: Variant,
    architecture: Architecture,
    is_teacher: bool,
    seed: u64,
    /// The training that leaves it, unless it is there already.
    training: Option<usize>,
    /// Whether that training leaves the model of its best epoch too.
    has_best: bool,
    /// Whether it leaves the model of an average of its weights too.
    has_average: bool,
}

impl PlannedModel {
    /// A teacher that is there already.
    fn stored(model: ModelRef, architecture: Architecture, seed: u64) -> Self {
        let (method, variant) = (MethodName::PGD_AT, Variant::default());
        let (training, has_best, has_average) = (None, false, false);
        Self { model, method, variant, architecture, is_teacher: true, seed, training, has_best, has_average }
    }

    /// The model of the best epoch where there is one.
    fn best(&self) -> Option<Self> {
        self.has_best.then(|| Self {
            model: ModelRef::Best(Box::new(self.model.clone())),
            variant: self.variant.clone().of_best_epoch(),
            ..self.clone()
        })
    }

    /// The model of the average of weights where there is one.
    fn average(&self) -> Option<Self> {
        self.has_average.then(|| Self {
            model: ModelRef::Averaged(Box::new(self.model.clone())),
            variant: self.variant.clone().of_average(),
            ..self.clone()
        })
    }

    /// What students learn from: the model of the best epoch where there is one.
    fn as_teacher(&self) -> Self {
        self.best().unwrap_or_else(|| self.clone())
    }

    /// Whether its training is the same in everything as another one's.
    fn is_trained_as(&self, other: &Self) -> bool {
        (self.method, self.architecture, &self.variant, self.seed)
            == (other.method, other.architecture, &other.variant, other.seed)
    }
}

/// The models that analyses are of: those of the first seed, of the first student, and of the first values of sweeps.
struct Analysed {
    surrogates: Vec<PlannedModel>,
    /// The one that the students learn from.
    teacher: Option<PlannedModel>,
    students: Vec<PlannedModel>,
}

impl Analysed {
    /// Those that an analysis is of, in the order of its panels, each with its name: a surrogate first, on which images are attacked
    /// that are shown to all, then the teacher. Where a surrogate and
    /// a student are the same training, there is one panel.
    fn of(&self, analysis: &Analysis) -> Vec<(String, &PlannedModel)> {
        let kind = analysis.kind();
        let surrogates: Vec<_> = self.surrogates.iter().filter(|s| kind.shows_surrogates() && !s.is_teacher).collect();
        let teacher = self.teacher.iter().filter(|_| kind.shows_teacher());
        let student = self.students.first().map(|student| student.architecture);
        let named = |model: &PlannedModel| {
            let architecture = if Some(model.architecture) == student { "" } else { model.architecture.title() };
            let name = model.variant.named(model.method.title());
            if architecture.is_empty() { name } else { format!("{name} · {architecture}") }
        };
        let is_new = |student: &&PlannedModel| !surrogates.iter().any(|surrogate| surrogate.is_trained_as(student));
        let mut models: Vec<(String, &PlannedModel)> = surrogates.iter().map(|model| (named(model), *model)).collect();
        models.extend(teacher.map(|model| (model.variant.named("Teacher"), model)));
        models.extend(self.students.iter().filter(is_new).map(|model| (named(model), model)));
        models
    }
}

/// The models of a seed that students learn from.
#[derive(Default)]
struct Teachers {
    /// The robust one.
    robust: Option<PlannedModel>,
    /// The naturally trained one, for methods that have two.
    natural: Option<PlannedModel>,
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
        let needs_teacher = self.evaluates_alone() || self.methods.iter().any(|m| m.needs_teacher());
        let mut methods = self.methods.clone();
        // The order of the tables, in which a method stands before the one that fine-tunes its model.
        methods.sort_unstable();
        let mut analysed: Option<Analysed> = None;
        for &seed in &self.seeds {
            let teacher = needs_teacher.then(|| plan.teacher(seed));
            plan.train_surrogates(seed, teacher.as_ref());
            let natural = self.needs_natural_teacher().then(|| plan.natural_teacher(seed));
            let mut first = Analysed {
                surrogates: plan.surrogates.clone(),
                teacher: teacher.as_ref().map(PlannedModel::as_teacher),
                students: vec![],
            };
            if let Some(teacher) = &teacher {
                plan.evaluate(teacher);
            }
            let teachers = Teachers { robust: teacher, natural };
            for (place, &architecture) in self.students.iter().enumerate() {
                let mut trained: Vec<(MethodName, Variant, ModelRef)> = Vec::new();
                for &method in &methods {
                    for (variation, variant) in self.variants(method).into_iter().enumerate() {
                        let before = trained.iter().find(|(before, own, _)| {
                            method.fine_tunes() == Some(*before) && variant.settings.starts_with(&own.settings)
                        });
                        let start_from = before.map(|(_, _, model)| model.clone());
                        let student = plan.train((method, architecture, seed), &variant, &teachers, start_from);
                        plan.evaluate(&student);
                        trained.push((method, variant, student.model.clone()));
                        if (place, variation) == (0, 0) {
                            first.students.push(student);
                        }
                    }
                }
            }
            analysed.get_or_insert(first);
        }
        if let Some(models) = &analysed {
            self.analyses.iter().for_each(|analysis| plan.analyse(analysis, models));
        }
        plan.runs
    }
}

impl Plan<'_> {
    /// The teacher, trained first unless it is there already.
    fn teacher(&mut self, seed: u64) -> PlannedModel {
        let teacher = match self.experiment.teacher {
            TeacherChoice::Train(architecture) => {
                self.train((MethodName::PGD_AT, architecture, seed), &Variant::default(), &Teachers::default(), None)
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

    /// The natural teacher of a seed: as large as the robust one, and trained unless it is a surrogate too.
    fn natural_teacher(&mut self, seed: u64) -> PlannedModel {
        let (method, architecture) = (MethodName::NATURAL, self.experiment.teacher.architecture());
        let surrogate = self.surrogates.iter().find(|s| (s.method, s.architecture) == (method, architecture));
        if let Some(surrogate) = surrogate {
            return surrogate.clone();
        }
        let natural = self.train((method, architecture, seed), &Variant::default(), &Teachers::default(), None);
        if let Some(run) = natural.training.and_then(|index| self.runs.get_mut(index)) {
            run.is_teacher = true;
        }
        natural
    }

    /// Trains the surrogates of a seed; the teacher serves where it is one of them.
    fn train_surrogates(&mut self, seed: u64, teacher: Option<&PlannedModel>) {
        self.surrogates.clear();
        for &Surrogate { method, architecture } in &self.experiment.surrogates {
            let trained =
                teacher.filter(|t| t.training.is_some() && (t.method, t.architecture) == (method, architecture));
            let surrogate = match trained {
                Some(teacher) => teacher.clone(),
                None => self.train((method, architecture, seed), &Variant::default(), &Teachers::default(), None),
            };
            self.surrogates.push(surrogate);
        }
    }

    /// Adds a training.
    fn train(
        &mut self,
        (method, architecture, seed): (MethodName, Architecture, u64),
        variant: &Variant,
        teachers: &Teachers,
        start_from: Option<ModelRef>,
    ) -> PlannedModel {
        // The sweeps were checked with the experiment; a plan of one that was not is made of defaults.
        let spec = self.experiment.train(method, architecture, seed, variant);
        let mut spec = spec.unwrap_or_else(|_| self.experiment.default_train(method, architecture, seed));
        let mut needs = Vec::new();
        let teacher = teachers.robust.as_ref().filter(|_| method.needs_teacher());
        if let Some(teacher) = teacher {
            spec.teacher = Some(teacher.as_teacher().model);
            needs.extend(teacher.training);
        }
        if let Some(natural) = teachers.natural.as_ref().filter(|_| spec.method.needs_natural_teacher()) {
            spec.natural_teacher = Some(natural.as_teacher().model);
            needs.extend(natural.training);
        }
        if let Some(ModelRef::Planned(index)) = start_from {
            spec.start_from = start_from;
            needs.push(index);
        }
        let (has_best, has_average) = (spec.keeps_best(), spec.keeps_average());
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
        let variant = variant.clone();
        let is_teacher = false;
        PlannedModel { model, method, variant, architecture, is_teacher, seed, training, has_best, has_average }
    }

    /// Adds the evaluations of a model, of its best epoch, of its average, and of its probes, and its masking checks.
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
        for model in [Some(model.clone()), model.best(), model.average()].into_iter().flatten() {
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
            transfers: attacks.iter().filter(|attack| attack.surrogate().is_some()).cloned().collect(),
            batch_size: 100,
            seed: model.seed,
            device: self.experiment.device,
        });
        self.add(spec, model, needs);
    }

    /// Adds an analysis.
    fn analyse(&mut self, analysis: &Analysis, models: &Analysed) {
        let models = models.of(analysis);
        let Some((_, first)) = models.first() else { return };
        let named =
            |(name, model): &(String, &PlannedModel)| AnalysedModel { name: name.clone(), model: model.model.clone() };
        let spec = self.experiment.analyse(analysis.clone(), models.iter().map(named).collect());
        let needs = models.iter().filter_map(|(_, model)| model.training).collect();
        self.runs.push(PlannedRun::of_analysis(spec, first.method, first.architecture, needs));
    }

    fn add(&mut self, spec: RunSpec, model: &PlannedModel, needs: Vec<usize>) {
        let PlannedModel { method, variant, architecture, is_teacher, .. } = model.clone();
        self.runs.push(PlannedRun { spec, method, variant, architecture, teacher: None, is_teacher, needs });
    }
}

/// Steps of the attack on probes (methods.md §7).
const PROBE_STEPS: usize = 7;

impl ExperimentSpec {
    /// An analysis of some of its models, on its test images and at the radius of its first attack.
    pub fn analyse(&self, analysis: Analysis, models: Vec<AnalysedModel>) -> AnalyseSpec {
        AnalyseSpec {
            analysis,
            models,
            dataset: self.dataset.clone(),
            eps: self.attacks.first().map_or(PixelDistance::levels(8.0), Attack::eps),
            seed: 1,
            device: self.device,
        }
    }

    /// A method's training without any setting.
    fn default_train(&self, method: MethodName, architecture: Architecture, seed: u64) -> crate::TrainSpec {
        self.own(self.budget.train(method, architecture, self.dataset.clone(), seed))
    }

    /// A probe's schedule, shortened like the linear classifier of GACD.
    fn probe_schedule(&self) -> Schedule {
        let classifier = self.train(MethodName::GACD, Architecture::ResNet8, 0, &Variant::default()).ok();
        let schedule = classifier.and_then(|spec| spec.method.classifier().cloned());
        schedule.unwrap_or_else(Schedule::linear_classifier)
    }
}

#[cfg(test)]
mod tests;
