// The columns of the table: what the model predicts, with units.

import { state } from "./state.js";

/** Return a property's name in words. */
export const words = (name) => (name.charAt(0).toUpperCase() + name.slice(1)).replaceAll("_", " ");

/** Return the properties of the model: name, label, unit, whether they are classes. */
export function properties() {
  return (state.model?.properties || []).map(({ name, unit, classes, description, functional }) => ({
    name,
    label: words(name),
    unit: unit || "",
    isClass: Boolean(classes?.length),
    title: [description, functional && `Labels: ${functional}`].filter(Boolean).join(" "),
  }));
}

/** Return the value by which a row is sorted in a column. */
export function sortValue(row, column) {
  if (column === "id" || column === "formula" || column === "status") return row[column];
  if (column === "domain") return row.values?.domain ?? (row.status === "failed" ? "~" : null);
  return row.values?.[column] ?? null;
}
