//! Facts about the page of the paper.

#![allow(clippy::unwrap_used)]

mod sample;

use std::{collections::HashMap, sync::Arc};

use retort_spec::{
    Accuracy, AnalysisResult, Architecture, Budget, Conditions, DatasetChoice, DeviceName, ExperimentSpec, FeatureMap,
    FeatureMaps, MethodName, PaperFigure, RunSpec, RunState, Sweep, TeacherChoice,
};
use retort_web::{
    Compared, RunRow, Template, Values,
    analyses::{AnalysisFiles, AnalysisView},
    pages::{DeviceOption, FoundAnalysis, PaperPage, PaperParts},
};

fn spec(budget: Budget) -> ExperimentSpec {
    ExperimentSpec {
        dataset: DatasetChoice::all_of("cifar10"),
        teacher: TeacherChoice::Train(Architecture::ResNet18),
        students: vec![Architecture::ResNet18],
        methods: vec![MethodName::KD, MethodName::ARD],
        seeds: vec![1, 2],
        epochs: None,
        budget,
        ..ExperimentSpec::demo()
    }
}

fn html(compared: &[Compared], analyses: Vec<FoundAnalysis>) -> String {
    html_at(Budget::Quick, compared, analyses)
}

fn html_at(budget: Budget, compared: &[Compared], analyses: Vec<FoundAnalysis>) -> String {
    let page = PaperPage::new(&PaperParts {
        frame: sample::frame(),
        conditions: Conditions { budget, seeds: vec![1], device: DeviceName::Cpu },
        devices: vec![DeviceOption { name: DeviceName::Cpu, description: "2 cores".into() }],
        compared,
        right: &HashMap::new(),
        datasets: &["cifar10".to_owned()],
        estimate: &|results| Some(600.0 * results.len() as f64),
        estimate_figure: &|figure| (figure != PaperFigure::Temperature).then_some(7_200.0),
        analyses,
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
    let html = html(
        &[Compared { id: 5, spec: &smoke, runs: &smoke_runs }, Compared { id: 4, spec: &quick, runs: &quick_runs }],
        vec![],
    );
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
fn a_cell_leads_to_the_experiment_that_has_its_row() {
    let of = |method| ExperimentSpec { methods: vec![method], ..spec(Budget::Quick) };
    let (kd, ard) = (of(MethodName::KD), of(MethodName::ARD));
    let (kd_runs, ard_runs) = (sample::runs(&kd, 1, 99), sample::runs(&ard, 2, 99));
    let html =
        html(&[Compared { id: 2, spec: &ard, runs: &ard_runs }, Compared { id: 1, spec: &kd, runs: &kd_runs }], vec![]);
    let row =
        |name: &str| html.split(&format!("</svg>{name}<")).nth(1).unwrap().split("</tr>").next().unwrap().to_owned();
    assert!(
        row("KD").contains(r#"<a href="/experiments/1">"#) && !row("KD").contains("/experiments/2"),
        "{}",
        row("KD")
    );
    assert!(row("ARD").contains(r#"<a href="/experiments/2">"#), "{}", row("ARD"));
}

#[test]
fn what_is_measured_or_under_way_is_launched_again_only_at_a_larger_budget() {
    let spec = spec(Budget::Quick);
    let [measured, half] = [99, 1].map(|finished| sample::runs(&spec, 4, finished));
    let buttons = |budget, runs: &[_]| {
        let html = html_at(budget, &[Compared { id: 4, spec: &spec, runs }], vec![]);
        let first = html.split(r#"id="table-1""#).nth(1).unwrap().split("</section>").next().unwrap();
        (first.matches(">▸ 10 min<").count(), first.matches(r#"<a href="/experiments/4">under way</a>"#).count())
    };
    // KD and ARD of ResNet-18 from ResNet-18, of 24 cells.
    assert_eq!(buttons(Budget::Smoke, &measured), (22, 0));
    assert_eq!(buttons(Budget::Quick, &measured), (22, 0));
    assert_eq!(buttons(Budget::Paper, &measured), (24, 0));
    assert_eq!(buttons(Budget::Quick, &half), (22, 2));
    assert_eq!(buttons(Budget::Paper, &half), (24, 0));
    // What was cut short by hand is less than its budget says, and stands behind what was not.
    let short = ExperimentSpec { epochs: Some(1), budget: Budget::Paper, ..spec.clone() };
    let (short_runs, smoke) = (sample::runs(&short, 6, 99), self::spec(Budget::Smoke));
    let smoke_runs = sample::runs(&smoke, 5, 99);
    let both =
        [Compared { id: 6, spec: &short, runs: &short_runs }, Compared { id: 5, spec: &smoke, runs: &smoke_runs }];
    let html = html_at(Budget::Quick, &both, vec![]);
    assert!(html.contains(r#"class="ours"><a href="/experiments/5">"#) && !html.contains("/experiments/6"), "{html}");
    assert!(html.contains("▸ All that is missing, about 4 h"), "{html}");
    // One seed that failed does not hide that the other is under way.
    let mut failed = half.clone();
    let kd = |run: &&mut RunRow| run.label.method == MethodName::KD && run.label.is_training() && run.label.seed == 1;
    failed.iter_mut().find(kd).unwrap().state = RunState::Failed;
    assert_eq!(buttons(Budget::Quick, &failed), (22, 2));
    // A figure has one button, and so does the other of the same networks.
    let spec = PaperFigure::Negatives.experiment(&Conditions {
        budget: Budget::Smoke,
        seeds: vec![1],
        device: DeviceName::Cpu,
    });
    let runs = sample::runs(&spec, 7, 2);
    let figures = |budget| html_at(budget, &[Compared { id: 7, spec: &spec, runs: &runs }], vec![]);
    let under_way = r#"Under way in <a href="/experiments/7">experiment 7</a>."#;
    let (smoke, quick) = (figures(Budget::Smoke), figures(Budget::Quick));
    assert_eq!((smoke.matches(under_way).count(), smoke.matches("▸ ResNet-18 → ").count()), (1, 2));
    assert_eq!((quick.matches(under_way).count(), quick.matches("▸ ResNet-18 → ").count()), (0, 3));
    // A sweep is made when each value has its numbers; two of them are drawn, and are not all of the figure.
    let all = sample::runs(&spec, 7, 99);
    let some: Vec<_> = all.iter().filter(|run| !run.label.variant.to_string().ends_with("16384")).cloned().collect();
    for (runs, buttons) in [(&all, 2), (&some, 3)] {
        let html = html_at(Budget::Smoke, &[Compared { id: 7, spec: &spec, runs }], vec![]);
        assert!(html.contains("experiment 7</a>, smoke budget") && !html.contains(under_way), "{html}");
        assert_eq!(html.matches("▸ ResNet-18 → ").count(), buttons);
    }
}

#[test]
fn what_is_missing_can_be_launched_by_cell_row_and_table_with_its_time() {
    let html = html(&[], vec![]);
    let first = html.split(r#"id="table-1""#).nth(1).unwrap().split("</section>").next().unwrap();
    assert!(first.contains("▸ All that is missing, about 4 h"), "{first}");
    // Four rows of six cells, each with its own button.
    assert_eq!(first.matches(">▸ 1 h<").count(), 4);
    assert_eq!(first.matches(">▸ 10 min<").count(), 24);
    let second = html.split(r#"id="table-2""#).nth(1).unwrap().split("</section>").next().unwrap();
    assert!(!second.contains("<button"), "CIFAR-100 is not here");
    assert!(
        first.contains(r#"aria-label="Launch KD, Teacher ResNet-18 → MobileNetV2, of Table 1, about 10 min""#),
        "{first}"
    );
    assert!(first.contains(r#"colspan="3">Teacher WRN-34-2*</th>"#), "{first}");
    assert!(html.contains("▸ ResNet-18 → ResNet-18 on cifar10, about 2 h<"));
    assert!(html.contains("▸ ResNet-18 → ResNet-18 on cifar10<") && html.contains("Needs cifar100."));
}

#[test]
fn figures_are_drawn_from_the_sweep_and_the_analysis_of_their_networks() {
    let at = |budget| Conditions { budget, seeds: vec![1], device: DeviceName::Cpu };
    let (swept, mapped) =
        (PaperFigure::Negatives.experiment(&at(Budget::Smoke)), PaperFigure::Features.experiment(&at(Budget::Smoke)));
    let (swept_runs, mapped_runs) = (sample::runs(&swept, 7, 99), sample::runs(&mapped, 8, 99));
    let Some(RunSpec::Analyse(analysis)) = mapped.expand().pop().map(|run| run.spec) else { panic!("it ends in maps") };
    let map = FeatureMap {
        model: "GACD".into(),
        points: vec![[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]],
        counts: [1, 1, 1],
        fooled: 0,
        mistaken: Some(0),
        silhouette: 0.5,
        among_own: 1,
        centroid_distances: [0.1, 0.9],
        is_collapsed: false,
    };
    let (attacked, target, made_on) = ("truck".into(), "bird".into(), Some("Natural".into()));
    let result = AnalysisResult::Features(FeatureMaps { attacked, target, made_on, maps: vec![map] });
    let view = AnalysisView {
        run: mapped_runs.last().unwrap().clone(),
        spec: analysis,
        files: Some(Arc::new(AnalysisFiles { result, sheet: None })),
        values: Values::Sizes,
        beside: None,
    };
    let found = FoundAnalysis { figure: PaperFigure::Features, experiment: 8, spec: &mapped, view };
    // As the store lists them: the newest first. The newest of the sweep's setting is no sweep of GACD's negatives.
    let sweep =
        Sweep { method: MethodName::KD, path: "method.temperature".into(), values: vec!["1".into(), "4".into()] };
    let other = ExperimentSpec { methods: vec![MethodName::KD], sweeps: vec![sweep], ..swept.clone() };
    let other_runs = sample::runs(&other, 9, 99);
    let html = html(
        &[
            Compared { id: 9, spec: &other, runs: &other_runs },
            Compared { id: 8, spec: &mapped, runs: &mapped_runs },
            Compared { id: 7, spec: &swept, runs: &swept_runs },
        ],
        vec![found],
    );
    let figure = |id: &str| {
        let section = html.split(&format!(r#"id="figure-{id}""#)).nth(1).unwrap();
        section.split("</section>").next().unwrap().to_owned()
    };
    let (negatives, temperature, features) = (figure("2a"), figure("2b"), figure("5"));
    assert_eq!(negatives.matches(r#"<svg class="chart""#).count(), 2, "{negatives}");
    assert!(negatives.contains(r#"<a href="/experiments/7">experiment 7</a>, smoke budget, 2,000 images, 1 seed."#));
    assert!(!temperature.contains("<svg") && temperature.contains("best at T = 0.1"));
    assert!(features.contains("Silhouette of truck and bird: 0.500. Adversarial images that stay"), "{features}");
    // As a comparison shows it, in the colours of the page.
    assert!(features.contains(r#"<div class="panels">"#) && features.contains(r#"<svg class="scatter""#), "{features}");
    assert!(features.contains("/experiments/8"));
}

#[test]
fn no_two_buttons_have_the_same_name_and_what_takes_more_than_a_day_says_what_comes_first() {
    let page = |each: f64, datasets: &[&str]| {
        let datasets: Vec<String> = datasets.iter().map(|name| (*name).to_owned()).collect();
        let page = PaperPage::new(&PaperParts {
            frame: sample::frame(),
            conditions: Conditions { budget: Budget::Quick, seeds: vec![1], device: DeviceName::Cpu },
            devices: vec![DeviceOption { name: DeviceName::Cpu, description: "2 cores".into() }],
            compared: &[],
            right: &HashMap::new(),
            datasets: &datasets,
            estimate: &|results| Some(each * results.len() as f64),
            estimate_figure: &|_| Some(each),
            analyses: vec![],
        });
        page.render().unwrap()
    };
    let all = ["cifar10", "cifar100", "stl10"];
    let html = page(600.0, &all);
    let mut names: Vec<&str> =
        html.split(r#"aria-label="Launch"#).skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(names.len() > 62, "{names:?}");
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(!html.contains("opens the form</button>") && !html.contains("asks first</button>"));
    assert!(!html.contains("cannot be launched"));
    let html = page(90_000.0, &all);
    assert!(html.contains(">▸ 1 d 1 h · form</button>") && html.contains("opens the form</button>"), "{html}");
    assert!(html.contains("asks first</button>"));
    // A table without buttons says why.
    let html = page(600.0, &["cifar10", "cifar100"]);
    let table =
        |id: &str| html.split(&format!(r#"id="table-{id}""#)).nth(1).unwrap().split("</section>").next().unwrap();
    assert!(table("4").contains("Not all of it can be launched: stl10 is not here."), "{}", table("4"));
}
