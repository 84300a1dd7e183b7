"""Shapes are annotations, and the annotations are checked while the tests run."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import TypeCheckError

from cryskit.layers.pool import mean_pool


@pytest.mark.parametrize("package", ["graphs", "layers", "losses", "encoders", "objectives"])
def test_the_packages_with_shapes_are_instrumented(package: str, request: pytest.FixtureRequest) -> None:
    assert f"cryskit.{package}" in request.config.getoption("jaxtyping_packages").split(",")


def test_a_wrong_shape_is_caught_at_the_call() -> None:
    with pytest.raises(TypeCheckError, match="atoms width"):
        mean_pool(torch.zeros(3), None)
