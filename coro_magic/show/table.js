// The table of coroutines. Rows are asked for as they come into view; the latest answer wins.
// Names, results and errors are the user's: they become text nodes, and never markup.

const ROW = 26; // pixels
const LINES = 14; // rows in view
const TALLEST = 8e6; // pixels; browsers have a limit on how tall an element can be
const WIDTHS = "minmax(8.5em,1.5fr) 7.4em 6.4em 5.8em 6.4em 6.4em 6.9em 5.2em minmax(7.2em,1fr) 4.5em minmax(8.5em,2fr)";
const NUMBERS = new Set(["running", "ready", "waiting", "longest", "resumptions", "items", "where"]);
const TIMES = ["running", "ready", "waiting"];
// The cue beside the colour, as in the picture.
const SIGNS = { done: "✓", failed: "✖", cancelled: "◆", "left over": "▷", unfinished: "…" };

const STYLE = `
.coro-table { --ink: var(--jp-ui-font-color1, #1c2126); --faint: var(--jp-ui-font-color2, #5b646c);
  --paper: var(--jp-layout-color1, #fff); --lane: var(--jp-layout-color2, #f5f6f8);
  --line: var(--jp-border-color2, #dcdfe3); --edge: var(--jp-border-color1, #b9bec4);
  --focus: var(--jp-brand-color1, #1976d2); --bad: var(--jp-error-color1, #c1121f);
  --running: #0a5c99; --ready: #efa21f; --waiting: #aeb6bd;
  color: var(--ink); font: 13px/1.35 var(--jp-ui-font-family, system-ui, sans-serif); container-type: inline-size; }
@media (prefers-color-scheme: dark) { .coro-table { --ink: var(--jp-ui-font-color1, #e8eaed);
  --faint: var(--jp-ui-font-color2, #a5abb2); --paper: var(--jp-layout-color1, #16191d);
  --lane: var(--jp-layout-color2, #22262b); --line: var(--jp-border-color2, #363b41);
  --edge: var(--jp-border-color1, #565d65); --focus: var(--jp-brand-color1, #64b5f6); --bad: var(--jp-error-color1, #ff8a80); } }
.coro-table.dark { --running: #4da3e0; --waiting: #6d757d; }
.coro-table * { box-sizing: border-box; }
.coro-table .tools { display: flex; flex-wrap: wrap; gap: 6px 10px; align-items: center; margin: 2px 0 8px; }
.coro-table input[type=search], .coro-table select { font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--edge); border-radius: 4px; padding: 3px 7px; height: 28px; min-width: 0; }
.coro-table input[type=search] { flex: 0 1 16em; }
.coro-table .sides { display: inline-flex; border: 1px solid var(--edge); border-radius: 4px; overflow: hidden; }
.coro-table .sides button { border: 0; background: var(--paper); padding: 3px 10px; height: 26px; font: inherit;
  color: inherit; cursor: pointer; }
.coro-table .sides button[aria-pressed=true] { background: var(--running); color: #fff; }
.coro-table.dark .sides button[aria-pressed=true] { color: #10151a; }
.coro-table .found { color: var(--faint); margin-left: auto; }
.coro-table .grid { border: 1px solid var(--line); border-radius: 4px; overflow: auto; position: relative;
  background: var(--paper); overscroll-behavior: contain; }
.coro-table .grid:focus-visible, .coro-table button:focus-visible, .coro-table input:focus-visible,
.coro-table select:focus-visible { outline: 2px solid var(--focus); outline-offset: -2px; }
.coro-table .inner { min-width: 955px; position: relative; }
.coro-table .line { display: grid; grid-template-columns: ${WIDTHS}; height: ${ROW}px; }
.coro-table .head { position: sticky; top: 0; z-index: 3; background: var(--lane); border-bottom: 1px solid var(--edge); }
.coro-table .cell { padding: 4px 8px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; min-width: 0; }
.coro-table .number { text-align: right; font-variant-numeric: tabular-nums; position: relative; }
.coro-table .first { position: sticky; left: 0; z-index: 1; background: inherit;
  font-family: var(--jp-code-font-family, ui-monospace, monospace); font-size: 12.5px; }
.coro-table .rows .outcome { font-family: var(--jp-code-font-family, ui-monospace, monospace); font-size: 12px; color: var(--faint); padding-top: 5px; }
.coro-table .head .cell { padding: 0; overflow: visible; }
.coro-table .head .first { z-index: 4; font-family: inherit; background: var(--lane); }
.coro-table .head button { all: unset; box-sizing: border-box; width: 100%; height: 100%; padding: 3px 8px; cursor: pointer; font-weight: 600;
  font-size: 12px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.coro-table .head button:hover { background: var(--line); }
.coro-table .head .number button { text-align: right; }
.coro-table .rows { position: absolute; left: 0; right: 0; }
.coro-table .rows .line { background: var(--paper); border-bottom: 1px solid color-mix(in srgb, var(--line) 55%, transparent); }
.coro-table .rows .line.odd { background: color-mix(in srgb, var(--lane) 45%, var(--paper)); }
.coro-table .rows .line:hover, .coro-table .rows .line.here { background: color-mix(in srgb, var(--focus) 16%, var(--paper)); }
.coro-table .grid:focus-visible .line.here { outline: 1px solid var(--focus); outline-offset: -1px; }
.coro-table .line.failed .state { color: var(--bad); font-weight: 600; }
.coro-table .sign { display: inline-block; width: 1.3em; }
.coro-table .share { position: absolute; right: 8px; bottom: 2px; height: 3px; border-radius: 1px; }
.coro-table .share.running { background: var(--running); } .coro-table .share.ready { background: var(--ready); }
.coro-table .share.waiting { background: var(--waiting); }
.coro-table .none { padding: 18px; color: var(--faint); }
.coro-table .more { min-height: 1.5em; margin: 6px 2px 0; color: var(--faint); font-family: var(--jp-code-font-family, ui-monospace, monospace);
  font-size: 12px; overflow-wrap: anywhere; max-height: 6em; overflow: auto; }
@container (max-width: 520px) { .coro-table .inner { min-width: 930px; } .coro-table .found { margin-left: 0; flex-basis: 100%; }
  .coro-table input[type=search] { flex: 1 1 9em; } }
`;

let instances = 0;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function plural(unit, count) {
  return `${count.toLocaleString("en")} ${unit}${count === 1 ? "" : "s"}`;
}

// Whether the page is dark is seen by its paper: JupyterLab's theme need not be the system's.
function isDark(node) {
  const [r, g, b] = (getComputedStyle(node).backgroundColor.match(/[\d.]+/g) || [255, 255, 255]).map(Number);
  return 0.3 * r + 0.6 * g + 0.1 * b < 128;
}

function render({ model, el }) {
  const prefix = `coro-table-${++instances}`;
  const heads = model.get("heads");
  const sides = model.get("sides");
  const view = { side: 0, text: "", state: "", sort: "", descending: false, active: -1, found: 0, asked: 0 };
  let cache = { first: 0, rows: [] };
  let timer = 0;

  const root = element("div", "coro-table");
  const style = element("style");
  style.textContent = STYLE;
  const tools = element("div", "tools");
  const grid = element("div", "grid");
  const inner = element("div", "inner");
  const head = element("div", "head line");
  const rows = element("div", "rows");
  const more = element("div", "more");
  const found = element("span", "found");
  found.setAttribute("role", "status");
  grid.tabIndex = 0;
  grid.setAttribute("role", "grid");
  grid.setAttribute("aria-readonly", "true");
  grid.setAttribute("aria-colcount", String(heads.length));
  rows.setAttribute("role", "rowgroup");
  head.setAttribute("role", "row");
  head.setAttribute("aria-rowindex", "1");
  more.setAttribute("aria-live", "polite");

  // What is above the table: whose rows, and which of them.

  const chosen = element("span", "sides");
  chosen.setAttribute("role", "group");
  chosen.setAttribute("aria-label", "whose rows");
  sides.forEach((side, index) => {
    const button = element("button", "", side.name);
    button.type = "button";
    button.onclick = () => {
      Object.assign(view, { side: index, state: "", active: -1 });
      fillStates();
      again();
    };
    chosen.append(button);
  });
  const search = element("input");
  search.type = "search";
  search.placeholder = "filter by name";
  search.setAttribute("aria-label", "filter by name");
  search.oninput = () => {
    view.text = search.value;
    again();
  };
  const states = element("select");
  states.setAttribute("aria-label", "state");
  states.onchange = () => {
    view.state = states.value;
    again();
  };
  if (sides.length > 1) tools.append(chosen);
  tools.append(search, states, found);

  function fillStates() {
    states.replaceChildren();
    const all = element("option", "", "any state");
    all.value = "";
    states.append(all);
    for (const [word, count] of sides[view.side].states) {
      const option = element("option", "", `${word} (${count.toLocaleString("en")})`);
      option.value = word;
      states.append(option);
    }
    states.value = view.state;
    [...chosen.children].forEach((button, index) =>
      button.setAttribute("aria-pressed", String(index === view.side)));
    grid.setAttribute("aria-label", `${sides[view.side].name} of the run`);
  }

  // The head: a click sorts, a second one turns the order round, a third brings back the spawn order.

  const headCells = heads.map(({ key, text, largest }, index) => {
    const cell = element("div", `cell ${key}${NUMBERS.has(key) ? " number" : ""}${index ? "" : " first"}`);
    cell.setAttribute("role", "columnheader");
    cell.setAttribute("aria-colindex", String(index + 1));
    const button = element("button", "", text);
    button.type = "button";
    button.onclick = () => {
      if (view.sort !== key) Object.assign(view, { sort: key, descending: largest });
      else if (view.descending === largest) view.descending = !largest;
      else Object.assign(view, { sort: "", descending: false });
      again();
    };
    cell.append(button);
    head.append(cell);
    return cell;
  });

  function showOrder() {
    heads.forEach(({ key, text }, index) => {
      const here = view.sort === key;
      headCells[index].setAttribute("aria-sort", here ? (view.descending ? "descending" : "ascending") : "none");
      headCells[index].firstChild.textContent = here ? `${text} ${view.descending ? "▼" : "▲"}` : text;
    });
  }

  // Which rows are in view.

  const below = () => Math.max(view.found * ROW - LINES * ROW, 0);
  const travel = () => Math.min(below(), TALLEST);
  const offset = () => (below() > TALLEST ? (grid.scrollTop / TALLEST) * below() : grid.scrollTop);
  const firstInView = () => Math.min(Math.floor(offset() / ROW), Math.max(view.found - 1, 0));

  function scrollToRow(index) {
    const top = index * ROW, seen = offset();
    let wanted = seen;
    if (top < seen) wanted = top;
    if (top + ROW > seen + LINES * ROW) wanted = top + ROW - LINES * ROW;
    if (wanted !== seen) grid.scrollTop = below() > TALLEST ? (wanted / below()) * TALLEST : wanted;
  }

  function covered() {
    const first = firstInView(), last = Math.min(first + LINES + 1, view.found);
    return first >= cache.first && last <= cache.first + cache.rows.length;
  }

  function ask() {
    const first = Math.max(firstInView() - 2 * LINES, 0);
    model.send({ kind: "rows", id: ++view.asked, side: view.side, text: view.text, state: view.state,
      sort: view.sort, descending: view.descending, first, count: 5 * LINES });
  }

  function again() {
    // Another filter or order: what is there does not fit any more, but stays until the answer comes.
    view.active = -1;
    grid.scrollTop = 0;
    showOrder();
    ask();
  }

  function take(answer) {
    if (answer.kind === "error") {
      found.textContent = answer.message;
      return;
    }
    if (answer.kind !== "rows" || answer.id !== view.asked) return;
    view.found = answer.found;
    cache = { first: answer.first, rows: answer.rows };
    const all = sides[view.side];
    found.textContent = answer.found === all.rows ? plural("row", all.rows)
      : `${answer.found.toLocaleString("en")} of ${plural("row", all.rows)}`;
    grid.setAttribute("aria-rowcount", String(answer.found + 1));
    const lines = Math.min(Math.max(answer.found, 1), LINES);
    grid.style.height = `${(lines + 1) * ROW + 16}px`;
    inner.style.height = `${travel() + (lines + 1) * ROW}px`;
    draw();
  }

  function draw() {
    const first = firstInView(), made = [];
    // In a scaled list the rows go with the view; else they stand where they belong.
    rows.style.top = `${ROW + (below() > TALLEST ? grid.scrollTop : first * ROW)}px`;
    for (let index = first; index < Math.min(first + LINES + 2, view.found); index++) {
      const data = cache.rows[index - cache.first];
      made.push(line(index, data));
    }
    if (!view.found) made.push(element("div", "none", "no row fits the filter"));
    rows.replaceChildren(...made);
    const active = cache.rows[view.active - cache.first];
    more.textContent = active ? active.more : "";
    if (view.active >= 0 && made.some((each) => each.id === `${prefix}-${view.active}`))
      grid.setAttribute("aria-activedescendant", `${prefix}-${view.active}`);
    else grid.removeAttribute("aria-activedescendant");
  }

  function line(index, data) {
    const made = element("div", "line");
    made.id = `${prefix}-${index}`;
    made.setAttribute("role", "row");
    made.setAttribute("aria-rowindex", String(index + 2));
    if (index % 2) made.classList.add("odd");
    if (index === view.active) {
      made.classList.add("here");
      made.setAttribute("aria-selected", "true");
    }
    made.onclick = () => {
      view.active = index;
      draw();
    };
    heads.forEach(({ key }, column) => {
      const cell = element("div", `cell ${key}${NUMBERS.has(key) ? " number" : ""}${column ? "" : " first"}`);
      cell.setAttribute("role", column ? "gridcell" : "rowheader");
      cell.setAttribute("aria-colindex", String(column + 1));
      if (data) {
        const text = data.cells[column];
        if (key === "state") {
          const sign = element("span", "sign", SIGNS[text] || "");
          sign.setAttribute("aria-hidden", "true");
          cell.append(sign, text);
        } else cell.textContent = text;
        if (key === "name" || key === "outcome" || key === "parent") cell.title = text;
        const part = TIMES.indexOf(key);
        if (part >= 0 && data.shares) {
          const bar = element("span", `share ${key}`);
          bar.style.width = `calc((100% - 16px) * ${data.shares[part]})`;
          cell.append(bar);
        }
      } else if (!column) cell.textContent = "…";
      made.append(cell);
    });
    if (data && data.state === "failed") made.classList.add("failed");
    return made;
  }

  grid.addEventListener("scroll", () => {
    draw();
    if (covered()) return;
    // One question at a time, however fast somebody scrolls.
    clearTimeout(timer);
    timer = setTimeout(ask, 40);
  });

  grid.addEventListener("keydown", (event) => {
    if (event.target !== grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: LINES - 1, PageUp: 1 - LINES, Home: -Infinity, End: Infinity };
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      grid.scrollLeft += event.key === "ArrowLeft" ? -80 : 80;
    } else if (event.key in steps) {
      const from = view.active < 0 ? firstInView() - Math.sign(Math.max(steps[event.key], 0)) : view.active;
      view.active = Math.min(Math.max(from + steps[event.key], 0), view.found - 1);
      scrollToRow(view.active);
      draw();
      if (!covered()) {
        clearTimeout(timer);
        timer = setTimeout(ask, 40);
      }
    } else return;
    // The notebook has its own ideas of what these keys do.
    event.preventDefault();
    event.stopPropagation();
  });

  inner.append(head, rows);
  grid.append(inner);
  root.append(style, tools, grid, more);
  el.append(root);
  const look = () => root.classList.toggle("dark", isDark(grid));
  requestAnimationFrame(look);
  const themes = new MutationObserver(() => requestAnimationFrame(look));
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"] });

  model.on("msg:custom", take);
  fillStates();
  showOrder();
  take(model.get("beginning"));
  return () => {
    clearTimeout(timer);
    themes.disconnect();
    model.off("msg:custom", take);
  };
}

export default { render };
