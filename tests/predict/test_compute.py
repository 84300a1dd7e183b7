"""A batch that does not fit, or that one crystal spoils, costs no other crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cryskit.data.sources import open_source
from cryskit.graphs.build import build
from cryskit.predict.compute import compute
from cryskit.types import Crystal, GraphSpec

if TYPE_CHECKING:
    from cryskit.types import Graph

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def graph() -> Graph:
    found = (item for item in open_source("elastic_tensor") if isinstance(item, Crystal) and len(item) < 9)
    return build([next(found) for _ in range(20)], GraphSpec())


def volumes(graph: Graph) -> torch.Tensor:
    return torch.linalg.det(graph.lattice).abs()[:, None]


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("full"), RuntimeError("can't allocate memory"), MemoryError()]
)
def test_batches_are_halved_until_they_fit(graph: Graph, error: Exception) -> None:
    sizes: list[int] = []

    def hungry(batch: Graph) -> torch.Tensor:
        sizes.append(batch.crystals)
        if batch.crystals > 3:
            raise error
        return volumes(batch)

    values, failures = compute(graph, hungry, 10**9, CPU)
    assert not failures
    assert sizes[0] == 20
    assert max(size for size in sizes[1:] if size <= 3) == 3
    np.testing.assert_allclose(values, volumes(graph).numpy(), rtol=1e-6)


def test_a_crystal_that_fits_in_no_memory_is_left_out_with_the_reason(graph: Graph) -> None:
    largest = int(volumes(graph).argmax())
    most = float(volumes(graph).max())

    def hungry(batch: Graph) -> torch.Tensor:
        if float(volumes(batch).max()) >= most:
            raise torch.OutOfMemoryError("full")
        return volumes(batch)

    values, failures = compute(graph, hungry, 10**9, CPU)
    assert failures == {largest: "The memory does not suffice for it"}
    np.testing.assert_allclose(values, np.delete(volumes(graph).numpy(), largest, axis=0), rtol=1e-6)


def test_a_crystal_at_which_the_network_fails_is_left_out_with_the_reason(graph: Graph) -> None:
    def fails(batch: Graph) -> torch.Tensor:
        if (batch.lattice == graph.lattice[7]).all(dim=(1, 2)).any():
            raise IndexError("index 200 is out of bounds")
        return volumes(batch)

    values, failures = compute(graph, fails, 500, CPU)
    assert list(failures) == [7]
    assert "IndexError (index 200 is out of bounds)" in failures[7]
    assert len(values) == 19


def test_what_fails_for_every_crystal_is_no_fault_of_theirs(graph: Graph) -> None:
    def broken(_: Graph) -> torch.Tensor:
        raise RuntimeError("the device is lost")

    with pytest.raises(RuntimeError, match="the device is lost"):
        compute(graph, broken, 10**9, CPU)
