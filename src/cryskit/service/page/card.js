// The card of a model: Markdown as elements, which needs headings, tables, lists and paragraphs only.

import { get } from "./api.js";
import { at, el, fill } from "./dom.js";
import { state } from "./state.js";

/** Show the card of the model that is chosen. */
export async function show() {
  const body = at("card-body");
  fill(body, el("p", { class: "quiet busy" }, "Loading \u2026"));
  at("card").showModal();
  try {
    const { card, sha256 } = await get(`v1/models/${encodeURIComponent(state.model.model)}`);
    fill(body, ...blocks(card.replace(/^---\n.*?\n---\n/s, "")), el("p", { class: "quiet hash" }, `SHA-256 ${sha256}`));
  } catch (error) {
    fill(body, el("p", { class: "bad" }, error.message));
  }
}

function blocks(markdown) {
  const made = [];
  const lines = markdown.split("\n");
  while (lines.length) {
    const line = lines.shift();
    const heading = /^(#+)\s+(.*)/.exec(line);
    if (!line.trim()) continue;
    if (heading) made.push(el(`h${Math.min(4, heading[1].length + 1)}`, {}, ...inline(heading[2])));
    else if (line.startsWith("|")) made.push(table([line, ...taken(lines, (next) => next.startsWith("|"))]));
    else if (/^\s*[-*] /.test(line)) made.push(el("ul", {}, ...[line, ...taken(lines, (next) => /^\s*[-*] /.test(next))].map((each) => el("li", {}, ...inline(each.replace(/^\s*[-*] /, ""))))));
    else if (line.startsWith("```")) {
      made.push(el("pre", {}, taken(lines, (next) => !next.startsWith("```")).join("\n")));
      lines.shift();
    } else made.push(el("p", {}, ...inline([line, ...taken(lines, (next) => next.trim() && !/^(#|\||```|\s*[-*] )/.test(next))].join(" "))));
  }
  return made;
}

function taken(lines, isWanted) {
  const found = [];
  while (lines.length && isWanted(lines[0])) found.push(lines.shift());
  return found;
}

function table(lines) {
  const rows = lines.filter((line) => !/^\|[\s:|-]+\|$/.test(line)).map((line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim()));
  const cells = (row, tag) => el("tr", {}, ...row.map((cell) => el(tag, tag === "th" ? { scope: "col" } : {}, ...inline(cell))));
  return el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Table" }, el("table", { class: "facts" }, el("thead", {}, cells(rows[0], "th")), el("tbody", {}, ...rows.slice(1).map((row) => cells(row, "td")))));
}

function inline(text) {
  const plain = text.replace(/\[([^\]]+)\]\(([^)]+)\)/g, "$1 ($2)");
  return plain.split(/(\*\*[^*]+\*\*|`[^`]+`)/).filter(Boolean).map((part) => {
    if (part.startsWith("**")) return el("b", {}, part.slice(2, -2));
    return part.startsWith("`") ? el("code", {}, part.slice(1, -1)) : part;
  });
}
