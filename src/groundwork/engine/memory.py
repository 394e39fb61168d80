"""What a process does with memory that it has freed.

glibc gives large pieces back to the system, which hands them out again as zeroed pages, at the first touch of each:
where every step makes arrays anew, that can take a sixth of the time.
"""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # M_… of glibc's malloc.h
LARGEST = 32 << 20  # bytes: the most that glibc allows as the second


def keep_freed_memory() -> None:
    """From now on, keep what is freed for the next array; where there is no glibc, nothing changes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
