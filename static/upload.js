// Uploads that tell how far they are, on top of forms that work without it.
//
// A form marked with `data-upload` is sent in the background. Where the answer is another page, that is opened; where it
// is the same page with faults, they are shown in place, and the chosen file stays chosen.
"use strict";

const BEAT = 500; // the words beside the bar change once in so many milliseconds

function size(bytes) {
  for (const [unit, of] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (bytes >= of) return `${(bytes / of).toFixed(bytes < 9.95 * of ? 1 : 0)} ${unit}`;
  }
  return `${bytes} B`;
}

function time(seconds) {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The bar, the words and the button that stand below a form while it is sent. */
function status(form, cancel) {
  const way = document.createElement("div");
  way.className = "way uploading";
  const bar = way.appendChild(document.createElement("progress"));
  bar.max = 1;
  bar.setAttribute("aria-label", "upload");
  const words = way.appendChild(document.createElement("span"));
  words.className = "num";
  words.setAttribute("role", "status");
  const button = way.appendChild(document.createElement("button"));
  button.type = "button";
  button.className = "button";
  button.textContent = "Cancel";
  button.addEventListener("click", cancel);
  form.append(way);
  return { way, bar, words };
}

function send(form) {
  const request = new XMLHttpRequest();
  const { way, bar, words } = status(form, () => request.abort());
  const begun = performance.now();
  let said = -BEAT;
  const controls = [...form.elements].filter((control) => !control.disabled && !way.contains(control));
  const body = new FormData(form);
  for (const control of controls) control.disabled = true;
  const end = (text) => {
    for (const control of controls) control.disabled = false;
    if (!text) return way.remove();
    way.replaceChildren(words);
    words.className = "wrong";
    words.textContent = text;
  };
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    bar.value = total ? loaded / total : 0;
    const passed = performance.now() - begun;
    if (passed - said < BEAT && loaded < total) return;
    said = passed;
    const rate = loaded / Math.max(passed / 1000, 0.001);
    const left = passed > 1000 && loaded < total ? ` · ${size(rate)} a second · ${time((total - loaded) / rate)} left` : "";
    words.textContent = loaded < total ? `Uploading: ${size(loaded)} of ${size(total)}${left}` : "Uploaded; being looked at";
  });
  request.addEventListener("load", () => {
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    const fresh = page.getElementById("main");
    if (request.status < 400) {
      // A browser that goes back shows the form as it was left here.
      end();
      location.assign(request.responseURL);
    } else if (request.status === 422 && fresh) {
      end();
      // Only elements differ where there are faults: what was typed and chosen stays.
      update(document.getElementById("main"), document.importNode(fresh, true));
      document.getElementById("problems")?.focus();
    } else {
      end(fresh ? fresh.textContent.replace(/\s+/g, " ").trim() : `The server answered with status ${request.status}.`);
    }
  });
  request.addEventListener("error", () => end("The upload broke off: the server or the network is gone. Nothing was kept."));
  request.addEventListener("abort", () => end("Cancelled: nothing was kept."));
  request.open(form.method, form.action);
  request.send(body);
}

/** A dataset's name made of a file's, as the server would make it. */
function suggested(file) {
  const stem = file.toLowerCase().replace(/(\.(gz|bz2|xz|zst|tar|tgz|tbz2|txz|zip|npz|mat|parquet))+$/, "");
  return stem.replace(/[^a-z0-9]+/g, "-").slice(0, 64).replace(/^-+|-+$/g, "");
}

for (const form of document.querySelectorAll("form[data-upload]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    form.querySelector(".uploading")?.remove();
    send(form);
  });
  for (const chooser of form.querySelectorAll("input[type=file][data-names]")) {
    const name = document.getElementById(chooser.dataset.names);
    let ours = "";
    chooser.addEventListener("change", () => {
      // A name that a person typed stays.
      if (!chooser.files.length || (name.value && name.value !== ours)) return;
      ours = suggested(chooser.files[0].name);
      name.value = ours;
    });
  }
}
