"""Every Python with this folder on its path loads this first. In a `groundwork` command it writes down, as JSON, what
the command has loaded, opened and put in place: {"modules": […], "read": […], "written": […]}, names and paths.
"""

import atexit
import json
import os
import sys
from pathlib import Path

import safetensors

READ, WRITTEN = set(), set()


def watch(event: str, arguments: tuple) -> None:
    if event == "open" and isinstance(arguments[0], str):
        path, _, flags = arguments
        (WRITTEN if flags & (os.O_WRONLY | os.O_RDWR) else READ).add(str(Path(path).absolute()))
    elif event == "os.rename":
        WRITTEN.add(str(Path(arguments[1]).absolute()))


def write() -> None:
    if not sys.argv[0].endswith("groundwork/__main__.py"):
        return
    found = {"modules": sorted(sys.modules), "read": sorted(READ), "written": sorted(WRITTEN)}
    path = Path(os.environ["GROUNDWORK_TRACES"], " ".join(sys.argv[1:]) + ".json")
    path.write_text(json.dumps(found), encoding="utf-8")


def safe_open(filename: str, *arguments: object, **options: object) -> object:
    READ.add(str(Path(filename).absolute()))
    return OPEN(filename, *arguments, **options)


OPEN, safetensors.safe_open = safetensors.safe_open, safe_open  # opens files in Rust, unseen by the hook
sys.addaudithook(watch)
atexit.register(write)
