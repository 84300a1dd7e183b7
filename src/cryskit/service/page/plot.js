// A curve with its band, as SVG.

import { svg } from "./dom.js";
import { fixed, shown } from "./numbers.js";

const WIDE = 400, HIGH = 170, LEFT = 52, BOTTOM = 34, TOP = 20, RIGHT = 10;

/** Return a plot of points {x, y, low, high}; `now` is where a vertical line stands. */
export function plot(points, { now, xLabel, yLabel, title }) {
  const xs = points.map((each) => each.x), ys = points.flatMap((each) => [each.y, each.low ?? each.y, each.high ?? each.y]);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  let [y0, y1] = [Math.min(...ys), Math.max(...ys)];
  const margin = 0.08 * (y1 - y0) || 0.05 * Math.abs(y1) || 1;
  y0 -= margin;
  y1 += margin;
  const px = (x) => LEFT + ((x - x0) / (x1 - x0)) * (WIDE - LEFT - RIGHT);
  const py = (y) => HIGH - BOTTOM - ((y - y0) / (y1 - y0)) * (HIGH - BOTTOM - TOP);
  const path = (list) => list.map(([x, y], i) => `${i ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("");
  const hasBand = points.every((each) => typeof each.low === "number");
  const band = [...points.map((each) => [each.x, each.low]), ...points.map((each) => [each.x, each.high]).reverse()];
  const text = (x, y, anchor, content) => svg("text", { x, y, "text-anchor": anchor }, content);
  const ticks = [0.1, 0.5, 0.9].map((share) => y0 + share * (y1 - y0));
  return svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "plot", role: "img", "aria-label": title },
    ...ticks.map((y) => svg("line", { x1: LEFT, x2: WIDE - RIGHT, y1: py(y), y2: py(y), class: "grid" })),
    ...ticks.map((y) => text(LEFT - 6, py(y) + 4, "end", shown(y))),
    hasBand ? svg("path", { d: `${path(band)}Z`, class: "band" }) : null,
    svg("line", { x1: px(now), x2: px(now), y1: TOP, y2: HIGH - BOTTOM, class: "now" }),
    svg("path", { d: path(points.map((each) => [each.x, each.y])), class: "curve" }),
    ...[x0, (x0 + x1) / 2, x1].map((x, i) => text(px(x), HIGH - BOTTOM + 15, ["start", "middle", "end"][i], fixed(x, 0))),
    text((LEFT + WIDE) / 2, HIGH - 3, "middle", xLabel), text(LEFT, TOP - 8, "start", yLabel));
}
