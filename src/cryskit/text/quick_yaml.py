"""Tables in YAML files, read by PyYAML's parser in C as YAML 1.2 reads them, which is how monty reads them by a parser in Python.

Where PyYAML was built without that parser, this module cannot be imported.
PyYAML itself reads YAML 1.1, of which other words are numbers, truth values and dates: `No`, nobelium, is false, and 1e-05 a text.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yaml import CSafeLoader, YAMLError

if TYPE_CHECKING:
    from collections.abc import Callable

_SPECIAL = re.compile(r"@|&|\*|!|%|---|<<|(?<![\w.])0\w|\d_\d|\d{4}-|\.inf|\.nan", re.IGNORECASE)
"""What may stand in files that hold more than plain texts and numbers; in such a file, or in its comments, it is left to monty."""
_PLAIN = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+", list("-+0123456789")),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
}
"""Texts that are no texts, with the first characters that they can have, the integers before the other numbers."""


class _Loader(CSafeLoader):
    """Reads plain values as YAML 1.2 has them."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as PyYAML has it


for _kind, (_written, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_written})$"), _first)


def load(read: Callable[..., Any], path: Any, *arguments: Any, **options: Any) -> Any:
    """Return what a file holds, as monty's `loadfn` does; tables in plain YAML are read sooner.

    Args:
        read: The function of monty.
        path: The file.
        arguments: Further arguments of that function.
        options: Its options.
    """
    if str(path).endswith(".yaml") and not arguments and not options:
        text = Path(path).read_text(encoding="utf-8")
        if not _SPECIAL.search(text):
            with suppress(YAMLError):  # of what YAML 1.1 does not know, or PyYAML
                return _Loader(text).get_single_data()
    return read(path, *arguments, **options)
