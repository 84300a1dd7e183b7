"""Learn properties from labelled crystals: from a plan and a split to a model file."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from cryskit.batching import repeated
from cryskit.data.classes import prepared
from cryskit.data.interchange import manifest
from cryskit.data.splits import Split
from cryskit.errors import DataError
from cryskit.evaluate.evaluate import evaluate
from cryskit.graphs.remembered import remembered
from cryskit.plots.judged import plot_judged
from cryskit.plots.loss_curves import plot_curves
from cryskit.predict.predictor import Predictor
from cryskit.training.calibrate import calibrate, calibrated
from cryskit.training.class_calibration import class_calibrations
from cryskit.training.cross_validation import cross_validate, splits_of
from cryskit.training.fit import fit, seeded
from cryskit.training.identity import claim, digest_of, training_in
from cryskit.training.inputs import SPLIT, crystals_of, folder_of, plan_of, split_of
from cryskit.training.labels import COUNT, labels_of, note_impossible, without_impossible
from cryskit.training.log import LOG, read_log
from cryskit.training.parts import built, graphs_of, objective_of, with_labels
from cryskit.training.run import card_of, identity_of, note_plan, start_from, start_heads, text_hash
from cryskit.training.settle import settle
from cryskit.training.teacher import taught

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryskit.evaluate.evaluate import Evaluation
    from cryskit.predict.card import Card
    from cryskit.training.cross_validation import CrossValidation
    from cryskit.training.identity import Identity
    from cryskit.training.settle import SettledPlan
    from cryskit.types import Crystal, Property


class _Learned(NamedTuple):
    """A run that has ended.

    Attributes:
        training: The crystals with labels that were learned from.
        validation: The crystals that chose the epoch.
        facts: What its card says of it.
    """

    training: list[Crystal]
    validation: list[Crystal]
    facts: dict[str, Any]


@overload
def train(
    plan: Any,
    crystals: Any,
    split: Split | str | Path | None = None,
    out: Path | str = "model.safetensors",
    folder: Path | str | None = None,
    *,
    folds: None = None,
    name: str | None = None,
    source: str = "",
    cache: Path | None = None,
    judging: bool = True,
    progress: bool = False,
    announce: Callable[[str], None] = ...,
) -> Card: ...


@overload
def train(
    plan: Any,
    crystals: Any,
    split: str | None = None,
    out: Path | str = "model.safetensors",
    folder: Path | str | None = None,
    *,
    folds: int | Sequence[Split],
    name: str | None = None,
    source: str = "",
    cache: Path | None = None,
    judging: bool = True,
    progress: bool = False,
    announce: Callable[[str], None] = ...,
) -> CrossValidation: ...


@remembered()
def train(
    plan: Any,
    crystals: Any,
    split: Split | str | Path | None = None,
    out: Path | str = "model.safetensors",
    folder: Path | str | None = None,
    *,
    folds: int | Sequence[Split] | None = None,
    name: str | None = None,
    source: str = "",
    cache: Path | None = None,
    judging: bool = True,
    progress: bool = False,
    announce: Callable[[str], None] = lambda _: None,
) -> Card | CrossValidation:
    """Train a model and write its file, or cross-validate a plan.

    Labels outside the physical range of their property are left out and listed in `folder`. The test crystals of the split are not looked at. A run that was killed goes on from its last checkpoint in `folder`.

    Args:
        plan: What is learned, by which network, and how: a Plan, a mapping of its values, a YAML file, or just the properties, one or many.
        crystals: The whole data set that the split divides: crystals, or whatever `cryskit.read` takes.
        split: Which crystals train and which choose the epoch: a Split, its kind ("random", "formula", "system"; None for "random"), or its file. One that is made here is kept in the folder.
        out: The model file to write.
        folder: Folder of the run, for plan, log, checkpoints, loss curve, parity plots of the validation crystals; `<out>.run` by default.
        folds: Number of folds of a cross-validation, or their splits. `split` is then what folds keep together ("formula" by default), the models are in the folder, and `out` is the out-of-fold table if it ends in .csv or .parquet.
        name: Name of the model; the stem of `out` by default.
        source: Where the data came from, for the card; the path or name by default, where `crystals` is one.
        cache: Where built graphs are kept; `folder` by default.
        judging: Give the model intervals and a domain, by the calibration part of the split or, without one, by the validation part.
        progress: Show a progress bar.
        announce: Function that is called with a line after each fold.

    Returns:
        The card of the model, with its validation metrics; of folds a `cross_validation.CrossValidation`.

    Raises:
        DataError: A property has no labels, or the data is not that of the split.
        PlanError: The plan contradicts itself, `folder` holds another run or another process trains in it, or both a split and folds are given.

    Warns:
        FewValidationCrystals: Fewer than 20 crystals choose the epoch.
        UnusableRowsWarning: Some rows are no crystals and were left out.

    Example:
        A small network, trained for one epoch on sixty crystals that come with the package:

        >>> from itertools import islice
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> import cryskit
        >>> from cryskit.data.sources import open_source
        >>> from cryskit.data.splits import make
        >>> crystals = list(islice(open_source("elastic_tensor"), 60))
        >>> split = make(crystals, kind="random", fractions=(0.5, 0.4, 0.1), seed=0)
        >>> network = {"name": "cgcnn", "width": 8, "layers": 1}
        >>> plan = cryskit.Plan.make({"properties": ["bulk_modulus"], "encoder": network, "optimisation": {"epochs": 1}})
        >>> folder = Path(mkdtemp())
        >>> card = cryskit.train(plan, crystals, split, folder / "model.safetensors", folder / "run")
        >>> [prop.name for prop in card.properties]
        ['bulk_modulus']
    """
    settled, out, folder = settle(plan_of(plan)), Path(out), folder_of(Path(out), folder)
    source = source or (str(crystals) if isinstance(crystals, str | Path) else "")
    cache, crystals, label = cache or folder, crystals_of(crystals), name or out.stem
    settings: dict[str, Any] = {"source": source, "cache": cache, "judging": judging, "progress": progress}
    crystals, _ = prepared(crystals, settled.plan.properties, settled.plan.kinds)
    if folds is not None:
        every = splits_of(folds, split, crystals, settled.plan.optimisation.seed)
        train_fold = partial(train_once, settled, crystals, **settings)
        said: dict[str, Any] = {"name": label, "source": source, "judging": judging, "announce": announce}
        return cross_validate(settled, crystals, every, out, folder, train_fold, **said)
    divided = split_of(split, crystals, settled.plan.optimisation.seed)
    with training_in(folder):
        card = train_once(settled, crystals, divided, out, folder, name=label, **settings)
        if not isinstance(split, Split):
            divided.save(folder / SPLIT)
    return card


def train_once(
    settled: SettledPlan,
    crystals: list[Crystal],
    split: Split,
    out: Path,
    folder: Path,
    *,
    name: str,
    source: str,
    cache: Path,
    judging: bool,
    progress: bool,
    watch: Callable[[float, float], None] | None = None,
) -> Card:
    """Train one model on one split, write its file and return its card.

    Args:
        settled: The plan.
        crystals: The whole data set.
        split: The split of it.
        out: The model file to write.
        folder: Folder of the run.
        name: Name of the model.
        source: Where the data came from.
        cache: Folder of built graphs.
        judging: Give the model intervals and a domain.
        progress: Show a progress bar.
        watch: Function of each epoch, as `training.fit.fit` takes it.
    """
    named, wanted = prepared(crystals, settled.plan.properties, settled.plan.kinds)
    begun = card_of(settled.plan, wanted, name)
    with seeded(settled.plan.optimisation.seed):
        predictor = Predictor.from_card(begun, cache)
        divided = split.divide(named)
        learned = _learn(settled, predictor, divided, split, folder, cache, progress=progress, watch=watch)
        _calibrate(predictor, learned, divided.calibration, judging=judging)
        judged = evaluate(predictor, learned.validation)
    data = {"source": source, "manifest": manifest(crystals)}
    facts = {"split": {"name": split.name, "hash": split.hash}, "data": data, "metrics": judged.metrics}
    predictor.card = predictor.card.model_copy(update={**learned.facts, **facts})
    predictor.save(out)
    _plot(judged, begun.properties, folder, f"{predictor.card.full_name} on the validation part")
    return predictor.card


def _learn(
    settled: SettledPlan,
    predictor: Predictor,
    divided: Sequence[Sequence[Crystal]],
    split: Split,
    folder: Path,
    cache: Path,
    *,
    progress: bool,
    watch: Callable[[float, float], None] | None,
) -> _Learned:
    """Train the networks of a predictor on the first part of the data; the second chooses the epoch.

    Args:
        settled: The plan.
        predictor: The predictor with the weights that it begins with; those of the best epoch are left in it.
        divided: Training, validation and test crystals; of the last it is only asked which they are.
        split: The split of the data.
        folder: Folder of the run.
        cache: Folder of built graphs, and of the teacher's vectors.
        progress: Show a progress bar.
        watch: Function of each epoch, as `training.fit.fit` takes it.
    """
    plan, teacher = settled.plan, settled.teacher
    wanted = predictor.card.properties
    objective = objective_of(settled, predictor)
    start = start_from(plan, predictor)
    parts, impossible = zip(*(without_impossible(part, wanted) for part in divided[:2]), strict=True)
    training, validation = (built(with_labels(part, wanted), objective.needs, cache) for part in parts)
    elements = sorted({int(number) for crystal in training.crystals for number in crystal.numbers})
    rows, labelled = {"training": len(training.crystals), "validation": len(validation.crystals)}, training.crystals
    unlabelled = teacher.unlabelled_crystals(chain(*divided), objective.needs, cache) if teacher else None
    if unlabelled:
        training = training.joined(*unlabelled)
    graphs = graphs_of(predictor, training, validation)
    heads = start_heads(plan, predictor)
    if teacher and objective.teacher_layers:
        graphs = taught(graphs[0], teacher.of(training.crystals, objective.teacher_layers, cache)), graphs[1]
    objective.prepare(graphs[0])
    texts = [crystal.text for part in (training, validation) for crystal in part.crystals]
    seen = [manifest(unlabelled[0])] if unlabelled else []
    identity = _identity(settled, split, [*chain(*parts)], seen, text_hash(predictor, texts), wanted)
    claim(folder, identity)
    unusable = training.unusable | validation.unusable
    note_plan(plan, start, unusable, folder)
    note_impossible([*chain(*impossible)], folder)
    loop: dict[str, Any] = {"identity": identity, "rates": start.rates, "progress": progress, "watch": watch}
    epoch = fit(objective, repeated(graphs[0], plan.repeats), graphs[1], plan.optimisation, folder, **loop)
    rows |= {"unusable": len(unusable), COUNT: sum(map(len, impossible))}
    rows["unlabelled"] = len(unlabelled[0]) if unlabelled else 0
    rows["without text"] = texts.count(None) if predictor.text_input else 0
    said = {
        "elements": elements,
        "rows": {name: count for name, count in rows.items() if count or name in {"training", "validation"}},
        "start": start.facts | heads,
        "teacher": teacher.facts if teacher else {},
        "text": predictor.text_input.facts if predictor.text_input else {},
        "epoch": epoch,
    }
    return _Learned(labelled, validation.crystals, said)


def _calibrate(predictor: Predictor, learned: _Learned, crystals: Sequence[Crystal], *, judging: bool) -> None:
    """Calibrate a predictor: its classes, its intervals and its domain.

    That is done by the part of the split that calibrates or, without one, by the validation crystals; with too few labels there it
    gets no intervals.

    Args:
        predictor: The trained model, which is changed in place.
        learned: The run.
        crystals: The part of the split that calibrates; none if there is no such part.
        judging: Whether it gets intervals and a domain.
    """
    classes = class_calibrations(predictor, learned.validation, crystals)
    predictor.card = predictor.card.model_copy(update={"class_calibration": classes})
    if not judging:
        return
    part, given = ("calibration", crystals) if crystals else ("validation", learned.validation)
    possible, _ = without_impossible(given, predictor.card.properties)
    with suppress(DataError):
        calibrated(predictor, calibrate(predictor, learned.training, possible), f"{part} part of the split")


def _identity(
    settled: SettledPlan,
    split: Split,
    crystals: Sequence[Crystal],
    seen: list[str],
    text: list[str],
    wanted: Sequence[Property],
) -> Identity:
    """Return what a run depends on.

    Args:
        settled: The plan.
        split: The split of the data.
        crystals: Training and validation crystals, with labels.
        seen: Manifest hash of the crystals that are learned from without labels, if there are any.
        text: Hash of the descriptions, if the model reads them.
        wanted: What is learned.
    """
    labels = labels_of(crystals, wanted)
    classes = [f"{one.name}: {', '.join(one.classes)}" for one in wanted if one.classes]
    data = {
        "data": split.data,
        "split": split.hash,
        "labels": digest_of(labels),
        "unlabelled": seen,
        "descriptions": text,
        "classes": classes or None,
    }
    return identity_of(settled, data, split.hash, *seen, *text)


def _plot(judged: Evaluation, wanted: Sequence[Property], folder: Path, of: str) -> None:
    """Draw the curves of the run, and predictions of the validation crystals over their labels."""
    plot_curves(read_log(folder / LOG), folder / "curve.png")
    for each in (p for p in wanted if p.name in judged.metrics):
        plot_judged(judged.table, each, folder, of=of)
