"""docs/performance.md and its figure, rendered from the numbers of performance.json alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.works import FASTAI, IMAGES, JAX, NAMES, NATIVE, PIXELS, PORTABLE
from groundwork.common.files import replacing, write_text
from groundwork.reporting.style import colour, house_style, save

Json = dict[str, Any]

COLUMNS = list(NAMES.values())
OURS = (NAMES[PORTABLE], NAMES[NATIVE])
PARTS = {
    "products": "products",
    "batches": "batches gathered",
    "validation": "validation",
    "steps": "Python and dispatch",
    "rest": "arithmetic on elements",
}
CORES_GOALS = {"ratio": 1.7, "train": 0.75}  # two cores against one; the share of training on one
ENDED = {"memory": "half of the free memory", "time": "the time"}


def write_report(results: Json, folder: Path) -> None:
    """performance.md and performance.svg."""
    environment = Environment(
        loader=PackageLoader("bench"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"ms": ms, "times": times, "figures": figures, "percent": lambda part: f"{100 * part:.0f} %"}
    values = {
        **results,
        "columns": COLUMNS,
        "rows": list(speed_rows(results)),
        "goals": list(goal_rows(results)),
        "parts": PARTS,
        "spent": list(parts_rows(results)),
        "ended": ENDED,
        "cores": results.get("cores"),
        "cores_goals": CORES_GOALS,
        "busy": busy(results),
        "compiling": max((e["first"] - whole(e) for _, e in entries(results) if e["name"] == NAMES[JAX]), default=0.0),
        "worst": max((entry["disagreement"] for _, entry in entries(results)), default=0.0),
    }
    write_text(folder / "performance.md", environment.get_template("performance.md.j2").render(values))
    with replacing(folder / "performance.svg") as partial, house_style():
        svg = partial.with_suffix(".svg")
        save(draw(results), svg)
        svg.rename(partial)


# --- what the tables say ---------------------------------------------------------------------------------------------


def entries(results: Json) -> Iterator[tuple[Json, Json]]:
    """Each work with each of its entries."""
    for work in results["works"]:
        for entry in work["entries"]:
            yield work, entry


def speed_rows(results: Json) -> Iterator[Json]:
    """A row a work and number of replicates: seconds a run by contender, and speed beside fastai's."""
    for work in results["works"]:
        for replicates in work["replicates"]:
            runs = {e["name"]: e["per_run"] for e in work["entries"] if e["replicates"] == replicates}
            fastai = find(work, NAMES[FASTAI], 1)["per_run"]
            speed = {name: fastai / run for name, run in runs.items()}
            yield {"work": work["name"], "replicates": replicates, "runs": runs, "speed": speed}


def goal_rows(results: Json) -> Iterator[Json]:
    """A row a goal; one that is missed has the parts that its time goes to, the largest first."""
    for work in results["works"]:
        for goal in work["goals"]:
            entry = find(work, goal["ours"], goal["replicates"])
            shares = sorted(((part / whole(entry), name) for name, part in parts_of(entry).items()), reverse=True)
            found = {**goal, "work": work["name"], "entry": entry, "shares": shares}
            asked = entry["per_run"] * goal["factor"] / goal["wanted"]
            copied = 2 * IMAGES * PIXELS / results["limits"][entry["profile"]]["gbytes"] / 1e9
            bound = {"bound": {"copied": copied}} if work["kind"] == "loading" else bound_of(results, entry)
            yield found | {"asked": asked, **bound}


def bound_of(results: Json, entry: Json) -> Json:
    """What a run cannot do without, in seconds: its products, as fast as they are alone and as fast as the largest;
    and as many small operations of torch as `steps` has room for."""
    if "products" not in entry["parts"]:
        return {"bound": None}
    limits, flops = results["limits"][entry["profile"]], entry["counts"]["flops"]
    return {
        "bound": {
            "products": entry["parts"]["products"] / entry["replicates"],
            "gflops": flops / entry["parts"]["products"] / 1e9,
            "floor": flops / limits["gflops"] / 1e9 / entry["replicates"],
            "most": limits["gflops"],
            "operations": entry["parts"].get("steps", 0.0) / limits["dispatch"],
        }
    }


def parts_rows(results: Json) -> Iterator[Json]:
    """A row for each of our own entries: seconds a run, the parts, and what the machine's limits would allow."""
    for work, entry in entries(results):
        if entry["parts"]:
            limits, counts = results["limits"][entry["profile"]], entry["counts"]
            yield {
                "work": work["name"],
                "replicates": entry["replicates"],
                "profile": entry["profile"],
                "whole": entry["per_run"],
                "parts": {name: part / whole(entry) for name, part in parts_of(entry).items()},
                "product_floor": counts["flops"] / limits["gflops"] / 1e9 / entry["replicates"],
                "batch_floor": counts["bytes"] / limits["gbytes"] / 1e9 / entry["replicates"],
            }


def find(work: Json, name: str, replicates: int) -> Json:
    return next(e for e in work["entries"] if e["name"] == name and e["replicates"] == replicates)


def whole(entry: Json) -> float:
    """Seconds of all replicates together."""
    return entry["per_run"] * entry["replicates"]


def parts_of(entry: Json) -> dict[str, float]:
    """Seconds of each part, and the rest; parts that are done alone may take a little longer than in the whole."""
    parts = entry["parts"]
    return {**parts, "rest": max(0.0, whole(entry) - sum(parts.values()))} if parts else {}


def busy(results: Json) -> float:
    """How much longer the clock ran than the processor worked: above 1 when the machine had other things to do."""
    clock, processor = (sum(sum(entry[key]) for _, entry in entries(results)) for key in ("clock", "processor"))
    return clock / processor if processor else 1.0


def figures(value: float) -> str:
    """Two figures, or all of a large number: 0.016, 1.4, 22, 1,234."""
    digits = (
        0 if abs(value) >= 10 else 1 if abs(value) >= 1 else 2 if abs(value) >= 0.1 else 3 if abs(value) >= 0.01 else 4
    )
    return f"{value:,.{digits}f}"


def ms(seconds: float) -> str:
    return figures(1000 * seconds)


def times(factor: float) -> str:
    return f"{figures(factor)}×"


# --- the figure ------------------------------------------------------------------------------------------------------


def draw(results: Json) -> Figure:
    """Speed beside fastai's, a line a work and number of replicates; below, how time and memory grow."""
    rows = list(speed_rows(results))
    heights = (1.2 + 0.3 * len(rows), 2.8 if results["growth"] else 0.01)
    figure = Figure(figsize=(9.6, sum(heights)))
    halves = figure.add_gridspec(2, 1, height_ratios=heights)
    upper, lower = figure.add_subfigure(halves[0]), figure.add_subfigure(halves[1])
    if rows:
        _speeds(upper.subplots(), rows)
    for index, series in enumerate(results["growth"]):
        _growth(lower.add_subplot(1, len(results["growth"]), index + 1), series)
    return figure


def _speeds(ax: Axes, rows: list[Json]) -> None:
    for index, name in enumerate(COLUMNS):
        found = [(row["speed"][name], place) for place, row in enumerate(rows) if name in row["speed"]]
        if found:
            marker = "o" if name in OURS else "D"
            ax.plot(
                *zip(*found, strict=True), marker, color=colour(index), label=name, markersize=8 if name in OURS else 6
            )
    labels = [f"{row['work'].partition(', ')[0]}, {row['replicates']}" for row in rows]
    ax.set_yticks(range(len(rows)), labels)
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: times(value)))
    ax.set(xlabel="runs in the time of one by fastai's Learner", title="Speed, by work and replicates")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))


def _growth(ax: Axes, series: Json) -> None:
    sizes = series["sizes"]
    ax.loglog(sizes, [1000 * taken for taken in series["seconds"]], "o-", color=colour(0), markersize=3, label="ms")
    ax.loglog(sizes, [used / 2**20 for used in series["memory"]], "o-", color=colour(1), markersize=3, label="MiB")
    ax.set(xlabel=series["along"], title=f"One to {sizes[-1]:,} {series['along']}")
    ax.legend()
