// What an open page costs while something runs: bytes received, requests, and how far the page shifts under its reader.
//
//   node tools/browser/live.mjs http://127.0.0.1:7878/experiments/1 [seconds]
//
// Needs Chromium and Node 22. Launch the comparison first; the page is watched once it has loaded. Prints one JSON object.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [address, seconds = "90"] = process.argv.slice(2);
if (!address) throw new Error("say which page: node tools/browser/live.mjs http://127.0.0.1:7878/experiments/1");

const profile = mkdtempSync(join(tmpdir(), "retort-live-"));
const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--window-size=1280,1000"];
const browser = spawn("chromium", [...flags, `--user-data-dir=${profile}`, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
const port = await new Promise((resolve, reject) => {
  let said = "";
  browser.stderr.on("data", (data) => {
    said += data;
    const found = said.match(/listening on ws:\/\/[^:]+:(\d+)/);
    if (found) resolve(found[1]);
  });
  browser.on("exit", () => reject(new Error(`Chromium did not start: ${said}`)));
});

const [tab] = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()).filter((target) => target.type === "page");
const socket = new WebSocket(tab.webSocketDebuggerUrl);
await new Promise((resolve) => socket.addEventListener("open", resolve));
let last = 0;
const waiting = new Map();
const heard = { bytes: 0, requests: new Map(), counting: false };
socket.addEventListener("message", ({ data }) => {
  const { id, result, method, params } = JSON.parse(data);
  if (id) waiting.get(id)?.(result);
  if (!heard.counting) return;
  // A stream such as that of news never finishes: its parts count as they come.
  if (method === "Network.dataReceived") heard.bytes += params.encodedDataLength;
  if (method === "Network.responseReceived") {
    heard.bytes += JSON.stringify(params.response.headers).length;
    const kind = `${params.response.status} ${new URL(params.response.url).pathname}`;
    heard.requests.set(kind, (heard.requests.get(kind) ?? 0) + 1);
  }
});
const send = (method, params = {}) =>
  new Promise((resolve) => {
    waiting.set(++last, resolve);
    socket.send(JSON.stringify({ id: last, method, params }));
  });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

await send("Network.enable");
await send("Page.enable");
await send("Page.addScriptToEvaluateOnNewDocument", {
  source: `window.shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput && window.isWatched) window.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });`,
});
await send("Page.navigate", { url: address });
await pause(3000);
await send("Runtime.evaluate", { expression: "window.isWatched = true" });
heard.counting = true;
await pause(1000 * seconds);
const shift = await send("Runtime.evaluate", { expression: "window.shift" });
console.log(
  JSON.stringify({
    what: "live",
    seconds: Number(seconds),
    kB_a_minute: Math.round((heard.bytes / 1000) * (60 / seconds) * 10) / 10,
    requests: Object.fromEntries(heard.requests),
    layout_shift: Math.round(shift.result.value * 1e4) / 1e4,
  }),
);
socket.close();
browser.removeAllListeners("exit");
browser.kill();
await new Promise((resolve) => browser.on("exit", resolve));
rmSync(profile, { recursive: true, force: true });
