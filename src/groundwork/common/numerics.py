"""The numerics profile: what makes a result the same bytes on any x86-64 Linux machine with AVX2.

The libraries choose their kernels by processor when they are first loaded, so the choice is made here, in the
environment, before numpy or torch is imported; worker processes inherit it. This module must stay free of both.
On any other machine the kernels stay the libraries' own, and results agree within the bands of docs/reproducibility.md.
"""

import os
import platform
import sys
from pathlib import Path
from typing import Literal

Profile = Literal["portable", "native"]

ONE_THREAD = {  # a sum's bits depend on how many threads share it
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

KERNELS: dict[Profile, dict[str, str]] = {
    "native": {},
    "portable": {
        "MKL_CBWR": "COMPATIBLE",  # MKL: the same code path on every processor
        "ATEN_CPU_CAPABILITY": "avx2",  # torch's own loops
        "ONEDNN_MAX_CPU_ISA": "AVX2",  # torch's convolutions
        "OPENBLAS_CORETYPE": "Haswell",  # numpy's matrix products, see products.py
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # numpy's own loops stop at AVX2
    },
}
RIVAL = "NPY_ENABLE_CPU_FEATURES"  # numpy does not start with both
AVX2 = ("abm", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe")  # what comes with it since Haswell and Zen, for Linux
WIDE = {"avx512f", "avx512bw", "avx512dq", "avx512vl"}  # what OpenBLAS' fastest kernels need
CPU = Path("/proc/cpuinfo")


def apply(profile: Profile) -> None:
    """Set the profile for this process and its children; a call after numpy or torch was imported is a bug.

    The portable kernels would be illegal instructions on a machine that lacks AVX2: there they are left out.
    """
    loaded = {"numpy", "torch"} & sys.modules.keys()
    if loaded:
        raise RuntimeError(f"the numerics profile comes too late: {', '.join(sorted(loaded))} is already imported")
    os.environ.pop(RIVAL, None)
    os.environ.update(ONE_THREAD | ({} if lacking() else KERNELS[profile]))
    if profile == "native" and flags() >= WIDE:
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"  # OpenBLAS takes a processor that it does not know for an old one


def lacking(system: str = sys.platform, machine: str = platform.machine(), cpu: Path = CPU) -> str:
    """What this machine lacks for the portable kernels, in words; nothing if it can have them."""
    if (system, machine) != ("linux", "x86_64"):
        return f"this is {system} on {machine}, not Linux on x86-64"
    found = flags(cpu)
    if not found:
        return f"{cpu} does not say what the processor can do"
    missing = [flag for flag in AVX2 if flag not in found]
    return f"this processor has no {', '.join(missing)}" if missing else ""


def flags(cpu: Path = CPU) -> set[str]:
    """What the processor can do, in Linux's words; nothing where the system does not say."""
    try:
        lines = cpu.read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
