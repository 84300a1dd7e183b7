// Which atoms of a crystal are drawn as bonded: covalent radii, and no bonds between metals where there are nonmetals.

import { add, place, size, sub, volume, cross } from "./vectors.js";

const SLACK = 1.12; // of the sum of two covalent radii

/**
 * Return for each atom its neighbours: {j, shift, d}, atom j moved by whole lattice vectors at the distance d in angstrom.
 *
 * `places` are fractional coordinates, `kinds` the elements of the atoms.
 */
export function neighbours(lattice, places, kinds) {
  const hasNonmetal = kinds.some((kind) => !kind.metal);
  const reach = SLACK * 2 * Math.max(...kinds.map((kind) => kind.radius));
  const heights = [cross(lattice[1], lattice[2]), cross(lattice[2], lattice[0]), cross(lattice[0], lattice[1])].map(
    (normal) => volume(lattice) / size(normal)
  );
  const most = heights.map((height) => Math.min(4, Math.ceil(reach / height)));
  const shifts = [];
  for (let x = -most[0]; x <= most[0]; x += 1)
    for (let y = -most[1]; y <= most[1]; y += 1)
      for (let z = -most[2]; z <= most[2]; z += 1) shifts.push([[x, y, z], place([x, y, z], lattice)]);
  const points = places.map((f) => place(f, lattice));
  return points.map((point, i) => {
    const found = [];
    for (let j = 0; j < points.length; j += 1) {
      if (hasNonmetal && kinds[i].metal && kinds[j].metal) continue;
      const longest = SLACK * (kinds[i].radius + kinds[j].radius), gap = sub(points[j], point);
      for (const [shift, moved] of shifts) {
        const d = size(add(gap, moved));
        if (d > 0.3 && d < longest) found.push({ j, shift, d });
      }
    }
    return found.sort((one, other) => one.d - other.d);
  });
}
