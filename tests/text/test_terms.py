from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cryskit.errors import DataError, ModelError
from cryskit.text.normalise import normalised
from cryskit.text.terms import Terms, terms

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [
    "SrTiO3 is perovskite structured and crystallizes in the cubic Pm-3m space group. TiO6 octahedra share corners.",
    "BaZrO3 is perovskite structured and crystallizes in the cubic Pm-3m space group. ZrO6 octahedra share corners.",
    "MoS2 is molybdenite structured and crystallizes in the hexagonal P6_3/mmc space group. It consists of two sheets.",
    "WS2 is molybdenite structured and crystallizes in the hexagonal P6_3/mmc space group. It consists of two sheets.",
    "NaCl is halite structured and crystallizes in the cubic Fm-3m space group. NaCl6 octahedra share edges.",
    "MgO is halite structured and crystallizes in the cubic Fm-3m space group. MgO6 octahedra share edges.",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("H\u2082O, Ti\u2074\u207a", "H2O, Ti4+"),
        ("Fd3\u0305m and P6\u2083/mmc", "Fd-3m and P63/mmc"),
        ("2.05 \u00c5 \u2212 2.10\u00a0\u212b", "2.05 A - 2.10 A"),
        ("Ti\u2013O  \t bonds\n\n are\u200b \u201clong\u201d", 'Ti-O bonds are "long"'),
        ("CuSO4\u00b75H2O, \u03b1-quartz, 90\u00b0, \u00b5m", "CuSO4.5H2O, \u03b1-quartz, 90\u00b0, \u03bcm"),
        ("W\u00fcrtzite, Schr\u00f8der, \ufb01lm, \u2264 \u00bd", "Wurtzite, Schroder, film, <= 1/2"),
        ("caf\u00e9 \u6c34 \U0001f600 x", "cafe x"),
        ("", ""),
    ],
)
def test_spellings_of_the_same_become_one(text: str, expected: str) -> None:
    assert normalised(text) == expected
    assert normalised(expected) == expected, "once is enough"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cubic Pm-3m space group", ["cubic", "#Pm-3m", "space", "group"]),
        ("in space group P6_3/mmc.", ["in", "space", "group", "#P6_3/mmc"]),
        ("space group. Ba is big", ["space", "group", "Ba", "=Ba", "is", "big"]),
        ("TiO6 octahedra", ["TiO6", "=Ti", "=O", "octahedra"]),
        ("Ti(1)-O(2) is 1.97 \u00c5", ["Ti-O", "=Ti", "=O", "is", "2.0", "a"]),
        ("In is, in 12 (In the end)", ["In", "=In", "is", "in", "12", "in", "the", "end"]),
        ("(Cubic) Perovskite, corner-sharing", ["cubic", "perovskite", "corner", "sharing"]),
        ("Sr2+ to O2-", ["Sr2+", "=Sr", "to", "O2-", "=O"]),
    ],
)
def test_terms_are_words_numbers_formulas_elements_and_space_groups(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_like_crystals_are_near_one_another() -> None:
    vectors = Terms.fit(TEXTS, width=4).encode(TEXTS)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = vectors @ vectors.T
    for first in (0, 2, 4):
        assert alike[first, first + 1] > np.delete(alike[first], [first, first + 1]).max() + 0.1


def test_a_vector_is_the_projection_of_weighted_counts() -> None:
    encoder = Terms.fit(["red red blue", "red blue", "blue green", "green"], width=3, rarest=1)
    assert encoder.vocabulary == ["blue", "green", "red"]
    assert encoder.weights == pytest.approx(1 + np.log(5 / np.array([4, 3, 3])))
    raw = np.array([encoder.weights[0], 0, encoder.weights[2] * (1 + np.log(2))])
    expected = raw / np.linalg.norm(raw) @ encoder.directions
    assert encoder.encode(["red blue red"])[0] == pytest.approx(expected, abs=1e-6)
    assert encoder.directions.T @ encoder.directions == pytest.approx(np.eye(3), abs=1e-6)


def test_it_is_the_same_for_the_same_texts_in_any_order_and_process() -> None:
    first = Terms.fit(TEXTS, width=4)
    code = f"from cryskit.text.terms import Terms\nprint(Terms.fit({TEXTS!r}, width=4).hash)"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == first.hash
    turned = Terms.fit(TEXTS[::-1], width=4)
    assert turned.vocabulary == first.vocabulary
    assert np.abs(turned.encode(TEXTS)) == pytest.approx(np.abs(first.encode(TEXTS)), abs=1e-4)


def test_it_knows_only_the_texts_that_it_was_fitted_on() -> None:
    encoder = Terms.fit(TEXTS[:2], width=8)
    assert "perovskite" in encoder.vocabulary
    assert "molybdenite" not in encoder.vocabulary
    assert "=Sr" not in encoder.vocabulary, "one text alone has it"
    before = encoder.hash
    plain, adorned = encoder.encode(["perovskite corners", "perovskite molybdenite corners 77"])
    assert np.array_equal(plain, adorned)
    assert encoder.hash == before
    assert not encoder.encode(["molybdenite"]).any()
    assert encoder.encode(TEXTS).shape == (6, 8), "as wide as asked, though two texts have fewer directions"


def test_each_text_has_its_vector_whatever_is_beside_it() -> None:
    encoder = Terms.fit(TEXTS, width=4)
    together = encoder.encode(TEXTS)
    assert np.array_equal(np.concatenate([encoder.encode([text]) for text in TEXTS]), together)
    assert encoder.encode([]).shape == (0, 4)


def test_the_vocabulary_is_the_commonest_terms() -> None:
    assert Terms.fit(["a1 b c", "b c", "c", "d d d d"], width=2, vocabulary=2, rarest=1).vocabulary == ["b", "c"]
    with pytest.raises(DataError, match="2 texts have no term that 2 of them share"):
        Terms.fit(["red", "blue"])


def test_it_is_a_file_without_code(tmp_path: Path) -> None:
    first = Terms.fit(TEXTS, width=4)
    first.save(tmp_path / "terms.safetensors")
    again = Terms.load(tmp_path / "terms.safetensors")
    assert again.hash == first.hash
    assert np.array_equal(again.encode(TEXTS), first.encode(TEXTS))
    other = Terms.fit(TEXTS, width=3)
    assert other.hash != first.hash


def test_another_file_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    Terms.fit(TEXTS, width=4).save(tmp_path / "terms.safetensors")
    (tmp_path / "half.safetensors").write_bytes((tmp_path / "terms.safetensors").read_bytes()[:50])
    save_file({"weights": np.zeros(3)}, tmp_path / "other.safetensors")
    for name in ("half", "other", "none"):
        with pytest.raises(ModelError, match=f"{name}.safetensors holds no bag of terms"):
            Terms.load(tmp_path / f"{name}.safetensors")
    older = {"cryskit.terms": '{"recipe": 0, "normalisation": 1, "vocabulary": []}'}
    save_file({"weights": np.zeros(0), "directions": np.zeros((0, 2))}, tmp_path / "older.safetensors", older)
    with pytest.raises(ModelError, match="another version"):
        Terms.load(tmp_path / "older.safetensors")
    with pytest.raises(ModelError, match="2 terms have weights"):
        Terms(["a", "b"], np.ones(2), np.ones((3, 4)))
