// The form of a new experiment follows what is typed: its estimate, what is wrong beside each field, and what the chosen dataset,
// budget and methods have to offer, all of which the server says. Without this script the button Estimate brings the same.
//
// The address follows too: it names what differs from the form as it is at first, as a person would write it into a link. So a
// reload, the way back from what was launched, a bookmark and a second tab each have their own form; nothing is kept in the
// browser that another tab could change.
"use strict";

{
  const TYPING = 400; // milliseconds without a key before the server is asked
  const form = document.querySelector("form[data-estimate-from]");
  // The form has a field named “dataset”, which hides the property of that name.
  const place = form.getAttribute("data-estimate-from");
  const initial = new URLSearchParams(form.getAttribute("data-initial"));

  /** The form's address: what differs from the initial form; a list that was emptied by an empty value. */
  function address() {
    const now = new URLSearchParams(new FormData(form));
    for (const name of ["whole", "confirmed"]) now.delete(name);
    const query = new URLSearchParams();
    for (const name of new Set([...initial.keys(), ...now.keys()])) {
      const [own, first] = [now, initial].map((all) => all.getAll(name).filter((value) => value.trim()));
      if ([...own].sort().join("\n") === [...first].sort().join("\n")) continue;
      for (const value of own.length ? own : [""]) query.append(name, value);
    }
    return query.size ? `${place}?${query}` : place;
  }

  function remember() {
    try {
      history.replaceState(history.state, "", address());
    } catch {
      // A browser that finds these too many keeps the last one.
    }
  }

  /** Brings a part up to date; what is chosen in it stays chosen. */
  function bring(part, fresh) {
    const lists = part.localName === "select" ? [part] : [...part.querySelectorAll("select")];
    const chosen = lists.map((list) => list.value);
    update(part, document.importNode(fresh, true));
    lists.forEach((list, i) => {
      if ([...list.options].some((option) => option.value === chosen[i])) list.value = chosen[i];
    });
  }

  /** Marks the controls beside whose words something is wrong. */
  function mark(words) {
    for (const control of form.querySelectorAll(`[name="${CSS.escape(words.getAttribute("data-of"))}"]`)) {
      if (words.textContent) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
      const others = (control.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== words.id);
      const ids = words.textContent ? [words.id, ...others] : others;
      if (ids.length) control.setAttribute("aria-describedby", ids.join(" "));
      else control.removeAttribute("aria-describedby");
    }
  }

  let timer = 0;
  let newest = 0;

  async function estimate() {
    const mine = ++newest;
    remember();
    form.classList.add("busy");
    try {
      const response = await fetch(address(), { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      // An answer to what was typed before must not overwrite a later one.
      if (mine !== newest || !page.getElementById("launch")) return;
      for (const part of form.querySelectorAll("[data-estimate]")) {
        // A part in which somebody types is left as it is.
        const fresh = part.contains(document.activeElement) ? null : page.getElementById(part.id);
        if (fresh) bring(part, fresh);
        else if (part.matches(".wrong")) part.textContent = "";
      }
      for (const words of form.querySelectorAll("[data-of]")) mark(words);
      // The list above the form stands there after a launch that was refused, until all of it is mended.
      const told = document.getElementById("problems");
      const problems = page.getElementById("problems");
      if (told && problems) update(told, document.importNode(problems, true));
      else told?.remove();
      form.classList.add("followed");
    } catch {
      // Then there is the button.
      form.classList.remove("followed");
    } finally {
      if (mine === newest) form.classList.remove("busy");
    }
  }

  form.classList.add("followed");
  form.addEventListener("input", (event) => {
    if (event.target.name === "confirmed") return;
    clearTimeout(timer);
    timer = setTimeout(estimate, TYPING);
  });
  form.addEventListener("change", remember);
  // The way back from what is launched leads to the form as it was sent.
  form.addEventListener("submit", remember);
  // A refused launch is answered in the place of comparisons; here it gets its own address, so that it can be loaded again.
  if (location.pathname !== place) remember();
  // A browser may bring back what was typed into a page that was loaded again.
  const served = address();
  addEventListener("pageshow", () => {
    if (address() !== served) estimate();
  });
}
