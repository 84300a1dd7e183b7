"""Young's modulus is drawn by direction, as a figure and as a page that loads nothing."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from cryskit.errors import DataError
from cryskit.plots.young import draw_young, plot_young
from cryskit.plots.young_page import write_young_page, young_page
from cryskit.tensors.elastic import directional_young

if TYPE_CHECKING:
    from pathlib import Path

SILICON = np.zeros((6, 6))  # GPa
SILICON[:3, :3] = 63.9
SILICON[range(6), range(6)] = [165.7, 165.7, 165.7, 79.6, 79.6, 79.6]


def test_the_sections_of_silicon_are_drawn_in_three_planes(tmp_path: Path) -> None:
    figure = draw_young(SILICON, of="Si")
    assert "Si" in figure.get_suptitle()
    for axes in figure.axes:
        angles, values = axes.lines[0].get_data()
        expected = directional_young(SILICON, np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1))
        assert np.allclose(values, expected)
        assert axes.get_title() == "130.1 to 169.1 GPa"
    assert [[label.get_text() for label in axes.get_xticklabels()] for axes in figure.axes] == [
        ["x", "y", "-x", "-y"],
        ["x", "z", "-x", "-z"],
        ["y", "z", "-y", "-z"],
    ]
    plot_young(SILICON, tmp_path / "e.png")
    with Image.open(tmp_path / "e.png") as picture:
        assert picture.width > picture.height


def test_the_page_has_the_surface_and_loads_nothing(tmp_path: Path) -> None:
    write_young_page(SILICON, tmp_path / "e.html", of="<Si>")
    text = (tmp_path / "e.html").read_text(encoding="utf-8")
    assert text == young_page(SILICON, of="<Si>")
    assert "default-src 'none'" in text
    assert "&lt;Si&gt;" in text
    assert "<Si>" not in text
    assert not re.search(r"https?://|src=|href=|fetch\(|import", text)
    found = re.search(r'id="values">(.*?)</script>', text)
    assert found
    values = np.array(json.loads(found[1]))
    assert values.shape == (37, 72)
    assert np.isclose(values[0, 0], 130.1, atol=0.1)
    assert np.isclose(values[18, 9], 169.1, atol=0.1)  # along [110]
    assert len(text) < 40_000


def test_an_unstable_crystal_has_no_picture() -> None:
    with pytest.raises(DataError, match=r"cannot be drawn: eigenvalues .* -1 GPa for the strain 1\.00 xx"):
        draw_young(np.diag([-1.0, 1, 1, 1, 1, 1]))
    with pytest.raises(DataError, match="cannot be drawn"):
        young_page(-SILICON)
