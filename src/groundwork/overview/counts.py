"""How many of the claims hold, and how many of the printed values come out again."""

from collections.abc import Iterable
from typing import Any

VERDICTS = ("holds", "fails", "undecided")
PRINTED_VERDICTS = ("exact", "consistent", "explained", "inconsistent")


def counts(rows: Iterable[dict[str, Any]], verdicts: tuple[str, ...]) -> dict[str, int]:
    """How many rows have each verdict; also the verdicts that no row has."""
    found = [row["verdict"] for row in rows]
    return {verdict: found.count(verdict) for verdict in verdicts}
