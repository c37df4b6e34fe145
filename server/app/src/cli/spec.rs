//! `retort spec`: a complete spec to edit.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use retort_spec::{
    Architecture, Attack, BUNDLED_DATASET, DatasetChoice, DeviceName, MaskingSpec, MethodName, ModelRef, PixelDistance,
    ProbeSpec, RunSpec, Schedule, Setting, TrainSpec,
};

/// What may stand for METHOD.
fn methods() -> String {
    let (tuned, plain): (Vec<_>, Vec<_>) = MethodName::all().partition(|method| method.fine_tunes().is_some());
    let ids = |methods: Vec<MethodName>| methods.into_iter().map(MethodName::id).collect::<Vec<_>>().join(", ");
    format!(
        "One of {}; one of {} to fine-tune adversarially after it; probe for a linear classifier on the frozen features of \
         --model; or masking for checks whether --model masks its gradients",
        ids(plain),
        ids(tuned)
    )
}

/// What the spec is to say.
#[derive(Args, Debug)]
pub struct SpecArgs {
    #[arg(help = methods())]
    method: String,

    /// Name of a dataset (see `retort data list`), or the path of a folder of images
    #[arg(long, default_value = BUNDLED_DATASET)]
    dataset: String,

    /// Architecture to train, such as resnet8, resnet18, wrn-16-2 or mobilenetv2
    #[arg(long, value_name = "ARCH", default_value = "resnet8", value_parser = architecture)]
    student: Architecture,

    /// The teacher's model.safetensors, for methods that have a teacher
    #[arg(long, value_name = "FILE")]
    teacher: Option<PathBuf>,

    /// The model.safetensors of a naturally trained teacher, for methods that have two
    #[arg(long, value_name = "FILE")]
    natural_teacher: Option<PathBuf>,

    /// The model that is probed or checked
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// Another model, through which the one that is checked is attacked too; may be given several times
    #[arg(long, value_name = "FILE")]
    surrogate: Vec<PathBuf>,

    /// A published variant of the method, such as repdistiller for kd
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,

    /// A parameter, such as method.temperature=4; may be given several times. The spec itself shows all of them
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting)]
    set: Vec<Setting>,

    /// Hold this many training images out, and keep the epoch that is best on them under PGD-10 beside the last
    #[arg(long, value_name = "N")]
    validation_images: Option<usize>,

    /// Use this many test images, equally many of each class [default: all; for masking, 100]
    #[arg(long, value_name = "N")]
    test_images: Option<usize>,

    /// Epochs of training; learning-rate milestones move in proportion [default: the published schedule]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,

    /// Seed of every random number
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

fn architecture(text: &str) -> Result<Architecture, String> {
    text.parse()
}

fn setting(text: &str) -> Result<Setting, String> {
    let (path, value) = text.split_once('=').ok_or("write PATH=VALUE, such as method.temperature=4")?;
    Ok(Setting::new(path.trim(), value.trim()))
}

/// Prints the spec as JSON.
///
/// # Errors
/// When a value is out of its range, or the method has no such parameter or preset.
pub fn spec(args: SpecArgs) -> Result<()> {
    let dataset = DatasetChoice {
        validation_images: args.validation_images,
        test_images: args.test_images,
        ..DatasetChoice::all_of(&args.dataset)
    };
    let spec = match args.method.as_str() {
        "probe" => probe(&args, dataset)?,
        "masking" => masking(args, dataset)?,
        _ => train(args, dataset)?,
    };
    spec.validate()?;
    crate::say::say_text(&spec.to_json()?);
    Ok(())
}

fn train(args: SpecArgs, dataset: DatasetChoice) -> Result<RunSpec> {
    let method: MethodName = args.method.parse().map_err(|fault| anyhow::anyhow!("{fault}, or probe or masking"))?;
    let mut spec = TrainSpec::published(method, args.student, dataset, args.seed);
    if let Some(name) = &args.preset {
        let before = method.fine_tunes().and_then(|before| before.preset(name).ok());
        spec = spec.with_preset(before.map_or_else(|| method.preset(name), Ok).map_err(anyhow::Error::msg)?);
    }
    if let Some(epochs) = args.epochs {
        spec = spec.with_epochs(epochs);
    }
    for setting in &args.set {
        spec.set(setting).map_err(|problem| anyhow::anyhow!("{}: {}", problem.field, problem.message))?;
    }
    spec.teacher = args.teacher.map(ModelRef::File);
    spec.natural_teacher = args.natural_teacher.map(ModelRef::File);
    if spec.method.needs_natural_teacher() && spec.natural_teacher.is_none() {
        spec.natural_teacher = Some(ModelRef::File("natural-teacher.safetensors".into()));
        complain!(
            "note: {method} needs a natural teacher too; put its file in place of “natural-teacher.safetensors”."
        );
    }
    if method.needs_teacher() && spec.teacher.is_none() {
        spec.teacher = Some(ModelRef::File("teacher.safetensors".into()));
        complain!("note: {method} needs a teacher; put its file in place of “teacher.safetensors”.");
    }
    Ok(RunSpec::Train(spec))
}

fn probe(args: &SpecArgs, dataset: DatasetChoice) -> Result<RunSpec> {
    let model = args.model_to("probed")?;
    let mut schedule = Schedule::linear_classifier();
    if let Some(epochs) = args.epochs {
        schedule = schedule.stretched_to(epochs);
    }
    Ok(RunSpec::Probe(ProbeSpec { model, dataset, schedule, seed: args.seed, device: DeviceName::Cpu }))
}

/// Test images of masking checks, which cost some 3,800 passes for each.
const MASKING_IMAGES: usize = 100;

fn masking(args: SpecArgs, dataset: DatasetChoice) -> Result<RunSpec> {
    let model = args.model_to("checked")?;
    let transfer = |file: PathBuf| Attack::transfer(file.display().to_string(), ModelRef::File(file));
    Ok(RunSpec::Masking(MaskingSpec {
        model,
        dataset: DatasetChoice { test_images: dataset.test_images.or(Some(MASKING_IMAGES)), ..dataset },
        eps: PixelDistance::levels(8.0),
        transfers: args.surrogate.into_iter().map(transfer).collect(),
        batch_size: 100,
        seed: args.seed,
        device: DeviceName::Cpu,
    }))
}

impl SpecArgs {
    /// The model of a run that trains none.
    fn model_to(&self, be: &str) -> Result<ModelRef> {
        let teachers = [&self.teacher, &self.natural_teacher];
        if teachers.iter().any(|t| t.is_some()) || self.preset.is_some() || !self.set.is_empty() {
            bail!(
                "a {} has no teacher, preset or parameters of a method: leave --teacher, --natural-teacher, --preset and --set out",
                self.method
            );
        }
        let model = self.model.clone().map(ModelRef::File);
        model.with_context(|| format!("name the model that is to be {be} with --model FILE"))
    }
}
