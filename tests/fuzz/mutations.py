"""Seeded mutations of files: of bytes, of text, of JSON."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_TOKEN = re.compile(r"\S+")
EXTREMES = (
    *("0", "-0.0", "1e308", "-1e308", "1e-320", "1e999", "nan", "inf", "-inf", "9" * 400, "99999999999999999999", "-1"),
    *("0.1.2", "1,5", "1d0", "0x10", "1_000", "½", "\u0663", "\u22121", "１２", "1/0", "?", ".", "", "None", "True"),
    *("'", '"', "{}", "[]", "\u00e9", "\ud7ff", "\u2028", "=1+1", "x" * 3000),
)
"""What stands in for a number or a token: extremes, other digits and signs, words."""
WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**40, -(10**400), float("nan"), float("inf"), "", "x", "\u0663", "9" * 5000),
    *([], {}, [[]], [None], [1, 2, 3], {"a": 1}, [[1, 0, 0], [0, 1, 0], [0, 0, 1]], ["Na"], [{}], {"": {}}, 1e308),
)
"""What stands in for a value of JSON."""


def mutated(data: bytes, random: Random, kind: str) -> bytes:
    """Return a mutated file.

    Args:
        data: The whole file.
        random: Source of all choices.
        kind: "json", "lines" of JSON, "text" or "binary".
    """
    if kind in {"json", "lines"} and random.random() < 0.6:
        return _json_lines(data, random) if kind == "lines" else _json(data, random)
    if kind == "binary" or random.random() < 0.25:
        return _bytes(data, random)
    text = data.decode("utf-8", errors="replace")
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        text = random.choice(_TEXT)(text, random)
    return _encoded(text, random)


def _encoded(text: str, random: Random) -> bytes:
    if random.random() < 0.95:
        return text.encode("utf-8", errors="surrogatepass")
    return text.encode(random.choice(("utf-16", "utf-8-sig", "utf-32", "utf-7", "cp500")), errors="replace")


def _bytes(data: bytes, random: Random) -> bytes:
    found = bytearray(data)
    if not found:
        return b"\0"
    choice, at = random.randrange(7), random.randrange(len(found))
    if choice <= 1:
        for _ in range(random.choice((1, 1, 2, 20))):
            found[random.randrange(len(found))] ^= 1 << random.randrange(8)
    elif choice == 2:
        del found[at:]
    elif choice == 3:
        del found[at : at + random.randrange(1, 64)]
    elif choice == 4:
        found[at:at] = random.randbytes(random.randrange(1, 64))
    elif choice == 5:
        found[at : at + 8] = random.choice((b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7))
    else:
        found += found[at:] * random.randrange(1, 4)
    return bytes(found)


def _replaced(pattern: re.Pattern[str], values: tuple[str, ...]) -> Callable[[str, Random], str]:
    def mutate(text: str, random: Random) -> str:
        found = list(pattern.finditer(text))
        if not found:
            return text
        one = random.choice(found)
        return text[: one.start()] + random.choice(values) + text[one.end() :]

    return mutate


def _digits(text: str, random: Random) -> str:
    found = [m for m in _NUMBER.finditer(text) if len(m[0]) < 40]
    if not found:
        return text
    one = random.choice(found)
    table = random.choice(
        (
            str.maketrans("0123456789", "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669"),
            str.maketrans("-", "\u2212"),
            str.maketrans(".", ","),
            str.maketrans("0123456789", "1234567890"),
        )
    )
    return text[: one.start()] + one[0].translate(table) + text[one.end() :]


def _lines(text: str, random: Random) -> str:
    lines = text.splitlines(keepends=True)
    if len(lines) < 2:
        return text[: random.randrange(len(text) + 1)]
    i, j = random.randrange(len(lines)), random.randrange(len(lines))
    choice = random.randrange(5)
    if choice == 0:
        lines.insert(j, lines[i])
    elif choice == 1:
        del lines[i]
    elif choice == 2:
        lines[i], lines[j] = lines[j], lines[i]
    elif choice == 3:
        lines[i:i] = [lines[j]] * random.choice((2, 50, 2000))
    else:
        lines = lines[:i]
    return "".join(lines)


def _tokens(text: str, random: Random) -> str:
    found = list(_TOKEN.finditer(text))
    if len(found) < 2:
        return text
    one, other = random.choice(found), random.choice(found)
    put = random.choice(("", f"{one[0]} {one[0]}", other[0], one[0].upper(), one[0].lower(), one[0][:-1], one[0][::-1]))
    return text[: one.start()] + put + text[one.end() :]


_TEXT = (_replaced(_NUMBER, EXTREMES), _replaced(_TOKEN, EXTREMES), _digits, _lines, _tokens)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container in a value with each of its keys, most lists of many numbers by a few."""
    keys: Any = value.keys() if isinstance(value, dict) else range(min(len(value), 12))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def change(value: Any, random: Random) -> Any:
    """Return a value of JSON of which one part is another: of a wrong type, renamed, left out, doubled, nested."""
    places = list(_places(value)) if isinstance(value, dict | list) else []
    if not places or random.random() < 0.03:
        return deepcopy(random.choice(WRONG))
    holder, key = random.choice(places)
    choice = random.randrange(7)
    if choice <= 2:
        holder[key] = deepcopy(random.choice(WRONG))
    elif choice == 3:
        del holder[key]
    elif choice == 4 and isinstance(holder, dict):
        holder[random.choice((key.upper(), "", f"{key}s", "id", "structure", "sites", "lattice", "\u0663"))] = (
            holder.pop(key)
        )
    elif choice == 5 and isinstance(holder, list):
        holder[key:key] = [holder[key]] * random.choice((1, 3, 700))
    else:
        holder[key] = random.choice(([holder[key]], {"value": holder[key]}, str(holder[key]), {str(key): holder[key]}))
    return value


def _json(data: bytes, random: Random) -> bytes:
    try:
        value = json.loads(data)
    except ValueError:
        return _bytes(data, random)
    if random.random() < 0.02:
        return random.choice((b"[" * 100_000, b'{"a":' * 100_000, b"[" * 500 + b"]" * 500, b"9" * 10_000))
    for _ in range(random.choice((1, 1, 2, 4))):
        value = change(value, random)
    return json.dumps(value).encode()


def _json_lines(data: bytes, random: Random) -> bytes:
    lines = data.splitlines()
    place = random.randrange(len(lines))
    lines[place] = _json(lines[place], random)
    return b"\n".join(lines)
