// Liveliness on top of pages that work without it.
//
// A page marks what may change with `data-live`, and says with `data-follows` whose news it shows. When the server says that
// something of that changed, what differs is fetched, and those parts are brought up to date in place, so that focus,
// scrolling, unfolded details and half-filled forms stay as they are; then the document hears an event `updated`.
"use strict";

const INTERVAL = 1000; // at most one update of the page in so many milliseconds
const UNHURRIED = 3000; // the same while runs only go on
const LEISURE = 5000; // the same for lists
const DELTA = "retort-delta"; // what the server calls the difference between two versions of a page
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

/** Makes `old` equal to `fresh`, changing only what differs and none of the elements that `isLeft` says yes to. */
function update(old, fresh, isLeft = () => false) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  if (isLeft(old)) return;
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
    // An element with a key stays the same element where others come or go before it: a chosen file would be lost.
    if (key(child) && [...old.childNodes].slice(i).some((node) => isSame(node, child))) {
      while (!isSame(old.childNodes[i], child)) old.childNodes[i].remove();
    }
    const present = old.childNodes[i];
    if (!present) old.append(child);
    else if (isSame(present, child)) update(present, child, isLeft);
    else if (key(present) && children.some((other) => isSame(other, present))) present.before(child);
    else present.replaceWith(child);
  });
  while (old.childNodes.length > children.length) old.lastChild.remove();
}

/** What tells an element from its neighbours: its id, or among the rows of a table `data-key`. */
function key(node) {
  return node.id || node.dataset?.key || "";
}

function isSame(node, other) {
  return node.nodeName === other.nodeName && key(node) === key(other);
}

/** Whether an element is not the page's to change: what a script draws is its own, a form that somebody fills in is theirs. */
function isTheirs(element) {
  return element.hasAttribute("data-own") || (element.localName === "form" && isBeingFilled(element));
}

/** Whether somebody is at a form's fields, or left one other than it came. */
function isBeingFilled(form) {
  const changed = (field) => {
    if (field.localName === "select") return field.value !== (field.querySelector("[selected]") ?? field.options[0])?.value;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    return field.type !== "hidden" && field.value !== field.defaultValue;
  };
  const fields = [...form.querySelectorAll("input, select, textarea")];
  return fields.some((field) => field === document.activeElement || changed(field));
}

/** The page as it was told last. */
const told = { version: document.documentElement.dataset.version, bytes: null };

/** The bytes of this page as the browser keeps them; none where it does not, or has another version by now. */
async function loaded() {
  try {
    const request = { cache: "only-if-cached", mode: "same-origin", headers: { Accept: "text/html" } };
    const response = await fetch(location.href, request);
    return versionOf(response) === told.version ? new Uint8Array(await response.arrayBuffer()) : null;
  } catch {
    return null;
  }
}

function versionOf(response) {
  // Compressed on its way, a page is tagged as weakly the same.
  return response.headers.get("ETag")?.split('"')[1];
}

/** The text of the page as it is now; none where it is as it was. */
async function fetchPage() {
  told.bytes ??= await loaded();
  const headers = { Accept: "text/html", "If-None-Match": `"${told.version}"` };
  if (told.bytes) headers["A-IM"] = DELTA;
  const response = await fetch(location.href, { headers });
  if (response.status === 304 || !response.ok) return null;
  const isDelta = response.headers.get("IM") === DELTA;
  told.bytes = isDelta ? joined(told.bytes, await response.json()) : new Uint8Array(await response.arrayBuffer());
  told.version = versionOf(response);
  return new TextDecoder().decode(told.bytes);
}

/** The later version of a page: stretches of the earlier one, each with what follows it. */
function joined(bytes, parts) {
  const encoder = new TextEncoder();
  const pieces = parts.flatMap(([start, length, text]) => [bytes.subarray(start, start + length), encoder.encode(text)]);
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Where the reader is: what they type in, or else the first part that begins in sight. Not every browser keeps it there by itself. */
function readersPlace() {
  const isInSight = (element) => {
    const { top } = element.getBoundingClientRect();
    return top >= 0 && top < innerHeight;
  };
  const focused = document.activeElement?.closest("#main *");
  const parts = document.querySelectorAll("#main .sheet, #main .sheet > *, #main tr, #main figure");
  const place = focused && isInSight(focused) ? focused : [...parts].find(isInSight);
  const top = place?.getBoundingClientRect().top;
  return {
    restore() {
      // At its top, a page is read from there.
      if (place?.isConnected && scrollY > 0) scrollBy(0, place.getBoundingClientRect().top - top);
    },
  };
}

/** Brings the live parts of this page up to date. */
async function refresh() {
  const text = await fetchPage();
  if (text === null) return;
  const page = new DOMParser().parseFromString(text, "text/html");
  localise(page);
  const before = readersPlace();
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = part.id && page.getElementById(part.id);
    if (!fresh) continue;
    const atEnd = (log) => log && log.scrollHeight - log.scrollTop - log.clientHeight < 8;
    const follows = atEnd(part.querySelector(".log"));
    update(part, document.importNode(fresh, true), isTheirs);
    const log = part.querySelector(".log");
    if (follows && log) log.scrollTop = log.scrollHeight;
  }
  before.restore();
  document.title = page.title;
  document.dispatchEvent(new Event("updated"));
}

/** A function that has `task` done once the interval that it is given has passed since the last time; the shortest counts. */
function paced(task) {
  let [ended, wanted, timer, busy] = [-Infinity, Infinity, 0, false];
  const plan = () => {
    clearTimeout(timer);
    timer = setTimeout(run, Math.max(0, ended + wanted - performance.now()));
  };
  async function run() {
    [busy, wanted] = [true, Infinity];
    // A failed fetch is no loss: the next change, or the reconnection, brings the page up to date.
    await task().catch(() => {});
    [busy, ended] = [false, performance.now()];
    if (wanted < Infinity) plan();
  }
  return (interval) => {
    wanted = Math.min(wanted, interval);
    if (!busy) plan();
  };
}

/** What of the news a page shows: `runs 7`, `experiments 1 2`, `datasets`, `progress` of any run, or `states` alone. */
const [KIND, ...IDS] = document.documentElement.dataset.follows?.split(" ") ?? ["states"];

function follow() {
  const pull = paced(refresh);
  const hasParts = document.querySelector("#main [data-live]") !== null;
  const hear = (event) => {
    const news = JSON.parse(event.data);
    const named = KIND === "datasets" ? news.datasets : news[KIND]?.some?.((id) => IDS.includes(String(id)));
    // The header of every page counts runs by state.
    if (news.who !== undefined) document.getElementById("who").textContent = news.who;
    const ofAny = news.states && (KIND === "states" || KIND === "progress");
    // A page that shows nothing of it may be an answer to a form, which another address would not give.
    if (!hasParts) return;
    if (news.everything || ofAny || (named && (news.states || news.datasets))) pull(INTERVAL);
    else if (named) pull(UNHURRIED);
    else if (KIND === "progress" && news.runs.length) pull(LEISURE);
  };
  let source = null;
  const open = () => {
    source = new EventSource(LIVE);
    source.addEventListener("changed", hear);
    source.addEventListener("open", () => {
      document.documentElement.classList.remove("offline");
      // What changed since the page was made, or while the connection was lost, was not told.
      if (hasParts) pull(INTERVAL);
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
document.getElementById("problems")?.focus();
