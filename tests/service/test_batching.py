"""Requests that come together are computed together, and each gets what it would get alone."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from service.conftest import IRON, SALT, stretched

from cryskit.service.batcher import Batcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient


class Runs:
    """A function that waits until it may run, and remembers with what it was called."""

    def __init__(self) -> None:
        self.called: list[tuple[Any, list[int]]] = []
        self.may = threading.Event()

    def __call__(self, key: Any, items: list[int]) -> list[int]:
        self.may.wait(5)
        self.called.append((key, items))
        if 13 in items:
            raise ValueError("thirteen")
        return [10 * item for item in items]


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def batcher(runs: Runs) -> Iterator[Batcher[int]]:
    found: Batcher[int] = Batcher(runs, lambda _key, item: item, most=20, wait=0.01)
    yield found
    runs.may.set()
    found.close()


def test_what_waits_is_run_together_up_to_its_cost(runs: Runs, batcher: Batcher[int]) -> None:
    first = batcher.submit("a", [1])
    while not first.running():
        pass
    asked = [("a", [2, 3]), ("b", [4]), ("a", [5, 9]), ("a", [6])]
    answers = [batcher.submit(*each) for each in asked]
    runs.may.set()
    assert [each.result(5) for each in answers] == [[20, 30], [40], [50, 90], [60]]
    assert runs.called == [("a", [1]), ("a", [2, 3, 5, 9]), ("b", [4]), ("a", [6])]


@pytest.mark.parametrize("coming", [0, 1])
def test_a_run_waits_for_those_who_come_and_for_nobody_else(runs: Runs, coming: int) -> None:
    waiting: Batcher[int] = Batcher(runs, lambda _key, item: item, most=20, wait=1.0, coming=lambda: coming)
    runs.may.set()
    begun = time.monotonic()
    first = waiting.submit("a", [1])
    if coming:
        waiting.submit("a", [19])
    assert first.result(5) == [10]
    assert runs.called == [("a", [1, 19][: 1 + coming])]
    assert time.monotonic() - begun < 0.9
    waiting.close()


def test_one_that_fails_costs_no_other_its_answer(runs: Runs, batcher: Batcher[int]) -> None:
    answers = [batcher.submit("a", items) for items in ([1], [13], [2])]
    runs.may.set()
    assert answers[0].result(5) == [10]
    assert answers[2].result(5) == [20]
    with pytest.raises(ValueError, match="thirteen"):
        answers[1].result(5)


def test_concurrent_requests_get_the_numbers_of_lone_ones(client: TestClient) -> None:
    asked = [{"structures": [stretched(1 + i / 50), IRON, "nonsense"][: 1 + i % 3]} for i in range(24)]

    def ask(body: dict[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = client.post("/v1/predict", json=body).json()["rows"]
        return rows

    alone = [ask(body) for body in asked]
    before = client.app.state.service.metrics.batched.collect()[0].samples  # type: ignore[attr-defined]
    with ThreadPoolExecutor(12) as threads:
        together = list(threads.map(ask, asked))
    after = client.app.state.service.metrics.batched.collect()[0].samples  # type: ignore[attr-defined]
    for ours, theirs in zip(together, alone, strict=True):
        assert [row["status"] for row in ours] == [row["status"] for row in theirs]
        for one, other in zip(ours, theirs, strict=True):
            numbers = {name for name, value in other.items() if isinstance(value, float)}
            assert all(one[name] == pytest.approx(other[name], rel=1e-4, abs=1e-4) for name in numbers)
    counts = {each.name: each.value for each in after if each.name.endswith(("_count", "_sum"))}
    counts_before = {each.name: each.value for each in before if each.name.endswith(("_count", "_sum"))}
    runs = counts["cryskit_batch_requests_count"] - counts_before["cryskit_batch_requests_count"]
    requests = counts["cryskit_batch_requests_sum"] - counts_before["cryskit_batch_requests_sum"]
    assert requests == 24
    assert runs < 24, "no two requests were computed together"


def test_models_and_levels_do_not_mix(client: TestClient) -> None:
    names = {"cryskit-mp": "band_gap", "cryskit-lab": "band_gap_experimental"}
    asked = [{"structures": [SALT], "model": model, "interval": level} for model in names for level in (0.5, 0.95)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda body: client.post("/v1/predict", json=body).json(), asked))
    for (model, name), (narrow, wide) in zip(names.items(), (found[:2], found[2:]), strict=True):
        (one,), (other,) = narrow["rows"], wide["rows"]
        assert narrow["model"] == wide["model"]
        assert narrow["model"].startswith(f"{model}@")
        assert one[name] == pytest.approx(other[name], rel=1e-4)
        assert one[f"{name}_hi"] - one[f"{name}_lo"] < other[f"{name}_hi"] - other[f"{name}_lo"]
