//! The spec of one run: everything that its numbers depend on.

mod analysis;
mod divergence;
mod evaluate;
mod masking;
mod probe;
mod state;
mod train;
mod work;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Attack, DatasetChoice, DeviceName, Invalid, ModelRef, Problem};

pub use self::{
    analysis::*,
    divergence::{DivergenceRules, EpochAccuracies, Watched},
    evaluate::EvaluateSpec,
    masking::MaskingSpec,
    probe::ProbeSpec,
    state::RunState,
    train::{FineTune, FineTuneLoss, TrainSpec, WeightAveraging},
    work::{StageWork, VALIDATION_STEPS},
};

/// One run, by what it does.
#[expect(clippy::large_enum_variant, reason = "specs are few, and a box would stand in every place that reads one")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunSpec {
    /// Train a model.
    Train(TrainSpec),
    /// Train a linear classifier on a model's frozen features.
    Probe(ProbeSpec),
    /// Evaluate a model.
    Evaluate(EvaluateSpec),
    /// Check whether a model masks its gradients.
    Masking(MaskingSpec),
    /// Compute from models what is to be looked at.
    Analyse(AnalyseSpec),
}

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunKind {
    /// It trains a model.
    Train,
    /// It trains a linear classifier on a model's frozen features.
    Probe,
    /// It evaluates a model.
    Evaluate,
    /// It checks whether a model masks its gradients.
    Masking,
    /// It computes from models what is to be looked at.
    Analyse,
}

impl RunKind {
    /// All kinds, in the order in which an experiment comes to them.
    pub const ALL: [Self; 5] = [Self::Train, Self::Probe, Self::Evaluate, Self::Masking, Self::Analyse];

    /// What such a run does with a student's or with the teacher's model, in words.
    pub const fn verb(self, is_teacher: bool) -> &'static str {
        match (self, is_teacher) {
            (Self::Train, false) => "train",
            (Self::Train, true) => "train teacher",
            (Self::Probe, false) => "probe",
            (Self::Probe, true) => "probe teacher",
            (Self::Evaluate, false) => "evaluate",
            (Self::Evaluate, true) => "evaluate teacher",
            (Self::Analyse, _) => "analyse",
            (Self::Masking, false) => "check masking",
            (Self::Masking, true) => "check teacher's masking",
        }
    }

    /// The name in specs and in the database.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Probe => "probe",
            Self::Evaluate => "evaluate",
            Self::Masking => "masking",
            Self::Analyse => "analyse",
        }
    }
}

impl FromStr for RunKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.id() == text).ok_or_else(|| format!("there is no kind of run “{text}”"))
    }
}

impl RunSpec {
    /// What it does.
    pub const fn kind(&self) -> RunKind {
        match self {
            Self::Train(_) => RunKind::Train,
            Self::Probe(_) => RunKind::Probe,
            Self::Evaluate(_) => RunKind::Evaluate,
            Self::Masking(_) => RunKind::Masking,
            Self::Analyse(_) => RunKind::Analyse,
        }
    }

    /// The dataset that it uses.
    pub const fn dataset(&self) -> &DatasetChoice {
        match self {
            Self::Train(spec) => &spec.dataset,
            Self::Probe(spec) => &spec.dataset,
            Self::Evaluate(spec) => &spec.dataset,
            Self::Masking(spec) => &spec.dataset,
            Self::Analyse(spec) => &spec.dataset,
        }
    }

    /// The dataset that it uses, to change it.
    pub const fn dataset_mut(&mut self) -> &mut DatasetChoice {
        match self {
            Self::Train(spec) => &mut spec.dataset,
            Self::Probe(spec) => &mut spec.dataset,
            Self::Evaluate(spec) => &mut spec.dataset,
            Self::Masking(spec) => &mut spec.dataset,
            Self::Analyse(spec) => &mut spec.dataset,
        }
    }

    /// The device that it names.
    pub const fn device(&self) -> DeviceName {
        match self {
            Self::Train(spec) => spec.device,
            Self::Probe(spec) => spec.device,
            Self::Evaluate(spec) => spec.device,
            Self::Masking(spec) => spec.device,
            Self::Analyse(spec) => spec.device,
        }
    }

    /// The seed.
    pub const fn seed(&self) -> u64 {
        match self {
            Self::Train(spec) => spec.seed,
            Self::Probe(spec) => spec.seed,
            Self::Evaluate(spec) => spec.seed,
            Self::Masking(spec) => spec.seed,
            Self::Analyse(spec) => spec.seed,
        }
    }

    /// Every model that it reads.
    pub fn models_mut(&mut self) -> Vec<&mut ModelRef> {
        let (named, attacks): (Vec<&mut ModelRef>, &mut [Attack]) = match self {
            Self::Train(spec) => {
                let teachers = spec.teacher.iter_mut().chain(&mut spec.natural_teacher);
                (teachers.chain(&mut spec.start_from).collect(), &mut [])
            }
            Self::Probe(spec) => (vec![&mut spec.model], &mut []),
            Self::Evaluate(spec) => (vec![&mut spec.model], &mut spec.attacks),
            Self::Masking(spec) => (vec![&mut spec.model], &mut spec.transfers),
            Self::Analyse(spec) => (spec.models.iter_mut().map(|analysed| &mut analysed.model).collect(), &mut []),
        };
        named.into_iter().chain(attacks.iter_mut().filter_map(Attack::surrogate_mut)).collect()
    }

    /// Reads a spec from JSON and checks every value of it.
    ///
    /// # Errors
    /// With the field and what to do, when the text is not JSON, a field is missing, unknown or of the wrong type, or
    /// a value is out of its range.
    pub fn from_json(text: &str) -> Result<Self, Invalid> {
        let spec: Self = serde_json::from_str(text).map_err(|e| {
            Invalid(vec![Problem::new("spec", format!("{e}; `retort spec METHOD` prints a valid one"))])
        })?;
        spec.validate()?;
        Ok(spec)
    }

    /// The spec as JSON, as `spec.json` holds it.
    ///
    /// # Errors
    /// When it names a file whose path is no text.
    pub fn to_json(&self) -> Result<String, Invalid> {
        let text = serde_json::to_string_pretty(self);
        Ok(text.map_err(|e| Invalid(vec![Problem::new("spec", format!("it cannot be written as JSON: {e}"))]))? + "\n")
    }

    /// Checks every value.
    ///
    /// # Errors
    /// With all problems at once.
    pub fn validate(&self) -> Result<(), Invalid> {
        let mut problems = Vec::new();
        self.dataset().check("dataset", &mut problems);
        match self {
            Self::Train(spec) => spec.check(&mut problems),
            Self::Probe(spec) => spec.schedule.check("schedule", &mut problems),
            Self::Evaluate(spec) => spec.check(&mut problems),
            Self::Masking(spec) => spec.check(&mut problems),
            Self::Analyse(spec) => spec.check(&mut problems),
        }
        Invalid::unless_empty(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, Budget, MethodName, Normaliser};

    fn spec(method: MethodName) -> RunSpec {
        let spec = Budget::Paper.train(method, Architecture::ResNet8, DatasetChoice::all_of("d"), 1);
        RunSpec::Train(spec.taught_by(&ModelRef::File("teacher.safetensors".into())))
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text_is_refused_and_writes_no_empty_spec() {
        use std::os::unix::ffi::OsStringExt;
        let RunSpec::Train(mut kd) = spec(MethodName::KD) else { unreachable!() };
        kd.teacher = Some(ModelRef::File(std::ffi::OsString::from_vec(vec![b'm', 0xff]).into()));
        let fault = RunSpec::Train(kd).to_json().unwrap_err().to_string();
        assert!(fault.contains("spec: it cannot be written as JSON"), "{fault}");
    }

    #[test]
    fn every_default_spec_is_valid_and_reads_back_from_its_json() {
        for method in MethodName::all() {
            let spec = spec(method);
            assert_eq!(RunSpec::from_json(&spec.to_json().unwrap()).unwrap(), spec);
        }
    }

    #[test]
    fn a_spec_of_kd_without_a_reduction_keeps_the_batch_mean_that_it_was_written_for() {
        // As version 0.1 wrote it before KD had the parameter.
        let text = r#"{"kind":"train","dataset":{"name":"fashion-mnist-5k"},"architecture":"resnet8","teacher":{"run":1},"method":{"name":"kd","temperature":30.0,"alpha":1.0,"gamma":0.0},"schedule":{"epochs":5,"batch_size":64,"learning_rate":0.1,"milestones":[3,4],"momentum":0.9,"weight_decay":0.0002},"augment":true,"seed":1,"device":"cpu"}"#;
        let RunSpec::Train(kd) = RunSpec::from_json(text).unwrap() else { panic!("it trains") };
        assert_eq!(kd.parameter("method.reduction").unwrap(), "batch_mean");
        let RunSpec::Train(new) = spec(MethodName::KD) else { unreachable!() };
        assert_eq!(new.parameter("method.reduction").unwrap(), "element_mean");
    }

    #[test]
    fn an_unknown_method_is_named_with_those_that_exist() {
        let text = spec(MethodName::KD).to_json().unwrap().replace("\"kd\"", "\"dk\"");
        let message = RunSpec::from_json(&text).unwrap_err().to_string();
        assert!(message.contains("dk") && message.contains("pgd-at"), "{message}");
    }

    #[test]
    fn an_epsilon_above_one_is_refused_by_its_field() {
        let text = spec(MethodName::ARD).to_json().unwrap().replace("8/255", "8");
        let Invalid(problems) = RunSpec::from_json(&text).unwrap_err();
        assert_eq!(problems[0].field, "method.attack.eps");
    }

    #[test]
    fn a_misspelt_field_is_refused_rather_than_ignored() {
        let text = spec(MethodName::NATURAL).to_json().unwrap().replace("\"augment\"", "\"augmnt\"");
        assert!(RunSpec::from_json(&text).unwrap_err().to_string().contains("augmnt"));
        let text = spec(MethodName::ARD).to_json().unwrap().replace("\"reduction\"", "\"reductoin\"");
        assert!(RunSpec::from_json(&text).is_err());
    }

    #[test]
    fn a_student_without_its_teacher_is_refused() {
        let RunSpec::Train(mut spec) = spec(MethodName::ARD) else { unreachable!() };
        spec.teacher = None;
        let Invalid(problems) = RunSpec::Train(spec).validate().unwrap_err();
        assert_eq!(problems[0].field, "teacher");
    }

    #[test]
    fn a_normaliser_is_absent_unless_asked_for_and_refused_where_it_divides_by_zero() {
        let RunSpec::Train(mut train) = spec(MethodName::NATURAL) else { unreachable!() };
        assert!(!RunSpec::Train(train.clone()).to_json().unwrap().contains("normaliser"));
        train.normaliser = Some(Normaliser { mean: [0.5; 3], std: [0.2, 0.2, 0.1] });
        let text = RunSpec::Train(train.clone()).to_json().unwrap();
        assert_eq!(RunSpec::from_json(&text).unwrap(), RunSpec::Train(train.clone()));
        for std in [0.0, -0.2, f64::NAN, f64::INFINITY] {
            train.normaliser = Some(Normaliser { mean: [0.5; 3], std: [0.2, std, 0.1] });
            let Invalid(problems) = RunSpec::Train(train.clone()).validate().unwrap_err();
            assert_eq!(problems[0].field, "normaliser");
        }
    }
}
