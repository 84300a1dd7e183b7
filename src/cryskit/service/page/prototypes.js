// Crystals of well-known structure types: elements and lattice are chosen, the service places the atoms.

import { get, post } from "./api.js";
import { at, el, fill, option } from "./dom.js";
import { fixed, parsed } from "./numbers.js";
import { predict } from "./predict.js";
import { add, rowOf, state } from "./state.js";
import { formulaFor } from "./changes.js";
import { arrange } from "./view.js";
import { Viewer } from "./viewer.js";

let known = [];
let viewer = null;
let made = null;
let asking = null;
let timer = 0;

/** Show the dialog. */
export async function show() {
  at("prototype").showModal();
  viewer ??= new Viewer(at("preview"));
  try {
    if (!known.length) known = (await get("v1/prototypes")).prototypes;
    if (!at("kind").options.length) {
      fill(at("kind"), known.map(({ name, title }) => option(name, title)));
      choose();
    }
  } catch (error) {
    fill(at("prototype-said"), error.message);
  }
}

/** Begin to listen to the dialog. */
export function start() {
  at("kind").addEventListener("change", choose);
  for (const id of ["length", "ratio"]) at(id).addEventListener("input", later);
  at("add-prototype").addEventListener("click", addMade);
}

/** Add a structure type with its usual elements. */
export async function addUsual(name) {
  enter(await post("v1/prototypes", { prototype: name }));
}

function choose() {
  const kind = known.find(({ name }) => name === at("kind").value);
  const pick = (site, element) => el("select", { id: `site-${site}`, "data-site": site, on: { change: build } },
    ...[...state.elements.values()].map((each) => option(each.symbol, `${each.symbol} \u2013 ${each.name}`, each.symbol === element)));
  fill(at("sites"), Object.entries(kind.sites).map(([site, element]) => el("div", { class: "field" }, el("label", { for: `site-${site}` }, `Element ${site}`), pick(site, element))));
  at("length").value = at("ratio").value = "";
  at("ratio-field").hidden = kind.system === "cubic";
  fill(at("group"), `${kind.space_group}, ${kind.system}`);
  build();
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(build, 250);
}

async function build() {
  const elements = Object.fromEntries([...at("sites").querySelectorAll("select")].map((each) => [each.dataset.site, each.value]));
  const body = { prototype: at("kind").value, elements };
  for (const [id, name] of [["length", "a"], ["ratio", "ratio"]]) {
    const text = at(id).value.trim(), value = parsed(text);
    at(id).setAttribute("aria-invalid", String(Boolean(text) && !(value > 0)));
    if (text && !(value > 0)) return;
    if (text) body[name] = value;
  }
  asking?.abort();
  asking = new AbortController();
  try {
    made = await post("v1/prototypes", body, { signal: asking.signal });
    at("length").placeholder = fixed(made.a, 3);
    at("ratio").placeholder = fixed(made.ratio, 3);
    fill(at("prototype-said"), "");
    const kinds = made.atomic_numbers.map((z) => state.byNumber.get(z));
    viewer.show(made, kinds, kinds.map((kind) => kind.color));
    at("add-prototype").disabled = false;
  } catch (error) {
    if (error.name === "AbortError") return;
    at("add-prototype").disabled = true;
    fill(at("prototype-said"), error.message);
  }
}

function addMade() {
  at("prototype").close();
  if (made) enter(made);
}

function enter(structure) {
  const formula = formulaFor(structure.atomic_numbers, state.byNumber);
  add([rowOf({ ...structure, formula, status: "ok", reason: "" })]);
  arrange();
  predict();
}
