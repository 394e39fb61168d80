"""`groundwork predict`: which digits are in picture files, as a trained classifier sees them."""

import sys
from pathlib import Path

import numpy as np

from groundwork.classifiers import Classifier, classifier, classifies
from groundwork.common.errors import ParamsError, UserError
from groundwork.common.numerics import Profile
from groundwork.common.params import Params
from groundwork.pictures import read_digit
from groundwork.runs import read_runs


def predict(params: Params, study: str, run: str | None, replicate: int, paths: list[Path]) -> None:
    """Print the digit in each file, and its probability; a file without one is a line on stderr, and exit code 1."""
    run = chosen_run(params, study, run, replicate)
    model = read_classifier(params, study, run, replicate)
    pictures, failed = {}, False
    for file in (file for path in paths for file in files_at(path)):
        try:
            pictures[file] = read_digit(file)
        except UserError as error:
            print(f"error: {shown(file)}: {error}", file=sys.stderr)
            failed = True
    if pictures:
        *others, last = map(str, sorted(model.digits))
        print(f"{study}, {run}, replicate {replicate}: {', '.join(others)} or {last}")
        width = max(len(shown(file)) for file in pictures)
        digits, probabilities = classify(model, np.stack(list(pictures.values())), params.numerics)
        for file, digit, probability in zip(pictures, digits, probabilities, strict=True):
            print(f"{shown(file):{width}}  {digit}  {probability:.4f}")
    if failed:
        sys.exit(1)


def chosen_run(params: Params, study: str, run: str | None, replicate: int) -> str:
    """The name of the variant to use, the study's last unless one is given; a `ParamsError` names what is allowed."""
    runs = {
        name: {variant.name: variant.replicates for variant in block.expand() if classifies(variant.settings)}
        for name, block in params.studies.items()
    }
    if not runs[study]:
        allowed = ", ".join(name for name in runs if runs[name])
        raise ParamsError(f"--study {study}: it has no classifier of digits; allowed: {allowed}")
    run = run or list(runs[study])[-1]
    if run not in runs[study]:
        raise ParamsError(f"--run {run}: {study} has no such classifier; allowed: {', '.join(runs[study])}")
    if not 0 <= replicate < runs[study][run]:
        raise ParamsError(f"--replicate {replicate}: allowed for {run} of {study}: 0 to {runs[study][run] - 1}")
    return run


def read_classifier(params: Params, study: str, run: str, replicate: int) -> Classifier:
    """A trained classifier from data/runs; a `UserError` if it is not there, or diverged."""
    block = params.studies[study]
    trained = read_runs(study, block)[run]
    if trained.diverged[replicate]:
        kept = ", ".join(map(str, np.flatnonzero(trained.ok))) or "none"
        raise UserError(f"replicate {replicate} of {run} of {study} diverged; these did not: {kept}")
    found = classifier(trained, block.dataset, replicate)
    if not found:
        raise UserError(f"{study} keeps no weights of {run} that tell digits apart: choose another study")
    return found


def files_at(path: Path) -> list[Path]:
    """A folder's files in the order of their names, without hidden ones; else the path, for `read_digit` to judge."""
    try:
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    except OSError:
        files = []
    return files or [path]


def classify(model: Classifier, images: np.ndarray, numerics: Profile) -> tuple[np.ndarray, np.ndarray]:
    """The most probable digit of each image (n, 28, 28) uint8, and what the model takes its probability for: (n,) both.

    Only a model that was trained by its probabilities knows them: pixel similarity's are all near a half.
    """
    import torch

    from groundwork.engine.products import product
    from groundwork.models.digits import grey, predicted, probability, restore

    weights = {name: torch.from_numpy(np.asarray(values)[None]) for name, values in model.weights.items()}
    network = restore(model.settings, weights, product)
    with torch.no_grad():
        logits = torch.cat([network(X) for X in grey(torch.from_numpy(images)).split(4096)], dim=1)
    label = predicted(logits)[0]
    return np.array(model.digits)[label.numpy()], probability(logits)[0].gather(1, label[:, None])[:, 0].numpy()


def shown(path: Path) -> str:
    """A path as one printable line, whatever the name of the file."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(path))
