"""Mistakes that someone could make in this code, one edit each, and where each should be noticed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """`old` occurs once in `file`, below src/groundwork; with `new` in its place something must be noticed.

    `stages` are those of dvc.yaml that then run again, before the summary; `tests` are below tests/.
    """

    mistake: str
    file: str
    old: str
    new: str
    stages: tuple[str, ...]
    tests: tuple[str, ...]


def again(study: str) -> tuple[str, ...]:
    """A study, trained and reported anew."""
    return f"train@{study}", f"report@{study}"


MUTATIONS = (
    # --- data
    Mutation(
        "noise: the variance taken for the standard deviation",
        "datasets/regression.py",
        "data.noise * normal",
        "data.noise**2 * normal",
        ("generate@regression", *again("huber")),
        ("datasets/test_regression.py",),
    ),
    Mutation(
        "the rows of training, validation and test from one stream",
        "datasets/high_dimensional.py",
        "{part}/{purpose}",
        "{purpose}",
        ("generate@high_dimensional", *again("lambda_selection")),
        ("datasets/test_high_dimensional.py",),
    ),
    Mutation(
        "the noise factor of a spectrum with mean one",
        "datasets/planck.py",
        "data.amplitude * common,",
        "data.amplitude * (common - 0.5),",
        ("generate@planck", *again("planck")),
        ("datasets/test_planck.py",),
    ),
    Mutation(
        "a stream that forgets its replicate: the same draws for all",
        "streams.py",
        "{owner}/{replicate}/{purpose}",
        "{owner}/{purpose}",
        ("generate@regression", *again("learning_rate")),
        ("test_streams.py",),
    ),
    # --- engine
    Mutation(
        "the ½ of the squared loss left out",
        "engine/losses.py",
        "mean((y_hat - y) ** 2) / 2",
        "mean((y_hat - y) ** 2)",
        again("learning_rate"),
        ("engine/test_losses.py",),
    ),
    Mutation(
        "a mean where the loss is a sum",
        "engine/losses.py",
        "_sum((y_hat - y) ** 2)",
        "mean((y_hat - y) ** 2)",
        again("aggregation"),
        ("engine/test_losses.py",),
    ),
    Mutation(
        "mnist_loss without its sigmoid",
        "engine/losses.py",
        "(y - logits.sigmoid())",
        "(y - logits)",
        again("mnist_loss"),
        ("engine/test_losses.py",),
    ),
    Mutation(
        "a step up the gradient",
        "engine/optimizers.py",
        "alpha=-self.lr",
        "alpha=self.lr",
        again("gradient_descent"),
        ("engine/test_optimizers.py",),
    ),
    Mutation(
        "the proximal step without its learning rate",
        "engine/optimizers.py",
        "self.threshold = lr * lambd",
        "self.threshold = lambd",
        again("map_estimate"),
        ("engine/test_proximal.py",),
    ),
    Mutation(
        "a one-cycle schedule that never moves",
        "engine/optimizers.py",
        "self.scheduler.step()",
        "pass",
        (),  # a ResNet18 takes minutes
        ("engine/test_optimizers.py",),
    ),
    Mutation(
        "gradients that are never zeroed",
        "engine/learner.py",
        "self.optimizer.zero_grad()",
        "pass",
        again("planck"),
        ("engine/test_learner.py",),
    ),
    Mutation(
        "no shuffle, whatever params.yaml says",
        "engine/training.py",
        "if settings.shuffle else",
        "if False else",
        again("mnist_linear"),
        ("engine/test_training.py",),
    ),
    Mutation(
        "an epoch too few",
        "engine/training.py",
        "orders[: settings.epochs]",
        "orders[: settings.epochs - 1]",
        again("last_batch"),
        ("engine/test_training.py",),
    ),
    Mutation(
        "the short last batch always dropped",
        "engine/batches.py",
        "batch_size * batch_size if drop_last else len(self)",
        "batch_size * batch_size",
        again("last_batch"),
        ("engine/test_batches.py",),
    ),
    # --- models
    Mutation(
        "a start that forgets its σ",
        "models/linear.py",
        "settings.sigma * block.draw",
        "block.draw",
        again("initialization"),
        ("models/test_linear_penalties.py",),
    ),
    Mutation(
        "a start from N(0, 0.01²) instead of N(0, 1)",
        "models/digits.py",
        "inputs = draws.shape[1] - 1\n",
        'inputs = draws.shape[1] - 1\n    draws = 0.01 * draws if start == "normal" else draws\n',
        again("mnist_linear"),
        ("models/test_digits.py",),
    ),
    Mutation(
        "λ applied twice: in the loss and by the optimiser",
        "models/linear.py",
        'if settings.optimizer == "torch_sgd":',
        "if False:",
        again("weight_decay"),
        ("models/test_linear_penalties.py",),
    ),
    Mutation(
        "weight decay that makes weights grow",
        "models/linear.py",
        '"weight_decay": settings.lambd',
        '"weight_decay": -settings.lambd',
        again("weight_decay"),
        ("models/test_linear_penalties.py",),
    ),
    Mutation(
        "weight decay of the bias too",
        "models/linear.py",
        '{"params": model.biases}',
        '{"params": model.biases, "weight_decay": settings.lambd}',
        again("weight_decay"),
        ("models/test_linear_penalties.py",),
    ),
    Mutation(
        "Planck's law without its − 1",
        "models/planck.py",
        "torch.expm1(",
        "torch.exp(",
        again("planck"),
        ("models/test_black_body.py",),
    ),
    Mutation(
        "RMSE without its root",
        "models/digits.py",
        "torch.from_numpy(np.sqrt(squared.numpy()))",
        "squared",
        again("pixel_similarity"),
        ("models/test_digits.py",),
    ),
    Mutation(
        "accuracy averaged over batches, not over images",
        "models/digits.py",
        "return _right(logits, y).mean(1)",
        "return batch_accuracy(logits, y)",
        again("pixel_similarity"),
        ("models/test_digits.py",),
    ),
    Mutation(
        "3 and 7 swapped",
        "models/digits.py",
        "labels[:, None].float()",
        "1 - labels[:, None].float()",
        again("pixel_similarity"),
        ("models/test_digits.py",),
    ),
    Mutation(
        "a rung judged by the probability of the wrong answer",
        "models/rung.py",
        "labels == 1, probability",
        "labels == 0, probability",
        again("mnist_ladder"),
        ("studies/test_mnist_ladder.py",),
    ),
    # --- studies
    Mutation(
        "cross-validation that learns from the rows it judges by",
        "studies/lambda_selection.py",
        "for part in (~out, out)",
        "for part in (out, out)",
        again("lambda_selection"),
        ("studies/test_lambda_selection.py::test_choices_and_errors",),
    ),
    Mutation(
        "a malicious order that sorts nothing",
        "studies/shuffling.py",
        "key.argsort(dim=1, stable=True)",
        "key.argsort(dim=1, stable=True).argsort(dim=1)",
        again("shuffling"),
        ("studies/test_arranged_rows.py",),
    ),
    # --- judging
    Mutation(
        "the standard deviation taken for that of the mean",
        "judging/claims.py",
        "values.std(ddof=1) / np.sqrt(R)",
        "values.std(ddof=1)",
        ("report@weight_decay",),
        ("judging/test_claims.py",),
    ),
    Mutation(
        "the central 90 % taken for the central 99 %",
        "judging/printed.py",
        "OUTSIDE = 100",
        "OUTSIDE = 10",
        ("report@learning_rate",),
        ("judging/test_printed.py",),
    ),
)
