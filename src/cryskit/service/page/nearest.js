// The tab with the known crystals that the model finds most alike.

import { post } from "./api.js";
import { el, fill, option } from "./dom.js";
import { formulaOf } from "./formula.js";
import { fixed, grouped, shown } from "./numbers.js";
import { words } from "./columns.js";
import { state } from "./state.js";

const TOP = 12;
const COLUMNS = 2; // known values that have room

let chosen = "";

/** Show the nearest crystals of a row. */
export function show(panel, row, { signal }) {
  chosen ||= state.sets[0]?.name || "";
  const found = el("div", { "aria-live": "polite" });
  const select = el("select", { id: "set", on: { change: (event) => {
    chosen = event.target.value;
    search(found, row, signal);
  } } }, ...state.sets.map(({ name, title, rows }) => option(name, `${title} (${grouped(rows)})`, name === chosen)));
  fill(panel, el("div", { class: "field" }, el("label", { for: "set" }, "Among"), select), found);
  return search(found, row, signal);
}

async function search(panel, row, signal) {
  const set = state.sets.find(({ name }) => name === chosen);
  const key = `${state.model.model} ${chosen}`;
  row.found ??= new Map();
  if (!row.found.has(key)) fill(panel, el("p", { class: "quiet busy" }, "Comparing with the set; the first time takes a while \u2026"));
  try {
    const tell = (done, total) => total > 1 && fill(panel, el("p", { class: "quiet busy" }, `Comparing: ${grouped(done)} of ${grouped(total)}`));
    if (!row.found.has(key))
      row.found.set(key, await post("v1/search", { structures: [row.structure], model: state.model.model, data: chosen, top: TOP }, { signal, progress: tell, later: true }));
    if (signal.aborted || set.name !== chosen) return;
    report(panel, set, row.found.get(key).rows);
  } catch (error) {
    if (error.name !== "AbortError") fill(panel, el("p", { class: "bad" }, error.message));
  }
}

function report(panel, set, rows) {
  const known = Object.keys(set.units).filter((name) => rows.some((row) => typeof row[name] === "number")).slice(0, COLUMNS);
  const heading = (name) => el("th", { scope: "col", class: "number" }, words(name), set.units[name] ? el("span", { class: "unit" }, ` ${set.units[name]}`) : null);
  fill(panel,
    el("table", { class: "facts" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Crystal"), el("th", { scope: "col", class: "number" }, "Similarity"), ...known.map(heading))),
      el("tbody", {}, ...rows.filter((row) => row.status !== "failed").map((row) => el("tr", {},
        el("th", { scope: "row" }, formulaOf(row.formula), el("span", { class: "small" }, row.id)),
        el("td", { class: "number" }, fixed(row.similarity, 3)), ...known.map((name) => el("td", { class: "number" }, shown(row[name]))))))),
    el("p", { class: "quiet" }, `Known values of ${set.citation}.`));
}
