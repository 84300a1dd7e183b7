"""Give crystals phrases as people type them beside their descriptions, so that a contrast learns to find crystals by either.

    python -m benchmarks.studies.phrases --data runs/words/mp-small.parquet --text runs/words/mp-small-texts.parquet \
        --split benchmarks/splits/mp-small-0-80.json --out runs/words/mp-small-phrases.parquet

Each crystal is there three times: with its description, and twice, its edges 0.2 % longer or shorter, with a phrase of one to four words that are
true of it. They are drawn from its crystal system, number and names of its elements, structure type and dimensionality (as Robocrystallographer says),
and what kind of compound it is: "layered hexagonal sulfide", "cubic perovskite", "ternary titanium oxide". Copies are in the part of the split that
their crystal is in. Written are the crystals, the table of texts (`-texts.parquet`) and the split (`.json`) next to it.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import Element

from cryskit.data.interchange import manifest, write
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.symmetry import SYSTEMS, space_group
from cryskit.text.table import read_texts
from cryskit.types import Crystal

SCALES = (1.002, 0.998)
"""By how much the copies with phrases are scaled: pre-training takes the same crystal once."""
KINDS = {
    "O": "oxide",
    "F": "fluoride",
    "Cl": "chloride",
    "Br": "bromide",
    "I": "iodide",
    "S": "sulfide",
    "Se": "selenide",
    "Te": "telluride",
    "N": "nitride",
    "P": "phosphide",
    "As": "arsenide",
    "C": "carbide",
    "B": "boride",
    "Si": "silicide",
    "H": "hydride",
}
"""What a compound with an element is called."""
NUMBERS = ("elemental", "binary", "ternary", "quaternary")
"""What crystals of so many elements are called."""
DIMENSIONS = {"zero-dimensional": "molecular", "one-dimensional": "chain-like", "two-dimensional": "layered"}
"""What crystals are called of which a description says that they are of so many dimensions."""
LONGEST = 4
"""Most words of a phrase."""

_TYPE = re.compile(r"^\S+ is (?P<name>.+?)(?:-derived| like)? structured")
_MANY = len(NUMBERS)


def words_of(crystal: Crystal, description: str) -> list[str]:
    """Return the words that are true of a crystal, in the order that they have in a phrase.

    Args:
        crystal: The crystal.
        description: What Robocrystallographer says of it.
    """
    elements = [Element.from_Z(int(number)) for number in np.unique(crystal.numbers)]
    first = description.split("\n", maxsplit=1)[0]
    found = _TYPE.match(first)
    metals = all(element.is_metal for element in elements)
    return [
        *(word for said, word in DIMENSIONS.items() if said in first),
        SYSTEMS[space_group(crystal)[1]],
        NUMBERS[len(elements) - 1] if len(elements) <= _MANY else "multinary",
        *(element.long_name.lower() for element in elements),
        *([found["name"].lower().replace("(", "").replace(")", "")] if found else []),
        *(KINDS[element.symbol] for element in elements if element.symbol in KINDS and len(elements) > 1),
        *(["intermetallic"] if metals and len(elements) > 1 else []),
    ]


def phrase(crystal: Crystal, description: str, random: np.random.Generator) -> str:
    """Return a phrase that is true of a crystal.

    Args:
        crystal: The crystal.
        description: What Robocrystallographer says of it.
        random: What draws the words.
    """
    words = words_of(crystal, description)
    count = int(random.integers(1, min(LONGEST, len(words)) + 1))
    return " ".join(words[place] for place in sorted(random.choice(len(words), count, replace=False)))


def main(data: Path, text: Path, split: Path, out: Path) -> None:
    """Write the crystals with their copies, their texts and their split.

    Args:
        data: The crystals.
        text: Table of their descriptions.
        split: File of their split.
        out: File to write the crystals to.
    """
    crystals = [row for row in read(data) if isinstance(row, Crystal)]
    texts, whole, random = read_texts(text), Split.load(split), np.random.default_rng(0)
    table = pd.read_parquet(text).set_index("id")[["global", "local"]].to_dict("index")
    made, rows = list[Crystal](), []
    copies = {c.id: (c.id, *(f"{c.id} phrase {i + 1}" for i in range(len(SCALES)))) for c in crystals}
    for crystal in crystals:
        for name, scale in zip(copies[crystal.id], (1.0, *SCALES), strict=True):
            made.append(replace(crystal, id=name, lattice=crystal.lattice * scale, targets={}))
            said = {"global": phrase(crystal, texts[crystal.id], random), "local": None}
            rows.append({"id": name, **(table[crystal.id] if name == crystal.id else said)})
    write(out, made)
    pd.DataFrame(rows).to_parquet(out.with_name(f"{out.stem}-texts.parquet"))
    parts = {
        part: tuple(name for each in getattr(whole, part) for name in copies[each])
        for part in ("train", "validation", "test")
    }
    replace(whole, name=out.stem, data=manifest(made), **parts).save(out.with_suffix(".json"))
    print(f"{len(made)} rows; {', '.join(repr(row['global']) for row in rows[1:60:7])}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("data", "text", "split", "out"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    main(**vars(parser.parse_args()))
