"""From measurements to the numbers that the report shows, as plain JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from statistics import median
from typing import Any

from bench.growth import Series
from bench.rounds import Entry, Measured
from bench.works import NAMES, Goal, Work

Json = dict[str, Any]


def work_json(work: Work, measured: Mapping[Entry, Measured]) -> Json:
    """A work: its entries with all measurements, and its goals."""
    return {
        "name": work.label,
        "kind": work.task.kind,
        "replicates": work.replicates,
        "tolerance": work.tolerance,
        "rounds": len(next(iter(measured.values())).processor),
        "entries": [_entry(entry, one) for entry, one in measured.items()],
        "goals": [_goal(goal, measured) for goal in work.goals],
    }


def _entry(entry: Entry, measured: Measured) -> Json:
    contender, replicates = entry
    return {
        "name": NAMES[contender],
        "peer": contender.peer,
        "profile": contender.profile,
        "replicates": replicates,
        "per_run": median(measured.processor) / replicates,
        **asdict(measured),
    }


def _goal(goal: Goal, measured: Mapping[Entry, Measured]) -> Json:
    """Runs of ours a run of the other's, the median over the rounds; a peer that trains one at a time is asked once."""
    alone = (goal.against, 1)
    other = (goal.against, goal.replicates) if (goal.against, goal.replicates) in measured else alone
    times = zip(measured[other].processor, measured[goal.ours, goal.replicates].processor, strict=True)
    factor = median(theirs / other[1] / (ours / goal.replicates) for theirs, ours in times)
    return {
        "ours": NAMES[goal.ours],
        "profile": goal.ours.profile,
        "replicates": goal.replicates,
        "against": NAMES[goal.against],
        "wanted": goal.factor,
        "reached": factor >= goal.factor,
        "factor": factor,
    }


def series_json(series: Series) -> Json:
    return asdict(series)
