"""The page of the numbers that the sources print: each beside ours, and how many would lie outside by chance."""

from pathlib import Path
from typing import Any

import numpy as np

from groundwork.overview.counts import PRINTED_VERDICTS, counts
from groundwork.overview.strips import curve_strip, has_far_tails, number_strip
from groundwork.reporting.pages import render
from groundwork.reporting.tables import markdown
from groundwork.reporting.words import fixed, number, percent, to_precision

TEMPLATE = Path(__file__).with_name("templates") / "printed_values.md.j2"
SOURCES = {
    "d2l-3.4.6": "Linear regression from scratch (d2l §3.4.6)",
    "d2l-3.5.6": "Linear regression by the framework (d2l §3.5.6)",
    "d2l-3.7": "Weight decay (d2l §3.7)",
    "fastbook-04": "Telling 3s from 7s (fastbook ch. 4)",
}
MARKS = {"exact": "= exact", "consistent": "✓ consistent", "inconsistent": "✗ inconsistent", "–": "– not judged"}
NO_BREAK = "\u00a0"
QUANTITIES = {
    **{"w1": "w₁", "w2": "w₂", "b": "b", "w_error": "error of R", "b_error": "error of the intercept"},
    **{"grad_w1": "gradient of w₁", "grad_w2": "gradient of w₂", "grad_b": "gradient of b"},
    **{"T": "temperature in K", "last_batch_size": "rows of the last batch", "l2_penalty": "½‖w‖²"},
    **{"count": "images in the folder", "loss": "loss", "mse": "mean squared error"},
    **{"mse_by_step": "mean squared error by step", "valid_loss": "validation loss"},
    **{"valid_loss_by_epoch": "validation loss by epoch", "accuracy_by_epoch": "accuracy by epoch"},
    **{"accuracy": "accuracy", "accuracy_3s": "accuracy on the 3s", "accuracy_7s": "accuracy on the 7s"},
    **{"accuracy_mean": "accuracy", "grad_x2_at_3": "derivative of x² at 3", "sum_x2_at_3_4_10": "Σx² at (3, 4, 10)"},
    **{"grad_sum_x2_at_3_4_10": "gradient of Σx² at (3, 4, 10)"},
    **{f"l1_distance_to_mean{digit}": f"L1 distance to the mean {digit}" for digit in (3, 7)},
    **{f"rmse_to_mean{digit}": f"RMSE to the mean {digit}" for digit in (3, 7)},
}


def printed_values_page(summaries: dict[str, dict[str, Any]]) -> tuple[str, dict[str, str]]:
    """reports/printed_values.md and its pictures, reports/strips/<name>.svg by their name."""
    pictures: dict[str, str] = {}
    tables: dict[str, list[list[str]]] = {}
    rows = [row for summary in summaries.values() for row in summary["printed"]]
    for study, summary in summaries.items():
        for index, row in enumerate(summary["printed"], start=1):
            shown = {"exact": "no chance in it", "–": ""}.get(row["verdict"], "")
            if row.get("picture"):
                file = f"{study}-{index:02}.svg"
                pictures[file] = strip(row)
                shown = f"![{place(row)}](strips/{file})" + (" *log tails*" if _far_tails(row) else "")
            tables.setdefault(row["source"], []).append(
                [_what(row), _printed(row), *_ours(row), shown, _verdict(row), f"[{summary['title']}]({study}.md)"]
            )
    header = ["what", "printed", "ours: mean ± sd", "central 99 %", "among ours", "verdict", "study"]
    page = render(
        TEMPLATE,
        {
            "rows": rows,
            "counts": counts(rows, (*PRINTED_VERDICTS, "–")),
            "chance": chance_table(rows),
            "located": (located := [row for row in rows if row.get("picture")]),
            "runs": len({(row["study"], row["variant"]) for row in located}),
            "outer": [row for row in located if surprise(row) <= 0.1],
            "outside": [_outside(row, summaries[row["study"]]) for row in rows if _is_outside(row)],
            "tables": {SOURCES.get(source, source): markdown(header, table) for source, table in tables.items()},
        },
    )
    return page, pictures


def chance_table(rows: list[dict[str, Any]]) -> str:
    """How many right numbers would lie outside by chance, and how many do: a row a number of replicates, and all."""
    judged = [row for row in rows if "chance" in row]
    groups = {f"{R}": [row for row in judged if row["replicates"] == R] for R in _replicates(judged)}
    cells = []
    for name, group in (groups | {"all": judged}).items():
        chances, outside = [row["chance"] for row in group], sum(map(_is_outside, group))
        likely = at_least(outside, chances)
        cells.append([name, str(len(group)), fixed(sum(chances), 2), str(outside), percent(likely, 0)])
    return markdown(["replicates", "numbers", "outside by chance", "outside", "so many or more by chance"], cells)


def at_least(count: int, chances: list[float]) -> float:
    """The probability of at least `count` events of these chances, if they are independent."""
    distribution = np.ones(1)
    for chance in chances:
        distribution = np.convolve(distribution, [1 - chance, chance])
    return float(distribution[count:].sum())


def surprise(row: dict[str, Any]) -> float:
    """How rarely a right number would lie as far out as this one: of R + 1 places its own and those further out."""
    further = row["replicates"] - row["rank"]
    places = further + 1 if _is_curve(row) else 2 * (min(further, row["rank"]) + 1)
    return min(1.0, places / (row["replicates"] + 1))


def strip(row: dict[str, Any]) -> str:
    """The picture of a printed number, or curve, among ours."""
    seen = row["picture"]
    if _is_curve(row):
        return curve_strip(place(row), **seen)
    return number_strip(place(row), seen["printed"][0], seen["ours"], row.get("explanation", {}).get("ours", ()))


def place(row: dict[str, Any]) -> str:
    """Where it lies among ours, in words."""
    R, rank = row["replicates"], row["rank"]
    if _is_curve(row):
        return f"{rank} of our {R} curves lie nearer to the median curve than the printed one"
    size = " (by their size)" if _diverged(row) else ""
    return f"{rank} of our {R} lie below the printed {row['printed']}{size}"


def _is_outside(row: dict[str, Any]) -> bool:
    return row["verdict"] in ("explained", "inconsistent")


def _is_curve(row: dict[str, Any]) -> bool:
    return ";" in row["printed"]


def _diverged(row: dict[str, Any]) -> bool:
    """Are orders of magnitude compared? Then the picture holds logarithms."""
    return bool(row.get("picture")) and not _is_curve(row) and abs(float(row["printed"])) > 1e6


def _far_tails(row: dict[str, Any]) -> bool:
    return "ours" in row["picture"] and has_far_tails(row["picture"]["ours"])


def _replicates(rows: list[dict[str, Any]]) -> list[int]:
    return sorted({row["replicates"] for row in rows}, reverse=True)


def _what(row: dict[str, Any]) -> str:
    words = QUANTITIES.get(row["quantity"], row["quantity"])
    return f"{words} (`{row['setting']}`)" if row["setting"] else words


def _printed(row: dict[str, Any]) -> str:
    values = row["printed"].replace("-", "−").split(";")
    return values[0] if len(values) == 1 else f"{values[0]} … {values[-1]} ({len(values)} values)"


def _ours(row: dict[str, Any]) -> tuple[str, str]:
    """Mean ± sd, and the central 99 %; in place of them what there is to say of numbers that diverge."""
    if _diverged(row):
        sizes = [number(10**value, 1) for value in row["picture"]["ours"]]
        return f"{sizes[len(sizes) // 2]} in size (median)", f"{sizes[0]} … {sizes[-1]}"
    if row["printed"] == "nan" and "rank" in row:
        return f"{row['replicates'] - row['rank']} of {row['replicates']} not finite", ""
    if row["mean"] is None:
        return "", ""
    mean, low, high = (to_precision(row[key], row["sd"]) for key in ("mean", "low", "high"))
    last = " (last)" if _is_curve(row) else ""
    if row["low"] == row["high"]:
        return number(row["mean"]) + last, ""
    return f"{mean} ± {number(row['sd'], 2)}{last}".replace(" ± ", f"{NO_BREAK}±{NO_BREAK}"), f"{low} … {high}"


def _verdict(row: dict[str, Any]) -> str:
    return MARKS.get(row["verdict"], f"→ explained by `{row['variant']}`").replace(" ", NO_BREAK, 1)


def _outside(row: dict[str, Any], summary: dict[str, Any]) -> str:
    """A printed number that is outside, in a line."""
    away = ""
    if row["sd"] and not _is_curve(row) and not _diverged(row):
        away = f", {number(abs(float(row['printed']) - row['mean']) / row['sd'], 2)} standard deviations away"
    chance = row.get("chance", 0.0)
    few = f"; by chance so are {percent(chance, 0)} of all right numbers" if chance > 0.02 else ""
    link = f"[{summary['title']}]({row['study']}.md)"
    return f"{_what(row)}: printed {_printed(row)}, ours {_ours(row)[0]}{away}{few}. **{_verdict(row)}** ({link})"
