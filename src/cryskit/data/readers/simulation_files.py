"""Files of simulation programs to crystals, through ASE: inputs, outputs and trajectories, one row per frame."""

from __future__ import annotations

import io
import tempfile
import warnings
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase.io
from ase.io.formats import ioformats

from cryskit.data.files import refuse_special
from cryskit.data.readers.from_ase import PARSER_ERRORS, from_atoms
from cryskit.data.validate import make_row, validate_size
from cryskit.errors import CrystalError, DataError, SizeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ase import Atoms

    from cryskit.data.files import InputFile

_BINARY = {"db"}  # which ASE does not say
_NOWHERE = "/dev/null/file"  # ASE asks for the name of an OUTCAR, to look for constraints in a CONTCAR beside it
LARGEST = 500_000_000
"""Bytes of the largest file of a simulation program that is read."""


def read_frames(file: InputFile, limit: int, kind: str) -> Iterator[Crystal | Failure]:
    """Read a file of a simulation program, one item per frame.

    Args:
        file: The file, whose id is that of the crystal; with several frames ":0", ":1" follows.
        limit: Number of atoms that a cell may have.
        kind: ASE's name of the format.
    """
    name = file.id
    try:
        with _opened(file, kind) as source:
            frames = _frames(source, kind, file.name)
            head = list(islice(frames, 2))
            for i, frame in enumerate(chain(head, frames)):
                label = name if len(head) == 1 else f"{name}:{i}"
                yield make_row(label, file.name, partial(_crystal, frame, label, limit), limit)
            if not head:
                raise UnreadableError("It holds no structure", "Give a whole file", file.name)
    except CrystalError as error:
        yield Failure(name, error)


def _crystal(frame: Atoms, name: str, limit: int) -> Crystal:
    validate_size(len(frame), limit)
    return from_atoms(frame, name)


def _frames(source: Any, kind: str, name: str) -> Iterator[Atoms]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            single = ioformats[kind].single
            yield from [ase.io.read(source, format=kind)] if single else ase.io.iread(source, ":", format=kind)
        except PARSER_ERRORS as error:
            raise UnreadableError(
                f"ASE cannot read it as {ioformats[kind].description} ({error})", "Give a whole file", name
            ) from error


@contextmanager
def _opened(file: InputFile, kind: str) -> Iterator[Any]:
    """Give a file in the form that ASE's reader of a format takes: a text, bytes, or a path."""
    form = ioformats[kind]
    if form.isbinary or kind in _BINARY:
        source = _at_random(file)
    elif form.acceptsfd:
        source = io.StringIO(_bytes(file).decode("utf-8", errors="replace"))
        source.name = _NOWHERE
    else:
        source = (
            file.name if file.stream is None and not file.name.lower().endswith(".gz") else io.BytesIO(_bytes(file))
        )
    if isinstance(source, str):
        refuse_special(source)
    if form.acceptsfd or isinstance(source, str):
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / Path(file.name).name.removesuffix(".gz")
        place.write_bytes(source.read())
        yield str(place)


def _at_random(file: InputFile) -> Any:
    """Return the path, or an open file in which any place can be read.

    Raises:
        DataError: It was opened as text.
    """
    try:
        return file.at_random()
    except UnreadableError as error:
        raise DataError(f"{file.name}: {error.problem}", error.cure) from error


def _bytes(file: InputFile) -> bytes:
    data = file.read_bytes(LARGEST)
    if len(data) > LARGEST:
        raise SizeError(
            f"The file is larger than {LARGEST / 1e6:g} MB", "Give its last frame, or convert it", file.name
        )
    return data
