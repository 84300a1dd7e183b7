// A drawing of a crystal on a canvas that can be turned and zoomed, by pointer and by keys.

import { scene } from "./scene.js";
import { product, size, turn } from "./vectors.js";

const BALL = 0.42; // of the covalent radius
const STEP = 0.12; // radians that an arrow key turns
const START = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]; // a to the right, c up

/** A drawing; `colors` are the colours of the atoms, `kinds` their elements. */
export class Viewer {
  constructor(canvas) {
    this.canvas = canvas;
    this.shown = { images: true, bonds: true, polyhedra: false };
    this.reset();
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.listen();
  }

  reset() {
    this.turned = product(about("x", 0.26), product(about("y", -0.42), START));
    this.zoom = 1;
    this.draw();
  }

  show(structure, kinds, colors) {
    Object.assign(this, { structure, kinds, colors });
    this.made = scene(structure, kinds, this.shown);
    this.radius = Math.max(1.5, ...this.made.atoms.map((atom) => size(atom.at) + 0.6), ...this.made.edges.flat().map(size));
    this.draw();
  }

  option(name, value) {
    this.shown[name] = value;
    if (this.structure) this.show(this.structure, this.kinds, this.colors);
  }

  listen() {
    const { canvas } = this;
    let last = null;
    canvas.addEventListener("pointerdown", (event) => {
      last = [event.clientX, event.clientY];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      this.rotate((event.clientX - last[0]) / 120, (event.clientY - last[1]) / 120);
      last = [event.clientX, event.clientY];
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (last = null));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.scale(Math.exp(-event.deltaY / 500));
    }, { passive: false });
    const keys = {
      ArrowLeft: () => this.rotate(-STEP, 0), ArrowRight: () => this.rotate(STEP, 0), ArrowUp: () => this.rotate(0, -STEP),
      ArrowDown: () => this.rotate(0, STEP), "+": () => this.scale(1.15), "-": () => this.scale(1 / 1.15), 0: () => this.reset(),
    };
    canvas.addEventListener("keydown", (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      keys[event.key]();
    });
  }

  rotate(right, down) {
    this.turned = product(about("x", down), product(about("y", right), this.turned));
    this.draw();
  }

  scale(factor) {
    this.zoom = Math.min(8, Math.max(0.4, this.zoom * factor));
    this.draw();
  }

  draw() {
    if (!this.made || this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.paint();
    });
  }

  paint() {
    const { canvas } = this, wide = canvas.clientWidth, high = canvas.clientHeight;
    if (!wide || !high) return;
    const dense = Math.min(devicePixelRatio || 1, 2);
    Object.assign(canvas, { width: wide * dense, height: high * dense });
    const pen = canvas.getContext("2d");
    pen.scale(dense, dense);
    const unit = (0.5 * Math.min(wide, high) * this.zoom) / this.radius;
    const seen = (point) => {
      const [x, y, z] = turn(this.turned, point);
      return [wide / 2 + unit * x, high / 2 - unit * y, z];
    };
    const style = getComputedStyle(canvas);
    const line = style.getPropertyValue("--line-strong").trim(), ground = style.getPropertyValue("--surface").trim();
    for (const [, todo] of this.parts(seen, unit, line, ground).sort((one, other) => one[0] - other[0])) todo(pen);
  }

  /** Return [depth, function that draws] of everything. */
  parts(seen, unit, line, ground) {
    const { atoms, bonds, faces, edges } = this.made, parts = [];
    const shade = (depth) => 0.35 * Math.max(0, Math.min(1, 0.5 - depth / (2 * this.radius)));
    for (const [from, to] of edges)
      for (let i = 0; i < 6; i += 1) {
        const [p, q] = [i / 6, (i + 1) / 6].map((t) => seen(from.map((x, k) => x + t * (to[k] - x))));
        parts.push([(p[2] + q[2]) / 2, (pen) => stroke(pen, p, q, 1, line)]);
      }
    for (const { points, i } of faces) {
      const corners = points.map(seen), depth = corners.reduce((sum, corner) => sum + corner[2], 0) / corners.length;
      parts.push([depth, (pen) => face(pen, corners, this.colors[i])]);
    }
    for (const [one, other] of bonds) {
      const p = seen(one.at), q = seen(other.at), middle = p.map((x, k) => (x + q[k]) / 2);
      for (const [end, atom] of [[p, one], [q, other]])
        parts.push([(end[2] + middle[2]) / 2 - 0.05, (pen) => stroke(pen, end, middle, Math.max(1.5, 0.13 * unit), mixed(this.colors[atom.i], ground, shade(end[2])), true)]);
    }
    for (const atom of atoms) {
      const p = seen(atom.at), radius = Math.max(2, BALL * this.kinds[atom.i].radius * unit);
      parts.push([p[2], (pen) => ball(pen, p, radius, mixed(this.colors[atom.i], ground, shade(p[2])))]);
    }
    return parts;
  }
}

function about(axis, angle) {
  const c = Math.cos(angle), s = Math.sin(angle);
  return axis === "x" ? [[1, 0, 0], [0, c, -s], [0, s, c]] : [[c, 0, s], [0, 1, 0], [-s, 0, c]];
}

function stroke(pen, p, q, width, color, outlined = false) {
  for (const [w, c] of outlined ? [[width + 1.2, mixed(color, "#000000", 0.35)], [width, color]] : [[width, color]]) {
    pen.beginPath();
    pen.moveTo(p[0], p[1]);
    pen.lineTo(q[0], q[1]);
    Object.assign(pen, { lineWidth: w, strokeStyle: c, lineCap: "butt" });
    pen.stroke();
  }
}

function face(pen, corners, color) {
  pen.beginPath();
  corners.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
  Object.assign(pen, { globalAlpha: 0.32, fillStyle: color });
  pen.fill();
  Object.assign(pen, { globalAlpha: 0.7, lineWidth: 1, strokeStyle: mixed(color, "#000000", 0.25) });
  pen.stroke();
  pen.globalAlpha = 1;
}

function ball(pen, [x, y], radius, color) {
  const light = pen.createRadialGradient(x - 0.35 * radius, y - 0.4 * radius, 0.1 * radius, x, y, radius);
  light.addColorStop(0, mixed(color, "#ffffff", 0.65));
  light.addColorStop(0.55, color);
  light.addColorStop(1, mixed(color, "#000000", 0.28));
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fillStyle = light;
  pen.fill();
  Object.assign(pen, { lineWidth: 0.8, strokeStyle: mixed(color, "#000000", 0.5) });
  pen.stroke();
}

/** Return a mixture of two colours #rrggbb. */
export function mixed(one, other, share) {
  const parts = [one, other].map((text) => [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16)));
  return `#${parts[0].map((x, k) => Math.round(x + share * (parts[1][k] - x)).toString(16).padStart(2, "0")).join("")}`;
}
