"""What is remembered is what would be built, and no longer or more than was said."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from cryskit.data.read import read
from cryskit.graphs import build, remembered
from cryskit.types import Crystal, GraphSpec

CRYSTALS = [item for item in islice(read("elastic_tensor"), 20) if isinstance(item, Crystal)]
SPECS = (GraphSpec(), GraphSpec(reduce=False), GraphSpec(neighbours="nearest", undirected=True))


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the crystals that are built, in order."""
    names: list[str] = []
    whole = build._build_whole

    def noted(crystal: Crystal, spec: GraphSpec) -> build._Part:
        names.append(crystal.id)
        return whole(crystal, spec)

    monkeypatch.setattr(build, "_build_whole", noted)
    return names


def test_graphs_are_the_same_in_any_company(built: list[str]) -> None:
    fresh = [build.build_usable(CRYSTALS[start:], spec)[0] for spec in SPECS for start in (0, 5)]
    before = len(built)
    with remembered.remembered():
        for _ in range(2):
            found = [build.build_usable(CRYSTALS[start:], spec)[0] for spec in SPECS for start in (0, 5)]
    for one, other in zip(fresh, found, strict=True):
        assert one.tensors.keys() == other.tensors.keys()
        assert all(torch.equal(tensor, other.tensors[name]) for name, tensor in one.tensors.items())
    assert len(built) - before == len(CRYSTALS) * len(SPECS)


def test_nothing_is_remembered_after_the_outermost_block(built: list[str]) -> None:
    for _ in range(2):
        with remembered.remembered():
            with remembered.remembered():
                build.build_usable(CRYSTALS, SPECS[0])
            build.build_usable(CRYSTALS, SPECS[0])
    build.build_usable(CRYSTALS, SPECS[0])
    assert len(built) == 3 * len(CRYSTALS)


def test_memory_is_bounded(built: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = sum(array.nbytes for array in build._build_whole(CRYSTALS[0], SPECS[0]))
    monkeypatch.setattr(remembered, "MOST", first)
    built.clear()
    with remembered.remembered():
        for _ in range(2):
            build.build_usable([CRYSTALS[0], *CRYSTALS], SPECS[0])
    assert built.count(CRYSTALS[0].id) == 1
    assert len(built) == 1 + 2 * (len(CRYSTALS) - 1)
