"""The first difference of two files: where it is, the committed value, the value here."""

import csv
import io
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load

UNREADABLE = (ValueError, SafetensorError, csv.Error, OSError)  # a file cut short; UnicodeDecodeError is a ValueError
LONGEST = 60  # characters of a value that are shown


def first_difference(name: str, committed: bytes, here: bytes) -> str:
    """Where two different contents of the file `name` first differ, in its own terms: row, tensor, line or byte."""
    compare = {"csv": _of_csv, "safetensors": _of_tensors, "parquet": _of_parquet, "png": _of_bytes}
    try:
        found = compare.get(name.rpartition(".")[2], _of_text)(committed, here)
    except UNREADABLE:
        found = ""
    return found or _of_bytes(committed, here)


def _of_csv(committed: bytes, here: bytes) -> str:
    (columns, *before), (columns_here, *after) = (
        list(csv.reader(io.StringIO(content.decode()))) for content in (committed, here)
    )
    if columns != columns_here:
        return _said("columns", ", ".join(columns), ", ".join(columns_here))
    for number, (old, new) in enumerate(zip_longest(before, after), start=1):
        if old is None or new is None:
            return _said("rows", len(before), len(after))
        for column, was, is_now in zip(columns, old, new, strict=False):
            if was != is_now:
                return _said(f"row {number}, {column}", was, is_now)
    return ""


def _of_parquet(committed: bytes, here: bytes) -> str:
    before, after = (pd.read_parquet(io.BytesIO(content)) for content in (committed, here))
    if list(before) != list(after):
        return _said("columns", list(before), list(after))
    if len(before) != len(after):
        return _said("rows", len(before), len(after))
    places = [(row, column) for column in before if (row := _first(before[column], after[column])) is not None]
    if not places:
        return ""
    row, column = min(places, key=lambda place: place[0])
    return _said(f"row {row + 1}, {column}", before[column].iloc[row], after[column].iloc[row])


def _of_tensors(committed: bytes, here: bytes) -> str:
    before, after = load(committed), load(here)
    if before.keys() != after.keys():
        return _said("tensors", _missing(before, after), _missing(after, before))
    for name, old in before.items():
        new = after[name]
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            return _said(name, f"{old.dtype} {old.shape}", f"{new.dtype} {new.shape}")
        if (flat := _first(old.ravel(), new.ravel())) is not None:
            index = ", ".join(map(str, np.unravel_index(flat, old.shape)))
            return _said(f"{name}[{index}]", old.flat[flat], new.flat[flat])
    return ""


def _of_text(committed: bytes, here: bytes) -> str:
    lines = zip_longest(committed.decode().splitlines(), here.decode().splitlines(), fillvalue="")
    for number, (old, new) in enumerate(lines, start=1):
        if old != new:
            start = max(next((i for i, pair in enumerate(zip_longest(old, new)) if pair[0] != pair[1]), 0) - 20, 0)
            return _said(f"line {number}", old[start:], new[start:])
    return ""


def _of_bytes(committed: bytes, here: bytes) -> str:
    for number, (old, new) in enumerate(zip_longest(committed, here)):
        if old != new:
            return _said(f"byte {number}", *("end" if one is None else f"{one:#04x}" for one in (old, new)))
    return ""


def _first(before: Any, after: Any) -> int | None:
    """The first position at which two columns of equal length and type are not the same bits."""
    old, new = np.asarray(before), np.asarray(after)
    if old.dtype.kind == "f":  # −0 is not 0, and nan is itself
        old, new = (array.view(f"u{array.itemsize}") for array in (old, new))
    places = np.flatnonzero(old != new)
    return int(places[0]) if len(places) else None


def _missing(names: Iterable[str], others: Iterable[str]) -> str:
    return ", ".join(sorted(set(names) - set(others))) or "no others"


def _said(place: str, committed: object, here: object) -> str:
    old, new = (text if len(text := str(one)) <= LONGEST else text[:LONGEST] + "…" for one in (committed, here))
    return f"{place}: committed {old}, here {new}"
