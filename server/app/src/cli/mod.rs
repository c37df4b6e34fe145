//! The command line.

mod add_dataset;
mod analyse;
mod bench;
mod bundle;
mod data;
mod data_dir;
mod demo;
mod doctor;
mod draw;
mod evaluate;
mod import_report;
mod keep;
mod memory;
mod model;
mod out;
mod progress;
mod read_weights;
mod run;
mod serve;
mod spec;
mod stop;
mod worker;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::config::ServeArgs;

/// A web workbench for robust distillation: launch, compare, share
///
/// Without a command it serves, as `retort serve` does.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the pages and run what is launched there
    Serve(ServeArgs),
    /// Serve, and launch the demo comparison unless this data folder has it
    Demo(ServeArgs),
    /// Print the complete spec of a training as JSON, to edit
    ///
    /// Example: retort spec pgd-at --epochs 10 > teacher.json
    Spec(spec::SpecArgs),
    /// Train or evaluate a spec in a folder, without a server
    ///
    /// Example: retort run teacher.json --out teacher
    Run(run::RunArgs),
    /// Measure a model's natural accuracy, and its accuracy under an attack
    ///
    /// Example: retort evaluate --model teacher/model.safetensors --dataset fashion-mnist-5k --attack pgd-20
    Evaluate(evaluate::EvaluateArgs),
    /// Draw what models have learnt: t-SNE maps of features, correlation differences, adversarial images
    #[command(subcommand)]
    Analyse(analyse::AnalyseCommand),
    /// Import weights from PyTorch, or look into a weights file
    ///
    /// Example: retort model import teacher.pt --architecture resnet18 --classes cifar10 --out teacher.safetensors
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// List, fetch and import datasets, and look at their images
    Data(data::DataArgs),
    /// Check this machine: devices, data folder, disk, datasets
    Doctor(doctor::DoctorArgs),
    /// Write a backup of a data folder to a file, while its server runs or not
    ///
    /// It holds the database, the journals, what evaluations and analyses found, and the shares; with --models the weights too.
    /// Example: retort backup monday.tar.gz
    Backup(keep::BackupArgs),
    /// Write figures to one file, with all that is needed to compute them again elsewhere
    ///
    /// It holds the specs of evaluations and of the trainings before them, the weights, and what was answered to each image.
    /// `retort confirm` evaluates it again; the page Bundles of another server keeps it too.
    /// Example: retort bundle experiment:3 comparison.tar
    Bundle(bundle::BundleArgs),
    /// Evaluate the models of a bundle again, and say which of its figures come out the same; fails if one does not
    ///
    /// Example: retort confirm comparison.tar
    Confirm(bundle::ConfirmArgs),
    /// Unpack a backup to a new data folder
    Restore(keep::RestoreArgs),
    /// Build a lost or damaged database again from the ledger and the run folders; the server must be stopped
    Reindex(keep::KeptArgs),
    /// Say what disagrees between the database and the files; the server must be stopped
    Fsck(keep::KeptArgs),
    /// Measure the speed of this machine at training, attacking and the rest
    ///
    /// Example: retort bench train --model resnet18 --batch 32 --pgd-steps 1
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Ask a server whether it is well; fails if it is not
    Health(doctor::HealthArgs),
    /// Compute one run in its folder; started by the server
    #[command(hide = true)]
    Worker(worker::WorkerArgs),
    /// Read a weights file in a process of its own; the task comes as JSON
    #[command(hide = true)]
    ReadWeights,
    /// Fetch or import a dataset in a process of its own; the order comes as JSON
    #[command(hide = true)]
    AddDataset,
}

impl Arguments {
    /// Does what they ask for.
    ///
    /// # Errors
    /// With a sentence for the person at the terminal.
    pub fn execute(self) -> Result<()> {
        match self.command {
            None => serve::serve(&self.serve),
            Some(Command::Serve(args)) => serve::serve(&args),
            Some(Command::Demo(args)) => demo::demo(&args),
            Some(Command::Spec(args)) => spec::spec(args),
            Some(Command::Run(args)) => run::run(&args),
            Some(Command::Evaluate(args)) => evaluate::evaluate(&args),
            Some(Command::Analyse(command)) => analyse::analyse(command),
            Some(Command::Model(command)) => model::model(command),
            Some(Command::Data(args)) => data::data(args),
            Some(Command::Doctor(args)) => doctor::doctor(&args),
            Some(Command::Backup(args)) => keep::backup(&args),
            Some(Command::Bundle(args)) => bundle::bundle(&args),
            Some(Command::Confirm(args)) => bundle::confirm(&args),
            Some(Command::Restore(args)) => keep::restore(&args),
            Some(Command::Reindex(args)) => keep::reindex(&args),
            Some(Command::Fsck(args)) => keep::fsck(&args),
            Some(Command::Bench(command)) => bench::bench(command),
            Some(Command::Health(args)) => doctor::health(&args),
            Some(Command::Worker(args)) => worker::work(&args),
            Some(Command::ReadWeights) => read_weights::read_weights(),
            Some(Command::AddDataset) => add_dataset::add_dataset(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_a_command_the_flags_are_those_of_serve() {
        let arguments = Arguments::try_parse_from(["retort", "--listen", "127.0.0.1:1"]).unwrap();
        assert!(arguments.command.is_none());
        assert_eq!(arguments.serve.listen, "127.0.0.1:1");
    }
}
