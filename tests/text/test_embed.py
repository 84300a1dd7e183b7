from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from cryskit.errors import DataError, ModelError, PlanError, UnknownNameError
from cryskit.text.embed import embedder, vectors
from cryskit.text.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TEXTS = [f"crystal {number} of {'many ' * (number % 5)}atoms" for number in range(12)]


class Counted:
    """An encoder that remembers what it was asked, and dies when told to."""

    name = "counted"
    width = 3

    def __init__(self, salt: str = "", dies_after: int = 10_000) -> None:
        self.hash = hashlib.sha256(f"counted {salt}".encode()).hexdigest()
        self.asked: list[str] = []
        self._left = dies_after

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self._left -= len(texts)
        if self._left < 0:
            raise KeyboardInterrupt
        self.asked.extend(texts)
        numbers = [hashlib.sha256(f"{self.hash} {text}".encode()).digest()[:3] for text in texts]
        return np.array([list(each) for each in numbers], dtype=np.float32).reshape(-1, 3)


def test_each_text_is_read_once_and_only_new_ones_later(tmp_path: Path) -> None:
    expected = Counted().encode([*TEXTS, "one more"])
    first = Counted()
    assert np.array_equal(vectors([*TEXTS, TEXTS[3]], first, tmp_path), expected[[*range(12), 3]])
    assert sorted(first.asked) == sorted(TEXTS)
    later = Counted()
    assert np.array_equal(vectors(["one more", *TEXTS[::-1]], later, tmp_path), expected[[12, *range(11, -1, -1)]])
    assert later.asked == ["one more"]
    assert np.array_equal(vectors([*TEXTS, "one more"], Counted(dies_after=0), tmp_path), expected)


def test_another_encoder_has_its_own_vectors(tmp_path: Path) -> None:
    one, other = Counted(), Counted("other")
    assert not np.array_equal(vectors(TEXTS, one, tmp_path), vectors(TEXTS, other, tmp_path))
    assert len(other.asked) == 12
    assert len(list(tmp_path.iterdir())) == 2


def test_the_same_encoder_may_have_another_name(tmp_path: Path) -> None:
    renamed = Counted()
    renamed.name = "counted, elsewhere"
    vectors(TEXTS, Counted(), tmp_path)
    vectors(TEXTS, renamed, tmp_path)
    assert not renamed.asked


def test_without_a_cache_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    encoder = Counted()
    vectors([*TEXTS, *TEXTS], encoder)
    assert len(encoder.asked) == 12
    assert not list(tmp_path.iterdir())


def test_a_killed_run_loses_the_chunk_that_it_was_at(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        vectors(TEXTS, Counted(dies_after=9), tmp_path, chunk=4)
    again = Counted()
    done = []
    found = vectors(TEXTS, again, tmp_path, chunk=4, progress=lambda *count: done.append(count))
    assert len(again.asked) == 4
    assert done == [(4, 4)]
    assert np.array_equal(found, Counted().encode(TEXTS))
    assert not list(tmp_path.rglob("*.partial"))


def test_where_there_is_no_text_the_vector_is_unknown(tmp_path: Path) -> None:
    encoder = Counted()
    found = vectors(["a", None, " \n", "b"], encoder, tmp_path)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True, False]
    assert sorted(encoder.asked) == ["a", "b"]
    assert vectors([], encoder, tmp_path).shape == (0, 3)
    assert vectors([None], encoder).shape == (1, 3)


def test_the_cache_is_a_table_that_others_can_read(tmp_path: Path) -> None:
    encoder = Counted()
    found = vectors(TEXTS[:2], encoder, tmp_path)
    (path,) = tmp_path.rglob("*.parquet")
    assert path.parent.name == encoder.hash[:32]
    table = pq.read_table(path)
    rows = dict(zip(table["text"].to_pylist(), table["vector"].to_pylist(), strict=True))
    assert rows == {hashlib.sha256(TEXTS[row].encode()).hexdigest(): found[row].tolist() for row in range(2)}
    assert table.schema.metadata.items() >= {b"name": b"counted", b"hash": encoder.hash.encode()}.items()


def test_a_foreign_file_is_an_error_that_names_it_and_a_damaged_one_is_made_again(tmp_path: Path) -> None:
    vectors(TEXTS, Counted(), tmp_path)
    vectors(TEXTS, Counted("other"), tmp_path)
    mine, other = (next((tmp_path / Counted(salt).hash[:32]).iterdir()) for salt in ("", "other"))
    other.replace(mine.with_name("moved.parquet"))
    with pytest.raises(DataError, match=r"moved\.parquet holds .* another encoder") as raised:
        vectors(TEXTS, Counted(), tmp_path)
    assert "Remove that file" in raised.value.cure
    mine.with_name("moved.parquet").unlink()
    mine.write_bytes(mine.read_bytes()[:-20])
    again = Counted()
    assert np.array_equal(vectors(TEXTS, again, tmp_path), Counted().encode(TEXTS))
    assert len(again.asked) == len(TEXTS)
    vectors(TEXTS, again, tmp_path)
    assert len(again.asked) == len(TEXTS), "what was made again is whole"


def test_numbers_that_are_none_are_not_kept(tmp_path: Path) -> None:
    class Broken(Counted):
        def encode(self, texts: Sequence[str]) -> np.ndarray:
            return super().encode(texts) * np.nan

    with pytest.raises(ModelError, match="counted gives"):
        vectors(TEXTS, Broken(), tmp_path)
    assert not list(tmp_path.rglob("*.parquet"))


def test_encoders_are_made_by_name(tmp_path: Path) -> None:
    training = ["red blue", "red green", "blue green"]
    fitted = embedder("terms", texts=training, width=2)
    assert (fitted.name, fitted.width) == ("terms", 2)
    assert isinstance(fitted, Terms)
    fitted.save(tmp_path / "mine.safetensors")
    assert embedder(str(tmp_path / "mine.safetensors")).hash == fitted.hash
    assert embedder(str(tmp_path / "mine.safetensors"), texts=training).hash == fitted.hash


@pytest.mark.usefixtures("empty_hub")
def test_what_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="terms has to be fitted"):
        embedder("terms")
    with pytest.raises(UnknownNameError, match="no setting of the text encoder terms called 'pooling'"):
        embedder("terms", texts=["a b"], pooling="cls")
    with pytest.raises(UnknownNameError, match="Did you mean pooling"):
        embedder("minilm", poling="cls")
    with pytest.raises(ModelError, match="holds no bag of terms"):
        embedder(str(tmp_path / "none.safetensors"))
    with pytest.raises(ModelError, match="matscibert is not on this computer"):
        embedder()


def test_a_language_model_is_not_loaded_where_all_is_known(tmp_path: Path, small: Path) -> None:
    first = embedder(str(small))
    found = vectors(TEXTS[:3], first, tmp_path)
    again = embedder(str(small))
    assert np.array_equal(vectors(TEXTS[:3], again, tmp_path), found)
    assert "_module" in vars(first)
    assert "_module" not in vars(again)
    assert np.abs(vectors(TEXTS[:3], embedder(str(small), pooling="cls"), tmp_path) - found).max() > 0.01
