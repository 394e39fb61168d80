"""A thousand broken params.yaml: each is refused in one line, with exit code 2, and nothing on disk changes.

Every file is broken by construction, so none may load. `main` runs in this process, as the command runs it; some of the
files are tried once more by real processes, where memory can be measured.
"""

import io
import os
import re
import shutil
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from beginning import BEGINNING
from groundwork.__main__ import main

EACH = 50  # files of a kind of harm
REPOSITORY = Path(__file__).parents[2]
MOST_MEMORY = 100 * 2**20  # bytes of the whole process, Python included

GOOD = (
    BEGINNING
    + """\
datasets:
  line: {family: regression, replicates: 5, train: 100, valid: 50, w: [2, -3.4], b: 4.2, noise: 0.01}
  wide: {family: high_dimensional, replicates: 5, train: 20, valid: 10, test: 10, inputs: 30, nonzero: 30, value: 0.01,
         b: 0.05, noise: 0.01}
  star: {family: planck, replicates: 3, wavelengths: [300, 800], train: 400, temperatures: [3000, 5020],
         amplitude: 0.1}
  hill: {family: descent, replicates: 2, points: [-1.5], spread: 1, seconds: 20, curvature: 0.75, bottom: 9.5,
         lowest: 1, noise: 1}
studies:
  learning_rate:
    dataset: generated/line
    model: linear
    replicates: 5
    block_size: 2
    fixed: {loss: squared, optimizer: sgd, batch_size: 32, shuffle: true}
    grid: {lr: [0.03, 3.0], epochs: [1, 20]}
  gradient_descent:
    dataset: generated/hill
    model: descent
    replicates: 2
    block_size: 2
    variants: {good: {function: square, lr: 0.2, steps: 10}}
  mnist_linear:
    dataset: raw/mnist_sample
    model: digits
    replicates: 2
    block_size: 2
    fixed: {network: linear, loss: mnist_loss, lr: 1, batch_size: 256, optimizer: sgd, shuffle: false, epochs: 2}
    variants: {a: {start: normal}, b: {start: uniform}}
"""
)


def places(block: Any, path: tuple = ()) -> list[tuple]:
    """The path to every value of nested mappings and lists."""
    pairs = block.items() if isinstance(block, dict) else enumerate(block) if isinstance(block, list) else ()
    return [place for key, value in pairs for place in ((*path, key), *places(value, (*path, key)))]


def value_at(block: Any, path: tuple) -> Any:
    for key in path:
        block = block[key]
    return block


BLOCK = YAML(typ="safe", pure=True).load(GOOD)
PLACES = places(BLOCK)
MAPPINGS = [(), *(place for place in PLACES if isinstance(value_at(BLOCK, place), dict))]
SCALARS = [place for place in PLACES if not isinstance(value_at(BLOCK, place), dict | list)]
COUNTS = [place for place in SCALARS if type(value_at(BLOCK, place)) is int and place[-1] not in ("lr", "seed", "b")]
COUNTS = [place for place in COUNTS if type(place[-1]) is str and place[0] != "downloads"]
COUNTS = [place for place in COUNTS if place[-1] not in ("spread", "lowest", "noise")]  # any number will do there
NEEDED = [place for place in PLACES if type(place[-1]) is str and place[0] != "studies" and len(place) != 2]
NEEDED += [place for place in PLACES if place[0] == "studies" and len(place) == 3 and place[-1] != "variants"]


def written(path: tuple, value: object) -> str:
    """The good file with another value at a place."""
    block, text = deepcopy(BLOCK), io.StringIO()
    value_at(block, path[:-1])[path[-1]] = value
    YAML(typ="safe", pure=True).dump(block, text)
    return text.getvalue()


def without(path: tuple) -> str:
    block, text = deepcopy(BLOCK), io.StringIO()
    del value_at(block, path[:-1])[path[-1]]
    YAML(typ="safe", pure=True).dump(block, text)
    return text.getvalue()


def literally(path: tuple, text: str) -> str:
    """The good file with a text of YAML at the place of a scalar."""
    return written(path, "HERE").replace("HERE", text, 1)


def inserted(text: str, at: int) -> str:
    return GOOD[:at] + text + GOOD[at:]


def aliases(path: tuple, depth: int, width: int) -> str:
    """Ten lines that stand for width to the depth values: the "billion laughs"."""
    levels = [f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * width)}]" for level in range(1, depth)]
    return "\n".join(["l0: &l0 [ha]", *levels, literally(path, f"*l{depth - 1}")])


def merges(depth: int, width: int) -> str:
    levels = [f"m{level}: &m{level} {{<<: [{', '.join([f'*m{level - 1}'] * width)}]}}" for level in range(1, depth)]
    return "\n".join(["m0: &m0 {a: 1}", *levels, GOOD])


scalar, mapping, count = st.sampled_from(SCALARS), st.sampled_from(MAPPINGS), st.sampled_from(COUNTS)
anywhere = st.integers(0, len(GOOD))
indented = st.sampled_from([at for at in range(len(GOOD)) if re.match(r"\n(  )+\w+:", GOOD[at:])])
word = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).map(lambda text: f"{text}?")
tag = st.sampled_from(
    ["object:os.system", "object/apply:os.system", "name:os.abort", "module:os", "tuple", "object/new:X"]
)
escaping = st.sampled_from(
    ["../x", "/etc/x", "a/b", "..", ".", "a b", "A", "x\ny", "x\0", "\u202ex", "\x1b[31mx", "x.y", "é"]
)

HARMS: dict[str, st.SearchStrategy[str | bytes]] = {
    "a value of a wrong type": st.builds(
        written, scalar, st.sampled_from([None, {}, [], [1], {"a": 1}, [[[]]], date(2020, 2, 29), {1: {2: 3}}, "?"])
    ),
    "nan and infinity": st.builds(
        literally, scalar, st.sampled_from([".nan", ".inf", "-.inf", "1e999", "-1e999", "1" + 400 * "0"])
    ),
    "a number out of its range": st.builds(
        written, count, st.integers(max_value=0) | st.integers(min_value=1_000_001) | st.floats(max_value=0.5)
    ),
    "an unknown key": st.builds(lambda path, key: written((*path, key), 1), mapping, word | st.integers()),
    "a missing key": st.sampled_from(NEEDED).map(without),
    "a key twice": st.builds(
        lambda at, key: inserted(f"{key}: 1\n", at),
        st.just(0),
        st.sampled_from(["seed", "numerics", "jobs", "downloads", "datasets", "studies"]),
    )
    | st.builds(lambda path, key: literally(path, f"{{{key}: 1, b: 2, {key}: 3}}"), scalar, st.integers(0, 99)),
    "a tab": st.builds(lambda at, tabs: GOOD[: at + 1] + "\t" * tabs + GOOD[at + 1 :], indented, st.integers(1, 3)),
    "bytes that are not UTF-8": st.builds(
        lambda at, some: GOOD.encode()[:at] + some + GOOD.encode()[at:],
        anywhere,
        st.sampled_from([b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"na\xefve "]),
    )
    | st.sampled_from(["utf-16", "utf-32"]).map(GOOD.encode),
    "control characters": st.builds(inserted, st.sampled_from("\0\a\b\x1b\x7f\ufffe"), anywhere),
    "brackets and quotes left open": st.builds(
        literally,
        scalar,
        st.sampled_from(["[", "{", "[[1]", "{a: ", '"x', "'x", "]", "}", "[1}", "{1]", "%", "@", "`"]),
    ),
    "a file of another kind": st.sampled_from(
        ["", "\n", "# nothing\n", "null", "seed", "3", "[]", "- 1", "{}", "---\n---\n"]
    )
    | st.recursive(st.integers(), lambda inner: st.lists(inner, max_size=4)).map(str)
    | st.binary(min_size=100).map(lambda some: b"\x89PNG" + some),
    "two documents": st.builds(lambda more: f"{GOOD}---\n{more}\n", word.map(repr) | st.integers().map(str)),
    "YAML bombs: aliases of aliases": st.builds(aliases, scalar, st.integers(2, 30), st.integers(2, 30)),
    "YAML bombs: merged mappings": st.builds(merges, st.integers(2, 30), st.integers(2, 30)),
    "values that hold themselves": st.builds(
        literally,
        scalar,
        st.sampled_from(["&x [*x]", "&x {a: *x}", "&x {*x : 1}", "&x [[*x], {b: *x}]", "&x {<<: *x}"]),
    ),
    "tags, of Python's objects too": st.builds(
        lambda path, name, command: literally(path, f"!!python/{name} ['touch {command}']"), scalar, tag, st.integers(0)
    )
    | st.builds(
        literally, scalar, st.sampled_from(["!!int ''", "!!float x", "!!set {}", "!!binary =", "!x 1", "!<y> 1"])
    ),
    "nested without end": st.builds(
        lambda path, depth, pair: literally(path, pair[0] * depth + pair[1] * depth),
        scalar,
        st.integers(20, 5000),
        st.sampled_from([("[", "]"), ("{a: ", "}"), ("[{b: ", "}]"), ("[", "")]),
    ),
    "a huge grid": st.builds(
        lambda keys, values: written(
            ("studies", "learning_rate", "grid"), {f"k{key}": list(range(1, values)) for key in range(keys)}
        ),
        st.integers(2, 12),
        st.integers(30, 40),
    ),
    "a dataset that no disk holds": st.builds(
        lambda name, key, replicates: written(
            ("datasets", name), BLOCK["datasets"][name] | {key: 10**6, "replicates": replicates}
        ),
        st.sampled_from(["line", "wide"]),
        st.sampled_from(["train", "valid"]),
        st.integers(10**4, 10**6),
    ),
    "a value or a key that is very long": st.builds(
        lambda path, length, text: written(path, text * length),
        scalar,
        st.integers(1001, 20_000),
        st.sampled_from("x9é€"),
    )
    | st.builds(lambda path, length: written((*path, "k" * length), 1), mapping, st.integers(200, 20_000)),
    "a file that is very long": st.integers(2**18 - len(GOOD), 2**20).map(lambda more: GOOD + "#" * more + "\n")
    | st.sampled_from([9_900, 12_000]).map(lambda more: GOOD + "more: [" + "1," * more + "]\n"),
    "names that would leave their folder": st.builds(
        lambda name: GOOD.replace("  line:", f"  {name!a}:").replace(
            "generated/line", f'"generated/{name!a}"'[:-1] + '"'
        ),
        escaping,
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with results of an earlier run."""
    root = tmp_path_factory.mktemp("project")
    for name in ("data/checked.txt", "data/runs/learning_rate/runs.csv", "reports/index.md", "dvc.lock"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def refusal(code: object, out: str, err: str) -> str:
    """What the one line says, after the name of the file."""
    assert (code, out) == (2, "")
    assert err.startswith("error: params.yaml")
    assert err.endswith("\n")
    line = err.removesuffix("\n")
    assert line.isprintable()
    assert len(line) < 2000
    return line.removeprefix("error: params.yaml")


def checked_here() -> tuple[object, str, str]:
    """`groundwork check` in this process: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["groundwork", "check"]),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main()
    return end.value.code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("what", HARMS)
@settings(max_examples=EACH)
@given(data=st.data())
def test_a_broken_file_is_refused(folder, inflicted, what, data):
    content = data.draw(HARMS[what])
    (folder / "params.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = files(folder)
    with inflicted("params.yaml", what), chdir(folder):
        refusal(*checked_here())
        assert files(folder) == before


# --- the worst of them, in processes of their own --------------------------------------------------------------------

NASTY = {
    "a billion laughs": aliases(("seed",), 30, 30),
    "a billion merges": merges(30, 30),
    "a Python object": literally(("seed",), "!!python/object/apply:os.system ['touch pwned']"),
    "nested without end": literally(("seed",), "[" * 100_000),
    "a gigantic grid": written(("studies", "learning_rate", "grid"), {f"k{k}": list(range(1, 90)) for k in range(90)}),
    "a file of 50 MB": GOOD + "# more\n" * 7_000_000,
    "a value of a megabyte": literally(("seed",), "9" * 200_000),
    "ten thousand keys": written(("studies", "learning_rate", "fixed"), {f"k{k}": 1 for k in range(4_000)}),
}
MEASURED = """
import re
from pathlib import Path
from groundwork.__main__ import main
try:
    main()
finally:  # in KiB; what `resource` says begins with what the parent has
    print(re.search(r"VmHWM:\\s*([0-9]+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.parametrize("what", NASTY)
def test_little_memory(folder, inflicted, what):
    (folder / "params.yaml").write_text(NASTY[what])
    before = files(folder)
    with inflicted("params.yaml", "the worst of these, in a process of its own: below 100 MB"):
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, "check"], cwd=folder, capture_output=True, text=True, check=False
        )
        refusal(done.returncode, "", done.stderr)
        assert int(done.stdout) * 1024 < MOST_MEMORY
        assert files(folder) == before


@pytest.mark.parametrize("command", ["check", "repro", "track", "train --study learning_rate", "ui", "show"])
def test_no_command_begins(folder, inflicted, command):
    (folder / "params.yaml").write_text(without(("seed",)))
    before = files(folder)
    with inflicted("params.yaml", "a broken file before any other command"):
        done = subprocess.run(
            [sys.executable, "-m", "groundwork", *command.split()], cwd=folder, capture_output=True, text=True
        )
        assert refusal(done.returncode, done.stdout, done.stderr) == ": seed: missing"
        assert files(folder) == before


def test_dvc_repro_stops_at_check(tmp_path, inflicted):
    """With the shipped pipeline: the results of the stages that would run are still there."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    shutil.copytree(REPOSITORY / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("lr: [0.003, 0.03, 0.3, 3", "lr: [0.003, -0.03, 0.3, 3", 1))
    kept = tmp_path / "data/runs/learning_rate/runs.csv"
    kept.parent.mkdir(parents=True)
    kept.write_text("kept")
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path / "src"),
        "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
        "DVC_NO_ANALYTICS": "1",
    }
    with inflicted("params.yaml", "a broken file and `dvc repro`"):
        subprocess.run(["dvc", "init", "--no-scm", "-q"], cwd=tmp_path, env=env, check=True)
        done = subprocess.run(["dvc", "repro"], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode != 0
        assert "error: params.yaml: studies.learning_rate.grid.lr = -0.03: must be greater than 0\n" in done.stderr
        assert kept.read_text() == "kept"
        assert not (tmp_path / "dvc.lock").exists()
