//! Facts about what stands beside a table: the trade-off, the table as a picture, and the pages of single runs and their logs.

#![allow(clippy::unwrap_used)]

mod sample;

use retort_spec::{Accuracy, Attack, ExperimentSpec, RunState};
use retort_web::{
    Template,
    figures::{FigureFormat, tradeoff},
    pages::{ComparisonPage, RunLogPage, WeightsFile},
};

/// The demo's comparison, with these correct answers of 1,000 by method: natural and under PGD-20.
fn compared(of: impl Fn(&str) -> (usize, usize)) -> ComparisonPage {
    let mut page = sample::comparison(ExperimentSpec::demo(), 99);
    for run in &mut page.runs {
        let (natural, adversarial) = of(run.label.method.id());
        for score in &mut run.scores {
            let correct = if score.attack.is_none() { natural } else { adversarial };
            score.accuracy = Accuracy { correct, n: 1_000 };
        }
    }
    page
}

#[test]
fn the_front_has_the_students_of_which_no_other_is_higher_in_both() {
    let page = compared(|method| match method {
        "kd" => (900, 100),
        "ard" => (500, 400),
        "gacd+aft" => (600, 450),
        _ => (950, 500),
    });
    let figure = tradeoff(&page.table()).unwrap();
    assert_eq!(figure.title, "Natural against PGD-20 accuracy, %");
    // ARD is lower in both than GACD+AFT; the teacher is shown and competes with nobody.
    assert!(figure.caption.starts_with("On the front: GACD+AFT and KD; "), "{}", figure.caption);
    assert_eq!(figure.svg.matches("class=\"marker").count(), 4);
    assert_eq!(figure.svg.matches("<polyline class=\"front\"").count(), 1);
    for name in ["Teacher", "KD", "ARD", "GACD+AFT"] {
        assert!(figure.svg.contains(&format!(">{name}</text>")), "{name}: {}", figure.svg);
    }
}

#[test]
fn one_student_that_is_highest_in_both_is_the_whole_front_and_a_single_student_has_none() {
    let page = compared(|method| if method == "ard" { (900, 600) } else { (500, 300) });
    let figure = tradeoff(&page.table()).unwrap();
    assert!(figure.caption.starts_with("ARD has the highest natural and the highest PGD-20 accuracy."));
    assert!(!figure.svg.contains("class=\"front\""));
    let mut alone = page;
    alone.view.method = vec!["ard".into()];
    assert!(tradeoff(&alone.table()).is_none());
}

#[test]
fn a_table_is_a_picture_with_every_row_and_its_numbers() {
    let figure = compared(|_| (812, 345)).table_figure();
    for part in [">PGD-20, %<", ">ε 8/255, step 2/255<", ">KD<", ">GACD+AFT<", ">81.20<", ">34.50<", ">78.7–83.5<"] {
        assert!(figure.svg.contains(part), "{part}: {}", figure.svg);
    }
    let png = FigureFormat::Png.write(&figure).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
}

#[test]
fn a_page_has_links_to_its_sections_and_only_to_those_that_are_there() {
    let html = compared(|_| (800, 300)).render().unwrap();
    let jump = html.split(r#"id="jump""#).nth(1).unwrap().split("</nav>").next().unwrap();
    let links: Vec<&str> = jump.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.len() > 4 && links.first() == Some(&"table"), "{links:?}");
    for id in links {
        assert!(html.contains(&format!(r#"id="{id}""#)), "{id}");
    }
}

#[test]
fn a_trainings_page_says_first_what_it_is_and_shows_the_accuracies_of_its_models() {
    let html = sample::run(RunState::Finished).render().unwrap();
    assert!(html.contains("Training of GACD+AFT · ResNet-8 · seed 1</h1>"), "{html}");
    let accuracies = html.split(r#"id="accuracies""#).nth(1).unwrap().split("</section>").next().unwrap();
    assert!(accuracies.contains("last epoch") && accuracies.contains("PGD-20, %"), "{accuracies}");
    assert!(html.contains(r#"href="/runs/107/model.safetensors" download>last epoch</a>"#), "{html}");
    assert!(sample::evaluation().render().unwrap().contains("Evaluation of GACD+AFT · ResNet-8 · seed 1</h1>"));
    assert!(sample::masking().render().unwrap().contains("Masking checks of "));
}

#[test]
fn every_model_that_a_training_left_can_be_taken_along() {
    let mut page = sample::run(RunState::Finished);
    page.weights.push(WeightsFile { name: "best epoch", file: "best.safetensors", bytes: 312_000 });
    assert!(page.render().unwrap().contains(r#"href="/runs/107/best.safetensors" download>best epoch</a>"#));
}

#[test]
fn a_run_that_ended_without_an_epoch_does_not_promise_curves() {
    let mut page = sample::run(RunState::Failed);
    page.curves.as_mut().unwrap().values.clear();
    let html = page.render().unwrap();
    assert!(html.contains("It ended before its first epoch did.") && !html.contains("Drawn from the first"), "{html}");
}

#[test]
fn an_imported_model_is_evaluated_from_its_page_under_chosen_attacks() {
    let html = sample::model().render().unwrap();
    let form = html.split(r#"action="/experiments""#).nth(1).unwrap().split("</form>").next().unwrap();
    for part in [r#"name="teacher" value="model:3""#, "<option>cifar10</option>", r#"name="eps""#, r#"name="device""#] {
        assert!(form.contains(part), "{part}: {form}");
    }
    assert_eq!(form.matches(r#"name="attacks""#).count(), Attack::usual().count());
    assert_eq!(form.matches(" checked").count(), 1);
    assert!(!form.contains("students") && !form.contains("methods"));
}

#[test]
fn a_log_that_is_cut_says_so_and_one_without_a_match_too() {
    let run = sample::run(RunState::Running);
    let page = RunLogPage {
        frame: sample::frame(),
        label: run.run.label.clone(),
        text: "epoch".into(),
        total: 5_000,
        log: run.log,
    };
    let html = page.render().unwrap();
    assert!(html.contains("5,000 lines") && html.contains("The last 7 are shown"), "{html}");
    let none = RunLogPage { log: vec![], total: 0, ..page };
    assert!(none.render().unwrap().contains("No line has these words."));
}
