"""The numerics profile: what makes a result the same bytes on any x86-64 Linux machine with AVX2.

The libraries choose their kernels by processor when they are first loaded, so the choice is made here, in the
environment, before numpy or torch is imported; worker processes inherit it. This module must stay free of both.
"""

import os
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
WIDE = {"avx512f", "avx512bw", "avx512dq", "avx512vl"}  # what OpenBLAS' fastest kernels need


def apply(profile: Profile) -> None:
    """Set the profile for this process and its children; a call after numpy or torch was imported is a bug."""
    loaded = {"numpy", "torch"} & sys.modules.keys()
    if loaded:
        raise RuntimeError(f"the numerics profile comes too late: {', '.join(sorted(loaded))} is already imported")
    os.environ.update(ONE_THREAD | KERNELS[profile])
    if profile == "native" and set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split()) >= WIDE:
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"  # OpenBLAS takes a processor that it does not know for an old one
