"""YAML files of people and of the package, read with limits: size, nesting, and no more values than a plan could ever need.

Tags that make Python objects are refused, as is a key that stands twice in one mapping, of which YAML itself would silently take the
last. An alias stands for all of what it names, so that few lines cannot grow into more values than memory holds.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from cryskit.errors import CryskitError

SIZE = 1_000_000
"""Largest number of characters of a YAML file."""
DEPTH = 30
"""Largest number of mappings and lists within one another."""
VALUES = 100_000
"""Largest number of keys and values, those that aliases stand for included."""

_BROKEN = (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_CURE = "Correct that place; what is indented alike belongs together, and texts with : or # need quotes"


def read_mapping(path: Path, error: type[CryskitError]) -> dict[Any, Any]:
    """Return the mapping in a YAML file.

    Args:
        path: The file.
        error: Class of the error that is raised.

    Raises:
        CryskitError: It is no regular file, cannot be read, or is no YAML file of a mapping within the limits; of the class `error`.
    """
    try:
        if not Path(path).is_file():
            raise error(f"{path} cannot be read as YAML (there is no such file)", "Give a YAML file")
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(SIZE + 1)
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{path} cannot be read as YAML ({problem})", "Give a YAML file in UTF-8") from problem
    return parse_mapping(text, str(path), error)


def parse_mapping(text: str, origin: str, error: type[CryskitError]) -> dict[Any, Any]:
    """Return the mapping that a YAML text is.

    Args:
        text: The text.
        origin: Name of the file it is from, for error messages.
        error: Class of the error that is raised.

    Raises:
        CryskitError: It is no YAML text of a mapping within the limits; of the class `error`.
    """
    if len(text) > SIZE:
        raise error(f"{origin} has more than {SIZE:,} characters", "Give a YAML file of keys and values, not of data")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        _count(node, {})
        values = None if node is None else loader.construct_document(node)
    except _BROKEN as problem:
        raise error(f"{origin} cannot be read as YAML ({_place(problem, text)})", _CURE) from problem
    if not isinstance(values, dict):
        raise error(
            f"{origin} cannot be read as YAML (it holds no mapping)", "Write keys and values, as in `key: value`"
        )
    return values


class _Loader(yaml.SafeLoader):
    """Reads plain values only, and not too deeply nested."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        """Return the next node."""
        self._depth += 1
        if self._depth > DEPTH:
            events: Any = self
            raise yaml.MarkedYAMLError(problem=f"more than {DEPTH} levels", problem_mark=events.peek_event().start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _refused(loader: _Loader, node: yaml.Node) -> None:
    """Refuse a tag of values that JSON does not have."""
    del loader
    raise yaml.MarkedYAMLError(problem=f"the tag {node.tag} is not read", problem_mark=node.start_mark)


def _text(loader: _Loader, node: yaml.ScalarNode) -> str:
    """Return what is written, for a date."""
    del loader
    return str(node.value)


for _tag in ("binary", "set", "omap", "pairs"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _refused)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


def _count(node: yaml.Node | None, known: dict[int, int]) -> int:
    """Return how many values a node stands for, and refuse too many, a key that stands twice, and a node within itself.

    Args:
        node: The node.
        known: Number of values of the nodes that were counted, 0 while one is being counted.
    """
    if node is None or isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 0
        if isinstance(node, yaml.MappingNode):
            _require_unique([key for key, _ in node.value])
        parts = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + sum(_count(each, known) for each in parts)
    if not 0 < known[id(node)] <= VALUES:
        problem = f"more than {VALUES:,} values" if known[id(node)] else "something contains itself"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    return known[id(node)]


def _require_unique(keys: list[yaml.Node]) -> None:
    seen = set()
    for key in keys:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key that is no single word", problem_mark=key.start_mark)
        if (key.tag, key.value) in seen:
            raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark)
        seen.add((key.tag, key.value))


def _place(problem: Exception, text: str) -> str:
    """Return what is wrong with a text and where, on one line."""
    mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
    if mark is not None:
        said = ", ".join(filter(None, (getattr(problem, "context", ""), getattr(problem, "problem", ""))))
        return f"line {mark.line + 1}: {said}"
    if isinstance(problem, yaml.reader.ReaderError):
        line = text.count("\n", 0, problem.position) + 1
        return f"line {line}: the character {problem.character!r} is not allowed"
    return " ".join(str(problem).split())
