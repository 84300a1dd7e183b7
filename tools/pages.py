"""Write anew what the commands and programs on the pages print, run after a published model or an output has changed.

    python tools/pages.py README.md docs/tutorials/predict.md

Output that agrees with what a page shows is left as it is; where a page leaves lines out ("..."), the difference is printed instead,
for a person to mend.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

from page_steps import agree

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from docs import test_pages as pages  # noqa: E402 - the test that runs the pages


def rewritten(page: Path) -> str:
    """Return the text of a page with the output that its commands and programs have now.

    Args:
        page: The page.
    """
    text = page.read_text(encoding="utf-8")
    for shown, got, where in pages.outputs(page):
        text = _replaced(text, shown, got, where)
    return text


def _replaced(text: str, shown: str, got: str, where: str) -> str:
    """Return the text with the output in place of what was shown, if they differ."""
    if agree(shown, got):
        return text
    if "..." in (line.strip() for line in shown.splitlines()):
        print(f"{where} leaves lines out, mend it by hand. It shows\n{shown}\nbut the output is\n{got}")
        return text
    if text.count(shown) != 1:
        print(f"{where} stands there twice, mend it by hand. The output is\n{got}")
        return text
    return text.replace(shown, "\n".join(line.rstrip() for line in got.splitlines()) + "\n")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        source = Path(name).resolve()
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "examples", Path(folder) / "examples")
            with chdir(folder):
                new = rewritten(source)
        if new != source.read_text(encoding="utf-8"):
            source.write_text(new, encoding="utf-8")
            print(f"{name} was written anew")
