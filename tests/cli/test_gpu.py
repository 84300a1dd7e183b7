"""What is trained on a GPU predicts on the processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
import torch

from cryskit.data.interchange import write
from cryskit.data.sources import open_source

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
