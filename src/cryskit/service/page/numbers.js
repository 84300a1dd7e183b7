// Numbers as people write and read them. Both 5.64 and 5,64 are understood; shown is always a point.

const MINUS = "\u2212";

/** Return the number that a text holds, NaN if it holds none; of a point and a comma the last one is the decimal mark. */
export function parsed(text) {
  let plain = String(text).trim().replace(/[\s\u00a0\u202f'_]/g, "").replace(/\u2212/g, "-");
  const point = plain.lastIndexOf("."), comma = plain.lastIndexOf(",");
  if (point >= 0 && comma >= 0) plain = plain.replaceAll(point > comma ? "," : ".", "");
  plain = plain.replace(",", ".");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
}

/** Return a number with about four significant digits, "" if there is none. */
export function shown(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "";
  const size = Math.abs(value);
  if (size >= 1e6) return value.toExponential(2);
  if (size !== 0 && size < 5e-4) return value.toExponential(0).replaceAll("-", MINUS);
  return fixed(value, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

/** Return a number with so many decimals; a true minus in front, and none in front of zero. */
export function fixed(value, decimals) {
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", MINUS);
}

/** Return a number with its sign. */
export const signed = (value) => (value > 0 ? `+${shown(value)}` : shown(value));

/** Return a count with its noun. */
export const counted = (count, noun, plural = `${noun}s`) => `${grouped(count)} ${count === 1 ? noun : plural}`;

/** Return a whole number in groups of three, which no reader can take for decimals. */
export const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
