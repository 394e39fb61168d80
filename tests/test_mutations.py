"""The list of mistakes fits the code, and the page says what noticed them; tests/integration makes one."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from groundwork.common.errors import UserError
from mutations.catalogue import MUTATIONS, Mutation, again
from mutations.machine import Noticed, check_anchors
from mutations.page import change, page, read_found, write_found

REPOSITORY = Path(__file__).parents[1]
PARAMS = YAML(typ="safe").load(REPOSITORY / "params.yaml")
ONE = Mutation("no root", "models/rmse.py", "sqrt(x)", "x", again("pixels"), ("models/test_rmse.py",))


def test_each_mistake_has_one_place_in_the_code():
    check_anchors(REPOSITORY, MUTATIONS)


def test_each_mistake_has_a_name_of_its_own():
    assert len({mutation.mistake for mutation in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.mistake)
def test_what_should_notice_it_is_there(mutation):
    known = {f"generate@{dataset}" for dataset in PARAMS["datasets"]}
    known |= {f"{kind}@{study}" for study in PARAMS["studies"] for kind in ("train", "report")}
    assert {*mutation.stages} <= known
    assert mutation.stages or mutation.tests
    assert all((REPOSITORY / "tests" / test.partition("::")[0]).is_file() for test in mutation.tests)


@pytest.mark.parametrize(("text", "places"), [("", 0), ("sqrt(y)", 0), ("sqrt(x) + sqrt(x)", 2), (None, 0)])
def test_a_place_that_is_gone_is_named(text, places, tmp_path):
    if text is not None:
        (tmp_path / "src/groundwork/models").mkdir(parents=True)
        (tmp_path / "src/groundwork/models/rmse.py").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        check_anchors(tmp_path, [ONE])
    assert str(caught.value) == (
        f"mutation 'no root': src/groundwork/models/rmse.py has {places} places with `sqrt(x)`, not one: "
        "mend tests/mutations/catalogue.py"
    )


def test_the_page_counts_what_noticed_what():
    found = {
        ONE: Noticed(('pixels: "A | B": holds -> fails', "another", "a third"), ("models/test_rmse.py::test_root",)),
        Mutation("no sum", "a.py", "sum(\n    x\n)", "x", (), ("test_a.py",)): Noticed((), ("a", "b")),
        Mutation("no mean", "a.py", "mean(x)", "x", ("report@pixels",), ()): Noticed(("moved",), ()),
        Mutation("no use", "a.py", "if x:", "if True:", ("report@pixels",), ("test_a.py",)): Noticed((), ()),
    }
    text = " ".join(page(found).split("\n\n")[2].split())
    assert text.startswith("3 of 4 mistakes are noticed: 2 by a claim or a printed value, 2 by a unit test, 1 by both.")
    assert re.findall(r"^\| no .*$", page(found), re.MULTILINE) == [
        "| no root | models/rmse.py: `sqrt(x)` → `x` | train@pixels, report@pixels | "
        'pixels: "A \\| B": holds -> fails (and 2 more) | `models/test_rmse.py::test_root` |',
        "| no sum | a.py: `sum( x )` → `x` | – | – | `a` (and 1 more) |",
        "| no mean | a.py: `mean(x)` → `x` | report@pixels | moved | – |",
        "| no use | a.py: `if x:` → `if True:` | report@pixels | – | – |",
    ]


def test_what_was_found_is_kept_as_long_as_the_mistake_is_the_same(tmp_path):
    noticed = Noticed(('pixels: "A": holds -> fails',), ())
    write_found(tmp_path / "found.json", {ONE: noticed})
    other = Mutation(ONE.mistake, ONE.file, ONE.old, "x * x", ONE.stages, ONE.tests)
    assert read_found(tmp_path / "found.json", [ONE]) == {ONE: noticed}
    assert read_found(tmp_path / "found.json", [other]) == {}
    assert read_found(tmp_path / "none.json", [ONE]) == {}


def test_the_committed_page_is_about_these_mistakes():
    """What noticed them is written by `python -m tests.mutations`, which takes minutes."""
    rows = (REPOSITORY / "docs/mutations.md").read_text(encoding="utf-8").splitlines()
    found = [line.split(" | ")[:2] for line in rows if line.startswith("| ")][2:]
    assert found == [[f"| {mutation.mistake}", change(mutation).replace("|", "\\|")] for mutation in MUTATIONS]
