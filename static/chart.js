// Draws a line chart as the server does (web/src/figures/chart), of the data that it gives, as a reader wants to see it: a
// stretch of x, smoothed, on a log scale, without some of the series.
"use strict";

const LINE = 15; // the height of a line of text, in the drawing's units
const SVG = "http://www.w3.org/2000/svg";

/** The step of 1, 2 or 5 times a power of ten that is at least `rough`. */
function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5].find((f) => f * power >= rough * 0.999999) ?? 10;
  return factor * power;
}

function range(first, last, step) {
  return Array.from({ length: Math.max(0, Math.round((last - first) / step)) + 1 }, (_, i) => first + i * step);
}

/** An axis from `low` to `high` over these pixels: where a value lies, which value lies there, and the ticks with their words. */
function axis([low, high], pixels, { isLog = false, isWhole = false, about = 5 } = {}) {
  let ticks;
  if (isLog) {
    const steps = Math.log10(high / low) > 3 ? [1] : [1, 2, 5];
    const powers = range(Math.floor(Math.log10(low)) - 1, Math.ceil(Math.log10(high)), 1);
    const all = powers.flatMap((power) => steps.map((step) => step * 10 ** power));
    low = all.findLast((tick) => tick <= low * 1.0001) ?? low;
    high = all.find((tick) => tick >= high * 0.9999) ?? high;
    ticks = all.filter((tick) => tick >= low && tick <= high);
  } else if (isWhole) {
    high = Math.max(high, low + 1e-9);
    const step = Math.max(1, Math.round(niceStep((high - low) / about)));
    ticks = range(Math.ceil(low / step) * step, Math.floor(high / step + 1e-9) * step, step).filter((tick) => tick <= high);
  } else {
    if (!(high - low > 1e-9 * Math.max(1, Math.abs(high)))) [low, high] = [low - 0.5, high + 0.5];
    const step = niceStep((high - low) / about);
    [low, high] = [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
    ticks = range(low, high, step);
  }
  const scale = isLog ? Math.log : (value) => value;
  const [a, b] = [scale(low), scale(high)];
  const place = (value) => pixels[0] + ((scale(value) - a) / (b - a)) * (pixels[1] - pixels[0]);
  const value = (pixel) => {
    const at = a + ((pixel - pixels[0]) / (pixels[1] - pixels[0])) * (b - a);
    return isLog ? Math.exp(at) : at;
  };
  const step = isLog ? 0 : (ticks[1] ?? 1) - (ticks[0] ?? 0);
  const words = (tick) => {
    const decimals = Math.min(8, Math.max(0, Math.ceil(-Math.log10(step || tick) - 1e-9)));
    return (Math.abs(tick) < (step || tick) / 1e6 ? 0 : tick).toFixed(decimals);
  };
  return { place, value, ticks, words };
}

/** TensorBoard's exponential moving average, without its bias towards zero at the start. */
function smoothed(points, weight) {
  let [last, share] = [0, 0];
  return points.map(([x, y]) => {
    last = last * weight + (1 - weight) * y;
    share = share * weight + (1 - weight);
    return [x, last / share];
  });
}

/** The place of the point of ascending points whose x is nearest. */
function nearest(points, x) {
  let [low, high] = [0, points.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < x) low = middle;
    else high = middle;
  }
  return x - points[low]?.[0] < points[high]?.[0] - x ? low : high;
}

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Places at least a line of text apart, between `low` and `high` where there is room. */
function spread(places, low, high) {
  const moved = [...places];
  for (let i = 0, least = low; i < moved.length; least = moved[i++] + LINE) moved[i] = Math.max(moved[i], least);
  for (let i = moved.length - 1, most = high; i >= 0; most = moved[i--] - LINE) moved[i] = Math.min(moved[i], most);
  return moved;
}

/** Of points that are closer than could be seen, the lowest and the highest of each stretch. */
function thinned(points, pixels) {
  const stretch = Math.ceil(points.length / pixels);
  if (stretch < 2) return points;
  const kept = [];
  for (let start = 0; start < points.length; start += stretch) {
    const part = points.slice(start, start + stretch);
    const [low, high] = [Math.min, Math.max].map((most) => part.findIndex((p) => p[1] === most(...part.map((q) => q[1]))));
    kept.push(...[...new Set([low, high])].sort((a, b) => a - b).map((at) => part[at]));
  }
  return kept;
}

/** The lines of a chart as a view shows them: without hidden series, within its stretch of x, smoothed. */
function shownLines(data, view) {
  const [from, to] = view.x ?? data.x;
  const inside = (piece) => {
    const first = Math.max(0, piece.findIndex(([x]) => x >= from) - 1);
    const last = piece.findLastIndex(([x]) => x <= to);
    return piece.slice(first, last + 2);
  };
  const lines = data.lines.filter((line) => !view.hidden.has(line.name));
  return lines.map((line) => {
    const raw = line.pieces.map(inside).filter((piece) => piece.length > 0);
    const pieces = view.smooth > 0 ? line.pieces.map((piece) => inside(smoothed(piece, view.smooth))) : raw;
    return { ...line, raw, pieces: pieces.filter((piece) => piece.length > 0) };
  });
}

/** Draws a chart into `svg`; returns what a cursor needs: the axes and the lines. */
function drawChart(svg, data, view) {
  const [left, right, top, bottom] = data.plot;
  const lines = shownLines(data, view);
  const [from, to] = view.x ?? data.x;
  const isLog = data.canBeLog && (view.log ?? data.is_log);
  const seen = lines.flatMap((line) => (view.smooth > 0 ? line.pieces : line.raw)).flat().filter(([x]) => x >= from && x <= to);
  const lows = seen.map((point) => point[2] ?? point[1]);
  const highs = seen.map((point) => point[3] ?? point[1]);
  const extent = seen.length ? [Math.min(...lows), Math.max(...highs)] : [0, 1];
  const x = axis([from, to], [left, right], { isWhole: true, about: 6 });
  if (!data.is_whole || to - from < 3) Object.assign(x, exact([from, to], [left, right]));
  const y = axis(extent, [bottom, top], { isLog });
  const id = svg.dataset.clip;
  const clip = element("clipPath", { id });
  clip.append(element("rect", { x: left - 5, y: top - 5, width: right - left + 10, height: bottom - top + 10 }));
  const inner = element("g", { "clip-path": `url(#${id})` });
  const parts = [clip];
  for (const tick of y.ticks) {
    const at = y.place(tick).toFixed(1);
    parts.push(element("line", { class: "grid", x1: left, x2: right, y1: at, y2: at }));
    parts.push(element("text", { class: "tick", x: left - 7, y: +at + 4, "text-anchor": "end" }, y.words(tick)));
  }
  if (isLog) parts.push(element("text", { class: "tick", x: left, y: top - 3 }, "log scale"));
  for (const tick of x.ticks) {
    parts.push(element("text", { class: "tick", x: x.place(tick).toFixed(1), y: bottom + LINE + 2, "text-anchor": "middle" }, x.words(tick)));
  }
  for (const [value, words] of data.rules.filter(([value]) => value >= from && value <= to)) {
    const at = x.place(value);
    const isLate = at > (left + right) / 2;
    parts.push(element("line", { class: "rule", x1: at, x2: at, y1: top, y2: bottom }));
    parts.push(element("text", { class: "tick", x: at + (isLate ? -4 : 4), y: top + 9, "text-anchor": isLate ? "end" : "start" }, words));
  }
  parts.push(element("text", { class: "tick", x: (left + right) / 2, y: 264, "text-anchor": "middle" }, data.x_label), inner);
  const points = (piece, value) => thinned(piece, right - left).map((p) => `${x.place(p[0]).toFixed(1)},${y.place(value(p)).toFixed(1)}`);
  for (const line of lines) {
    const pieces = view.smooth > 0 ? [] : line.raw.filter((piece) => piece.length > 1 && piece.some((point) => point.length > 2));
    for (const piece of pieces) {
      const outline = [...points(piece, (p) => p[3] ?? p[1]), ...points(piece, (p) => p[2] ?? p[1]).reverse()];
      inner.append(element("polygon", { class: `band ${line.class}`, points: outline.join(" ") }));
    }
  }
  for (const line of lines) {
    const draw = (piece, more) => {
      const dash = line.dash && !more ? { "stroke-dasharray": line.dash } : {};
      inner.append(element("polyline", { class: `line ${line.class}${more}`, ...dash, points: points(piece, (p) => p[1]).join(" ") }));
    };
    if (view.smooth > 0) line.raw.filter((piece) => piece.length > 1).forEach((piece) => draw(piece, " raw"));
    line.pieces.filter((piece) => piece.length > 1).forEach((piece) => draw(piece, ""));
    const ends = line.pieces.filter((piece) => piece.length === 1).flat();
    const end = line.pieces.at(-1)?.findLast(([at]) => at <= to);
    if (end) ends.push(end);
    for (const [at, value] of ends) inner.append(marker(line, x.place(at), y.place(value)));
  }
  const named = names(lines, y, to).filter((entry) => entry.line.name !== "");
  const places = spread(named.map((entry) => entry.at), top + 4, bottom);
  named.forEach(({ line }, i) => {
    parts.push(marker(line, right + 11, places[i]));
    parts.push(element("text", { class: "name", x: right + 19, y: places[i] + 4 }, line.short));
  });
  svg.replaceChildren(...parts);
  return { x, y, lines };
}

/** An axis that ends exactly where it is told to, with ticks at round values between. */
function exact([low, high], pixels) {
  const step = niceStep((high - low || 1) / 5);
  const place = (value) => pixels[0] + ((value - low) / (high - low || 1)) * (pixels[1] - pixels[0]);
  const value = (pixel) => low + ((pixel - pixels[0]) / (pixels[1] - pixels[0])) * (high - low || 1);
  const decimals = Math.min(8, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
  const first = Math.ceil(low / step - 1e-9) * step;
  const ticks = range(first, Math.floor(high / step + 1e-9) * step, step).filter((tick) => tick <= high + 1e-9);
  return { place, value, ticks, words: (tick) => tick.toFixed(decimals) };
}

function marker(line, x, y) {
  return element("path", { class: `marker ${line.class}`, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, d: line.outline });
}

/** Each series once, by the mean end of its lines. */
function names(lines, y, to) {
  const found = new Map();
  for (const line of lines) {
    const end = line.pieces.at(-1)?.findLast(([at]) => at <= to);
    if (!end) continue;
    const entry = found.get(line.name) ?? { line, ends: [] };
    entry.ends.push(y.place(end[1]));
    found.set(line.name, entry);
  }
  const all = [...found.values()].map(({ line, ends }) => ({ line, at: ends.reduce((sum, end) => sum + end, 0) / ends.length }));
  return all.sort((a, b) => a.at - b.at);
}
