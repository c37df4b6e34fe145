//! Every page by axe-core, the checker that most accessibility tools run: three widths, light and dark, no violation. And what
//! axe cannot tell: the contrast of words in drawings, computed.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Server, TINY, browser::Browser};

/// Where axe-core's script lies: `.ci/run` fetches it from npm.
pub fn axe() -> Option<PathBuf> {
    std::env::var_os("RETORT_AXE").map(PathBuf::from).filter(|file| file.is_file())
}

/// The pages of a data folder with a finished comparison, beside the share that is made here.
const PAGES: [&str; 23] = [
    "/",
    "/experiments",
    "/experiments/1",
    "/experiments/1?baseline=kd%3Aresnet8&seeds=each&confusion=natural",
    "/experiments/new",
    "/experiments/new?train_images=5000&validation_images=9999&seeds=1,1",
    "/runs",
    "/runs?text=nothing+has+this",
    "/runs/1",
    "/runs/2",
    "/runs/1/log",
    "/models",
    "/datasets",
    "/datasets/fashion-mnist-5k",
    "/datasets/cifar10",
    "/paper",
    "/paper?budget=smoke",
    "/bundles",
    "/disk",
    "/nowhere",
    "/experiments/99",
    "/shares/1",
    "/runs/9",
];

/// What axe finds on the page: the rule, how bad it is, and the first elements.
const RUN: &str = "return (async () => (await axe.run(document, { resultTypes: ['violations'] })).violations
    .map((found) => `${found.id} (${found.impact}): ${found.nodes.slice(0, 3).map((node) => node.html).join(' ')}`))()";

/// Words in drawings whose contrast with what lies behind them is below 4.5 to 1. Drawings lie on their sheet; cells of heat maps
/// and of matrices are tinted, and have no words inside of drawings.
const CONTRAST: &str = "
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (colour !== 'rgba(0, 0, 0, 0)' && colour !== 'transparent') return parts(colour);
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const text of document.querySelectorAll('svg text')) {
        const [a, b] = [light(parts(getComputedStyle(text).fill)), light(ground(text.ownerSVGElement.parentElement))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) poor.push(`${text.textContent}: ${contrast.toFixed(2)}`);
    }
    return poor.slice(0, 5)";

/// Looks at every page.
pub async fn every_page(server: Server, browser: Browser) {
    let axe = std::fs::read_to_string(axe().expect("RETORT_AXE names no file")).unwrap();
    let form = [
        ("methods", "kd"),
        ("methods", "ard"),
        ("methods", "gacd+aft"),
        ("analyses", "correlation"),
        ("budget", "smoke"),
        ("epochs", "1"),
    ];
    server.post("/experiments", &[TINY.as_slice(), &form].concat());
    browser.tab.goto(&format!("{}/experiments/1", server.link)).await.unwrap();
    let finished = "return /finished/.test(document.querySelector('#head .state').textContent)";
    browser.until("the end of the comparison", finished).await;
    browser.click("#shares .button.main").await;
    let shared = browser.find("#link").await.prop("value").await.unwrap().unwrap();
    let own = PAGES.map(|path| format!("{}{path}", server.link));
    let mut faults: Vec<String> = Vec::new();
    for address in own.iter().chain([&shared, &format!("{}/experiments/1/comparison.html", server.link)]) {
        for scheme in ["light", "dark"] {
            browser.scheme(scheme).await;
            for width in [1280, 768, 390] {
                browser.width(width, 1000).await;
                browser.tab.goto(address).await.unwrap();
                // Everything that can be unfolded is looked at too.
                browser.script("for (const part of document.querySelectorAll('details')) part.open = true").await;
                // Injected by the driver: the page's policy lets no script of another in, and shares have none at all.
                browser.script(&format!("{axe}; window.axe = axe;")).await;
                let found = browser.script(RUN).await;
                let poor = if width == 1280 { browser.script(CONTRAST).await } else { Value::Array(Vec::new()) };
                let found = found.as_array().unwrap().iter().chain(poor.as_array().unwrap());
                faults.extend(found.map(|fault| format!("{address}, {scheme}, {width}: {fault}")));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults[..faults.len().min(60)].join("\n"));
}
