"""Make the Parquet files of `cryskit.data.sources` and put their size and checksum on the cards.

    python tools/bundle.py FOLDER

FOLDER holds one interchange Parquet per card, named as the card, in which the columns may have the names of other
tools. Columns that the card does not list are left out; labels are not touched.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

import yaml

import cryskit
from cryskit.atomic_write import replacing
from cryskit.data.interchange import read_rows, write
from cryskit.types import Crystal

CARDS = Path(cryskit.__file__).parent / "data" / "sources"


def bundle(card: Path, raw: Path) -> int:
    """Write the Parquet file beside a card and complete the card.

    Args:
        card: YAML file whose `units` name the properties to keep.
        raw: Interchange Parquet with at least these.

    Returns:
        Number of crystals.

    Raises:
        CrystalError: A row is damaged: a bundled file has none.
    """
    fields = yaml.safe_load(card.read_text(encoding="utf-8"))
    kept = []
    for item in read_rows(raw):
        if not isinstance(item, Crystal):
            raise item.error
        kept.append(
            replace(item, targets={name: item.targets[name] for name in fields["units"] if name in item.targets})
        )
    target = card.with_suffix(".parquet")
    fields["rows"] = write(target, kept).rows
    fields["sha256"] = hashlib.sha256(target.read_bytes()).hexdigest()
    with replacing(card) as temporary:
        temporary.write_text(yaml.safe_dump(fields, sort_keys=False, width=120), encoding="utf-8")
    return len(kept)


def main() -> None:
    """Bundle every card."""
    parser = argparse.ArgumentParser(description="Make the bundled data sets and complete their cards.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for card in sorted(CARDS.glob("*.yaml")):
        rows = bundle(card, folder / f"{card.stem}.parquet")
        print(f"{card.stem}: {rows} crystals, {card.with_suffix('.parquet').stat().st_size} bytes")


if __name__ == "__main__":
    main()
