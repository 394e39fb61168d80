"""MLflow as a projection of data/runs: one experiment a study, one run a variant, the same however often it is done.

A run carries a content key, a hash over all that it shows. A finished run whose key is still true is kept, what is
missing is written, and what is no longer true is marked superseded. So a rerun, a crash halfway, a second process and
a deleted database all end in exactly one current run for each variant.
"""

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import batched
from pathlib import Path
from time import time
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from groundwork import paths
from groundwork.files import write_text
from groundwork.params import Params
from groundwork.projection import Row, read_rows
from groundwork.provenance import common_tags, locked_stages, stage_tags
from groundwork.store import DEFAULT_URI, connected, masked, tracking_uri
from groundwork.ui import deep_link

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

MARKER = Path("data/tracked.json")
