"""By hand, for it takes long: `python tests/other_cpus.py [--study NAME]... Haswell EPYC intel`, at the root.

Trains and reports tiny versions of the studies here and on other processors, and names the files that differ:
`Haswell`, `EPYC`, … emulated by qemu-user 10 (7.2 crashes in numpy's sort at AVX2); `intel`: this processor, with an
MKL that takes it for Intel's. data/raw must be there (`make repro`).
"""

import argparse
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ruamel.yaml import YAML
from safetensors.numpy import load_file, save_file

from tiny import shrink

ROWS = 64  # of each part of MNIST
INTEL = ("mkl_serv_intel_cpu_true.cached", "mkl_serv_intel_cpu.cached")  # MKL's answers, -1 until it has looked
EVERYTHING = """
from groundwork.__main__ import start
params = start()
from groundwork.datasets import generate_dataset
from groundwork.engine.training import train_study
from groundwork.evaluate import evaluate
from groundwork.reporting.study_report import write_report
for dataset in params.datasets:
    generate_dataset(dataset, params)
for study in params.studies:
    if params.studies[study].dataset.startswith("evaluated"):
        evaluate(params)
    train_study(study, params)
    write_report(study, params)
    print(study, flush=True)
"""


def make_project(folder: Path, studies: list[str]) -> None:
    """The code, the shipped parameters for three replicates, and few rows of MNIST."""
    shutil.copytree("src", folder / "src")
    (folder / "data/raw").mkdir(parents=True)
    for path in Path("data/raw").glob("*.safetensors"):
        tensors = load_file(path)
        rows = {name: np.linspace(0, len(values) - 1, ROWS).astype(int) for name, values in tensors.items()}
        save_file({name: values[rows[name]] for name, values in tensors.items()}, folder / path)
    yaml = YAML()
    params = yaml.load(Path("params.yaml"))
    shrink(params)
    params["studies"] = {name: study for name, study in params["studies"].items() if not studies or name in studies}
    yaml.dump(params, folder / "params.yaml")


def torch_on_intel(site: Path) -> None:
    """A torch in the folder `site` whose MKL believes that the processor is Intel's: links, and one patched library."""
    source = Path(str(find_spec("torch").origin)).parent  # type: ignore[union-attr]
    shutil.copytree(source, site / "torch", copy_function=lambda file, copy: Path(copy).symlink_to(file))
    library = site / "torch/lib/libtorch_cpu.so"
    library.unlink()
    shutil.copy(source / "lib/libtorch_cpu.so", library)
    sections = subprocess.run(["readelf", "-SW", library], capture_output=True, text=True, check=True).stdout
    data = next(line.split("]")[1].split() for line in sections.splitlines() if "] .data " in line)
    symbols = subprocess.run(["nm", library], capture_output=True, text=True, check=True).stdout.splitlines()
    places = [int(line.split()[0], 16) for line in symbols if line.endswith(INTEL)]
    assert len(places) == len(INTEL)
    with library.open("r+b") as file:
        for place in places:
            file.seek(place - int(data[2], 16) + int(data[3], 16))
            file.write((1).to_bytes(4, "little"))


def run(folder: Path, emulator: list[str], site: Path | None = None) -> dict[str, str]:
    """Do everything; the sha256 of each file, by its path."""
    path = os.pathsep.join(map(str, [folder / "src", *([site] if site else [])]))
    subprocess.run(
        [*emulator, sys.executable, "-c", EVERYTHING], cwd=folder, env=os.environ | {"PYTHONPATH": path}, check=True
    )
    files = [path for place in ("data", "reports") for path in (folder / place).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", action="append", default=[])
    parser.add_argument("processors", nargs="+")
    chosen = parser.parse_args()
    with TemporaryDirectory() as scratch:
        pristine = Path(scratch) / "pristine"
        make_project(pristine, chosen.study)
        here = run(Path(shutil.copytree(pristine, Path(scratch) / "here")), [])
        differing = 0
        for processor in chosen.processors:
            folder = Path(shutil.copytree(pristine, Path(scratch) / processor))
            site = Path(scratch) / "site" if processor == "intel" else None
            if site:
                torch_on_intel(site)
            found = run(folder, [] if site else ["qemu-x86_64", "-cpu", processor], site)
            moved = [path for path in sorted(here.keys() | found.keys()) if here.get(path) != found.get(path)]
            print(f"{processor}: {len(moved)} of {len(here)} files differ", *moved, sep="\n  ", flush=True)
            differing += len(moved)
    sys.exit(differing > 0)


if __name__ == "__main__":
    main()
