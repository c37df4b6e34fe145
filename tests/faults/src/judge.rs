//! What the runs of a folder have come to.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use retort_spec::{Event, Metric, Record, RunState};
use retort_store::{Run, Store};

use super::{Figures, world::World};

/// Holds the database against the journals, and the journals and models against the same specs undisturbed.
pub fn judge(world: &World, figures: &mut Figures) -> Result<()> {
    let runs = world.runs()?;
    figures.runs = runs.len();
    figures.attempts = runs.iter().map(|run| run.attempt as usize).sum();
    against_journals(world, &runs, figures)?;
    let again = tempfile::tempdir()?;
    for run in runs.iter().filter(|run| run.state == RunState::Finished) {
        let (folder, undisturbed) = (folder(world, run), again.path().join(run.id.to_string()));
        let mut command = world.command();
        command.arg("run").arg(folder.join("spec.json")).arg("--out").arg(&undisturbed);
        let output = command.output().context("running a spec again")?;
        ensure!(output.status.success(), "run {}: {}", run.id, String::from_utf8_lossy(&output.stderr));
        figures.differing_results += usize::from(results(&folder)? != results(&undisturbed)?);
        // Later runs need its model where it is.
        if !undisturbed.join("model.safetensors").exists() {
            fs::remove_dir_all(undisturbed)?;
        }
    }
    Ok(())
}

/// Holds a copy's database against its journals, and its results against those of the folder that it is a copy of.
pub fn compare(copy: &World, original: &World, figures: &mut Figures) -> Result<()> {
    let runs = copy.runs()?;
    against_journals(copy, &runs, figures)?;
    for run in runs.iter().filter(|run| run.state == RunState::Finished) {
        let same = results(&folder(copy, run))? == results(&folder(original, run))?;
        figures.differing_results += usize::from(!same);
    }
    Ok(())
}

fn folder(world: &World, run: &Run) -> PathBuf {
    world.data.join("runs").join(run.id.to_string())
}

fn against_journals(world: &World, runs: &[Run], figures: &mut Figures) -> Result<()> {
    let kept = kept(&world.data.join("retort.db"), runs)?;
    for run in runs {
        let events = events(&folder(world, run));
        let ends = events.iter().filter(|event| matches!(event, Event::Finished { .. })).count();
        figures.wrong_states += usize::from(run.state != RunState::Finished || ends != 1);
        let mut told: BTreeMap<String, usize> = BTreeMap::new();
        for event in &events {
            if let Some(figure) = figure(event) {
                *told.entry(figure).or_default() += 1;
            }
        }
        figures.doubled_metrics += told.values().filter(|count| **count > 1).count();
        let kept = kept.get(&run.id).cloned().unwrap_or_default();
        let told: Vec<String> = told.into_keys().collect();
        figures.lost_metrics += told.iter().filter(|figure| !kept.contains(figure)).count();
        figures.lost_metrics += kept.iter().filter(|figure| !told.contains(figure)).count();
    }
    Ok(())
}

/// An epoch or an accuracy, by what it is of and its value.
fn figure(event: &Event) -> Option<String> {
    match event {
        Event::Metrics { epoch, values, .. } => Some(format!("epoch {epoch}: {:?}", values.get(&Metric::TrainLoss)?)),
        Event::Evaluation { attack, accuracy, .. } => {
            let attack = attack.as_ref().map_or_else(|| "Natural".into(), retort_spec::Attack::describe);
            Some(format!("{attack}: {} of {}", accuracy.correct, accuracy.n))
        }
        _ => None,
    }
}

/// What the database has of each run, in the same words.
#[tokio::main(flavor = "current_thread")]
async fn kept(database: &Path, runs: &[Run]) -> Result<BTreeMap<i64, Vec<String>>> {
    let store = Store::open(database).await?;
    let mut kept: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for run in runs {
        let losses = store.metrics(run.id).await?.into_iter().filter(|metric| metric.metric == Metric::TrainLoss);
        let losses = losses.map(|metric| format!("epoch {}: {:?}", metric.epoch, metric.value));
        kept.insert(run.id, losses.collect());
    }
    let ids: Vec<i64> = runs.iter().map(|run| run.id).collect();
    for found in store.evaluations_of_runs(&ids).await? {
        let words = format!("{}: {} of {}", found.title, found.accuracy.correct, found.accuracy.n);
        kept.entry(found.run).or_default().push(words);
    }
    store.close().await;
    Ok(kept)
}

fn events(folder: &Path) -> Vec<Event> {
    let journal = fs::read_to_string(folder.join("journal.jsonl")).unwrap_or_default();
    journal.lines().filter_map(|line| serde_json::from_str::<Record>(line).ok()).map(|record| record.event).collect()
}

/// The figures that depend on the spec alone, and the model.
fn results(folder: &Path) -> Result<(Vec<String>, Option<Vec<u8>>)> {
    let is_figure = |event: &Event| matches!(event, Event::Metrics { .. } | Event::Evaluation { .. });
    let events = events(folder);
    // How much memory a process takes is not the spec's.
    let of_spec = |event: Event| match event {
        Event::Metrics { stage, epoch, mut values } => {
            values.remove(&Metric::Memory);
            Event::Metrics { stage, epoch, values }
        }
        event => event,
    };
    let figures = events.into_iter().filter(is_figure).map(|event| serde_json::to_string(&of_spec(event)));
    let figures = figures.collect::<Result<_, _>>()?;
    let model = folder.join("model.safetensors");
    Ok((figures, if model.exists() { Some(fs::read(model)?) } else { None }))
}
