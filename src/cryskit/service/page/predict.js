// Predictions for all crystals that have none yet, so many at a time.

import { post } from "./api.js";
import { changed, predicted, state } from "./state.js";
import { arrange } from "./view.js";
import { work } from "./work.js";

const ATOMS = 4000; // of a request, so that rows appear while others are computed

/** Return the request for predictions of some structures. */
export function request(structures) {
  return { structures, model: state.model.model, interval: state.level };
}

/** Predict what is not predicted yet. */
export async function predict() {
  if (!lacking().length) return;
  await work("Predicting", async (signal, tell) => {
    const total = state.rows.filter((row) => row.structure).length;
    for (let rows = lacking(); rows.length; rows = lacking()) {
      const piece = some(rows), model = state.model, level = state.level;
      const before = total - rows.length;
      tell("Predicting", before, total);
      const progress = (done) => tell("Predicting", before + done, total);
      const found = await post("v1/predict", request(piece.map((row) => row.structure)), { signal, progress, later: true });
      if (model !== state.model || level !== state.level) continue;
      piece.forEach((row, i) => predicted(row, found.rows[i]));
      changed("values");
    }
  });
  arrange();
  changed("done");
}

/** Forget all predictions: another model, or another level of the intervals. */
export function forget() {
  for (const row of state.rows) Object.assign(row, { values: null, status: row.read.status, reason: row.read.reason });
}

function lacking() {
  return state.model?.properties.length ? state.rows.filter((row) => row.structure && !row.values) : [];
}

function some(rows) {
  const most = Math.min(500, state.limits.rows || 500);
  let atoms = 0;
  const end = rows.findIndex((row, i) => i > 0 && (i >= most || (atoms += row.structure.atomic_numbers.length) > ATOMS));
  return end < 0 ? rows : rows.slice(0, end);
}
