// Files and texts become crystals: sent in pieces, read by the service, with progress.

import { post } from "./api.js";
import { shown } from "./numbers.js";
import { predict } from "./predict.js";
import { add, rowOf, state } from "./state.js";
import { arrange } from "./view.js";
import { say, work } from "./work.js";

const FILES = 40; // of a request, so that rows appear while others are read
const BYTES = 8e6;

/** Read files, and predict. */
export async function read(files) {
  if (!files.length) return;
  say("");
  await work("Reading files", async (signal, tell) => {
    let done = 0;
    for (const piece of pieces(files)) {
      tell("Reading files", done, files.length);
      if (piece.length === 1 && piece[0].size > largest()) add([tooLarge(piece[0])]);
      else add(await readPiece(piece, signal));
      done += piece.length;
      arrange();
    }
  });
  await predict();
}

/** Read a text that was pasted, and predict; a text of several CIF blocks holds several crystals. */
export async function readText(text) {
  say("");
  await work("Reading", async (signal) => {
    const isCif = /^\s*data_/im.test(text);
    const body = isCif ? form([new File([text], "pasted.cif")]) : { structures: [text] };
    const found = await post("v1/structures", body, { signal, later: true });
    add(found.rows.map((row) => rowOf(isCif ? row : { ...row, id: row.id === "0" ? "pasted" : row.id })));
    arrange();
  });
  await predict();
}

async function readPiece(piece, signal) {
  try {
    const found = await post("v1/structures", form(piece), { signal, later: true });
    return found.rows.map(rowOf);
  } catch (error) {
    if (error.name === "AbortError" || piece.length === 1 && error.status === 0) throw error;
    if (piece.length === 1) return [failed(piece[0], error.message)];
    const rows = [];
    for (const file of piece) rows.push(...(await readPiece([file], signal))); // one of them spoils the others' request
    return rows;
  }
}

function form(files) {
  const made = new FormData();
  for (const file of files) made.append("files", file, file.name);
  return made;
}

function* pieces(files) {
  const most = Math.min(FILES, state.limits.files || FILES), bytes = Math.min(BYTES, largest());
  let piece = [], size = 0;
  for (const file of files) {
    if (piece.length && (piece.length >= most || size + file.size > bytes)) {
      yield piece;
      piece = [];
      size = 0;
    }
    piece.push(file);
    size += file.size + 500;
  }
  if (piece.length) yield piece;
}

// The form around the files needs some room, too.
const largest = () => (state.limits.body || 32e6) - 4000;

const failed = (file, reason) => rowOf({ id: file.name, path: file.name, status: "failed", reason });

function tooLarge(file) {
  return failed(file, `The file has ${shown(file.size / 1e6)} MB; a request may have ${shown(state.limits.body / 1e6)} MB. Divide it, or use the command line`);
}
