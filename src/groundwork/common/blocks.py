"""The blocks of params.yaml as files of their own, which the stages after the training depend on.

No command reads them. DVC reads params.yaml anew for every stage that names parameters, and writes their values into
dvc.lock, which it reads and writes whole after each stage: that was most of what `dvc repro` did with nothing to do.
Training names its parameters all the same, for `dvc params diff` and for whoever looks into dvc.lock.
"""

import json
from typing import Any

from groundwork.common import paths
from groundwork.common.files import replacing, write_text
from groundwork.common.params import Params


def write_blocks(params: Params) -> None:
    """Write data/params/<study>.json, and data/params.json with all studies; comments and spelling leave no trace."""
    blocks = params.model_dump(exclude_unset=True, include={"seed", "numerics", "studies"})
    with replacing(paths.BLOCKS) as folder:
        folder.mkdir()
        for study, block in blocks["studies"].items():
            text = _text({"numerics": params.numerics, study: block})
            (folder / f"{study}.json").write_text(text, encoding="utf-8", newline="\n")
    write_text(paths.ALL_BLOCKS, _text(blocks))


def _text(block: dict[str, Any]) -> str:
    return json.dumps(block, indent=1, ensure_ascii=False) + "\n"
