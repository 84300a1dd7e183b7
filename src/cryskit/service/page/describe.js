// The tab with a description in words.

import { post } from "./api.js";
import { el, fill } from "./dom.js";

/** Show the description of a row. */
export async function show(panel, row, { signal }) {
  if (!row.described) fill(panel, el("p", { class: "quiet busy" }, "Describing the crystal; the first time takes a while \u2026"));
  try {
    row.described ??= (await post("v1/describe", { structures: [row.structure] }, { signal, later: true })).rows[0];
    if (signal.aborted) return;
    const { text, reason } = row.described;
    fill(panel, text ? text.split(/\n+/).map((part) => el("p", { class: "prose" }, part)) : el("p", { class: "warn" }, reason || "There is no description."));
  } catch (error) {
    if (error.name !== "AbortError") fill(panel, el("p", { class: "warn" }, error.message));
  }
}
