"""Trained models judged anew: each rung of a ladder is rebuilt from its weights and sees the same validation images.

One file, data/evaluated/mnist_sample.safetensors: of the raw data `images` (n, 28, 28), `labels` and `index` (n,), and
for each rung

- `<study>/<run>/predicted` (R, n) uint8: the labels that its replicates give;
- `<study>/<run>/probability` (R, n) float32: how likely each image is a 3 to them;
- `<study>/<run>/cost` (2,) int64: parameters, multiply-adds an image.
"""

import numpy as np
import torch
from torch import Tensor

from groundwork.common import paths
from groundwork.common.errors import UserError
from groundwork.common.layouts import layouts
from groundwork.common.params import Params
from groundwork.common.tensors import load_tensors, save_tensors
from groundwork.engine.batches import Rows
from groundwork.engine.learner import Model
from groundwork.engine.products import Product, product
from groundwork.models.digits import accuracy, cost, labelled, predicted, probability, restore
from groundwork.runs import VariantRuns, read_runs

LADDER = "mnist_ladder"  # the study of params.yaml that names the rungs


def evaluate(params: Params) -> None:
    """Judge all rungs of the ladder, each for as many replicates as it has there."""
    ladder = params.studies[LADDER]
    raw = load_tensors(paths.dataset("raw/mnist_sample"), layouts("raw/mnist_sample", params))
    valid = labelled(raw, "valid")
    found = {key: raw[f"valid/{key}"] for key in ("images", "labels", "index")}
    for variant in ladder.expand():
        study, run = variant.settings.study, variant.settings.run
        block = params.studies[study]
        runs = read_runs(study, block)[run]
        ends = range(block.block_size, variant.replicates + block.block_size, block.block_size)
        judged = [_judge(study, runs, slice(end - block.block_size, end), valid, product) for end in ends]
        for key in ("predicted", "probability"):
            found[f"{study}/{run}/{key}"] = np.concatenate([part[key] for part in judged])[: variant.replicates]
        found[f"{study}/{run}/cost"] = judged[0]["cost"]
    save_tensors(paths.dataset(ladder.dataset), found)


@torch.no_grad()
def _judge(study: str, runs: VariantRuns, block: slice, valid: Rows, product: Product) -> dict[str, np.ndarray]:
    """What one block of replicates says, cut as in training: the same products, so the same bits."""
    model = _rebuilt(study, runs, block, product)
    logits = model(valid.X)
    written, found = runs["accuracy"][block], accuracy(logits, valid.y).double().numpy()
    differing = np.flatnonzero(~np.isclose(found, written, rtol=1e-7, atol=0))
    if len(differing):
        first = differing[0]
        raise UserError(
            f"{paths.runs(study)} is damaged: replicate {block.start + first} of '{runs.variant.name}', rebuilt from "
            f"weights.safetensors, tells {found[first]:.6f} right, and runs.csv says {written[first]:.6f}: make it "
            f"again with `dvc repro {paths.stage_of(paths.runs(study))}`"
        )
    return {
        "predicted": predicted(logits).byte().numpy(),
        "probability": probability(logits)[..., 1].numpy(),
        "cost": np.array(cost(model), np.int64),
    }


def _rebuilt(study: str, runs: VariantRuns, block: slice, product: Product) -> Model:
    weights: dict[str, Tensor] = {name: torch.from_numpy(values[block]) for name, values in runs.weights.items()}
    try:
        return restore(runs.variant.settings, weights, product)
    except KeyError as missing:
        raise UserError(
            f"{paths.runs(study)}: weights.safetensors has no {missing} of '{runs.variant.name}': make it again with "
            f"`dvc repro {paths.stage_of(paths.runs(study))}`"
        ) from None
