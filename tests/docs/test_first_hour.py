"""The study of a newcomer's first hour knows every page and what it needs, sees what goes wrong, and its card is of the pages as they are."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
from docs_hooks import hook

from benchmarks.studies.first_hour import EXTRAS, NOT_RUN, pages, row
from benchmarks.studies.page_run import run

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from page_steps import steps  # noqa: E402 - scripts, not modules of a package

INSTALL = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
NAMED = re.compile(r"cryskit\[([\w,]+)\]|[Ee]xtras?\s((?:`\w+`(?:,\s|\sand\s)?)+)")
CARD = ROOT / "benchmarks" / "results" / "first-hour.json"


measured = pytest.mark.skipif(not CARD.exists(), reason="the study has not been run to its end yet")


def test_every_page_is_gone_through_or_says_why_not() -> None:
    every = {"README.md", "docs/index.md", "docs/install.md"}
    every |= {
        path.relative_to(ROOT).as_posix() for kind in ("tutorials", "howto") for path in ROOT.glob(f"docs/{kind}/*.md")
    }
    assert {page for page in every if steps(ROOT / page)} == set(pages())
    assert every == {*pages(), *NOT_RUN}


@pytest.mark.parametrize("page", EXTRAS)
def test_a_page_names_the_extras_that_it_needs(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = {extra for found in NAMED.findall(text) for extra in re.findall(r"\w+", " ".join(found))}
    assert set(EXTRAS[page]) <= named


def test_every_extra_is_in_the_table_of_the_page_on_installing() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(re.findall(r"^\| `cryskit\[(\w+)\]` \|", INSTALL, re.MULTILINE)) == set(project["optional-dependencies"])


def test_what_goes_wrong_on_a_page_is_seen(tmp_path: Path) -> None:
    """A session keeps its names, goes on after an exception, and what its processes print is not what the page shows."""
    page = tmp_path / "page.md"
    blocks = [
        ("console", "$ echo one\none\n$ echo two\n2\n$ exit 3\n"),
        ("python", "import os\nx = 1\nos.system('echo noise')\nprint(x)\n"),
        ("text", "1\n"),
        ("python", "print(y)\n"),
        ("python", "print(x + 1)\n"),
        ("text", "3\n"),
        ("sh", "false\n"),
    ]
    page.write_text(
        "# Page\n\n" + "\n".join(f"```{language}\n{text}```\n" for language, text in blocks), encoding="utf-8"
    )
    (tmp_path / "home").mkdir()
    found = run(page, Path(sys.executable).parents[1], tmp_path, tmp_path / "home")
    assert [(step["status"], step["agrees"]) for step in found["steps"]] == [
        (0, True),
        (0, False),
        (3, None),
        (0, True),
        (1, None),
        (0, False),
    ]
    assert "NameError" in found["steps"][4]["printed"]
    shown = row("page.md", page, found)
    assert (shown["commands"], shown["failed"], shown["outputs_that_differ"], shown["blocks_not_run"]) == (6, 2, 2, 1)


@measured
def test_the_card_is_of_these_pages_and_nothing_went_wrong() -> None:
    card = json.loads(CARD.read_text(encoding="utf-8"))
    assert [found["page"] for found in card["pages"]] == pages()
    assert {found["page"]: found["extras"] for found in card["pages"] if found["extras"]} == {
        page: ", ".join(extras) for page, extras in EXTRAS.items()
    }
    assert card["wrong"] == []
    assert [found["page"] for found in card["not_run"]] == list(NOT_RUN)


@measured
def test_the_page_on_installing_shows_the_card() -> None:
    shown = hook("first_hour").on_page_markdown(INSTALL)
    card = json.loads(CARD.read_text(encoding="utf-8"))
    for found in card["pages"]:
        assert f"{found['commands']} | {found['wall_seconds']:.0f} | {found['cpu_seconds']:.0f} |" in shown
    assert "[Predict](tutorials/predict.md)" in shown
    assert "<!-- first hour" not in shown
