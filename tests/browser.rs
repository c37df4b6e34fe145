//! A person at a browser: launches a comparison, watches it, opens a run, cancels another.
//!
//! Without Debian's `chromium` and `chromium-driver` these tests are reported as ignored (that of LaTeX without a TeX, that of
//! PDF without `pdftoppm`), unless `RETORT_REQUIRE_BROWSER` is set: then they fail. `RETORT_SCREENSHOTS` names a folder for
//! pictures of the pages.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]

#[path = "browser/accessible.rs"]
mod accessible;
#[path = "browser/comparing.rs"]
mod comparing;
#[path = "browser/curves.rs"]
mod curves;
#[path = "browser/figures.rs"]
mod figures;
#[path = "browser/lists.rs"]
mod lists;
#[path = "browser/live.rs"]
mod live;
mod support;

use std::{future::Future, process::ExitCode, time::Duration};

use libtest_mimic::{Arguments, Failed, Trial};
use support::{
    Server,
    browser::{self, Browser},
};

fn main() -> ExitCode {
    let ignored = !browser::is_here() && std::env::var_os("RETORT_REQUIRE_BROWSER").is_none();
    let trials = [
        trial("a_comparison_fills_without_a_reload_and_its_runs_can_be_opened", || with_server(launch_and_watch)),
        trial("a_run_is_cancelled_by_its_button_and_resumed_by_another", || with_server(cancel)),
        trial("a_form_without_a_student_says_so_beside_the_field", || with_server(faulty_form)),
        trial("a_form_follows_what_is_typed_and_is_there_again_after_a_reload_and_a_launch", || with_server(kept_form)),
        trial("an_archive_is_uploaded_and_its_page_fills_without_a_reload", || with_server(upload_dataset)),
        trial("no_page_scrolls_sideways_on_a_phone", || with_server(phone)),
        trial("lists_are_worked_in_by_keyboard_and_what_is_ticked_is_compared", || with_server(lists::walk)),
        trial("a_comparison_is_tested_looked_into_and_shared", || with_server(comparing::walk)),
        trial("curves_are_read_zoomed_smoothed_and_found_again_by_their_address", || with_server(curves::walk)),
        trial("a_live_update_keeps_choices_forms_focus_and_place", || with_server(live::keeps_what_was_done)),
        trial("an_open_page_is_sent_what_differs_and_nothing_where_nothing_does", || {
            with_server(live::sends_what_differs);
        }),
    ];
    let latex = Trial::test("a_table_that_was_taken_along_compiles_with_latex", || {
        compile_table();
        Ok(())
    });
    let latex = latex.with_ignored_flag(latex_programs().next().is_none());
    let pdf = Trial::test("a_figure_looks_the_same_as_pdf_and_as_png", || {
        figures::render();
        Ok(())
    });
    let is_required = std::env::var_os("RETORT_REQUIRE_BROWSER").is_some();
    let pdf = pdf.with_ignored_flag(!is_required && !browser::is_program("pdftoppm"));
    let axe = trial("axe_finds_no_fault_on_any_page_at_three_widths_light_and_dark", || {
        with_server(accessible::every_page);
    });
    let axe = axe.with_ignored_flag(ignored || accessible::axe().is_none());
    let trials = trials.into_iter().map(|t| t.with_ignored_flag(ignored)).chain([latex, pdf, axe]).collect();
    let mut arguments = Arguments::from_args();
    // Each test has a browser and trains networks: two at a time would only wait for each other.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        if !browser::is_here() {
            return Err(Failed::from(
                "chromium and chromedriver are missing: apt-get install chromium chromium-driver",
            ));
        }
        test();
        Ok(())
    })
}

/// Runs a test with a server on an empty data folder, and a browser.
fn with_server<F: Future<Output = ()>>(test: impl FnOnce(Server, Browser) -> F) {
    let data = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let server = Server::start(data.path());
        test(server, Browser::start().await).await;
    });
}

/// Fills the form with a comparison that takes seconds: the methods that are picked from the start, under FGSM alone.
async fn fill_form(browser: &Browser, title: &str, epochs: &str) {
    browser.fill("#title", title).await;
    browser.fill("#train_images", "100").await;
    browser.fill("#test_images", "50").await;
    browser.fill("#epochs", epochs).await;
    browser.click("input[name=attacks][value=fgsm]").await;
    browser.click("input[name=attacks][value='pgd-20']").await;
}

/// The table's rows as the reader sees them: the method, then each accuracy that is there.
const ROWS: &str = r"[...document.querySelectorAll('#table .results tbody tr:not(.group):not(.more-of)')].map((row) => [
        row.querySelector('th').textContent.trim(),
        ...[...row.querySelectorAll('td.n:not(.seeds)')].map((cell) => parseFloat(cell.textContent)).filter((n) => n >= 0),
    ])";

async fn launch_and_watch(server: Server, browser: Browser) {
    browser.tab.goto(&server.link).await.unwrap();
    browser.photograph("first-use").await;
    browser.click("a[href^='/experiments/new']").await;
    fill_form(&browser, "Seen in a browser", "1").await;
    browser.until("the estimate", "return /8 runs/.test(document.querySelector('#summary').textContent)").await;
    browser.photograph("new-experiment").await;
    browser.click("#launch .button.main").await;

    browser.find("#table").await;
    assert!(browser.tab.current_url().await.unwrap().path().ends_with("/experiments/1"));
    let rows = browser.script(&format!("window.stillTheSamePage = true; return {ROWS}")).await;
    assert!(rows.as_array().unwrap().iter().any(|row| row.as_array().unwrap().len() < 3), "full already: {rows}");
    browser.photograph("comparison-running").await;
    let all_finished = "return /finished/.test(document.querySelector('#head').textContent)";
    browser.until("the end of the comparison", all_finished).await;
    browser.until("the full table", &format!("return ({ROWS}).every((row) => row.length === 3)")).await;
    let rows = browser.script(&format!("return {ROWS}")).await;
    let methods: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(methods, ["PGD-AT", "KD", "ARD", "GACD+AFT"]);
    let is_percent = |cell: &serde_json::Value| cell.as_f64().is_some_and(|percent| percent <= 100.0);
    assert!(rows.as_array().unwrap().iter().all(|row| is_percent(&row[1]) && is_percent(&row[2])), "{rows}");
    assert_eq!(browser.script("return window.stillTheSamePage").await, true, "the page was loaded again");
    browser.assert_console_is_quiet().await;
    browser.assert_fits_a_phone().await;
    browser.photograph("comparison").await;

    browser.click("#runs summary").await;
    browser.click("#runs a[href='/runs/3']").await;
    browser.until("the run's state", "return /finished/.test(document.querySelector('#standing').textContent)").await;
    browser.find("#curves svg[role=img]").await;
    browser.assert_console_is_quiet().await;
    browser.assert_fits_a_phone().await;
    browser.photograph("run").await;
    for (path, name) in [
        ("/", "overview"),
        ("/runs", "runs"),
        ("/experiments", "comparisons"),
        ("/models", "models"),
        ("/datasets", "datasets"),
        ("/paper", "paper"),
        ("/disk", "disk"),
        ("/nowhere", "error"),
    ] {
        browser.tab.goto(&format!("{}{path}", server.link)).await.unwrap();
        browser.assert_console_is_quiet().await;
        browser.assert_fits_a_phone().await;
        browser.photograph(name).await;
    }
}

/// Programs of LaTeX that compile a table, those that are here with what they load at each start.
fn latex_programs() -> impl Iterator<Item = &'static str> {
    let has = |file: &str| {
        std::process::Command::new("kpsewhich").arg(file).output().is_ok_and(|found| found.status.success())
    };
    [("pdflatex", "pdflatex.ini"), ("xelatex", "xelatex.ini"), ("lualatex", "luaotfload-main.lua")]
        .into_iter()
        .filter(move |(program, file)| browser::is_program(program) && has(file))
        .map(|(program, _)| program)
}

fn compile_table() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let form: Vec<_> = support::TINY.into_iter().filter(|(name, _)| *name != "title").collect();
    let title = "50 % of_ε & #1 {±} ~ \\ ^ < > “|” é «łódź» ß → ≥ Ελλάδα ά привет 犬 🐕 שלום Việt x\u{30c} \u{301} [a] a--b '' \u{202e}";
    let more = [("title", title), ("methods", "kd"), ("budget", "smoke"), ("epochs", "1")];
    server.post("/experiments", &[form, more.to_vec()].concat());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("table.tex"), server.get("/experiments/1/table.tex")).unwrap();
    let is_required = std::env::var_os("RETORT_REQUIRE_BROWSER").is_some();
    assert!(!is_required || latex_programs().count() == 3, "pdflatex, xelatex or lualatex is missing");
    for program in latex_programs() {
        let mut latex = std::process::Command::new(program);
        let latex = latex.args(["-interaction=nonstopmode", "-halt-on-error", "table.tex"]).current_dir(folder.path());
        let output = latex.output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stdout));
        let log = std::fs::read(folder.path().join("table.log")).unwrap();
        let log = String::from_utf8_lossy(&log);
        assert!(!log.contains("Missing character"), "{program}: {log}");
        std::fs::remove_file(folder.path().join("table.pdf")).unwrap();
    }
}

async fn cancel(server: Server, browser: Browser) {
    browser.tab.goto(&format!("{}/experiments/new", server.link)).await.unwrap();
    fill_form(&browser, "To be cancelled", "500").await;
    browser.click("#launch .button.main").await;
    browser.click("#runs summary").await;
    browser.click("#runs a[href='/runs/1']").await;
    let state = |word: &str| format!("return /{word}/.test(document.querySelector('#standing').textContent)");
    browser.until("the run to run", &state("running")).await;
    browser.click("form[action='/runs/1/cancel'] button").await;
    browser.until("the run's end", &state("cancelled")).await;
    browser.click("form[action='/runs/1/resume'] button").await;
    browser.until("the run to go on", &state("running")).await;
    browser.click("form[action='/runs/1/cancel'] button").await;
    browser.until("the run's second end", &state("cancelled")).await;
    browser.assert_console_is_quiet().await;
}

async fn faulty_form(server: Server, browser: Browser) {
    browser.tab.goto(&format!("{}/experiments/new", server.link)).await.unwrap();
    browser.fill("#title", "Nobody learns").await;
    browser.click("input[name=students][value=resnet8]").await;
    browser.click("#launch .button.main").await;
    let beside = browser.find("#students #students-wrong").await.text().await.unwrap();
    assert!(beside.contains("at least one student"), "{beside}");
    browser.find("#problems a[href='#students']").await;
    // What runs elsewhere changes the header of this answer, and nothing else of it.
    server.post("/demo", &[]);
    browser.until("the news", "return /running|waiting/.test(document.querySelector('#who').textContent)").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(browser.script("return document.title").await, "New experiment · Retort");
    let title = browser.find("#title").await.prop("value").await.unwrap();
    assert_eq!(title.as_deref(), Some("Nobody learns"));
    browser.assert_console_is_quiet().await;
    browser.assert_fits_a_phone().await;
    browser.photograph("form-with-a-problem").await;
    browser.tab.goto(&format!("{}/experiments", server.link)).await.unwrap();
    assert!(!browser.tab.source().await.unwrap().contains("Nobody learns"));
}

async fn kept_form(server: Server, browser: Browser) {
    browser.tab.goto(&format!("{}/experiments/new", server.link)).await.unwrap();
    let hidden = "return getComputedStyle(document.querySelector('#estimate')).display === 'none'";
    browser.until("the script", hidden).await;
    browser.fill("#title", "Kept & found again").await;
    browser.click("input[name=budget][value=paper]").await;
    browser.click("input[name=methods][value=trades]").await;
    browser.click("input[name=students][value=resnet8]").await;
    // Without another click: the address, what is wrong beside its field, the budget's epochs, the method's parameters.
    browser.until("the address", "return /students=(&|$)/.test(location.search) && /Kept/.test(location.search)").await;
    browser
        .until("the problem", "return /at least one/.test(document.querySelector('#students-wrong').textContent)")
        .await;
    browser.until("the mark", "return !!document.querySelector('[name=students][aria-invalid=true]')").await;
    browser.until("the epochs", "return /240/.test(document.querySelector('#epochs').placeholder)").await;
    browser.until("the parameters", "return !!document.querySelector('#parameters-trades')").await;
    let kept = "return document.querySelector('#title').value === 'Kept & found again' \
        && document.querySelector('[name=budget][value=paper]').checked \
        && document.querySelector('[name=methods][value=trades]').checked";
    browser.tab.refresh().await.unwrap();
    browser.until("the form after a reload", kept).await;
    assert_eq!(browser.script("return document.querySelectorAll('[name=students]:checked').length").await, 0);
    browser.photograph("form-after-a-reload").await;
    // A second tab begins with its own form.
    browser.tab.goto(&format!("{}/experiments/new", server.link)).await.unwrap();
    assert_eq!(browser.find("#title").await.prop("value").await.unwrap().as_deref(), Some(""));
    browser.tab.back().await.unwrap();
    browser.until("the form after the way back", kept).await;
    browser.click("input[name=budget][value=smoke]").await;
    browser.click("input[name=students][value=resnet8]").await;
    browser.fill("#train_images", "100").await;
    browser.fill("#epochs", "500").await;
    browser.click("#launch .button.main").await;
    browser.find("#table").await;
    browser.tab.back().await.unwrap();
    let sent = "return document.querySelector('#title')?.value === 'Kept & found again' \
        && document.querySelector('#epochs').value === '500' \
        && document.querySelector('[name=students][value=resnet8]').checked";
    browser.until("the form as it was sent", sent).await;
    browser.assert_console_is_quiet().await;
    browser.assert_fits_a_phone().await;
}

async fn upload_dataset(server: Server, browser: Browser) {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("My Pets (2).tar");
    std::fs::write(&archive, support::archive_of_images()).unwrap();
    browser.tab.goto(&format!("{}/datasets", server.link)).await.unwrap();
    browser.find("#file").await.send_keys(archive.to_str().unwrap()).await.unwrap();
    browser.until("a name", "return document.querySelector('#name').value === 'my-pets-2'").await;
    browser.fill("#name", "fashion-mnist-5k").await;
    browser.click("#import .button.main").await;
    let beside = browser.find("#name-wrong").await.text().await.unwrap();
    assert!(beside.contains("There is a dataset fashion-mnist-5k already"), "{beside}");
    assert_eq!(
        browser.script("return document.querySelector('#file').files.length").await,
        1,
        "the file is still chosen"
    );
    browser.assert_fits_a_phone().await;
    browser.photograph("datasets-with-a-problem").await;
    browser.fill("#name", "pets").await;
    browser.click("#import .button.main").await;
    browser.until("the dataset", "return /What it is/.test(document.querySelector('#main').textContent)").await;
    assert!(browser.tab.current_url().await.unwrap().path().ends_with("/datasets/pets"));
    browser.assert_fits_a_phone().await;
    browser.photograph("dataset").await;
    browser.click("#dataset a[href='/experiments/new?dataset=pets']").await;
    browser.until("its choice", "return document.querySelector('#dataset').value === 'pets'").await;
}

async fn phone(server: Server, browser: Browser) {
    let form = [support::TINY.as_slice(), &[("methods", "kd"), ("budget", "smoke"), ("epochs", "1")]].concat();
    server.post("/experiments", &form);
    for path in [
        "/",
        "/experiments",
        "/experiments/new",
        "/experiments/1",
        "/runs",
        "/runs/1",
        "/models",
        "/datasets",
        "/datasets/fashion-mnist-5k",
        "/paper",
        "/nowhere",
    ] {
        browser.tab.goto(&format!("{}{path}", server.link)).await.unwrap();
        browser.assert_fits_a_phone().await;
        browser.assert_console_is_quiet().await;
    }
}
