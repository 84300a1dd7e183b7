"""Judge models of tensors on the test crystals of a split, side by side, and write a result card.

    python -m benchmarks.studies.tensor_table --data runs/tensors/tensors.parquet --split benchmarks/splits/tensors.json \
        --models runs/tensor-table/*.safetensors --scalar cryskit-mp

Models are grouped by their heads: `tensors` (exact symmetry), `components` (every component by itself) and `isotropic` (isotropic parts alone), each of
several seeds. Besides, the isotropic part of what tensor heads predict is judged, and a model of scalars by its moduli. Errors of tensors are Frobenius
norms of differences, as a share of that of always predicting the mean of the training tensors. Means are over crystals and seeds; the deviation is over
seeds, the interval a bootstrap over crystals.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.speed import machine
from cryskit.atomic_write import write_json
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.data.tensors import target_row
from cryskit.evaluate.evaluate import evaluate
from cryskit.evaluate.tensors import followed, following, mandel
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.published import path_of
from cryskit.properties import get
from cryskit.tensors.derived import derived
from cryskit.tensors.kinds import tensor_kind
from cryskit.tensors.notation import components_to_matrix, mandel_to_voigt, matrix_to_components, voigt_to_mandel
from cryskit.types import Crystal, Property

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from cryskit.predict.predictor import Predictor

ISOTROPIC = "isotropic part of tensors"
"""Name of the row of the isotropic parts of what tensor heads predict."""
_RESAMPLES, _ENDS = 2000, (0.025, 0.975)
_REGISTERED = ("elastic_tensor", "dielectric_tensor", "dielectric_tensor_electronic")


class Errors:
    """Errors of one kind of model at the test crystals, of any number of seeds.

    Attributes:
        by_seed: Name of a figure to one (crystals,) array for each seed; NaN where there is no label.
    """

    def __init__(self) -> None:
        self.by_seed: dict[str, list[np.ndarray]] = {}

    def add(self, name: str, errors: np.ndarray) -> None:
        """Add the errors of a seed."""
        self.by_seed.setdefault(name, []).append(errors)

    def figures(self, guessed: dict[str, float]) -> dict[str, dict[str, float]]:
        """Return mean, interval over crystals and deviation over seeds of each figure, and how many predictions have no such number.

        Args:
            guessed: Name of a figure to the error of always predicting the mean of the training tensors.
        """
        found = {}
        for name, seeds in self.by_seed.items():
            known = np.isfinite(seeds).any(0)
            errors = np.array(seeds)[:, known]
            each, crystals = np.nanmean(errors, axis=1), np.nanmean(errors, axis=0)
            rng = np.random.default_rng(0)
            drawn = [crystals[rng.integers(len(crystals), size=len(crystals))].mean() for _ in range(_RESAMPLES)]
            figures = {"mae": each.mean(), **dict(zip(("mae_low", "mae_high"), np.quantile(drawn, _ENDS), strict=True))}
            if len(each) > 1:
                figures["deviation"] = each.std(ddof=1)
            if name in guessed:
                figures |= {
                    key.replace("mae", "share"): value / guessed[name] for key, value in figures.items() if "mae" in key
                }
            counts = {"crystals": len(crystals), "seeds": len(each), "undefined": int(np.isnan(errors).sum())}
            found[name] = {**counts, **{key: round(float(value), 5) for key, value in figures.items()}}
        return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", required=True, type=Path)
    parser.add_argument("--models", required=True, nargs="+", type=Path, help="model files, of any heads and seeds")
    parser.add_argument("--scalar", nargs="*", default=[], help="models of scalars, by name or file")
    parser.add_argument("--out", type=Path, default=machine.RESULTS / "tensors.json")
    options = parser.parse_args(arguments)
    crystals = [item for item in read(options.data) if isinstance(item, Crystal)]
    split = Split.load(options.split)
    training, _, test, *_ = split.divide(crystals)
    rows: dict[str, Errors] = {}
    guessed: dict[str, float] = {}
    for file in options.models:
        model = load(file)
        guessed |= guesses(model.card.properties, training, test)
        name = str(model.card.heads.get("name", ""))
        judge(
            model,
            test,
            rows.setdefault(name, Errors()),
            rows.setdefault(ISOTROPIC, Errors()) if name == "tensors" else None,
        )
    seen = {
        name: judge_scalars(load(name), test, rows.setdefault(Path(name).stem, Errors())) for name in options.scalar
    }
    card = {
        "title": "Tensors of crystals that did not train the models",
        **machine.facts(torch.get_num_threads()),
        "data": {"file": Path(options.data).name, "manifest": manifest(crystals), "crystals": len(crystals)},
        "split": {"file": options.split.name, "hash": split.hash, "seed": split.seed, "kind": split.kind},
        "models": {file.name: digest(path_of(file)) for file in options.models},
        "test_crystals_that_trained_scalar_models": seen,
        "mean_predictor": {name: round(value, 5) for name, value in guessed.items()},
        "rows": {name: errors.figures(guessed) for name, errors in rows.items()},
    }
    write_json(card, options.out)
    for name, figures in card["rows"].items():
        for figure, found in figures.items():
            print(f"{name:28} {figure:32} {found}")


def guesses(properties: Sequence[Property], training: Sequence[Crystal], test: Sequence[Crystal]) -> dict[str, float]:
    """Return the mean errors of always predicting the mean of the training tensors, by the name of the property."""
    found = {}
    for wanted in (each for each in properties if each.tensor):
        known, truth = (_known(wanted, part) for part in (training, test))
        differences = truth - np.nanmean(known, axis=0)
        found[wanted.name] = float(np.nanmean(np.linalg.norm(differences, axis=1)))
    return found


def judge(model: Predictor, test: Sequence[Crystal], errors: Errors, isotropic: Errors | None) -> None:
    """Add the errors of a model of tensors, and of the isotropic part of what it predicts, at the test crystals."""
    tensors = [each for each in model.card.properties if each.tensor]
    table = evaluate(model, test).table
    scalars = {**following(tensors), **{p.name: p for p in model.card.properties if not p.tensor}}
    for into in filter(None, (errors, isotropic)):
        if into is isotropic:
            table = _isotropic(table, tensors, test)
        for wanted in tensors:
            into.add(wanted.name, np.linalg.norm(mandel(table, wanted) - mandel(table, wanted, "_true"), axis=1))
        for name, wanted in scalars.items():
            into.add(_figure(wanted), _differences(table[name], table[f"{name}_true"], wanted))


def judge_scalars(model: Predictor, test: Sequence[Crystal], errors: Errors) -> dict[str, int]:
    """Add the errors of a model of scalars at the test crystals, with labels from their tensors; return how many crystals trained it."""
    tensors = [get(name) for name in _REGISTERED]
    wanted = {name: each for name, each in following(tensors).items() if name in model.properties}
    labelled = [
        Crystal(c.id, c.lattice, c.fractional, c.numbers, targets={**followed(c, tensors), **c.targets}) for c in test
    ]
    judged = evaluate(model, labelled, list(wanted))
    for name, each in wanted.items():
        errors.add(_figure(each), _differences(judged.table[name], judged.table[f"{name}_true"], each))
    kinds = {kind: int(found["n"]) for kind, found in judged.likeness.get(next(iter(wanted)), {}).items()}
    return {"crystals": len(test), **kinds}


def _known(wanted: Property, crystals: Sequence[Crystal]) -> np.ndarray:
    """Return the known tensors of crystals in Mandel's notation, (crystals, numbers), NaN where there is none."""
    kind = tensor_kind(wanted.symmetry)
    components = np.array([target_row(crystal, [wanted]) for crystal in crystals])
    return voigt_to_mandel(components_to_matrix(components, kind), kind).reshape(len(crystals), -1)


def _isotropic(table: pd.DataFrame, tensors: Sequence[Property], test: Sequence[Crystal]) -> pd.DataFrame:
    """Return a table whose predicted tensors are replaced by their isotropic parts, and scalars by what follows from these."""
    found = table.copy()
    for wanted in tensors:
        kind = tensor_kind(wanted.symmetry)
        matrices = mandel(table, wanted).reshape(-1, *kind.matrix_shape)
        parts = np.array([_isotropic_part(matrix) for matrix in matrices])
        voigt = mandel_to_voigt(parts, kind)
        found[list(wanted.columns)] = matrix_to_components(voigt, kind)
        for row, (matrix, crystal) in enumerate(zip(voigt, test, strict=True)):
            if np.isfinite(matrix).all():
                for name, value in derived(matrix, crystal, wanted).items():
                    if name in found:
                        found.loc[row, name] = value
    return found


def _isotropic_part(matrix: np.ndarray) -> np.ndarray:
    """Return the isotropic part of a symmetric tensor in Mandel's notation."""
    size = len(matrix)
    unit = np.eye(size)
    if size == 3:
        return np.trace(matrix) / 3 * unit
    bulk = np.zeros((6, 6))
    bulk[:3, :3] = 1 / 3
    parts = [(np.sum(matrix * basis) / np.sum(basis * basis), basis) for basis in (bulk, unit - bulk)]
    return np.sum([share * basis for share, basis in parts], axis=0)


def _figure(wanted: Property) -> str:
    return f"{wanted.name}, log10" if wanted.transform == "log10" else wanted.name


def _differences(values: Any, truth: Any, wanted: Property) -> np.ndarray:
    """Return absolute errors on the scale on which a scalar is learned."""
    one, other = np.asarray(values, float), np.asarray(truth, float)
    if wanted.transform == "log10":
        one, other = (np.log10(np.where(each > 0, each, np.nan)) for each in (one, other))
    return np.abs(one - other)


if __name__ == "__main__":
    main()
