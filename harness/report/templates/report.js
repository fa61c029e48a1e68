"use strict";

// What the page can do beyond being read: filters, copy buttons, and a player that steps through a counterexample.
// Texts reach the document as text nodes only.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const text = (number) => data.texts[number];
  const said = document.getElementById("said");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  // ----------------------------------------------------------------------------------------------------- filters

  const filters = document.getElementById("filters");
  const fields = ["text", "verdict", "check"];

  function parts() {
    const found = new Map(Object.keys(data.scenarios).map((id) => [id, []]));
    for (const element of all("[data-of]")) found.get(element.dataset.of).push(element);
    return found;
  }

  function wanted() {
    return Object.fromEntries(fields.map((name) => [name, filters.elements[name]?.value.trim() ?? ""]));
  }

  function filter(elements) {
    const want = wanted();
    const sought = want.text.toLowerCase();
    let shown = 0;
    for (const [id, [verdict, names, checks]] of Object.entries(data.scenarios)) {
      const fits = names.includes(sought)
        && (!want.verdict || want.verdict === verdict)
        && (!want.check || checks.includes(want.check));
      shown += fits;
      for (const element of elements.get(id)) if (element.hidden === fits) element.hidden = !fits;
    }
    for (const part of all(".chapter")) {
      const mine = all("[data-of]", part);
      part.hidden = mine.length > 0 && mine.every((element) => element.hidden);
    }
    const total = elements.size.toLocaleString("en");
    filters.elements.count.value = shown === elements.size
      ? `All ${total} scenarios are shown`
      : `${shown.toLocaleString("en")} of ${total} scenarios shown`;
  }

  // A link with this state can be passed on: it stands in the address, unless a part of the page does.
  function remember() {
    const kept = new URLSearchParams(Object.entries(wanted()).filter(([, value]) => value));
    const address = kept.size ? `#${kept}` : location.pathname + location.search;
    history.replaceState(null, "", address);
  }

  function recall() {
    const kept = new URLSearchParams(location.hash.slice(1));
    for (const name of fields) {
      const field = filters.elements[name];
      if (!field) continue;
      field.value = kept.get(name) ?? "";
      if (field.selectedIndex === -1) field.value = "";
    }
  }

  function speaksOfFilters() {
    const kept = new URLSearchParams(location.hash.slice(1));
    return location.hash.length < 2 || fields.some((name) => kept.has(name));
  }

  function setUpFilters() {
    const elements = parts();
    filters.hidden = false;
    const update = () => { filter(elements); remember(); };
    filters.addEventListener("input", update);
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.addEventListener("reset", () => setTimeout(update));
    addEventListener("hashchange", () => {
      if (!speaksOfFilters()) return;
      recall();
      filter(elements);
    });
    recall();
    filter(elements);
    // What a link leads to must be there to be led to.
    return (target) => {
      if (!target.closest("[hidden]")) return;
      for (const name of fields) if (filters.elements[name]) filters.elements[name].value = "";
      filter(elements);
    };
  }

  // ------------------------------------------------------------------------------------------------------- links

  function setUpLinks(unhide) {
    const reveal = () => {
      const target = speaksOfFilters() ? null : document.getElementById(location.hash.slice(1));
      if (!target) return;
      unhide(target);
      for (let at = target; at; at = at.parentElement?.closest("details")) if (at.tagName === "DETAILS") at.open = true;
      target.scrollIntoView();
      target.querySelector("summary")?.focus({ preventScroll: true });
    };
    addEventListener("hashchange", reveal);
    // A second click on the same link changes no hash.
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[href^='#']");
      if (link && link.hash === location.hash) reveal();
    });
    reveal();
  }

  // -------------------------------------------------------------------------------------------------------- copy

  async function copy(code) {
    try {
      await navigator.clipboard.writeText(code.textContent);
      return true;
    } catch {
      // Not every browser lets a page from a file write to the clipboard; a selection it does.
      getSelection().selectAllChildren(code);
      return document.execCommand("copy");
    }
  }

  function setUpCopying() {
    for (const code of all(".again code")) {
      const button = make("button", { type: "button", "aria-label": "Copy the command" }, "Copy");
      button.addEventListener("click", async () => {
        const done = await copy(code);
        button.textContent = done ? "Copied" : "Selected";
        said.textContent = done ? "The command was copied." : "The command is selected: press Ctrl+C to copy it.";
        setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 3000);
      });
      code.after(" ", button);
    }
  }

  // ------------------------------------------------------------------------------------------------------ player

  function table(caption, columns, rows) {
    const head = make("tr", {}, ...columns.map((column) => make("th", { scope: "col" }, column)));
    return make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
      make("table", { class: "rows" }, make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, ...rows)));
  }

  function sessionTable(label, number) {
    const rows = data.sessions[number].map(([worker, state, at, whom, held, awaited]) =>
      make("tr", awaited.length || text(whom) ? { class: "waits" } : {},
        make("th", { scope: "row" }, text(worker)),
        ...[text(state), text(at), text(whom)].map((value) => make("td", {}, value || "–")),
        ...[held, awaited].map((locks) => make("td", {}, locks.length
          ? make("ul", {}, ...locks.map((lock) => make("li", {}, text(lock))))
          : "–"))));
    return table(`Sessions at ${label}`, ["worker", "state", "at", "waits for", "holds", "awaits"], rows);
  }

  function tally(rows) {
    const found = new Map();
    for (const row of rows) found.set(row, (found.get(row) ?? 0) + 1);
    return found;
  }

  function ledgerTable(label, number, before) {
    const [name, columns, rows, more] = data.tables[number];
    const left = tally(before ?? rows);
    const shown = rows.map((row) => {
      const known = left.get(row) ?? 0;
      left.set(row, known - 1);
      const mark = known > 0 ? [] : ["≠", make("span", { class: "quiet" }, " changed in this step")];
      return make("tr", known > 0 ? {} : { class: "changed" },
        make("td", { class: "tick" }, ...mark), ...data.rows[row].map((cell) => make("td", {}, text(cell))));
    });
    const gone = (before?.length ?? 0) - rows.length;
    const notes = [...(gone > 0 ? [`${gone} fewer`] : []), ...(more > 0 ? [`${more} more not shown`] : [])];
    const caption = [`${text(name)} as committed at ${label}`, ...notes].join(", ");
    return table(caption, [make("span", { class: "quiet" }, "changed"), ...columns.map(text)], shown);
  }

  function ledgerTables(label, number, before) {
    const earlier = new Map(before === undefined ? [] : data.ledgers[before].map((at) => [data.tables[at][0], data.tables[at][2]]));
    return data.ledgers[number].map((at) =>
      ledgerTable(label, at, before === undefined ? undefined : earlier.get(data.tables[at][0]) ?? []));
  }

  // The statement and its line of code stand in the table already, folded.
  function statements(row) {
    return all("details", row).map((step) => {
      const shown = all(":scope > pre, :scope > .code", step).map((part) => part.cloneNode(true));
      return make("div", { class: "statement" }, ...shown);
    });
  }

  function signed(name, sign) {
    const drawn = make("span", { "aria-hidden": "true" }, sign);
    return "«‹".includes(sign) ? [drawn, ` ${name}`] : [`${name} `, drawn];
  }

  function setUpPlayer(box) {
    const frames = data.examples[box.dataset.example];
    const order = document.getElementById(`${box.dataset.example}-order`);
    if (!frames?.length || !order || box.querySelector(".bar")) return;
    let at = 0;

    const slider = make("input", { type: "range", min: "0", max: String(frames.length - 1), value: "0", "aria-label": "Turn" });
    const buttons = [
      ["First", "«", () => 0], ["Back", "‹", () => at - 1], ["Next", "›", () => at + 1], ["Last", "»", () => frames.length - 1],
    ].map(([name, sign, to]) => {
      const button = make("button", { type: "button" }, ...signed(name, sign));
      button.addEventListener("click", () => go(to()));
      return button;
    });
    const told = make("p", { class: "told", "aria-live": "polite" });
    const panel = make("div", { class: "panel" });
    const keys = make("span", { class: "at" }, "with the buttons, the slider or ← → Home End");
    const bar = make("div", { class: "bar" },
      make("p", { class: "title" }, "Step through it ", keys),
      make("div", { class: "controls" }, ...buttons, slider),
      told);
    box.append(bar, panel);

    for (const [index, [row, label]] of frames.entries()) {
      const button = make("button", { type: "button", class: "turn", title: "Step to this turn" }, text(label));
      button.addEventListener("click", () => go(index));
      order.tBodies[0].rows[row].cells[0].replaceChildren(button);
    }

    function go(to) {
      const next = Math.min(Math.max(to, 0), frames.length - 1);
      if (next === at && panel.childElementCount) return;
      at = next;
      bar.classList.add("used");
      show();
    }

    function show() {
      const [row, label, happened, sessions, ledger] = frames[at];
      const name = text(label);
      for (const marked of all("tr[aria-current]", order)) marked.removeAttribute("aria-current");
      const current = order.tBodies[0].rows[row];
      current.setAttribute("aria-current", "step");
      slider.value = String(at);
      slider.setAttribute("aria-valuetext", name);
      // Not disabled, which would take the keyboard's focus away from them.
      for (const [index, button] of buttons.entries()) {
        button.setAttribute("aria-disabled", String(at === (index < 2 ? 0 : frames.length - 1)));
      }
      const broken = current.classList.contains("broken") ? " Here the rule is broken." : "";
      const stop = /[.…]$/.test(text(happened)) ? "" : ".";
      told.replaceChildren(make("strong", {}, name), ` ${text(happened)}${stop}${broken}`);
      panel.replaceChildren(
        ...statements(current),
        ...(sessions < 0 ? [] : [sessionTable(name, sessions)]),
        ...ledgerTables(name, ledger, at ? frames[at - 1][4] : undefined));
    }

    box.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: frames.length - 1 }[event.key];
      const scrolls = event.target.classList.contains("scroll");
      if (to === undefined || scrolls || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      go(to);
    });
    slider.addEventListener("input", () => go(Number(slider.value)));
    show();
  }

  function setUpPlayers() {
    const within = (fold) => { if (fold.open) all(".player", fold).forEach(setUpPlayer); };
    all(".fold[open]").forEach(within);
    document.addEventListener("toggle", (event) => within(event.target), true);
  }

  // ------------------------------------------------------------------------------------------------------- print

  function setUpPrinting() {
    let closed = [];
    addEventListener("beforeprint", () => {
      closed = all("details:not([open])");
      for (const fold of closed) fold.open = true;
    });
    addEventListener("afterprint", () => { for (const fold of closed) fold.open = false; });
  }

  setUpCopying();
  setUpPlayers();
  setUpPrinting();
  setUpLinks(filters ? setUpFilters() : () => {});
})();
