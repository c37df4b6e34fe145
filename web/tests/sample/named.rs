//! Pages with one name wherever a person can write one.

use std::sync::Arc;

use resvg::tiny_skia::Pixmap;
use retort_spec::{
    AdversarialImages, AnalyseSpec, AnalysedModel, Analysis, AnalysisKind, AnalysisResult, Answer, Correlation,
    CorrelationMap, CorrelationMaps, Difference, FeatureMap, FeatureMaps, Features, Gallery, GalleryImage,
    GalleryImages, LogitStatistic, PixelDistance, Setting, Sweep, Variant,
};
use retort_web::{
    Answers, Values,
    analyses::{AnalysisFiles, AnalysisView},
    pages::{
        ConfirmPage, DocumentPage, ErrorPage, Frozen, Link, OtherExperiment, RunDocumentPage, RunPage, ShareRow,
        SharedPage,
    },
};

use super::{
    AnalysedOption, ComparisonPage, DatasetChoice, DeviceName, ExperimentSpec, MethodName, ModelRef, ModelUploadForm,
    Problem, RunRow, RunState, Template, at, comparison, comparisons, datasets, evaluation, form, frame, masking,
    model, model_upload_with_choices, models, overview, run, run_list, upload_with_faults,
};

fn named(runs: &mut [RunRow], name: &str) {
    for run in runs {
        run.dataset = name.into();
        run.device = name.into();
        run.cause = Some(name.into());
        run.experiment = Some((1, name.into()));
        run.label.variant = Variant::of(MethodName::KD, Setting::new("preset", name));
        for check in &mut run.checks {
            check.finding = name.into();
        }
    }
}

fn answers(name: &str) -> Answers {
    Answers {
        classes: vec![name.into(), "other".into()],
        confusion: vec![(name.into(), vec![vec![60, 40], vec![30, 70]]), ("PGD-20".into(), vec![vec![30, 70]; 2])],
        worst_case: None,
    }
}

/// One analysis of each kind, of models and classes of this name.
fn analyses(name: &str) -> Vec<AnalysisView> {
    let text = || name.to_owned();
    let map = FeatureMap {
        model: text(),
        points: vec![[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]],
        counts: [1; 3],
        fooled: 1,
        mistaken: Some(0),
        silhouette: 0.25,
        among_own: 1,
        centroid_distances: [0.5, 0.75],
        is_collapsed: false,
    };
    let difference = Difference { values: vec![0.0, 0.3, -0.3, 0.0], mean: 0.3, max: 0.3, norm: 0.4 };
    let correlation =
        CorrelationMap { model: text(), natural: difference.clone(), adversarial: difference, is_collapsed: false };
    let answer = || Answer { class: text(), confidence: 61.6 };
    let image = |class| GalleryImage { class, place: 7, answers: vec![[answer(), answer()]] };
    let pitch = GalleryImages::PITCH as u32;
    let sheet = Pixmap::new(3 * pitch, 2 * pitch).unwrap().encode_png().unwrap();
    let of = |analysis, result, sheet| AnalysisView {
        run: run(RunState::Finished).run,
        spec: AnalyseSpec {
            analysis,
            models: vec![AnalysedModel { name: text(), model: ModelRef::Run(1) }],
            dataset: DatasetChoice::all_of(name),
            eps: PixelDistance::levels(8.0),
            seed: 1,
            device: DeviceName::Cpu,
        },
        files: Some(Arc::new(AnalysisFiles { result, sheet })),
        values: Values::Sizes,
        beside: Some(text()),
    };
    let all = vec![
        of(
            Analysis::Features(Features {
                attacked: text(),
                target: text(),
                images: 1,
                adversarial: AdversarialImages::Shared,
            }),
            AnalysisResult::Features(FeatureMaps {
                attacked: text(),
                target: text(),
                made_on: Some(text()),
                maps: vec![map.clone(), map],
            }),
            None,
        ),
        of(
            Analysis::Correlation(Correlation {
                statistic: LogitStatistic::Correlation,
                adversarial: AdversarialImages::Shared,
            }),
            AnalysisResult::Correlation(CorrelationMaps {
                teacher_is_collapsed: false,
                classes: vec![text(), "other".into()],
                teacher: text(),
                images: 10,
                maps: vec![correlation],
            }),
            None,
        ),
        of(
            Analysis::Gallery(Gallery { classes: vec![text()], images: 2, differ: false }),
            AnalysisResult::Gallery(GalleryImages {
                models: vec![text()],
                images: vec![image(text()), image("other".into())],
                magnified: 16.0,
            }),
            Some(sheet),
        ),
    ];
    let kinds: Vec<_> = all.iter().map(|view| view.spec.analysis.kind()).collect();
    assert_eq!(kinds, AnalysisKind::ALL, "one of each");
    all
}

/// A comparison of this name, with another one beside it, a sweep, analyses, answers by class and shares.
pub fn comparison_with(name: &str) -> ComparisonPage {
    let sweep = Sweep { method: MethodName::ARD, path: "temperature".into(), values: vec!["5".into(), "30".into()] };
    let spec = ExperimentSpec {
        title: name.into(),
        dataset: DatasetChoice { name: name.into(), ..ExperimentSpec::demo().dataset },
        sweeps: vec![sweep],
        ..ExperimentSpec::demo()
    };
    let mut page = comparison(spec.clone(), 99);
    let beside = super::runs(&spec, 2, 99);
    let is_analysed = AnalysedOption { value: "run:101".into(), words: name.into(), is_chosen: true };
    page.with = vec![OtherExperiment { id: 2, spec, runs: beside }];
    page.others = vec![(7, name.into())];
    page.analysed = vec![is_analysed];
    page.classes = vec![name.into(), "other".into()];
    page.confusion = Some(answers(name));
    page.analyses = analyses(name);
    page.shares = vec![ShareRow {
        id: 1,
        title: name.into(),
        created: at(1),
        is_open: true,
        until: None,
        is_revoked: false,
        last_opened: None,
    }];
    for curves in &mut page.curves {
        curves.group = name.into();
        curves.label.variant = Variant::of(MethodName::KD, Setting::new("preset", name));
    }
    page
}

/// Every page, by what it is.
pub fn pages_with(name: &str) -> Vec<(&'static str, String)> {
    let text = || name.to_owned();
    let comparison = comparison_with(name);
    let summary = |mut summary: super::ComparisonSummary| {
        summary.spec.title = text();
        summary.spec.dataset.name = text();
        named(&mut summary.runs, name);
        summary
    };
    let mut overview = overview();
    overview.comparisons = overview.comparisons.into_iter().map(summary).collect();
    for runs in [&mut overview.running, &mut overview.next] {
        named(runs, name);
    }
    for ended in &mut overview.ended {
        (ended.title, ended.failure) = (text(), Some((7, text(), text())));
    }
    overview.devices[1].runs[0].1 = text();
    let mut list = run_list();
    named(&mut list.runs, name);
    list.filter.text = text();
    list.datasets = vec![text()];
    let mut data = datasets();
    for card in &mut data.datasets {
        (card.title, card.origin) = (text(), text());
        card.classes.fill(text());
        card.fault = card.fault.as_ref().map(|_| text());
    }
    let mut new = form();
    new.form.title = text();
    new.datasets[0].name = text();
    new.datasets[0].classes = vec![text(), "other".into()];
    new.imported[0].title = text();
    new.imported[0].dataset = text();
    new.teachers[0].dataset = text();
    new.devices[0].description = text();
    let mut imported = model();
    (imported.model.name, imported.model.origin, imported.model.dataset) = (text(), text(), text());
    (imported.classes, imported.notes) = (vec![text(), "other".into()], vec![text()]);
    let mut weights = models();
    for row in weights.imported.iter_mut().chain(&mut weights.trained) {
        (row.name, row.detail, row.dataset) = (text(), text(), text());
    }
    weights.views.list[0].name = text();
    let mut refused = upload_with_faults();
    refused.problems = vec![Problem::new("file", name)];
    let mut chosen = model_upload_with_choices();
    (chosen.file_name, chosen.origin) = (text(), Some(text()));
    chosen.form = ModelUploadForm { title: text(), weights: text(), classes: text(), ..chosen.form };
    chosen.problems = vec![Problem::new("weights", name)];
    (chosen.datasets, chosen.misses) = (vec![text()], vec![vec![text()]]);
    for network in &mut chosen.networks {
        (network.path, network.place, network.notes) = (text(), text(), vec![text()]);
        (network.doubt, network.fault, network.unclear_normaliser) = (Some(text()), Some(text()), Some(text()));
    }
    let mut all_comparisons = comparisons();
    all_comparisons.comparisons = all_comparisons.comparisons.into_iter().map(summary).collect();
    let frozen = Frozen { title: text(), note: text() };
    let pages = vec![
        ("overview", overview.render().unwrap()),
        ("comparisons", all_comparisons.render().unwrap()),
        ("comparison", comparison.clone().render().unwrap()),
        ("new experiment", new.render().unwrap()),
        ("runs", list.render().unwrap()),
        ("datasets", data.render().unwrap()),
        ("models", weights.render().unwrap()),
        ("refused upload", refused.render().unwrap()),
        ("uploaded model", chosen.render().unwrap()),
        ("model", imported.render().unwrap()),
        ("file", DocumentPage::new(comparison.clone(), "", "today".into(), None).write(|_| None).unwrap()),
        ("share", DocumentPage::new(comparison, "", "today".into(), Some(frozen)).write(|_| None).unwrap()),
    ];
    [pages, run_pages_with(name), answers_with(name)].concat()
}

fn run_pages_with(name: &str) -> Vec<(&'static str, String)> {
    let text = || name.to_owned();
    let run_page = |mut page: RunPage| {
        let mut run = [page.run.clone()];
        named(&mut run, name);
        [page.run] = run;
        named(&mut page.needs, name);
        named(&mut page.needed_by, name);
        for line in &mut page.log {
            line.message = text();
        }
        for attempt in &mut page.attempts {
            (attempt.cause, attempt.device) = (Some(text()), text());
        }
        page.spec_json = serde_json::to_string_pretty(&serde_json::json!({ name: [name] })).unwrap();
        page
    };
    let trained = run_page(run(RunState::Running));
    let answered = RunPage { answers: Some(answers(name)), ..run_page(evaluation()) };
    let analysed = RunPage { analysis: analyses(name).into_iter().next(), ..run_page(run(RunState::Finished)) };
    let frozen = Frozen { title: text(), note: text() };
    vec![
        ("run", trained.render().unwrap()),
        ("evaluation", answered.render().unwrap()),
        ("analysis", analysed.clone().render().unwrap()),
        ("masking", run_page(masking()).render().unwrap()),
        ("share of a run", RunDocumentPage::new(analysed, "", "today".into(), frozen).write(|_| None).unwrap()),
    ]
}

/// What the server answers to what a person sends.
fn answers_with(name: &str) -> Vec<(&'static str, String)> {
    let text = || name.to_owned();
    let error = ErrorPage {
        frame: frame(),
        status: 404,
        title: text(),
        message: text(),
        links: vec![Link { href: "/runs".into(), text: text() }],
    };
    let shared = SharedPage {
        frame: frame(),
        back: "/experiments/1".into(),
        title: text(),
        link: "http://localhost/s/x".into(),
        is_public: false,
        until: None,
    };
    let confirm = ConfirmPage {
        frame: frame(),
        question: text(),
        message: text(),
        action: "/paper",
        fields: vec![("title".into(), text())],
        button: text(),
        back: "/paper".into(),
    };
    vec![
        ("error", error.render().unwrap()),
        ("shared", shared.render().unwrap()),
        ("confirm", confirm.render().unwrap()),
    ]
}
