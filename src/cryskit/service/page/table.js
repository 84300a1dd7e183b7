// The table: of any number of crystals only those in sight are drawn.

import { Block, LINES } from "./block.js";
import { properties } from "./columns.js";
import { at, el, fill } from "./dom.js";
import { ROW } from "./line.js";
import { grouped } from "./numbers.js";
import { changed, on, state } from "./state.js";
import { sortBy, wanted } from "./view.js";

const MORE = 4; // rows that are drawn above and below those in sight, if not more
const WIDE = { first: 190, value: 132, domain: 104 };
const REST = 500; // milliseconds without a change after which the blocks are put in order

let blocks = []; // the rows of a place are shown by the block of the place modulo their number
let rest = 0; // timer

/** Begin to show the table. */
export function start() {
  const scroller = at("scroller");
  scroller.addEventListener("scroll", () => requestAnimationFrame(() => draw(false)), { passive: true });
  new ResizeObserver(() => draw(true)).observe(scroller);
  at("table").addEventListener("keydown", pressed);
  at("rows").addEventListener("click", (event) => {
    const line = event.target.closest("tr[data-index]");
    if (line) open(state.view[Number(line.dataset.index)]);
  });
  on("model", () => {
    blocks = [];
    head();
  });
  on("view", () => {
    head();
    draw(true);
  });
  on("values", () => draw(true));
  on("open", () => draw(true));
}

/** Show the details of a row. */
export function open(row) {
  state.active = row;
  state.open = row;
  changed("open");
}

function head() {
  const columns = properties();
  const focused = document.activeElement?.dataset?.column;
  const button = (column, label, unit, title) => {
    const mark = wanted.sort === column ? (wanted.down ? " \u2193" : " \u2191") : "";
    const facts = { type: "button", "data-column": column, title, on: { click: () => sortBy(column) } };
    return el("button", facts, el("span", { class: "label" }, label + mark), unit ? el("span", { class: "unit" }, unit) : null);
  };
  const cell = (names, ...content) => {
    const sorted = names.includes(wanted.sort) ? (wanted.down ? "descending" : "ascending") : undefined;
    return el("th", { scope: "col", role: "columnheader", "aria-sort": sorted }, ...content);
  };
  fill(
    at("head"),
    cell(["formula", "id"], el("div", { class: "pair" }, button("formula", "Formula"), button("id", "Id"))),
    ...columns.map((each) => cell([each.name], button(each.name, each.label, each.unit, each.title))),
    cell(["domain"], button("domain", "Domain", "", "Whether the model knows such crystals from its training"))
  );
  const widths = [WIDE.first, ...columns.map(() => WIDE.value), WIDE.domain];
  const { style } = at("table");
  style.setProperty("--columns", widths.map((width) => `minmax(${width}px, ${width}fr)`).join(" "));
  style.minWidth = `${widths.reduce((sum, width) => sum + width, 0)}px`;
  at("table").setAttribute("aria-colcount", widths.length);
  if (focused) at("head").querySelector(`[data-column="${CSS.escape(focused)}"]`)?.focus();
}

/** Draw the rows in sight; those that are drawn already stay as they are, unless `anew`. */
function draw(anew) {
  const scroller = at("scroller"), rows = at("rows"), count = state.view.length;
  const first = Math.floor(scroller.scrollTop / ROW), seen = Math.ceil(scroller.clientHeight / ROW) + 1;
  const start = Math.max(0, Math.floor((first - MORE) / LINES));
  const end = Math.min(Math.ceil(count / LINES), Math.ceil((first + seen + MORE) / LINES));
  const needed = Math.ceil((seen + 2 * MORE) / LINES) + 1;
  if (blocks.length !== needed) {
    const columns = properties();
    blocks = Array.from({ length: needed }, (_, number) => new Block(number, columns));
    fill(rows);
  }
  for (let place = start; place < end; place += 1) {
    const block = blocks[place % needed];
    block.show(state.view, place, anew);
    if (!block.element.isConnected) rows.append(block.element);
  }
  for (const { element, place } of blocks) if (place < start || place >= end) element.remove();
  if (anew) {
    rows.style.height = `${count * ROW}px`;
    at("table").setAttribute("aria-rowcount", count + 1);
  }
  cursor();
  clearTimeout(rest);
  rest = setTimeout(order, REST);
}

/** Put the blocks in the order of their rows, in which a screen reader reads them. */
function order() {
  const drawn = blocks.filter(({ element }) => element.isConnected).sort((one, other) => one.place - other.place);
  if (drawn.some(({ element }, i) => at("rows").children[i] !== element)) fill(at("rows"), ...drawn.map(({ element }) => element));
}

function cursor() {
  const table = at("table");
  let found = null;
  for (const { element, row } of blocks.flatMap(({ lines }) => lines)) {
    const isActive = Boolean(row) && row === state.active && element.isConnected;
    element.classList.toggle("active", isActive);
    if (isActive) found = element;
  }
  if (found) table.setAttribute("aria-activedescendant", found.id);
  else table.removeAttribute("aria-activedescendant");
}

function pressed(event) {
  if (event.target.closest("button") || event.ctrlKey || event.metaKey || event.altKey) return;
  const page = Math.max(1, Math.floor(at("scroller").clientHeight / ROW) - 2), last = state.view.length - 1;
  const now = state.view.indexOf(state.active);
  const moves = { ArrowDown: now + 1, ArrowUp: now - 1, PageDown: now + page, PageUp: now - page, Home: 0, End: last };
  if (event.key in moves && last >= 0) {
    event.preventDefault();
    move(Math.min(last, Math.max(0, moves[event.key])));
  } else if ((event.key === "Enter" || event.key === " ") && state.active) {
    event.preventDefault();
    open(state.active);
  }
}

function move(index) {
  const scroller = at("scroller"), top = index * ROW, head = at("head").offsetHeight;
  state.active = state.view[index];
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  else if (top + ROW > scroller.scrollTop + scroller.clientHeight - head) scroller.scrollTop = top + ROW + head - scroller.clientHeight;
  draw(true);
  if (state.open && matchMedia("(min-width: 900px)").matches) {
    state.open = state.active;
    changed("open");
  }
}

/** Return in words what the table shows. */
export function summary() {
  const all = state.rows.length, failed = state.rows.filter((row) => row.status === "failed").length;
  const shownRows = state.view.length === all ? `${grouped(all)} ${all === 1 ? "crystal" : "crystals"}` : `${grouped(state.view.length)} of ${grouped(all)} crystals`;
  return failed ? `${shownRows}, ${grouped(failed)} failed` : shownRows;
}
