// How smoothly charts follow the pointer: 30 series of 2,000 points in every chart of a comparison's page.
//
//   node tools/browser/curves.mjs http://127.0.0.1:7878/experiments/1 [rounds]
//
// The page must have curves; its data is replaced in the page alone. Prints one JSON object: frames a second and the longest frame,
// the medians of the rounds, each of five seconds in which the pointer moves over a chart without a pause.
import { open, pause } from "./chromium.mjs";

const [address, rounds = "3"] = process.argv.slice(2);
if (!address) throw new Error("say which page: node tools/browser/curves.mjs http://127.0.0.1:7878/experiments/1");

const tab = await open();
await tab.send("Page.enable");
await tab.send("Page.navigate", { url: address });
await pause(3000);
const charts = await tab.evaluate(`(async () => {
  await load();
  // What runs meanwhile must not bring its own data back.
  document.removeEventListener("updated", follow);
  for (const chart of charts.values()) {
    const [first] = chart.data.lines;
    chart.data.x = [1, 2000];
    chart.data.lines = Array.from({ length: 30 }, (_, i) => ({
      ...first, name: "series " + i, short: "series " + i,
      pieces: [Array.from({ length: 2000 }, (_, x) => [x + 1, 50 + 20 * Math.sin(x / 90 + i) + ((x * 7919 + i * 104729) % 13)])],
    }));
  }
  drawAll();
  document.querySelector("#curves svg.chart").scrollIntoView({ block: "center" });
  return charts.size;
})()`);
const box = await tab.evaluate(`(() => {
  const { left, top, width, height } = document.querySelector("#curves svg.chart").getBoundingClientRect();
  return [left, top, width, height];
})()`);
const found = [];
for (let round = 0; round < rounds; round += 1) {
  await tab.evaluate(`window.frames_ = [];
    (function count(at) { frames_.push(at); if (frames_.length < 1e5 && !window.stopped) requestAnimationFrame(count); })(performance.now()), 0`);
  const end = Date.now() + 5000;
  for (let step = 0; Date.now() < end; step += 1) {
    const x = box[0] + box[2] * (0.1 + 0.6 * Math.abs(Math.sin(step / 60)));
    await tab.send("Input.dispatchMouseEvent", { type: "mouseMoved", x, y: box[1] + box[3] * 0.4 });
    await pause(4);
  }
  found.push(
    await tab.evaluate(`(() => {
      window.stopped = true;
      const gaps = frames_.slice(1).map((at, i) => at - frames_[i]);
      return [gaps.length / ((frames_.at(-1) - frames_[0]) / 1000), Math.max(...gaps)];
    })()`),
  );
  await tab.evaluate("window.stopped = false");
}
const shown = await tab.evaluate(`[...document.querySelectorAll(".values")].some((box) => !box.hidden && box.children.length === 31)`);
if (!shown) console.error(await tab.evaluate(`JSON.stringify([cursor, here?.dataset.figure, [...charts.values()].map((c) => [c.data.lines.length, c.drawn?.lines.length]), [...document.querySelectorAll(".values")].map((b) => [b.hidden, b.children.length])])`));
if (!shown) throw new Error("the values did not follow the pointer");
const median = (place) => found.map((round) => round[place]).sort((a, b) => a - b)[Math.floor(found.length / 2)];
const say = (value) => Math.round(value * 10) / 10;
console.log(JSON.stringify({ what: "curves", charts, series: 30, points: 2000, frames_a_second: say(median(0)), longest_frame_ms: say(median(1)) }));
await tab.close();
