// Lines of the table that move together, which costs the browser less than to move each of them.

import { el } from "./dom.js";
import { Line, ROW } from "./line.js";

/** Lines of a block. */
export const LINES = 8;

/** A block of lines with the cells of some columns; `number` tells it from the others. */
export class Block {
  constructor(number, columns) {
    this.place = -1; // how many blocks are above it
    this.lines = Array.from({ length: LINES }, (_, i) => new Line(`line-${number}-${i}`, columns));
    this.element = el("tbody", { role: "rowgroup" }, ...this.lines.map(({ element }) => element));
  }

  /** Show the rows of a place; what is shown already stays as it is, unless `anew`. */
  show(rows, place, anew) {
    const first = place * LINES;
    if (place !== this.place) this.element.style.transform = `translateY(${first * ROW}px)`;
    this.place = place;
    this.lines.forEach((line, i) => line.show(rows[first + i], first + i, anew));
  }
}
