"""A package whose import is postponed is loaded when something of it is used, and works as if it had not been."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from cryskit.text.postponed import postponed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package `heavy`, a library `needs` that imports things of it, and one, `uses`, that uses them at once."""
    (tmp_path / "heavy" / "deep").mkdir(parents=True)
    (tmp_path / "heavy" / "__init__.py").write_text("NAME = 'heavy'\n")
    (tmp_path / "heavy" / "deep" / "__init__.py").write_text("")
    (tmp_path / "heavy" / "deep" / "shapes.py").write_text(
        "class Shape:\n    sides = 3\n    @classmethod\n    def of(cls, sides):\n        new = cls()\n        new.sides = sides\n"
        "        return new\ndef count(shape, extra=0):\n    return shape.sides + extra\n"
    )
    lines = ("import heavy", "import heavy.deep.shapes as shapes", "from heavy.deep.shapes import Shape, count")
    (tmp_path / "needs.py").write_text("\n".join(lines))
    (tmp_path / "uses.py").write_text("\n".join([*lines, "class Square(Shape):\n    sides = 4"]))
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("heavy", "heavy.deep", "heavy.deep.shapes", "needs", "uses"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("heavy")
def test_what_imports_it_does_not_load_it_and_works_afterwards() -> None:
    with postponed("heavy"):
        needs = import_module("needs")
    assert not [name for name in sys.modules if name.startswith("heavy")]
    assert needs.count(needs.Shape.of(5), extra=1) == 6
    assert needs.shapes.Shape().sides == 3
    real = import_module("heavy.deep.shapes")
    assert isinstance(real.Shape(), needs.Shape)
    assert issubclass(real.Shape, needs.Shape)
    assert type("Square", (real.Shape,), {})().sides == 3
    assert needs.heavy.deep.shapes.Shape().sides == 3
    with pytest.raises(ImportError):
        needs.shapes.absent()


@pytest.mark.usefixtures("heavy")
def test_what_uses_it_at_once_gets_it() -> None:
    with postponed("heavy"):
        uses = import_module("uses")
    real = import_module("heavy.deep.shapes")
    assert uses.Square.__mro__[1] is real.Shape
    assert uses.count(uses.Square()) == 4


@pytest.mark.usefixtures("heavy")
def test_what_is_loaded_already_stays() -> None:
    real = import_module("heavy.deep.shapes")
    with postponed("heavy"):
        assert import_module("needs").Shape is real.Shape
    with pytest.raises(ModuleNotFoundError), postponed("nothing"):
        import_module("heavy.absent")
    assert import_module("heavy.deep.shapes") is real


def test_what_describes_loads_neither_plots_nor_statistics_nor_algebra() -> None:
    pytest.importorskip("robocrys")
    code = (
        "import sys\nfrom pathlib import Path\nfrom cryskit.text.describe import describe\nfrom cryskit.data.read import read\n"
        "def loaded():\n    return {name for name in ('matplotlib', 'scipy.stats', 'sympy') if name in sys.modules}\n"
        "print(describe(next(iter(read(Path('examples/NaCl.cif'))))).overall)\nassert not loaded(), loaded()\n"
        "import scipy.stats\nfrom matminer.featurizers.site import ChemEnvSiteFingerprint\nassert scipy.stats.gmean([2, 8]) == 4\n"
        "assert len(ChemEnvSiteFingerprint.from_preset('simple').feature_labels()) > 60"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Rock Salt" in done.stdout
