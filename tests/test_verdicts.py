"""Verdicts that moved since a commit, in a small repository with tables of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from groundwork.common.errors import UserError
from groundwork.verdicts import compare

REPOSITORY = Path(__file__).parents[1]
CLAIMS = """\
study,claim,source,effect,verdict
shuffling,"Sorted, rows do harm.",ours,0.5,holds
shuffling,The order is all.,ours,1,holds
ohm,The order is all.,ours,0.1,undecided
"""
PRINTED = """\
source,item,quantity,setting,mean,verdict
d2l-3.4.6,2-ohm,w_error,lr=0.03 epochs=3,0.28,consistent
fastbook-04,gradient,grad_x2_at_3,,6,exact
"""


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """The two tables, committed, in the folder where we are: the path of `claims.csv` and of `printed_values.csv`."""
    monkeypatch.chdir(tmp_path)
    for key in [key for key in os.environ if key.startswith("GIT_")]:
        monkeypatch.delenv(key)
    claims, printed = Path("reports/claims.csv"), Path("reports/printed_values.csv")
    claims.parent.mkdir()
    claims.write_text(CLAIMS, encoding="utf-8")
    printed.write_text(PRINTED, encoding="utf-8")
    git("init", "--quiet")
    commit()
    return claims, printed


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True)


def commit() -> None:
    git("add", "--all")
    git("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "commit", "--quiet", "--message", "tables")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def refused(revision: str = "HEAD") -> str:
    with pytest.raises(UserError) as caught:
        compare(revision)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_moved(tables, capsys):
    compare("HEAD")
    assert capsys.readouterr().out == "No verdict differs from HEAD; compared: 5\n"


def test_each_that_moved_is_a_line(tables, capsys):
    claims, printed = tables
    edit(claims, "0.5,holds", "-0.25,fails")
    edit(printed, "6,exact", "5.9,inconsistent")
    edit(printed, "0.28,consistent", "-0.4,inconsistent")
    assert refused() == "verdicts that differ from HEAD: 3; commit them with the reason, or mend the code"
    assert capsys.readouterr().out.splitlines() == [
        'shuffling: "Sorted, rows do harm.": holds -> fails, effect 0.5 -> -0.25',
        "d2l-3.4.6, 2-ohm: w_error (lr=0.03 epochs=3): consistent -> inconsistent, mean 0.28 -> -0.4",
        "fastbook-04, gradient: grad_x2_at_3: exact -> inconsistent, mean 6 -> 5.9",
    ]


def test_an_effect_may_move_within_its_verdict(tables, capsys):
    edit(tables[0], "0.5,holds", "0.6,holds")
    compare("HEAD")
    assert capsys.readouterr().out == "No verdict differs from HEAD; compared: 5\n"


def test_the_same_sentence_in_another_study_is_another_claim(tables, capsys):
    edit(tables[0], "ours,0.1,undecided", "ours,0.2,holds")
    refused()
    assert capsys.readouterr().out == 'ohm: "The order is all.": undecided -> holds, effect 0.1 -> 0.2\n'


def test_what_came_and_what_went(tables, capsys):
    """A sentence that is worded anew is both; neither is a verdict that moved."""
    edit(tables[0], "Sorted, rows do harm.", "Sorted rows do harm.")
    compare("HEAD")
    assert capsys.readouterr().out.splitlines() == [
        'added: shuffling: "Sorted rows do harm.": holds',
        'removed: shuffling: "Sorted, rows do harm.": holds',
        "No verdict differs from HEAD; compared: 4",
    ]


def test_the_order_of_rows_and_columns_does_not_matter(tables, capsys):
    header, *rows = PRINTED.splitlines()
    turned = [",".join(reversed(line.split(","))) for line in (header, *reversed(rows))]
    tables[1].write_text("\n".join(turned) + "\n", encoding="utf-8")
    compare("HEAD")
    assert capsys.readouterr().out == "No verdict differs from HEAD; compared: 5\n"


def test_any_commit_will_do(tables, capsys):
    git("tag", "first")
    edit(tables[0], "0.5,holds", "-0.25,fails")
    commit()
    compare("HEAD")
    assert refused("HEAD~1") == "verdicts that differ from HEAD~1: 1; commit them with the reason, or mend the code"
    assert refused("first").startswith("verdicts that differ from first: 1;")
    assert capsys.readouterr().out.count("holds -> fails") == 2


# --- what can be wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", ["nonsense", "HEAD~1", "HEAD:reports", "--all", ""])
def test_a_revision_that_is_no_commit(tables, revision):
    assert refused(revision) == f"git knows no commit {revision!r}"


def test_a_table_that_was_not_committed(tables):
    git("rm", "--quiet", "--cached", "reports/printed_values.csv")
    git("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "commit", "--quiet", "--message", "one less")
    assert refused().startswith("reports/printed_values.csv is not in HEAD; git says: ")


def test_a_table_that_is_missing(tables):
    tables[0].unlink()
    assert refused() == "reports/claims.csv is missing: make it again with `dvc repro summary`"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "No columns to parse from file"),
        ("study,claim,verdict\n", "it has no column effect"),
        (CLAIMS + "ohm,a,b,c,d,e,f\n", "Expected 5 fields in line 5, saw 7"),
        (CLAIMS + "ohm,It breaks off\n", "row 4 has no verdict"),
        (CLAIMS + 'ohm,"It breaks off', "EOF inside string"),
    ],
)
def test_a_table_that_is_damaged(tables, text, problem):
    tables[0].write_text(text, encoding="utf-8")
    message = refused()
    assert message.startswith("reports/claims.csv is damaged: ")
    assert problem in message


def test_a_table_that_was_committed_damaged(tables):
    tables[0].write_text("study,claim\n", encoding="utf-8")
    commit()
    tables[0].write_text(CLAIMS, encoding="utf-8")
    assert refused() == "reports/claims.csv of HEAD is damaged: it has no column effect"


def test_a_table_that_is_not_text(tables):
    tables[0].write_bytes(b"\xff\xfe")
    assert refused().startswith("reports/claims.csv is damaged: 'utf-8' codec can't decode")


def test_two_claims_of_a_study_may_not_share_a_sentence(tables):
    tables[0].write_text(CLAIMS + "ohm,The order is all.,d2l,0.1,holds\n", encoding="utf-8")
    assert refused() == 'reports/claims.csv has two rows that cannot be told apart: ohm: "The order is all."'


def test_no_repository(tables):
    shutil.rmtree(".git")
    assert refused().startswith("git says: fatal: not a git repository")


def test_no_git(tables, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert refused().startswith("git is not installed")


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_ends_with_one_if_a_verdict_moved(tables):
    shutil.copy(REPOSITORY / "params.yaml", "params.yaml")
    command = [sys.executable, "-m", "groundwork", "verdicts", "--against", "HEAD"]
    before = subprocess.run(command, capture_output=True, encoding="utf-8")
    edit(tables[0], "0.5,holds", "-0.25,fails")
    after = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert (before.returncode, before.stderr) == (0, "")
    assert after.returncode == 1
    assert after.stdout == 'shuffling: "Sorted, rows do harm.": holds -> fails, effect 0.5 -> -0.25\n'
    assert after.stderr.startswith("error: verdicts that differ from HEAD: 1;")
