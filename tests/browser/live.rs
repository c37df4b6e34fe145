//! Pages that follow what runs: nothing that a reader did is lost, and little is sent.

use crate::support::{Server, TINY, browser::Browser};

/// A comparison that changes while somebody works on its page.
pub async fn keeps_what_was_done(server: Server, browser: Browser) {
    let form = [("methods", "kd"), ("methods", "ard"), ("budget", "smoke"), ("epochs", "2")];
    server.post("/experiments", &[TINY.as_slice(), &form].concat());
    browser.tab.goto(&format!("{}/experiments/1", server.link)).await.unwrap();
    browser.click("#choices summary").await;
    browser.click("#choices input[name=method][value=ard]").await;
    browser.click("#choices select[name=baseline] option:nth-child(2)").await;
    browser.fill("#shares input[name=note]", "half a sen").await;
    let before = "window.stillTheSamePage = true;
        window.scrollTo(0, document.querySelector('#shares').offsetTop - 200);
        window.wasAt = document.querySelector('#shares').getBoundingClientRect().top;
        return document.querySelector('#head').textContent";
    let before = browser.script(before).await;
    let finished = "return /finished/.test(document.querySelector('#head .state').textContent)";
    browser.until("the end of the comparison", finished).await;
    assert_ne!(browser.script("return document.querySelector('#head').textContent").await, before);
    let kept = "const baseline = document.querySelector('#choices select[name=baseline]');
        const note = document.querySelector('#shares input[name=note]');
        return [window.stillTheSamePage, document.querySelector('#choices').open,
            !document.querySelector('#choices input[name=method][value=ard]').checked, baseline.selectedIndex === 1,
            note.value === 'half a sen', document.activeElement === note]";
    let kept = browser.script(kept).await;
    assert!(kept.as_array().unwrap().iter().all(|is_kept| *is_kept == true), "{kept}");
    let moved = "return Math.abs(document.querySelector('#shares').getBoundingClientRect().top - window.wasAt)";
    let moved = browser.script(moved).await.as_f64().unwrap();
    assert!(moved < 3.0, "what was read moved by {moved} pixels");
    browser.assert_console_is_quiet().await;
}

/// What differs is sent, and nothing where nothing does.
pub async fn sends_what_differs(server: Server, browser: Browser) {
    let form = [("methods", "kd"), ("budget", "smoke"), ("epochs", "3")];
    server.post("/experiments", &[TINY.as_slice(), &form].concat());
    browser.tab.goto(&format!("{}/experiments/1", server.link)).await.unwrap();
    let finished = "return /finished/.test(document.querySelector('#head .state').textContent)";
    browser.until("the end of the comparison", finished).await;
    // What came after the page itself: status, and bytes of its body.
    let updates = "return performance.getEntriesByType('resource')
        .filter((entry) => entry.initiatorType === 'fetch' && entry.name === location.href)
        .map((entry) => [entry.responseStatus, entry.encodedBodySize])";
    let updates: Vec<(u16, u64)> = serde_json::from_value(browser.script(updates).await).unwrap();
    let page = server.get("/experiments/1").len() as u64;
    let parts: Vec<u64> = updates.iter().filter(|(status, _)| *status == 226).map(|(_, bytes)| *bytes).collect();
    assert!(!parts.is_empty(), "{updates:?}");
    assert!(parts.iter().all(|bytes| *bytes < page / 2), "{updates:?} of a page of {page} bytes");
    // A page that is asked for again as it is costs no body.
    let again = "return (async () => (await fetch(location.href, {
        headers: { 'If-None-Match': (await fetch(location.href)).headers.get('ETag') } })).status)()";
    assert_eq!(browser.script(again).await, 304);
    // What is on the page is what the server shows.
    let same = "return (async () => {
        const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), 'text/html');
        const words = (root) => root.querySelector('#table').textContent.replace(/\\s+/g, ' ');
        return words(page) === words(document);
    })()";
    assert_eq!(browser.script(same).await, true);
    browser.assert_console_is_quiet().await;
}
