"""Take something away from descriptions: the controls of what words add.

    python -m benchmarks.studies.description_controls runs/words/mp-small-texts.parquet --split benchmarks/splits/mp-small-0-80.json

Writes tables into the folder of the table:
    -struck    without what the first sentence says of structure type, crystal system and space group
    -global    what is said of the whole crystal only
    -local     what is said of the sites only
    -shuffled  every crystal with the description of another one, drawn once, whatever part of the split it is in

and as `-terms.safetensors` a text encoder that is none of a language: a bag of terms, fitted to the descriptions of the training crystals.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryskit.atomic_write import replacing
from cryskit.data.splits import Split
from cryskit.text.table import read_texts
from cryskit.text.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAMED = re.compile(r"^(\S+) .*?\bspace group\b", flags=re.DOTALL)


def struck(table: pd.DataFrame) -> pd.DataFrame:
    """Strike out structure type, crystal system and space group: "NaCl is Halite structured and crystallizes in the ..."."""
    return table.assign(**{"global": [_NAMED.sub(r"\1", text) if text else text for text in table["global"]]})


def shuffled(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Give every crystal the description of another one, as a single cycle through all of them does."""
    order = np.random.default_rng(seed).permutation(len(table))
    texts = table[["global", "local"]].to_numpy()
    moved = np.empty_like(texts)
    moved[order] = texts[np.roll(order, 1)]
    return table.assign(**{"global": moved[:, 0], "local": moved[:, 1]})


VARIANTS: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]] = MappingProxyType(
    {
        "struck": struck,
        "global": lambda table: table.assign(local=None),
        "local": lambda table: table.assign(**{"global": None}),
        "shuffled": shuffled,
    }
)


def main(path: Path, split: Path) -> None:
    """Write the variants of a table, and a bag of terms.

    Args:
        path: Table that `cryskit describe` wrote.
        split: File of the split of its crystals.
    """
    table = pd.read_parquet(path, columns=["id", "global", "local"])
    for name, variant in VARIANTS.items():
        with replacing(path.with_name(f"{path.stem}-{name}.parquet")) as temporary:
            variant(table).to_parquet(temporary, index=False)
    texts = read_texts(path)
    Terms.fit(texts[name] for name in Split.load(split).train).save(path.with_name(f"{path.stem}-terms.safetensors"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    main(**vars(parser.parse_args()))
