"""The page with 10,000 rows in Chromium: what its thread computes for each step of scrolling, for a sort and for a filter.

    python -m benchmarks.studies.page_speed

Times are those of the processor in the page's main thread, scripts, style and layout together, which other programs hardly change; a screen shows a new
frame every 16.7 ms. The card is `results/page.json`.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.speed import machine
from benchmarks.studies.service_load import server
from cryskit.atomic_write import write_json

if TYPE_CHECKING:
    from collections.abc import Callable

_ROWS = machine.ROOT / "tests" / "service" / "ten_thousand.js"
_STEPS = 200
_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
_REPEATS = 5


def main() -> None:
    """Measure, and keep the figures in a card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args()
    with server() as service, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"http://127.0.0.1:{service.port}")
        page.wait_for_selector("body.ready")
        page.evaluate(_ROWS.read_text(encoding="utf-8"))
        found = {"title": "The page with 10,000 rows", "milliseconds": _measured(page), "browser": browser.version}
        browser.close()
    write_json(found | {"machine": machine.facts(1)}, asked.out / "page.json")


def _measured(page: Any) -> dict[str, dict[str, float]]:
    """Return the milliseconds of each kind of step: median, 99th percentile, most."""
    clock = page.context.new_cdp_session(page)
    clock.send("Performance.enable", {"timeDomain": "threadTicks"})

    def taken(todo: Callable[[], object]) -> float:
        before = _busy(clock)
        todo()
        page.evaluate(_FRAMES)
        return 1000 * (_busy(clock) - before)

    scroll = "step => { document.getElementById('scroller').scrollTop += step; }"
    column = page.locator("#head button[data-column]").nth(2)
    texts = [f"crystal {i}" for i in range(_REPEATS)]
    kinds: dict[str, list[Callable[[], object]]] = {
        "scroll by a page": [lambda: page.evaluate(scroll, 640)] * _STEPS,
        "scroll by three rows": [lambda: page.evaluate(scroll, -132)] * _STEPS,
        "sort": [column.click] * _REPEATS,
        "filter": [lambda text=text: page.fill("#find", text) for text in texts],  # type: ignore[misc]
    }
    return {name: _said([taken(todo) for todo in todos]) for name, todos in kinds.items()}


def _busy(clock: Any) -> float:
    metrics = clock.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def _said(times: list[float]) -> dict[str, float]:
    return {
        "median": round(float(np.median(times)), 1),
        "p99": round(float(np.percentile(times, 99)), 1),
        "most": round(max(times), 1),
    }


if __name__ == "__main__":
    main()
