"""The commands, one thin function each: `python -m groundwork <command>` or `groundwork <command>`.

Every command reads and checks params.yaml first, then sets the numerics profile, and only then imports what computes.
No computing happens here, so this is the one file that no DVC stage depends on: a new command reruns nothing.
"""

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from groundwork.common import numerics
from groundwork.common.errors import ParamsError, UserError

if TYPE_CHECKING:  # --help is there at once
    from groundwork.common.params import Params

app = typer.Typer(
    help="The first experiments of deep learning as a pipeline. Run it from the root of the repository.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Dataset = Annotated[str, typer.Option(help="a dataset of params.yaml")]
Study = Annotated[str, typer.Option(help="a study of params.yaml")]


def start(section: str = "", name: str = "") -> "Params":
    """The checked parameters, with the profile set; `name` must be a key of their `section`."""
    from groundwork.common.params import read_params

    params = read_params()
    known = list(dict(getattr(params, section))) if section else [name]
    if name not in known:
        raise ParamsError(f"params.yaml: {section}.{name}: not there; allowed: {', '.join(known)}")
    numerics.apply(params.numerics)
    return params


def say_what_is_promised(params: "Params") -> None:
    """One line on stderr if this machine cannot give the bytes that params.yaml asks for."""
    if params.numerics == "portable" and (lacking := numerics.lacking()):
        bands = "results agree with other machines' within bands, not byte for byte; see docs/reproducibility.md"
        print(f"{lacking}: {bands}", file=sys.stderr)


@app.command()
def check() -> None:
    """Check params.yaml; every DVC stage comes after this one."""
    params = start()
    from groundwork.common import paths
    from groundwork.common.blocks import write_blocks
    from groundwork.common.files import write_text

    say_what_is_promised(params)
    write_blocks(params)
    write_text(paths.CHECKED, "params.yaml is well formed\n")


@app.command()
def download(dataset: Dataset) -> None:
    """Download a real dataset from its publisher, or from a mirror."""
    params = start("downloads", dataset)
    from groundwork.datasets import download_dataset

    download_dataset(dataset, params)


@app.command()
def generate(dataset: Dataset) -> None:
    """Generate a synthetic dataset."""
    params = start("datasets", dataset)
    from groundwork.datasets import generate_dataset

    generate_dataset(dataset, params)


@app.command()
def train(study: Study) -> None:
    """Train every variant of a study."""
    params = start("studies", study)
    from groundwork.engine.training import train_study

    train_study(study, params)


@app.command(context_settings={"allow_extra_args": True, "allow_interspersed_args": False})
def worker(
    context: typer.Context,
    scheduler: Annotated[str, typer.Argument(help="the address of a Dask scheduler: tcp://…:8786")],
) -> None:
    """Train blocks of studies for a Dask scheduler. Options after its address are those of `dask worker`.

    It listens on 127.0.0.1 only if the scheduler is there; else Dask chooses, and
    --host and --interface do.
    """
    start()
    from groundwork.engine.workers import serve

    serve(scheduler, [*unseen(scheduler), *context.args])


def unseen(scheduler: str) -> list[str]:
    """Options of `dask worker` for one that only this machine can reach, if the scheduler is here too."""
    here = urlsplit(scheduler).hostname in ("127.0.0.1", "localhost")
    return ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"] if here else []


@app.command()
def evaluate() -> None:
    """Judge the trained models of 3s and 7s side by side, all on the same images."""
    params = start("studies", "mnist_ladder")
    from groundwork.evaluate import evaluate

    evaluate(params)


@app.command()
def report(study: Study) -> None:
    """Write the report of a study."""
    params = start("studies", study)
    from groundwork.reporting.study_report import write_report

    write_report(study, params)


@app.command()
def repro(
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="stages at a time; unless given as params.yaml has it, for auto one more than cores"),
    ] = None,
) -> None:
    """Run what has changed of the whole pipeline, studies side by side on all cores."""
    params = start()
    from groundwork.repro import repro

    repro(params, jobs)


@app.command()
def summary() -> None:
    """Write the pages about all studies."""
    params = start()
    from groundwork.overview.summary import write_summary

    write_summary(params)


@app.command()
def verdicts(against: Annotated[str, typer.Option(help="a commit, a branch or a tag")] = "HEAD") -> None:
    """Say which claims and printed values are judged differently than in a commit."""
    start()
    from groundwork.verdicts import compare

    compare(against)


@app.command()
def verify(
    study: Annotated[list[str] | None, typer.Option(help="only this study, as often as you like")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="only studies that train in seconds")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="leave the clone where it is if something differs")] = False,
) -> None:
    """Rerun HEAD from nothing in a scratch clone: does it give what is committed?"""
    start()
    from groundwork.verification.verify import verify

    verify(study or [], quick, keep)


@app.command()
def track() -> None:
    """Show data/runs in MLflow: one current run a variant."""
    params = start()
    from groundwork.tracking.track import track

    track(params)


@app.command()
def ui(port: Annotated[int, typer.Option(help="where to listen, on 127.0.0.1")] = 5000) -> None:
    """Start the MLflow UI and say where to look."""
    params = start()
    from groundwork.ui import serve

    serve(params, port)


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(help="picture files, or folders of them")],
    study: Study = "mnist_full",
    run: Annotated[str | None, typer.Option(help="a variant of the study; its last unless given")] = None,
    replicate: Annotated[int, typer.Option(help="a random seed of the variant")] = 0,
) -> None:
    """Tell the digits in pictures with a trained classifier.

    A digit is light on dark, as in MNIST; a picture of dark on light is inverted.
    A picture of 28×28 pixels is taken as it is; in any other the digit is fitted
    into 20×20 pixels and centred by its mass, as MNIST's were.

    A file that is no picture is one line on stderr; the others go on, and the
    exit code is 1.
    """
    params = start("studies", study)
    from groundwork.predict import predict

    predict(params, study, run, replicate, images)


@app.command()
def show() -> None:
    """Print the headline results, and where to look next."""
    params = start()
    from groundwork.terminal import show

    show(params)


def main() -> None:
    """Run a command; a `UserError` is one line on stderr. Ctrl-C ends it with code 130, which typer sees to."""
    gc.set_threshold(100_000)  # commands keep most of what they make: to look for garbage so seldom saves a tenth
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
