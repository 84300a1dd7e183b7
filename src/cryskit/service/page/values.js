// The tab with a crystal's predictions: value, interval, and where that lies.

import { properties } from "./columns.js";
import { el, fill } from "./dom.js";
import { shownChance, span } from "./line.js";
import { shown } from "./numbers.js";
import { state } from "./state.js";

const DOMAIN = {
  edge: "At the edge of the domain: the model learned from few crystals like this one.",
  in: "Inside the domain: the model learned from crystals like this one.",
  out: "Outside the domain: no crystal like this one was in the training, and errors are larger than the intervals say.",
};

/** Show the predictions of a row. */
export function show(panel, row) {
  const columns = properties();
  if (!columns.length) return fill(panel, el("p", { class: "quiet" }, "This model predicts nothing. Choose another one above."));
  if (!row.values) return fill(panel, el("p", { class: "quiet" }, row.status === "failed" ? row.reason : "Not computed yet."));
  const { values } = row, level = Math.round(100 * state.level);
  const hasIntervals = columns.some(({ name }) => typeof values[`${name}_lo`] === "number");
  const domain = values.domain && (DOMAIN[values.domain] || `Domain: ${values.domain}`);
  fill(panel,
    el("table", { class: "facts" },
      el("thead", {}, el("tr", {}, ...["Property", "Value", hasIntervals ? `${level} % interval` : "Spread"].map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, ...columns.map((column) => line(column, values)))),
    domain ? el("p", { class: values.domain === "in" ? "quiet" : "warn" }, domain) : null);
  return undefined;
}

function line({ name, label, unit, isClass, title }, values) {
  const value = isClass ? String(values[name] ?? "") : shown(values[name]);
  const width = isClass ? shownChance(values[`${name}_p`]) : span(values, name);
  return el("tr", {}, el("th", { scope: "row", title }, label), el("td", { class: "number" }, value, unit ? el("span", { class: "unit" }, ` ${unit}`) : null), el("td", { class: "number" }, width));
}
