"""What the package says of itself to pip and to the package index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_DEVELOPERS = {"test", "docs", "dev"}


def test_the_extra_all_has_every_extra_for_users() -> None:
    (every,) = EXTRAS["all"]
    named = re.fullmatch(r"cryskit\[([\w,]+)\]", every)
    assert named
    assert set(named[1].split(",")) == EXTRAS.keys() - FOR_DEVELOPERS - {"all"}


def test_extras_that_error_messages_name_exist() -> None:
    source = Path(__file__).parents[1] / "src"
    named = {
        name
        for path in source.rglob("*.py")
        for found in re.findall(r"pip install 'cryskit\[([\w,]+)\]'", path.read_text(encoding="utf-8"))
        for name in found.split(",")
    }
    assert named
    assert named <= EXTRAS.keys()


def test_the_index_leads_to_the_documentation() -> None:
    urls = PROJECT["urls"]
    assert {"Homepage", "Documentation", "Changelog"} <= urls.keys()
    assert all(url.startswith("https://") for url in urls.values())
