"""The page that MLflow's UI opens for a study: which runs, which charts, in which order, on which scales.

Left to itself the UI shows ten runs at most, a chart of every metric in the order of the alphabet, and stretches the
axes to whatever diverged. It reads another choice from a tag of the experiment, the same that its "Save view" writes.
"""

import json
from math import ceil, floor, isfinite, log10

from groundwork.tracking.projection import SD, Row

VIEW = "groundwork"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"

CURVES, FINAL, REST = "Learning curves", "Final values", "Spread and counts"


def saved_view(rows: list[Row], headline: str, status_filter: str) -> str:
    """The value of `VIEW_TAG`, JSON: learning curves, then final values, the headline metric first of each."""
    names = list(dict.fromkeys(name for row in rows for name, _, _ in row.points))
    curved = {name for row in rows for name, step, _ in row.points if step > 0}
    rest = [name for name in names if name.endswith(SD) or "/" not in name]
    finals = [name for name in names if name not in rest and name.startswith("final/")]
    curves = [name for name in names if name not in rest and name not in finals]
    finals.sort(key=lambda name: name != f"final/{headline}")
    curves.sort(key=lambda name: (name != f"val/{headline}", name != "val/loss"))
    cards = {
        CURVES: [_line(name, rows) for name in curves],
        FINAL: [_card(name, "BAR") for name in finals],
        REST: [_card(name, "LINE" if name in curved else "BAR") for name in rest],
    }
    keys = dict.fromkeys(key for row in rows for key in row.params)  # not all models of a study have the same
    differing = [key for key in keys if len({row.params.get(key) for row in rows}) > 1]
    state = {
        "searchFilter": status_filter,
        "runsHiddenMode": "SHOW_ALL",
        "selectedColumns": [
            *(f"params.`{key}`" for key in differing),
            *(f"metrics.`{name}`" for name in (*finals, "diverged")),
            "attributes.`Dataset`",
        ],
        "isAccordionReordered": True,  # or else the sections are sorted by name
        "compareRunSections": [_section(name, display=name != REST) for name, found in cards.items() if found],
        "compareRunCharts": [card | {"metricSectionId": name} for name, found in cards.items() for card in found],
    }
    return json.dumps({"name": "Groundwork", "createdAt": 0, "state": json.dumps(state)})


def _section(name: str, display: bool) -> dict[str, object]:
    return {
        "uuid": name,
        "name": name,
        "display": display,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
    }


def _card(metric: str, kind: str) -> dict[str, object]:
    return {
        "uuid": metric,
        "type": kind,
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "deleted": False,
        "isGenerated": False,
    }


def _line(metric: str, rows: list[Row]) -> dict[str, object]:
    """A line chart, of a loss on a log scale."""
    log = metric.endswith("loss")
    return _card(metric, "LINE") | {
        "scaleType": "log" if log else "linear",
        "range": _range(metric, log, rows),
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "lineSmoothness": 0,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
        "ignoreOutliers": False,
    }


def _range(metric: str, log: bool, rows: list[Row]) -> dict[str, float]:
    """Room for the variants that converge; the others leave it at the top. Exponents of ten on a log scale."""
    shown = [value for row in rows if row.converges for name, _, value in row.points if name == metric]
    shown = [value for value in shown if isfinite(value) and (value > 0 or not log)]
    if all(row.converges for row in rows) or not shown:
        return {}
    low, high = min(shown), max(shown)
    return {"yMin": floor(log10(low)), "yMax": ceil(log10(high))} if log else {"yMin": low, "yMax": high}
