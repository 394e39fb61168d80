"""Files are whole or not there, and a file that cannot be read says which stage makes it."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from groundwork.common.errors import UserError
from groundwork.common.files import replacing, write_text
from groundwork.common.tensors import load_tensors, save_tensors

TENSORS: dict[str, np.ndarray] = {
    "y": np.arange(6, dtype=np.uint8).reshape(2, 3).T,
    "X": np.linspace(0, 1, 50, dtype=np.float32)[::2],
}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_ends_early_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted():
        with replacing(path) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_ends_early_leaves_the_old_folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_text("old")

    def interrupted():
        with replacing(folder) as partial:
            partial.mkdir()
            (partial / "file").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.rglob("*")) == [folder, folder / "file"]
    assert (folder / "file").read_text() == "old"


def test_a_block_that_writes_nothing_is_an_error_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert path.read_text() == "old"


def test_the_new_file_appears_only_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    with replacing(path) as partial:
        partial.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_takes_the_place_of_a_folder(tmp_path):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "stale").write_text("old")
    with replacing(folder) as partial:
        partial.mkdir()
        (partial / "fresh").write_text("new")
    assert list(tmp_path.rglob("*")) == [folder, folder / "fresh"]


@pytest.mark.parametrize("left_a_folder", [True, False])
def test_what_a_killed_process_left_is_cleared(tmp_path, left_a_folder):
    partial = tmp_path / ".file.partial"
    if left_a_folder:
        partial.mkdir()
    (partial / "half" if left_a_folder else partial).write_text("half")
    write_text(tmp_path / "file", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_text_is_utf8_with_plain_line_ends(tmp_path):
    write_text(tmp_path / "file", "λ = 5\r\nσ\n")
    assert (tmp_path / "file").read_bytes() == "λ = 5\r\nσ\n".encode()


def test_tensors_come_back(tmp_path):
    save_tensors(tmp_path / "file", TENSORS)
    for loaded in (load_tensors(tmp_path / "file"), load_file(tmp_path / "file")):
        assert loaded.keys() == TENSORS.keys()
        for name, values in TENSORS.items():
            assert loaded[name].dtype == values.dtype
            np.testing.assert_array_equal(loaded[name], values)


def test_tensors_of_any_writer_are_read(tmp_path):
    save_file({"a": np.array([1, 2], np.float32)}, tmp_path / "file")
    assert load_tensors(tmp_path / "file")["a"].tolist() == [1, 2]


def test_the_same_tensors_in_any_order_give_the_same_bytes(tmp_path):
    save_tensors(tmp_path / "one", TENSORS)
    save_tensors(tmp_path / "other", dict(reversed(list(TENSORS.items()))))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("data/raw/mnist_sample.safetensors", "download@mnist_sample"),
        ("data/generated/regression.safetensors", "generate@regression"),
        ("data/runs/learning_rate/weights.safetensors", "train@learning_rate"),
    ],
)
@pytest.mark.parametrize("damage", ["missing", "truncated", "cut in the header", "HTML", "empty"])
def test_what_cannot_be_read_names_the_file_and_the_stage(path, stage, damage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = Path(path)
    save_tensors(file, TENSORS)
    whole = file.read_bytes()
    match damage:
        case "missing":
            file.unlink()
        case "truncated":
            file.write_bytes(whole[:-1])
        case "cut in the header":
            file.write_bytes(whole[:20])
        case "HTML":
            file.write_text("<!DOCTYPE html>\n<html><body>Service unavailable</body></html>\n")
        case "empty":
            file.write_bytes(b"")
    with pytest.raises(UserError) as error:
        load_tensors(file)
    message = str(error.value)
    assert message.startswith(f"{path} is {'missing' if damage == 'missing' else 'damaged'}")
    assert f"`dvc repro {stage}`" in message
    assert "\n" not in message
