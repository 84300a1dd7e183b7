"""Results come in order, whatever becomes of the processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from parallel_tasks import prepared, slow_start, work

from cryskit.errors import CryskitError, ProcessEndedError
from cryskit.parallel import Lost, Pool


def results(*items: str, processes: int = 1, timeout: float | None = None, ahead: int | None = 16) -> list[object]:
    with Pool(processes, timeout) as pool:
        return list(pool.map(work, items, ahead=ahead))


@pytest.mark.parametrize("ahead", [1, None])
def test_results_come_in_order(ahead: int | None) -> None:
    items = [f"item {i}" for i in range(50)]
    assert results(*items, processes=2, ahead=ahead) == [item.upper() for item in items]


def test_a_process_that_dies_costs_its_own_item_only() -> None:
    items = ["a", "die", "b", "c", "die again", "d"]
    found = results(*items, processes=2)
    assert [each for each in found if isinstance(each, str)] == ["A", "B", "C", "D"]
    lost = {place: each for place, each in enumerate(found) if isinstance(each, Lost)}
    assert {place: each.item for place, each in lost.items()} == {1: "die", 4: "die again"}
    assert all(isinstance(each.error, ProcessEndedError) for each in lost.values())


@pytest.mark.parametrize("item", ["late", "deaf in compiled code"])
def test_an_item_that_takes_too_long_is_given_up(item: str) -> None:
    lost, after = results(item, "after", timeout=0.2)
    assert isinstance(lost, Lost)
    assert "longer than 0.2 s" in str(lost.error)
    assert after == "AFTER"


def test_an_error_of_any_kind_stands_in_the_place_of_its_item() -> None:
    odd, missing, after = results("odd", "missing", "after")
    assert isinstance(odd, Lost)
    assert (odd.item, type(odd.error), str(odd.error)) == ("odd", KeyboardInterrupt, "nobody expects this")
    assert isinstance(missing, Lost)
    assert isinstance(missing.error, CryskitError)
    assert missing.error.cure == "Install it"
    assert after == "AFTER"


def test_preparing_a_process_is_not_on_the_time_of_an_item() -> None:
    with Pool(1, 0.4, slow_start) as pool:
        assert list(pool.map(prepared, ["a", "b"])) == ["a", "b"]


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[str] = []

    def items() -> object:
        for i in range(100):
            taken.append(str(i))
            yield str(i)

    with Pool(1) as pool:
        found = pool.map(work, items(), ahead=4)
        assert len(taken) == 4
        next(found)
        assert len(taken) <= 5


def test_two_maps_share_a_pool_and_a_crash() -> None:
    with Pool(1) as pool:
        first = pool.map(work, ["a", "die", "b"], ahead=None)
        second = pool.map(work, ["c", "die", "d"], ahead=None)
        for found, expected in ((first, ["A", "B"]), (second, ["C", "D"])):
            assert [each for each in found if isinstance(each, str)] == expected


@pytest.mark.skipif(os.name == "nt", reason="no signals")
def test_processes_end_with_the_one_that_started_them() -> None:
    code = (
        "import time\nfrom cryskit.parallel import Pool\nfrom parallel_tasks import work\n"
        "if __name__ == '__main__':\n"
        "    with Pool(2) as pool:\n"
        "        found = pool.map(work, ['a', 'late', 'late'])\n"
        "        print(next(found), flush=True)\n"
        "        next(found)\n"
    )
    script = ["-c", code]
    folders = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": folders}
    with subprocess.Popen([sys.executable, *script], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "A\n"
        os.kill(parent.pid, signal.SIGKILL)
        rest, _ = parent.communicate(timeout=30)  # ends when no process is left that could write
    assert rest == ""
