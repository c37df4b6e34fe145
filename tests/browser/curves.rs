//! A person looks into the curves: values, a stretch, smoothing, a series alone, and all of it again from the address.

use fantoccini::key::Key;

use crate::support::{Server, TINY, browser::Browser};

/// The words of the values beside the cursor that are shown.
const VALUES: &str = "return [...document.querySelectorAll('.values')].filter((box) => !box.hidden)
    .map((box) => [...box.children].map((line) => line.textContent))";

/// The lines that the first chart has.
const LINES: &str = "return document.querySelectorAll('#curves figure .line:not(.raw)').length";

pub async fn walk(server: Server, browser: Browser) {
    let form = [("methods", "kd"), ("methods", "ard"), ("budget", "smoke"), ("epochs", "6")];
    server.post("/experiments", &[TINY.as_slice(), &form].concat());
    browser.tab.goto(&format!("{}/experiments/1", server.link)).await.unwrap();
    let finished = "return /finished/.test(document.querySelector('#head .state').textContent)";
    browser.until("the end of the comparison", finished).await;
    browser.tab.refresh().await.unwrap();

    // Before anybody looks into one, the drawing is the server's, and nothing was fetched for it.
    assert_eq!(browser.script("return document.querySelector('#curves [data-own]') === null").await, true);
    let drawn = browser.script(LINES).await;
    let point = "const svg = document.querySelector('#curves svg.chart');
        svg.scrollIntoView({ block: 'center' });
        svg.dispatchEvent(new PointerEvent('pointerenter'));
        document.querySelector('#curves').dispatchEvent(new PointerEvent('pointerenter'));";
    browser.script(point).await;
    browser.find("#curves .tools").await;
    assert_eq!(browser.script(LINES).await, drawn, "the script draws other lines than the server");
    let hover = "const svg = document.querySelector('#curves svg.chart');
        const box = svg.getBoundingClientRect();
        const at = { bubbles: true, pointerType: 'mouse', clientX: box.left + box.width * 0.4, clientY: box.top + 50 };
        svg.dispatchEvent(new PointerEvent('pointermove', at));";
    browser.script(hover).await;
    let shown = "return [...document.querySelectorAll('.values')].filter((box) => !box.hidden).length === 1
        && [...document.querySelectorAll('#curves .over .cursor')].every((rule) => rule.getAttribute('visibility') === 'visible')";
    browser.until("values beside one cursor in all charts", shown).await;
    let values = browser.script(VALUES).await;
    let words = values[0].to_string();
    assert!(words.contains("epoch") && words.contains("KD  ") && words.contains("Teacher  "), "{values}");

    // By keyboard, told to whoever listens.
    let chart = browser.find("#curves svg.chart").await;
    chart.send_keys(&Key::Home.to_string()).await.unwrap();
    chart.send_keys(&Key::Right.to_string()).await.unwrap();
    let told = "return /^epoch 2: .*KD/.test(document.querySelector('#curves [role=status]').textContent)";
    browser.until("the values by keyboard", told).await;

    // A series hidden, a stretch of epochs, smoothed: in every chart, and in the address.
    browser.click("#curves .key[data-name=ARD]").await;
    let fewer = format!("return (() => {{ {LINES} }})() < {drawn}");
    browser.until("the series to be hidden", &fewer).await;
    let stretch = "for (const [id, value] of [['from', 2], ['to', 5]]) {
        const field = document.querySelector(`#curves-${id}`);
        field.value = value;
        field.dispatchEvent(new Event('change', { bubbles: true }));
    }";
    browser.script(stretch).await;
    let smooth = "const slider = document.querySelector('#curves-smooth');
        slider.value = 0.6;
        slider.dispatchEvent(new Event('input', { bubbles: true }));";
    browser.script(smooth).await;
    browser.find("#curves .line.raw").await;
    let address = browser.tab.current_url().await.unwrap();
    let chart = address.query_pairs().find(|(name, _)| name == "chart").unwrap().1.into_owned();
    assert_eq!(chart, "x:2:5,s:0.6,h:ARD", "{address}");
    browser.assert_console_is_quiet().await;
    browser.assert_fits_a_phone().await;
    browser.photograph("curves-looked-into").await;

    browser.tab.refresh().await.unwrap();
    browser.find("#curves .line.raw").await;
    let restored = "return document.querySelector('#curves-from').value === '2'
        && document.querySelector('.key[data-name=ARD]').getAttribute('aria-pressed') === 'false'";
    browser.until("the view of the address", restored).await;
    // A link of the page keeps it.
    browser.click("#curves a[href*='curves=time']").await;
    browser.until("wall time", "return /wall time/.test(document.querySelector('#curves .chart').textContent)").await;
    assert!(browser.tab.current_url().await.unwrap().query().unwrap().contains("chart="));
    browser.click("#curves-reset").await;
    browser.until("everything", &format!("return (() => {{ {LINES} }})() === {drawn}")).await;
    assert!(!browser.tab.current_url().await.unwrap().query().unwrap().contains("chart="));
    browser.assert_console_is_quiet().await;

    // One run has its own.
    browser.tab.goto(&format!("{}/runs/1", server.link)).await.unwrap();
    browser.script(point).await;
    browser.find("#curves .tools").await;
    let titles = "return [...document.querySelectorAll('#curves h3')].map((head) => head.firstChild.textContent)";
    let titles = browser.script(titles).await.to_string();
    for title in ["Norm of the gradient", "Learning rate", "Training images a second", "Most memory"] {
        assert!(titles.contains(title), "{title}: {titles}");
    }
    browser.assert_console_is_quiet().await;
    browser.photograph("run-looked-into").await;
}
