//! Facts about the rendered pages.

#![allow(clippy::unwrap_used)]

mod sample;

use retort_spec::{Accuracy, Attack, ExperimentSpec, MethodName, Problem, RunState};
use retort_web::{
    ArrivalKind, ArrivalState, ExperimentForm, Template,
    pages::{ErrorPage, NewExperimentPage, Plan},
};
use sample::HOSTILE;

/// The rows of the table of accuracies, without their markup: cells separated by ` | `.
fn rows(html: &str) -> Vec<String> {
    let table = html.split(r#"<table class="results"#).nth(1).unwrap().split("</table>").next().unwrap();
    table.split("<tr").skip(1).map(|row| text(&row.replace("</td>", " | ").replace("</th>", " | "))).collect()
}

/// What a person reads of a piece of HTML that may begin inside a tag.
fn text(html: &str) -> String {
    let outside = html.split('<').map(|piece| piece.split_once('>').map_or("", |(_, text)| text));
    outside.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn no_page_needs_inline_script_or_inline_style() {
    for (name, html) in sample::all() {
        assert!(!html.contains("style="), "{name} has an inline style");
        assert!(!html.contains("<style"), "{name} has a style element");
        assert_eq!(
            html.matches("<script").count(),
            html.matches(r#"<script src="/static/"#).count(),
            "{name} has a script that is not a file of ours"
        );
        for handler in [" onclick", " onload", " onchange", " onsubmit", "javascript:"] {
            assert!(!html.contains(handler), "{name} has {handler}");
        }
        let elsewhere = html.matches("http://").count() + html.matches("https://").count();
        assert_eq!(elsewhere, 0, "{name} refers to another host");
    }
}

#[test]
fn every_page_has_a_title_one_main_heading_and_distinct_ids() {
    for (name, html) in sample::all() {
        assert!(html.contains(" · Retort</title>"), "{name}");
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
        let mut ids: Vec<_> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        ids.sort_unstable();
        let twice: Vec<_> = ids.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{name} has an id twice: {twice:?}");
    }
}

#[test]
fn every_part_that_is_live_has_an_id() {
    for (name, html) in sample::all() {
        let tags = html.split('<').filter_map(|piece| piece.split_once('>')).map(|(tag, _)| tag);
        for tag in tags.filter(|tag| tag.contains("data-live") || tag.contains("data-estimate ")) {
            assert!(tag.contains(" id=\""), "{name}: {tag}");
        }
    }
}

#[test]
fn a_hostile_title_is_text_on_every_page_that_shows_it() {
    let spec = ExperimentSpec { title: HOSTILE.into(), ..ExperimentSpec::demo() };
    let comparison = sample::comparison(spec.clone(), 3);
    let mut run = sample::run(RunState::Failed);
    run.run.experiment = Some((1, HOSTILE.into()));
    run.run.cause = Some(HOSTILE.into());
    run.spec_json = HOSTILE.into();
    run.log[0].message = HOSTILE.into();
    let mut overview = sample::overview();
    overview.running = vec![run.run.clone()];
    overview.comparisons[0].spec = spec;
    let mut runs = sample::run_list();
    runs.runs = vec![run.run.clone()];
    runs.filter.text = HOSTILE.into();
    runs.datasets = vec![HOSTILE.into()];
    let error = ErrorPage { title: HOSTILE.into(), message: HOSTILE.into(), ..sample::error() };
    let pages = [
        comparison.render(),
        run.render(),
        overview.render(),
        runs.render(),
        error.render(),
        sample::form_with_faults().render(),
        sample::upload_with_faults().render(),
        sample::model_upload().render(),
        sample::model_upload_with_choices().render(),
        sample::model_upload_without_network().render(),
        sample::datasets().render(),
        sample::datasets_with_faults().render(),
        sample::dataset().render(),
    ];
    for page in pages {
        let html = page.unwrap();
        assert!(!html.contains("<script>alert") && !html.contains(r#""KD"'s"#), "{html}");
        assert!(html.contains("&#60;script&#62;alert"), "the title is gone");
    }
}

#[test]
fn a_comparison_with_one_seed_shows_the_interval_and_the_best_in_bold() {
    let html = sample::comparison(ExperimentSpec::demo(), 8).render().unwrap();
    let rows = rows(&html);
    assert_eq!(rows[1], "Teacher ResNet-8 |");
    assert_eq!(rows[2], "PGD-AT | 79.20 76.6–81.6 | 51.00 47.9–54.1 |");
    assert_eq!(rows[4], "KD | 79.00 76.4–81.4 | 40.70 37.7–43.8 |");
    assert!(rows[0].contains("PGD-20, % ε 8/255, step 2/255"), "{}", rows[0]);
    assert!(
        html.contains("<b>80.40</b>") && html.contains("<b>52.80</b>"),
        "GACD+AFT is among the best in both columns"
    );
    assert!(!html.contains("<b>79.20</b>"), "the teacher alone in its group is not the best of anything");
    assert!(text(&html).contains("Natural: GACD+AFT is best, 80.40 %; PGD-20: GACD+AFT is best, 52.80 %."), "{html}");
}

#[test]
fn several_seeds_show_mean_sample_deviation_and_n() {
    let spec = ExperimentSpec { seeds: vec![1, 2, 3], methods: vec![MethodName::KD], ..ExperimentSpec::demo() };
    let mut page = sample::comparison(spec, 12);
    for (i, run) in page.runs.iter_mut().filter(|r| r.label.is_evaluation() && !r.label.is_teacher).enumerate() {
        // 825, 827 and 829 of 1,000: 82.70 with a sample deviation of 0.20.
        run.scores[0].accuracy = Accuracy { correct: 825 + 2 * i, n: 1_000 };
    }
    let html = page.render().unwrap();
    let row = rows(&html).into_iter().find(|r| r.starts_with("KD")).unwrap();
    assert!(row.starts_with("KD | 1, 2, 3 | 82.70 ± 0.20 (n=3) |"), "{row}");
}

#[test]
fn where_every_row_is_as_good_nothing_is_bold() {
    let spec = ExperimentSpec { methods: vec![MethodName::KD, MethodName::ARD], ..ExperimentSpec::demo() };
    let mut page = sample::comparison(spec, 6);
    for run in &mut page.runs {
        for score in &mut run.scores {
            score.accuracy = Accuracy { correct: 500, n: 1_000 };
        }
    }
    page.right = sample::right(&page.runs);
    let html = page.render().unwrap();
    assert!(
        !html.contains("<b>50.00</b>")
            && html.contains("Natural: KD is highest, 50.00 %, not distinguishable from ARD")
    );
}

#[test]
fn a_row_without_numbers_says_why() {
    let html = sample::failing().render().unwrap();
    let rows = rows(&html);
    let ard = rows.iter().find(|r| r.starts_with("ARD")).unwrap();
    assert_eq!(
        *ard,
        "ARD | failed train, run 105: The device ran out of memory in epoch 2: use a smaller batch, or another device. |"
    );
    let aft = rows.iter().find(|r| r.starts_with("GACD+AFT")).unwrap();
    assert!(aft.contains("running") && aft.contains("fine-tuning, epoch 7 of 8 · less than a minute left"), "{aft}");
    assert!(html.contains(r#"<a href="/runs/105">"#) && html.contains("4 of 8 runs, 2 failed"));
}

#[test]
fn a_stored_teacher_is_one_model_whatever_the_seeds() {
    let architecture = retort_spec::Architecture::ResNet18;
    let spec = ExperimentSpec { teacher: retort_spec::TeacherChoice::Run { id: 77, architecture }, ..sample::large() };
    let html = sample::comparison(spec, 51).render().unwrap();
    let teacher = rows(&html).into_iter().find(|r| r.starts_with("PGD-AT")).unwrap();
    assert!(teacher.contains('–') && !teacher.contains('±'), "{teacher}");
    assert!(html.contains(r#"<a href="/runs/77">PGD-AT</a>"#));
}

#[test]
fn an_imported_teacher_bears_no_method_of_ours() {
    let teacher = retort_spec::TeacherChoice::Imported { id: 3, architecture: retort_spec::Architecture::ResNet18 };
    let html = sample::comparison(ExperimentSpec { teacher, ..sample::large() }, 51).render().unwrap();
    let teacher = rows(&html).into_iter().find(|r| r.starts_with("imported")).unwrap();
    assert!(teacher.contains('–') && !teacher.contains('±'), "{teacher}");
    assert!(html.contains("teacher ResNet-18, imported as model 3") && html.contains("imported · ResNet-18 · seed 1"));
    assert!(!rows(&html).iter().any(|r| r.starts_with("PGD-AT")));
}

#[test]
fn a_model_can_be_downloaded_as_long_as_its_file_is_there() {
    let html = sample::models().render().unwrap();
    assert_eq!(html.matches(r#"href="/runs/12/model.safetensors""#).count(), 1, "the second one is gone");
    assert!(html.contains("the file is gone") && html.contains(r#"href="/models/3/model.safetensors""#));
    assert!(html.contains(r#"method="post" action="/models" enctype="multipart/form-data""#));
    let html = sample::model().render().unwrap();
    assert!(html.contains("11,173,962") && html.contains("?teacher=model%3A3") && html.contains("taken from net"));
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let html = sample::upload_with_faults().render().unwrap();
    assert!(html.contains(r##"<a href="#file">File</a>: "##) && html.contains("Nothing was imported"));
}

#[test]
fn an_uploaded_file_says_what_it_is_before_anything_is_kept() {
    let one = sample::model_upload().render().unwrap();
    for words in ["ResNet-18", "11,173,962", "F16, 122 tensors", "<dd>cifar10</dd>", "prefix module. was taken off"] {
        assert!(one.contains(words), "{words} is missing in {one}");
    }
    assert!(one.contains(r#"type="hidden" name="weights" value="net""#) && !one.contains(r#"type="radio""#));
    assert!(one.contains(r#"formaction="/models/uploads/dG9rZW4/discard""#) && !one.contains("despite_doubt"));
}

#[test]
fn of_several_networks_one_is_chosen_and_one_that_is_broken_cannot_be() {
    let html = sample::model_upload_with_choices().render().unwrap();
    let radios: Vec<&str> = html.split("<input").filter(|tag| tag.contains(r#"type="radio""#)).collect();
    assert_eq!(radios.len(), 3);
    assert!(radios[1].contains(r#"value="ema" required checked"#) && radios[2].contains(" disabled"), "{radios:?}");
    assert!(html.contains("an average over training steps by its name; 61 tensors differ from the first"));
    assert!(html.contains(r#"name="despite_doubt""#) && html.contains("Other code has its names"));
    assert!(html.contains(r#"<p class="wrong" id="classes-wrong">It is no dataset here</p>"#));
    assert!(
        html.contains("Also in the file")
            && html.contains("<li>What stands at student fits no network of Retort.</li>")
    );
}

#[test]
fn a_file_without_a_network_says_what_it_is_nearest_to() {
    let html = sample::model_upload_without_network().render().unwrap();
    assert!(html.contains("The nearest is ResNet-18, but layer4 is missing.") && !html.contains(">Import</button>"));
}

#[test]
fn only_a_comparison_with_open_runs_can_be_cancelled() {
    let cancel = r#"action="/experiments/1/cancel""#;
    assert!(sample::comparison(ExperimentSpec::demo(), 5).render().unwrap().contains(cancel));
    assert!(!sample::comparison(ExperimentSpec::demo(), 8).render().unwrap().contains(cancel));
}

#[test]
fn only_a_comparison_with_runs_that_failed_or_were_cancelled_can_be_resumed() {
    let resume = r#"action="/experiments/1/resume"><button class="button">Resume 2 runs"#;
    let mut page = sample::comparison(ExperimentSpec::demo(), 8);
    assert!(!page.render().unwrap().contains("/resume"));
    (page.runs[3].state, page.runs[4].state) = (RunState::Failed, RunState::Cancelled);
    assert!(page.render().unwrap().contains(resume));
}

#[test]
fn every_page_says_why_nothing_is_started() {
    let mut page = sample::datasets();
    assert!(page.render().unwrap().contains(r#"<div class="pause" id="pause" data-live></div>"#));
    page.frame.pause = Some("Nothing is started: the disk has <b>300 MiB</b> free.".into());
    let html = page.render().unwrap();
    assert!(html.contains(r#"<p role="status">Nothing is started: the disk has &#60;b&#62;300 MiB"#), "{html}");
}

#[test]
fn a_run_offers_what_its_state_allows() {
    for state in RunState::ALL {
        let html = sample::run(state).render().unwrap();
        let (cancel, resume) = match state {
            RunState::Queued | RunState::Starting | RunState::Running => (true, false),
            RunState::Failed | RunState::Diverged | RunState::Cancelled => (false, true),
            RunState::Lost => (true, true),
            RunState::Finished => (false, false),
        };
        assert_eq!(html.contains("comes to the same end"), state == RunState::Diverged, "{state}");
        assert_eq!(html.contains(r#"action="/runs/107/cancel""#), cancel, "{state}");
        assert_eq!(html.contains(r#"action="/runs/107/resume""#), resume, "{state}");
    }
}

#[test]
fn ten_classes_show_their_samples_and_the_others_unfold() {
    let html = sample::datasets().render().unwrap();
    let hundred = html.split("<section").find(|section| section.contains("CIFAR-100")).unwrap();
    let (shown, unfolded) = hundred.split_once("<details>").unwrap();
    assert_eq!((shown.matches("<svg").count(), unfolded.matches("<svg").count()), (10, 90));
    assert!(unfolded.starts_with("<summary>90 more classes</summary>"), "{unfolded}");
    // Row 10 of a sheet of a hundred rows, 34 pixels from one to the next.
    let row = unfolded.split("<li>").nth(1).unwrap();
    assert!(row.contains("class number 10</span>") && row.contains(r#"viewBox="0 340 338 32""#), "{row}");
    assert!(row.contains(r#"<image href="/datasets/cifar100/samples.png" width="338" height="3398"/>"#), "{row}");
    let three = html.split("<section").find(|section| section.contains("5k subset")).unwrap();
    assert!(!three.contains("<details>") && three.matches("<svg").count() == 3);
}

#[test]
fn a_damaged_dataset_says_why_and_shows_nothing() {
    let html = sample::datasets().render().unwrap();
    let damaged = html.split("<section").find(|section| section.contains("cannot be used")).unwrap();
    assert!(damaged.contains("It cannot be used: the dataset pets is damaged"), "{damaged}");
    assert!(!damaged.contains("<svg") && !damaged.contains("/experiments/new"), "{damaged}");
}

#[test]
fn what_can_be_fetched_stands_with_its_size_and_command() {
    let mut page = sample::datasets();
    let html = page.render().unwrap();
    let stl = html.split("<dt>").find(|part| part.starts_with("STL-10")).unwrap();
    assert!(stl.contains("2.6 GB to download") && stl.contains("<code>retort data fetch stl10</code>"), "{stl}");
    page.downloads.clear();
    let html = page.render().unwrap();
    assert!(!html.contains("retort data fetch") && html.contains("<code>retort data import PATH --name NAME</code>"));
}

#[test]
fn a_dataset_on_its_way_says_how_far_it_is_and_can_be_cancelled() {
    for html in [sample::datasets().render().unwrap(), sample::arriving_dataset().render().unwrap()] {
        assert!(html.contains("Downloading: 82 MB of 170 MB · 5.1 MB a second · 17 s left"), "{html}");
        assert!(html.contains(r#"action="/datasets/cifar10/cancel"><button class="button">Cancel"#), "{html}");
        assert!(!html.contains(r#"action="/datasets/cifar10/fetch""#), "{html}");
    }
}

#[test]
fn a_fetch_that_failed_says_why_and_offers_to_go_on_or_to_discard_what_came() {
    let mut page = sample::datasets();
    page.downloads[0].arrival.as_mut().unwrap().state = ArrivalState::Failed("the server is gone".into());
    let html = page.render().unwrap();
    assert!(html.contains("It was not fetched:</span> the server is gone"), "{html}");
    assert!(html.contains("82 MB of 170 MB are here already"), "{html}");
    for (action, word) in [("fetch", "Go on"), ("cancel", "Discard")] {
        assert!(html.contains(&format!(r#"action="/datasets/cifar10/{action}"><button class="button">{word}<"#)));
    }
}

#[test]
fn an_import_that_failed_leads_back_to_its_form_filled_in() {
    let mut page = sample::arriving_dataset();
    let arrival = page.arrival.as_mut().unwrap();
    (arrival.kind, arrival.state) = (ArrivalKind::Import, ArrivalState::Failed("2 images are of 64×64".into()));
    let html = page.render().unwrap();
    let address = r#"href="/datasets?name=cifar10&#38;resize=true&#38;test_percent=20#import">Upload again"#;
    assert!(html.contains(address), "{html}");
}

#[test]
fn an_import_is_told_by_what_was_taken_left_out_and_changed() {
    let mut page = sample::dataset();
    let told = text(&page.render().unwrap());
    for words in [
        "a zip archive: images in folders.",
        "Hidden files: 4 .DS_Store, train/.DS_Store, train/cat/._1.png, …",
        "Files that are no images: 1 README.md",
        "Images of other sizes were made 32×32: 2,913 train/cat/1.jpg",
        "train and test lie in the folder my-pets",
        "cat1,200300",
        "All2,330583",
    ] {
        assert!(told.contains(words), "{words} is missing in {told}");
    }
    page.report = None;
    assert!(page.render().unwrap().contains("It was imported before reports were kept"));
    page.is_bundled = true;
    assert!(!page.render().unwrap().contains("before reports were kept"));
}

#[test]
fn faults_of_an_upload_stand_beside_their_fields() {
    let html = sample::datasets_with_faults().render().unwrap();
    let percent = html.split("<input").find(|tag| tag.contains(r#"name="test_percent""#)).unwrap();
    assert!(percent.contains(r#"value="100""#) && percent.contains(r#"aria-invalid="true""#), "{percent}");
    assert!(html.contains(r#"id="test_percent-wrong">Write a whole number from 1 to 90"#), "{html}");
    assert!(html.contains(r#"<p class="wrong" id="name-wrong">There is a dataset of this name</p>"#));
}

#[test]
fn messages_stand_beside_their_fields_and_are_tied_to_them() {
    let html = sample::form_with_faults().render().unwrap();
    let seeds = html.split("<input").find(|tag| tag.contains(r#"name="seeds""#)).unwrap();
    assert!(seeds.contains(r#"aria-invalid="true""#), "{seeds}");
    assert!(seeds.contains(r#"aria-describedby="seeds-wrong seeds-hint""#), "{seeds}");
    assert!(seeds.contains(r#"value="1, 2, 2""#), "what was typed is still there: {seeds}");
    assert!(html.contains(r#"id="seeds-wrong">Seed 2 stands twice</p>"#));
    assert!(html.contains(r##"<a href="#students">Students</a>: choose at least one student"##));
    assert!(html.contains(r#"<fieldset id="students" tabindex="-1" aria-describedby="students-wrong">"#));
    assert!(html.contains("3 problems keep this from being launched"));
}

#[test]
fn every_field_of_the_form_can_be_marked_and_linked_to() {
    for (field, _) in ExperimentForm::FIELDS.iter().copied() {
        let problems = vec![Problem::new(field, "does not fit")];
        let html = NewExperimentPage { problems, plan: None, ..sample::form() }.render().unwrap();
        assert!(html.contains(&format!(r#" id="{field}""#)), "{field} is nowhere to link to");
        assert!(html.contains(&format!(r##"<a href="#{field}">"##)), "{field} is not linked to");
        assert!(html.contains(&format!(r#"id="{field}-wrong">Does not fit"#)), "{field} has no words beside it");
        assert!(html.contains(&format!("aria-describedby=\"{field}-wrong")), "{field} is not tied to its words");
    }
}

#[test]
fn a_problem_without_a_field_is_still_told() {
    let html = NewExperimentPage { problems: vec![sample::unknown_fault()], ..sample::form() }.render().unwrap();
    assert!(html.contains("<li>spec: is not JSON</li>"));
}

#[test]
fn a_form_that_can_be_launched_says_what_it_will_do() {
    let html = sample::form().render().unwrap();
    assert!(text(&html).contains("8 runs: 1 teacher + 3 students + 4 evaluations, about 4 min on cpu"), "{html}");
    assert!(html.contains(r#"formmethod="get" formaction="/experiments/new""#));
    assert!(html.contains(r#"method="post" action="/experiments""#));
    assert!(!html.contains("aria-invalid"));
}

#[test]
fn the_form_shows_a_clone_as_it_was_launched() {
    let spec = ExperimentSpec { attacks: vec![Attack::pgd(13)], ..sample::large() };
    let form = ExperimentForm::from_spec(&spec);
    let html = NewExperimentPage { form, ..sample::form() }.render().unwrap();
    for checked in ["resnet8", "resnet20", "kd", "ard", "gacd", "gacd+aft", "pgd-13", "paper"] {
        let checked = checked.replace('+', "&#43;");
        let plain = checked.replace("&#43;", "+");
        let is_checked = |value: &str| html.contains(&format!(r#"value="{value}" checked"#));
        assert!(is_checked(&checked) || is_checked(&plain), "{plain}");
    }
    assert!(html.contains(r#"<option value="cifar10" selected>"#));
    assert!(html.contains(r#"<option value="train:resnet18" selected>"#));
}

/// The form's page with these values.
fn form_with(form: ExperimentForm) -> String {
    NewExperimentPage { form, ..sample::form() }.render().unwrap()
}

/// The element with this id, up to the next end of such an element.
fn part<'a>(html: &'a str, id: &str, element: &str) -> &'a str {
    let rest = html.split_once(&format!(r#" id="{id}""#)).unwrap_or_else(|| panic!("no {id} in {html}")).1;
    rest.split_once(&format!("</{element}>")).unwrap().0
}

#[test]
fn what_the_form_offers_follows_the_chosen_dataset() {
    let (bundled, cifar) =
        (ExperimentForm::initial(), ExperimentForm { dataset: "cifar10".into(), ..ExperimentForm::initial() });
    let (bundled, chosen) = (form_with(bundled), form_with(cifar.clone()));
    let probes = |html: &str| {
        [r#"value="fashion-mnist-5k""#, r#"value="cifar10""#]
            .map(|name| part(html, "probes", "fieldset").contains(name))
    };
    assert_eq!((probes(&bundled), probes(&chosen)), ([false, true], [true, false]));
    for (html, train, test) in [(&bundled, "all 4,000", "all 1,000"), (&chosen, "all 50,000", "all 10,000")] {
        let placeholder = |words| format!(r#"placeholder="{words}""#);
        assert!(part(html, "train_images-label", "label").contains(&placeholder(train)), "{html}");
        assert!(part(html, "test_images-label", "label").contains(&placeholder(test)), "{html}");
    }
    let held_out = form_with(ExperimentForm { validation_images: "1,000".into(), ..cifar.clone() });
    assert!(part(&held_out, "train_images-label", "label").contains(r#"placeholder="all 49,000""#));
    // What was ticked before can be unticked.
    let ticked = form_with(ExperimentForm { probes: vec!["cifar10".into(), "gone".into()], ..cifar });
    for name in ["cifar10", "gone"] {
        assert!(part(&ticked, "probes", "fieldset").contains(&format!(r#"value="{name}" checked"#)), "{name}");
    }
}

#[test]
fn what_is_not_here_stays_chosen_so_that_what_is_wrong_with_it_can_be_seen() {
    let html =
        form_with(ExperimentForm { dataset: "gone".into(), device: "cuda:7".into(), ..ExperimentForm::initial() });
    for option in
        [r#"<option value="gone" selected>gone</option>"#, r#"<option value="cuda:7" selected>cuda:7</option>"#]
    {
        assert!(html.contains(option), "{option}: {html}");
    }
    let here = form_with(ExperimentForm::initial());
    assert_eq!(part(&here, "device", "select").matches("<option").count(), 1);
}

#[test]
fn advanced_has_the_parameters_of_the_chosen_methods_and_selects_for_words() {
    let html =
        form_with(ExperimentForm { methods: vec!["ard".into(), "gacd+aft".into()], ..ExperimentForm::initial() });
    let shown: Vec<_> = MethodName::all()
        .filter(|m| {
            html.contains(&format!(r#"id="parameters-{}""#, m.id().replace('+', "&#43;")))
                || html.contains(&format!(r#"id="parameters-{}""#, m.id()))
        })
        .collect();
    assert_eq!(shown, [MethodName::ARD, MethodName::GACD, MethodName::GACD.fine_tuned()]);
    let weighting = part(&html, "set.ard.method.sample_weighting", "select");
    let options: Vec<String> = weighting.split("<option").skip(1).map(|option| text(&format!("<{option}"))).collect();
    assert_eq!(options, ["none", "teacher", "teacher_normalised", "a sweep over all"]);
    assert!(html.contains(r#"<input id="set.ard.method.temperature""#));
    // What is typed for a method that is not chosen stays where it can be mended.
    let settings = vec!["kd.method.alpha=0.5".to_owned(), "ard.method.sample_weighting=none, teacher".to_owned()];
    let html = form_with(ExperimentForm { methods: vec!["ard".into()], settings, ..ExperimentForm::initial() });
    assert!(html.contains(r#"id="set.kd.method.alpha""#) && !html.contains(r#"id="parameters-gacd""#));
    assert!(
        part(&html, "set.ard.method.sample_weighting", "select").contains(r#"<option value="none, teacher" selected>"#)
    );
}

#[test]
fn a_parameters_problem_is_told_by_its_name() {
    let problems = vec![
        Problem::new("set.gacd.method.temperature", "must be from 0.001 to 1,000"),
        Problem::new("set.gacd+aft.preset", "is none"),
        Problem::new("set.gacd.method.unknown", "is none"),
    ];
    let form = ExperimentForm { methods: vec!["gacd+aft".into()], ..ExperimentForm::initial() };
    let html = NewExperimentPage { form, problems, plan: None, ..sample::form() }.render().unwrap();
    let told = text(part(&html, "problems", "section").split_once('>').unwrap().1);
    for said in [
        "3 problems keep this from being launched",
        "GACD: temperature T: must be from 0.001 to 1,000",
        "GACD+AFT: published variant: is none",
        "set.gacd.method.unknown: is none",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
    assert!(
        text(&html).contains("Not ready. GACD: temperature T: must be from 0.001 to 1,000 (and 2 more)"),
        "{}",
        text(&html)
    );
    assert!(html.contains(r#"id="set.gacd.method.temperature-wrong">Must be from"#));
}

#[test]
fn a_launch_of_more_than_a_day_has_a_box_to_confirm_it_by() {
    let plan = |seconds| Some(Plan { seconds: Some(seconds), ..sample::form().plan.unwrap() });
    let page = |seconds, agreed| NewExperimentPage { plan: plan(seconds), agreed, ..sample::form() }.render().unwrap();
    assert!(!page(86_000.0, None).contains(r#"name="confirmed""#));
    let asked = page(10.7 * 86_400.0, None);
    assert!(part(&asked, "agreement", "div").contains(r#"name="confirmed" value="11""#), "{asked}");
    assert!(
        part(&asked, "agreement", "div").contains("Yes, about 11 d")
            && !part(&asked, "agreement", "div").contains("checked")
    );
    assert!(part(&page(10.7 * 86_400.0, Some(11)), "agreement", "div").contains("checked"));
    assert!(
        !part(&page(11.2 * 86_400.0, Some(11)), "agreement", "div").contains("checked"),
        "it is longer than agreed"
    );
}

#[test]
fn an_evaluation_shows_its_classes_and_what_they_were_taken_for() {
    let html = sample::evaluation().render().unwrap();
    assert!(text(&html).contains("every one of these attacks, worst case by image38.8035.8–41.9388 of 1,000"));
    assert!(html.contains(r#"<td class="s6 right" title="airplane answered as airplane: 60 of 100">60</td>"#));
    assert!(text(&html).contains("automobile10062.0032.00"), "{}", text(&html));
}

#[test]
fn masking_checks_name_their_warnings_with_what_was_found() {
    let run = text(&sample::masking().render().unwrap());
    assert!(run.contains("8 of 11 checks pass, 2 warn, 1 cannot tell"), "{run}");
    assert!(
        run.contains("ConvergedwarningPGD-20 leaves 43.10 %") && run.contains("nothing newcannot tellPGD-20"),
        "{run}"
    );
    let comparison = text(&sample::comparison_with_maskings().render().unwrap());
    assert!(comparison.contains("Of 3 checked models: 1 with a warning, 2 that pass every check."), "{comparison}");
    assert!(comparison.contains("11 checks pass") && comparison.contains("Losses agree, warning: PGD-20 leaves"));
}

#[test]
fn first_use_offers_the_demo_and_later_use_does_not() {
    let demo = r#"<form method="post" action="/demo""#;
    let first = sample::first_use().render().unwrap();
    assert!(first.contains(demo) && first.contains("about 4 min on this machine"));
    assert!(!sample::overview().render().unwrap().contains(demo));
}

#[test]
fn parts_that_are_empty_at_first_stand_ready_to_be_filled_live() {
    let html = sample::first_use().render().unwrap();
    for id in ["comparisons", "ended"] {
        let tag = html.split('<').find(|tag| tag.contains(&format!(r#"id="{id}" data-live"#))).unwrap();
        assert!(tag.contains(" hidden>"), "{tag}");
    }
    let mut run = sample::evaluation();
    run.run.scores.clear();
    assert!(run.render().unwrap().contains(r#"id="scores" data-live"#));
}

#[test]
fn figures_have_words_for_those_who_cannot_see_them() {
    let html = sample::comparison(ExperimentSpec::demo(), 8).render().unwrap();
    assert_eq!(html.matches("<svg class=\"chart").count(), 3);
    assert_eq!(html.matches(r#"role="img" aria-label=""#).count(), 3);
    assert_eq!(html.matches("<figcaption>").count(), 3);
}

#[test]
fn times_are_machine_readable() {
    let html = sample::run(RunState::Running).render().unwrap();
    assert!(html.contains(r#"<time datetime="2026-11-22T16:24:07Z">22 Nov 2026, 16:24 UTC</time>"#));
}
