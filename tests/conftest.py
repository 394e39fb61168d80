"""The pipeline's numerics profile, before any test imports numpy or torch; the same hypothesis examples every time."""

import os

import hypothesis

from groundwork.common import numerics

numerics.apply("portable")
os.environ.pop("DASK_SCHEDULER_ADDRESS", None)
hypothesis.settings.register_profile("groundwork", deadline=None, derandomize=True)
hypothesis.settings.load_profile("groundwork")
