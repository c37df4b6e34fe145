// Curves as an instrument: values under one cursor over all charts, a stretch of x, smoothing, a log scale, series hidden or alone,
// one chart on the whole screen. All of it stands in the address. Drawing is in chart.js; the server's own drawing stays what is
// shown until a reader looks into one, and what is exported.
"use strict";

const FRESH = 5000; // the curves of what runs are fetched at most once in so many milliseconds
const INTEREST = 60000; // and as long as somebody looked into them so lately

const section = document.querySelector("[data-curves]");
const view = { x: null, smooth: 0, log: null, hidden: new Set() };
const charts = new Map(); // by the name of the figure: its data and what was drawn
let cursor = null; // x of the cursor
let dragged = null; // where a stretch begins
let [loadedAt, lookedAt, loading] = [0, -Infinity, null];

/** The view as the address has it: `x:5:20,s:0.6,l:1,h:KD|ARD`. */
function readAddress() {
  const text = new URLSearchParams(location.search).get("chart") ?? "";
  for (const part of text.split(",")) {
    const [key, ...values] = part.split(":");
    const numbers = values.map(Number);
    if (key === "x" && numbers.length === 2 && numbers[0] < numbers[1]) view.x = numbers;
    if (key === "s" && numbers[0] > 0 && numbers[0] < 1) view.smooth = numbers[0];
    if (key === "l") view.log = values[0] === "1";
    if (key === "h") view.hidden = new Set(values.join(":").split("|").map(decodeURIComponent));
  }
}

function words() {
  const parts = [];
  if (view.x) parts.push(`x:${view.x.map((value) => +value.toPrecision(6)).join(":")}`);
  if (view.smooth > 0) parts.push(`s:${view.smooth}`);
  if (view.log !== null) parts.push(`l:${view.log ? 1 : 0}`);
  if (view.hidden.size) parts.push(`h:${[...view.hidden].map(encodeURIComponent).join("|")}`);
  return parts.join(",");
}

function inAddress(href) {
  const address = new URL(href);
  const text = words();
  if (text) address.searchParams.set("chart", text);
  else address.searchParams.delete("chart");
  return address;
}

/** Fetches what the curves are drawn of, and takes the drawing over. */
async function load() {
  loading ??= (async () => {
    try {
      const response = await fetch(section.dataset.curves, { headers: { Accept: "application/json" } });
      if (!response.ok) return;
      for (const data of await response.json()) {
        const values = data.lines.flatMap((line) => line.pieces.flat()).map((point) => point[2] ?? point[1]);
        // Shares in percent are compared by differences, losses and norms by ratios too.
        data.canBeLog = !data.title.endsWith("%") && values.length > 0 && values.every((value) => value > 0);
        charts.set(data.slug, { data });
      }
      loadedAt = performance.now();
      drawAll();
    } finally {
      loading = null;
    }
  })();
  return loading;
}

function figures() {
  return [...section.querySelectorAll("figure[data-figure]")].filter((figure) => charts.has(figure.dataset.figure));
}

function drawAll() {
  for (const figure of figures()) {
    const chart = charts.get(figure.dataset.figure);
    const svg = figure.querySelector("svg.chart");
    if (!figure.hasAttribute("data-own")) own(figure, svg);
    svg.dataset.clip = `clip-${figure.dataset.figure}`;
    chart.drawn = drawChart(svg, chart.data, view);
    const [, , top, bottom] = chart.data.plot;
    chart.rule = element("line", { class: "cursor", y1: top, y2: bottom });
    chart.stretch = element("rect", { class: "stretch", y: top, height: bottom - top });
    chart.dots = element("g", {});
    for (const part of [chart.rule, chart.stretch]) part.setAttribute("visibility", "hidden");
    figure.querySelector("svg.over").replaceChildren(chart.stretch, chart.rule, chart.dots);
  }
  showTools();
  showCursor();
}

/** Makes a figure the script's own: live updates leave it alone. */
function own(figure, svg) {
  figure.setAttribute("data-own", "");
  svg.setAttribute("tabindex", "0");
  // What follows the pointer lies on a sheet of its own above the lines, which are then painted once and not with every move.
  const drawing = document.createElement("div");
  drawing.className = "drawing";
  svg.replaceWith(drawing);
  const values = document.createElement("div");
  values.className = "values";
  values.hidden = true;
  drawing.append(svg, element("svg", { class: "over", viewBox: svg.getAttribute("viewBox"), "aria-hidden": "true" }), values);
  const heading = figure.querySelector("h3");
  if (!figure.querySelector(".full") && document.fullscreenEnabled) {
    const button = heading.appendChild(document.createElement("button"));
    button.type = "button";
    button.className = "button small full";
    button.textContent = "Full screen";
    button.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : figure.requestFullscreen()));
  }
}

function changed() {
  lookedAt = performance.now();
  history.replaceState(history.state, "", inAddress(location.href));
  drawAll();
}

// The tools above the charts.

function tools() {
  const found = section.querySelector(".tools");
  if (found) return found;
  const bar = document.createElement("div");
  bar.className = "tools";
  bar.innerHTML = `
    <label>From <input id="curves-from" inputmode="decimal" size="5" autocomplete="off"></label>
    <label>to <input id="curves-to" inputmode="decimal" size="5" autocomplete="off"></label>
    <label>Smoothing <input id="curves-smooth" type="range" min="0" max="0.99" step="0.01"> <output></output></label>
    <label class="check"><input id="curves-log" type="checkbox"> Log scale</label>
    <button type="button" class="button small" id="curves-reset">Reset</button>
    <div class="keys" role="group" aria-label="Series"></div>
    <p class="out" role="status"></p>`;
  section.querySelector(".figures").before(bar);
  const number = (id) => parseFloat(bar.querySelector(id).value.replace(",", "."));
  const stretch = () => {
    const whole = wholeX();
    const [from, to] = [number("#curves-from"), number("#curves-to")];
    const x = [Number.isFinite(from) ? from : whole[0], Number.isFinite(to) ? to : whole[1]];
    view.x = x[0] < x[1] && (x[0] !== whole[0] || x[1] !== whole[1]) ? x : null;
    changed();
  };
  for (const id of ["#curves-from", "#curves-to"]) bar.querySelector(id).addEventListener("change", stretch);
  bar.querySelector("#curves-smooth").addEventListener("input", ({ target }) => {
    view.smooth = Number(target.value);
    changed();
  });
  bar.querySelector("#curves-log").addEventListener("change", ({ target }) => {
    view.log = target.checked;
    changed();
  });
  bar.querySelector("#curves-reset").addEventListener("click", reset);
  const keys = bar.querySelector(".keys");
  keys.addEventListener("click", (event) => {
    const name = event.target.closest("button")?.dataset.name;
    if (name !== undefined) toggle(name, event.altKey || event.shiftKey);
  });
  keys.addEventListener("dblclick", (event) => {
    const name = event.target.closest("button")?.dataset.name;
    if (name !== undefined) toggle(name, true);
  });
  return bar;
}

function reset() {
  Object.assign(view, { x: null, smooth: 0, log: null, hidden: new Set() });
  changed();
}

function series() {
  const found = new Map();
  for (const { data } of charts.values()) for (const line of data.lines) if (line.name && !found.has(line.name)) found.set(line.name, line);
  return found;
}

/** Hides a series or shows it again; alone, it hides all others, or shows them where it is alone already. */
function toggle(name, isAlone) {
  const others = [...series().keys()].filter((other) => other !== name);
  if (isAlone) {
    const wasAlone = !view.hidden.has(name) && others.every((other) => view.hidden.has(other));
    view.hidden = new Set(wasAlone ? [] : others);
  } else if (!view.hidden.delete(name)) {
    view.hidden.add(name);
  }
  changed();
}

function wholeX() {
  const all = [...charts.values()].map(({ data }) => data.x);
  return [Math.min(...all.map(([low]) => low)), Math.max(...all.map(([, high]) => high))];
}

function showTools() {
  const bar = tools();
  const whole = wholeX();
  const put = (id, value) => {
    const field = bar.querySelector(id);
    if (field !== document.activeElement) field.value = value;
  };
  put("#curves-from", view.x ? +view.x[0].toPrecision(6) : "");
  put("#curves-to", view.x ? +view.x[1].toPrecision(6) : "");
  bar.querySelector("#curves-from").placeholder = +whole[0].toPrecision(4);
  bar.querySelector("#curves-to").placeholder = +whole[1].toPrecision(4);
  put("#curves-smooth", view.smooth);
  bar.querySelector("output").textContent = view.smooth > 0 ? view.smooth.toFixed(2) : "none";
  bar.querySelector("#curves-log").checked = view.log ?? [...charts.values()].some(({ data }) => data.is_log);
  const keys = bar.querySelector(".keys");
  const all = [...series()];
  if (keys.children.length !== all.length) {
    keys.replaceChildren(
      ...all.map(([name, line]) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "key";
        button.dataset.name = name;
        button.title = "Click: hide or show. Shift-click or double-click: alone.";
        const swatch = element("svg", { class: "swatch", viewBox: "-6 -6 12 12", "aria-hidden": "true" });
        swatch.append(element("path", { class: `marker ${line.class}`, d: line.outline }));
        button.append(swatch, name);
        return button;
      }),
    );
  }
  for (const button of keys.children) button.setAttribute("aria-pressed", String(!view.hidden.has(button.dataset.name)));
}

// The cursor.

function say(value) {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : Number(value.toPrecision(4)).toString();
}

/** What the visible series of a chart are at the cursor, the highest first. */
function values({ drawn }) {
  const found = drawn.lines.map((line) => {
    const piece = line.pieces.findLast((points) => points[0][0] <= cursor) ?? line.pieces[0];
    const point = piece?.[nearest(piece, cursor)];
    return point && { line, x: point[0], y: point[1] };
  });
  return found.filter(Boolean).sort((a, b) => b.y - a.y);
}

let wanted = false;
/** Moves the cursor with the next frame. */
function showCursor() {
  if (wanted) return;
  wanted = true;
  requestAnimationFrame(() => {
    wanted = false;
    for (const figure of figures()) showCursorIn(figure, charts.get(figure.dataset.figure));
  });
}

function showCursorIn(figure, chart) {
  const box = figure.querySelector(".values");
  const [left, right] = chart.data.plot;
  const at = cursor === null || !chart.drawn ? NaN : chart.drawn.x.place(cursor);
  const isIn = at >= left - 1 && at <= right + 1;
  chart.rule.setAttribute("visibility", isIn ? "visible" : "hidden");
  const isHere = isIn && (figure === here || figure === document.fullscreenElement);
  box.hidden = !isHere;
  if (!isIn) return chart.dots.replaceChildren();
  const found = values(chart);
  chart.rule.setAttribute("x1", at);
  chart.rule.setAttribute("x2", at);
  while (chart.dots.childNodes.length > found.length) chart.dots.lastChild.remove();
  found.forEach(({ line, x, y }, i) => {
    const dot = chart.dots.childNodes[i] ?? chart.dots.appendChild(element("circle", { r: 3 }));
    dot.setAttribute("class", `marker ${line.class}`);
    dot.setAttribute("cx", chart.drawn.x.place(x).toFixed(1));
    dot.setAttribute("cy", chart.drawn.y.place(y).toFixed(1));
  });
  if (isHere) tell(box, chart, found, at);
}

/** Writes the values beside the cursor, on the side that has room. */
function tell(box, chart, found, at) {
  const x = chart.data.is_whole ? Math.round(found[0]?.x ?? cursor) : say(cursor);
  const text = [`${chart.data.x_label} ${x}`, ...found.map(({ line, y }) => `${line.name || "value"}  ${say(y)}`)];
  while (box.children.length > text.length) box.lastChild.remove();
  text.forEach((words, i) => {
    const line = box.children[i] ?? box.appendChild(document.createElement("p"));
    if (line.textContent !== words) line.textContent = words;
    line.className = i > 0 ? `of ${found[i - 1].line.class}` : "";
  });
  const [left, right] = chart.data.plot;
  const isLate = at > (left + right) / 2;
  box.style.left = isLate ? "" : `${((at + 10) / 480) * 100}%`;
  box.style.right = isLate ? `${((490 - at) / 480) * 100}%` : "";
}

let here = null; // the figure that the reader is at

function move(figure, x) {
  here = figure;
  cursor = x;
  lookedAt = performance.now();
  showCursor();
}

/** The value of x under a pointer. */
function under(event, figure) {
  const chart = charts.get(figure.dataset.figure);
  const box = figure.querySelector("svg.chart").getBoundingClientRect();
  const [left, right] = chart.data.plot;
  // On the whole screen, the drawing has room beside it.
  const scale = Math.min(box.width / 480, box.height / 270);
  const pixel = (event.clientX - box.left - (box.width - 480 * scale) / 2) / scale;
  return chart.drawn.x.value(Math.min(right, Math.max(left, pixel)));
}

function figureOf(event) {
  const svg = event.target.closest?.("svg.chart");
  const figure = svg?.closest("figure[data-own]");
  return figure && charts.get(figure.dataset.figure)?.drawn ? figure : null;
}

function listen() {
  const interest = () => {
    if (!loadedAt) load();
  };
  section.addEventListener("pointerenter", interest);
  section.addEventListener("focusin", interest);
  section.addEventListener("pointermove", (event) => {
    const figure = figureOf(event);
    if (!figure) return;
    move(figure, under(event, figure));
    if (dragged === null) return;
    for (const { drawn, stretch } of charts.values()) {
      if (!drawn) continue;
      const [a, b] = [drawn.x.place(dragged), drawn.x.place(cursor)];
      stretch.setAttribute("x", Math.min(a, b));
      stretch.setAttribute("width", Math.abs(a - b));
      stretch.setAttribute("visibility", "visible");
    }
  });
  section.addEventListener("pointerdown", (event) => {
    const figure = figureOf(event);
    if (!figure) return;
    move(figure, under(event, figure));
    if (event.pointerType === "mouse" && event.button === 0) {
      dragged = cursor;
      event.preventDefault();
      figure.querySelector("svg.chart").focus({ preventScroll: true });
    }
  });
  addEventListener("pointerup", () => {
    if (dragged === null) return;
    const [from, to] = [Math.min(dragged, cursor), Math.max(dragged, cursor)];
    const [low, high] = view.x ?? wholeX();
    dragged = null;
    if (to - from > (high - low) / 50) view.x = [from, to];
    changed();
  });
  section.addEventListener("dblclick", (event) => {
    if (!figureOf(event)) return;
    view.x = null;
    changed();
  });
  section.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse" && !section.contains(document.activeElement)) move(null, null);
  });
  section.addEventListener("keydown", (event) => {
    const figure = figureOf(event);
    if (!figure) return;
    const [low, high] = view.x ?? wholeX();
    const step = charts.get(figure.dataset.figure).data.is_whole ? Math.max(1, Math.round((high - low) / 200)) : (high - low) / 100;
    const at = cursor ?? low;
    const keys = { ArrowRight: Math.min(high, at + step), ArrowLeft: Math.max(low, at - step), Home: low, End: high };
    if (event.key === "Escape") return move(null, null);
    if (!(event.key in keys)) return;
    event.preventDefault();
    move(figure, keys[event.key]);
    const chart = charts.get(figure.dataset.figure);
    const said = values(chart).map(({ line, y }) => `${line.name || "value"} ${say(y)}`);
    section.querySelector(".tools [role=status]").textContent = `${chart.data.x_label} ${say(cursor)}: ${said.join(", ")}`;
  });
  // Links of this page keep the view, which their addresses were made without.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || link.hasAttribute("download") || link.pathname !== location.pathname || link.getAttribute("href").startsWith("#")) return;
    link.href = inAddress(link.href);
  });
  document.addEventListener("updated", follow);
}

/** Something of the page has changed: what somebody looks into is fetched again, and other figures go back to the server's. */
function follow() {
  if (!loadedAt) return;
  const isLookedInto = performance.now() - lookedAt < INTEREST && !document.hidden;
  if (isLookedInto || words()) {
    if (performance.now() - loadedAt > FRESH) load();
    return;
  }
  for (const figure of figures()) figure.removeAttribute("data-own");
  charts.clear();
  loadedAt = 0;
}

if (section) {
  readAddress();
  listen();
  if (words()) load();
}
