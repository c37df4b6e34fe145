//! Facts about what the tests of a comparison carry, and what is said of it.

#![allow(clippy::unwrap_used)]

mod sample;

use std::sync::Arc;

use retort_spec::{Accuracy, Attack, ExperimentSpec, MethodName, OverSeeds, RunState, Sweep};
use retort_web::{ComparisonView, RightAnswers, RunRow, Score, Template, export::TableFormat, pages::ComparisonPage};

const IMAGES: usize = 1_000;

/// A finished comparison of these methods, whose natural answers are right on the images that `is_right` says of a run.
fn page(methods: &[MethodName], seeds: &[u64], is_right: impl Fn(&RunRow, usize) -> bool) -> ComparisonPage {
    let spec = ExperimentSpec { methods: methods.to_vec(), seeds: seeds.to_vec(), ..ExperimentSpec::demo() };
    let mut page = sample::comparison(spec, 999);
    answer(&mut page, is_right);
    page
}

fn answer(page: &mut ComparisonPage, is_right: impl Fn(&RunRow, usize) -> bool) {
    page.right.clear();
    for run in page.runs.iter_mut().filter(|run| run.label.is_evaluation() && run.state == RunState::Finished) {
        let right: Vec<bool> = (0..IMAGES).map(|image| is_right(run, image)).collect();
        run.scores.truncate(1);
        run.scores[0].accuracy = Accuracy { correct: right.iter().filter(|right| **right).count(), n: IMAGES };
        page.right.insert(run.label.id, Arc::new(RightAnswers { images: 1, under: vec![(None, right)] }));
    }
}

fn finding(page: &ComparisonPage) -> String {
    let html = page.render().unwrap();
    html.split(r#"class="finding">"#).nth(1).unwrap().split('<').next().unwrap().to_owned()
}

/// Right on all but some images: KD errs on the first 200, ARD on 200 of which 190 are the same, GACD on the first 300.
fn three(run: &RunRow, image: usize) -> bool {
    let shift = run.label.seed as usize;
    match run.label.method {
        MethodName::KD => image >= 200,
        MethodName::ARD => !(10 + shift..210 + shift).contains(&image),
        MethodName::GACD => image >= 300,
        _ => image >= 100,
    }
}

const THREE: [MethodName; 3] = [MethodName::KD, MethodName::ARD, MethodName::GACD];

#[test]
fn the_difference_that_is_printed_is_the_one_that_is_tested() {
    let mut page = page(&THREE, &[1, 2, 3], three);
    page.view.baseline = "kd:resnet8".into();
    let table = page.table();
    let cell = |method| table.rows().find(|row| row.method == method).unwrap().cells[0].clone().unwrap();
    let kd = cell(MethodName::KD);
    for method in [MethodName::ARD, MethodName::GACD] {
        let (own, against) = (cell(method), cell(method).against.unwrap());
        assert!((against.difference - (own.mean - kd.mean)).abs() < 1e-9, "{against:?}");
        // A difference of nothing is no evidence, one on a hundred images overwhelming, with three seeds as with one.
        assert_eq!(against.p_value < 0.05, against.difference.abs() > 5.0, "{against:?}");
    }
}

#[test]
fn seeds_of_different_numbers_are_compared_by_their_means() {
    let mut page = page(&THREE, &[1, 2, 3], three);
    // ARD's third seed still waits.
    let waits = |run: &RunRow| run.label.method == MethodName::ARD && run.label.seed == 3;
    for run in page.runs.iter_mut().filter(|run| waits(run)) {
        (run.state, run.scores) = (RunState::Queued, vec![]);
    }
    page.view.baseline = "ard:resnet8".into();
    let table = page.table();
    let cell = |method| table.rows().find(|row| row.method == method).unwrap().cells[0].clone().unwrap();
    let (ard, gacd) = (cell(MethodName::ARD), cell(MethodName::GACD));
    assert_eq!((ard.seeds(), gacd.seeds()), (2, 3));
    let against = gacd.against.unwrap();
    assert!((against.difference - (gacd.mean - ard.mean)).abs() < 1e-9 && against.p_value < 1e-9, "{against:?}");
}

#[test]
fn p_values_are_adjusted_for_the_rows_of_their_column() {
    let mut page = page(&THREE, &[1], three);
    page.view.baseline = "ard:resnet8".into();
    let table = page.table();
    let against: Vec<_> = table.rows().filter_map(|row| row.cells[0].as_ref()?.against).collect();
    // The teacher, KD and GACD: the largest stands as it is, the smallest is three times as large.
    assert_eq!(against.len(), 3);
    let (least, most) = (
        against.iter().min_by(|a, b| a.p_value.total_cmp(&b.p_value)).unwrap(),
        against.iter().max_by(|a, b| a.p_value.total_cmp(&b.p_value)).unwrap(),
    );
    assert!((least.adjusted / least.p_value - 3.0).abs() < 1e-9 && most.adjusted == most.p_value, "{against:?}");
    let json: serde_json::Value = serde_json::from_str(&page.export(TableFormat::Json)).unwrap();
    let cell = &json["rows"][3]["cells"][0];
    assert!(cell["p"].as_f64().unwrap() < cell["p_holm"].as_f64().unwrap(), "{cell}");
}

#[test]
fn bold_is_the_highest_with_all_that_the_test_does_not_tell_from_it() {
    let page = page(&THREE, &[1, 2], three);
    let table = page.table();
    let bold: Vec<_> = table.rows().filter(|row| row.cells[0].as_ref().unwrap().is_among_best).collect();
    assert_eq!(bold.iter().map(|row| row.method).collect::<Vec<_>>(), [MethodName::KD, MethodName::ARD]);
    let said = finding(&page);
    assert_eq!(said, "Natural: KD is highest, 80.00 %, not distinguishable from ARD (p = 1.000).");
    let json: serde_json::Value = serde_json::from_str(&page.export(TableFormat::Json)).unwrap();
    let marked: Vec<_> = (0..4).map(|row| json["rows"][row]["cells"][0]["among_best"].as_bool().unwrap()).collect();
    assert_eq!(marked, [false, true, true, false]);
}

#[test]
fn a_student_is_called_the_best_where_the_test_tells_it_from_every_other() {
    let page = page(&THREE, &[1], |run, image| run.label.method == MethodName::ARD || three(run, image));
    assert_eq!(finding(&page), "Natural: ARD is best, 100.00 %.");
    assert_eq!(page.render().unwrap().matches("<b>100.00</b>").count(), 1);
}

#[test]
fn nothing_is_bold_where_no_row_can_be_told_from_the_highest() {
    let page = page(&THREE[..2], &[1, 2], three);
    let html = page.render().unwrap();
    assert!(!html.contains("<td class=\"n\"><b>") && html.contains("nothing where that is every row"), "{html}");
}

#[test]
fn without_the_answers_nothing_is_bold_and_the_highest_is_only_the_highest() {
    let mut page = page(&THREE, &[1], three);
    page.right.clear();
    assert_eq!(finding(&page), "Natural: KD and ARD are highest, 80.00 %, not tested.");
    let html = page.render().unwrap();
    assert!(!html.contains("<td class=\"n\"><b>"), "{html}");
    assert!(html.contains("No number is marked as the best where answers that the test needs are not there."));
}

#[test]
fn a_single_seed_does_not_compete_with_means() {
    let mut page = page(&THREE, &[1, 2], |run, image| run.label.method == MethodName::ARD || three(run, image));
    for run in page.runs.iter_mut().filter(|run| run.label.method == MethodName::ARD && run.label.seed == 2) {
        (run.state, run.scores) = (RunState::Queued, vec![]);
    }
    let html = page.render().unwrap();
    assert!(finding(&page).starts_with("Natural: KD is best so far, 80.00 %"), "{}", finding(&page));
    // ARD has 100 % with its only seed: it is not bold, and says that it has one.
    assert!(html.contains(r"100.00 <small>99.6–100.0 (n=1)</small>") && !html.contains("<b>100.00</b>"), "{html}");
    assert!(html.contains("Numbers of one seed (n=1) do not compete with means."));
    assert!(page.export(TableFormat::Markdown).contains("100.00 (99.6–100.0, n=1)"));
    assert!(page.export(TableFormat::Latex).contains(r"[99.6, 100.0] ($n$=1)"));
}

#[test]
fn a_row_lists_the_seeds_that_its_numbers_are_of() {
    let mut page = page(&THREE, &[1, 2], three);
    for run in page.runs.iter_mut().filter(|run| run.label.method == MethodName::ARD && run.label.seed == 2) {
        (run.state, run.scores) = (RunState::Queued, vec![]);
    }
    let csv = page.export(TableFormat::Csv);
    assert!(csv.contains(",KD,,1 2,") && csv.contains(",ARD,,1,"), "{csv}");
    assert!(page.export(TableFormat::Markdown).contains("| ARD | 1 | 80.00"));
    let html = page.render().unwrap();
    let ard = html.split("ARD</th>").nth(1).unwrap().split("</td>").next().unwrap();
    assert!(ard.contains(">1</a>") && !ard.contains(">2</a>"), "{ard}");
}

#[test]
fn every_file_with_tests_says_which_test_it_was() {
    let mut page = page(&THREE, &[1, 2], three);
    page.view = ComparisonView { baseline: "kd:resnet8".into(), ..ComparisonView::default() };
    let test = "exact paired randomisation over 1,000 test images, the seeds of an image kept together";
    let limits = "models on other images, not of other seeds.";
    for format in [TableFormat::Latex, TableFormat::Markdown, TableFormat::Json] {
        let text = page.export(format).replace('\n', " ");
        assert!(text.contains(test) && text.contains(limits) && text.contains("(Holm)"), "{text}");
    }
    assert!(page.export(TableFormat::Csv).contains("Natural paired p,Natural paired p Holm"));
    assert!(page.render().unwrap().contains(test));
}

#[test]
fn a_sweep_names_a_best_value_only_if_the_test_carries_it() {
    let sweep = Sweep {
        method: MethodName::ARD,
        path: "method.temperature".into(),
        values: ["1", "5", "30"].map(String::from).into(),
    };
    let spec = ExperimentSpec { methods: vec![MethodName::ARD], sweeps: vec![sweep], ..ExperimentSpec::demo() };
    let mut page = sample::comparison(spec, 999);
    // Of a thousand images 5 has one more right than 1, and 30 a hundred fewer.
    let swept = |ahead: usize| {
        move |run: &RunRow, image: usize| match run
            .label
            .variant
            .settings
            .first()
            .map_or("", |s| s.setting.value.as_str())
        {
            "1" => image >= 200 + ahead,
            "5" => image >= 200,
            "30" => image >= 300,
            _ => true,
        }
    };
    let caption = |page: &ComparisonPage| {
        let html = page.render().unwrap();
        let sweeps = html.split(r#"id="sweeps""#).nth(1).unwrap();
        sweeps.split("<figcaption>").nth(1).unwrap().split(" <span").next().unwrap().to_owned()
    };
    answer(&mut page, swept(1));
    assert_eq!(
        caption(&page),
        "ARD is highest at 5 (80.00 %), not distinguishable from 1 (p = 1.000). Paired tests over the test images, adjusted for \
         the values compared (Holm)."
    );
    answer(&mut page, swept(50));
    assert!(caption(&page).starts_with("ARD is best at 5 (80.00 %). Paired tests"), "{}", caption(&page));
    // A tie is told as one, tested or not.
    answer(&mut page, swept(0));
    assert!(caption(&page).starts_with("ARD is highest at 1 (80.00 %), not distinguishable from 5 (p = 1.000)."));
    page.right.clear();
    assert_eq!(caption(&page), "ARD is highest at 1 and 5 (80.00 %), not tested.");
}

/// The same answers under PGD-20 too.
fn attacked(mut page: ComparisonPage) -> ComparisonPage {
    let attack = Attack::pgd(20);
    for run in page.runs.iter_mut().filter(|run| !run.scores.is_empty()) {
        let score = Score { attack: Some(attack.clone()), ..run.scores[0].clone() };
        run.scores.push(score);
    }
    for right in page.right.values_mut() {
        let under = right.under[0].1.clone();
        Arc::make_mut(right).under.push((Some(attack.clone()), under));
    }
    page
}

/// ARD is better than KD by 20, 30 and 40 of the images in three seeds: always a little, on ever other images.
fn a_little(run: &RunRow, image: usize) -> bool {
    let seed = run.label.seed as usize;
    match run.label.method {
        MethodName::ARD => (image * 7 + seed) % 10 >= 5 || image < 40 + 10 * seed,
        _ => (image * 7 + seed) % 10 >= 5 || image < 20,
    }
}

#[test]
fn methods_are_compared_over_seeds_each_with_its_twin_from_three_seeds_on() {
    let tested = |seeds: &[u64]| {
        let mut page = attacked(page(&[MethodName::KD, MethodName::ARD], seeds, a_little));
        page.view.baseline = "kd:resnet8".into();
        page
    };
    let of = |page: &ComparisonPage| {
        let table = page.table();
        let row = table.rows().find(|row| row.method == MethodName::ARD).unwrap();
        row.cells[1].as_ref().unwrap().against.unwrap()
    };
    let three = tested(&[1, 2, 3]);
    let over = of(&three).over_seeds.unwrap();
    let differences: Vec<f64> = (1..=3).map(|seed| 100.0 * f64::from(10 + 5 * seed) / 1_000.0).collect();
    let expected = OverSeeds::of(&differences).unwrap();
    assert!((over.p_value.unwrap() / expected.p_value.unwrap() - 1.0).abs() < 1e-9, "{over:?} {expected:?}");
    let html = three.render().unwrap();
    assert!(html.contains("over seeds p = ") && html.contains("the paired t-test of the methods"), "{html}");
    let json: serde_json::Value = serde_json::from_str(&three.export(TableFormat::Json)).unwrap();
    assert_eq!(json["rows"][2]["cells"][1]["seeds_paired"], 3);
    assert!(three.export(TableFormat::Csv).contains("p over seeds"));
    let two = tested(&[1, 2]);
    assert!(two.render().unwrap().contains("too few seeds") && of(&two).over_seeds.unwrap().p_value.is_none());
}

#[test]
fn what_would_settle_an_open_difference_is_said_with_a_button_that_launches_it() {
    // On 6 of 1,000 images they differ, 4 to 2.
    let few = |run: &RunRow, image: usize| match run.label.method {
        MethodName::ARD => image >= 504 && !(600..602).contains(&image),
        _ => image >= 508,
    };
    let mut page = attacked(page(&[MethodName::KD, MethodName::ARD], &[1], few));
    page.view.baseline = "kd:resnet8".into();
    let open = page.table().open_differences();
    let ard = open.iter().find(|open| open.key == "ard:resnet8").unwrap();
    assert_eq!((ard.column.as_str(), ard.more_seeds), ("PGD-20", Some(2)));
    // A variance of 6/1000 − (2/1000)², a level of 0.05 for two tests: (2.2414 + 0.8416)² · 0.005996/(0.002)².
    let images = (2.241_402_727_6_f64 + 0.841_621_233_6).powi(2) * 0.005_996 * (1_000.0 / 999.0) / 0.002_f64.powi(2);
    assert!(ard.more_images.unwrap().abs_diff(images.ceil() as usize - IMAGES) <= 1, "{ard:?} {images}");
    let html = page.render().unwrap();
    assert!(html.contains("are not told apart (+0.20 points, p = ") && html.contains("Launch 2 more seeds"), "{html}");
    assert!(html.contains(r#"name="seeds" value="2, 3""#), "{html}");
    assert!(html.contains("/experiments?beside=1&#38;baseline=kd%3Aresnet8"), "{html}");
    page.view.baseline.clear();
    assert!(page.table().open_differences().is_empty());
}
