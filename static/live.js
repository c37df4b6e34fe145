// Liveliness on top of pages that work without it.
//
// A page marks what may change with `data-live`, and says with `data-follows` whose news it shows. When the server says that
// something of that changed, the page is fetched again and those parts are brought up to date in place, so that focus,
// scrolling and unfolded details stay as they are. The launch form's summary follows what is typed.
"use strict";

const INTERVAL = 1000; // at most one update of the page in so many milliseconds
const LEISURE = 5000; // the same for lists, while runs only go on
const TYPING = 400; // the summary waits for so long a pause
const LIVE = new URL("../live", document.currentScript.src); // the server may stand under a path of a proxy

// Times stand in UTC in the page; here they are shown in the reader's own time zone.
const minute = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
const thisYear = new Intl.DateTimeFormat("en-GB", minute);
const anyYear = new Intl.DateTimeFormat("en-GB", { ...minute, year: "numeric" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = time.dateTime;
    const day = at.getFullYear() === new Date().getFullYear() ? thisYear : anyYear;
    time.textContent = (time.classList.contains("clock") ? clock : day).format(at);
  }
}

/** Makes `old` equal to `fresh`, changing only what differs. */
function update(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    // Whether details are unfolded is the reader's choice.
    if (!fresh.hasAttribute(name) && !(old.localName === "details" && name === "open")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.localName === "details" && name === "open") continue;
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const children = [...fresh.childNodes];
  children.forEach((child, i) => {
    // An element with an id stays the same element where others come or go before it: a chosen file would be lost.
    if (child.id && [...old.childNodes].slice(i).some((node) => isSame(node, child))) {
      while (!isSame(old.childNodes[i], child)) old.childNodes[i].remove();
    }
    const present = old.childNodes[i];
    if (!present) old.append(child);
    else if (isSame(present, child)) update(present, child);
    else if (present.id && children.some((other) => isSame(other, present))) present.before(child);
    else present.replaceWith(child);
  });
  while (old.childNodes.length > children.length) old.lastChild.remove();
}

function isSame(node, other) {
  return node.nodeName === other.nodeName && node.id === other.id;
}

/** Fetches `address` and updates the elements that `selector` marks there and here. */
async function refresh(address, selector) {
  const response = await fetch(address, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  localise(page);
  for (const part of document.querySelectorAll(selector)) {
    const fresh = part.id && page.getElementById(part.id);
    if (fresh) {
      const atEnd = (log) => log && log.scrollHeight - log.scrollTop - log.clientHeight < 8;
      const follows = atEnd(part.querySelector(".log"));
      update(part, document.importNode(fresh, true));
      const log = part.querySelector(".log");
      if (follows && log) log.scrollTop = log.scrollHeight;
    }
  }
  if (selector === "[data-live]") document.title = page.title;
}

/** A function that runs `task` at most once an interval, and once more for calls that came meanwhile. */
function throttled(task, interval) {
  let busy = false;
  let again = false;
  return async function run() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    // A failed fetch is no loss: the next change, or the reconnection, brings the page up to date.
    await task().catch(() => {});
    setTimeout(() => {
      busy = false;
      if (again) {
        again = false;
        run();
      }
    }, interval);
  };
}

/** What of the news a page shows: `runs 7`, `experiments 1 2`, `datasets`, `progress` of any run, or `states` alone. */
const [KIND, ...IDS] = document.documentElement.dataset.follows?.split(" ") ?? ["states"];

function follow() {
  const bring = () => refresh(location.href, "[data-live]");
  const [pull, pullAtLeisure] = [throttled(bring, INTERVAL), throttled(bring, LEISURE)];
  const hear = (event) => {
    const news = JSON.parse(event.data);
    const named = KIND === "datasets" ? news.datasets : news[KIND]?.some?.((id) => IDS.includes(String(id)));
    // The header of every page counts runs by state.
    if (news.who !== undefined) document.getElementById("who").textContent = news.who;
    const ofAny = news.states && (KIND === "states" || KIND === "progress");
    if (news.everything || named || ofAny) pull();
    else if (KIND === "progress" && news.runs.length) pullAtLeisure();
  };
  let source = null;
  const open = () => {
    source = new EventSource(LIVE);
    source.addEventListener("changed", hear);
    source.addEventListener("open", () => {
      document.documentElement.classList.remove("offline");
      // What changed since the page was made, or while the connection was lost, was not told.
      if (document.querySelector("#main [data-live]")) pull();
    });
    source.addEventListener("error", () => document.documentElement.classList.add("offline"));
  };
  // A browser keeps few connections to one server: a tab that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => {
    source?.close();
    source = null;
    if (!document.hidden) open();
  });
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => {
    if (event.persisted && !document.hidden) open();
  });
  if (!document.hidden) open();
}

function estimate(form) {
  let timer = 0;
  let newest = 0;
  // The form has a field named “dataset”, which hides the property of that name.
  const address = form.getAttribute("data-estimate-from");
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const mine = ++newest;
      const query = new URLSearchParams(new FormData(form));
      form.classList.add("busy");
      try {
        const response = await fetch(`${address}?${query}`, { headers: { Accept: "text/html" } });
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        // An answer to what was typed before must not overwrite a later one.
        if (mine !== newest) return;
        for (const part of form.querySelectorAll("[data-estimate]")) {
          // A part in which somebody types is left as it is.
          const fresh = part.contains(document.activeElement) ? null : page.getElementById(part.id);
          if (fresh) update(part, document.importNode(fresh, true));
        }
      } catch {
        // The button Estimate still works.
      } finally {
        if (mine === newest) form.classList.remove("busy");
      }
    }, TYPING);
  });
}

/** Says below a heat map which two classes are under the pointer, and roughly what their value is. */
function name(event) {
  const cell = event.target.closest?.(".heat path");
  const panels = cell?.closest("[data-classes]");
  if (!panels) return;
  const classes = JSON.parse(panels.dataset.classes);
  const box = cell.parentNode.getBoundingClientRect();
  const place = (at, from, length) => classes[Math.floor((classes.length * (at - from)) / length)];
  const [row, column] = [place(event.clientY, box.top, box.height), place(event.clientX, box.left, box.width)];
  const caption = cell.closest("figure").querySelector("figcaption");
  let words = caption.querySelector(".readout");
  if (!words) {
    words = caption.appendChild(document.createElement("span"));
    words.className = "readout";
  }
  words.textContent = `${row} – ${column}: about ${cell.dataset.value}`;
}

localise(document);
document.addEventListener("pointermove", name);
for (const log of document.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;
if (document.querySelector("[data-live]")) follow();
const form = document.querySelector("form[data-estimate-from]");
if (form) estimate(form);
document.getElementById("problems")?.focus();
