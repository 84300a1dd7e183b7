// A line of the table. It is made once and shows one row after another: scrolling makes no elements, and writes only texts that differ.

import { changing, el, put } from "./dom.js";
import { Formula } from "./formula.js";
import { shown } from "./numbers.js";
import { state } from "./state.js";

export const ROW = 44; // height of a line in pixels, as in the style sheet
const WAITING = "\u00b7\u00b7\u00b7";

/** A line with the cells of some columns, and an id of its own. */
export class Line {
  constructor(id, columns) {
    this.index = -1; // place of the row that it shows
    this.row = null;
    this.columns = columns;
    [this.formula, this.name] = [new Formula(), changing()];
    this.head = el("th", { scope: "row", role: "rowheader" }, this.formula.element, el("span", { class: "small" }, this.name));
    this.values = columns.map(({ isClass }) => {
      const [value, small] = [changing(), changing()];
      return { value, small, cell: el("td", { role: "gridcell", class: isClass ? "value" : "value number" }, value, el("span", { class: "small" }, small)) };
    });
    this.reason = changing();
    this.problem = el("td", { role: "gridcell", class: "reason" }, this.reason);
    this.said = changing();
    this.mark = el("span", {}, this.said);
    this.domain = el("td", { role: "gridcell" }, this.mark);
    this.element = el("tr", { id, role: "row" }, this.head, ...this.values.map(({ cell }) => cell), this.problem, this.domain);
  }

  /** Show a row at a place, or nothing where there is no row; what is shown already stays as it is, unless `anew`. */
  show(row, index, anew) {
    if (!anew && row === this.row && index === this.index) return;
    this.element.hidden = !row;
    if (row) this.write(row, index);
    else delete this.element.dataset.index;
    Object.assign(this, { row, index });
  }

  /** Write what is to be said of a row. */
  write(row, index) {
    const failed = row.status === "failed";
    this.formula.write(row.formula || "\u2014");
    this.element.dataset.index = index;
    this.element.setAttribute("aria-rowindex", index + 2);
    put(this.name, row.id);
    titled(this.head, row.path ? `${row.id} (${row.path})` : row.id);
    put(this.reason, failed ? row.reason : "");
    titled(this.problem, failed ? row.reason : "");
    titled(this.domain, row.reason);
    if (!failed) this.columns.forEach((column, i) => entered(this.values[i], row.values, column));
    const [kind, text] = markOf(row);
    put(this.said, text);
    if (this.mark.className !== `mark ${kind}`) this.mark.className = `mark ${kind}`;
    this.element.classList.toggle("failed", failed);
    this.element.classList.toggle("wait", !failed && !row.values);
    this.element.setAttribute("aria-selected", row === state.open);
  }
}

function entered({ value, small }, values, { name, isClass }) {
  put(value, !values ? WAITING : isClass ? String(values[name] ?? "") : shown(values[name]));
  put(small, !values ? "" : isClass ? shownChance(values[`${name}_p`]) : span(values, name));
}

function titled(element, text) {
  if (element.title !== text) element.title = text;
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

function markOf(row) {
  const domain = row.values?.domain;
  return row.status === "failed" ? ["bad", "failed"]
    : !row.values ? ["idle", row.structure ? "waiting" : ""]
    : domain && domain !== "in" ? ["warn", `${domain === "out" ? "outside" : domain}`]
    : row.status === "warned" ? ["warn", "doubtful"]
    : domain ? ["good", "inside"] : ["idle", "ok"];
}
