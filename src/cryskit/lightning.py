"""A plan of cryskit as a data module and a module of Lightning, for a trainer of your own: other callbacks, loggers, strategies.

`cryskit.train` does all this by itself, goes on where it was stopped, and gives intervals and a domain; this is for those whose loop
is Lightning's already.

Example:
    >>> from itertools import islice
    >>> from lightning import Trainer
    >>> import cryskit
    >>> from cryskit.lightning import CrystalData, CrystalModule
    >>> crystals = list(islice(cryskit.read("elastic_tensor"), 60))
    >>> plan = {"properties": ["bulk_modulus"], "encoder": {"name": "cgcnn", "width": 8, "layers": 1}}
    >>> data = CrystalData(plan, crystals)
    >>> module = CrystalModule(data)
    >>> quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    >>> trainer = Trainer(max_epochs=1, accelerator="cpu", use_distributed_sampler=False, **quiet)
    >>> trainer.fit(module, datamodule=data)
    >>> "validation/loss" in trainer.callback_metrics
    True
    >>> cryskit.evaluate(module.predictor, data.parts.test).metrics["bulk_modulus"]["n"] == len(data.parts.test)
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightning.pytorch import LightningDataModule

from cryskit.batching import Batcher, repeated
from cryskit.data.classes import prepared
from cryskit.data.interchange import manifest
from cryskit.errors import PlanError
from cryskit.predict.predictor import Predictor
from cryskit.training.batches import EdgeBatches
from cryskit.training.fit import VALIDATION, loader_of, seeded, set_modes
from cryskit.training.inputs import crystals_of, plan_of, split_of
from cryskit.training.labels import without_impossible
from cryskit.training.module import ObjectiveModule
from cryskit.training.parts import built, graph_with_targets, graphs_of, objective_of, with_labels
from cryskit.training.run import card_of, start_from, start_heads
from cryskit.training.settle import settle

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from torch.utils.data import DataLoader

    from cryskit.data.splits import Split
    from cryskit.types import Graph

TRAINING, TEST = "training/loss", "test/loss"
"""Names of logged losses, besides "validation/loss"."""


class CrystalData(LightningDataModule):
    """Labelled crystals and a plan as the data of a trainer.

    Graphs are built, and the scale of the labels is taken from the training part, when a trainer sets it up.

    Args:
        plan: What is learned, as `cryskit.train` takes it. Of its optimisation the size of batches, learning rate, weight decay, warm-up and
            seed are used; epochs, devices and precision are the trainer's.
        crystals: The whole data set that the split divides: crystals, or whatever `cryskit.read` takes.
        split: Which crystals train and which choose, as `cryskit.train` takes it.
        name: Name of the model on its card.
        cache: Folder where built graphs are kept; None keeps none.

    Attributes:
        predictor: The model that is trained; `predictor.save(path)` writes its file.
        split: The split.
        parts: The crystals of each part of it: `train`, `validation`, `test`, `calibration`.

    Raises:
        DataError: The data cannot be read.
        PlanError: The plan is not valid, or it names a teacher, from which `cryskit.train` alone learns.
    """

    def __init__(
        self,
        plan: Any,
        crystals: Any,
        split: Split | str | Path | None = None,
        *,
        name: str = "model",
        cache: Path | None = None,
    ) -> None:
        super().__init__()
        settled = settle(plan_of(plan))
        self.plan = settled.plan
        if settled.teacher:
            raise PlanError("The plan names a teacher", "Learn from a teacher with cryskit.train")
        known = crystals_of(crystals)
        self.split = split_of(split, known, self.plan.optimisation.seed)
        named, wanted = prepared(known, self.plan.properties, self.plan.kinds)
        self.parts = self.split.divide(named)
        facts = {"split": {"name": self.split.name, "hash": self.split.hash}, "data": {"manifest": manifest(known)}}
        with seeded(self.plan.optimisation.seed):
            self.predictor = Predictor.from_card(card_of(self.plan, wanted, name).model_copy(update=facts), cache)
            self.objective = objective_of(settled, self.predictor)
            self.begun = start_from(self.plan, self.predictor)
        self._cache = cache
        self._graphs: tuple[Graph, Graph] | None = None

    def setup(self, stage: str) -> None:
        """Build the graphs of the training and validation parts, once.

        Args:
            stage: What the trainer is about to do; the same is done for all.
        """
        del stage
        if self._graphs:
            return
        wanted, needs = self.predictor.card.properties, self.objective.needs
        usable = [without_impossible(part, wanted)[0] for part in self.parts[:2]]
        training, validation = (built(with_labels(part, wanted), needs, self._cache) for part in usable)
        graphs = graphs_of(self.predictor, training, validation)
        heads = start_heads(self.plan, self.predictor)
        self.objective.prepare(graphs[0])
        self._graphs = repeated(graphs[0], self.plan.repeats), graphs[1]
        facts = {
            "elements": sorted({int(number) for crystal in training.crystals for number in crystal.numbers}),
            "rows": {"training": len(training.crystals), "validation": len(validation.crystals)},
            "start": self.begun.facts | heads,
        }
        self.predictor.card = self.predictor.card.model_copy(update=facts)

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the loader of the training crystals, in another order each epoch."""
        return self._loader(self._built()[0], 1, self.plan.optimisation.seed)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the loader of the validation crystals."""
        return self._loader(self._built()[1], 4, None)

    def test_dataloader(self) -> DataLoader[Any]:
        """Return the loader of the test crystals, which are built when it is asked for."""
        wanted = self.predictor.card.properties
        part = built(with_labels(self.parts.test, wanted), self.objective.needs, self._cache)
        return self._loader(graph_with_targets(self.predictor, part), 4, None)

    def _built(self) -> tuple[Graph, Graph]:
        if self._graphs is None:
            raise PlanError("The data has not been set up", "Call setup() first, or leave it to a trainer")
        return self._graphs

    def _loader(self, graph: Graph, times: int, seed: int | None) -> DataLoader[Any]:
        processes = self.trainer.world_size if self.trainer else 1
        return loader_of(EdgeBatches(Batcher(graph), times * self.plan.optimisation.edges, seed, processes))


class CrystalModule(ObjectiveModule):
    """The network and the objective of `CrystalData` as a module: AdamW, a one-cycle schedule over all steps of the trainer.

    It logs "training/loss", "validation/loss" and "test/loss". Override `configure_optimizers` for another optimiser.

    Args:
        data: The data that the trainer is given, too.

    Attributes:
        predictor: The model that is trained.
    """

    def __init__(self, data: CrystalData) -> None:
        super().__init__(data.objective, data.plan.optimisation, data.begun.rates)
        self._predictor = [
            data.predictor
        ]  # in a list, so that its weights, which are those of the objective, are not listed twice

    @property
    def predictor(self) -> Predictor:
        """The model that is trained."""
        return self._predictor[0]

    def setup(self, stage: str) -> None:
        """Put all but what is frozen into training mode.

        Args:
            stage: What the trainer is about to do.
        """
        if stage == "fit":
            set_modes(self.objective)

    def on_fit_end(self) -> None:
        """Leave the model ready to predict."""
        self.predictor.eval()

    def training_step(self, batch: Graph, batch_idx: int) -> Tensor:
        """Return the sum of the losses."""
        del batch_idx
        losses = self.losses_of(batch)
        total = self.total(losses)
        self.log(TRAINING, total.detach(), batch_size=batch.crystals)
        return total

    def validation_step(self, batch: Graph, batch_idx: int) -> None:
        """Log the sum of the losses."""
        del batch_idx
        self._log(VALIDATION, batch)

    def test_step(self, batch: Graph, batch_idx: int) -> None:
        """Log the sum of the losses."""
        del batch_idx
        self._log(TEST, batch)

    def _log(self, name: str, batch: Graph) -> None:
        total = sum(self.objective(batch).values())
        self.log(name, total, prog_bar=True, batch_size=batch.crystals, sync_dist=True)
