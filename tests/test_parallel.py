"""Results come in order, whatever becomes of the processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from multiprocessing import get_all_start_methods
from pathlib import Path

import pytest
from parallel_tasks import late_numbers, numbers, preloaded, prepared, slow_start, work, work_each

from cryskit.errors import CryskitError, ProcessEndedError
from cryskit.parallel import Divided, Lost, Pool, streamed


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


@pytest.mark.parametrize("processes", [1, 2])
def test_a_process_that_is_killed_while_it_sends_a_result_costs_its_own_item_only(processes: int) -> None:
    found = results("a", "b", "die while sending", "c", "d", processes=processes)
    assert [each for each in found if isinstance(each, str)] == ["A", "B", "C", "D"]
    assert isinstance(found[2], Lost)
    assert isinstance(found[2].error, ProcessEndedError)


@pytest.mark.parametrize(("times", "lost"), [(3, False), (100, True)])
def test_an_item_whose_process_is_killed_from_outside_is_tried_again(tmp_path: Path, times: int, *, lost: bool) -> None:
    item = f"killed {tmp_path} {times}"
    first, found = results("a", item)
    assert first == "A"
    assert isinstance(found, Lost) if lost else found == item.upper()
    assert len(list(tmp_path.iterdir())) == (4 if lost else times)


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


@pytest.mark.skipif("forkserver" not in get_all_start_methods(), reason="this system makes no copies of processes")
def test_processes_are_copies_of_one_that_has_what_they_need() -> None:
    with Pool(1, preload=["colorsys"]) as pool:
        found = list(pool.map(preloaded, ["colorsys", "die", "colorsys", "chunk"]))
    assert [each for each in found if not isinstance(each, Lost)] == [True, True, False]


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


def singles(items: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [(item,) for item in items]


def divided(*items: tuple[str, ...], timeout: float | None = None) -> list[object]:
    """Return what becomes of each single item, in order."""
    with Pool(2, timeout) as pool:
        found = list(pool.map_divisible(work_each, items, singles, ahead=2))
    flat: list[object] = []
    for each in found:
        for one in each.results if isinstance(each, Divided) else [each]:
            flat.extend([one] if isinstance(one, Lost) else one)
    return flat


def test_a_process_that_dies_costs_one_piece_of_its_item() -> None:
    found = divided(("a", "b"), ("c", "die", "d"), ("e",), ("f", "odd", "missing"), ("die alone",), ("g",))
    assert [each for each in found if isinstance(each, str)] == ["A", "B", "C", "D", "E", "F", "G"]
    lost = {place: each.item for place, each in enumerate(found) if isinstance(each, Lost)}
    assert lost == {3: ("die",), 7: ("odd",), 8: ("missing",), 9: ("die alone",)}


def test_each_piece_has_the_whole_time_limit() -> None:
    slow = ("slow a", "slow b", "slow c", "slow d")
    found = divided(slow, ("e", "late", "f"), timeout=0.8)
    assert found[:4] == [item.upper() for item in slow], "1.2 s for four pieces, 0.8 s for each"
    assert [found[4], found[6]] == ["E", "F"]
    assert isinstance(found[5], Lost)


def test_a_generator_runs_in_a_process_of_its_own() -> None:
    assert list(streamed(partial(numbers, 1000))) == list(range(1000))
    some = streamed(partial(numbers, 10**9))
    assert [next(some) for _ in range(3)] == [0, 1, 2]
    some.close()  # type: ignore[attr-defined]


def test_the_first_result_of_a_generator_may_take_longer() -> None:
    with pytest.raises(ProcessEndedError, match=r"longer than 0\.3 s"):
        list(streamed(late_numbers, 0.3))
    assert list(streamed(late_numbers, 0.3, 5.0)) == [0, 1, 2]


@pytest.mark.parametrize("last", ["die", "late", "deaf in compiled code"])
def test_a_generator_that_ends_badly_gives_what_came_before(last: str) -> None:
    found = []
    with pytest.raises(ProcessEndedError):
        found.extend(iter(streamed(partial(numbers, 25, last), timeout=0.5)))
    assert found in ([], list(range(25)))
    some = streamed(partial(numbers, 25, last), timeout=0.5)
    assert [next(some) for _ in range(25)] == list(range(25))
    with pytest.raises(ProcessEndedError):
        next(some)


def test_an_error_of_a_generator_is_raised_here() -> None:
    with pytest.raises(CryskitError, match="not installed"):
        list(streamed(partial(numbers, 3, "missing")))


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
