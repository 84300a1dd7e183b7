from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import pytest

from cryskit.data.read import read
from cryskit.data.sources import open_source
from cryskit.types import Crystal

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


@pytest.fixture(scope="session")
def crystals() -> list[Crystal]:
    bundled = ("elastic_tensor", "dielectric_constant", "flla_2015")
    rows = [*read(ROOT / "examples"), *(row for name in bundled for row in islice(open_source(name), 20))]
    return [row for row in rows if isinstance(row, Crystal)]
