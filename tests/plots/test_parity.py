"""The parity plot shows the rows there are, on the axes of the property."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.mathtext import MathTextParser
from PIL import Image

from cryskit.errors import DataError
from cryskit.plots.parity import draw_parity, plot_parity
from cryskit.plots.style import symbol, unit
from cryskit.properties import get, load
from cryskit.types import Property

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

LABELS = np.linspace(10, 400, 40)


def texts(figure: Figure) -> str:
    suptitle = figure.get_suptitle()
    return " ".join([suptitle, *(text.get_text() for text in figure.texts)])


def test_a_picture_is_written_whole_at_300_dots_per_inch(tmp_path: Path) -> None:
    plot_parity(LABELS, LABELS * 1.1, get("bulk_modulus"), tmp_path / "new" / "p.png")
    with Image.open(tmp_path / "new" / "p.png") as picture:
        assert picture.format == "PNG"
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 50
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["p.png"]


def test_axes_are_equal_named_and_logarithmic_where_the_property_is() -> None:
    moduli, gaps = draw_parity(LABELS, LABELS * 1.1, get("bulk_modulus")), draw_parity(LABELS, LABELS, get("band_gap"))
    for figure, scale, quantity in ((moduli, "log", "GPa"), (gaps, "linear", "eV")):
        axes = figure.axes[0]
        assert (axes.get_xscale(), axes.get_yscale()) == (scale, scale)
        assert axes.get_xlim() == axes.get_ylim()
        assert axes.get_xlabel().endswith(f"$ label ({quantity})")
        assert axes.get_ylabel().endswith(f"$ prediction ({quantity})")


def test_the_title_says_what_it_is_and_how_good() -> None:
    words = texts(draw_parity(LABELS, LABELS * 10**0.05, get("bulk_modulus")))
    assert "Bulk modulus" in words
    assert r"$K_{\mathrm{VRH}}$" in words
    assert "0.05 in log10" in words
    assert "R² " in words
    assert "40 crystals" in words


def test_rows_without_a_pair_are_not_drawn_and_those_without_a_logarithm_counted() -> None:
    truth = np.array([1.0, 2.0, np.nan, 4.0, -5.0])
    values = np.array([1.0, np.nan, 3.0, 4.0, 5.0])
    figure = draw_parity(truth, values, get("bulk_modulus"))
    points = next(c for c in figure.axes[0].collections if isinstance(c, PathCollection))
    assert np.asarray(points.get_offsets()).tolist() == [[1.0, 1.0], [4.0, 4.0]]
    assert "3 crystals, 1 not positive" in texts(figure)


def test_many_rows_become_a_density_that_counts_each() -> None:
    truth = np.random.default_rng(0).lognormal(4, 1, 3000)
    figure = draw_parity(truth, truth * 1.05, get("bulk_modulus"))
    (density,) = (c for c in figure.axes[0].collections if isinstance(c, PolyCollection))
    assert np.asarray(density.get_array()).sum() == 3000
    assert figure.axes[0].get_xlim()[0] < truth.min()
    assert figure.axes[0].get_xlim()[1] > truth.max()


@pytest.mark.parametrize("labels", [[0.25], [0.25, 0.25], [0.0], [-1.0, 2.0]])
def test_few_or_equal_labels_can_be_drawn(labels: list[float], tmp_path: Path) -> None:
    plot_parity(labels, labels, get("poisson_ratio"), tmp_path / "p.png")
    assert (tmp_path / "p.png").exists()


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No row has both"):
        plot_parity([np.nan], [1.0], get("band_gap"), tmp_path / "p.png")
    with pytest.raises(DataError, match="No row of bulk_modulus is positive"):
        plot_parity([-1.0], [1.0], get("bulk_modulus"), tmp_path / "p.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bulk_modulus", r"$K_{\mathrm{VRH}}$"),
        ("poisson_ratio", r"$\nu$"),
        ("formation_energy_per_atom", r"$E_{\mathrm{f}}$"),
        ("mbj_bandgap", r"$E_{\mathrm{g}}$ (MBJ)"),
    ],
)
def test_symbols_are_typeset(name: str, expected: str) -> None:
    assert symbol(get(name)) == expected


def test_a_column_without_a_symbol_is_its_name() -> None:
    own = Property("my_energy", "my_energy", "")
    assert symbol(own) == unit(own) == ""
    assert "My energy" in texts(draw_parity([1.0, 2.0], [1.0, 2.1], own))


def test_the_symbol_and_unit_of_every_property_can_be_typeset() -> None:
    parser = MathTextParser("agg")
    for prop in load().values():
        assert parser.parse(f"{symbol(prop)} ({unit(prop)})").width > 0


def test_no_state_of_pyplot_is_touched(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cryskit.plots.parity import plot_parity;"
        "from cryskit.properties import get;"
        f"plot_parity([1.0, 2.0], [1.0, 2.0], get('band_gap'), Path({str(tmp_path / 'p.png')!r}));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_figure_says_what_it_shows() -> None:
    figure = draw_parity(LABELS, LABELS * 1.1, get("bulk_modulus"), of="cryskit-mp on the test part")
    words = texts(figure)
    assert "cryskit-mp on the test part" in words
    assert f"{len(LABELS)} crystals" in words
    main = figure.axes[0]
    assert (main.get_xlabel(), main.get_ylabel()) == (
        r"$K_{\mathrm{VRH}}$ label (GPa)",
        r"$K_{\mathrm{VRH}}$ prediction (GPa)",
    )


def test_the_ending_says_the_format(tmp_path: Path) -> None:
    for ending, magic in (("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")):
        plot_parity(LABELS, LABELS, get("bulk_modulus"), tmp_path / f"p.{ending}")
        assert (tmp_path / f"p.{ending}").read_bytes().startswith(magic)
    width = int.from_bytes((tmp_path / "p.png").read_bytes()[16:20], "big")
    assert width == round(5.6 * 300)
    with pytest.raises(DataError, match=r"\.png or \.pdf or \.svg"):
        plot_parity(LABELS, LABELS, get("bulk_modulus"), tmp_path / "p.jpg")
