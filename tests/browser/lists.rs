//! A person works in the lists by keyboard: finds runs, goes through their rows, saves a view, compares what was ticked.

use fantoccini::key::Key;

use crate::support::{self, Server, browser::Browser};

/// The path and the query of the page.
const ADDRESS: &str = "location.pathname + location.search";

async fn press(browser: &Browser, keys: &str) {
    browser.tab.active_element().await.unwrap().send_keys(keys).await.unwrap();
}

async fn until_at(browser: &Browser, address: &str) {
    browser.until(address, &format!("return document.readyState === 'complete' && {ADDRESS} === '{address}'")).await;
}

/// The walk over two small comparisons.
pub async fn walk(server: Server, browser: Browser) {
    for (title, method) in [("First question", "kd"), ("Second question", "ard")] {
        let tiny: Vec<_> = support::TINY.into_iter().filter(|(name, _)| *name != "title").collect();
        let more = [("title", title), ("methods", method), ("budget", "smoke"), ("epochs", "1")];
        server.post("/experiments", &[tiny, more.to_vec()].concat());
    }
    browser.tab.goto(&server.link).await.unwrap();
    browser.find("#shortcuts:not([hidden])").await;
    press(&browser, "gr").await;
    until_at(&browser, "/runs").await;

    // The letters of a shortcut are letters where somebody types.
    press(&browser, "/").await;
    browser.until("the search", "return document.activeElement.name === 'text'").await;
    press(&browser, "kd gr?").await;
    assert_eq!(browser.script("return document.activeElement.value").await, "kd gr?");
    assert_eq!(browser.script("return document.querySelector('dialog') === null").await, true);
    browser.fill("[name=text]", "kd").await;
    press(&browser, &Key::Enter.to_string()).await;
    browser.until("two runs", "return document.querySelectorAll('#list [data-row]').length === 2").await;
    assert_eq!(browser.script("return document.querySelectorAll('#list tr.group').length").await, 1);

    // Rows.
    let here = "return document.activeElement.closest('tr')?.id";
    press(&browser, "j").await;
    assert_eq!(browser.script(here).await, "run-4");
    press(&browser, "j").await;
    assert_eq!(browser.script(here).await, "run-3");
    press(&browser, "j").await;
    assert_eq!(browser.script(here).await, "run-3", "there is an end");
    press(&browser, "k").await;
    press(&browser, &Key::Enter.to_string()).await;
    until_at(&browser, "/runs/4").await;
    browser.tab.back().await.unwrap();

    // Help gives the focus back to where it was.
    browser.until("the list", "return document.querySelectorAll('#list [data-row]').length === 2").await;
    press(&browser, "j").await;
    let row = browser.script(here).await;
    press(&browser, "?").await;
    browser.find("dialog[open] #help-title").await;
    press(&browser, "gm").await;
    press(&browser, &Key::Escape.to_string()).await;
    browser.until("the end of the help", "return !document.querySelector('dialog').open").await;
    assert!(row.is_string() && browser.script(here).await == row, "the focus is not at {row}");
    assert!(browser.script(&format!("return {ADDRESS}")).await.as_str().unwrap().starts_with("/runs?"));
    browser.assert_console_is_quiet().await;

    // A view of what was found.
    browser.click(".save summary").await;
    browser.fill(".save [name=name]", "KD alone").await;
    browser.click(".save button").await;
    browser.find(".chip [aria-current=page]").await;
    browser.photograph("runs-found").await;
    browser.click(".chip button").await;
    browser.until("no view", "return document.querySelector('.chip') === null").await;

    // A head sorts, and says so.
    browser.tab.goto(&format!("{}/runs", server.link)).await.unwrap();
    browser.click("#list th a[href='/runs?sort=model']").await;
    browser.find("#list th[aria-sort=ascending]").await;

    // What was ticked stays ticked while the list is brought up to date, and is compared.
    press(&browser, "gc").await;
    until_at(&browser, "/experiments").await;
    browser.click("[name=experiment][value='1']").await;
    browser.click("[name=experiment][value='2']").await;
    let finished = "return document.querySelectorAll('#comparisons .state.finished').length === 2";
    browser.until("the end of both", finished).await;
    assert_eq!(browser.script("return document.querySelectorAll('[name=experiment]:checked').length").await, 2);
    browser.click(".chosen button").await;
    until_at(&browser, "/experiments/1?with=2").await;

    for path in ["/", "/runs", "/runs?sort=result", "/experiments", "/models"] {
        browser.tab.goto(&format!("{}{path}", server.link)).await.unwrap();
        browser.assert_console_is_quiet().await;
        browser.assert_fits_a_phone().await;
        let empty = "return [...document.querySelectorAll('th')].filter((th) => !th.textContent.trim()).length";
        assert_eq!(browser.script(empty).await, 0, "a head of {path} is empty");
        // Whatever scrolls can be reached by keyboard.
        let reached =
            "return [...document.querySelectorAll('.scroll')].every((box) => box.tabIndex === 0 && box.ariaLabel)";
        assert_eq!(browser.script(reached).await, true, "{path}");
    }
    // On a phone a model's accuracies and its file are there without scrolling sideways, and on a narrow desk nothing is cut.
    let inside = "return [...document.querySelectorAll('#trained a[download], #trained [data-label]')]
        .every((part) => part.getBoundingClientRect().width > 0 && part.getBoundingClientRect().right <= innerWidth)";
    for width in [390, 1280] {
        browser.width(width, 900).await;
        assert_eq!(browser.script(inside).await, true, "at {width} pixels");
    }
}
