// The tab with what each atom contributes to a prediction.

import { post } from "./api.js";
import { properties } from "./columns.js";
import { el, fill, option } from "./dom.js";
import { shown, signed } from "./numbers.js";
import { state } from "./state.js";

const FEATURES = 8;

let chosen = "";

/** Show the contributions of a row's atoms. */
export function show(panel, row, { signal, draw }) {
  const columns = properties();
  if (!columns.length) return fill(panel, el("p", { class: "quiet" }, "This model predicts nothing that could be explained."));
  if (!columns.some(({ name }) => name === chosen)) chosen = columns[0].name;
  const found = el("div", { "aria-live": "polite" });
  let latest = null;
  const explain = () => {
    latest?.abort();
    latest = new AbortController();
    signal.addEventListener("abort", () => latest.abort());
    return explained(found, row, latest.signal, draw);
  };
  const select = el("select", { id: "explained", on: { change: (event) => {
    chosen = event.target.value;
    explain();
  } } }, ...columns.map(({ name, label }) => option(name, label, name === chosen)));
  fill(panel, el("div", { class: "field" }, el("label", { for: "explained" }, "Contributions to"), select), found);
  return explain();
}

async function explained(panel, row, signal, draw) {
  const key = `${state.model.model} ${chosen}`;
  fill(panel, el("p", { class: "quiet busy" }, "Explaining the prediction \u2026"));
  try {
    row.explained ??= new Map();
    if (!row.explained.has(key))
      row.explained.set(key, await post("v1/explain", { structures: [row.structure], model: state.model.model, property: chosen }, { signal, later: true }));
    const all = row.explained.get(key), one = all.rows[0];
    if (signal.aborted) return;
    if (one.status === "failed") throw new Error(one.reason);
    report(panel, all, one);
    const most = Math.max(...one.atoms.attribution.map(Math.abs), 1e-9);
    draw(row.structure, one.atoms.attribution.map((x) => x / most));
  } catch (error) {
    if (error.name !== "AbortError") fill(panel, el("p", { class: "bad" }, error.message));
  }
}

function report(panel, all, one) {
  const strongest = Object.entries(one.blocks).sort((p, q) => Math.abs(q[1]) - Math.abs(p[1])).slice(0, FEATURES);
  const orbits = one.orbits.map((each) => [`${each.element}${each.atoms > 1 ? ` \u00d7 ${each.atoms}` : ""}`, each.attribution]);
  fill(panel,
    el("p", {}, "Prediction ", el("b", {}, shown(one.prediction)), ` = base ${shown(one.base)} + sum over atoms, in ${all.space || "1"}. The base is the same geometry with every atom the mean of the elements that the model learned from.`),
    bars("Change by each atom, those that symmetry makes equal together", orbits),
    bars("Change by kind of feature", strongest.map(([name, value]) => [name.replaceAll("_", " "), value])));
}

function bars(caption, pairs) {
  const most = Math.max(...pairs.map(([, value]) => Math.abs(value)), 1e-12);
  return el("table", { class: "bars" }, el("caption", {}, caption), el("tbody", {}, ...pairs.map(([name, value]) => {
    const bar = el("span", { class: `bar ${value < 0 ? "less" : "more"}` });
    bar.style.width = `${(50 * Math.abs(value)) / most}%`;
    return el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "room", "aria-hidden": "true" }, bar), el("td", { class: "number" }, signed(value)));
  })));
}
