"""One spelling for what means the same, before a text is cut into tokens.

MatSciBERT (Gupta, Zaki, Krishnan and Mausam 2022, doi 10.1038/s41524-022-00784-w) was trained on text that keeps its case, has
lost its accents and control characters, and in which a character that the vocabulary lacks is either replaced by a likeness or
by a space. The same is done here by rules of Unicode instead of a table, with one deviation: every subscript and superscript
becomes its digit (the original turns the subscripts 0, 1, 5 and 9 into spaces), so that H2O and H₂O, BaTi2O5 and BaTi₂O₅ are the
same text. Lower case is left to the tokenizer of a model that wants it.
"""

from __future__ import annotations

import unicodedata

VERSION = 1
"""Number that is raised with each change of what comes out, and a part of the hash of every encoder."""

_GREEK = {chr(code) for code in range(0x0370, 0x0400)}
_KEPT = {chr(code) for code in range(0x20, 0x7F)} | _GREEK | set("\u00b0\u00b1\u00d7")  # degree, plus-minus, times
_OVERBAR = "\u0305"
_ALIKE = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d", "-"),  # hyphens, dashes, minus signs
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u00b7\u2022\u2219\u22c5", "."),  # CuSO4·5H2O
    **dict.fromkeys("\u2044\u2215", "/"),  # of fractions
    "\u223c": "~",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u00f8": "o",
    "\u00df": "ss",
    "\u00e6": "ae",
}


def normalised(text: str) -> str:
    """Return the text in one spelling: ASCII, Greek letters and the signs for degree, plus-minus and times; single spaces.

    A digit with a bar over it, as in a space group, gets a minus before it: F d 3-bar m becomes Fd-3m.

    Args:
        text: Any text.
    """
    spelled: list[str] = []
    for character in unicodedata.normalize("NFKD", "".join(_ALIKE.get(each, each) for each in text)):
        if character == _OVERBAR and spelled and spelled[-1].isdigit():
            spelled.insert(-1, "-")
        elif unicodedata.category(character) not in {"Mn", "Cf"}:  # accents; marks that have no width
            like = _ALIKE.get(character, character)
            spelled.append(like if set(like) <= _KEPT else " ")
    return " ".join("".join(spelled).split())
