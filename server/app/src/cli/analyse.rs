//! `retort analyse`: figures of trained models, without a server.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use retort_spec::{
    AdversarialImages, AnalyseSpec, AnalysedModel, Analysis, BUNDLED_DATASET, Correlation, DatasetChoice, DeviceName,
    Features, Gallery, LogitStatistic, ModelRef, PixelDistance, RunSpec,
};

use super::{data_dir::DataDir, run::run_spec};

/// What is computed.
#[derive(Debug, Subcommand)]
pub enum AnalyseCommand {
    /// t-SNE maps of the features of two classes, and of adversarial images of one that are to be taken for the other
    ///
    /// Example: retort analyse features --model Teacher=teacher/model.safetensors --model ARD=ard/model.safetensors
    /// --attacked Bag --target Coat --out features
    Features {
        #[command(flatten)]
        shared: AnalyseArgs,

        /// The class whose images are attacked
        #[arg(long, value_name = "CLASS")]
        attacked: String,

        /// The class that they are to be taken for
        #[arg(long, value_name = "CLASS")]
        target: String,

        /// Images of each kind, from 31 to 500
        #[arg(long, value_name = "N", default_value_t = 100)]
        images: usize,

        /// Attack each model itself; else all models see the images that are attacked on the first
        #[arg(long)]
        white_box: bool,
    },
    /// Differences between the logits of the first model, the teacher, and each other's, by class and class
    ///
    /// Example: retort analyse correlation --model Teacher=teacher/model.safetensors --model ARD=ard/model.safetensors
    /// --out correlation
    Correlation {
        #[command(flatten)]
        shared: AnalyseArgs,

        /// Compare the mean logits of each class instead of the correlations of logits
        #[arg(long)]
        class_mean: bool,

        /// Make adversarial images on each of the two models itself; else those of the second are shown to both
        #[arg(long)]
        white_box: bool,
    },
    /// Adversarial images with what each model answers to them
    ///
    /// Example: retort analyse gallery --model KD=kd/model.safetensors --model ARD=ard/model.safetensors --differ --out gallery
    Gallery {
        #[command(flatten)]
        shared: AnalyseArgs,

        /// Only images of this class; may be given several times
        #[arg(long = "class", value_name = "CLASS")]
        classes: Vec<String>,

        /// How many images, 60 at most
        #[arg(long, value_name = "N", default_value_t = 10)]
        images: usize,

        /// Only images that one of the first two models answers rightly and the other wrongly, once attacked
        #[arg(long)]
        differ: bool,
    },
}

/// Of which models, on which images.
#[derive(Args, Debug)]
pub struct AnalyseArgs {
    /// A model.safetensors, with the name that the figure calls it by; give one for each model, in the order of the panels
    #[arg(long = "model", value_name = "NAME=FILE", required = true, value_parser = named)]
    models: Vec<AnalysedModel>,

    /// Name of a dataset (see `retort data list`), or the path of a folder of images; its test images are used
    #[arg(long, value_name = "D", default_value = BUNDLED_DATASET)]
    dataset: String,

    /// Use this many test images, equally many of each class [default: all]
    #[arg(long, value_name = "N")]
    test_images: Option<usize>,

    /// Radius ε of the attack, PGD-20, in pixel units
    #[arg(long, default_value = "8/255", value_parser = distance)]
    eps: PixelDistance,

    /// Seed of random starts and of t-SNE
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// Device: cpu, or cuda:0 for the first GPU
    #[arg(long, default_value_t = DeviceName::Cpu, value_parser = device)]
    device: DeviceName,

    /// Folder for the figures and for analysis.json, which holds their numbers
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    #[command(flatten)]
    data: DataDir,
}

fn named(text: &str) -> Result<AnalysedModel, String> {
    let (name, file) = text.split_once('=').ok_or("write NAME=FILE, such as Teacher=teacher/model.safetensors")?;
    Ok(AnalysedModel { name: name.trim().to_owned(), model: ModelRef::File(file.trim().into()) })
}

fn distance(text: &str) -> Result<PixelDistance, String> {
    text.parse()
}

fn device(text: &str) -> Result<DeviceName, String> {
    text.parse()
}

fn made_on(white_box: bool) -> AdversarialImages {
    if white_box { AdversarialImages::WhiteBox } else { AdversarialImages::Shared }
}

/// Computes an analysis in its folder, and draws it there.
///
/// # Errors
/// When a model or the dataset cannot be used, the folder holds another run, or Ctrl-C ends it.
pub fn analyse(command: AnalyseCommand) -> Result<()> {
    let (analysis, shared) = match command {
        AnalyseCommand::Features { shared, attacked, target, images, white_box } => {
            (Analysis::Features(Features { attacked, target, images, adversarial: made_on(white_box) }), shared)
        }
        AnalyseCommand::Correlation { shared, class_mean, white_box } => {
            let statistic = if class_mean { LogitStatistic::ClassMean } else { LogitStatistic::Correlation };
            (Analysis::Correlation(Correlation { statistic, adversarial: made_on(white_box) }), shared)
        }
        AnalyseCommand::Gallery { shared, classes, images, differ } => {
            (Analysis::Gallery(Gallery { classes, images, differ }), shared)
        }
    };
    let spec = RunSpec::Analyse(AnalyseSpec {
        analysis,
        models: shared.models,
        dataset: DatasetChoice { test_images: shared.test_images, ..DatasetChoice::all_of(&shared.dataset) },
        eps: shared.eps,
        seed: shared.seed,
        device: shared.device,
    });
    spec.validate()?;
    run_spec(&spec, &shared.out, &shared.data)
}

#[cfg(test)]
mod tests {
    use retort_spec::AnalysisKind;

    use super::*;

    #[test]
    fn every_analysis_has_a_subcommand_of_its_name() {
        for kind in AnalysisKind::ALL {
            assert!(AnalyseCommand::has_subcommand(kind.id()), "{}", kind.id());
        }
    }
}
