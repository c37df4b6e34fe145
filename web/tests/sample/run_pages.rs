//! Pages of single runs.

use std::collections::BTreeMap;

use retort_spec::{Accuracy, CheckResult, ExperimentSpec, LogLevel, MaskingCheck, RunKind, RunState, Verdict};
use retort_web::{
    Answers,
    pages::{Attempt, LogLine, RunPage, WeightsFile},
};

use super::{CLASSES, at, comparison, comparison_with_maskings, curve, failing, frame};

pub fn run(state: RunState) -> RunPage {
    let all = failing().runs;
    let (mut run, needs) = (all[6].clone(), vec![all[0].clone()]);
    run.state = state;
    let cause = match state {
        RunState::Failed => Some("The device ran out of memory in epoch 2: use a smaller batch, or another device."),
        RunState::Diverged => Some(
            "The loss exploded: in epoch 3 it is 53.120, more than 10 times that of the stage's first epoch (2.301).",
        ),
        RunState::Cancelled => Some("Cancelled in the browser."),
        _ => None,
    };
    run.cause = cause.map(Into::into);
    let spec = ExperimentSpec::demo().expand().swap_remove(6).spec;
    let line = |minute, level, message: &str| LogLine { at: at(minute), level, message: message.into() };
    let mut log: Vec<_> = (1..=6)
        .map(|e| line(8 + e, LogLevel::Info, &format!("epoch {e} of 8: train loss {:.3}, 31.2 s", 12.0 / e as f64)))
        .collect();
    log.insert(0, line(8, LogLevel::Warning, "cuda:0 is not there; computing on the CPU with 2 threads."));
    RunPage {
        frame: frame(),
        curves: Some(curve(&run, 6)),
        answers: None,
        analysis: None,
        evaluations: if state == RunState::Finished {
            comparison(ExperimentSpec::demo(), 8).runs[7..8].to_vec()
        } else {
            vec![]
        },
        weights: weights(state),
        evaluate: None,
        clone_href: Some("/experiments/new?methods=gacd".into()),
        log_lines: log.len(),
        log,
        spec_json: spec.to_json().unwrap(),
        spec_sha256: Some("3f".repeat(32)),
        created: at(0),
        attempts: vec![
            Attempt {
                number: 1,
                started: at(3),
                ended: Some(at(5)),
                state: RunState::Lost,
                cause: Some("Its worker vanished without a final record.".into()),
                device: "cpu".into(),
                resumed_epochs: 0,
            },
            Attempt {
                number: 2,
                started: at(6),
                ended: None,
                state,
                cause: run.cause.clone(),
                device: "cpu".into(),
                resumed_epochs: 3,
            },
        ],
        needs,
        needed_by: vec![all[7].clone()],
        run,
    }
}

fn weights(state: RunState) -> Vec<WeightsFile> {
    let left = WeightsFile { name: "last epoch", file: "model.safetensors", bytes: 312_000 };
    if state == RunState::Finished { vec![left] } else { vec![] }
}

pub fn evaluation() -> RunPage {
    let all = comparison(ExperimentSpec::demo(), 8).runs;
    RunPage {
        run: all[7].clone(),
        curves: None,
        answers: Some(answers()),
        needs: vec![all[6].clone()],
        needed_by: vec![],
        ..run(RunState::Finished)
    }
}

/// A thousand answers, confused between neighbours.
fn answers() -> Answers {
    let counts = |right: usize| {
        let row = |class: usize| {
            let mut row = vec![0; 10];
            row[class] = right + 2 * class;
            let wrong = 100 - row[class];
            row[(class + 2) % 10] = wrong * 2 / 3;
            row[(class + 9) % 10] = wrong - wrong * 2 / 3;
            row
        };
        (0..10).map(row).collect()
    };
    Answers {
        classes: CLASSES.map(String::from).to_vec(),
        confusion: vec![("natural".into(), counts(60)), ("PGD-20".into(), counts(30))],
        worst_case: Some(Accuracy { correct: 388, n: 1_000 }),
    }
}

/// What checks found: all pass, or the second and the seventh warn and the fourth cannot tell.
pub fn checks(warn: bool) -> Vec<CheckResult> {
    let result = |(i, check): (usize, MaskingCheck)| CheckResult {
        check,
        verdict: match i {
            1 | 6 if warn => Verdict::Warning,
            3 if warn => Verdict::CannotTell,
            _ => Verdict::Pass,
        },
        finding: "PGD-20 leaves 43.10 %, FGSM 45.00 %.".into(),
        figures: BTreeMap::new(),
    };
    MaskingCheck::ALL.into_iter().enumerate().map(result).collect()
}

pub fn masking() -> RunPage {
    let all = comparison_with_maskings().runs;
    let mut checked = all.into_iter().find(|r| r.label.kind == RunKind::Masking).unwrap();
    checked.checks = checks(true);
    RunPage { run: checked, answers: None, ..evaluation() }
}
