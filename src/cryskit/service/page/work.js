// Long work: one line that says how far it is, and a button that ends it.

import { at, el, fill } from "./dom.js";
import { grouped } from "./numbers.js";

let running = null;

/** Say something to everybody, those who hear the page included. */
export function say(text, kind = "") {
  fill(at("said"), text ? el("span", { class: kind }, text) : null);
}

/**
 * Do long work after that which runs.
 *
 * `work` gets a signal that ends it and a function (what, done, total) that says how far it is.
 */
export async function work(what, todo) {
  while (running) await running.ended;
  const controller = new AbortController();
  let finish;
  running = { ended: new Promise((done) => (finish = done)) };
  const bar = at("bar"), stop = at("stop");
  const tell = (text, done, total) => {
    fill(at("doing"), total ? `${text}: ${grouped(done)} of ${grouped(total)}` : `${text} \u2026`);
    if (total) Object.assign(bar, { value: done, max: total });
    else bar.removeAttribute("value");
  };
  const end = () => controller.abort();
  stop.addEventListener("click", end);
  tell(what, 0, 0);
  at("work").hidden = false;
  try {
    await todo(controller.signal, tell);
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, "bad");
    else say("Cancelled. What was finished stays.");
  } finally {
    stop.removeEventListener("click", end);
    at("work").hidden = true;
    running = null;
    finish();
  }
}
