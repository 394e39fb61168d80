"""The command line: it only passes on, and whatever is wrong ends in one clear line and leaves everything as it was."""

import ast
import re
from pathlib import Path

import pytest

from groundwork import __main__

OUTS = ("data", "reports", "dvc.lock")


def commands() -> list[ast.FunctionDef]:
    tree = ast.parse(Path(__main__.__file__).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [node for node in functions if any("app.command" in ast.unparse(name) for name in node.decorator_list)]


@pytest.mark.parametrize("command", commands(), ids=lambda node: node.name)
def test_a_command_holds_no_computing(command):
    """Docstring, `start`, imports, then a few calls: what no stage depends on must not decide a result."""
    docstring, start, *rest = command.body
    assert ast.get_docstring(command, clean=False) == ast.literal_eval(docstring.value)
    assert re.fullmatch(r"(params = )?start\([^()]*\)", ast.unparse(start))
    imports = [node for node in rest if isinstance(node, ast.ImportFrom)]
    calls = rest[len(imports) :]
    assert rest[: len(imports)] == imports
    assert 1 <= len(calls) <= 3
    assert all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) for node in calls)


def refuses(clone, exit_code: int, *arguments: str) -> str:
    """The one line on stderr with which `groundwork` refuses; nothing else is printed and nothing is touched."""
    before = clone.hashes(*OUTS)
    done = clone.groundwork(*arguments)
    assert done.returncode == exit_code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert clone.hashes(*OUTS) == before
    return done.stderr.removeprefix("error: ").rstrip("\n")


# --- params.yaml -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("studies.planck.fixed.lr", -1, "params.yaml: studies.planck.fixed.lr = -1: must be greater than 0"),
        ("studies.planck.fixed.momentum", 0.9, "params.yaml: studies.planck.fixed.momentum: unknown key; allowed: "),
        ("studies.learning_rate.grid.epochs", [3, "x"], "params.yaml: studies.learning_rate.grid.epochs = x: must be"),
        ("seeds", 3, "params.yaml: seeds: unknown key; allowed: seed, numerics, "),
    ],
)
def test_nonsense_in_params(key, value, line, own):
    with own.changed("params.yaml", own.params_with(key, value)):
        assert refuses(own, 2, "check").startswith(line)


def test_a_tab_in_params(own):
    text = (own.root / "params.yaml").read_text(encoding="utf-8")
    with own.changed("params.yaml", text + "\n\ttab: 1\n"):
        assert re.match(r"params\.yaml, line \d+: found character '\\t'", refuses(own, 2, "train", "--study", "planck"))
        done = own.run("dvc", "repro")
    assert done.returncode != 0
    assert "params.yaml" in done.stderr
    assert "Running stage" not in done.stdout


def test_dvc_repro_stops_at_nonsense_before_anything_else(own):
    before = own.hashes(*OUTS)
    with own.changed("params.yaml", own.params_with("studies.planck.fixed.lr", -1)):
        done = own.run("dvc", "repro")
        assert own.succeed("git", "status", "--porcelain").split() == ["M", "params.yaml"]
    assert done.returncode != 0
    assert re.findall("Running stage '(.*)'", done.stdout) == ["check"]
    assert "params.yaml: studies.planck.fixed.lr = -1: must be greater than 0" in done.stderr
    assert "Traceback" not in done.stderr
    left = {file: digest for file, digest in before.items() if not file.startswith(("data/checked", "data/params"))}
    assert own.hashes(*OUTS) == left  # DVC deletes the outs of a stage before it runs


# --- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["train", "--study", "nonsense"], "params.yaml: studies.nonsense: not there; allowed: planck, "),
        (["generate", "--dataset", "mnist_sample"], "params.yaml: datasets.mnist_sample: not there; allowed: "),
        (["download", "--dataset", "planck"], "params.yaml: downloads.planck: not there; allowed: mnist_sample"),
    ],
)
def test_unknown_names(arguments, line, own):
    assert refuses(own, 2, *arguments).startswith(line)


def test_outside_of_the_repository(own):
    with own.restored("params.yaml") as path:
        path.unlink()
        assert refuses(own, 2, "check") == "params.yaml is not here: run this from the root of the repository"


# --- missing and damaged files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "damage", "arguments", "stage"),
    [
        ("data/generated/planck.safetensors", "missing", ["train", "--study", "planck"], "generate@planck"),
        ("data/generated/planck.safetensors", "half", ["train", "--study", "planck"], "generate@planck"),
        ("data/runs/planck/runs.csv", "half", ["report", "--study", "planck"], "train@planck"),
        ("data/runs/planck/runs.csv", "zeros", ["report", "--study", "planck"], "train@planck"),
        ("data/runs/planck/history.parquet", "half", ["report", "--study", "planck"], "train@planck"),
        ("data/reports/planck.json", "missing", ["summary"], "report@planck"),
        ("data/reports/planck.json", "zeros", ["summary"], "report@planck"),
    ],
)
def test_a_file_that_is_not_whole(file, damage, arguments, stage, own):
    """Missing, half, or zeros as after a crash: the line names it, or its folder, and the stage that makes it."""
    with own.restored(file) as path:
        content = path.read_bytes()
        path.unlink()
        if damage != "missing":
            path.write_bytes(content[: len(content) // 2] if damage == "half" else bytes(len(content)))
        line = refuses(own, 1, *arguments)
    assert line.startswith((file, str(Path(file).parent)))
    assert f"`dvc repro {stage}`" in line


def test_show(own):
    """What `make repro` prints at its end."""
    printed = own.succeed("python", "-m", "groundwork", "show")
    for name in ("learning_rate", "planck", "pixel_similarity", "mnist_linear", "reports/index.html"):
        assert name in printed
