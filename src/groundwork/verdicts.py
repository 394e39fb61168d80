"""Which verdicts moved: the claims and printed values of the working tree beside those of a commit."""

import subprocess
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd

from groundwork.common import paths
from groundwork.common.errors import UserError, one_line


@dataclass(frozen=True)
class Table:
    """A table of verdicts: what names a row, how a line says it, and the number that the verdict is about."""

    path: Path
    keys: tuple[str, ...]  # no two rows agree in all of them
    name: str  # format of the keys
    number: str


@dataclass(frozen=True)
class Judged:
    """A row: its verdict, and the number as it is written."""

    verdict: str
    number: str


TABLES = (
    Table(paths.REPORTS / "claims.csv", ("study", "claim"), '{study}: "{claim}"', "effect"),
    Table(
        paths.REPORTS / "printed_values.csv",
        ("source", "item", "quantity", "setting"),
        "{source}, {item}: {quantity} ({setting})",
        "mean",
    ),
)


def compare(revision: str) -> None:
    """Print a line for each verdict that moved since `revision`, came or went; `UserError` if one moved."""
    moved, compared = 0, 0
    commit = commit_of(revision)
    for table in TABLES:
        before = read(table, at_commit(table.path, commit, revision), f"{table.path} of {revision}")
        after = read(table, in_working_tree(table.path), str(table.path))
        for line in [*(changes := moves(table, before, after)), *comings(before, after)]:
            print(line)
        moved += len(changes)
        compared += len(before.keys() & after.keys())
    if moved:
        raise UserError(f"verdicts that differ from {revision}: {moved}; commit them with the reason, or mend the code")
    print(f"No verdict differs from {revision}; compared: {compared}")


def moves(table: Table, before: dict[str, Judged], after: dict[str, Judged]) -> list[str]:
    """A line for each verdict that is not what it was."""
    return [
        f"{name}: {before[name].verdict} -> {now.verdict}, {table.number} {before[name].number} -> {now.number}"
        for name, now in after.items()
        if name in before and before[name].verdict != now.verdict
    ]


def comings(before: dict[str, Judged], after: dict[str, Judged]) -> list[str]:
    """A line for each row that was not there before, or is not there any more."""
    added = [f"added: {name}: {row.verdict}" for name, row in after.items() if name not in before]
    return added + [f"removed: {name}: {row.verdict}" for name, row in before.items() if name not in after]


def read(table: Table, text: str, where: str) -> dict[str, Judged]:
    """The rows of a table, by name, from its text; `UserError` if it is none, or names two rows alike."""
    columns = [*table.keys, table.number, "verdict"]
    try:
        rows = pd.read_csv(StringIO(text), dtype=str, keep_default_na=False, na_values={"verdict": [""]})
    except ValueError as error:  # pandas' parser errors are
        raise UserError(f"{where} is damaged: {one_line(error)}") from None
    missing = [column for column in columns if column not in rows.columns]
    if missing:
        raise UserError(f"{where} is damaged: it has no column {missing[0]}")
    broken = rows["verdict"].isna()
    if broken.any():
        raise UserError(f"{where} is damaged: row {broken.argmax() + 1} has no verdict")
    found: dict[str, Judged] = {}
    for row in rows[columns].to_dict("records"):
        name = table.name.format_map(row).removesuffix(" ()")  # where the source has no setting
        if name in found:
            raise UserError(f"{where} has two rows that cannot be told apart: {name}")
        found[name] = Judged(row["verdict"], row[table.number])
    return found


def in_working_tree(path: Path) -> str:
    """The text of a file, which must be there."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: make it again with `dvc repro summary`") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged: {error}") from None


def commit_of(revision: str) -> str:
    """The hash of the commit that a revision names."""
    done = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if done.returncode == 1:
        raise UserError(f"git knows no commit {revision!r}")
    if done.returncode:
        raise UserError(f"git says: {one_line(done.stderr)}")
    return done.stdout.strip()


def at_commit(path: Path, commit: str, revision: str) -> str:
    """The text of a file as it was committed."""
    done = _git("show", f"{commit}:./{path.as_posix()}")
    if done.returncode:
        raise UserError(f"{path} is not in {revision}; git says: {one_line(done.stderr)}")
    return done.stdout


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise UserError("git is not installed, and the verdicts to compare with are in its history") from None
