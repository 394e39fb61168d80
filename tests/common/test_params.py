"""params.yaml: what is right loads and expands, what is wrong is one clear line, whatever it is."""

from copy import deepcopy
from io import StringIO
from math import prod
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from beginning import BEGINNING
from groundwork.common.errors import ParamsError
from groundwork.common.params import Params, read_params
from groundwork.common.settings import LinearDigitsSettings, LinearSettings, PlanckSettings, plain

SHIPPED = Path(__file__).parents[2] / "params.yaml"

GOOD = (
    BEGINNING
    + """\
datasets:
  line: {family: regression, replicates: 5, train: 100, valid: 50, w: [2, -3.4], b: 4.2, noise: 0.01}
  star: {family: planck, replicates: 3, wavelengths: [300, 800], train: 400, temperatures: [3000, 5020], amplitude: 0.1}
studies:
  learning_rate:
    dataset: generated/line
    model: linear
    replicates: 5
    block_size: 2
    fixed: {loss: squared, optimizer: sgd, batch_size: 32, shuffle: true, sigma: 0.01}
    grid:
      lr: [0.03, 3.0]
      epochs: [1, 20]
  planck:
    dataset: generated/star
    model: planck
    replicates: 3
    block_size: 3
    fixed: {T_true: 5020, noise: common, units: SI, T_start: 3000, loss: squared, optimizer: sgd, lr: 1.0e-21,
            batch_size: 32, epochs: 5, shuffle: true}
    variants:
      as printed: {}
      cold: {T_true: 3000, units: scaled}
  mnist_linear:
    dataset: raw/mnist_sample
    model: digits
    replicates: 2
    block_size: 2
    fixed: {network: linear, loss: mnist_loss, lr: 1, batch_size: 256, optimizer: sgd, shuffle: false, epochs: 2,
            start: normal}
"""
)


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("params.yaml")


def read(file: Path, content: str | bytes) -> Params:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_params(file)


def message_of(file: Path, content: str | bytes) -> str:
    """The one line that says what is wrong."""
    with pytest.raises(ParamsError) as error:
        read(file, content)
    message = str(error.value)
    assert message.startswith("params.yaml")
    assert len(message.splitlines()) == 1
    return message


# --- what is right ---------------------------------------------------------------------------------------------------


def test_the_shipped_file_is_valid():
    params = read_params(SHIPPED)
    for study in params.studies.values():
        names = [variant.name for variant in study.expand()]
        assert (
            len(names) == len(set(names)) == len(study.variants) * prod(len(values) for values in study.grid.values())
        )


def test_a_grid_is_every_combination(file):
    variants = read(file, GOOD).studies["learning_rate"].expand()
    fixed = {"loss": "squared", "optimizer": "sgd", "batch_size": 32, "shuffle": True, "sigma": 0.01}
    assert [(variant.name, variant.settings) for variant in variants] == [
        (f"lr={name} epochs={epochs}", LinearSettings.model_validate(fixed | {"lr": lr, "epochs": epochs}))
        for name, lr in (("0.03", 0.03), ("3", 3))
        for epochs in (1, 20)
    ]


def test_variants_override_what_is_fixed(file):
    as_printed, cold = read(file, GOOD).studies["planck"].expand()
    assert (as_printed.name, cold.name) == ("as printed", "cold")
    assert isinstance(cold.settings, PlanckSettings)
    changed = cold.settings.model_dump().items() - as_printed.settings.model_dump().items()
    assert changed == {("T_true", 3000), ("units", "scaled")}


def test_without_variants_and_grid_there_is_one(file):
    (only,) = read(file, GOOD).studies["mnist_linear"].expand()
    assert only.name == "default"
    assert isinstance(only.settings, LinearDigitsSettings)


def test_variants_times_grid(file):
    text = GOOD.replace("    variants:\n", "    grid: {batch_size: [8, 16]}\n    variants:\n")
    variants = read(file, text).studies["planck"].expand()
    assert [variant.name for variant in variants] == [
        "as printed batch_size=8",
        "as printed batch_size=16",
        "cold batch_size=8",
        "cold batch_size=16",
    ]
    assert [variant.settings.batch_size for variant in variants] == [8, 16, 8, 16]


@pytest.mark.parametrize(
    ("value", "shown"), [(3.0, "3"), (0.003, "0.003"), (1e-21, "1e-21"), (5020, "5020"), (True, "True"), ("sgd", "sgd")]
)
def test_plain(value, shown):
    assert plain(value) == shown


# --- what is wrong ---------------------------------------------------------------------------------------------------

LR = "studies.learning_rate"

MISTAKES = {  # what replaces what in the good file, and what the message says
    "unknown key": ("seed: 20", "seed: 20\nsede: 21", ["sede", "unknown key", "seed, numerics, jobs"]),
    "unknown key inside": ("w: [2, -3.4]", "w: [2], v: 1", ["datasets.line", "v", "unknown key", "noise"]),
    "unknown setting": ("sigma: 0.01", "sigmoid: 0.01", [f"{LR}.fixed.sigmoid", "unknown key", "sigma"]),
    "key of another type": ("seed: 20", "seed: 20\n7: 8", ["7", "unknown key"]),
    "missing key": ("jobs: auto\n", "", ["jobs", "missing"]),
    "missing key inside": (", b: 4.2", "", ["datasets.line", "b", "missing"]),
    "missing setting": (", shuffle: true", "", [f"{LR}.shuffle", "missing"]),
    "wrong type": ("seed: 20", "seed: many", ["seed = many", "integer"]),
    "list for a number": ("seed: 20", "seed: [20]", ["seed = [20]", "integer"]),
    "fraction for a count": ("train: 100", "train: 100.5", ["datasets.line", "train = 100.5", "integer"]),
    "number for a bool": ("shuffle: true, sigma", "shuffle: 1, sigma", [f"{LR}.fixed.shuffle = 1", "boolean"]),
    "bool for a number": ("lr: [0.03, 3.0]", "lr: [true]", [f"{LR}.grid.lr = True", "number"]),
    "bool for a count": ("train: 100", "train: true", ["datasets.line", "train = True", "integer"]),
    "string for a number": ("lr: [0.03, 3.0]", "lr: ['0.03']", [f"{LR}.grid.lr = 0.03", "number"]),
    "nothing for a number": ("train: 100", "train: null", ["datasets.line", "train = None", "integer"]),
    "negative lr": ("lr: [0.03, 3.0]", "lr: [0.03, -3]", [f"{LR}.grid.lr = -3", "greater than 0"]),
    "lr of zero": ("lr: 1.0e-21", "lr: 0", ["studies.planck.fixed.lr = 0", "greater than 0"]),
    "lr of nan": ("lr: [0.03, 3.0]", "lr: [.nan]", [f"{LR}.grid.lr = nan", "finite"]),
    "lr of inf": ("lr: [0.03, 3.0]", "lr: [.inf]", [f"{LR}.grid.lr = inf", "finite"]),
    "zero epochs": ("epochs: [1, 20]", "epochs: [1, 0]", [f"{LR}.grid.epochs = 0", "greater than 0"]),
    "zero replicates": ("replicates: 5\n", "replicates: 0\n", [f"{LR}.replicates = 0", "greater than 0"]),
    "zero block": ("block_size: 3", "block_size: 0", ["studies.planck.block_size = 0", "greater than 0"]),
    "negative noise": ("noise: 0.01", "noise: -1", ["datasets.line", "noise = -1", "greater than or equal to 0"]),
    "negative seed": ("seed: 20", "seed: -1", ["seed = -1", "greater than or equal to 0"]),
    "unknown loss": ("squared, optimizer: sgd, b", "cubed, optimizer: sgd, b", [f"{LR}.fixed.loss = cubed", "'huber'"]),
    "unknown optimizer": ("sgd, batch", "adam, batch", [f"{LR}.fixed.optimizer = adam", "'torch_sgd'"]),
    "unknown model": ("model: linear", "model: cubic", [f"{LR}.model = cubic", "'linear', 'planck'"]),
    "unknown dataset": ("generated/line", "generated/lines", [f"{LR}.dataset = generated/lines", "generated/line"]),
    "unsuitable dataset": ("generated/line", "generated/star", ["dataset = generated/star", "generated/line"]),
    "unknown study": ("  learning_rate:", "  learning_rat:", ["studies.learning_rat:", "allowed", "learning_rate"]),
    "unknown family": ("family: planck", "family: plank", ["datasets.star", "plank", "'high_dimensional', 'planck'"]),
    "unknown numerics": ("numerics: portable", "numerics: fast", ["numerics = fast", "'portable' or 'native'"]),
    "unknown jobs": ("jobs: auto", "jobs: all", ["jobs", "= all", "'auto'"]),
    "unknown unit in a variant": ("units: scaled", "units: K", ["studies.planck.variants.cold.units = K", "'scaled'"]),
    "empty grid": ("lr: [0.03, 3.0]", "lr: []", [f"{LR}.grid.lr = []", "at least 1"]),
    "grid without a list": ("lr: [0.03, 3.0]", "lr: 0.03", [f"{LR}.grid.lr = 0.03", "list"]),
    "no variants": (
        "      as printed: {}\n      cold: {T_true: 3000, units: scaled}\n",
        "",
        ["studies.planck.variants"],
    ),
    "too many variants": ("epochs: [1, 20]", f"epochs: {list(range(1, 300))}", [LR, "too many", "at most 500"]),
    "far too many": ("epochs: [1, 20]", f"epochs: {[*range(999)]}\n      rows: {[*range(999)]}", [LR, "at most 500"]),
    "two variants with one name": ("lr: [0.03, 3.0]", "lr: [3, 3.0]", [LR, "'lr=3 epochs=1'"]),
    "name with a slash": ("as printed", "as/printed", ["studies.planck.variants.as/printed", "match"]),
    "too many replicates": ("replicates: 5\n", "replicates: 6\n", ["replicates = 6", "datasets.line.replicates = 5"]),
    "T without data": (
        "T_true: 3000, units",
        "T_true: 3001, units",
        ["studies.planck.variants.cold.T_true = 3001", "3000, 5020"],
    ),
    "more rows than there are": ("sigma: 0.01", "sigma: 0.01, rows: 99999", [f"{LR}.fixed.rows = 99999", "at most"]),
    "more inputs than there are": ("sigma: 0.01", "sigma: 0.01, inputs: 3", [f"{LR}.fixed.inputs = 3", "at most 2"]),
    "nothing left to validate": ("train: 400", "train: 500", ["datasets.star", "wavelengths"]),
    "address without a scheme": ("https://example.org", "example.org", ["publisher = example.org", "match"]),
    "checksum of another kind": ("md5:2d", "crc:2d", ["checksum = crc:2d", "match"]),
    "duplicate key": ("seed: 20", "seed: 20\nseed: 21", ["line 2", "duplicate key", "seed"]),
    "YAML syntax": ("lr: [0.03, 3.0]", "lr: [0.03, 3.0", ["line 3", "expected"]),
    "tab": ("  line:", "\tline:", ["line 20", "\\t"]),
    "control character": ("seed: 20", "seed: \0", ["not YAML", "#x0000"]),
    "two documents": ("seed: 20", "seed: 20\n---\nseed: 21", ["line 2", "document"]),
    "unknown tag": ("seed: 20", "seed: !!python/name:os.abort x", ["line 1", "python/name:os.abort is a tag"]),
}  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "parts"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_with_key_value_and_what_is_allowed(good, bad, parts, file):
    assert good in GOOD
    message = message_of(file, GOOD.replace(good, bad, 1))
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(("content", "said"), [("", "dictionary"), ("- 1\n", "[1]"), ("seed", "= seed")])
def test_a_file_of_another_kind(file, content, said):
    assert said in message_of(file, content)


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("train: 100", "train: 100.5", "datasets.line.train = 100.5: must be a valid integer"),
        (", b: 4.2", "", "datasets.line.b: missing"),
        ("train: 400", "train: 500", "datasets.star: wavelengths"),
        ("jobs: auto", "jobs: all", "jobs = all: must be 'auto' or a valid integer"),
        ("sigma: 0.01", "sigma: null", f"{LR}.fixed.sigma = None: must be a valid boolean or"),
        ("lr: [0.03, 3.0]", "lr: [[3]]", f"{LR}.grid.lr.0 = [3]: must be a valid boolean or"),
        ("as printed", "as/printed", "studies.planck.variants.as/printed = as/printed: must match"),
    ],
)
def test_the_key_is_as_the_file_has_it(good, bad, said, file):
    assert message_of(file, GOOD.replace(good, bad, 1)).startswith(f"params.yaml: {said}")


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        (
            "dataset: raw/mnist_sample",
            "dataset: raw/mnist",
            "dataset = raw/mnist: allowed for model digits: raw/mnist_s",
        ),
        ("network: linear,", "network: net, hidden: 3,", "fixed.network = net: allowed in this study: linear"),
        ("loss: mnist_loss,", "loss: cross_entropy,", "fixed.loss = cross_entropy: needs an output a digit"),
    ],
)
def test_what_a_study_of_digits_cannot_train_is_refused(good, bad, said, file):
    assert f"studies.mnist_linear.{said}" in message_of(file, GOOD.replace(good, bad, 1))


def test_a_dataset_that_no_disk_holds(file):
    huge = GOOD.replace(
        "{family: regression, replicates: 5, train: 100", "{family: regression, replicates: 5, train: 99999999"
    )
    assert "train = 99999999: must be less than or equal to 1000000" in message_of(file, huge)
    most = GOOD.replace("replicates: 5, train: 100, valid: 50", "replicates: 1000, train: 333333, valid: 0")
    assert "valid = 0" in message_of(file, most)
    most = most.replace("valid: 0", "valid: 1")
    assert "datasets.line: 1000002000 numbers; allowed: at most 1000000000" in message_of(file, most)
    assert read(file, most.replace("train: 333333", "train: 333332")).datasets["line"].train == 333332


def test_a_key_of_two_lines(file):
    assert "two lines: unknown key" in message_of(file, '"two\\nlines": 2\n' + GOOD)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2020-13-45", "not YAML"),
        ("!!int x", "a tag"),
        ("&a 20", "an anchor or an alias: write the values themselves"),
        ("[&a [], *a]", "an anchor or an alias"),
        ("[" * 19 + "]" * 19, "seed = [["),  # the whole file and a value are a level each
        ("[" * 20 + "]" * 20, "nested too deep; allowed: at most 20 levels"),
        ("[" * 60000, "nested too deep"),
        (f"[{'1,' * 7000}]", "seed = [1, 1"),
        (f"[{'1,' * 10000}]", "too many values; allowed: at most 10000"),
        ("9" * 1000, "seed = 999"),
        ("9" * 1001, "a value of 1001 characters; allowed: at most 1000"),
        ("0x" + "f" * 5000, "a value of 5002 characters"),  # more digits than Python turns into text
        ("# " + "x" * 2**18, "too large; allowed: at most 256 KiB"),
    ],
)
def test_a_value_that_is_huge_or_strange(file, value, said):
    assert said in message_of(file, GOOD.replace("seed: 20", f"seed: {value}"))


@pytest.mark.parametrize("name", ["../line", "a/b", "line.v2", "Line 2"])
def test_a_dataset_name_that_is_no_file_name(file, name):
    renamed = GOOD.replace("  line:", f"  {name}:").replace("generated/line", f"generated/{name}")
    assert f"datasets.{name}" in message_of(file, renamed)


def test_text_that_is_not_utf8(file):
    assert "not UTF-8" in message_of(file, GOOD.encode() + "# naïve\n".encode("latin-1"))


def test_no_file(file):
    with pytest.raises(ParamsError, match=r"params\.yaml is not here: run this from the root"):
        read_params(file)


def test_the_exit_code_is_that_of_a_usage_error():
    assert ParamsError.exit_code == 2


# --- whatever is wrong -----------------------------------------------------------------------------------------------

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
)


def places(block: object, path: tuple = ()) -> list[tuple]:
    """The path to every value of a nested block."""
    items = block.items() if isinstance(block, dict) else enumerate(block) if isinstance(block, list) else ()
    return [place for key, value in items for place in ((*path, key), *places(value, (*path, key)))]


def outcome_of(path: Path, content: str) -> str:
    """`loads`, `explains` in one line that begins with the file, or else the message."""
    path.write_bytes(content.encode())
    try:
        params = read_params(path)
    except ParamsError as error:
        message = str(error)
        return "explains" if message.startswith(f"{path}") and len(message.splitlines()) == 1 else message
    return "loads" if all(study.expand() for study in params.studies.values()) else "no variants"


@settings(max_examples=100)
@given(data=st.data())
def test_any_change_of_a_value_loads_or_explains(tmp_path_factory, data):
    yaml = YAML(typ="safe", pure=True)
    block = yaml.load(SHIPPED)
    *path, last = data.draw(st.sampled_from(places(block)))
    parent = block
    for key in path:
        parent = parent[key]
    if data.draw(st.booleans()):
        del parent[last]
    else:
        parent[last] = data.draw(anything)
    text = StringIO()
    yaml.dump(deepcopy(block), text)
    assert outcome_of(tmp_path_factory.getbasetemp() / "params.yaml", text.getvalue()) in ("loads", "explains")


@settings(max_examples=100)
@given(data=st.data())
def test_any_change_of_the_text_loads_or_explains(tmp_path_factory, data):
    text = SHIPPED.read_text(encoding="utf-8")
    start = data.draw(st.integers(0, len(text)))
    end = start + data.draw(st.integers(0, 5))
    inserted = data.draw(st.text(alphabet="\t\n :-[]{},'\"#&*!|>%@`?0123456789.~<=aé\0"))
    changed = text[:start] + inserted + text[end:]
    assert outcome_of(tmp_path_factory.getbasetemp() / "params.yaml", changed) in ("loads", "explains")
