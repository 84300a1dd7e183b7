// The rows that are shown as a file, in their order: written by the service, as the command line writes them.

import { file } from "./api.js";
import { el } from "./dom.js";
import { exported, state } from "./state.js";
import { work } from "./work.js";

/** Download the table as csv, json or parquet. */
export async function download(form) {
  await work(`Writing ${form.toUpperCase()}`, async (signal) => {
    const body = { model: state.model.model, interval: state.level, rows: state.view.map(exported) };
    const data = await file(`v1/export?format=${form}`, body, signal);
    const address = URL.createObjectURL(data);
    el("a", { href: address, download: `cryskit.${form}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  });
}
