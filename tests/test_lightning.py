"""A plan as modules of Lightning: a trainer of one's own learns what `cryskit.train` learns, with its own callbacks."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer

import cryskit
from cryskit.errors import PlanError
from cryskit.lightning import CrystalData, CrystalModule

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore:.*:UserWarning:lightning"
)  # Lightning's own, and its advice
CRYSTALS = list(islice(cryskit.read("elastic_tensor"), 60))
PLAN = {
    "properties": ["bulk_modulus"],
    "encoder": {"name": "cgcnn", "width": 8, "layers": 1},
    "optimisation": {"epochs": 3, "averaging": 0, "edges": 4000},
}


def trainer(epochs: int, **settings: Any) -> Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(max_epochs=epochs, accelerator="cpu", enable_checkpointing=False, **quiet, **settings)


class Losses(Callback):
    def __init__(self) -> None:
        self.found: list[float] = []

    def on_validation_epoch_end(self, trainer: Trainer, module: Any) -> None:
        del module
        if not trainer.sanity_checking:
            self.found.append(float(trainer.callback_metrics["validation/loss"]))


def test_a_trainer_of_ones_own_learns(tmp_path: Path) -> None:
    data, seen = CrystalData(PLAN, CRYSTALS), Losses()
    module = CrystalModule(data)
    trainer(8, callbacks=[seen], num_sanity_val_steps=0).fit(module, datamodule=data)
    assert len(seen.found) == 8
    assert seen.found[-1] < 0.8 * seen.found[0]
    module.predictor.save(tmp_path / "m.safetensors")
    loaded = cryskit.load(tmp_path / "m.safetensors")
    assert loaded.card.rows == {"training": len(data.parts.train), "validation": len(data.parts.validation)}
    values = loaded.predict(data.parts.test)["bulk_modulus"]
    assert values.tolist() == pytest.approx(
        module.predictor.predict(data.parts.test)["bulk_modulus"].tolist(), rel=1e-5
    )
    (tested,) = trainer(1).test(module, datamodule=data, verbose=False)
    assert tested["test/loss"] > 0


def test_it_learns_what_train_learns(tmp_path: Path) -> None:
    data = CrystalData(PLAN, CRYSTALS)
    module, seen = CrystalModule(data), Losses()
    trainer(
        3, callbacks=[seen], num_sanity_val_steps=0, gradient_clip_val=cryskit.Plan.make(PLAN).optimisation.clip
    ).fit(module, datamodule=data)
    cryskit.train(PLAN, CRYSTALS, data.split, tmp_path / "m.safetensors", judging=False)
    (log,) = tmp_path.glob("**/log.jsonl")
    last = [float(line.split('"validation_loss": ')[1].split("}")[0]) for line in log.read_text().splitlines()]
    assert seen.found == pytest.approx(last, rel=1e-4)


def test_another_optimiser_can_be_used() -> None:
    class Plain(CrystalModule):
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    data = CrystalData(PLAN, CRYSTALS)
    module = Plain(data)
    names = [name for name, _ in module.named_parameters()]
    assert len({id(one) for one in module.parameters()}) == len(names), "no weight is listed twice"
    trainer(1).fit(module, datamodule=data)


def test_data_that_is_not_set_up_and_teachers_are_refused() -> None:
    with pytest.raises(PlanError, match="has not been set up"):
        CrystalData(PLAN, CRYSTALS).train_dataloader()
    taught = PLAN | {"objective": {"name": "distill"}, "teacher": {"file": "crysgnn"}}
    with pytest.raises(PlanError, match="names a teacher"):
        CrystalData(taught, CRYSTALS)
