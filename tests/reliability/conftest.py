"""Harm is recorded here, and the page of docs/ about it is written or checked when the tests are over.

A test takes the fixture `inflicted` and puts each harm, with all that must hold after it, into a block:

    def test_a_zero_length_out(inflicted, project):
        with inflicted("Damaged", "an out without content"):
            …harm…
            …assert that it is healed…

The first argument is a kind of `ledger.KINDS`, the second the row of the page; the same row may be inflicted many
times, in one test (also inside a hypothesis test: the fixture is of the session) or in several. Counts must be the same
on every machine: nothing of a clock, a host or a path goes into a row.

`pytest tests/reliability --write-page` writes docs/reliability.md. A run of all these tests fails if the page is not
what they say, a run of some of them if it does not have their rows.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from ledger import PAGE, Ledger
from project import Project, make

LEDGER = pytest.StashKey[Ledger]()
HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-page", action="store_true", help="write docs/reliability.md from what the tests inflict")


@pytest.fixture(scope="session")
def inflicted(request: pytest.FixtureRequest) -> Callable[[str, str], AbstractContextManager[None]]:
    """inflicted(kind, what): a block that inflicts one harm and checks what is left; see the top of this file."""
    return request.config.stash.setdefault(LEDGER, Ledger()).inflicted


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    ledger = session.config.stash.get(LEDGER, Ledger())
    write = session.config.getoption("write_page", default=False)  # not known if only the folder above was named
    if not ledger.tried or (exitstatus != pytest.ExitCode.OK and not write):
        return
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    if is_whole(session):
        if write:
            PAGE.write_text(ledger.page(), encoding="utf-8", newline="\n")
            return
        differences = [] if page == ledger.page() else ledger.differences(page) or ["it has rows that no test tells"]
    else:
        differences = ledger.differences(page) + ["only all tests of this folder together write it"] * write
    if differences:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        lines = [f"{PAGE.name} is not what the tests say: pytest tests/reliability --write-page", *differences]
        print("\n" + "\n  ".join(lines))


def is_whole(session: pytest.Session) -> bool:
    """Whether all tests of this folder have run: none was left out by name or expression, none skipped."""
    config = session.config
    skipped = config.pluginmanager.get_plugin("terminalreporter").stats.get("skipped", [])
    files = set(HERE.glob("test_*.py"))
    return (
        files <= {item.path for item in session.items}
        and not (config.option.keyword or config.option.markexpr or "::" in "".join(config.args))
        and not files & {Path(config.rootpath, report.nodeid.partition("::")[0]) for report in skipped}
    )


# --- a project that has run, and copies to do harm to ----------------------------------------------------------------


@pytest.fixture(scope="session")
def lengths() -> dict[str, float]:
    """The seconds that each stage took when nothing disturbed it, by the line that DVC prints as it starts."""
    return {}


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory, lengths: dict[str, float]) -> Project:
    """A project in which all has run, and is committed. Leave it as it is."""
    project = make(tmp_path_factory.mktemp("healthy"))
    project.succeed("git", "init", "--quiet")
    with project.start("dvc", "repro") as process:
        assert process.stdout is not None
        started, line, printed = time.monotonic(), "", []
        for found in process.stdout:
            printed.append(found.decode())
            if printed[-1].startswith("> "):
                started, line = time.monotonic(), printed[-1]
            lengths[line] = time.monotonic() - started
    assert process.returncode == 0, printed
    project.succeed("git", "add", "--all")
    someone = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    project.succeed("git", *someone, "commit", "--quiet", "--message", "the results")
    return project


@pytest.fixture
def project(healthy: Project, tmp_path: Path) -> Project:
    """A copy of it to do harm to."""
    return healthy.copy(tmp_path / "project")
