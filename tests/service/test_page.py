"""The page in a real browser: Debian's Chromium, driven by Playwright, against a service that runs as a process."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from service.conftest import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = ", ".join(
    name for name, is_there in {"chromium": CHROMIUM, "playwright": find_spec("playwright")}.items() if not is_there
)
if MISSING:
    warnings.warn(pytest.PytestWarning(f"THE PAGE IS NOT TESTED: {MISSING} is missing"), stacklevel=1)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=f"THE PAGE IS NOT TESTED without {MISSING}")]

SECONDS = 60
START = 240
EVIL = '<img src=x onerror="window.hacked=1">'
CIF = (EXAMPLES / "NaCl.cif").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as found:
        yield found


@contextmanager
def served(**more: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cryskit", "serve", "--port", str(port), "--accelerator", "cpu", "--workers", "1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | more
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            found = f"http://127.0.0.1:{port}"
            assert until(lambda: is_ready(found), START), "the service does not start"
            yield found
        finally:
            process.terminate()


def is_ready(address: str) -> bool:
    with suppress(OSError):
        return urllib.request.urlopen(f"{address}/readyz", timeout=5).status == 200  # noqa: S310 - our own service
    return False


def until(is_so: Any, seconds: float = SECONDS) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Opened:
    """A page that remembers what it asked for and what went wrong."""

    def __init__(self, browser: Any, address: str, ready: str = "body.ready", **options: Any) -> None:
        self.address = address
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda said: said.type in {"error", "warning"} and self.wrong.append(said.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.goto(address)
        self.page.wait_for_selector(ready)

    def is_so(self, script: str) -> bool:
        return until(lambda: self.page.evaluate(script))  # the policy of the page lets no text run as a program

    def send(self, *files: tuple[str, str]) -> None:
        uploads = [{"name": name, "mimeType": "", "buffer": text.encode()} for name, text in files]
        self.page.set_input_files("#files", uploads)

    def finished(self, rows: int) -> None:
        count = f"document.getElementById('table').ariaRowCount === '{rows + 1}'"
        assert self.is_so(f"{count} && document.getElementById('work').hidden && !document.querySelector('.wait')")

    def open(self, index: int) -> None:
        self.page.click(f'#rows tr[data-index="{index}"]')

    def text(self, where: str) -> str:
        return str(self.page.inner_text(where))

    def download(self, form: str) -> Path:
        with self.page.expect_download() as found:
            self.page.click(f'[data-form="{form}"]')
        return Path(found.value.path())


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Opened]:
    found = Opened(browser, address)
    yield found
    found.context.close()
    assert not found.wrong
    assert all(url.startswith((address, f"blob:{address}")) for url in found.asked), "the page asks no other place"
    assert f"{address}/page/app.js" in found.asked


def test_files_become_rows_and_a_wrong_one_says_why(opened: Opened) -> None:
    opened.send(("NaCl.cif", CIF), ("notes.txt", "hello"), ("SrTiO3.cif", (EXAMPLES / "SrTiO3.cif").read_text()))
    opened.finished(3)
    assert opened.text("#count") == "3 crystals, 1 failed"
    assert "eV/atom" in opened.text("#head")
    assert "\u2026" in opened.text('#rows tr[data-index="0"]'), "a value has its interval"
    assert "inside" in opened.text('#rows tr[data-index="0"]')
    assert "notes.txt" in opened.text('#rows tr[data-index="1"] .reason')
    opened.open(1)
    assert "known format" in opened.text("#notice")
    opened.page.click('[data-column="band_gap"]')
    assert "NaCl" in opened.text('#rows tr[data-index="1"]'), "4.9 eV is more than 1.9 eV"
    opened.page.click("#range summary")
    opened.page.select_option("#property", "band_gap")
    opened.page.fill("#least", "2,5")
    assert opened.is_so("document.getElementById('count').textContent.startsWith('1 of 3')"), "2,5 is 2.5"


def test_downloads_are_what_the_command_line_writes(opened: Opened) -> None:
    opened.send(("NaCl.cif", CIF), ("wrong.cif", "data_x"))
    opened.finished(2)
    lines = opened.download("csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("id,path,formula,formation_energy_per_atom,")
    assert len(lines) == 3
    table = json.loads(opened.download("json").read_text(encoding="utf-8"))
    assert table["units"]["band_gap"] == "eV"
    assert [row["status"] for row in table["rows"]] == ["ok", "failed"]
    parquet = pq.read_table(opened.download("parquet"))
    assert parquet["band_gap"].to_pylist() == [table["rows"][0]["band_gap"], None]
    assert float(lines[1].split(",")[3]) == table["rows"][0]["formation_energy_per_atom"]


def test_two_hundred_files_are_a_table_of_which_few_rows_are_drawn(opened: Opened) -> None:
    opened.send(*((f"salt {i}.cif", CIF) for i in range(200)))
    opened.finished(200)
    assert opened.page.locator("#rows tr[data-index]").count() < 60
    opened.page.focus("#table")
    opened.page.keyboard.press("End")
    assert opened.is_so("document.querySelector('#rows .active')?.dataset.index === '199'")


TEN_THOUSAND = (Path(__file__).parent / "ten_thousand.js").read_text(encoding="utf-8")


def test_ten_thousand_rows_are_sorted_filtered_and_scrolled_with_few_of_them_drawn(opened: Opened) -> None:
    opened.page.evaluate(TEN_THOUSAND)
    opened.finished(10_000)
    lines = "[...document.querySelectorAll('#rows tr')]"
    opened.page.evaluate("window.made = new Set()")
    for share in (0, 0.013, 0.3, 0.5, 0.999, 1):
        opened.page.evaluate(
            "s => { const e = document.getElementById('scroller'); e.scrollTop = s * e.scrollHeight; }", share
        )
        row = round(share * 9_990)
        near = (
            f"[...document.querySelectorAll('#rows tr[data-index]')].some(r => Math.abs(r.dataset.index - {row}) < 40)"
        )
        assert opened.is_so(near), f"row {row} is not drawn"
        opened.page.evaluate(f"{lines}.forEach(line => window.made.add(line))")
    assert opened.page.evaluate("window.made.size") < 60, "scrolling makes no elements"
    assert opened.is_so(f"{lines}.every((line, i, all) => !i || line.ariaRowIndex - all[i - 1].ariaRowIndex === 1)")
    opened.page.click('[data-column="band_gap"]')
    assert opened.text("#head th[aria-sort=ascending]").startswith("Band gap")
    opened.page.evaluate("document.getElementById('scroller').scrollTop = 0")
    assert opened.is_so("document.querySelector('#rows tr[data-index]')?.dataset.index === '0'")
    assert "\u22121.000" in opened.text('#rows tr[data-index="0"]'), "the least of them is first"
    opened.page.fill("#find", "crystal 99")
    opened.page.select_option("#which", "in")
    expected = sum("99" in f"{i}"[:2] and i % 5 > 0 for i in range(10_000))
    assert opened.is_so(f"document.getElementById('count').textContent.startsWith('{expected} of 10')")
    assert opened.page.locator("#rows tr").count() < 60


def test_files_are_dropped_and_cleared(opened: Opened) -> None:
    script = "t => { const d = new DataTransfer(); d.items.add(new File([t], 'NaCl.cif')); return d; }"
    dropped = {"dataTransfer": opened.page.evaluate_handle(script, CIF)}
    opened.page.dispatch_event("body", "dragenter", dropped)
    assert opened.page.evaluate("document.body.classList.contains('dropping')")
    opened.page.dispatch_event("body", "drop", dropped)
    assert not opened.page.evaluate("document.body.classList.contains('dropping')")
    opened.finished(1)
    opened.open(0)
    opened.page.click("#clear")
    assert opened.page.is_hidden("#detail")
    assert opened.page.is_visible("#welcome")
    assert opened.page.locator("#rows tr[data-index]").count() == 0
    assert opened.page.evaluate("document.activeElement.id") == "add-first"


def test_work_is_cancelled_and_what_was_finished_stays(opened: Opened) -> None:
    text = (EXAMPLES / "SrTiO3.cif").read_text(encoding="utf-8")
    opened.send(*((f"{i}.cif", text) for i in range(400)))
    assert opened.is_so("document.querySelectorAll('#rows tr[data-index]').length > 0")
    opened.page.click("#stop")
    assert opened.is_so("document.getElementById('said').textContent.includes('Cancelled')")
    assert opened.page.locator("#rows tr[data-index]").count() > 0
    page = opened.address
    assert until(lambda: "cryskit_queue 0.0" in urllib.request.urlopen(f"{page}/metrics").read().decode())  # noqa: S310


def test_a_token_is_asked_for_until_it_is_right(browser: Any) -> None:
    token = "a secret that is long enough"  # noqa: S105 - it guards nothing
    with served(CRYSKIT_TOKEN=token) as address:
        opened = Opened(browser, address, "#token[open]")
        opened.page.fill("#secret", "wrong")
        opened.page.keyboard.press("Enter")
        assert opened.is_so("document.getElementById('token-said').textContent.includes('not the token')")
        assert opened.page.input_value("#secret") == ""
        opened.page.fill("#secret", token)
        opened.page.keyboard.press("Enter")
        opened.page.wait_for_selector("body.ready")
        opened.send(("NaCl.cif", CIF))
        opened.finished(1)
        assert opened.text("#count") == "1 crystal"
        opened.context.close()


def test_a_crystal_is_explained_changed_and_kept(opened: Opened) -> None:
    opened.page.click("#usual button")
    opened.finished(1)
    opened.open(0)
    opened.page.click("#tab-2")
    assert opened.is_so("document.querySelectorAll('.bars tr').length > 4")
    assert "eV/atom" in opened.text("#tabpanel")
    opened.page.click("#tab-1")
    opened.page.select_option("#to", "K")
    opened.page.fill("#percent-a", "1,5")
    assert opened.page.input_value("#strain-a") == "1.5", "1,5 is 1.5"
    assert opened.is_so("Boolean(document.querySelector('.plot .band'))")
    opened.page.click("#tabpanel .actions button")
    opened.finished(2)
    assert "KCl" in opened.text('#rows tr[data-index="0"], #rows tr[data-index="1"] >> nth=1')
    opened.page.click("#show-card")
    assert opened.is_so("document.getElementById('card-body').textContent.includes('SHA-256')")


def test_nothing_that_is_sent_runs_or_becomes_a_tag(opened: Opened) -> None:
    opened.send(
        (f"{EVIL}.cif", CIF.replace("data_NaCl", f"data_{EVIL}".replace(" ", "_"))),
        (f"{EVIL}.txt", EVIL),
        ("a.json", json.dumps([{"id": EVIL, "structure": CIF}, {"id": EVIL, "structure": EVIL}])),
    )
    opened.finished(4)
    opened.page.click("#paste")
    opened.page.fill("#text", EVIL)
    opened.page.click("#read-text")
    opened.finished(5)
    for i in range(5):
        opened.open(i)
    opened.page.fill("#find", EVIL)
    assert opened.page.evaluate("window.hacked === undefined && !document.querySelector('img')")
    assert EVIL in opened.page.evaluate("document.body.textContent")


def test_keys_alone_are_enough(opened: Opened) -> None:
    keys = opened.page.keyboard
    assert until(lambda: press_tab(opened, "paste-first"), 20)
    keys.press("Enter")
    keys.insert_text(CIF)
    keys.press("Tab")
    keys.press("Enter")
    opened.finished(1)
    assert until(lambda: press_tab(opened, "table"), 20)
    keys.press("ArrowDown")
    keys.press("Enter")
    assert opened.page.is_visible("#detail")
    assert until(lambda: press_tab(opened, "tab-0"), 20)
    keys.press("ArrowRight")
    assert opened.page.get_attribute("#tab-1", "aria-selected") == "true"
    keys.press("Escape")
    assert opened.page.is_hidden("#detail")
    assert opened.page.evaluate("document.activeElement.id") == "table"


def press_tab(opened: Opened, wanted: str) -> bool:
    opened.page.keyboard.press("Tab")
    return bool(opened.page.evaluate("document.activeElement.id") == wanted)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, address: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python")
    program = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    opened = Opened(browser, address, color_scheme=scheme)
    opened.send(("NaCl.cif", CIF), ("notes.txt", "hello"))
    opened.finished(2)
    opened.open(0)
    grounds = {"light": "rgb(246, 246, 244)", "dark": "rgb(18, 21, 23)"}
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == grounds[scheme]
    opened.page.evaluate(program)
    found = opened.page.evaluate("axe.run()")["violations"]
    opened.context.close()
    assert not [
        (each["id"], [node["html"] for node in each["nodes"]][:3])
        for each in found
        if each["impact"] in {"serious", "critical"}
    ]


def test_a_screen_of_a_telephone_has_no_scrolling_to_the_side(browser: Any, address: str) -> None:
    opened = Opened(browser, address, is_mobile=True, has_touch=True)
    opened.page.set_viewport_size({"width": 390, "height": 844})
    opened.send(("NaCl.cif", CIF))
    opened.finished(1)
    opened.open(0)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    opened.context.close()
