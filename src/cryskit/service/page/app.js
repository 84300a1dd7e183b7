// The page begins here: what the service has is asked for, and every part begins to listen.

import { get, onToken } from "./api.js";
import * as card from "./card.js";
import { properties } from "./columns.js";
import * as detail from "./detail.js";
import { at, el, fill, option } from "./dom.js";
import { download } from "./download.js";
import { read, readText } from "./files.js";
import { parsed } from "./numbers.js";
import { forget, predict } from "./predict.js";
import * as prototypes from "./prototypes.js";
import { changed, on, state } from "./state.js";
import * as table from "./table.js";
import { mixed } from "./viewer.js";
import { arrange, wanted } from "./view.js";
import { say } from "./work.js";

const USUAL = ["rock-salt", "perovskite", "spinel", "wurtzite"];

function tokenAsked(isWrong) {
  const dialog = at("token");
  fill(at("token-said"), isWrong ? "That is not the token." : "");
  if (!dialog.open) at("secret").value = "";
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(at("secret").value.trim()), { once: true });
    if (!dialog.open) dialog.showModal();
  });
}

async function known() {
  const [models, limits, elements, sets] = await Promise.all(["v1/models", "v1/limits", "v1/elements", "v1/data"].map((path) => get(path)));
  Object.assign(state, { models: models.models, limits, sets: sets.data });
  for (const each of elements.elements) each.color = mixed(each.color, "#aab0b5", 0.28); // Jmol's colours, calmer
  state.elements = new Map(elements.elements.map((each) => [each.symbol, each]));
  state.byNumber = new Map(elements.elements.map((each) => [each.number, each]));
  state.model = state.models.find((each) => each.default) || state.models[0];
  fill(at("model"), state.models.filter((each) => each.properties.length).map((each) => option(each.model, each.model, each === state.model)));
}

function chooseModel() {
  state.model = state.models.find((each) => each.model === at("model").value);
  anew();
}

function anew() {
  forget();
  wanted.sort = properties().some(({ name }) => name === wanted.sort) ? wanted.sort : "";
  wanted.property = "";
  changed("model");
  arrange();
  predict();
}

function ranges() {
  fill(at("property"), option("", "any value"), properties().filter(({ isClass }) => !isClass).map(({ name, label, unit }) => option(name, unit ? `${label} (${unit})` : label, name === wanted.property)));
}

function filter() {
  const number = (id) => {
    const text = at(id).value.trim(), value = text ? parsed(text) : NaN;
    at(id).setAttribute("aria-invalid", String(Boolean(text) && Number.isNaN(value)));
    return value;
  };
  Object.assign(wanted, { text: at("find").value, kind: at("which").value, property: at("property").value, least: number("least"), most: number("most") });
  arrange();
  at("scroller").scrollTop = 0;
}

function counts() {
  const isEmpty = !state.rows.length;
  document.body.classList.toggle("empty", isEmpty);
  fill(at("count"), isEmpty ? "" : table.summary());
  at("nothing").hidden = isEmpty || state.view.length > 0;
}

function clear() {
  Object.assign(state, { rows: [], active: null, open: null });
  changed("open");
  arrange();
  say("");
  at("add-first").focus();
}

function dropping() {
  let depth = 0;
  const isFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  addEventListener("dragenter", (event) => {
    if (!isFiles(event)) return;
    depth += 1;
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) document.body.classList.remove("dropping");
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    document.body.classList.remove("dropping");
    if (event.dataTransfer) read([...event.dataTransfer.files]);
  });
}

function listen() {
  const press = (id, todo) => at(id).addEventListener("click", todo);
  for (const id of ["add", "add-first"]) press(id, () => at("files").click());
  for (const id of ["paste", "paste-first"]) press(id, () => at("pasting").showModal());
  for (const id of ["draw", "draw-first"]) press(id, prototypes.show);
  at("files").addEventListener("change", () => {
    const files = [...at("files").files];
    at("files").value = "";
    read(files);
  });
  press("read-text", () => {
    const text = at("text").value;
    at("pasting").close();
    at("text").value = "";
    if (text.trim()) readText(text);
  });
  for (const each of document.querySelectorAll("[data-close]")) each.addEventListener("click", () => each.closest("dialog").close());
  for (const each of document.querySelectorAll("[data-form]")) each.addEventListener("click", () => download(each.dataset.form));
  for (const id of ["find", "least", "most"]) at(id).addEventListener("input", filter);
  for (const id of ["which", "property"]) at(id).addEventListener("change", filter);
  at("model").addEventListener("change", chooseModel);
  at("level").addEventListener("change", () => {
    state.level = Number(at("level").value);
    anew();
  });
  press("show-card", card.show);
  press("clear", clear);
  fill(at("usual"), USUAL.map((name) => el("button", { type: "button", class: "plain", on: { click: () => prototypes.addUsual(name) } }, name.replace("-", " "))));
  for (const topic of ["rows", "view", "values"]) on(topic, counts);
  on("model", ranges);
  dropping();
}

async function begin() {
  onToken(tokenAsked);
  table.start();
  detail.start();
  prototypes.start();
  listen();
  try {
    await known();
  } catch (error) {
    say(error.message, "bad");
    return;
  }
  changed("model");
  arrange();
  document.body.classList.add("ready");
}

begin();
