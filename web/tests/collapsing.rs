//! Facts about models that have collapsed, or did not answer, on the pages.

#![allow(clippy::unwrap_used)]

mod sample;

use retort_spec::{Accuracy, ExperimentSpec, MethodName, Variety};
use retort_web::{RunRow, Template, export::TableFormat, pages::ComparisonPage};

/// Every image is answered alike, so that the accuracy is a tenth under any attack.
fn collapse(run: &mut RunRow) {
    for score in &mut run.scores {
        score.accuracy = Accuracy { correct: 100, n: 1_000 };
    }
    run.scores[0].variety = Some(Variety {
        images: 1_000,
        of_one_class: 100,
        with_one_answer: 1_000,
        answer: "cat".into(),
        feature_variance: 0.2,
    });
}

/// KD, ARD and GACD of three seeds; under attack all students but the collapsed ones are below chance.
fn page(collapsed_seeds: &[u64]) -> ComparisonPage {
    let spec = ExperimentSpec {
        methods: vec![MethodName::KD, MethodName::ARD, MethodName::GACD],
        seeds: vec![1, 2, 3],
        ..ExperimentSpec::demo()
    };
    let mut page = sample::comparison(spec, 99);
    for run in page.runs.iter_mut().filter(|run| run.label.is_evaluation() && !run.label.is_teacher) {
        run.scores[1].accuracy = Accuracy { correct: 50, n: 1_000 };
        if run.label.method == MethodName::KD && collapsed_seeds.contains(&run.label.seed) {
            collapse(run);
        }
    }
    page
}

#[test]
fn a_model_that_answers_one_class_is_marked_and_not_called_best_though_no_attack_moves_it() {
    let page = page(&[1, 2, 3]);
    let table = page.table();
    let kd = table.rows().find(|row| row.method == MethodName::KD).unwrap();
    assert!(kd.cells[1].as_ref().unwrap().mean > 9.9 && !kd.can_be_best());
    let highest = table.highest(0)[1].clone().unwrap();
    assert!(highest.percent < 9.9 && !highest.rows.contains(&"KD".to_owned()), "{highest:?}");
    let html = page.render().unwrap();
    let below = "Collapsed: in 3 of 3 seeds answers “cat” to every test image. It is left out of what is best.";
    assert!(html.contains(below), "{html}");
    let above = "Collapsed: KD · ResNet-8 (in 3 of 3 seeds answers “cat” to every test image). A collapsed model is not called \
                 best.";
    assert!(html.contains(above), "{html}");
    for format in [TableFormat::Markdown, TableFormat::Csv, TableFormat::Latex, TableFormat::Json] {
        let text = page.export(format);
        assert!(text.contains("ollapse") && text.contains("cat"), "{}: {text}", format.title());
    }
}

#[test]
fn one_collapsed_seed_of_three_is_said_and_the_row_may_still_be_best() {
    let page = page(&[2]);
    let table = page.table();
    let kd = table.rows().find(|row| row.method == MethodName::KD).unwrap();
    assert!(kd.can_be_best());
    assert_eq!(kd.remarks.sentences(), ["Collapsed: in 1 of 3 seeds answers “cat” to every test image."]);
    assert!(!page.render().unwrap().contains("not called best"));
}

#[test]
fn a_page_without_a_collapse_says_nothing_of_one() {
    let html = page(&[]).render().unwrap();
    assert!(!html.contains("ollapse") && !html.contains(r#"class="remark""#));
}

#[test]
fn a_run_says_how_its_model_has_collapsed_and_what_it_did_not_answer() {
    let mut page = sample::evaluation();
    assert!(!page.render().unwrap().contains(r#"class="remark""#));
    collapse(&mut page.run);
    page.run.scores[1].unanswered = 12;
    let html = page.render().unwrap();
    assert!(html.contains("The model has collapsed: it answers “cat” to every test image."), "{html}");
    let name = page.run.scores[1].name();
    let said = format!("Under {name} 12 answers are not finite numbers: they count as wrong.");
    assert!(html.contains(&said), "{html}");
}
