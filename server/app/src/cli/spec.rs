//! `retort spec`: a complete spec to edit.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use retort_spec::{Architecture, BUNDLED_DATASET, Budget, DatasetChoice, MethodName, ModelRef, RunSpec};

/// What the spec is to say.
#[derive(Args, Debug)]
pub struct SpecArgs {
    /// natural, pgd-at, kd, ard, gacd or gacd+aft
    method: MethodName,

    /// Name of a dataset (see `retort data list`), or the path of a folder of images
    #[arg(long, default_value = BUNDLED_DATASET)]
    dataset: String,

    /// Architecture to train: resnet8, resnet20 or resnet18
    #[arg(long, value_name = "ARCH", default_value = "resnet8", value_parser = architecture)]
    student: Architecture,

    /// The teacher's model.safetensors, for methods that have a teacher
    #[arg(long, value_name = "FILE")]
    teacher: Option<PathBuf>,

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

/// Prints the spec as JSON.
///
/// # Errors
/// When a value is out of its range.
pub fn spec(args: SpecArgs) -> Result<()> {
    let mut spec = Budget::Paper.train(args.method, args.student, DatasetChoice::all_of(args.dataset), args.seed);
    if let Some(epochs) = args.epochs {
        spec = spec.with_epochs(epochs);
    }
    spec.teacher = args.teacher.map(ModelRef::File);
    if args.method.needs_teacher() && spec.teacher.is_none() {
        spec.teacher = Some(ModelRef::File("teacher.safetensors".into()));
        eprintln!("note: {} needs a teacher; put its file in place of “teacher.safetensors”.", args.method);
    }
    let spec = RunSpec::Train(spec);
    spec.validate()?;
    print!("{}", spec.to_json());
    Ok(())
}
