// What is drawn of a crystal: atoms of the cell and on its borders, bonds, polyhedra, the cell. All in angstrom around its middle.

import { neighbours } from "./bonds.js";
import { hull } from "./hull.js";
import { place, sub } from "./vectors.js";

const BORDER = 1e-3; // of a lattice vector

/** Return atoms {at, i}, bonds [atom, atom], faces {points, i} and edges [from, to]; `shown` has images, bonds and polyhedra. */
export function scene(structure, kinds, shown) {
  const { lattice } = structure;
  const places = structure.frac_coords.map((f) => f.map((x) => x - Math.floor(x + BORDER)));
  const middle = place([0.5, 0.5, 0.5], lattice);
  const atoms = new Map();
  const put = (i, shift) => {
    const key = `${i} ${shift}`;
    if (!atoms.has(key)) atoms.set(key, { i, shift, at: sub(place(places[i].map((x, k) => x + shift[k]), lattice), middle) });
    return atoms.get(key);
  };
  places.forEach((f, i) => images(f, shown.images).forEach((shift) => put(i, shift)));
  const near = shown.bonds || shown.polyhedra ? neighbours(lattice, places, kinds) : places.map(() => []);
  const faces = shown.polyhedra ? polyhedra([...atoms.values()], near, kinds, put) : [];
  return { atoms: [...atoms.values()], bonds: shown.bonds ? bonds(atoms, near) : [], faces, edges: edges(lattice, middle) };
}

function images(f, isWanted) {
  const choices = f.map((x) => (isWanted && x < BORDER ? [0, 1] : [0]));
  return choices[0].flatMap((x) => choices[1].flatMap((y) => choices[2].map((z) => [x, y, z])));
}

function bonds(atoms, near) {
  const found = [];
  for (const [key, atom] of atoms)
    for (const { j, shift } of near[atom.i]) {
      const otherKey = `${j} ${shift.map((x, k) => x + atom.shift[k])}`;
      if (key < otherKey && atoms.has(otherKey)) found.push([atom, atoms.get(otherKey)]);
    }
  return found;
}

// Around atoms that are less electronegative than all of their neighbours; the larger ones only if there are no others.
function polyhedra(centres, near, kinds, put) {
  const isCentre = (atom) => {
    const around = near[atom.i];
    return around.length >= 4 && around.length <= 12 && around.every(({ j }) => (kinds[j].electronegativity ?? 9) > (kinds[atom.i].electronegativity ?? 9));
  };
  const all = centres.filter(isCentre);
  const small = all.filter((atom) => near[atom.i].length <= 6);
  return (small.length ? small : all).flatMap((atom) => {
    const corners = near[atom.i].map(({ j, shift }) => put(j, shift.map((x, k) => x + atom.shift[k])).at);
    return hull(corners).map((face) => ({ points: face.map((m) => corners[m]), i: atom.i }));
  });
}

function edges(lattice, middle) {
  const found = [];
  for (let axis = 0; axis < 3; axis += 1)
    for (const [p, q] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
      const from = [p, q];
      from.splice(axis, 0, 0);
      const to = from.map((x, k) => (k === axis ? 1 : x));
      found.push([from, to].map((f) => sub(place(f, lattice), middle)));
    }
  return found;
}
