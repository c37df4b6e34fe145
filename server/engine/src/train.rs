//! Training: the stages of a spec, one after another, resumable at any step.

mod average;
mod classifier;
mod memory;
mod natural;
mod state;
mod update;

use std::{collections::BTreeMap, path::Path};

use retort_spec::{
    Accuracy, DivergenceRules, EpochAccuracies, Event, FineTune, Method, Metric, ProbeSpec, RunSpec, Schedule, Stage,
    StageWork, TrainSpec, WeightAveraging,
};

pub(crate) use self::update::{Updated, update};
use self::{
    average::Average,
    memory::most_memory,
    state::{Kept, Position},
};
use crate::{
    EngineError, Result,
    answers::led_by_label,
    checkpoint,
    classes::load_for,
    context::{Context, Outcome, model_path, share_done},
    crash_point,
    data::Dataset,
    evaluate::validate,
    loader,
    methods::{Batch, Objective, ObjectiveContext, fine_tuning, objective},
    nn::{ModelHeader, Network, Sgd, load_model, save_model},
    ops::SgdStep,
    rng::{Purpose, Stream},
};

/// What a stage trains by.
#[derive(Clone, Copy)]
enum StageKind<'a> {
    /// The method's own loss.
    Method(&'a Method),
    /// A linear classifier on the frozen features.
    Classifier,
    /// Adversarial fine-tuning.
    FineTune(&'a FineTune),
}

/// Steps after which the loss of an epoch so far is judged: enough for its mean to tell, and few beside a long epoch.
const JUDGED_EVERY: usize = 50;

/// A stage with its schedule and the epochs of the whole spec that lie before it.
struct StagePlan<'a> {
    kind: StageKind<'a>,
    schedule: &'a Schedule,
    epochs_before: usize,
    /// Whether no other stage follows.
    is_last: bool,
}

impl StagePlan<'_> {
    const fn stage(&self) -> Stage {
        match self.kind {
            StageKind::Method(_) => Stage::Train,
            StageKind::Classifier => Stage::Classifier,
            StageKind::FineTune(_) => Stage::Finetune,
        }
    }

    /// Whether the network's classifier learns too, so that its answers count.
    fn trains_classifier(&self) -> bool {
        match self.kind {
            StageKind::Method(method) => method.classifier().is_none(),
            StageKind::Classifier | StageKind::FineTune(_) => true,
        }
    }
}

/// A training in the making.
struct Training<'a, 'c, 'x, 'j> {
    seed: u64,
    /// Whether training images are moved and mirrored at random.
    augment: bool,
    divergence: DivergenceRules,
    weight_averaging: Option<WeightAveraging>,
    dataset: &'a Dataset,
    context: &'c mut Context<'x, 'j>,
    network: Network,
    /// What the model's file will say of it.
    header: ModelHeader,
    /// The files of its teachers, the robust one first.
    teachers: Vec<&'a Path>,
    work: Vec<StageWork>,
    /// Epochs of all stages.
    epochs: usize,
}

/// Carries a training on to its end.
pub(crate) fn run(spec: &TrainSpec, dataset: &Dataset, context: &mut Context) -> Result<Outcome> {
    let network = if let Some(model) = &spec.start_from {
        start_from(spec, model_path(model)?, context)?
    } else {
        let network = Network::new(spec.architecture, dataset.classes.len(), spec.seed, &context.device)?;
        network.with_normaliser(spec.normaliser)
    };
    let files: Vec<&Path> = spec.teacher.iter().chain(&spec.natural_teacher).map(model_path).collect::<Result<_>>()?;
    let loaded = files.iter().map(|path| Ok(load_for(path, dataset, &context.device)?.0));
    let teachers: Vec<Network> = loaded.collect::<Result<_>>()?;
    let header = ModelHeader {
        architecture: spec.architecture,
        normaliser: spec.normaliser,
        classes: dataset.classes.clone(),
        dataset: dataset.name.clone(),
        method: spec.method_name().id().to_owned(),
        seed: spec.seed,
        epoch: None,
    };
    let of_teacher = teachers.first().map(|t| t.architecture);
    let (train, test) = (dataset.train.len(), dataset.test.len());
    let work = RunSpec::Train(spec.clone()).work(train, test, spec.architecture, of_teacher);
    let training = Training {
        seed: spec.seed,
        augment: spec.augment,
        divergence: spec.divergence,
        weight_averaging: spec.weight_averaging.filter(|_| spec.keeps_average()),
        dataset,
        context,
        network,
        header,
        teachers: files,
        work,
        epochs: 0,
    };
    training.carry_out(&plans(spec), teachers)
}

/// Carries a linear probe on to its end: the features of a model stay as they are, and a new classifier tells the classes of
/// another dataset apart.
pub(crate) fn run_probe(spec: &ProbeSpec, dataset: &Dataset, context: &mut Context) -> Result<Outcome> {
    let (source, header) = load_model(model_path(&spec.model)?, &context.device)?;
    let network = Network::new(source.architecture, dataset.classes.len(), spec.seed, &context.device)?;
    let mut network = network.with_normaliser(header.normaliser);
    let classifier = network.classifier();
    let (mine, theirs) = (&mut network.weights, source.weights);
    for (index, (parameter, source)) in mine.parameters.iter_mut().zip(theirs.parameters).enumerate() {
        if !classifier.contains(&index) {
            parameter.tensor = source.tensor;
        }
    }
    mine.buffers = theirs.buffers;
    mine.batches_tracked = theirs.batches_tracked;
    let header =
        ModelHeader { classes: dataset.classes.clone(), dataset: dataset.name.clone(), seed: spec.seed, ..header };
    let (train, test) = (dataset.train.len(), dataset.test.len());
    let work = RunSpec::Probe(spec.clone()).work(train, test, source.architecture, None);
    let plan = StagePlan { kind: StageKind::Classifier, schedule: &spec.schedule, epochs_before: 0, is_last: true };
    let training = Training {
        seed: spec.seed,
        augment: false,
        divergence: DivergenceRules::default(),
        weight_averaging: None,
        dataset,
        context,
        network,
        header,
        teachers: Vec::new(),
        work,
        epochs: 0,
    };
    training.carry_out(&[plan], Vec::new())
}

/// The stages that are to be run. Their places in the whole do not depend on where the run starts from, so that a
/// fine-tuning draws the same random numbers in a run of its own as behind its training.
fn plans(spec: &TrainSpec) -> Vec<StagePlan<'_>> {
    let mut all = vec![(StageKind::Method(&spec.method), &spec.schedule)];
    if let Some(classifier) = spec.method.classifier() {
        all.push((StageKind::Classifier, classifier));
    }
    if let Some(finetune) = &spec.finetune {
        all.push((StageKind::FineTune(finetune), &finetune.schedule));
    }
    let mut epochs_before = 0;
    let mut plans = Vec::new();
    let count = all.len();
    for (index, (kind, schedule)) in all.into_iter().enumerate() {
        if spec.start_from.is_none() || matches!(kind, StageKind::FineTune(_)) {
            plans.push(StagePlan { kind, schedule, epochs_before, is_last: index + 1 == count });
        }
        epochs_before += schedule.epochs;
    }
    plans
}

fn start_from(spec: &TrainSpec, path: &Path, context: &Context) -> Result<Network> {
    let (network, header) = load_model(path, &context.device)?;
    if header.architecture != spec.architecture {
        let fault = format!("it is a {}, but the spec fine-tunes a {}", header.architecture, spec.architecture);
        return Err(EngineError::Model { path: path.to_owned(), fault });
    }
    if header.normaliser != spec.normaliser {
        let fault =
            "its normaliser is not that of the spec: write in the spec what the model was trained with".to_owned();
        return Err(EngineError::Model { path: path.to_owned(), fault });
    }
    Ok(network)
}

/// How a stage's network learns.
struct Learning {
    objective: Box<dyn Objective>,
    sgd: Sgd,
    average: Option<Average>,
}

impl Learning {
    fn kept(&self) -> Kept<'_> {
        Kept { sgd: Some(&self.sgd), average: self.average.as_ref(), objective: self.objective.state() }
    }
}

/// SGD's numbers in an epoch of a schedule, counted from 0, for the step with which so much of it is done.
fn sgd_step(schedule: &Schedule, epoch: usize, done: f64) -> SgdStep {
    SgdStep {
        learning_rate: schedule.learning_rate_at(epoch, done),
        momentum: schedule.momentum,
        weight_decay: schedule.weight_decay,
    }
}

impl Training<'_, '_, '_, '_> {
    /// Trains stage after stage, from the checkpoint if there is one, and leaves the model.
    fn carry_out(mut self, plans: &[StagePlan], mut teachers: Vec<Network>) -> Result<Outcome> {
        if self.dataset.train.is_empty() || self.dataset.test.is_empty() {
            return Err(EngineError::Data(format!("the dataset {} has an empty split", self.dataset.name)));
        }
        let device = self.context.device.clone();
        let found = checkpoint::load(self.context, &device, |file| state::read(file, &self.network))?;
        let mut resumed = found.map(|(weights, resumed)| {
            self.network.weights = weights;
            resumed
        });
        self.context.seconds_before = resumed.as_ref().map_or(0.0, |r| r.position.seconds);
        self.epochs = plans.last().map_or(0, |p| p.epochs_before + p.schedule.epochs);
        let spared = resumed
            .as_ref()
            .map_or(0, |r| plans.get(r.position.stage).map_or(self.epochs, |p| p.epochs_before + r.position.epoch));
        self.context.started(spared)?;
        let first = resumed.as_ref().map_or(0, |r| r.position.stage);
        for (index, plan) in plans.iter().enumerate().skip(first) {
            let state = resumed.take();
            let outcome = match plan.kind {
                StageKind::Classifier => classifier::train(&mut self, index, plan, state)?,
                _ => self.train(index, plan, std::mem::take(&mut teachers), state)?,
            };
            if let Some(outcome) = outcome {
                return Ok(outcome);
            }
            self.save(Position { stage: index + 1, ..Position::default() }, Kept::default())?;
        }
        save_model(&self.context.folder.model(), &self.network, &self.header)?;
        crash_point("model.written");
        let seconds = self.context.seconds();
        self.context.journal.write(Event::Finished { seconds })?;
        Ok(Outcome::Finished)
    }

    fn objective(&self, plan: &StagePlan, teachers: Vec<Network>) -> Result<Box<dyn Objective>> {
        let method = match plan.kind {
            StageKind::Method(method) => method,
            StageKind::FineTune(finetune) => return Ok(fine_tuning(finetune)),
            StageKind::Classifier => {
                return Err(EngineError::Data("a linear classifier is trained on features, not by a loss".into()));
            }
        };
        let mut teachers = teachers.into_iter();
        let context = ObjectiveContext {
            teacher: teachers.next(),
            natural_teacher: teachers.next(),
            student_features: self.network.features()?,
            labels: &self.dataset.train.labels,
            classes: self.dataset.classes.len(),
            schedule: plan.schedule.clone(),
            seed: self.seed,
            device: &self.context.device,
        };
        Ok(objective(method, context)?)
    }

    /// Trains the network through one stage; an outcome means that the run left off in the middle.
    fn train(
        &mut self,
        index: usize,
        plan: &StagePlan,
        teachers: Vec<Network>,
        resumed: Option<state::Resumed>,
    ) -> Result<Option<Outcome>> {
        let (objective, sgd) = (self.objective(plan, teachers)?, Sgd::new(&self.network.weights.parameters)?);
        let average = self.weight_averaging.filter(|_| plan.is_last).map(Average::new);
        let mut learning = Learning { objective, sgd, average };
        let mut at = Position { stage: index, ..Position::default() };
        if let Some(resumed) = resumed
            && let Some(velocities) = resumed.velocities
        {
            at = resumed.position;
            learning.sgd.restore(velocities);
            learning.objective.restore(resumed.objective)?;
            if let Some(average) = &mut learning.average {
                average.restore(resumed.average, at.averaged);
            }
        }
        let steps = self.dataset.train.len().div_ceil(plan.schedule.batch_size);
        while at.epoch < plan.schedule.epochs {
            let epoch = plan.epochs_before + at.epoch;
            let order = loader::order(self.dataset.train.len(), self.seed, epoch as u64);
            for (step, indices) in order.chunks(plan.schedule.batch_size).enumerate().skip(at.step) {
                if let Some(outcome) = self.context.interrupted() {
                    self.save(at, learning.kept())?;
                    return Ok(Some(outcome));
                }
                self.step(plan, &mut at, indices, &mut learning)?;
                at.step = step + 1;
                if at.step.is_multiple_of(JUDGED_EVERY) {
                    self.judge_loss(epoch, &at)?;
                }
                let within = (at.epoch as f64 + at.step as f64 / steps as f64) / plan.schedule.epochs as f64;
                let done = share_done(&self.work, index, within);
                self.context.progress((plan.stage(), epoch, self.epochs), done, None)?;
                if self.context.checkpoint_is_due() {
                    self.save(at.clone(), learning.kept())?;
                }
            }
            self.report(plan, epoch, &mut at)?;
            at = Position {
                stage: index,
                epoch: at.epoch + 1,
                best: at.best,
                watched: at.watched,
                ..Position::default()
            };
            if self.context.checkpoint_is_cheap() {
                self.save(at.clone(), learning.kept())?;
            }
        }
        if let Some(average) = &learning.average {
            self.save_average(average)?;
        }
        Ok(None)
    }

    /// One batch: attack, forward, loss, backward, step.
    fn step(
        &mut self,
        plan: &StagePlan,
        at: &mut Position,
        indices: &[u32],
        Learning { objective, sgd, average }: &mut Learning,
    ) -> Result<()> {
        let (seed, epoch, step) = (self.seed, (plan.epochs_before + at.epoch) as u64, at.step as u64);
        let labels: Vec<u8> = indices.iter().map(|i| self.dataset.train.labels[*i as usize]).collect();
        let mut stream = self.augment.then(|| Stream::new(seed, Purpose::Augment, epoch, step));
        let images = loader::batch(&self.dataset.train, indices, stream.as_mut(), &self.context.device)?;
        let batch = Batch { images, labels: &labels, indices, seed, epoch, step };
        let done = (at.seen + indices.len()) as f64 / self.dataset.train.len() as f64;
        let by = sgd_step(plan.schedule, at.epoch, done);
        let updated = update(&mut self.network, objective.as_mut(), &batch, sgd, by);
        let Updated { loss, logits, gradient_norm } = updated.map_err(|error| self.of_teacher(error))?;
        if let Some(average) = average {
            average.add(&self.network.weights)?;
        }
        at.loss_sum += loss * indices.len() as f64;
        at.gradient_norms.0 += gradient_norm;
        at.gradient_norms.1 += 1;
        at.seen += indices.len();
        at.correct += led_by_label(&logits, &labels)?;
        Ok(())
    }

    /// The error; if it is a teacher's, with its file.
    fn of_teacher(&self, error: EngineError) -> EngineError {
        match error {
            EngineError::Teacher { place, fault } => match self.teachers.get(place) {
                Some(path) => EngineError::Model { path: (*path).to_owned(), fault },
                None => EngineError::NotFinite(fault),
            },
            error => error,
        }
    }

    /// That the loss of epoch `epoch`, counted from 0, has exploded, if it has.
    fn judge_loss(&self, epoch: usize, at: &Position) -> Result<()> {
        let loss = at.loss_sum / at.seen.max(1) as f64;
        self.divergence
            .judge_loss(&at.watched, epoch + 1, loss)
            .map_or(Ok(()), |reason| Err(EngineError::Diverged(reason)))
    }

    /// Reports the figures of a finished epoch, keeps its model if it is the best so far, and gives the training up if they show
    /// that nothing comes of it.
    fn report(&mut self, plan: &StagePlan, epoch: usize, at: &mut Position) -> Result<()> {
        let seen = at.seen.max(1) as f64;
        let learning_rate = plan.schedule.learning_rate_at(at.epoch, 1.0);
        let mut values =
            BTreeMap::from([(Metric::TrainLoss, at.loss_sum / seen), (Metric::LearningRate, learning_rate)]);
        let (norms, steps) = at.gradient_norms;
        values.extend((steps > 0).then(|| (Metric::GradientNorm, norms / steps as f64)));
        values.extend(most_memory().map(|memory| (Metric::Memory, memory)));
        let answers = plan.trains_classifier();
        let mut accuracies = None;
        if answers {
            let natural = self.natural_accuracy(epoch + 1, plan.is_last && at.epoch + 1 == plan.schedule.epochs)?;
            values.insert(Metric::TrainAccuracy, 100.0 * at.correct as f64 / seen);
            values.insert(Metric::NaturalAccuracy, natural.percent());
            let (train, chance) = (Accuracy { correct: at.correct, n: at.seen }, self.dataset.largest_share());
            accuracies = Some(EpochAccuracies { train, natural, chance });
        }
        if answers && !self.dataset.validation.is_empty() {
            let (split, seed) = (&self.dataset.validation, self.seed);
            let [natural, adversarial] = validate(&mut self.network, split, seed, &self.context.device)?;
            values.insert(Metric::ValidationNaturalAccuracy, natural.percent());
            values.insert(Metric::ValidationPgdAccuracy, adversarial.percent());
            if plan.is_last && at.best.is_none_or(|best| adversarial.correct > best) {
                let header = ModelHeader { epoch: Some(epoch + 1), ..self.header.clone() };
                save_model(&self.context.folder.best_model(), &self.network, &header)?;
                at.best = Some(adversarial.correct);
            }
        }
        self.context.journal.write(Event::Metrics { stage: plan.stage(), epoch: epoch + 1, values })?;
        self.judge_loss(epoch, at)?;
        let reason = self.divergence.end_epoch(&mut at.watched, epoch + 1, at.loss_sum / seen, accuracies);
        reason.map_or(Ok(()), |reason| Err(EngineError::Diverged(reason)))
    }

    /// Leaves the model of an average of the weights.
    fn save_average(&self, average: &Average) -> Result<()> {
        let classes = self.header.classes.len();
        let network = Network::new(self.network.architecture, classes, self.seed, &self.context.device)?;
        let mut network = network.with_normaliser(self.header.normaliser);
        network.weights.batches_tracked = self.network.weights.batches_tracked;
        average.put_into(&mut network);
        save_model(&self.context.folder.averaged_model(), &network, &self.header)
    }

    fn save(&mut self, mut at: Position, kept: Kept) -> Result<()> {
        at.seconds = self.context.seconds();
        let checkpoint = state::checkpoint(at, &self.network, kept)?;
        checkpoint::save(self.context, checkpoint)
    }
}
