// Elements of the page. Text goes in as text nodes, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Return the element with an id. */
export const at = (id) => document.getElementById(id);

/** Return a new element; `facts` has attributes, `on` event handlers, `value`, `checked` and `disabled` properties. */
export function el(tag, facts = {}, ...children) {
  return filled(document.createElement(tag), facts, children);
}

/** Return a new element of SVG. */
export function svg(tag, facts = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), facts, children);
}

/** Replace what is in an element. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}

/** Return a text that changes, which `put` writes. */
export const changing = () => document.createTextNode("");

/** Write a text where it differs from what is there. */
export function put(node, text) {
  if (node.data !== text) node.data = text;
}

/** Return an option of a select. */
export const option = (value, text, selected = false) => {
  const made = el("option", {}, text);
  made.value = value;
  made.selected = selected;
  return made;
};

function filled(made, facts, children) {
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, handler] of Object.entries(value)) made.addEventListener(event, handler);
    else if (["value", "checked", "disabled", "hidden"].includes(name)) made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  fill(made, ...children);
  return made;
}
