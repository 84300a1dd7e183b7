// Vectors and matrices of three.

export const add = (u, v) => [u[0] + v[0], u[1] + v[1], u[2] + v[2]];
export const sub = (u, v) => [u[0] - v[0], u[1] - v[1], u[2] - v[2]];
export const times = (s, v) => [s * v[0], s * v[1], s * v[2]];
export const dot = (u, v) => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
export const cross = (u, v) => [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
export const size = (v) => Math.sqrt(dot(v, v));
/** Return a row times a matrix of rows. */
export const place = (f, m) => [0, 1, 2].map((k) => f[0] * m[0][k] + f[1] * m[1][k] + f[2] * m[2][k]);
/** Return a matrix times a column. */
export const turn = (m, v) => m.map((row) => dot(row, v));
/** Return the product of two matrices. */
export const product = (m, n) => m.map((row) => place(row, n));
/** Return the volume of the cell of a lattice. */
export const volume = (m) => Math.abs(dot(m[0], cross(m[1], m[2])));
/** Return lengths and angles of a lattice, in angstrom and degrees. */
export function parameters(m) {
  const [a, b, c] = m.map(size);
  const angle = (u, v) => (180 / Math.PI) * Math.acos(Math.max(-1, Math.min(1, dot(u, v) / (size(u) * size(v)))));
  return { a, b, c, alpha: angle(m[1], m[2]), beta: angle(m[0], m[2]), gamma: angle(m[0], m[1]) };
}
