"""The numerics profile, in fresh processes: what it sets, and that nobody's environment gets past it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from groundwork.common import numerics

OWN_SETTINGS = {  # what a user may well have in the environment; each changes bits where it is heard
    "OMP_NUM_THREADS": "8",
    "OPENBLAS_NUM_THREADS": "2",
    "OPENBLAS_CORETYPE": "SkylakeX",
    "MKL_CBWR": "AVX512",
    "ATEN_CPU_CAPABILITY": "default",
    "NPY_ENABLE_CPU_FEATURES": "X86_V3",  # numpy refuses to start with this and the profile's own
}

PRODUCTS = """
from groundwork.common import numerics
numerics.apply("portable")
from hashlib import sha256
import numpy as np, torch
rng = np.random.default_rng(0)
a, b = (rng.random(shape, dtype=np.float32) for shape in ((300, 784), (784, 64)))
A, B = torch.from_numpy(a), torch.from_numpy(b)
results = [a @ b, np.exp(a), np.sum(a), *(t.numpy() for t in (A @ B, A.sigmoid(), A.sum()))]
print(torch.get_num_threads(), *[sha256(result.tobytes()).hexdigest() for result in results])
"""


def fresh(script: str, **own: str) -> str:
    """What a script prints in a new process, without the profile of this one."""
    profile = numerics.ONE_THREAD | numerics.KERNELS["portable"]
    clean = {key: value for key, value in os.environ.items() if key not in profile}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=clean | own, capture_output=True, text=True, check=True).stdout


def test_portable_sets_threads_and_kernels():
    script = "import os; from groundwork.common import numerics; numerics.apply('portable'); print(dict(os.environ))"
    expected = {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_CBWR": "COMPATIBLE",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    }
    printed = fresh(script, **OWN_SETTINGS)
    assert all(f"'{key}': '{value}'" in printed for key, value in expected.items())


def test_native_has_openblas_fastest_kernels_and_leaves_the_others_alone():
    wide = set(Path("/proc/cpuinfo").read_text().split()) >= numerics.WIDE
    script = """if True:
        import os
        from groundwork.common import numerics
        numerics.apply("native")
        print(*map(os.environ.get, ["OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "MKL_CBWR", "NPY_DISABLE_CPU_FEATURES"]))
    """
    own = OWN_SETTINGS | {"OPENBLAS_CORETYPE": "Zen"}
    assert fresh(script, **own).split() == ["1", "SkylakeX" if wide else "Zen", "AVX512", "None"]


@pytest.mark.parametrize(
    ("system", "machine", "flags", "expected"),
    [
        ("linux", "x86_64", "fpu abm avx avx2 bmi1 bmi2 f16c fma movbe avx512f", ""),
        ("linux", "x86_64", "fpu abm avx bmi1 bmi2 f16c fma movbe", "this processor has no avx2"),
        ("linux", "x86_64", "fpu sse4_2", "this processor has no abm, avx2, bmi1, bmi2, f16c, fma, movbe"),
        ("linux", "aarch64", "fp asimd", "this is linux on aarch64, not Linux on x86-64"),
        ("darwin", "arm64", "", "this is darwin on arm64, not Linux on x86-64"),
    ],
)
def test_a_machine_without_avx2_is_told_by_what_linux_says(tmp_path, system, machine, flags, expected):
    cpu = tmp_path / "cpuinfo"
    cpu.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: avx2\n\nprocessor\t: 1\nflags\t\t: {flags}\n")
    assert numerics.lacking(system, machine, cpu) == expected


def test_a_machine_that_does_not_say_is_one_without_avx2(tmp_path):
    assert (
        numerics.lacking("linux", "x86_64", tmp_path / "none")
        == f"{tmp_path / 'none'} does not say what the processor can do"
    )


def test_on_another_platform_the_kernels_are_left_out():
    script = """if True:
        import os, sys
        sys.platform = "freebsd"
        from groundwork.common import numerics
        numerics.apply("portable")
        print(*map(os.environ.get, ["OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES"]))
    """
    assert fresh(script).split() == ["1", "None", "None"]


def test_numpy_and_torch_stop_at_avx2():
    script = """if True:
        from groundwork.common import numerics
        numerics.apply("portable")
        import numpy, torch
        print(*numpy.show_config(mode="dicts")["SIMD Extensions"]["found"], torch.backends.cpu.get_cpu_capability())
    """
    assert fresh(script).split() == ["X86_V3", "AVX2"]  # X86_V3 is AVX2, X86_V4 AVX-512


def test_the_users_own_settings_change_no_bit():
    assert fresh(PRODUCTS, **OWN_SETTINGS) == fresh(PRODUCTS)


def test_children_inherit_the_profile():
    script = """if True:
        import subprocess, sys
        from groundwork.common import numerics
        numerics.apply("portable")
        child = "import numpy; print(*numpy.show_config(mode='dicts')['SIMD Extensions']['found'])"
        subprocess.run([sys.executable, "-c", child], check=True)
    """
    assert fresh(script).split() == ["X86_V3"]


def test_the_profile_cannot_come_too_late():
    assert np.__name__ in sys.modules
    assert torch.__name__ in sys.modules
    before = dict(os.environ)
    with pytest.raises(RuntimeError, match="too late: numpy, torch is already imported"):
        numerics.apply("native")
    assert dict(os.environ) == before


def test_the_profile_cannot_come_after_numpy_alone():
    script = """if True:
        import numpy
        from groundwork.common import numerics
        try:
            numerics.apply("portable")
        except RuntimeError as error:
            print(error)
    """
    assert "too late: numpy is already imported" in fresh(script)
