"""Freed memory is kept: large arrays made again and again fault in no new pages, in a process of their own."""

import platform
import subprocess
import sys

import pytest

ALLOCATIONS = """
import resource, sys
import numpy as np
from groundwork.engine.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(2**18, np.float32) for _ in range(8)]  # 1 MiB each: too small for large pages
    del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(sum(faults() for _ in range(10)))
"""


def page_faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", ALLOCATIONS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc here")
def test_what_is_freed_is_used_again():
    kept = page_faults("kept")
    assert kept < 100
    assert kept < page_faults("as it is")
