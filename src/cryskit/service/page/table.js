// The table: of any number of crystals only those in sight are drawn.

import { properties } from "./columns.js";
import { at, el, fill, formulaOf } from "./dom.js";
import { grouped, shown } from "./numbers.js";
import { changed, on, state } from "./state.js";
import { sortBy, wanted } from "./view.js";

const ROW = 44; // pixels, as in the style sheet
const MORE = 8; // rows that are drawn above and below those in sight
const WIDE = { first: 190, value: 132, domain: 104 };

let drawn = "";
let lines = new Map(); // index of a row in sight -> its line

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
  on("model", head);
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
  fill(at("widths"), widths.map((width) => {
    const column = el("col");
    column.style.width = `${width}px`;
    return column;
  }));
  at("table").style.minWidth = `${widths.reduce((sum, width) => sum + width, 0)}px`;
  at("table").setAttribute("aria-colcount", widths.length);
  if (focused) at("head").querySelector(`[data-column="${CSS.escape(focused)}"]`)?.focus();
}

/** Draw the rows in sight; nothing is done if they are drawn already, unless `anew`. */
function draw(anew) {
  const scroller = at("scroller"), count = state.view.length;
  const start = Math.max(0, Math.floor(scroller.scrollTop / ROW) - MORE);
  const end = Math.min(count, Math.ceil((scroller.scrollTop + scroller.clientHeight) / ROW) + MORE);
  const now = `${start} ${end}`;
  if (!anew && now === drawn) return;
  drawn = now;
  const known = anew ? new Map() : lines, columns = properties();
  lines = new Map();
  for (let i = start; i < end; i += 1) lines.set(i, known.get(i) || line(state.view[i], i, columns));
  if (anew || ![...lines.keys()].some((i) => known.has(i))) fill(at("rows"), space(), ...lines.values(), space());
  else moved(known);
  tall(at("rows").firstElementChild, start);
  tall(at("rows").lastElementChild, count - end);
  at("table").setAttribute("aria-rowcount", count + 1);
  cursor();
}

/** Take away the lines that are out of sight, and put new ones where they belong; the others stay as they are. */
function moved(known) {
  for (const [i, each] of known) if (!lines.has(i)) each.remove();
  let last = at("rows").firstElementChild;
  for (const each of lines.values()) {
    if (last.nextElementSibling !== each) last.after(each);
    last = each;
  }
}

const space = () => el("tr", { "aria-hidden": "true", class: "space" });

function tall(line, rows) {
  line.style.height = `${rows * ROW}px`;
  line.hidden = rows <= 0;
}

function line(row, index, columns) {
  const facts = { id: `row-${row.key}`, role: "row", "data-index": index, "aria-rowindex": index + 2, "aria-selected": String(row === state.open) };
  const name = el("th", { scope: "row", role: "rowheader", title: row.path ? `${row.id} (${row.path})` : row.id },
    row.formula ? formulaOf(row.formula) : el("span", { class: "formula none" }, "\u2014"), el("span", { class: "small" }, row.id));
  return el("tr", { ...facts, class: row.status === "failed" ? "failed" : undefined }, name, ...cells(row, columns), mark(row));
}

function cells(row, columns) {
  if (row.status === "failed")
    return [el("td", { role: "gridcell", class: "reason", colspan: columns.length || 1, title: row.reason }, row.reason)];
  return columns.map(({ name, isClass }) => {
    const values = row.values;
    if (!values) return el("td", { role: "gridcell", class: "number" }, el("span", { class: "wait" }, "\u00b7\u00b7\u00b7"));
    if (isClass)
      return el("td", { role: "gridcell" }, String(values[name] ?? ""), el("span", { class: "small" }, shownChance(values[`${name}_p`])));
    return el("td", { role: "gridcell", class: "number" }, shown(values[name]), el("span", { class: "small" }, span(values, name)));
  });
}

/** Return the interval of a value as text, its standard deviation if there is none. */
export function span(values, name) {
  const low = values[`${name}_lo`], high = values[`${name}_hi`], spread = values[`${name}_std`];
  if (typeof low === "number" && typeof high === "number") return `${shown(low)} \u2026 ${shown(high)}`;
  return typeof spread === "number" ? `\u00b1 ${shown(spread)}` : "";
}

/** Return the probability of a class as text. */
export function shownChance(value) {
  return typeof value === "number" ? `${Math.round(100 * value)} %` : "";
}

function mark(row) {
  const domain = row.values?.domain;
  const [kind, text] =
    row.status === "failed" ? ["bad", "failed"]
    : !row.values ? ["idle", row.structure ? "waiting" : ""]
    : domain && domain !== "in" ? ["warn", `${domain === "out" ? "outside" : domain}`]
    : row.status === "warned" ? ["warn", "doubtful"]
    : domain ? ["good", "inside"] : ["idle", "ok"];
  return el("td", { role: "gridcell", title: row.reason }, el("span", { class: `mark ${kind}` }, text));
}

function cursor() {
  const table = at("table"), line = state.active && at(`row-${state.active.key}`);
  for (const each of at("rows").querySelectorAll(".active")) each.classList.remove("active");
  line?.classList.add("active");
  if (line) table.setAttribute("aria-activedescendant", line.id);
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
