"""What the reports of two studies might pass on, and their figures."""

import json

from matplotlib.figure import Figure

from groundwork.common import paths
from groundwork.common.files import write_text
from groundwork.reporting.style import house_style, save

PAGE = """\
# {title}

**What of {title}?**

a book · [all studies](index.md) · [the other](planck.md#answer) · [how verdicts are reached](claims.md)

## Answer

So it is with {title}, `x < 1`.

![A dot.](figures/learning_rate/{figure})

*A dot.*

## Claims

| verdict | claim | who says so | replicates | effect [95 % interval] |
| :-- | :-- | :-- | --: | --: |
| ✓ holds | It holds. | ours | 3 of 3 | 1 [1, 1] |
| ✗ fails | It fails. | ours | 0 of 3 | −1.23 [−1.23, −1.23] |

## Final metrics

### loss (`val/loss`)

| variant | mean |
| :-- | --: |
| calm | 0.1 |

## Settings

| variant | lr |
| :-- | --: |
| calm | 0.1 |
"""
FIGURE = "loss.svg"  # one that the answers show


def claim(text: str, verdict: str, effect: float | None = 1.0) -> dict:
    found = {"claim": text, "source": "ours", "holds": 3, "replicates": 3, "effect": effect, "ci_low": effect}
    return found | {"ci_high": effect, "verdict": verdict, "kind": "mean"}


def summary(title: str, page: str, claims: list[dict], printed: list[dict], mean: float | None) -> dict:
    return {
        "title": title,
        "question": f"What of {title}?",
        "source": "d2l §3.4.6, exercise 6",
        "answer": f"So it is with {title}.",
        "page": page,
        "replicates": [3, 3],
        "headline": {"calm": {"error": 0.123456789, "diverged": 0}, "wild": {"error": mean, "diverged": 3}},
        "claims": claims,
        "printed": printed,
    }


def write_studies() -> tuple[str, ...]:
    """Write data/reports and reports/figures in the current folder; the names of the studies."""
    value = {"source": "d2l-3.4.6", "item": "6", "quantity": "w1", "setting": "lr=3", "printed": "2.0"}
    value |= {"mean": 2.00000001, "sd": 1e-7, "low": 1.5, "high": 3e5, "replicates": 3, "verdict": "consistent"}
    value |= {"study": "learning_rate", "variant": "calm", "chance": 0.5, "rank": 1}
    value |= {"picture": {"printed": [2.0], "ours": [1.0, 2.0, 3.0]}}
    claims = [claim("It holds | a, b.", "holds"), claim("It fails.", "fails", -1.23456789)]
    claims += [claim(f"It holds {time} times.", "holds") for time in range(21)]
    with house_style():
        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([0, 1], [0, 1], "o")
        paths.figures("learning_rate").mkdir(parents=True)
        save(figure, paths.figures("learning_rate") / FIGURE)
    studies = {
        "learning_rate": summary("One", PAGE.format(title="One", figure=FIGURE), claims, [value], None),
        "planck": summary("Two", "# Two\n\n## Answer\n\nNone.\n", [claim("It may be.", "undecided", None)], [], 1e300),
    }
    for name, one in studies.items():
        write_text(paths.summary(name), json.dumps(one))
    return tuple(studies)
