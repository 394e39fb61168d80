"""Files of data/ with other content than their stage writes: the reader names the file, what is wrong, and the remedy.

DVC compares hashes before it runs a stage; this is about commands that a user calls, and about files of other versions.
"""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save

from beginning import BEGINNING
from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.params import Params, read_params
from groundwork.common.tensors import load_tensors, save_tensors
from groundwork.datasets import generate_dataset
from groundwork.engine.training import train_study
from groundwork.overview.summary import PASSED, read_summary
from groundwork.runs import read_runs

PARAMS = (
    BEGINNING
    + """\
datasets:
  line: {family: regression, replicates: 4, train: 20, valid: 10, w: [2, -3.4], b: 4.2, noise: 0.01}
studies:
  learning_rate:
    dataset: generated/line
    model: linear
    replicates: 4
    block_size: 2
    fixed: {loss: squared, optimizer: sgd, batch_size: 8, shuffle: true, epochs: 1}
    grid: {lr: [0.03, 0.3]}
  pixel_similarity:
    dataset: raw/mnist_sample
    model: digits
    replicates: 1
    block_size: 1
    fixed: {network: pixel_similarity}
    grid: {distance: [L1]}
"""
)
SHAPES = {"train/X": (4, 20, 2), "train/y": (4, 20, 1), "valid/X": (4, 10, 2), "valid/y": (4, 10, 1)}
Tensors = dict[str, np.ndarray]


@pytest.fixture
def params(tmp_path, monkeypatch) -> Params:
    monkeypatch.chdir(tmp_path)
    paths.PARAMS.write_text(PARAMS)
    params = read_params()
    generate_dataset("line", params)
    rng = np.random.default_rng(0)
    save_tensors(
        paths.dataset("raw/mnist_sample"),
        {
            f"{part}/{key}": values
            for part in ("train", "valid")
            for key, values in {
                "images": rng.integers(0, 256, (20, 28, 28), np.uint8),
                "labels": np.arange(20, dtype=np.uint8) % 2,
                "index": np.arange(20, dtype=np.int32),
            }.items()
        },
    )
    return params


def refused(read: Callable[[], Any], file: Path, said: str, stage: str) -> None:
    """Reading fails with one line: the file, what is wrong with it, how to make it again. The file stays."""
    before = file.read_bytes() if file.is_file() else None
    with pytest.raises(UserError) as error:
        read()
    message = str(error.value)
    assert message.startswith(f"{file} is damaged (")
    assert said in message
    assert message.endswith(f": make it again with `dvc repro {stage}`")
    assert message.isprintable()
    assert (file.read_bytes() if file.is_file() else None) == before


# --- safetensors as bytes --------------------------------------------------------------------------------------------


def forged(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def one(dtype: str, shape: list[int], length: int) -> bytes:
    """A file of one tensor that its header describes so."""
    return forged({"train/X": {"dtype": dtype, "shape": shape, "data_offsets": [0, length]}}, bytes(length))


BYTES = {
    "a file cut off": lambda whole: whole[:-1],
    "a file cut off in its header": lambda whole: whole[:20],
    "a file of no bytes": lambda whole: b"",
    "extra bytes at the end": lambda whole: whole + b"\0",
    "a header of 2^60 bytes, it says": lambda whole: struct.pack("<Q", 2**60) + whole[8:],
    "a header that is no JSON": lambda whole: whole[:8] + b"\xff" + whole[9:],
    "a header that is a list": lambda whole: forged([1, 2]),
    "a tensor of 2^62 numbers, it says": lambda whole: one("F32", [2**62], 8),
    "a tensor without numbers that is huge": lambda whole: one("F32", [2**62, 0], 0),
    "tensors that lie over each other": lambda whole: forged(
        {name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for name in SHAPES}, bytes(8)
    ),
    "a type that numpy does not have: bfloat16": lambda whole: one("BF16", [2], 4),
    "a type that numpy does not have: float8": lambda whole: one("F8_E4M3", [2], 2),
    "a type that nobody has": lambda whole: one("Q32", [2], 8),
    "a pickle": lambda whole: b"\x80\x04\x95" + whole,
    "HTML": lambda whole: b"<!DOCTYPE html><title>Service unavailable</title>",
}


@pytest.mark.parametrize("what", BYTES)
def test_bytes(params, inflicted, what):
    file = paths.dataset("generated/line")
    with inflicted("Data files", f"a dataset: {what}"):
        file.write_bytes(BYTES[what](file.read_bytes()))
        refused(lambda: train_study("learning_rate", params), file, "", "generate@line")


def test_a_folder(params, inflicted):
    file = paths.dataset("generated/line")
    with inflicted("Data files", "a dataset: a folder in its place"):
        file.unlink()
        file.mkdir()
        refused(lambda: train_study("learning_rate", params), file, "", "generate@line")


# --- safetensors as tensors ------------------------------------------------------------------------------------------


def with_one(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: tensors | {name: np.ascontiguousarray(change(tensors[name]))}


def put(tensor: np.ndarray, value: float) -> np.ndarray:
    tensor = tensor.copy()
    tensor.flat[-1] = value
    return tensor


OTHERS: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "a missing tensor": (lambda tensors: {k: v for k, v in tensors.items() if k != "valid/y"}, "it has no valid/y"),
    "a tensor too many": (lambda tensors: tensors | {"test/X": tensors["train/X"]}, "test/X does not belong there"),
    "fewer replicates": (
        with_one("train/X", lambda X: X[:3]),
        "train/X is float32 (3, 20, 2), expected is float32 (4, 20, 2)",
    ),
    "more rows": (
        with_one("valid/X", lambda X: X.repeat(2, 1)),
        "valid/X is float32 (4, 20, 2), expected is float32 (4, 10",
    ),
    "another number of axes": (
        with_one("train/y", lambda y: y[..., 0]),
        "train/y is float32 (4, 20), expected is float32 (4",
    ),
    "axes the other way round": (with_one("train/X", lambda X: X.transpose(0, 2, 1)), "train/X is float32 (4, 2, 20)"),
    "no numbers at all": (with_one("train/X", lambda X: X[:, :0]), "train/X is float32 (4, 0, 2)"),
    "float64": (with_one("train/X", lambda X: X.astype(np.float64)), "train/X is float64"),
    "integers": (with_one("train/y", lambda y: y.astype(np.int32)), "train/y is int32"),
    "NaN": (with_one("train/X", lambda X: put(X, np.nan)), "train/X has a value that is no finite number"),
    "infinity": (with_one("valid/y", lambda y: put(y, -np.inf)), "valid/y has a value that is no finite number"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_tensors(params, inflicted, what):
    change, said = OTHERS[what]
    file = paths.dataset("generated/line")
    with inflicted("Data files", f"a dataset: {what}"):
        file.write_bytes(save(change(load_tensors(file))))
        refused(lambda: train_study("learning_rate", params), file, said, "generate@line")


@pytest.mark.parametrize(
    ("what", "change", "said"),
    [
        (
            "pictures of another size",
            with_one("valid/images", lambda images: images[:, :27]),
            "expected is uint8 (n, 28, 28)",
        ),
        (
            "pictures as float32",
            with_one("train/images", lambda images: images.astype(np.float32)),
            "train/images is float32",
        ),
        (
            "no labels",
            lambda tensors: {k: v for k, v in tensors.items() if k != "train/labels"},
            "it has no train/labels",
        ),
    ],
)
def test_pictures(params, inflicted, what, change, said):
    file = paths.dataset("raw/mnist_sample")
    with inflicted("Data files", f"digits: {what}"):
        file.write_bytes(save(change(load_tensors(file))))
        refused(lambda: train_study("pixel_similarity", params), file, said, "download@mnist_sample")


def test_numbers_that_float32_does_not_hold_are_refused_when_they_are_made(params, inflicted):
    before = paths.dataset("generated/line").read_bytes()
    paths.PARAMS.write_text(PARAMS.replace("b: 4.2", "b: 1.0e+39"))
    with inflicted("Data files", "a dataset whose numbers float32 does not hold"):
        with pytest.raises(
            UserError, match=r"params\.yaml: datasets\.line cannot be made: train/y has a value that is no"
        ):
            generate_dataset("line", read_params())
        assert paths.dataset("generated/line").read_bytes() == before


# --- runs ------------------------------------------------------------------------------------------------------------

RUNS = paths.runs("learning_rate")


def table(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[], None]:
    return lambda: change(pd.read_csv(RUNS / "runs.csv")).to_csv(RUNS / "runs.csv", index=False)


def history(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[], None]:
    return lambda: change(pd.read_parquet(RUNS / "history.parquet")).to_parquet(RUNS / "history.parquet")


def weights(change: Callable[[Tensors], Tensors]) -> Callable[[], None]:
    return lambda: (RUNS / "weights.safetensors").write_bytes(save(change(load_tensors(RUNS / "weights.safetensors"))))


def of_another_study(values: pd.DataFrame) -> pd.DataFrame:
    return values.assign(variant=values["variant"].astype(str).replace("lr=0.3", "sigma=1"))


DAMAGED: dict[str, tuple[str, Callable[[], None], str]] = {
    "runs.csv: no column `status`": ("runs.csv", table(lambda t: t.drop(columns="status")), "it has no column status"),
    "runs.csv: broken off": (
        "runs.csv",
        table(lambda t: t.assign(status=t["status"].mask(t.index == 7))),
        "it breaks off",
    ),
    "runs.csv: text for a number": (
        "runs.csv",
        table(lambda t: t.assign(error_w1=t.iloc[:, -2].astype(str) + "?")),
        "expected are numbers",
    ),
    "history.parquet: a row less": (
        "history.parquet",
        history(lambda h: h.iloc[:-1]),
        "rows, expected is a multiple of 4",
    ),
    "history.parquet: text for numbers": (
        "history.parquet",
        history(lambda h: h.assign(value=h["value"].astype(str))),
        "value is",
    ),
    "history.parquet: of another study": (
        "history.parquet",
        history(of_another_study),
        "it has a variant 'sigma=1', expected are lr=0.03, lr=0.3",
    ),
    "weights.safetensors: of another study": (
        "weights.safetensors",
        weights(lambda w: {f"x{name}": tensor for name, tensor in w.items()}),
        "belongs to no variant, expected are lr=0.03, lr=0.3",
    ),
    "weights.safetensors: too many replicates": (
        "weights.safetensors",
        weights(lambda w: {name: tensor.repeat(2, 0) for name, tensor in w.items()}),
        "expected are at most 4 replicates",
    ),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_runs(params, inflicted, what):
    file, damage, said = DAMAGED[what]
    train_study("learning_rate", params)
    study = params.studies["learning_rate"]
    assert len(list(read_runs("learning_rate", study))) == 2
    with inflicted("Data files", what):
        damage()
        refused(lambda: read_runs("learning_rate", study), RUNS / file, said, "train@learning_rate")


def test_a_tensor_that_a_report_needs(params, inflicted):
    train_study("learning_rate", params)
    with inflicted("Data files", "weights.safetensors: a missing tensor"):
        weights(lambda w: {name: tensor for name, tensor in w.items() if name != "lr=0.3/w"})()
        found = read_runs("learning_rate", params.studies["learning_rate"])
        assert found["lr=0.03"].weights["w"].shape == (4, 2, 1)
        refused(
            lambda: found["lr=0.3"].weights["w"],
            RUNS / "weights.safetensors",
            "it has no lr=0.3/w",
            "train@learning_rate",
        )


# --- what a report passes on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "content", "said"),
    [
        ("cut off", '{"title": "A', "Unterminated string"),
        ("of no bytes", "", "Expecting value"),
        ("not UTF-8", b"\xff", "invalid start byte"),
        ("a list", "[1]", "it has no title"),
        (
            "without claims",
            json.dumps(dict.fromkeys(PASSED[:-1])),
            "it has no claims",
        ),
        ("nested without end", "[" * 100_000, "recursion"),
    ],
)
def test_a_summary(params, inflicted, what, content, said):
    file = paths.summary("learning_rate")
    file.parent.mkdir(parents=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with inflicted("Data files", f"data/reports/<study>.json: {what}"):
        refused(lambda: read_summary("learning_rate"), file, said, "report@learning_rate")
