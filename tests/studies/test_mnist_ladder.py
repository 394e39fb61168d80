"""The ladder on made-up judgements whose every mistake is known, counted again by hand."""

from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from groundwork.common import paths
from groundwork.common.params import Params
from groundwork.common.studies import load_study
from groundwork.common.tensors import save_tensors
from groundwork.engine.training import train_study
from groundwork.reporting.study_report import write_report
from groundwork.runs import Results, read_runs

SHIPPED = Path(__file__).parents[2] / "params.yaml"
STUDY = load_study("mnist_ladder")
LABELS = np.array([1] * 6 + [0] * 4, np.uint8)
NAMES = (
    "pixel similarity L1",
    "pixel similarity RMSE",
    "linear as printed",
    "net as printed",
    "linear",
    "net",
    "ResNet18",
)
WRONG = (  # by rung and replicate, the images told wrong
    [{0, 1, 2, 7, 8}],
    [{0, 1, 2, 7}],
    [{0, 1}, {0, 1, 3}, {0, 1}, {0, 1}],
    [{0}, {0}, {0}],
    [{0, 1, 9}, {0, 1}, {0, 1}, {0}],
    [{0, 1}, {0, 9}, {0, 9, 1}],
    [{0}, {0, 5}],
)
MISSED_BY = [
    7,
    5,
    2,
    0,
    0,
    0,
    0,
    2,
    1,
    1,
]  # 1: two of three replicates of the net; 9: two of the net's, one of linear's
COSTS = (*[(1568, 1568)] * 2, *[(785, 784), (23581, 23550)] * 2, (11177538, 34236160))


@pytest.fixture
def params() -> Params:
    """The shipped ladder, in blocks of two replicates, as many as there are above."""
    params = YAML(typ="safe").load(SHIPPED)
    ladder = params["studies"]["mnist_ladder"] | {"replicates": 4, "block_size": 2}
    ladder["fewer"] = {name: len(wrong) for name, wrong in zip(NAMES, WRONG, strict=True) if len(wrong) < 4}
    return Params.model_validate(params | {"jobs": 1, "studies": {"mnist_ladder": ladder}})


def judgements(params: Params) -> dict[str, np.ndarray]:
    """The file of `evaluate`; how sure a replicate is grows with the number of the image and its own."""
    images = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    tensors = {"images": images, "labels": LABELS, "index": np.arange(100, 110, dtype=np.int32)}
    for variant, wrong, cost in zip(params.studies["mnist_ladder"].expand(), WRONG, COSTS, strict=True):
        mistaken = np.array([[image in images for image in range(10)] for images in wrong])
        predicted = np.where(mistaken, 1 - LABELS, LABELS)
        sure = 0.6 + 0.03 * np.arange(10) + 0.01 * np.arange(len(wrong))[:, None]
        rung = f"{variant.settings.study}/{variant.settings.run}"
        tensors[f"{rung}/predicted"] = predicted.astype(np.uint8)
        tensors[f"{rung}/probability"] = np.where(predicted == 1, sure, 1 - sure).astype(np.float32)
        tensors[f"{rung}/cost"] = np.array(cost, np.int64)
    return tensors


@pytest.fixture
def ladder(params, tmp_path, monkeypatch) -> Results:
    monkeypatch.chdir(tmp_path)
    save_tensors(paths.dataset("evaluated/mnist_sample"), judgements(params))
    train_study("mnist_ladder", params)
    return read_runs("mnist_ladder", params.studies["mnist_ladder"])


def test_the_shipped_rungs(ladder):
    assert tuple(ladder.variants) == NAMES


def test_mistakes_are_counted(ladder):
    for runs, wrong, cost in zip(ladder, WRONG, COSTS, strict=True):
        assert runs["errors"].tolist() == [len(images) for images in wrong]
        np.testing.assert_allclose(runs["accuracy"], [1 - len(images) / 10 for images in wrong])
        assert runs["shared_errors"].tolist() == [1] * len(wrong)  # image 0
        assert set(zip(runs["parameters"], runs["multiply_adds"], strict=True)) == {cost}
        assert [set(np.flatnonzero(row)) for row in runs.weights["wrong"]] == wrong
        assert not runs.diverged.any()


def test_the_worst_mistakes_come_first(ladder):
    """Those that a replicate was surest of; then what it barely got right, which is no mistake."""
    weights = ladder["linear"].weights
    np.testing.assert_array_equal(weights["worst_images"][0, :4, 0, 0], [9, 1, 0, 2])
    np.testing.assert_array_equal(weights["worst_labels"][0, :4], [0, 1, 1, 1])
    np.testing.assert_allclose(weights["worst_probabilities"][0, :4], [0.13, 0.37, 0.4, 0.66], atol=1e-6)
    np.testing.assert_allclose(ladder["linear"]["worst_certainty"], [0.87, 0.64, 0.65, 0.63], atol=1e-6)


def test_what_most_models_get_wrong(ladder):
    for runs in ladder:
        for replicate in range(runs.variant.replicates):
            weights = {name: values[replicate] for name, values in runs.weights.items()}
            assert weights["missed_by"].tolist() == MISSED_BY
            assert weights["hardest_index"][:6].tolist() == [100, 101, 102, 107, 108, 109]
            assert weights["hardest_missed_by"][:6].tolist() == [7, 5, 2, 2, 1, 1]
            assert weights["hardest_labels"][:6].tolist() == [1, 1, 1, 0, 0, 0]
            assert weights["hardest_images"][:6, 0, 0].tolist() == [0, 1, 2, 7, 8, 9]


def test_the_claims_weigh_these_numbers(ladder):
    found = [claim.judge(ladder) for claim in STUDY.claims()]
    rmse, linear, printed, net, resnet, half, tenth, cost, common, shared, sure = found
    assert rmse.effect == pytest.approx(0.1)
    assert (rmse.verdict, rmse.replicates) == ("holds", 1)
    assert linear.effect == pytest.approx(0.4 - np.mean([3, 2, 2, 1]) / 10)  # against the one exact value
    assert linear.replicates == 4
    assert printed.effect == pytest.approx(np.mean([0.1, 0.2, 0.1]))
    assert net.effect == pytest.approx(np.mean([0.1, 0.0, -0.1]))  # three pairs: the net has three replicates
    assert (net.verdict, net.replicates) == ("undecided", 3)
    assert (resnet.holds, resnet.replicates, resnet.verdict) == (1, 2, "fails")  # against the best of the net
    assert (half.holds, half.replicates) == (3, 4)
    assert tenth.effect == pytest.approx(0.5 - 1.5)
    powers = np.log([2, 1]) / np.log(34236160 / 784)
    assert cost.effect == pytest.approx(0.25 - powers.mean())
    assert common.effect == pytest.approx(np.mean([2 / 2, 1 / 2, 2 / 3]))
    assert shared.verdict == "holds"
    assert (sure.holds, sure.replicates) == (0, 7)


def test_the_answer_follows_the_result(ladder):
    answer = " ".join(STUDY.answer(ladder).split())
    assert "Of 10 images pixel similarity gets 5 wrong by L1 and 4 by RMSE, the linear model 2, the net 2.3," in answer
    assert "with about as many errors once both are shuffled: 2 of the 3 images that it gets wrong" in answer
    assert "are among the linear model's 2." in answer
    assert "6 images are too hard for at least one of the models, 1 for all of them." in answer


def test_a_model_without_mistakes(params, tmp_path, monkeypatch):
    """Nothing to show, nothing to divide by: the report is whole all the same."""
    monkeypatch.chdir(tmp_path)
    judged = judgements(params)
    for name in judged:
        if name.endswith("/predicted") and not name.startswith("mnist_linear"):
            judged[name][:] = LABELS
        if name.endswith("/probability") and not name.startswith("mnist_linear"):
            judged[name][:] = np.where(LABELS == 1, 0.9, 0.1)
    save_tensors(paths.dataset("evaluated/mnist_sample"), judged)
    train_study("mnist_ladder", params)
    write_report("mnist_ladder", params)
    page = paths.page("mnist_ladder").read_text(encoding="utf-8")
    assert "2 images are too hard for at least one of the models, 0 for all of them." in page
    assert len(list(paths.figures("mnist_ladder").iterdir())) == 3
