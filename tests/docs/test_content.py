"""What the pages hold: every public name, figures that are those of the cards, words of the field, pictures of a bearable size."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
from budgets.test_language import DIALECT

import cryskit
from cryskit import properties
from cryskit.registry import ENCODERS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
PICTURES = [path for path in sorted(DOCS.rglob("*")) if path.suffix in {".png", ".svg"}]
INCLUDED = "--8<--"
ROW = re.compile(
    r"^\| ([\w ]+?)(, new formulas)? \| \*\*([\d.]+)(?: [\w/]+)?\*\*.*?\(([\d.]+) to ([\d.]+)\) \| ([\d.]+).*? \| ([\d,]+) test",
    re.MULTILINE,
)
NAMES = {
    "formation_energy_per_atom": "formation energy",
    "band_gap": "band gap",
    "fermi_energy": "Fermi energy",
    "bulk_modulus": "bulk modulus",
    "shear_modulus": "shear modulus",
    "poisson_ratio": "Poisson ratio",
}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_every_public_name_is_in_the_reference() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").rglob("*.md"))
    described = set(re.findall(r"^::: cryskit\.(\w+)$", text, re.MULTILINE))
    listed = set(re.findall(r"\[cryskit\.(\w+)\]", text))
    public = set(cryskit.__all__) - {"__version__"}
    assert described == public
    assert listed == public


def test_every_encoder_is_in_the_reference() -> None:
    text = (DOCS / "reference" / "api" / "encoders.md").read_text(encoding="utf-8")
    described = re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)
    assert described == [f"{ENCODERS[name].__module__}.{ENCODERS[name].__qualname__}" for name in ENCODERS]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_words_are_those_of_the_field(page: Path) -> None:
    assert not [found[0] for found in DIALECT.finditer(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if not page.read_text(encoding="utf-8").startswith(INCLUDED)], ids=name
)
def test_a_page_begins_with_what_it_is_for(page: Path) -> None:
    title, _, first = page.read_text(encoding="utf-8").split("\n", 2)
    assert title.startswith("# ")
    assert re.match(r"[A-Z*\[]|cryskit|`", first), f"{name(page)} begins with {first[:40]!r}, not with a sentence"


def test_the_accuracies_of_the_readme_are_those_of_the_card() -> None:
    cards = {
        new: {
            row["property"]: row
            for row in json.loads((RESULTS / f"accuracy-cryskit-mp{suffix}.json").read_text())["test"]
        }
        for new, suffix in (("", ""), (", new formulas", "-new"))
    }
    shown = ROW.findall(README.read_text(encoding="utf-8"))
    assert [what for what, new, *_ in shown if not new] == [NAMES[name] for name in cards[""]]
    assert [what for what, new, *_ in shown if new] == ["formation energy", "band gap"]
    for what, new, *figures, crystals in shown:
        row = next(row for name, row in cards[new].items() if NAMES[name] == what)
        measured = [row[key] for key in ("mae", "mae_low", "mae_high", "mean_deviation")]
        assert [float(figure) for figure in figures] == [round(value, 3) for value in measured], what
        assert int(crystals.replace(",", "")) == row["crystals"]


def test_the_speeds_of_the_readme_are_those_of_the_card() -> None:
    card = json.loads((RESULTS / "speed-intel-r-xeon-2c-2t.json").read_text())
    ratios = [(row["stage"], row["variant"], row["ratio"]) for row in card["stages"]]
    wanted = [
        ("crystal to graph", "symmetry detected"),
        ("training", "cryskit"),
        ("inference", "cryskit"),
    ]
    shown = [float(found) for found in re.findall(r"\*\*([\d.]+) times\*\*", README.read_text(encoding="utf-8"))]
    measured = [next(ratio for stage, variant, ratio in ratios if (stage, variant) == one) for one in wanted]
    assert shown == [pytest.approx(ratio, abs=0.5 if ratio > 10 else 0.05) for ratio in measured]
    spans = re.findall(r"\*\*[\d.]+ times\*\* \(([\d.]+) to ([\d.]+)\)", README.read_text(encoding="utf-8"))
    for (least, most), one in zip(spans, wanted, strict=True):
        row = next(row for row in card["stages"] if (row["stage"], row["variant"]) == one)
        within = 0.5 if row["ratio"] > 10 else 0.05
        assert float(least) == pytest.approx(row["ratio_least"], abs=within)
        assert float(most) == pytest.approx(row["ratio_most"], abs=within)


@pytest.mark.parametrize("picture", PICTURES, ids=name)
def test_a_picture_is_small_and_shown(picture: Path) -> None:
    assert picture.stat().st_size < 200_000
    assert any(
        f"{picture.parent.name}/{picture.name}" in text or f"({picture.name})" in text
        for text in map(Path.read_text, PAGES)
    )


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pictures_and_links_to_files_exist(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    assert not [t for t in targets if t and "://" not in t and not (page.parent / t).exists()]


def runs(page: Path) -> set[str]:
    """Return the files and folders of the runs that the commands and the Python of a page leave behind."""
    text = re.sub(r"\\\n *", "", page.read_text(encoding="utf-8"))
    commands = re.findall(r"^\$ cryskit (?:train|pretrain|benchmark|describe) (.*)$", text, re.MULTILINE)
    made = {found for command in commands for found in re.findall(r"--out (\S+)", command)}
    trained = re.findall(r"cryskit\.train\(.*", text)
    return made | {found for call in trained for found in re.findall(r'Path\("([^"]+)"\)', text) if call}


def test_every_page_has_runs_of_its_own() -> None:
    """Commands of two pages, one after the other in one folder, do not meet in a run."""
    made = {name(page): runs(page) for page in PAGES}
    assert sum(map(len, made.values())) > 10
    for left, right in itertools.combinations(made, 2):
        assert not made[left] & made[right], f"{left} and {right} write the same runs"


def test_the_commands_of_a_page_use_names_of_properties_not_aliases() -> None:
    known = properties.load()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for given in re.findall(r"--property (\w+)", text):
            assert given in known or given in {"target", "NAME"}, f"{name(page)} has the alias {given}"
