// What an open page costs while something runs: bytes received, requests, and how far the page shifts under its reader.
//
//   node tools/browser/live.mjs http://127.0.0.1:7878/experiments/1 [seconds]
//
// Launch the comparison first; the page is watched once it has loaded. Prints one JSON object.
import { open, pause } from "./chromium.mjs";

const [address, seconds = "90"] = process.argv.slice(2);
if (!address) throw new Error("say which page: node tools/browser/live.mjs http://127.0.0.1:7878/experiments/1");

const heard = { bytes: 0, requests: {}, counting: false };
const tab = await open((method, params) => {
  if (!heard.counting) return;
  // A stream such as that of news never finishes: its parts count as they come.
  if (method === "Network.dataReceived") heard.bytes += params.encodedDataLength;
  if (method === "Network.responseReceived") {
    heard.bytes += JSON.stringify(params.response.headers).length;
    const kind = `${params.response.status} ${new URL(params.response.url).pathname}`;
    heard.requests[kind] = (heard.requests[kind] ?? 0) + 1;
  }
});
await tab.send("Network.enable");
await tab.send("Page.enable");
await tab.send("Page.addScriptToEvaluateOnNewDocument", {
  source: `window.shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput && window.isWatched) window.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });`,
});
await tab.send("Page.navigate", { url: address });
await pause(3000);
await tab.evaluate("window.isWatched = true");
heard.counting = true;
await pause(1000 * seconds);
const shift = await tab.evaluate("window.shift");
console.log(
  JSON.stringify({
    what: "live",
    seconds: Number(seconds),
    kB_a_minute: Math.round((heard.bytes / 1000) * (60 / seconds) * 10) / 10,
    requests: heard.requests,
    layout_shift: Math.round(shift * 1e4) / 1e4,
  }),
);
await tab.close();
