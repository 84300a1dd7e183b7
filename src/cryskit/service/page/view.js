// Which crystals the table shows, and in which order.

import { sortValue } from "./columns.js";
import { changed, state } from "./state.js";

/** What the table is sorted by and what it leaves out. */
export const wanted = { sort: "", down: false, text: "", kind: "all", property: "", least: NaN, most: NaN };

const KINDS = {
  all: () => true,
  in: (row) => row.values?.domain === "in",
  out: (row) => Boolean(row.values?.domain) && row.values.domain !== "in",
  warned: (row) => row.status === "warned",
  failed: (row) => row.status === "failed",
};
const collator = new Intl.Collator("en", { numeric: true });

/** Choose and order the rows anew. */
export function arrange() {
  const text = wanted.text.trim().toLowerCase();
  const rows = state.rows.filter((row) => KINDS[wanted.kind](row) && holds(row, text) && within(row));
  if (wanted.sort) {
    const decorated = rows.map((row) => [sortValue(row, wanted.sort), row]);
    decorated.sort((one, other) => compared(one[0], other[0]) || one[1].key - other[1].key);
    state.view = decorated.map((pair) => pair[1]);
  } else state.view = rows;
  changed("view");
}

/** Sort by a column; the other way round if it is already, and not at all the third time. */
export function sortBy(column) {
  if (wanted.sort !== column) Object.assign(wanted, { sort: column, down: false });
  else if (!wanted.down) wanted.down = true;
  else Object.assign(wanted, { sort: "", down: false });
  arrange();
}

function holds(row, text) {
  return !text || `${row.formula}\n${row.id}\n${row.path}`.toLowerCase().includes(text);
}

function within(row) {
  if (!wanted.property || (Number.isNaN(wanted.least) && Number.isNaN(wanted.most))) return true;
  const value = row.values?.[wanted.property];
  return typeof value === "number" && !(value < wanted.least) && !(value > wanted.most);
}

// What has no value is last whichever way the table is sorted.
function compared(one, other) {
  if (one === null || other === null) return (one === null) - (other === null);
  const order = typeof one === "number" && typeof other === "number" ? one - other : collator.compare(one, other);
  return wanted.down ? -order : order;
}
