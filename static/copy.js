// Buttons that copy a table, or what a page shows, to paste it elsewhere. They stand hidden in the page until this runs.
"use strict";

/** Puts text on the clipboard; also where the page is not served over TLS, and a browser hides its clipboard from it. */
async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.body.appendChild(document.createElement("textarea"));
  area.value = text;
  area.className = "out";
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser did not copy it");
}

/** The part of a LaTeX document that goes into another one. */
function partOf(text) {
  const part = text.match(/\\begin\{table\*?\}[^]*\\end\{table\*?\}|\\begin\{longtable\}[^]*\\end\{longtable\}/);
  return part ? `${part[0]}\n` : text;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy-from], button[data-copy]");
  if (!button) return;
  const words = button.textContent;
  try {
    if (button.dataset.copyFrom) {
      const response = await fetch(button.dataset.copyFrom);
      if (!response.ok) throw new Error(`status ${response.status}`);
      await copyText(partOf((await response.text()).replace(/^\ufeff/, "")));
    } else {
      await copyText(document.getElementById(button.dataset.copy).value);
    }
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not copied";
  }
  setTimeout(() => (button.textContent = words), 2000);
});
document.documentElement.classList.add("copies");
