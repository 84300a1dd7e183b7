// The details of one crystal: its drawing, and tabs with what there is to say of it.

import * as atoms from "./atoms.js";
import * as change from "./change.js";
import * as describe from "./describe.js";
import { at, el, fill } from "./dom.js";
import { formulaOf } from "./formula.js";
import * as nearest from "./nearest.js";
import { fixed } from "./numbers.js";
import { changed, on, state } from "./state.js";
import * as values from "./values.js";
import { mixed, Viewer } from "./viewer.js";
import { parameters, volume } from "./vectors.js";

const TABS = [["Values", values], ["Change", change], ["Atoms", atoms], ["Nearest", nearest], ["Words", describe]];

let viewer = null;
let current = 0;
let shown = null;
let controller = new AbortController();

/** Begin to show details whenever a crystal is opened. */
export function start() {
  viewer = new Viewer(at("canvas"));
  fill(at("tabs"), TABS.map(([name], i) => el("button", { type: "button", role: "tab", id: `tab-${i}`, "aria-controls": "tabpanel", on: { click: () => choose(i) } }, name)));
  at("tabs").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose((current + step + TABS.length) % TABS.length);
    at(`tab-${current}`).focus();
  });
  for (const name of ["images", "bonds", "polyhedra"])
    at(name).addEventListener("change", (event) => viewer.option(name, event.target.checked));
  at("close").addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && state.open && !document.querySelector("dialog[open]")) close();
  });
  on("open", show);
  on("values", () => state.open && current === 0 && panel());
  on("done", () => state.open && shown === state.open && panel());
}

function close() {
  state.open = null;
  changed("open");
  at("table").focus({ preventScroll: true });
}

function show() {
  const row = state.open;
  document.body.classList.toggle("opened", Boolean(row));
  at("detail").hidden = !row;
  if (!row) {
    controller.abort();
    shown = null;
    return;
  }
  if (row === shown) return;
  const isNew = !shown;
  shown = row;
  fill(at("title"), row.formula ? formulaOf(row.formula) : row.id);
  fill(at("subtitle"), row.formula ? row.id : "", row.path && row.path !== row.id ? el("span", {}, ` \u00b7 ${row.path}`) : null);
  fill(at("notice"), row.reason ? el("p", { class: row.status === "failed" ? "bad" : "warn" }, row.reason) : null);
  at("drawing").hidden = at("tabs").hidden = at("tabpanel").hidden = !row.structure;
  if (row.structure) {
    draw(row.structure);
    choose(current);
  } else controller.abort();
  if (isNew && !matchMedia("(min-width: 900px)").matches) at("close").focus();
}

function choose(index) {
  current = index;
  for (const [i] of TABS.entries()) {
    at(`tab-${i}`).setAttribute("aria-selected", String(i === index));
    at(`tab-${i}`).tabIndex = i === index ? 0 : -1;
  }
  at("tabpanel").setAttribute("aria-labelledby", `tab-${index}`);
  if (shown) draw(shown.structure);
  panel();
}

function panel() {
  controller.abort();
  controller = new AbortController();
  if (shown?.structure) TABS[current][1].show(at("tabpanel"), shown, { signal: controller.signal, draw });
}

/** Draw a structure; `heat` has a number per atom from -1 (blue) to 1 (red), or is null for the colours of elements. */
function draw(structure, heat = null) {
  const unknown = { symbol: "?", radius: 1.5, metal: true, color: "#999999" };
  const kinds = structure.atomic_numbers.map((z) => state.byNumber.get(z) || unknown);
  const tint = (x) => mixed("#f4f4f2", x < 0 ? "#2f6fd0" : "#cf3b36", Math.min(1, Math.abs(x)));
  viewer.show(structure, kinds, heat ? heat.map(tint) : kinds.map((kind) => kind.color));
  const { a, b, c, alpha, beta, gamma } = parameters(structure.lattice);
  const facts = [
    `a ${fixed(a, 3)}, b ${fixed(b, 3)}, c ${fixed(c, 3)} \u00c5`,
    `\u03b1 ${fixed(alpha, 1)}, \u03b2 ${fixed(beta, 1)}, \u03b3 ${fixed(gamma, 1)}\u00b0`,
    `${fixed(volume(structure.lattice), 1)} \u00c5\u00b3`,
    `${kinds.length} ${kinds.length === 1 ? "atom" : "atoms"}`,
  ];
  fill(at("cell"), facts.map((text) => el("span", {}, text)));
  const distinct = [...new Map(kinds.map((kind) => [kind.symbol, kind])).values()];
  fill(at("legend"), heat ? heatLegend() : distinct.map(chip));
  at("canvas").setAttribute("aria-label", `Drawing of the cell with ${kinds.length} atoms of ${distinct.map((kind) => kind.name || kind.symbol).join(", ")}; ${facts.slice(0, 2).join(", ")}. Arrow keys turn it, plus and minus zoom, 0 resets.`);
}

function chip(kind) {
  const dot = el("span", { class: "dot" });
  dot.style.background = kind.color;
  return el("span", { class: "chip" }, dot, kind.symbol);
}

function heatLegend() {
  return [el("span", {}, "lowers"), el("span", { class: "scale", "aria-hidden": "true" }), el("span", {}, "raises")];
}
