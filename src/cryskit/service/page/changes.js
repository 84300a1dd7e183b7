// A crystal with an element replaced and its cell strained.

import { size, times } from "./vectors.js";

/**
 * Return a changed structure.
 *
 * `from` and `to` are elements or null; `scaled` lets the cell follow the covalent radii; `strain` has the strain of all three lattice
 * vectors and of each, as shares.
 */
export function changedStructure(structure, byNumber, { from, to, scaled, strain }) {
  const before = structure.atomic_numbers;
  const after = from && to ? before.map((z) => (z === from.number ? to.number : z)) : before;
  const mean = (numbers) => numbers.reduce((sum, z) => sum + (byNumber.get(z)?.radius ?? 1.5), 0) / numbers.length;
  const scale = scaled ? mean(after) / mean(before) : 1;
  const lattice = structure.lattice.map((vector, k) => times(scale * (1 + strain.all) * (1 + strain.each[k]), vector));
  return { ...structure, text: undefined, lattice, atomic_numbers: after };
}

/** Return the formula of a list of atomic numbers, the least electronegative element first. */
export function formulaFor(numbers, byNumber) {
  const counts = new Map();
  for (const z of numbers) counts.set(z, (counts.get(z) || 0) + 1);
  const divisor = [...counts.values()].reduce((a, b) => (b ? gcd(a, b) : a));
  const electronegativity = (z) => byNumber.get(z)?.electronegativity ?? 9;
  const order = [...counts].sort((one, other) => electronegativity(one[0]) - electronegativity(other[0]));
  return order.map(([z, n]) => `${byNumber.get(z)?.symbol ?? z}${n / divisor > 1 ? n / divisor : ""}`).join("");
}

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

/** Return the lengths of the lattice vectors in angstrom. */
export const lengths = (structure) => structure.lattice.map(size);
