"""Estimators for scikit-learn: crystals in, vectors, values or classes out; they take part in pipelines, cross-validation and grid searches.

X is a list of whatever `cryskit.read` takes, one crystal each. Nothing is loaded before `fit`.

Example:
    Vectors of a published encoder, and any regressor behind them:

    >>> from itertools import islice
    >>> import cryskit
    >>> from cryskit.sklearn import CrystalEmbedder
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> crystals = list(islice(cryskit.read("elastic_tensor"), 40))
    >>> labels = [crystal.targets["bulk_modulus"] for crystal in crystals]
    >>> model = make_pipeline(CrystalEmbedder("crysae"), Ridge()).fit(crystals[:30], labels[:30])
    >>> model.predict(crystals[30:]).shape
    (10,)
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from cryskit.data.read import read
from cryskit.errors import DataError
from cryskit.graphs.build import build_usable
from cryskit.small_data.classifier import Labelled, fitted_classifier
from cryskit.small_data.model import assembled
from cryskit.small_data.search import choose, fitted
from cryskit.small_data.sources import PUBLISHED, Vectors, source_of, vectors_of
from cryskit.small_data.table import SPEC, table_of
from cryskit.types import Crystal, Property

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Graph, Prediction

_TARGET = "y"


class _OfCrystals:
    """What X holds: objects, which scikit-learn shall not take for numbers."""

    def __sklearn_tags__(self) -> Any:
        tags: Any = super().__sklearn_tags__()  # type: ignore[misc] # of the estimator that it is mixed into
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


class CrystalEmbedder(_OfCrystals, TransformerMixin, BaseEstimator):
    """Crystals to vectors: the pooled vectors of all levels of a pre-trained encoder (`encoders.levels`).

    Args:
        encoder: A published model or a model file.
        limit: Atoms that a cell may have.

    Attributes:
        n_features_out_: Length of the vectors.
    """

    def __init__(self, encoder: str = PUBLISHED[0], limit: int = 500) -> None:
        self.encoder = encoder
        self.limit = limit

    def fit(self, X: Sequence[Any], y: Any = None) -> Self:  # noqa: N803 - scikit-learn's names
        """Load the encoder; nothing is learned.

        Args:
            X: Crystals, of which nothing is read.
            y: Labels, which are not read.
        """
        del X, y
        self.source_ = source_of(self.encoder)
        self.n_features_out_ = self.source_.width
        return self

    def transform(self, X: Sequence[Any]) -> np.ndarray:  # noqa: N803 - as above
        """Return the vectors of crystals, (n, width) float32.

        Args:
            X: Crystals.

        Raises:
            DataError: One of them cannot be used.
        """
        check_is_fitted(self)
        return vectors_of(_graph(_crystals(X, self.limit)), self.source_)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the values of a vector.

        Args:
            input_features: Ignored.
        """
        del input_features
        check_is_fitted(self)
        return np.array([f"{self.source_.name}_{number}" for number in range(self.n_features_out_)], dtype=object)


class CryskitRegressor(_OfCrystals, RegressorMixin, BaseEstimator):
    """Crystals to values: the best mean of regressors on frozen vectors, chosen by inner cross-validation as `cryskit fit` does.

    Args:
        encoders: Published models or model files.
        seconds: Time after which no further candidate is begun.
        seed: Seed of the inner folds.
        limit: Atoms that a cell may have.

    Attributes:
        model_: The predictor; `model_.save(path)` writes a model file.
    """

    def __init__(
        self, encoders: Sequence[str] = PUBLISHED[:1], seconds: float = 60.0, seed: int = 0, limit: int = 500
    ) -> None:
        self.encoders = encoders
        self.seconds = seconds
        self.seed = seed
        self.limit = limit

    def fit(self, X: Sequence[Any], y: Any) -> Self:  # noqa: N803 - as above
        """Learn from crystals with labels.

        Args:
            X: Crystals.
            y: (n,) labels.

        Raises:
            DataError: A crystal cannot be used, or there are too few of them.
        """
        labels = np.asarray(y, dtype=np.float64)
        known = zip(_crystals(X, self.limit), labels, strict=True)
        table = table_of([replace(one, targets={_TARGET: float(label)}) for one, label in known], _TARGET)
        with TemporaryDirectory() as folder:
            vectors = Vectors(table, [source_of(name) for name in self.encoders], Path(folder), _TARGET)
            rows = np.arange(len(table))
            choice = choose(table, vectors, rows, self.seed, self.seconds)
            parts = fitted(table, vectors, rows, choice)
            facts = {"name": type(self).__name__, "plan": {"fit": {"choice": choice.to_json(), "seed": self.seed}}}
            self.model_ = assembled(table, vectors, parts, [], (1.0, 0.0), choice.transform, facts)
        return self

    def predict(self, X: Sequence[Any]) -> np.ndarray:  # noqa: N803 - as above
        """Return the values of crystals, (n,).

        Args:
            X: Crystals.

        Raises:
            DataError: One of them cannot be used.
        """
        check_is_fitted(self)
        return np.array([one.values[_TARGET] for one in _predictions(self.model_, X, self.limit)])


class CryskitClassifier(_OfCrystals, ClassifierMixin, BaseEstimator):
    """Crystals to classes: logistic regression on frozen vectors, its probabilities calibrated by inner cross-validation.

    Args:
        encoders: Published models or model files.
        seed: Seed of the inner folds.
        limit: Atoms that a cell may have.

    Attributes:
        classes_: The labels, each once, sorted; any that scikit-learn takes for classes: words, truth values, whole numbers.
        model_: The predictor, which calls the classes by their labels as text; `model_.save(path)` writes a model file.
    """

    def __init__(self, encoders: Sequence[str] = PUBLISHED[:1], seed: int = 0, limit: int = 500) -> None:
        self.encoders = encoders
        self.seed = seed
        self.limit = limit

    def fit(self, X: Sequence[Any], y: Any) -> Self:  # noqa: N803 - as above
        """Learn from crystals with labels.

        Args:
            X: Crystals.
            y: (n,) labels.

        Raises:
            DataError: A crystal cannot be used, or there are too few of them, or all are of one class.
            ValueError: The labels are numbers that are no classes.
        """
        check_classification_targets(y)
        classes, labels = np.unique(np.asarray(y), return_inverse=True)
        if len(classes) < 2:
            raise DataError(f"y has {len(classes)} different labels", "Give crystals of two classes or more")
        crystals = _crystals(X, self.limit)
        check_consistent_length(crystals, labels)
        wanted = Property(_TARGET, _TARGET, "", kind="class", classes=tuple(map(str, classes.tolist())))
        given = Labelled(crystals, _graph(crystals), labels.astype(np.int64), wanted)
        self.model_ = fitted_classifier(given, list(self.encoders), self.seed, type(self).__name__)
        self.classes_ = classes
        return self

    def predict(self, X: Sequence[Any]) -> np.ndarray:  # noqa: N803 - as above
        """Return the most probable class of each crystal, (n,), as `y` called it.

        Args:
            X: Crystals.

        Raises:
            DataError: One of them cannot be used.
        """
        probabilities = self.predict_proba(X)
        found: np.ndarray = self.classes_[probabilities.argmax(axis=1)]
        return found

    def predict_proba(self, X: Sequence[Any]) -> np.ndarray:  # noqa: N803 - as above
        """Return the calibrated probability of every class, (n, classes) in the order of `classes_`.

        Args:
            X: Crystals.

        Raises:
            DataError: One of them cannot be used.
        """
        check_is_fitted(self)
        found = [one.classes[_TARGET].probabilities for one in _predictions(self.model_, X, self.limit)]
        return np.array(found).reshape(len(found), len(self.classes_))


def _predictions(model: Predictor, given: Sequence[Any], limit: int) -> list[Prediction]:
    """Return the predictions for crystals, all of which have to be usable."""
    found = list(model.stream(_crystals(given, limit)))
    for place, one in enumerate(found):
        if one.status == "failed":
            raise _unusable(place, one.reason)
    return found


def _graph(crystals: Sequence[Crystal]) -> Graph:
    """Return the graph of crystals, all of which have to have one."""
    graph, errors = build_usable(crystals, SPEC)
    if errors:
        raise _unusable(*next(iter(errors.items())))
    return graph


def _crystals(given: Sequence[Any], limit: int) -> list[Crystal]:
    """Return crystals, of which there is one for each item."""
    found = list(read(list(given), limit=limit))
    for place, item in enumerate(found):
        if not isinstance(item, Crystal):
            raise _unusable(place, item.error)
    if len(found) != len(given):
        raise DataError(f"{len(given)} items hold {len(found)} crystals", "Give a list with one crystal in each item")
    return [item for item in found if isinstance(item, Crystal)]


def _unusable(place: int, reason: object) -> DataError:
    return DataError(f"Item {place} cannot be used: {str(reason).rstrip('.')}", "Leave it out, its label, too")
