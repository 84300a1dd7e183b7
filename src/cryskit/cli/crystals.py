"""Read crystals for the verbs: with a progress bar, and with the rows that cannot be used set apart."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cryskit.cli.output import note, report
from cryskit.errors import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Crystal, Failure

T = TypeVar("T")

_PATIENCE = 2.0  # seconds before a bar is shown


def bar(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Show on stderr how far an iteration is, if that is a terminal and it takes longer than two seconds.

    Args:
        items: Crystals or rows, one step of the bar each.
        what: One word for what is being done, shown in front of the bar.
        total: Number of items, if it is known.
    """
    from tqdm import tqdm

    yield from tqdm(
        items,
        what,
        total,
        unit=" crystals",
        delay=_PATIENCE,
        leave=False,
        disable=None,
        file=sys.stderr,
        mininterval=0.5,
    )


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], object]]:
    """Give a function that adds a number of crystals to a progress bar on stderr.

    Args:
        what: One word for what is being done, shown in front of the bar.
    """
    from tqdm import tqdm

    with tqdm(desc=what, unit=" crystals", delay=_PATIENCE, leave=False, disable=None, file=sys.stderr) as shown:
        yield shown.update


def stream(
    sources: Sequence[str], limit: int, what: str, structures: Path | None = None
) -> Iterator[Crystal | Failure]:
    """Read the crystals of several data sets one after the other; one that cannot be read is one failure.

    Args:
        sources: Bundled names, files and folders.
        limit: Atoms that a cell may have.
        what: One word for what is being done, shown in front of the progress bar.
        structures: Folder of the structure files that the rows of tables name; None if there is none.
    """
    from cryskit.data.read import read

    return bar(read(sources, limit=limit, structures=structures), what, _total(map(_rows_named, sources)))


def watch_descriptions(predictor: Predictor) -> None:
    """Say on stderr that a model writes descriptions of crystals that have none, and show how far it is.

    Args:
        predictor: Any model; one that reads no descriptions is left alone.
    """
    said: list[str] = []

    def watch(crystals: Sequence[Crystal]) -> Iterator[Crystal]:
        if not said:
            said.append(predictor.card.name)
            note(
                f"{predictor.card.name} reads descriptions: one is written for each crystal that has none, which takes a while"
            )
        return bar(crystals, "describing", len(crystals))

    if predictor.text_input is not None:
        predictor.text_input.watch = watch


def collect(src: str, limit: int, structures: Path | None = None) -> tuple[list[Crystal], list[Failure]]:
    """Read a data set into memory and say on stderr which rows cannot be used.

    Args:
        src: A bundled name, a file or a folder.
        limit: Atoms that a cell may have.
        structures: Folder of the structure files that the rows of a table name; None if there is none.

    Returns:
        The crystals and the failures, each in order.

    Raises:
        DataError: The source as a whole cannot be read.
    """
    failures: list[Failure] = []
    return list(usable(src, limit, failures, structures)), failures


def usable(src: str, limit: int, failures: list[Failure], structures: Path | None = None) -> Iterator[Crystal]:
    """Read the crystals of a data set, and say on stderr in the end which rows cannot be used.

    Args:
        src: A bundled name, a file or a folder.
        limit: Atoms that a cell may have.
        failures: List that the rows that cannot be used are added to.
        structures: Folder of the structure files that the rows of a table name; None if there is none.

    Returns:
        The crystals as they are read, in order.

    Raises:
        DataError: The source as a whole cannot be read; raised when this is called.
    """
    from cryskit.data.read import read

    return _usable(read(src, limit=limit, structures=structures), _rows_named(src), failures)


def _usable(items: Iterable[Crystal | Failure], total: int | None, failures: list[Failure]) -> Iterator[Crystal]:
    from cryskit.types import Crystal

    before, rows = len(failures), 0
    for item in bar(items, "reading", total):
        rows += 1
        if isinstance(item, Crystal):
            yield item
        else:
            failures.append(item)
    report(failures[before:], rows)


def described(crystals: Iterable[Crystal], table: Path | None) -> Iterable[Crystal]:
    """Return the crystals with their descriptions as they come, and say on stderr in the end how many have none.

    Args:
        crystals: Crystals in order; they are not held in memory.
        table: Table of descriptions by id, which is held in memory; None if there is none.

    Raises:
        DataError: The table is none; or, once all crystals have come, it describes none of them.
    """
    if table is None:
        return crystals
    from cryskit.text.table import read_texts, with_texts

    return _counted(with_texts(crystals, read_texts(table)), table)


def _counted(crystals: Iterable[Crystal], table: Path) -> Iterator[Crystal]:
    """Pass crystals on and count those without a description."""
    from cryskit.errors import DataError

    count, bare = 0, 0
    for crystal in crystals:
        count, bare = count + 1, bare + (crystal.text is None)
        yield crystal
    if bare == count:
        raise DataError(
            f"{table} describes none of the crystals, of which there are {count}",
            "Describe this data set: `cryskit describe`",
        )
    if bare:
        note(f"{bare} of {counted(count, 'crystal')} {'has' if bare == 1 else 'have'} no description in {table}")


def _total(counts: Iterable[int | None]) -> int | None:
    """Return the sum, or None if one of the counts is not known."""
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)


def _rows_named(src: str) -> int | None:
    """Return the number of rows of a data set, or None where it takes reading to find out."""
    from cryskit.data.readers.folder import rows_of
    from cryskit.data.sources import sources

    return sources()[src].rows if src in sources() else rows_of(Path(src))


def on_terminal() -> bool:
    """Return whether somebody may be watching stderr."""
    return sys.stderr.isatty()
