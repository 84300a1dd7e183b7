"""Vectors of crystals as a featurizer of matminer; needs matminer, the extra `describe` or `baselines`.

Example:
    >>> import pandas as pd
    >>> from ase.build import bulk
    >>> from cryskit.matminer import CrystalVectors
    >>> frame = pd.DataFrame({"structure": [bulk("Si"), bulk("Cu")]})
    >>> featurizer = CrystalVectors("crysae")
    >>> featurizer.featurize_dataframe(frame, "structure", pbar=False).shape[1] - 1 == len(featurizer.feature_labels())
    True
"""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from cryskit.data.read import read
from cryskit.errors import DataError, ModelError
from cryskit.graphs.build import build_usable
from cryskit.small_data.sources import PUBLISHED, source_of, vectors_of
from cryskit.small_data.table import SPEC
from cryskit.types import Crystal

try:
    from matminer.featurizers.base import BaseFeaturizer
except ImportError as missing:
    raise ModelError(
        "cryskit.matminer needs matminer, which is not installed", "pip install 'cryskit[baselines]'"
    ) from missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryskit.small_data.sources import Source

_CHUNK = 256  # crystals whose graphs are held at a time


class CrystalVectors(BaseFeaturizer):
    """Vectors of all levels of a pre-trained encoder as features: the same numbers as `cryskit.sklearn.CrystalEmbedder`.

    Crystals are featurized many at a time in this process, whatever `n_jobs` says.

    Args:
        encoder: A published model or a model file.
        limit: Most atoms in a cell.
    """

    def __init__(self, encoder: str = PUBLISHED[0], limit: int = 500) -> None:
        self.encoder = encoder
        self.limit = limit

    @cached_property
    def _source(self) -> Source:
        return source_of(self.encoder)

    def featurize(self, structure: Any) -> list[float]:
        """Return the vector of one crystal.

        Args:
            structure: A pymatgen Structure, ASE Atoms, a Crystal, a path, or whatever else `cryskit.read` takes.

        Raises:
            DataError: It is not one usable crystal.
        """
        ((vector, problem),) = self._vectors([structure])
        if problem:
            raise DataError(problem, "Leave it out, or set ignore_errors=True")
        return vector

    def featurize_many(
        self,
        entries: Sequence[Any],
        ignore_errors: bool = False,  # noqa: FBT001, FBT002 - matminer's signature
        return_errors: bool = False,  # noqa: FBT001, FBT002 - as above
        pbar: Any = True,  # noqa: FBT002 - as above
    ) -> list[list[Any]]:
        """Return the vectors of crystals.

        Args:
            entries: Crystals, or rows of a table with one crystal in each.
            ignore_errors: Whether what is no usable crystal gives a row of NaN instead of an error.
            return_errors: Whether every row ends with the reason why it has no vector, NaN where it has one.
            pbar: Whether progress is shown; a dictionary has arguments for tqdm.

        Raises:
            DataError: One of them is no usable crystal.
            ValueError: Errors are to be returned but not to be ignored.
        """
        if return_errors and not ignore_errors:
            raise ValueError("Please set ignore_errors to True to use return_errors.")
        found: list[list[Any]] = []
        settings = pbar if isinstance(pbar, dict) else {}
        items = tqdm(entries, desc=type(self).__name__, disable=not pbar, **settings)
        for place, (vector, problem) in enumerate(self._vectors(items)):
            if problem and not ignore_errors:
                raise DataError(f"Entry {place} cannot be used: {problem}", "Leave it out, or set ignore_errors=True")
            found.append([*vector, *[problem or float("nan")] * return_errors])
        return found

    def feature_labels(self) -> list[str]:
        """Return the names of the features."""
        return [f"{self._source.name}_{number}" for number in range(self._source.width)]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features, for scikit-learn's `set_output`.

        Args:
            input_features: Ignored.
        """
        del input_features
        return np.array(self.feature_labels(), dtype=object)

    def citations(self) -> list[str]:
        """Return what to cite, in BibTeX."""
        return [
            (
                "@article{Das2022, title={CrysXPP: An explainable property predictor for crystalline materials}, "
                "author={Das, Kishalay and Samanta, Bidisha and Goyal, Pawan and Lee, Seung-Cheol and Bhattacharjee, Satadeep and "
                "Ganguly, Niloy}, journal={npj Computational Materials}, volume={8}, pages={43}, year={2022}, "
                "doi={10.1038/s41524-022-00716-8}}"
            ),
            "@software{cryskit, title={cryskit}, author={{The cryskit developers}}, url={https://cryskit.readthedocs.io/}}",
        ]

    def implementors(self) -> list[str]:
        """Return who wrote it."""
        return ["The cryskit developers"]

    def _vectors(self, entries: Any) -> Iterator[tuple[list[float], str]]:
        """Yield the vector of each entry, NaN where there is none, and why there is none."""
        entries = iter(entries)
        while chunk := [_crystal(entry, self.limit) for entry in islice(entries, _CHUNK)]:
            crystals = {place: one for place, one in enumerate(chunk) if isinstance(one, Crystal)}
            graph, errors = build_usable(list(crystals.values()), SPEC)
            problems = {place: str(one) for place, one in enumerate(chunk) if not isinstance(one, Crystal)}
            problems |= {list(crystals)[row]: str(error) for row, error in errors.items()}
            vectors = iter(vectors_of(graph, self._source).tolist())
            for place in range(len(chunk)):
                problem = problems.get(place, "").rstrip(".")
                yield ([float("nan")] * self._source.width if problem else next(vectors)), problem


def _crystal(entry: Any, limit: int) -> Crystal | str:
    """Return the crystal of an entry, or why it is not one."""
    if isinstance(entry, list | tuple | np.ndarray) and len(entry) == 1:
        (entry,) = entry
    found = list(read([entry], limit=limit))
    if len(found) != 1:
        return f"It holds {len(found)} crystals"
    return found[0] if isinstance(found[0], Crystal) else str(found[0].error)
