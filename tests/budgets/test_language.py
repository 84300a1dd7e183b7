"""What is written in docstrings and help texts can be understood alone, in words that the field uses."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest
from budgets.syntax import PACKAGE, ROOT, SOURCE, Module

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTIONS = {"Args:", "Attributes:"}
FRAGMENT = re.compile(
    r"(of|by|as|among|under|into|over|from|with|likewise|that|who|whose|it|its own|how many of|which of)\b",
    re.IGNORECASE,
)
"""How a description begins that only makes sense after the name of the argument."""

SHAPE = re.compile(r"(\([^)]*\),? ?)?((u?int|float)\d+,? ?)?(angstrom,? ?)?")
"""What may stand before a description: the shape and the type of an array, and its unit."""

DIALECT = re.compile(
    r"\b(told|heard|hears|eats|company|lies|beside|fates?|swell(ing|s)?|swollen|swelled|disturb(ed|s|ance|ances)?|wiring|wired|tapped)\b"
    r"|\b(worded|unheard|loudest|wears?|eaten|pupils?)\b"
    r"|\b(92|ninety-two|named) bits\b",
    re.IGNORECASE,
)
"""Words of a private dialect, which the field has other words for: description, corruption, volume scaling, element features."""


def docstrings(module: Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every docstring, attribute docstrings included."""
    for node in ast.walk(module.tree):
        for child in getattr(node, "body", []) if isinstance(getattr(node, "body", None), list) else []:
            if (
                isinstance(child, ast.Expr)
                and isinstance(child.value, ast.Constant)
                and isinstance(child.value.value, str)
            ):
                yield child.lineno, child.value.value


def descriptions(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the description of every argument and attribute in a docstring."""
    lines = text.expandtabs().splitlines()
    for place, line in enumerate(lines):
        if line.strip() not in SECTIONS:
            continue
        indent = len(line) - len(line.lstrip())
        for below in lines[place + 1 :]:
            depth = len(below) - len(below.lstrip())
            if below.strip() and depth <= indent:
                break
            if depth == indent + 4 and (found := re.match(r"\s*(\*{0,2}\w+): (.*)", below)):
                yield found[1], found[2]


def help_texts(module: Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every `help=` of a command line option."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.keyword) and node.arg == "help" and isinstance(node.value, ast.Constant):
            yield node.value.lineno, str(node.value.value)


def names(module: Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of every name that a module defines."""
    for node in ast.walk(module.tree):
        name = ""
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        if name:
            yield node.lineno, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ")


def is_fragment(said: str) -> bool:
    """Return whether a description cannot be understood alone, or is no more than a shape."""
    words = said[SHAPE.match(said).end() :] if SHAPE.match(said) else said
    return not words.strip(" .") or FRAGMENT.match(words) is not None


def fragments(module: Module) -> list[str]:
    """Return the descriptions that cannot be understood alone."""
    written = [
        f"{line} {name}: {said}"
        for line, text in docstrings(module)
        for name, said in descriptions(text)
        if is_fragment(said)
    ]
    return written + [f"{line} {said}" for line, said in help_texts(module) if is_fragment(said)]


def dialect(module: Module) -> list[str]:
    """Return the names and sentences with a word of the private dialect."""
    written = [*docstrings(module), *help_texts(module), *names(module)]
    return [f"{line}: {found[0]}" for line, text in written for found in DIALECT.finditer(text)]


@pytest.mark.parametrize("module", PACKAGE, ids=str)
def test_descriptions_can_be_understood_alone(module: Module) -> None:
    assert not fragments(module), "say what the argument is: 'Number of devices.', not 'How many of them.'"


@pytest.mark.parametrize("module", PACKAGE, ids=str)
def test_words_are_those_of_the_field(module: Module) -> None:
    assert not dialect(module)


def test_file_names_are_words_of_the_field() -> None:
    stems = [
        str(module.path.relative_to(ROOT)) for module in PACKAGE if DIALECT.search(module.path.stem.replace("_", " "))
    ]
    assert not stems


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ('def f(a):\n    """Do it.\n\n    Args:\n        a: Of the crystal.\n    """', fragments),
        ('class A:\n    """It.\n\n    Attributes:\n        b: By its name.\n    """', fragments),
        ('class A:\n    """It.\n\n    Attributes:\n        c: (E,) int64, of the edges.\n    """', fragments),
        ('class A:\n    """It.\n\n    Attributes:\n        d: (E, 3) float32, angstrom.\n    """', fragments),
        ('option = Option("--devices", help="Of the numbers.")', fragments),
        ("def told(): ...", dialect),
        ('"""What a network is told."""', dialect),
        ("class WholeFate: ...", dialect),
        ('"""An encoder that wears a selector."""', dialect),
        ("def f(swelling): ...", dialect),
    ],
)
def test_a_breach_is_found(code: str, rule: object) -> None:
    assert callable(rule)
    assert rule(Module(SOURCE / "cryskit" / "graphs" / "tried.py", code))
