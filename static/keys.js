// Keyboard shortcuts. Every page works without them; nothing happens while somebody types in a field, and keys with Ctrl, Alt or
// Meta stay the browser's.
"use strict";

const PATIENCE = 1500; // after “g” the next key is waited for so many milliseconds

/** Sections by their letters: the address of each stands in the navigation, where a proxy's path is before it already. */
const SECTIONS = { o: "Overview", n: "New", c: "Comparisons", r: "Runs", m: "Models", d: "Datasets", p: "Paper" };

const HELP = [
  ["/", "to the search of the page"],
  ["j", "to the next row of a list"],
  ["k", "to the row before"],
  ["Enter", "opens the row"],
  ...Object.entries(SECTIONS).map(([key, name]) => [`g ${key}`, name === "New" ? "New experiment" : name]),
  ["?", "this help"],
];

let waitsUntil = 0; // for the key after “g”

function isTyping(element) {
  return element.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], dialog") !== null;
}

function go(key) {
  const links = [...document.querySelectorAll(".bar nav a")];
  links.find((link) => link.textContent.trim().startsWith(SECTIONS[key]))?.click();
}

/** Moves to the row behind the one with the focus, or before it. */
function step(by) {
  const rows = [...document.querySelectorAll("main [data-row]")];
  const here = document.activeElement.closest("tr, li, article")?.querySelector("[data-row]");
  const at = rows.indexOf(here);
  const next = at < 0 ? rows[by > 0 ? 0 : rows.length - 1] : rows[at + by];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

/** The dialog with all shortcuts, made the first time that it is asked for. */
function help() {
  let dialog = document.getElementById("help");
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.id = "help";
    dialog.setAttribute("aria-labelledby", "help-title");
    const title = document.createElement("h2");
    title.id = "help-title";
    title.textContent = "Keyboard shortcuts";
    const list = document.createElement("dl");
    for (const [keys, what] of HELP) {
      const row = document.createElement("div");
      const [term, meaning] = [document.createElement("dt"), document.createElement("dd")];
      for (const key of keys.split(" ")) term.appendChild(document.createElement("kbd")).textContent = key;
      meaning.textContent = what;
      row.append(term, meaning);
      list.append(row);
    }
    const close = document.createElement("button");
    close.className = "button";
    close.textContent = "Close";
    const form = document.createElement("form");
    form.method = "dialog";
    form.append(close);
    dialog.append(title, list, form);
    document.body.append(dialog);
  }
  // A modal dialog keeps the focus, ends with Esc, and gives the focus back to where it was.
  if (!dialog.open) dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  const isModified = event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
  if (isModified || event.defaultPrevented || isTyping(event.target)) return;
  const isSecond = Date.now() < waitsUntil;
  waitsUntil = 0;
  const { key } = event;
  if (isSecond && key in SECTIONS) go(key);
  else if (key === "g") waitsUntil = Date.now() + PATIENCE;
  else if (key === "j" || key === "k") step(key === "j" ? 1 : -1);
  else if (key === "?") help();
  else if (key === "/") {
    const search = document.querySelector("main [type=search]");
    if (!search) return;
    search.focus();
    search.select();
  } else return;
  event.preventDefault();
});

const footer = document.getElementById("shortcuts");
if (footer) {
  footer.hidden = false;
  footer.querySelector("button").addEventListener("click", help);
}
