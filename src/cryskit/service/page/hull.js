// The faces of the polyhedron around an atom.

import { cross, dot, size, sub, times } from "./vectors.js";

/** Return the faces of the convex hull of a few points, each a list of numbers of points in order around it. */
export function hull(points) {
  const found = new Map(), n = points.length;
  for (let i = 0; i < n; i += 1)
    for (let j = i + 1; j < n; j += 1)
      for (let k = j + 1; k < n; k += 1) {
        const normal = cross(sub(points[j], points[i]), sub(points[k], points[i])), length = size(normal);
        if (length < 1e-6) continue;
        const unit = times(1 / length, normal);
        const sides = points.map((point) => dot(unit, sub(point, points[i])));
        if (sides.some((s) => s > 0.05) && sides.some((s) => s < -0.05)) continue;
        const flat = sides.flatMap((s, m) => (Math.abs(s) <= 0.05 ? [m] : []));
        if (flat.length < n) found.set(flat.join(), around(flat, points, unit));
      }
  return [...found.values()];
}

function around(face, points, unit) {
  const middle = [0, 1, 2].map((k) => face.reduce((sum, m) => sum + points[m][k], 0) / face.length);
  const east = sub(points[face[0]], middle), north = cross(unit, east);
  const angle = (m) => Math.atan2(dot(sub(points[m], middle), north), dot(sub(points[m], middle), east));
  return [...face].sort((one, other) => angle(one) - angle(other));
}
