"""A stage depends on all that it loads and opens, and on nothing else: it reruns when and only when it must."""

import ast
import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from few import FEW
from ruamel.yaml import YAML

PARAMS = YAML(typ="safe").load(Path(__file__).parents[2] / "params.yaml")
STUDIES = {name: study for name, study in PARAMS["studies"].items() if name in FEW}
TRAIN, REPORT = ({f"{kind}@{study}" for study in STUDIES} for kind in ("train", "report"))
DOWNLOAD = {"download@mnist_sample", "download@mnist"}
GENERATE = {"generate@regression", "generate@planck"}
AFTERWARDS = {"track"}  # may follow whatever it shows
PACKAGES = {f"src/groundwork/{package}__init__.py" for package in ("", "models/", "studies/")}  # hold no code
ALWAYS = PACKAGES | {"src/groundwork/__main__.py"}  # holds no computing
ORDER = {"data/checked.txt"}  # is never read: it only puts a stage after `check`
STANDS_FOR_PARAMS = {"data/params.json", *(f"data/params/{study}.json" for study in PARAMS["studies"])}


@pytest.fixture(scope="module")
def traces(elsewhere, stages) -> dict[str, dict[str, Any]]:
    """What each stage has loaded, opened and put in place, see tracer/sitecustomize.py; paths below the clone only."""
    found = {}
    for name, stage in stages.items():
        trace = json.loads(Path(elsewhere.env["GROUNDWORK_TRACES"], f"{stage.arguments}.json").read_text())
        for kind in ("read", "written"):
            paths = {Path(path) for path in trace[kind] if Path(path).is_relative_to(elsewhere.root)}
            trace[kind] = {path.relative_to(elsewhere.root).as_posix() for path in paths if path.suffix != ".pyc"}
        found[name] = trace
    return found


def source_of(module: str) -> str:
    """Where a module of ours lies: groundwork.datasets -> src/groundwork/datasets/__init__.py."""
    path = Path("src", *module.split("."))
    return (path / "__init__.py" if (Path(__file__).parents[2] / path).is_dir() else path.with_suffix(".py")).as_posix()


def is_below(path: str, places: set[str]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def test_deps_are_the_code_that_is_loaded(stages, traces):
    """Modules, and the templates and tables beside them, which are opened; a folder stands for what is in it."""
    wrong = {}
    for name, stage in stages.items():
        modules = {source_of(module) for module in traces[name]["modules"] if module.split(".")[0] == "groundwork"}
        opened = {path for path in traces[name]["read"] if path.startswith("src/")}
        loaded = (modules | opened) - ALWAYS
        declared = {dep for dep in stage.deps if dep.startswith("src/")}
        wrong[name] = {
            "not declared": sorted(path for path in loaded if not is_below(path, declared)),
            "not loaded": sorted(dep for dep in declared if not any(is_below(path, {dep}) for path in loaded)),
        }
    assert wrong == {name: {"not declared": [], "not loaded": []} for name in stages}


@pytest.mark.parametrize("file", sorted(PACKAGES))
def test_a_package_that_is_no_dep_holds_no_code(file):
    body = ast.parse((Path(__file__).parents[2] / file).read_text(encoding="utf-8")).body
    assert [type(node) for node in body] == [ast.Expr]


def test_deps_are_the_data_that_are_read(stages, traces):
    """Or the stage's own outs: the one page with everything has in it what has just been written."""
    wrong = {}
    for name, stage in stages.items():
        read = {path for path in traces[name]["read"] if path.startswith(("data/", "reports/"))}
        declared = {dep for dep in stage.deps if dep.startswith(("data/", "reports/"))}
        declared -= ORDER | STANDS_FOR_PARAMS
        wrong[name] = {
            "not declared": sorted(path for path in read if not is_below(path, stage.deps | stage.outs)),
            "not read": sorted(dep for dep in declared if not any(is_below(path, {dep}) for path in read)),
        }
    assert wrong == {name: {"not declared": [], "not read": []} for name in stages}


def test_a_stage_puts_only_its_outs_in_place(stages, traces):
    for name, stage in stages.items():
        places = {path for path in traces[name]["written"] if path.startswith(("data/", "reports/"))}
        finished = {path for path in places if ".partial" not in path}
        assert finished == stage.outs, name


def test_torch_is_loaded_only_where_it_computes(traces):
    loaded = {name for name, trace in traces.items() if "torch" in trace["modules"]}
    train = {name for name in traces if name.startswith("train@")}
    assert loaded == train | {"generate@planck", "evaluate"}


def test_check_loads_no_numpy(traces):
    assert "numpy" not in traces["check"]["modules"]


# --- when a stage reruns ---------------------------------------------------------------------------------------------


def trained_as(model: str) -> set[str]:
    return {f"train@{name}" for name, study in STUDIES.items() if study["model"] == model}


def changed_stages(clone) -> set[str]:
    with chdir(clone.root), clone.dvc() as repo:
        return set(repo.status()) - AFTERWARDS


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("src/groundwork/__main__.py", set()),
        ("src/groundwork/terminal.py", set()),
        ("src/groundwork/reporting/style.py", REPORT),
        ("src/groundwork/reporting/templates/study.md.j2", REPORT),
        ("src/groundwork/overview/templates/index.html.j2", {"summary"}),
        ("src/groundwork/judging/reference/notebook_values.csv", REPORT),
        ("src/groundwork/engine/losses.py", TRAIN | {"evaluate"}),
        ("src/groundwork/engine/workers.py", TRAIN),
        ("src/groundwork/models/linear.py", trained_as("linear")),
        ("src/groundwork/models/digits.py", trained_as("digits") | {"evaluate"}),
        ("src/groundwork/datasets/planck.py", {"generate@planck"}),
        ("src/groundwork/datasets/idx.py", DOWNLOAD),
        ("src/groundwork/datasets/mnist_sample.py", {"download@mnist_sample"}),
        ("src/groundwork/studies/planck.py", {"train@planck", "report@planck"}),
    ],
)
def test_a_changed_file_reruns(file, stages, own):
    with own.changed(file, (own.root / file).read_text(encoding="utf-8") + "\n"):
        assert changed_stages(own) == stages


@pytest.mark.parametrize(
    ("key", "value", "stages"),
    [
        ("jobs", 2, set()),
        ("seed", 21, GENERATE | TRAIN),
        ("downloads.mnist_sample.timeout", 20, {"download@mnist_sample"}),
        ("downloads.mnist.timeout", 20, {"download@mnist"}),
        ("downloads.mnist.checksums.train_labels", "sha256:" + "0" * 64, DOWNLOAD),
        ("datasets.regression.noise", 0.02, {"generate@regression"}),
        ("studies.planck.fixed.lr", 2e-21, {"train@planck"}),
    ],
)
def test_a_changed_parameter_reruns(key, value, stages, own):
    with own.changed("params.yaml", own.params_with(key, value)):
        assert changed_stages(own) == {"check"} | stages


@pytest.mark.parametrize(
    ("key", "value", "stages"),
    [
        ("jobs", 2, set()),
        ("downloads.mnist_sample.timeout", 20, {"download@mnist_sample"}),
        ("seed", 21, GENERATE | TRAIN | {"summary"}),
        ("numerics", "native", GENERATE | TRAIN | REPORT | {"evaluate", "summary"}),
        ("studies.planck.fixed.lr", 2e-21, {"train@planck", "report@planck", "summary"}),
        ("studies.mnist_net.block_size", 1, {"train@mnist_net", "report@mnist_net", "evaluate", "summary"}),
    ],
)
def test_a_changed_parameter_reruns_what_comes_after_the_training(key, value, stages, own):
    """For those stages data/params stands for params.yaml, once `check` has run again; comments leave no trace."""
    with own.changed("params.yaml", "# a comment\n" + own.params_with(key, value)):
        own.succeed("dvc", "repro", "check")
        assert changed_stages(own) == stages
    own.succeed("dvc", "repro", "check")
    assert changed_stages(own) == set()


def test_nothing_changed(own):
    assert changed_stages(own) == set()
