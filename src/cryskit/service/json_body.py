"""A JSON body: its options as values, and each crystal as JSON of its own, which only the process that reads it takes apart."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.parallel import restart_clock
from cryskit.service.problems import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTS = ("structures", "candidates", "rows")
"""Entries of a body that hold crystals, or rows of a table."""
_OPTIONS = 1_000_000  # bytes of everything else


class Body(NamedTuple):
    """The JSON of a request.

    Attributes:
        data: Its bytes.
        rows: Crystals beyond which it is not taken apart; one more is given, so that it shows.
    """

    data: bytes
    rows: int


def parsed(body: Body) -> dict[str, Any]:
    """Return the object of a JSON document, each crystal in it as JSON.

    Args:
        body: The document.

    Raises:
        ServiceError: It is no JSON, or no object, or its options are too large.
    """
    try:
        found = json.loads(body.data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]
        raise ServiceError(400, f"The body is no JSON that can be read ({why})", "Send one object in UTF-8") from error
    if not isinstance(found, dict):
        raise ServiceError(
            422, "The body is no object", "Send {'structures': [...]}", given=type(found).__name__, expected="an object"
        )
    return in_pieces(found, body.rows)


def in_pieces(options: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """Return options and crystals with each crystal as JSON.

    Args:
        options: Options and crystals as values.
        rows: Crystals beyond which no more are given; one more is, so that it shows.

    Raises:
        ServiceError: The options are too large, or something is nested too deeply.
    """
    try:
        size = len(json.dumps({name: value for name, value in options.items() if name not in PARTS}))
        found = {name: _pieces(value, rows) if name in PARTS else value for name, value in options.items()}
    except RecursionError as error:
        raise ServiceError(400, "The structures are nested too deeply", "Send flat structures") from error
    if size > _OPTIONS:
        cure = "Send structures, and what the schema says besides them"
        expected = f"at most {_OPTIONS:,} bytes"
        raise ServiceError(413, "The options are too large", cure, given=f"{size:,} bytes", expected=expected)
    return found


def whole(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options whose pieces of JSON are values again.

    Args:
        options: What `in_pieces` returned.
    """
    return {
        name: [json.loads(each) for each in value] if name in PARTS and isinstance(value, list) else value
        for name, value in options.items()
    }


def joined(pieces: Mapping[str, bytes]) -> bytes:
    """Return an object as JSON.

    Args:
        pieces: Values as JSON by their names.
    """
    return b"{" + b",".join(json.dumps(name).encode() + b":" + value for name, value in pieces.items()) + b"}"


def _pieces(value: Any, rows: int) -> Any:
    """Return a list or an object with its values as JSON; what is neither stays, for the schema to refuse."""
    if isinstance(value, list):
        return [_piece(each) for each in value[: rows + 1]]
    if isinstance(value, dict):
        return {name: _piece(each) for name, each in islice(value.items(), rows + 1)}
    return value


def _piece(value: Any) -> bytes:
    restart_clock()
    return json.dumps(value).encode()


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
