"""What the tests of this folder inflicted, and what became of it: docs/reliability.md."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"

KINDS = {  # in the order of the page: what surviving means
    "Killed": "`kill -9` of the command and all that it has started, at a random moment of the phase. Survived: no "
    "result is half-written; the next `groundwork repro` goes on by itself, and every result, report and `dvc.lock` "
    "has the bytes of a run that nobody disturbed. So does the next `dvc repro`, unless DVC was just writing a file of "
    "its own.",
    "Damaged": "What a power cut or a failing disk leaves. Survived: it is noticed, never carried on, and healed by a "
    "plain `groundwork repro`, or one line says what to do and doing that heals it; all bytes are as before.",
    "Download": "A server that misbehaves, or an archive made to do harm. Survived: refused with one line, then the "
    "next source serves the same bytes; nothing is written outside the temporary folder, which is gone in the end.",
    "Disk": "No room, or no way to write. Survived: one clear line, an exit code that is not 0, no traceback, and what "
    "was there before is there still; with room again the next run gives the same bytes.",
    "MLflow": "The store is a projection of the results. Survived: in the end exactly one current run for each "
    "variant, and no result touched.",
    "params.yaml": "Broken files. Survived: one clear line, exit code 2, no traceback, no file changed, in little time "
    "and memory.",
    "Data files": "Results with other content than a stage writes. Survived: one line that names the file and what was "
    "expected of it.",
}

HEAD = """\
# Reliability

What the tests inflict on the pipeline, and what becomes of it. The tests write this page themselves, from what
happened: `make reliability`, or `pytest tests/reliability --write-page`. Any other run of them compares it with what
they find.
"""

SUMS = ("inflicted", "survived", "lost")

Harm = tuple[str, str]  # its kind, one of KINDS, and what it is


@dataclass
class Ledger:
    """How often each harm was inflicted, and how often nothing was lost by it."""

    tried: Counter[Harm] = field(default_factory=Counter)
    survived: Counter[Harm] = field(default_factory=Counter)

    @contextmanager
    def inflicted(self, kind: str, what: str) -> Iterator[None]:
        """A block that inflicts a harm once and checks all that must hold after it: survived if nothing is raised."""
        assert kind in KINDS
        assert " | " not in what
        self.tried[kind, what] += 1
        yield
        self.survived[kind, what] += 1

    def page(self) -> str:
        """The whole of docs/reliability.md."""
        harms = {kind: [what for of, what in self.tried if of == kind] for kind in KINDS}
        harms = {kind: whats for kind, whats in harms.items() if whats}
        overview = [(kind, len(whats), *self._sums([(kind, what) for what in whats])) for kind, whats in harms.items()]
        parts = [HEAD, markdown(("", "kinds of harm", *SUMS), overview)]
        for kind, whats in harms.items():
            rows = [(what, *self._sums([(kind, what)])) for what in whats]
            parts.append(f"## {kind}\n\n{KINDS[kind]}\n\n{markdown(('harm', *SUMS), rows)}")
        return "\n".join(parts)

    def differences(self, page: str) -> list[str]:
        """What a page does not say as the ledger does; it may count more, for not every test may have run."""
        told, kind = {}, ""
        for line in page.splitlines():
            kind = line.removeprefix("## ") if line.startswith("## ") else kind
            cells = line.strip("| ").split(" | ")
            if len(cells) == 4 and cells[1].isdecimal():
                told[kind, cells[0]] = (int(cells[1]), int(cells[3]))
        found = []
        for harm in self.tried:
            tried, survived, lost = self._sums([harm])
            if harm not in told or tried > told[harm][0] or lost > told[harm][1]:
                found.append(f"{harm[0]}: {harm[1]}: inflicted {tried}, survived {survived}, lost {lost}")
        return found

    def _sums(self, harms: list[Harm]) -> tuple[int, int, int]:
        tried, survived = (sum(counts[harm] for harm in harms) for counts in (self.tried, self.survived))
        return tried, survived, tried - survived


def markdown(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table, its first column aligned left, the others right."""
    header = list(header)
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)
