"""Labels that are words, truth values or 0 and 1 become classes, and are said to be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from cryskit.data.classes import NONE, find, index_of, prepared, said, with_class_targets
from cryskit.data.interchange import write
from cryskit.data.read import read
from cryskit.errors import DataError
from cryskit.properties import get, parse
from cryskit.types import Crystal, Property

if TYPE_CHECKING:
    from pathlib import Path

SALT = Crystal("salt", np.eye(3) * 4.12, [[0.0, 0, 0], [0.5, 0.5, 0.5]], [55, 17])


def labelled(*labels: object, name: str = "glassy") -> list[Crystal]:
    """Return crystals with labels in words or numbers; None for no label."""
    made = []
    for row, label in enumerate(labels):
        words = {name: label} if isinstance(label, str) else {}
        numbers = {name: float(label)} if isinstance(label, int | float) else {}
        made.append(replace(SALT, id=f"c{row}", labels=words, targets=numbers))
    return made


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ((0, 1, 1, None), ("0", "1")),
        (("true", "false"), ("false", "true")),
        (("true", "false", 1, 0), ("false", "true")),
        (("soft", "hard", "soft", None), ("hard", "soft")),
        ((0, 1, 2), ()),
        ((0.0, 0.7, 1.0), ()),
        ((0, 0, 0), ()),
    ],
)
def test_the_kind_of_an_unknown_column_follows_from_its_labels(
    labels: tuple[object, ...], classes: tuple[str, ...]
) -> None:
    found = find("glassy", labelled(*labels))
    assert found.property.classes == classes
    assert found.property.kind == ("class" if classes else "scalar")
    assert bool(said(found, labelled(*labels))) == bool(classes), "a class that nobody asked for is said"


def test_two_numbers_that_may_be_codes_of_classes_are_said_to_be_learned_as_numbers() -> None:
    codes = labelled(1, 2, 2, 1)
    line = "All labels of glassy are 1 or 2 (4 labels), and it is learned as a number; if these are codes of classes, say --kind class"
    assert said(find("glassy", codes), codes) == line
    assert find("glassy", codes).property.kind == "scalar"
    assert not said(find("glassy", codes, "scalar"), codes), "what was asked for need not be said"
    assert not said(find("glassy", codes, "class"), codes)
    gaps = [replace(crystal, targets={"band_gap": crystal.targets["glassy"]}) for crystal in codes]
    assert not said(find("band_gap", gaps), gaps), "the registry says that this is a number"


def test_the_kind_may_be_chosen() -> None:
    crystals = labelled("true", "false", "true")
    (first, _, _), (scalar,) = prepared(crystals, ["glassy"], {"glassy": "scalar"})
    assert scalar.kind == "scalar"
    assert first.targets == {"glassy": 1.0}
    chosen = find("glassy", labelled(2, 5, 5, 3), "class")
    assert chosen.property.classes == ("2", "3", "5")
    assert not chosen.reason, "what was asked for need not be said"
    numbered, _ = prepared(labelled(2, 5, 5, 3), ["glassy"], {"glassy": "class"})
    assert [crystal.targets["glassy"] for crystal in numbered] == [0, 2, 2, 1]


def test_labels_of_a_registered_class_are_read_in_any_form() -> None:
    crystals = [
        *labelled("metal", "Insulator", "true", "no", "1", 1, 0, "semimetal", 3, None, name="metal"),
    ]
    targets = [crystal.targets.get("metal") for crystal in with_class_targets(crystals, [get("is_metal")])]
    assert targets == [1, 0, 1, 0, 1, 1, 0, NONE, NONE, None]


def test_what_was_made_a_class_is_not_changed_again() -> None:
    wanted = Property("glassy", "", "", kind="class", classes=("2", "5"))
    once = with_class_targets(labelled(5, 2, 0), [wanted])
    again = with_class_targets(once, [wanted])
    assert [c.targets for c in once] == [c.targets for c in again] == [{"glassy": 1}, {"glassy": 0}, {"glassy": NONE}]
    assert find("glassy", once, "class").property.classes == ("0", "2", "5")
    assert find("glassy", once[:2]).property.classes == ("2", "5"), "classes are still words"


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (tuple(f"word {n}" for n in range(40)), "too many for classes"),
        (("hard", "hard"), "nothing to tell apart"),
        ((None,), "no column glassy"),
    ],
)
def test_labels_that_make_no_classes_are_refused(labels: tuple[object, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        find("glassy", labelled(*labels))


def test_words_are_no_numbers() -> None:
    with pytest.raises(DataError, match="no column glassy"):
        find("glassy", labelled("soft", "hard"), "scalar")


def test_numbers_name_classes_only_where_classes_are_not_numbers() -> None:
    assert index_of("1", ("a", "b", "c")) == 1
    assert index_of("7", ("a", "b", "c")) is None
    assert index_of("1", ("5", "7")) is None
    assert index_of("true", ("a", "b", "c")) is None


@pytest.mark.parametrize("form", ["csv", "parquet", "interchange", "frame", "json"])
def test_columns_of_words_and_truth_values_are_read(form: str, tmp_path: Path) -> None:
    crystals = [replace(SALT, id=f"c{row}", targets={"band_gap": float(row)}) for row in range(3)]
    words, truth = ["hard", None, "soft"], [True, False, True]
    if form == "interchange":
        write(tmp_path / "plain.parquet", crystals)
        frame = pd.read_parquet(tmp_path / "plain.parquet").assign(hardness_class=words, is_metal=truth)
        frame.to_parquet(tmp_path / "data.parquet")
        source: object = tmp_path / "data.parquet"
    else:
        cif = "data_x\n_cell_length_a 4.12\n_cell_length_b 4.12\n_cell_length_c 4.12\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
        cif += "_cell_angle_gamma 90\nloop_\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
        cif += "Cs 0 0 0\nCl 0.5 0.5 0.5\n"
        rows = {"id": ["c0", "c1", "c2"], "cif": [cif] * 3, "hardness_class": words, "is_metal": truth}
        source = frame = pd.DataFrame(rows)
        if form != "frame":
            source = tmp_path / f"data.{form}"
            writers = {"csv": frame.to_csv, "parquet": frame.to_parquet}
            if form == "json":
                frame.to_json(source, orient="records")
            else:
                writers[form](source, index=False)
    found = list(read(source))
    assert [row.labels for row in found if isinstance(row, Crystal)] == [
        {"hardness_class": "hard", "metal": "true"},
        {"metal": "false"},
        {"hardness_class": "soft", "metal": "true"},
    ]


def test_a_registered_class_names_its_classes() -> None:
    assert get("metallic").classes == ("insulator", "metal")
    assert get("observed").classes == ("theoretical", "observed")
    with pytest.raises(DataError, match="a class has two or more"):
        parse("metal:\n  symbol: m\n  unit: ''\n  kind: class\n  classes: [metal]\n")
    with pytest.raises(ValueError, match="a scalar has none"):
        Property("x", "x", "", classes=("a", "b"))


def test_words_survive_the_interchange_file(tmp_path: Path) -> None:
    crystals = [
        *labelled("hard", None, 2),
        replace(SALT, id="last", targets={"band_gap": 1.0}, labels={"lattice": "cubic"}),
    ]
    write(tmp_path / "words.parquet", crystals)
    found = [row for row in read(tmp_path / "words.parquet") if isinstance(row, Crystal)]
    assert [row.labels for row in found] == [{"glassy": "hard"}, {}, {"glassy": "2"}, {}]
    assert found[-1].targets == {"band_gap": 1.0}


def test_a_table_of_a_folder_may_hold_words_of_a_registered_class(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.vasp").write_text("x\n1\n4 0 0\n0 4 0\n0 0 4\nCs Cl\n1 1\nDirect\n0 0 0\n.5 .5 .5\n")
    (tmp_path / "id_prop.csv").write_text("id,is_metal,band_gap\na,metal,0\nb,insulator,2.5\nc,na,x\n")
    first, second, third = read(tmp_path)
    assert isinstance(first, Crystal)
    assert isinstance(second, Crystal)
    assert (first.labels, second.labels) == ({"metal": "metal"}, {"metal": "insulator"})
    assert second.targets == {"band_gap": 2.5}
    assert not isinstance(third, Crystal), "a word is still no number"
