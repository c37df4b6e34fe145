//! A person looks into a comparison: the table and what is beside it, the figures, the analyses, what can be taken along, and
//! the share that a colleague opens. On CIFAR-10 where `RETORT_TEST_DATA` names a folder that has it, else on the bundled images.

use serde_json::Value;

use crate::support::{self, Server, browser::Browser};

/// Two methods, one of them at two temperatures, two seeds and a natural model, on as few images as t-SNE can do with.
const COMPARED: [(&str, &str); 16] = [
    ("title", "ARD against GACD"),
    ("train_images", "200"),
    ("test_images", "350"),
    ("teacher", "train:resnet8"),
    ("students", "resnet8"),
    ("methods", "ard"),
    ("methods", "gacd"),
    ("set.gacd.method.temperature", "0.05, 0.1"),
    ("seeds", "1,2"),
    ("attacks", "fgsm"),
    ("eps", "8/255"),
    ("surrogates", "natural:resnet8"),
    ("analyses", "correlation"),
    ("budget", "smoke"),
    ("epochs", "2"),
    ("device", "cpu"),
];

/// The page of the comparison.
const PAGE: &str = "/experiments/1";

/// What a script says when so many elements are there.
fn count(css: &str, n: usize) -> String {
    format!("return document.querySelectorAll('{css}').length === {n}")
}

/// The walk, from the launched experiment to the file on a disk.
pub async fn walk(server: Server, browser: Browser) {
    let dataset = match support::cifar10() {
        Some(archive) => {
            server.import(&archive, "cifar10");
            "cifar10"
        }
        None => "fashion-mnist-5k",
    };
    server.post("/experiments", &[&[("dataset", dataset)][..], &COMPARED].concat());
    go(&server, &browser, PAGE).await;
    let all_finished = "return /finished/.test(document.querySelector('#head .state').textContent)";
    browser.until("the end of the comparison", all_finished).await;
    table(&server, &browser).await;
    curves(&server, &browser).await;
    analyses(&server, &browser).await;
    side_by_side(&server, &browser).await;
    files(&server, &browser).await;
    paper(&server, &browser, dataset).await;
    share(&server, &browser).await;
    on_a_disk(server, &browser).await;
}

async fn go(server: &Server, browser: &Browser, path: &str) {
    browser.tab.goto(&format!("{}{path}", server.link)).await.unwrap();
}

/// Looks at a page as everybody may see it.
async fn look(browser: &Browser, name: &str) {
    browser.assert_console_is_quiet().await;
    browser.assert_fits_a_phone().await;
    browser.photograph(name).await;
}

/// A baseline, each seed, an order; all of it in the address.
async fn table(server: &Server, browser: &Browser) {
    browser.click("#choices summary").await;
    browser.click("#choices select[name=baseline] option[value='ard:resnet8']").await;
    browser.click("#choices button").await;
    browser.find("#table .beside").await;
    browser.click("#table .take a[href*='seeds=each']").await;
    browser.find("#table tr.member").await;
    browser.click("#table thead a[href*='sort=natural']").await;
    browser.find("#table th[aria-sort=descending]").await;
    let address = browser.tab.current_url().await.unwrap();
    for part in ["baseline=ard", "seeds=each", "sort=natural"] {
        assert!(address.query().unwrap().contains(part), "{address}");
    }
    look(browser, "comparison-tested").await;
    go(server, browser, PAGE).await;
}

/// Curves by epoch and by wall time, and accuracies against the temperature.
async fn curves(server: &Server, browser: &Browser) {
    browser.find("#curves .band").await;
    browser.click("#curves a[href*='curves=time']").await;
    browser.find("#curves svg[role=img]").await;
    let axis = browser.script("return document.querySelector('#curves .chart').textContent").await;
    assert!(axis.as_str().unwrap().contains("wall time"), "{axis}");
    browser.until("the sweep under each column", &count("#sweeps figure svg", 3)).await;
    go(server, browser, PAGE).await;
}

/// What the models have learnt: an analysis that was planned, and two that are asked for here.
async fn analyses(server: &Server, browser: &Browser) {
    browser.until("the planned maps of correlations", &count("#correlation figure .heat", 4)).await;
    let point = "const path = document.querySelector('#correlation figure .heat path');
        const box = path.parentNode.getBoundingClientRect();
        const at = { bubbles: true, clientX: box.left + 1, clientY: box.bottom - 1 };
        path.dispatchEvent(new PointerEvent('pointermove', at));
        const names = JSON.parse(document.querySelector('[data-classes]').dataset.classes);
        return [names.at(-1) + ' – ' + names[0], document.querySelector('#correlation .readout').textContent]";
    let words = browser.script(point).await;
    assert!(words[1].as_str().unwrap().starts_with(words[0].as_str().unwrap()), "{words}");
    browser.click("#correlation a[href*='correlation=signed']").await;
    browser.find("#correlation .heat .below").await;
    go(server, browser, PAGE).await;

    browser.click("#new-features summary").await;
    browser.click("#new-features select[name=attacked] option:nth-child(2)").await;
    browser.click("#new-features select[name=target] option:nth-child(9)").await;
    browser.fill("#new-features input[name=images]", "35").await;
    browser.click("#new-features button").await;
    browser.until("the maps of features", &count("#features .scatter", 3)).await;
    browser.click("#new-gallery summary").await;
    browser.fill("#new-gallery input[name=images]", "4").await;
    browser.click("#new-gallery input[name=class]:first-of-type").await;
    browser.click("#new-gallery button").await;
    // A picture of the image, and two for each of three models.
    browser.until("the gallery", &count("#gallery .picture", 4 * 7)).await;
}

/// Confusion matrices, configurations, and another experiment beside this one.
async fn side_by_side(server: &Server, browser: &Browser) {
    browser.click("#confusion a").await;
    browser.until("the confusion matrices", &count("#confusion table.confusion", 4)).await;
    browser.click("#config summary").await;
    let differs = browser.script("return document.querySelector('#config-table').textContent").await;
    assert!(differs.as_str().unwrap().contains("method.temperature"), "{differs}");
    look(browser, "comparison-analysed").await;
    let other = [support::TINY.as_slice(), &[("methods", "natural"), ("budget", "smoke"), ("epochs", "1")]].concat();
    server.post("/experiments", &other);
    go(server, browser, PAGE).await;
    browser.click("#choices summary").await;
    browser.click("#choices select[name=with] option[value='2']").await;
    browser.click("#choices button").await;
    let heading = "return document.querySelector('h1').textContent === 'ARD against GACD · with Tiny'";
    browser.until("both comparisons on one page", heading).await;
}

/// Everything that can be taken along, in its own format.
async fn files(server: &Server, browser: &Browser) {
    let links = "return [...document.querySelectorAll('a[download]')].map((a) => new URL(a.href).pathname)";
    go(server, browser, PAGE).await;
    let links: Vec<String> = serde_json::from_value(browser.script(links).await).unwrap();
    // Five tables and the document; the table itself, three sweeps, four curves and two analyses as SVG, PNG and PDF.
    let of = |ending: &str| links.iter().filter(|link| link.ends_with(ending)).count();
    assert_eq!([".csv", ".tsv", ".tex", ".md", ".json", ".html"].map(of), [1; 6], "{links:?}");
    assert!(of(".svg") >= 8 && of(".svg") == of(".png") && of(".svg") == of(".pdf"), "{links:?}");
    for link in &links {
        let (kind, bytes) = server.download(link);
        let text = || String::from_utf8(bytes.clone()).unwrap();
        let (expected, is_whole) = match link.rsplit('.').next().unwrap() {
            "csv" => ("text/csv; charset=utf-8", text().lines().count() > 4),
            "tsv" => ("text/tab-separated-values; charset=utf-8", text().lines().count() > 4),
            "tex" => ("application/x-latex; charset=utf-8", text().contains("\\bottomrule")),
            "md" => ("text/markdown; charset=utf-8", text().contains("| ARD |")),
            "json" => ("application/json", serde_json::from_slice::<Value>(&bytes).is_ok()),
            "html" => ("text/html; charset=utf-8", text().trim_end().ends_with("</html>")),
            "svg" => ("image/svg+xml", text().ends_with("</svg>")),
            "png" => ("image/png", image::load_from_memory(&bytes).is_ok_and(|picture| picture.width() > 500)),
            "pdf" => ("application/pdf", bytes.starts_with(b"%PDF-") && bytes.trim_ascii_end().ends_with(b"%%EOF")),
            "tar" => ("application/octet-stream", bytes.starts_with(b"bundle.json")),
            other => panic!("{other}"),
        };
        assert_eq!(kind, expected, "{link}");
        assert!(is_whole, "{link}");
    }
}

/// The paper's tables and figures; what is here can be launched.
async fn paper(server: &Server, browser: &Browser, dataset: &str) {
    go(server, browser, "/paper?budget=smoke&seeds=1,2").await;
    for id in ["table-1", "table-2", "table-3", "table-4", "table-ablation", "figure-2a", "figure-2b", "figure-3-4"] {
        browser.find(&format!("#{id}")).await;
    }
    let buttons =
        browser.script("return document.querySelectorAll('#figure-5 button, #table-1 td button').length").await;
    assert_eq!(buttons, if dataset == "cifar10" { 25 } else { 0 });
    look(browser, "paper-at-smoke").await;
}

/// Sent to a colleague, who sees all of it and nothing else.
async fn share(server: &Server, browser: &Browser) {
    go(server, browser, PAGE).await;
    browser.fill("#shares input[name=title]", "For the group").await;
    browser.click("#shares button").await;
    let link = browser.find("#link").await.prop("value").await.unwrap().unwrap();
    browser.tab.goto(&link).await.unwrap();
    assert_eq!(browser.find("h1").await.text().await.unwrap(), "For the group");
    browser.until("what was shared", &count(".scatter", 3)).await;
    let links = "return [...document.querySelectorAll('a')].every((a) => a.href.startsWith(location.href))";
    assert_eq!(browser.script(links).await, true);
    look(browser, "share").await;
}

/// Taken along as a file, without the server.
async fn on_a_disk(server: Server, browser: &Browser) {
    let html = server.get(&format!("{PAGE}/comparison.html"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("comparison.html");
    std::fs::write(&file, html).unwrap();
    drop(server);
    browser.tab.goto(&format!("file://{}", file.display())).await.unwrap();
    browser.until("the file", &count(".scatter", 3)).await;
    let drawn = "return getComputedStyle(document.querySelector('.kind-0')).fill !== 'rgb(0, 0, 0)'";
    assert_eq!(browser.script(drawn).await, true);
    browser.assert_fits_a_phone().await;
    browser.assert_console_is_quiet().await;
}
