//! Facts about the table of a comparison: what is chosen, tested, combined, and held against the paper.

#![allow(clippy::unwrap_used)]

mod sample;

use std::sync::Arc;

use retort_spec::{Accuracy, Architecture, Attack, DatasetChoice, ExperimentSpec, MethodName, Sweep, TeacherChoice};
use retort_web::{
    Column, ComparisonView, RightAnswers, Template,
    export::TableFormat,
    pages::{ComparisonPage, OtherExperiment},
};

/// The first sentence above the table.
fn finding(page: &ComparisonPage) -> String {
    let html = page.render().unwrap();
    html.split(r#"class="finding">"#).nth(1).unwrap().split('<').next().unwrap().to_owned()
}

fn page(view: ComparisonView) -> ComparisonPage {
    ComparisonPage { view, ..sample::comparison(sample::large(), 72) }
}

/// The first cells of the rows of the table, in their order.
fn rows(page: &ComparisonPage) -> Vec<String> {
    page.table().rows().map(|row| format!("{} {}", row.title(), row.architecture)).collect()
}

#[test]
fn rows_and_columns_are_those_that_were_chosen() {
    let view = ComparisonView {
        student: vec!["resnet8".into()],
        method: vec!["ard".into(), "gacd".into()],
        column: vec!["natural".into(), "pgd-20-e-8-255-step-2-255".into()],
        ..ComparisonView::default()
    };
    let page = page(view);
    assert_eq!(rows(&page), ["PGD-AT ResNet-18", "ARD ResNet-8", "GACD ResNet-8"]);
    assert_eq!(page.table().columns, [Column::Natural, Column::Under(Attack::pgd(20))]);
}

#[test]
fn a_column_sorts_the_rows_of_each_student() {
    let sort = "-pgd-20-e-8-255-step-2-255".into();
    let sorted = rows(&page(ComparisonView { sort, student: vec!["resnet8".into()], ..ComparisonView::default() }));
    assert_eq!(sorted[1..], ["KD ResNet-8", "GACD ResNet-8", "ARD ResNet-8", "GACD+AFT ResNet-8"]);
    let sorted = rows(&page(ComparisonView { sort: "natural".into(), ..ComparisonView::default() }));
    assert_eq!(sorted[1], "GACD ResNet-8");
}

#[test]
fn seeds_unfold_below_their_row_with_links_to_their_runs() {
    let html = page(ComparisonView { seeds: "each".into(), ..ComparisonView::default() }).render().unwrap();
    assert_eq!(html.matches(r#"<tr class="member">"#).count(), 3 * 9);
    assert!(html.contains("Only means"));
}

#[test]
fn a_choice_of_everything_is_no_choice() {
    let all = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    let mut page = page(ComparisonView {
        student: all(&["resnet8", "resnet20"]),
        method: all(&["kd"]),
        ..ComparisonView::default()
    });
    page.simplify();
    assert_eq!(page.view.query(), "?method=kd");
}

#[test]
fn rows_are_tested_against_the_baseline_on_the_same_images() {
    let spec = ExperimentSpec { methods: vec![MethodName::KD, MethodName::ARD], ..ExperimentSpec::demo() };
    let mut page = sample::comparison(spec, 6);
    page.view.baseline = "ard:resnet8".into();
    let evaluations: Vec<_> = page.runs.iter().filter(|r| r.label.is_evaluation()).map(|r| r.label.id).collect();
    let [teacher, kd, ard] = evaluations[..] else { panic!("three models are evaluated") };
    // Ten images: KD has 8 right, ARD the first of them and two others; the teacher saw other images.
    let answers = |right: std::ops::Range<usize>, images| RightAnswers {
        images,
        under: vec![(None, (0..10).map(|i| right.contains(&i)).collect())],
    };
    let right = [(teacher, answers(0..9, 2)), (kd, answers(0..8, 1)), (ard, answers(7..10, 1))];
    page.right = right.map(|(run, answers)| (run, Arc::new(answers))).into();
    let table = page.table();
    let cells: Vec<_> = table.rows().map(|row| row.cells[0].clone().unwrap().against).collect();
    let against = cells[1].unwrap();
    assert!(cells[0].is_none() && cells[2].is_none());
    // 7 against 2 discordant images: 2 · (1 + 9 + 36) / 2⁹.
    assert!((against.difference - 50.0).abs() < 1e-9 && (against.p_value - 92.0 / 512.0).abs() < 1e-12);
    let html = page.render().unwrap();
    assert!(html.contains("+50.00 <small>p = 0.180</small>") && html.contains("exact paired randomisation"));
    assert!(html.contains("Where they are missing, the answers of both to the same images are not there."));
    // The first sentence says by how much, and how surely.
    let finding = finding(&page);
    assert!(
        finding.contains("(+50.00 against ARD · ResNet-8, p = 0.180), not distinguishable from ARD (p = 0.180)"),
        "{finding}"
    );
}

#[test]
fn a_student_that_only_guesses_is_not_praised_without_a_word() {
    let mut page = sample::comparison(ExperimentSpec::demo(), 99);
    assert!(!finding(&page).contains("chance"), "{}", finding(&page));
    for score in page.runs.iter_mut().filter(|run| !run.label.is_teacher).flat_map(|run| &mut run.scores) {
        score.accuracy = Accuracy { correct: 108, n: 1_000 };
    }
    assert!(finding(&page).ends_with("On natural images none is above chance, 10.00 %."), "{}", finding(&page));
}

#[test]
fn the_papers_number_stands_beside_ours_with_the_difference_and_our_budget() {
    let spec = ExperimentSpec {
        dataset: DatasetChoice::all_of("cifar10"),
        teacher: TeacherChoice::Train(Architecture::ResNet18),
        students: vec![Architecture::ResNet18, Architecture::ResNet8],
        methods: vec![MethodName::KD],
        ..ExperimentSpec::demo()
    };
    let mut page = sample::comparison(spec, 6);
    for score in page.runs.iter_mut().flat_map(|run| &mut run.scores) {
        score.accuracy = Accuracy { correct: 500, n: 1_000 };
    }
    let table = page.table();
    let paper: Vec<_> =
        table.rows().map(|row| row.cells.iter().map(|c| c.as_ref()?.paper).collect::<Vec<_>>()).collect();
    assert_eq!(paper, [vec![Some(76.54), Some(44.46)], vec![None, None], vec![Some(76.13), Some(40.13)]]);
    let html = page.render().unwrap();
    assert!(html.contains("paper 40.13 (+9.87)") && html.contains("budget above"), "{html}");
}

#[test]
fn experiments_that_were_made_alike_share_their_rows_and_others_say_how_they_differ() {
    let spec = |seeds: &[u64]| ExperimentSpec {
        seeds: seeds.to_vec(),
        methods: vec![MethodName::KD],
        ..ExperimentSpec::demo()
    };
    let other = |id: i64, spec: ExperimentSpec| OtherExperiment { id, runs: sample::runs(&spec, id, 99), spec };
    let mut page = sample::comparison(spec(&[1, 2]), 99);
    page.with = vec![other(2, spec(&[2, 3])), other(3, ExperimentSpec { epochs: Some(9), ..spec(&[1]) })];
    let table = page.table();
    let seeds = |i: usize| -> Vec<u64> { table.rows().nth(i).unwrap().seeds.iter().map(|s| s.value).collect() };
    assert_eq!(table.groups.len(), 4);
    assert_eq!((seeds(1), seeds(3)), (vec![1, 2, 3], vec![1]));
    assert_eq!(
        table.groups[1].title,
        "Student ResNet-8 · experiments 1 and 2: fashion-mnist-5k, smoke budget, 4 epochs"
    );
    assert_eq!(table.groups[3].title, "Student ResNet-8 · experiment 3: fashion-mnist-5k, smoke budget, 9 epochs");
    let keys: Vec<_> = table.rows().map(|row| row.key.clone()).collect();
    assert_eq!(keys, ["pgd-at:resnet8:teacher", "kd:resnet8", "pgd-at:resnet8:teacher:3", "kd:resnet8:3"]);
    let html = page.render().unwrap();
    // Neither setting is a match for the other: each has its best, and its rows say of which experiments they are.
    assert!(
        html.contains("In experiments 1 and 2: natural: KD, ") && html.contains(" In experiment 3: natural: KD, "),
        "{html}"
    );
    for row in ["teacher PGD-AT · ResNet-8 · experiments 1 and 2", "KD · ResNet-8 · experiment 3"] {
        assert!(html.contains(&format!(">{row}</option>")), "{row}: {html}");
    }
    let csv = page.export(TableFormat::Csv);
    assert!(
        csv.contains("\n1 2,fashion-mnist-5k,\"smoke, 4 epochs\",student,ResNet-8,ResNet-8,KD")
            && csv.contains("\n3,fashion-mnist-5k,\"smoke, 9 epochs\",student,ResNet-8,"),
        "{csv}"
    );
}

#[test]
fn what_the_address_names_and_the_table_has_not_is_said() {
    let html = |view| page(view).render().unwrap();
    let view = ComparisonView { baseline: "nope".into(), sort: "-pgd-7".into(), ..ComparisonView::default() };
    let words = "Not among the rows and columns shown: “pgd-7” to sort by and the baseline “nope”.";
    assert!(html(view).contains(words));
    let view = ComparisonView { method: vec!["kd".into(), "magic".into()], ..ComparisonView::default() };
    assert!(html(view).contains("shown: “magic”."));
    assert!(!html(ComparisonView::default()).contains("Not among the rows"));
}

#[test]
fn equal_numbers_share_the_first_place() {
    let mut page = page(ComparisonView::default());
    for score in page.runs.iter_mut().filter(|run| !run.label.is_teacher).flat_map(|run| &mut run.scores) {
        score.accuracy = Accuracy { correct: 500, n: 1_000 };
    }
    // Without answers nothing is tested: all that are equal as they are printed are the highest.
    page.right.clear();
    let finding = finding(&page);
    assert!(
        finding.starts_with("Natural: KD (ResNet-8) and 7 others are highest, 50.00 %, not tested; PGD-100: "),
        "{finding}"
    );
}

#[test]
fn a_file_explains_what_stands_in_it_and_nothing_else() {
    let page = page(ComparisonView { baseline: "kd:resnet8".into(), ..ComparisonView::default() });

    let [latex, markdown] = [TableFormat::Latex, TableFormat::Markdown].map(|format| page.export(format));
    assert!(
        latex.contains("An asterisk stands for p $<$ 0.05 in the test against KD $\\cdot$ ResNet-8.")
            && latex.contains("The test: exact paired randomisation over 10,000 test images"),
        "{latex}"
    );
    assert!(
        markdown.contains("Behind it: the difference from KD · ResNet-8") && !markdown.contains("asterisk"),
        "{markdown}"
    );
    assert!(!latex.contains("Small below") && !markdown.contains("Small below"));
}

#[test]
fn a_sweep_over_numbers_is_a_figure_for_each_column_and_over_words_none() {
    let sweep = |path: &str, values: &[&str]| Sweep {
        method: MethodName::GACD,
        path: path.into(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let spec = ExperimentSpec {
        methods: vec![MethodName::GACD, MethodName::GACD.fine_tuned()],
        seeds: vec![1, 2],
        sweeps: vec![
            sweep("method.negatives", &["16", "256", "16384"]),
            sweep("method.sample_weighting", &["none", "teacher"]),
        ],
        ..ExperimentSpec::demo()
    };
    let mut page = sample::comparison(spec, 999);
    for run in page.runs.iter_mut().filter(|run| run.label.variant.to_string().contains(" 256")) {
        for score in &mut run.scores {
            score.accuracy = Accuracy { correct: 990, n: 1_000 };
        }
    }
    page.right = sample::right(&page.runs);
    let html = page.render().unwrap();
    let sweeps =
        html.split(r#"<section class="sheet" id="sweeps""#).nth(1).unwrap().split("</section>").next().unwrap();
    let titles: Vec<_> = sweeps.split("<h3>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(
        titles,
        [
            "GACD: natural accuracy by negatives k, %",
            "GACD: accuracy under PGD-20, ε 8/255, step 2/255 by negatives k, %"
        ]
    );
    // A line for each of the two methods and each of the two weightings.
    assert_eq!(sweeps.matches("<polyline").count(), 2 * 4);
    let titles = |words: &str| sweeps.contains(words);
    assert!(titles("GACD (sample weighting = none) is best at 256 (99.00 %)"), "{sweeps}");
    assert!(titles("Paired tests over the test images, adjusted for the values compared (Holm)."), "{sweeps}");
    assert!(!sample::comparison(ExperimentSpec::demo(), 8).render().unwrap().contains(r#"id="sweeps""#));
}

#[test]
fn configurations_are_compared_by_the_parameters_that_differ() {
    let spec = ExperimentSpec { methods: vec![MethodName::KD, MethodName::ARD], ..ExperimentSpec::demo() };
    let mut page = sample::comparison(spec, 6);
    let trainings: Vec<_> = page.runs.iter().filter(|r| r.label.is_training()).map(|r| r.label.id).collect();
    let config = |entries: &[(&str, &str)]| {
        entries.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect::<retort_web::Config>()
    };
    page.configs = [
        (trainings[1], config(&[("method.temperature", "30"), ("augment", "true"), ("seed", "1")])),
        (
            trainings[2],
            config(&[("method.temperature", "5"), ("augment", "true"), ("seed", "2"), ("method.beta", "6")]),
        ),
    ]
    .into();
    let html = page.render().unwrap();
    let config = html.split(r#"id="config-table""#).nth(1).unwrap().split("</details>").next().unwrap();
    assert!(config.contains("2 parameters in which the rows differ; 1 other is the same"), "{config}");
    assert!(config.contains("<code>method.temperature</code></th><td>30</td><td>5</td>"), "{config}");
    // What only one method has stands under its name.
    assert!(config.contains("<h3>ARD</h3><p class=\"take\"><code>method.beta</code> 6</p>"), "{config}");
    assert!(!config.contains("<code>seed</code>"));
}

#[test]
fn an_image_counts_once_however_many_seeds_disagree_on_it() {
    let spec = ExperimentSpec {
        methods: vec![MethodName::KD, MethodName::ARD],
        seeds: vec![1, 2, 3],
        ..ExperimentSpec::demo()
    };
    let mut page = sample::comparison(spec, 999);
    page.view.baseline = "ard:resnet8".into();
    // On the same ten images KD is right on eight where ARD is wrong, and the other way round on two, with every seed.
    let answers = |right: std::ops::Range<usize>| RightAnswers {
        images: 1,
        under: vec![(None, (0..10).map(|i| right.contains(&i)).collect())],
    };
    for run in page.runs.iter().filter(|r| r.label.is_evaluation() && !r.label.is_teacher) {
        let right = if run.label.method == MethodName::KD { 0..8 } else { 8..10 };
        page.right.insert(run.label.id, Arc::new(answers(right)));
    }
    let table = page.table();
    let kd = table.rows().find(|row| row.method == MethodName::KD).unwrap();
    let against = kd.cells[0].as_ref().unwrap().against.unwrap();
    // 2 · (1 + 10 + 45) / 2¹⁰, as with a single seed.
    assert!((against.p_value - 112.0 / 1_024.0).abs() < 1e-12 && (against.difference - 60.0).abs() < 1e-9);
}

#[test]
fn a_run_that_waits_hides_no_number_that_another_experiment_has() {
    let spec = ExperimentSpec { methods: vec![MethodName::KD], ..ExperimentSpec::demo() };
    let hundred = ExperimentSpec { attacks: vec![Attack::pgd(100)], ..spec.clone() };
    let mut page = sample::comparison(spec.clone(), 0);
    let other =
        |id: i64, spec: &ExperimentSpec| OtherExperiment { id, runs: sample::runs(spec, id, 99), spec: spec.clone() };
    page.with = vec![other(2, &spec), other(3, &hundred)];
    let table = page.table();
    let kd = table.rows().find(|row| row.method == MethodName::KD).unwrap();
    // Natural and PGD-20 of experiment 2, PGD-100 of experiment 3; experiment 1 has not begun.
    assert!(kd.cells.len() == 4 && kd.cells[..3].iter().all(Option::is_some), "{kd:?}");
    // Without the answers to each image nobody knows the worst case.
    assert!(table.columns[3] == Column::WorstCase && kd.cells[3].is_none());
    assert_eq!((kd.seeds.len(), kd.seeds[0].evaluations.len()), (1, 3));
}

#[test]
fn the_worst_case_counts_the_images_that_withstand_every_attack_of_the_comparison() {
    let attacks = vec![Attack::pgd(20), "cw-30".parse().unwrap()];
    let spec = ExperimentSpec { methods: vec![MethodName::KD], attacks: attacks.clone(), ..ExperimentSpec::demo() };
    let mut page = sample::comparison(spec, 999);
    let answers = |under: &[(Option<&Attack>, std::ops::Range<usize>)]| RightAnswers {
        images: 1,
        under: under
            .iter()
            .map(|(attack, right)| (attack.cloned(), (0..10).map(|i| right.contains(&i)).collect()))
            .collect(),
    };
    let all = answers(&[(None, 0..9), (Some(&attacks[0]), 0..6), (Some(&attacks[1]), 2..8)]);
    let evaluations: Vec<_> = page.runs.iter().filter(|r| r.label.is_evaluation()).map(|r| r.label.id).collect();
    for run in &evaluations {
        page.right.insert(*run, Arc::new(all.clone()));
    }
    let worst = |page: &ComparisonPage| {
        let table = page.table();
        assert_eq!(table.columns.last(), Some(&Column::WorstCase));
        let kd = table.rows().find(|row| row.method == MethodName::KD).unwrap();
        kd.cells.last().unwrap().as_ref().map(|cell| (cell.mean, cell.images))
    };
    assert_eq!(worst(&page), Some((40.0, 10)));
    // An evaluation that lacks one of the attacks does not know it, whatever columns are shown.
    page.view.column = vec!["natural".into(), "worst-case".into()];
    assert_eq!(worst(&page), Some((40.0, 10)));
    let few = answers(&[(None, 0..9), (Some(&attacks[0]), 0..6)]);
    for run in evaluations {
        page.right.insert(run, Arc::new(few.clone()));
    }
    assert_eq!(worst(&page), None);
}

#[test]
fn models_under_autoattack_are_written_as_robustbench_keeps_them() {
    let with = |attacks: &[&str]| {
        let attacks = attacks.iter().map(|id| id.parse().unwrap()).collect();
        let spec =
            ExperimentSpec { methods: vec![MethodName::KD], seeds: vec![1, 2], attacks, ..ExperimentSpec::demo() };
        sample::comparison(spec, 999)
    };
    let page = with(&["pgd-20", "autoattack"]);
    assert!(page.render().unwrap().contains("table.robustbench.json"));
    let models: serde_json::Value = serde_json::from_str(&page.export(TableFormat::RobustBench)).unwrap();
    let kd: Vec<_> = models
        .as_array()
        .unwrap()
        .iter()
        .filter(|model| model["name"].as_str().unwrap().contains("KD · ResNet-8, seed"))
        .collect();
    assert_eq!(kd.len(), 2);
    assert_eq!((kd[0]["eps"].as_str(), kd[0]["dataset"].as_str()), (Some("8/255"), Some("fashion-mnist-5k")));
    for name in ["clean_acc", "autoattack_acc", "reported"] {
        assert!(kd[0][name].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{models}");
    }
    let page = with(&["pgd-20"]);
    assert!(!page.render().unwrap().contains("robustbench"));
    assert_eq!(page.export(TableFormat::RobustBench), "[]\n");
}
