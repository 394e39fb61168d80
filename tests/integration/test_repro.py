"""`groundwork repro`: several stages at a time, and the same files as with `dvc repro`, one stage after another."""

import shutil

import pytest
from ruamel.yaml import YAML

OUTS = (
    "data/checked.txt",
    "data/params",
    "data/params.json",
    "data/raw",
    "data/generated",
    "data/evaluated",
    "data/runs",
    "reports",
)


@pytest.fixture
def fresh(clone, tmp_path):
    """A copy without results, with the committed dvc.lock and reports."""
    fresh = clone.copy(tmp_path / "clone")
    for place in (
        ".dvc/cache",
        ".dvc/tmp",
        "data/params",
        "data/raw",
        "data/generated",
        "data/evaluated",
        "data/runs",
        "data/reports",
    ):
        shutil.rmtree(fresh.root / place)
    (fresh.root / "data/checked.txt").unlink()
    return fresh


def test_side_by_side_gives_the_same_files(clone, fresh):
    lock = (fresh.root / "dvc.lock").read_bytes()
    printed = fresh.succeed("python", "-m", "groundwork", "repro", "--jobs", "2")
    assert fresh.hashes(*OUTS) == clone.hashes(*OUTS)
    assert (fresh.root / "dvc.lock").read_bytes() == lock
    assert printed.count("Running stage 'train@") == len(list((clone.root / "data/runs").iterdir()))
    assert fresh.succeed("git", "status", "--porcelain") == ""
    assert fresh.succeed("python", "-m", "groundwork", "repro") == "Data and pipelines are up to date.\n"


def test_new_stages_come_in_the_order_of_params(clone, fresh):
    yaml = YAML(typ="safe")
    whole = yaml.load(fresh.root / "dvc.lock")
    (fresh.root / "dvc.lock").unlink()
    fresh.succeed("python", "-m", "groundwork", "repro", "--jobs", "3")
    found = yaml.load(fresh.root / "dvc.lock")
    assert all(whole["stages"][name] == stage for name, stage in found["stages"].items())
    studies = [study for study in yaml.load(fresh.root / "params.yaml")["studies"] if study != "mnist_ladder"]
    stages = [stage for stage in found["stages"] if stage.startswith("train@") and stage != "train@mnist_ladder"]
    assert stages == [f"train@{study}" for study in studies]


def ran(printed: str) -> set[str]:
    return {line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage")}


def test_a_comment_in_params_runs_nothing_but_the_check(own):
    (own.root / "params.yaml").write_text("# a comment\n" + (own.root / "params.yaml").read_text(encoding="utf-8"))
    assert ran(own.succeed("python", "-m", "groundwork", "repro", "--jobs", "2")) == {"check"}
    own.succeed("git", "checkout", "params.yaml")
    assert ran(own.succeed("python", "-m", "groundwork", "repro", "--jobs", "2")) == set()  # DVC has it in its cache
    assert own.succeed("git", "status", "--porcelain") == ""


def test_some_studies_of_many(own):
    """A rung and another study, side by side; what comes after them sees that nothing has changed."""
    changed = ("planck", "pixel_similarity")
    lock = (own.root / "dvc.lock").read_bytes()
    for study in changed:
        file = own.root / f"src/groundwork/studies/{study}.py"
        file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    trained = {f"{kind}@{study}" for study in changed for kind in ("train", "report")}
    assert ran(own.succeed("python", "-m", "groundwork", "repro", "--jobs", "3")) - {"track"} == trained
    assert own.succeed("git", "diff", "--name-only").split() == [
        "dvc.lock",
        *(f"src/groundwork/studies/{study}.py" for study in sorted(changed)),
    ]
    own.succeed("git", "checkout", "src")
    own.succeed("python", "-m", "groundwork", "repro", "--jobs", "3")
    assert (own.root / "dvc.lock").read_bytes() == lock


def test_a_stage_that_fails_ends_it_with_one_line(own):
    planck, huber = "src/groundwork/studies/planck.py", "src/groundwork/studies/huber.py"
    more = (own.root / huber).read_text(encoding="utf-8") + "\n"
    with own.changed(planck, "raise SystemExit('error: a study that fails')\n"), own.changed(huber, more):
        before = own.hashes("data/runs/huber", "reports/huber.md")
        done = own.groundwork("repro", "--jobs", "2")
    assert done.returncode == 1
    assert "error: a study that fails" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("error: `dvc repro")
    assert done.stderr.rstrip().endswith("see above")
    assert own.hashes("data/runs/huber", "reports/huber.md") == before
