"""The words are those of Robocrystallographer as it comes.

`reference.json` holds what the untouched library wrote about 120 crystals, in the versions that it names: 17 of `examples` and
others of the bundled sets, chosen for many anonymous formulas and space groups, from frameworks to molecules.
"""

from __future__ import annotations

import json
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cryskit.data.read import read
from cryskit.data.sources import open_source
from cryskit.types import Crystal

if TYPE_CHECKING:
    from cryskit.text.robocrys import Robocrys

pytest.importorskip("robocrys")
pytestmark = pytest.mark.slow  # importing it takes more than five seconds

ROOT = Path(__file__).resolve().parents[2]
REFERENCE: dict[str, Any] = json.loads(Path(__file__).with_name("reference.json").read_text(encoding="utf-8"))
ROWS: list[dict[str, Any]] = REFERENCE["rows"]


@pytest.fixture(scope="module")
def robocrys() -> Robocrys:
    from cryskit.text.robocrys import Robocrys

    return Robocrys()


@pytest.fixture(scope="module")
def crystals() -> dict[tuple[str, str], Crystal]:
    wanted = {(row["source"], row["id"]) for row in ROWS}
    read_all = {
        source: read(ROOT / "examples") if source == "examples" else open_source(source) for source, _ in wanted
    }
    return {
        (source, item.id): item
        for source, items in read_all.items()
        for item in items
        if isinstance(item, Crystal) and (source, item.id) in wanted
    }


def test_the_reference_is_of_the_version_that_is_pinned() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for name in ("robocrys", "matminer", "pymatgen-core"):
        assert f"{name}=={REFERENCE[name]}" in pins


def test_the_reference_is_varied() -> None:
    assert len(ROWS) >= 60
    dimensions = Counter(row["dimensionality"] for row in ROWS)
    assert all(dimensions[dimension] >= 5 for dimension in range(4)), dimensions


@pytest.mark.skipif(
    version("robocrys") != REFERENCE["robocrys"], reason="the reference is of another version of robocrys"
)
def test_the_words_are_those_of_the_untouched_library(
    robocrys: Robocrys, crystals: dict[tuple[str, str], Crystal]
) -> None:
    from cryskit.text.robocrys import clean

    different = {}
    for row in ROWS:
        parts = robocrys.describe(crystals[row["source"], row["id"]])
        text, expected = " ".join(part for part in parts if part), clean(row["text"])
        if text != expected:
            different[row["id"]] = (text, expected)
    assert not different


def test_the_parts_are_kept_apart(robocrys: Robocrys, crystals: dict[tuple[str, str], Crystal]) -> None:
    overall, local = robocrys.describe(crystals["examples", "C-graphite"])
    assert overall == (
        "C is Graphite structured and crystallizes in the hexagonal P6_3/mmc space group. The structure is two-dimensional "
        "and consists of two C sheets oriented in the (0, 0, 1) direction."
    )
    assert local.startswith("C(1,2) is bonded in a trigonal planar geometry to three equivalent C(1,2) atoms.")


@pytest.mark.parametrize(
    ("written", "clean_text"),
    [
        ("oriented in the (np.int64(0), np.int64(-1), 1) direction.", "oriented in the (0, -1, 1) direction."),
        ("np.float64(2.5) and np.str_('a')", "2.5 and 'a'"),
        (
            (
                "one B sheet oriented in the (0, 1, 0) direction and two C sheets oriented in the (1, 0, 0), (0, 1, 0), and "
                "(0, 0, 1) directions."
            ),
            (
                "one B sheet oriented in the (0, 1, 0) direction and two C sheets oriented in the (0, 0, 1), (0, 1, 0), and "
                "(1, 0, 0) directions."
            ),
        ),
        ("a mixture of edge and corner-sharing AO6 octahedra", "a mixture of corner and edge-sharing AO6 octahedra"),
        ("distorted face, edge, and corner-sharing AO6", "distorted corner, edge, and face-sharing AO6"),
        (
            "to form edge-sharing AO6 octahedra. The corner-sharing",
            "to form edge-sharing AO6 octahedra. The corner-sharing",
        ),
        ("share faces with one BO4 and corners with two", "share faces with one BO4 and corners with two"),
    ],
)
def test_artefacts_are_cleaned(written: str, clean_text: str) -> None:
    from cryskit.text.robocrys import clean

    assert clean(written) == clean_text
    assert clean(clean_text) == clean_text


def test_a_crystal_that_cannot_be_described_is_an_error_of_ours(
    robocrys: Robocrys, crystals: dict[tuple[str, str], Crystal], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryskit.errors import DescriptionError

    def unable(_: Any) -> dict[str, str]:
        raise ValueError("2D components do not\nagree")

    salt = crystals["examples", "NaCl"]
    with monkeypatch.context() as patch:
        patch.setattr(robocrys._condenser, "condense_structure", unable)
        with pytest.raises(DescriptionError, match="ValueError: 2D components do not agree"):
            robocrys.describe(salt)
    assert "Rock Salt" in robocrys.describe(salt).overall
