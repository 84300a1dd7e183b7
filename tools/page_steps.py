"""What a page of the documentation has its reader do: the commands and programs in their order, and the output that the page shows for each.

```python blocks are programs that share one namespace, and each line of a ```console block that begins with "$ " is a command of the shell. Other
lines of a console block are the output that it shows, and a ```text block after a ```python block is what that prints; "..." stands for any lines.
Numbers may differ by 2 % or 0.02. Blocks in another language (```sh) are not to be run.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("README.md"), *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(python|console|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UNTRIED = re.compile(r"^```(?:sh|py)$", re.MULTILINE)
TOLERANCE = 0.02


class Step(NamedTuple):
    """One command or program of a page; `line` is that of its block, and `shown` is None where the page shows no output."""

    language: str
    source: str
    line: int
    shown: str | None


def steps(page: Path) -> list[Step]:
    """Return what a page has its reader do, in its order.

    Args:
        page: The page.
    """
    text = page.read_text(encoding="utf-8")
    found: list[Step] = []
    printed: int | None = None  # place of the last program whose output has not been shown yet
    for block in FENCE.finditer(text):
        language, content, line = block[1], block[2], text.count("\n", 0, block.start()) + 1
        if language == "console":
            found += [
                Step("console", command, line, shown if shown.strip() else None)
                for command, shown in _commands(content)
            ]
        elif language == "python":
            printed = len(found)
            found.append(Step("python", content, line, None))
        elif printed is not None:
            found[printed] = found[printed]._replace(shown=content)
            printed = None
    return found


def untried(page: Path) -> int:
    """Return how many blocks of commands or programs a page has that are not to be run (```sh and ```py)."""
    return len(UNTRIED.findall(page.read_text(encoding="utf-8")))


def agree(shown: str, got: str) -> bool:
    """Tell whether an output is the one that a page shows."""
    return _agree(*([line for line in text.splitlines() if line.strip()] for text in (shown, got)))


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with the output shown under it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = re.sub(r"\\\n *", "", part).partition("\n")
        yield command, shown


def _agree(shown: list[str], got: list[str]) -> bool:
    """Tell whether the lines shown are the lines got, "..." standing for any number of them."""
    if not shown:
        return not got
    if shown[0].strip() == "...":
        return any(_agree(shown[1:], got[start:]) for start in range(len(got) + 1))
    return bool(got) and _same(shown[0], got[0]) and _agree(shown[1:], got[1:])


def _same(shown: str, got: str) -> bool:
    """Tell whether two lines agree word by word, numbers within the tolerance."""
    words, others = shown.split(), got.split()
    return len(words) == len(others) and all(map(_alike, words, others))


def _alike(word: str, other: str) -> bool:
    if word == other:
        return True
    try:
        number, another = (float(each.replace("\N{MINUS SIGN}", "-")) for each in (word, other))
    except ValueError:
        return False
    return math.isclose(number, another, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (
        math.isnan(number) and math.isnan(another)
    )
