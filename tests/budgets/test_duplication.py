"""Nothing is written twice: at most 3 % of the lines lie in a window of eight that occurs more than once."""

from __future__ import annotations

from collections import defaultdict

from budgets.syntax import PACKAGE

WINDOW = 8
SHARE = 0.03


def lines(text: str) -> list[tuple[int, str]]:
    """Return the numbered lines that count: neither blank nor comment nor import, white space folded."""
    numbered = ((number, " ".join(line.split())) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, line) for number, line in numbered if line and not line.startswith(("#", "import ", "from "))]


def repeated(texts: dict[str, str]) -> tuple[float, list[str]]:
    """Return the share of repeated lines and where the repeated windows begin."""
    windows = defaultdict(list)
    total = 0
    for name, text in texts.items():
        counted = lines(text)
        total += len(counted)
        for start in range(len(counted) - WINDOW + 1):
            windows[tuple(line for _, line in counted[start : start + WINDOW])].append(
                (name, counted[start : start + WINDOW])
            )
    twice = [places for places in windows.values() if len(places) > 1]
    covered = {(name, number) for places in twice for name, window in places for number, _ in window}
    starts = [" = ".join(f"{name}:{window[0][0]}" for name, window in places) for places in twice]
    return len(covered) / max(total, 1), starts


def test_at_most_3_percent_is_written_twice() -> None:
    share, starts = repeated({str(module): module.text for module in PACKAGE})
    assert share <= SHARE, "\n".join([f"{share:.1%} of the lines are written twice:", *starts])


def test_a_copied_function_is_found() -> None:
    body = "\n".join(f"    step_{i}()" for i in range(10))
    share, starts = repeated({"a": f"def one():\n{body}", "b": f"def two():\n\n    # a copy\n{body}"})
    assert share == 20 / 22
    assert starts[0] == "a:2 = b:4"
