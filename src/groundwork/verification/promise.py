"""Which promise holds on this machine, the same bytes or numbers within bands, and what speaks for it."""

import re
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from groundwork.common import numerics
from groundwork.common.numerics import Profile

LOCK = Path("requirements.lock")


@dataclass(frozen=True)
class Promise:
    """What to expect of a rerun here."""

    same_bytes: bool
    grounds: dict[str, str]  # what was looked at -> what was found

    def __str__(self) -> str:
        width = max(map(len, self.grounds))
        lines = [f"  {what:{width}}  {found}" for what, found in self.grounds.items()]
        return "\n".join([f"Promised here: {'the same bytes' if self.same_bytes else 'numbers within bands'}", *lines])


def promise(profile: Profile, lock: Path = LOCK) -> Promise:
    """The promise for this machine and these packages; `profile` is that of params.yaml, and set in this process."""
    lacking, others = numerics.lacking(), other_versions(lock)
    return Promise(
        same_bytes=not lacking and not others and profile == "portable",
        grounds={
            "machine": lacking or "Linux on x86-64 with AVX2",
            "numerics": f"{profile}, in params.yaml",
            "packages": f"not as in {lock.name}: {', '.join(others)}" if others else f"as in {lock.name}",
            "Python": sys.version.split()[0],
            "kernels": kernels(),
        },
    )


def other_versions(lock: Path) -> list[str]:
    """The packages that Groundwork imports, in words, if they are not those of the lock; builds (+cpu) are the same."""
    locked = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
    direct = [re.match(r"[\w.-]+", one) for one in requires("groundwork") or [] if "extra ==" not in one]
    found = []
    for name in sorted(match.group().lower() for match in direct if match):
        try:
            here = version(name)
        except PackageNotFoundError:
            here = "missing"
        if here.partition("+")[0] != locked.get(name):
            found.append(f"{name} {here} for {locked.get(name, 'none')}")
    return found


def kernels() -> str:
    """What numpy and torch have chosen to compute with in this process, by their own account."""
    import numpy as np
    import torch
    from threadpoolctl import threadpool_info

    loops = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    pools = [pool for pool in threadpool_info() if pool["internal_api"] == "openblas"]
    cores = dict.fromkeys(f"OpenBLAS {pool['architecture']}" for pool in pools)
    threads = max([torch.get_num_threads(), *(pool["num_threads"] for pool in pools)])
    parts = [f"numpy {' '.join(loops)}", *cores, f"torch {version('torch')} {torch.backends.cpu.get_cpu_capability()}"]
    return f"{', '.join(parts)}; {threads} thread{'s' if threads > 1 else ''}"
