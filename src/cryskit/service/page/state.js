// What the page knows, and who wants to hear of changes.

/** Models, limits, elements and sets of the service; the crystals and how they are shown. */
export const state = {
  models: [],
  model: null,
  level: 0.9,
  limits: {},
  elements: new Map(), // symbol -> element
  byNumber: new Map(), // atomic number -> element
  sets: [],
  rows: [], // {key, id, path, formula, structure, read, values, status, reason}
  view: [], // rows that are shown, in their order
  active: null, // row under the cursor of the table
  open: null, // row whose details are shown
};

const listeners = new Map();
let keys = 0;

/** Call a function whenever something changes: "rows", "view", "values", "model", "active" or "open". */
export function on(topic, listener) {
  listeners.set(topic, [...(listeners.get(topic) || []), listener]);
}

/** Say that something changed. */
export function changed(topic) {
  for (const listener of listeners.get(topic) || []) listener();
}

/** Return a row of a crystal that was read, or of what could not be. */
export function rowOf(read) {
  const structure = read.lattice
    ? { id: read.id, lattice: read.lattice, frac_coords: read.frac_coords, atomic_numbers: read.atomic_numbers }
    : null;
  if (structure && read.text) structure.text = read.text;
  keys += 1;
  const { id, path, formula, status, reason } = read;
  return { key: keys, id, path: path || "", formula: formula || "", structure, read: { status, reason }, values: null, status, reason };
}

/** Add crystals to the table. */
export function add(rows) {
  for (const row of rows) state.rows.push(row);
  changed("rows");
}

/** Enter what was predicted for a crystal; what reading it had to say is kept. */
export function predicted(row, values) {
  const reasons = [row.read.reason, values.reason].filter((text, i, all) => text && all.indexOf(text) === i);
  row.values = values;
  row.status = values.status === "ok" ? row.read.status : values.status;
  row.reason = reasons.join(". ");
}

/** Return a crystal's row as the service writes rows to files. */
export function exported(row) {
  const names = { id: row.id, path: row.path || null, formula: row.formula || null };
  return { ...(row.values || {}), ...names, status: row.values || !row.structure ? row.status : "failed", reason: row.values || !row.structure ? row.reason : "Not computed" };
}
