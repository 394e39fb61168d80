"""`groundwork verify` in its parts: what differs first, what is promised, what is run, how far a number may be off."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from safetensors.numpy import save

from groundwork.common.errors import UserError
from groundwork.verification import promise as promises
from groundwork.verification.bands import BANDS, Band
from groundwork.verification.differences import first_difference
from groundwork.verification.promise import other_versions, promise
from groundwork.verification.verify import QUICK, needed, targets_of

REPOSITORY = Path(__file__).parents[1]
STAGES = YAML(typ="safe").load(REPOSITORY / "dvc.lock")["stages"]

# --- the first difference --------------------------------------------------------------------------------------------


def parquet(**columns: object) -> bytes:
    return pd.DataFrame(columns).to_parquet(index=False)


@pytest.mark.parametrize(
    ("name", "committed", "here", "expected"),
    [
        ("runs.csv", b"a,b\n1,2\n3,4\n", b"a,b\n1,2\n3,5\n", "row 2, b: committed 4, here 5"),
        ("runs.csv", b"a,b\n1,2\n", b"a,c\n1,2\n", "columns: committed a, b, here a, c"),
        ("runs.csv", b"a\n1\n2\n", b"a\n1\n", "rows: committed 2, here 1"),
        ("runs.csv", b"a\n1\n", b"", "byte 0: committed 0x61, here end"),
        ("page.md", b"one\nthe mean is 0.123\n", b"one\nthe mean is 0.124\n", "line 2: committed the mean is 0.123, "),
        ("page.md", b"one\ntwo\n", b"one\n", "line 2: committed two, here "),
        ("plot.png", b"\x89P\x01", b"\x89P\x02", "byte 2: committed 0x01, here 0x02"),
        ("x.safetensors", b"broken", b"also broken", "byte 0: committed 0x62, here 0x61"),
        (
            "x.safetensors",
            save({"lr=0.1/w": np.zeros((2, 3), np.float32)}),
            save({"lr=0.1/w": np.array([[0, 0, 0], [0, -0.0, 7]], np.float32)}),
            "lr=0.1/w[1, 1]: committed 0.0, here -0.0",
        ),
        ("x.safetensors", save({"w": np.ones(2)}), save({"w": np.ones(3)}), "w: committed float64 (2,), here float64"),
        ("x.safetensors", save({"w": np.ones(2)}), save({"v": np.ones(2)}), "tensors: committed w, here v"),
        (
            "history.parquet",
            parquet(step=[0, 1, 2], value=[1.0, np.nan, 3.0]),
            parquet(step=[0, 1, 2], value=[1.0, np.nan, 4.0]),
            "row 3, value: committed 3.0, here 4.0",
        ),
        ("history.parquet", parquet(a=[1]), parquet(a=[1, 2]), "rows: committed 1, here 2"),
    ],
)
def test_the_first_difference(name, committed, here, expected):
    assert first_difference(name, committed, here).startswith(expected)


@given(st.binary(max_size=50), st.binary(max_size=50), st.sampled_from(["csv", "md", "safetensors", "parquet", "png"]))
def test_whatever_two_files_hold_a_difference_is_named(committed, here, kind):
    found = first_difference(f"file.{kind}", committed, here)
    assert committed == here or re.search(": committed .*, here ", found, re.DOTALL)


@given(st.lists(st.floats(width=32), min_size=1, max_size=20), st.data())
def test_the_first_tensor_value_whose_bits_differ(values, data):
    before = np.array(values, np.float32)
    after = before.copy()
    place = data.draw(st.integers(0, len(values) - 1))
    after.view(np.uint32)[place] ^= 1
    found = first_difference("x.safetensors", save({"w": before}), save({"w": after}))
    assert found.startswith(f"w[{place}]: ")


# --- what is promised ------------------------------------------------------------------------------------------------


def test_the_lock_and_what_is_installed_agree_or_are_told():
    lock = REPOSITORY / "requirements.lock"
    assert promise("portable", lock).same_bytes == (not other_versions(lock))
    assert not promise("native", lock).same_bytes


def test_another_version_takes_the_promise_back(tmp_path):
    text = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    lock = tmp_path / "requirements.lock"
    lock.write_text(re.sub(r"^numpy==.*$", "numpy==1.0", text, flags=re.MULTILINE))
    found = promise("portable", lock)
    assert not found.same_bytes
    assert re.search(r"packages +not as in requirements.lock: .*numpy [\d.]+ for 1.0", str(found))
    assert str(found).startswith("Promised here: numbers within bands\n")


def test_the_kernels_are_those_of_the_profile():
    assert promises.kernels().startswith("numpy X86_V3, OpenBLAS Haswell, torch ")
    assert promises.kernels().endswith(" AVX2; 1 thread")


# --- what is run -----------------------------------------------------------------------------------------------------


def test_a_study_needs_its_data_and_nothing_of_other_studies():
    assert needed(STAGES, ["report@planck"]) == ["check", "generate@planck", "train@planck", "report@planck"]
    ladder = needed(STAGES, ["report@mnist_ladder"])
    assert {"evaluate", "train@mnist_resnet", "train@mnist_net", "download@mnist_sample"} < set(ladder)
    assert "report@mnist_resnet" not in ladder
    assert set(needed(STAGES, ["summary"])) > {f"report@{study}" for study in ("planck", "mnist_full")}


def test_quick_studies_are_those_that_write_little():
    quick = targets_of(STAGES, [], quick=True)
    sizes = {name: stage["outs"][0]["size"] for name, stage in STAGES.items() if name.startswith("train@")}
    assert {f"train@{target.partition('@')[2]}" for target in quick} == {k for k, v in sizes.items() if v <= QUICK}
    assert 3 <= len(quick) < len(sizes) / 2
    assert targets_of(STAGES, [], quick=False) == []
    assert targets_of(STAGES, ["planck"], quick=False) == ["report@planck"]


def test_an_unknown_study_is_one_line():
    with pytest.raises(UserError, match=r"HEAD has no study plank; it has: .*planck"):
        targets_of(STAGES, ["plank"], quick=False)


# --- bands -----------------------------------------------------------------------------------------------------------


def test_every_headline_number_has_a_band():
    metrics = json.loads((REPOSITORY / "reports/metrics.json").read_text(encoding="utf-8"))
    found = {key for study in metrics.values() for name, one in study.items() if name != "claims" for key in one}
    assert found == set(BANDS)


def test_a_band_holds_what_is_near():
    band = Band(relative=0.1, absolute=0.5, measured="")
    assert [band.holds(10, here) for here in (9, 11, 11.1, None)] == [True, True, False, False]
    assert [band.holds(0, here) for here in (0.5, -0.5, 0.6)] == [True, True, False]
    assert band.holds(None, None)
    assert not band.holds(None, 1)
    assert not band.holds(1, float("nan"))


def test_the_page_has_the_bands():
    page = (REPOSITORY / "docs/reproducibility.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert rows == [
        (name, f"{band.relative:g}", f"{band.absolute:g}", band.measured) for name, band in sorted(BANDS.items())
    ]
