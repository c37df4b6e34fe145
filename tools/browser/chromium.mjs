// A headless Chromium, spoken to in its own protocol: what the measurements of pages share. Needs Chromium and Node 22 (or 20 with
// --experimental-websocket).
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Opens a tab; `hear` is told of its events. */
export async function open(hear = () => {}) {
  const profile = mkdtempSync(join(tmpdir(), "retort-browser-"));
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
  socket.addEventListener("message", ({ data }) => {
    const { id, result, method, params } = JSON.parse(data);
    if (id) waiting.get(id)?.(result);
    else hear(method, params);
  });
  const send = (method, params = {}) =>
    new Promise((resolve) => {
      waiting.set(++last, resolve);
      socket.send(JSON.stringify({ id: last, method, params }));
    });
  return {
    send,
    /** What an expression comes to in the page; a promise is waited for. */
    evaluate: async (expression) => {
      const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    },
    close: async () => {
      socket.close();
      browser.removeAllListeners("exit");
      browser.kill();
      await new Promise((resolve) => browser.on("exit", resolve));
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
