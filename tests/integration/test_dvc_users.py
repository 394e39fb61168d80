"""What users of DVC do beside `dvc repro`: params, metrics, plots, experiments."""

import json

import pandas as pd


def test_a_changed_parameter_shows(own):
    with own.changed("params.yaml", own.params_with("studies.planck.fixed.lr", 2e-21)):
        shown = json.loads(own.succeed("dvc", "params", "diff", "--json"))
    assert shown == {"params.yaml": {"studies.planck.fixed.lr": {"old": 1e-21, "new": 2e-21, "diff": 1e-21}}}


def test_plots(own):
    own.succeed("dvc", "plots", "show")
    html = (own.root / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert "Validation loss of a linear model of digits" in html
    assert "nn.Linear shuffled" in html
    assert own.succeed("git", "status", "--porcelain") == ""


def test_an_experiment_with_other_variants(own):
    """`dvc exp run -S …`: the study's report answers without the variants that its words and claims compare."""
    before = own.hashes("data/runs/planck", "reports/planck.md")
    printed = own.succeed("dvc", "exp", "run", "-S", "studies.learning_rate.grid.lr=[0.01,0.1]")
    assert "Running stage 'train@learning_rate'" in printed
    assert "Running stage 'train@planck'" not in printed
    assert own.hashes("data/runs/planck", "reports/planck.md") == before

    names = [f"lr={lr} epochs={epochs}" for lr in ("0.01", "0.1") for epochs in (3, 20)]
    runs = pd.read_csv(own.root / "data/runs/learning_rate/runs.csv")
    assert list(runs["variant"].unique()) == names
    page = (own.root / "reports/learning_rate.md").read_text(encoding="utf-8")
    assert "compares variants that are not here: params.yaml has no variant 'lr=0.3 epochs=3'" in page
    claims = pd.read_csv(own.root / "reports/claims.csv").query("study == 'learning_rate'")
    assert set(claims["verdict"]) == {"undecided"}
    assert set(claims["replicates"]) == {0}

    metrics = json.loads(own.succeed("dvc", "metrics", "show", "--json"))[""]["data"]["reports/metrics.json"]["data"]
    assert list(metrics["learning_rate"]) == ["claims", *names]
    moved = json.loads(own.succeed("dvc", "metrics", "diff", "--json"))["reports/metrics.json"]
    assert moved["learning_rate.claims.undecided"]["new"] == len(claims)
    assert not any(key.startswith("planck") for key in moved)
