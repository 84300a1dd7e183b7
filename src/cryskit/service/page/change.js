// The tab that replaces an element and strains the cell, and shows what the model predicts of that.

import { post } from "./api.js";
import { changedStructure, formulaFor } from "./changes.js";
import { properties } from "./columns.js";
import { el, fill, option } from "./dom.js";
import { fixed, parsed, shown, signed } from "./numbers.js";
import { plot } from "./plot.js";
import { predict, request } from "./predict.js";
import { add, rowOf, state } from "./state.js";
import { span } from "./line.js";
import { arrange } from "./view.js";

const MOST = 8; // percent of strain
const PAUSE = 180; // milliseconds without a change before the service is asked
const ATOMS = 1500; // of all points of the curve together
const AXES = [["all", "All axes"], ["a", "Along a"], ["b", "Along b"], ["c", "Along c"]];

let wanted = "";

/** Show what can be changed of a row. */
export function show(panel, row, { signal, draw }) {
  const columns = properties().filter(({ isClass }) => !isClass);
  if (!columns.length) return fill(panel, el("p", { class: "quiet" }, "This model predicts no numbers that a change could be seen in."));
  if (!columns.some(({ name }) => name === wanted)) wanted = columns[0].name;
  const choice = { from: null, to: null, scaled: true, percent: { all: 0, a: 0, b: 0, c: 0 } };
  const found = el("div", { "aria-live": "off" });
  let timer = 0, latest = null;
  const ask = () => {
    draw(structureOf(row, choice));
    clearTimeout(timer);
    timer = setTimeout(() => {
      latest?.abort();
      latest = new AbortController();
      asked(found, row, choice, columns, latest.signal);
    }, PAUSE);
  };
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    latest?.abort();
  });
  fill(panel, substitution(row, choice, ask), ...AXES.map(([key, label]) => slider(key, label, choice, ask)), buttons(row, choice, panel, { signal, draw }), found);
  return ask();
}

function structureOf(row, choice, all = choice.percent.all) {
  const { a, b, c } = choice.percent;
  return changedStructure(row.structure, state.byNumber, { ...choice, strain: { all: all / 100, each: [a / 100, b / 100, c / 100] } });
}

function substitution(row, choice, ask) {
  const present = [...new Set(row.structure.atomic_numbers)].map((z) => state.byNumber.get(z)).filter(Boolean);
  choice.from = present[0];
  const pick = (id, elements, key, first) => el("select", { id, on: { change: (event) => {
    choice[key] = state.elements.get(event.target.value) || null;
    ask();
  } } }, first ? option("", first) : null, ...elements.map((each) => option(each.symbol, `${each.symbol} \u2013 ${each.name}`)));
  const scaled = el("input", { type: "checkbox", id: "scaled", checked: true, on: { change: (event) => {
    choice.scaled = event.target.checked;
    ask();
  } } });
  return el("div", { class: "field wrap" }, el("label", { for: "from" }, "Replace"), pick("from", present, "from"), el("label", { for: "to" }, "by"), pick("to", [...state.elements.values()], "to", "itself"),
    el("span", { class: "check" }, scaled, el("label", { for: "scaled" }, "scale the cell with covalent radii")));
}

function slider(key, label, choice, ask) {
  const range = el("input", { type: "range", id: `strain-${key}`, min: -MOST, max: MOST, step: 0.1, "aria-valuetext": "0 percent" });
  const text = el("input", { type: "text", inputmode: "decimal", id: `percent-${key}`, "aria-label": `${label}, strain in percent`, autocomplete: "off" });
  const enter = (value, from) => {
    choice.percent[key] = value;
    if (from !== range) range.value = value;
    if (from !== text) text.value = fixed(value, 1);
    range.setAttribute("aria-valuetext", `${fixed(value, 1)} percent`);
    ask();
  };
  range.value = 0;
  text.value = "0.0";
  range.addEventListener("input", () => enter(Number(range.value), range));
  text.addEventListener("input", () => {
    const value = parsed(text.value), isGood = value >= -MOST && value <= MOST;
    text.setAttribute("aria-invalid", String(!isGood));
    if (isGood) enter(value, text);
  });
  return el("div", { class: "slider" }, el("label", { for: `strain-${key}` }, label), range, text, el("span", { class: "unit" }, "%"));
}

function buttons(row, choice, panel, tools) {
  const keep = () => {
    const structure = structureOf(row, choice), id = nameOf(row, choice);
    const formula = formulaFor(structure.atomic_numbers, state.byNumber);
    add([rowOf({ ...structure, id, formula, status: "ok", reason: "" })]);
    arrange();
    predict();
  };
  return el("div", { class: "actions" }, el("button", { type: "button", on: { click: keep } }, "Add to the table"), el("button", { type: "button", class: "plain", on: { click: () => show(panel, row, tools) } }, "Reset"));
}

function nameOf(row, { from, to, percent }) {
  const parts = [from && to && from !== to ? `${from.symbol} to ${to.symbol}` : "", ...AXES.map(([key]) => (percent[key] ? `${key === "all" ? "" : `${key} `}${percent[key] > 0 ? "+" : ""}${percent[key].toFixed(1)} %` : ""))];
  return `${row.id} (${parts.filter(Boolean).join(", ") || "copy"})`;
}

async function asked(panel, row, choice, columns, signal) {
  const count = Math.max(5, Math.min(17, 1 + 2 * Math.floor(ATOMS / row.structure.atomic_numbers.length / 2)));
  const steps = Array.from({ length: count }, (_, i) => -MOST + (2 * MOST * i) / (count - 1));
  try {
    const structures = [row.structure, structureOf(row, choice), ...steps.map((all) => structureOf(row, choice, all))];
    const { rows } = await post("v1/predict", request(structures), { signal });
    if (!signal.aborted) report(panel, rows, steps, columns, choice);
  } catch (error) {
    if (error.name !== "AbortError") fill(panel, el("p", { class: "bad" }, error.message));
  }
}

function report(panel, [before, now, ...curve], steps, columns, choice) {
  const points = () => steps.map((x, i) => ({ x, y: curve[i][wanted], low: curve[i][`${wanted}_lo`], high: curve[i][`${wanted}_hi`] })).filter(({ y }) => typeof y === "number");
  const drawing = el("div");
  const draw = () => {
    const { label, unit } = columns.find(({ name }) => name === wanted), made = points();
    const title = `${label} against the strain of all axes`;
    fill(drawing, made.length > 1 ? plot(made, { now: choice.percent.all, xLabel: "strain of all axes / %", yLabel: unit ? `${label} / ${unit}` : label, title }) : null);
  };
  const line = ({ name, label, unit }) => {
    const button = el("button", { type: "button", class: "link", "aria-pressed": String(name === wanted), on: { click: () => {
      wanted = name;
      for (const each of panel.querySelectorAll("[aria-pressed]")) each.setAttribute("aria-pressed", String(each === button));
      draw();
    } } }, label);
    const change = typeof now[name] === "number" && typeof before[name] === "number" ? signed(now[name] - before[name]) : "";
    return el("tr", {}, el("th", { scope: "row" }, button), el("td", { class: "number" }, shown(now[name]), unit ? el("span", { class: "unit" }, ` ${unit}`) : null, el("span", { class: "small" }, span(now, name))), el("td", { class: "number" }, change));
  };
  const doubt = now.domain && now.domain !== "in" ? "This crystal is outside the domain of the model. " : "";
  draw();
  fill(panel, doubt || now.reason ? el("p", { class: "warn" }, doubt, now.reason || "") : null, drawing,
    el("table", { class: "facts" }, el("thead", {}, el("tr", {}, ...["Property", "Value and interval", "Change"].map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, ...columns.map(line))),
    el("p", { class: "quiet" }, "Atoms keep their fractional coordinates; nothing is relaxed."));
}
