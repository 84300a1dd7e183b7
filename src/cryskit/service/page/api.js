// Requests to the service: problems as errors, jobs followed to their end, a token where one is wanted.

const WAIT = 400; // milliseconds between two looks at a job
const TRIES = 6;

let token = "";
let askForToken = async () => "";

/** What the service says is wrong. */
export class Problem extends Error {
  constructor(status, about) {
    super(about.detail || `The service answered with ${status}`);
    this.name = "Problem";
    this.status = status;
    this.problem = about.problem || this.message;
    this.cure = about.cure || "";
  }
}

/** Say how a token is asked for: a function that returns a promise of it, and is told whether the last one was wrong. */
export function onToken(ask) {
  askForToken = ask;
}

/** Return the JSON at an address. */
export async function get(path, signal) {
  return (await send(path, { signal })).json();
}

/** Return the JSON that a request is answered with; a job is followed to its end, and cancelled with the signal. */
export async function post(path, body, { signal, progress, later = false } = {}) {
  return (await posted(path, body, { signal, progress, later })).json();
}

/** Return the file that a request is answered with. */
export async function file(path, body, signal) {
  return (await posted(path, body, { signal })).blob();
}

async function posted(path, body, { signal, progress, later }) {
  const isForm = body instanceof FormData;
  const headers = { ...(isForm ? {} : { "Content-Type": "application/json" }), ...(later ? { Prefer: "respond-async" } : {}) };
  const answer = await send(path, { method: "POST", body: isForm ? body : JSON.stringify(body), headers, signal });
  return answer.status === 202 ? followed(await answer.json(), signal, progress) : answer;
}

async function followed(job, signal, progress) {
  const place = `v1/jobs/${encodeURIComponent(job.id)}`;
  try {
    let wait = 60;
    for (let now = job; now.state === "waiting" || now.state === "running"; now = await get(place, signal)) {
      progress?.(now.done, now.total);
      await pause(wait, signal);
      wait = Math.min(WAIT, wait * 1.6);
    }
    return await send(`${place}/result`, { signal });
  } catch (error) {
    if (error.name === "AbortError") send(place, { method: "DELETE" }).catch(() => {});
    throw error;
  }
}

async function send(path, options = {}) {
  for (let tries = 1; ; tries += 1) {
    const sent = token, headers = { ...options.headers, ...(sent ? { Authorization: `Bearer ${sent}` } : {}) };
    let answer;
    try {
      answer = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, { detail: "The service does not answer. Check that it still runs" });
    }
    if (answer.ok) return answer;
    if (answer.status === 401 && tries < TRIES) {
      if (token === sent) token = await askForToken(Boolean(sent)); // another request may have asked meanwhile
      if (token) continue;
    }
    const after = Number(answer.headers.get("Retry-After"));
    if (after && [429, 503].includes(answer.status) && tries < TRIES) {
      await pause(1000 * Math.min(after, 20), options.signal);
      continue;
    }
    throw new Problem(answer.status, await answer.json().catch(() => ({})));
  }
}

/** Return after some milliseconds, or throw as soon as the signal says so. */
export function pause(milliseconds, signal) {
  return new Promise((done, failed) => {
    const stop = () => failed(new DOMException("Cancelled", "AbortError"));
    if (signal?.aborted) stop();
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      done();
    }, milliseconds);
    const end = () => {
      clearTimeout(timer);
      stop();
    };
    signal?.addEventListener("abort", end, { once: true });
  });
}
