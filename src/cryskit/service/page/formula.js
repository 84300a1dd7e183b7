// Formulas with their numbers as subscripts, whose texts change.

import { changing, el, put } from "./dom.js";

/** A formula that is written again and again. */
export class Formula {
  constructor() {
    this.texts = []; // of letters and subscripts in turns
    this.element = el("span", { class: "formula" });
  }

  /** Write a formula where it differs from what is there. */
  write(text) {
    const parts = text.split(/(\d+(?:\.\d+)?)/);
    while (this.texts.length < parts.length) this.add();
    this.texts.forEach((each, i) => put(each, parts[i] ?? ""));
  }

  /** Add an empty part behind the others. */
  add() {
    const text = changing();
    this.element.append(this.texts.length % 2 ? el("sub", {}, text) : text);
    this.texts.push(text);
  }
}

/** Return an element with a formula. */
export function formulaOf(text) {
  const made = new Formula();
  made.write(text || "");
  return made.element;
}
