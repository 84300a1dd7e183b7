"""What is trained on a GPU predicts on the processor, and a GPU predicts what the processor does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
import torch

from cryskit.data.interchange import write
from cryskit.data.sources import open_source
from cryskit.predict.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Call = Callable[..., Result]

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("objective", ["crysae", "crysgnn"])
@pytest.mark.parametrize("encoder", ["steinhardt", "alignn"])
def test_pretrained_and_trained_on_a_gpu(cryskit: Call, tmp_path: Path, objective: str, encoder: str) -> None:
    write(tmp_path / "set.parquet", [c for c in open_source("elastic_tensor") if len(c) <= 5][:60])
    common = ("--data", "set.parquet", "--epochs", "2", "--accelerator", "gpu", "--out")
    size = ("--encoder", encoder, "--width", "16", "--layers", "2")
    start = cryskit("pretrain", objective, *size, *common, "start.safetensors")
    assert start.exit_code == 0, start.stderr
    labels = ("--property", "bulk_modulus", "--start", "start.safetensors")
    trained = cryskit("train", *labels, *common, "model.safetensors")
    assert trained.exit_code == 0, trained.stderr
    predicted = cryskit("predict", "set.parquet", "--model", "model.safetensors", "--out", "predicted.csv")
    assert predicted.exit_code == 0, predicted.stderr
    assert pd.read_csv(tmp_path / "predicted.csv")["bulk_modulus"].notna().all()


@pytest.mark.parametrize("model", ["cryskit-mp", "crysxpp"])
def test_a_gpu_predicts_and_embeds_what_the_processor_does(cryskit: Call, tmp_path: Path, model: str) -> None:
    crystals = [c for c in open_source("elastic_tensor") if len(c) <= 20][:100]
    write(tmp_path / "set.parquet", crystals)
    for hardware in ("gpu", "cpu"):
        for verb in (("predict",), ("embed",), ("embed", "--atoms")):
            out = f"{''.join(verb)}-{hardware}.parquet"
            done = cryskit(*verb, "set.parquet", "--model", model, "--accelerator", hardware, "--out", out)
            assert done.exit_code == 0, done.stderr
    for name, columns in (("predict", load(model).properties), ("embed", ["vector"]), ("embed--atoms", ["vectors"])):
        there, here = (pd.read_parquet(tmp_path / f"{name}-{hardware}.parquet") for hardware in ("gpu", "cpu"))
        for column in columns:
            for one, other in zip(there[column], here[column], strict=True):
                assert one == pytest.approx(other, rel=1e-3, abs=1e-3)
