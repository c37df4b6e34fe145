//! Facts about the page of the paper.

#![allow(clippy::unwrap_used)]

mod sample;

use retort_spec::{Accuracy, Architecture, Budget, DatasetChoice, ExperimentSpec, MethodName, TeacherChoice};
use retort_web::{
    Compared, Template,
    pages::{PaperPage, PaperParts},
};

fn spec(budget: Budget) -> ExperimentSpec {
    ExperimentSpec {
        dataset: DatasetChoice::all_of("cifar10"),
        teacher: TeacherChoice::Train(Architecture::ResNet18),
        students: vec![Architecture::ResNet18],
        methods: vec![MethodName::Kd, MethodName::Ard],
        seeds: vec![1, 2],
        epochs: None,
        budget,
        ..ExperimentSpec::demo()
    }
}

fn html(compared: &[Compared]) -> String {
    let page = PaperPage::new(&PaperParts {
        frame: sample::frame(),
        budget: Budget::Quick,
        compared,
        datasets: &["cifar10".to_owned()],
        estimate: &|results| Some(600.0 * results.len() as f64),
        sweeps: [Some(7_200.0), None],
    });
    page.render().unwrap()
}

#[test]
fn ours_at_the_largest_budget_stands_below_the_papers_with_the_difference() {
    let (quick, smoke) = (spec(Budget::Quick), spec(Budget::Smoke));
    let (mut quick_runs, smoke_runs) = (sample::runs(&quick, 4, 99), sample::runs(&smoke, 5, 99));
    for score in quick_runs.iter_mut().flat_map(|run| &mut run.scores) {
        score.accuracy = Accuracy { correct: 7_000, n: 10_000 };
    }
    let html = html(&[
        Compared { id: 5, spec: &smoke, runs: &smoke_runs },
        Compared { id: 4, spec: &quick, runs: &quick_runs },
    ]);
    // KD and ARD of ResNet-18 from ResNet-18, and the teacher in Table 3.
    assert!(html.contains("3 of the paper&#39;s 62 results are measured here."), "{html}");
    assert!(
        html.contains(r#"76.13 / 40.13<span class="ours"><a href="/experiments/4">70.00 / 70.00</a></span>"#),
        "{html}"
    );
    assert!(html.contains("−6.13 / +29.87<br>quick budget, 2 seeds"), "{html}");
    assert!(html.contains(r#"76.54 / 44.46<span class="ours"><a href="/experiments/4">"#));
}

#[test]
fn what_is_missing_can_be_launched_by_cell_row_and_table_with_its_time() {
    let html = html(&[]);
    let first = html.split(r#"id="table-1""#).nth(1).unwrap().split("</section>").next().unwrap();
    assert!(first.contains("Launch what is missing, about 4 h"), "{first}");
    // Four rows of six cells, each with its own button.
    assert_eq!(first.matches(">Launch, about 1 h<").count(), 4);
    assert_eq!(first.matches(">Launch, about 10 min<").count(), 24);
    let second = html.split(r#"id="table-2""#).nth(1).unwrap().split("</section>").next().unwrap();
    assert!(!second.contains("<button"), "CIFAR-100 is not here");
    assert!(html.contains("Sweep negatives k, about 2 h") && html.contains(">Sweep temperature T<"));
}
