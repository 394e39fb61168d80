"""params.yaml as types: everything is checked here once, before anything runs.

A study's variants are its `fixed` settings, overridden by each of its `variants`, times every point of its `grid`.
"""

from collections.abc import Hashable, Iterable, Iterator
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from groundwork.common.errors import ParamsError, one_line
from groundwork.common.numerics import Profile
from groundwork.common.paths import PARAMS
from groundwork.common.plain import read_plain
from groundwork.common.settings import (
    FAMILIES,
    SETTINGS,
    TRAINED,
    Checked,
    Count,
    Dataset,
    Downloads,
    HighDimensionalData,
    LinearDigitsSettings,
    LinearSettings,
    MeanImageSettings,
    Model,
    NetSettings,
    PlanckData,
    PlanckSettings,
    RegressionData,
    Setting,
    Settings,
    Variant,
    plain,
)
from groundwork.common.studies import study_names

MOST_VARIANTS = 500  # a study with more is a mistake: each is trained, drawn and shown in MLflow
MOST_NUMBERS = 10**9  # of a dataset: 4 GB

DatasetName = Annotated[str, Field(pattern=r"^[a-z0-9_]+$", max_length=100)]  # a part of a file's and a stage's name
VariantName = Annotated[str, Field(pattern=r"^[\w.=+-]([\w .=+-]*[\w.=+-])?$", max_length=100)]


class Study(Checked):
    """One question: which settings are compared, on which data, for how many replicates."""

    dataset: str
    model: Model
    replicates: Count
    block_size: Count
    fixed: dict[str, Setting] = Field(default_factory=dict)
    grid: dict[str, Annotated[list[Setting], Field(min_length=1)]] = Field(default_factory=dict)
    variants: dict[VariantName, dict[str, Setting]] = Field(default={"": {}}, min_length=1)
    fewer: dict[VariantName, Count] = Field(default_factory=dict)  # replicates of variants that are too dear for all

    def expand(self) -> list[Variant]:
        """The variants, in the order of params.yaml; the names of grid points read `lr=0.03 epochs=3`."""
        return [
            Variant(
                name=name,
                settings=SETTINGS[self.model].validate_python(settings),
                replicates=self.fewer.get(name, self.replicates),
            )
            for name, settings, _ in self.points()
        ]

    def points(self) -> Iterator[tuple[str, dict[str, Setting], dict[str, str]]]:
        """Each variant's name, unchecked settings, and the place of each setting in the block (for messages)."""
        for name, overrides in self.variants.items():
            for values in product(*self.grid.values()):
                point = dict(zip(self.grid, values, strict=True))
                label = " ".join(f"{key}={plain(value)}" for key, value in point.items())
                places = {
                    **{key: f"fixed.{key}" for key in self.fixed},
                    **{key: f"variants.{name}.{key}" for key in overrides},
                    **{key: f"grid.{key}" for key in point},
                }
                yield f"{name} {label}".strip() or "default", {**self.fixed, **overrides, **point}, places


class Params(Checked):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=10**18)]
    numerics: Profile
    jobs: Literal["auto"] | Count
    downloads: Downloads
    datasets: dict[DatasetName, Dataset]
    studies: dict[str, Study]

    def data_of(self, study: str) -> Dataset | None:
        """How the data of a study are made, if they are synthetic."""
        return self.datasets.get(self.studies[study].dataset.removeprefix("generated/"))


# --- reading and checking ------------------------------------------------------------------------------------------


def read_params(path: Path = PARAMS) -> Params:
    """Read and check params.yaml; anything wrong is a `ParamsError` of one line: file, key, value, what is allowed."""
    block = read_plain(path)
    try:
        params = Params.model_validate(block)
    except ValidationError as error:
        raise ParamsError(f"{path}: {_explain(error, block)}") from None
    for name, data in params.datasets.items():
        numbers = sum(prod(shape) for shape in data.shapes.values())
        if numbers > MOST_NUMBERS:
            raise ParamsError(f"{path}: datasets.{name}: {numbers} numbers; allowed: at most {MOST_NUMBERS}")
    for name, study in params.studies.items():
        problem = _problem_of(name, study, params)
        if problem:
            raise ParamsError(f"{path}: {problem}")
    for name, study in params.studies.items():  # now that the studies that they name are in order
        problem = _problem_of_rungs(name, study, params) if study.model == "rung" else None
        if problem:
            raise ParamsError(f"{path}: {problem}")
    return params


def _problem_of(name: str, study: Study, params: Params) -> str | None:
    """What is wrong with a study beyond the types of its keys."""
    here = f"studies.{one_line(name)}"
    if name not in study_names():
        return f"{here}: unknown study; allowed: {', '.join(study_names())}"
    families = {f"raw/{key}": "mnist" for key in type(params.downloads).model_fields}
    families |= {f"generated/{key}": data.family for key, data in params.datasets.items()}
    families |= {"evaluated/mnist_sample": "evaluated"}
    datasets, networks = TRAINED.get(name, (families, None))
    suitable = [key for key in datasets if families[key] in FAMILIES[study.model]]
    if study.dataset not in suitable:
        return f"{here}.dataset = {one_line(study.dataset)}: allowed for model {study.model}: {_listed(suitable)}"
    if len(study.variants) * prod(len(values) for values in study.grid.values()) > MOST_VARIANTS:
        return f"{here}: too many variants; allowed: at most {MOST_VARIANTS}"
    data = params.data_of(name)
    if data and study.replicates > data.replicates:
        limit = f"datasets.{study.dataset.removeprefix('generated/')}.replicates = {data.replicates}"
        return f"{here}.replicates = {study.replicates}: allowed: at most {limit}"
    names = []
    for point, settings, places in study.points():
        try:
            checked = SETTINGS[study.model].validate_python(settings)
        except ValidationError as error:
            return _explain(error, settings, here, places)
        misfit = _misfit(checked, study.dataset, data, networks)
        if misfit:
            key, allowed = misfit
            return f"{here}.{places[key]} = {plain(getattr(checked, key))}: {allowed}"
        if point in names:
            return f"{here}: two variants are called '{point}'"
        names.append(point)
    for point, replicates in study.fewer.items():
        if point not in names:
            return f"{here}.fewer.{point}: no such variant; allowed: {_listed(names)}"
        if replicates > study.replicates:
            return f"{here}.fewer.{point} = {replicates}: allowed: at most {here}.replicates = {study.replicates}"
    return None


def _problem_of_rungs(name: str, study: Study, params: Params) -> str | None:
    """What is wrong with a ladder: each rung is a classifier of 3s and 7s that another study trains."""
    classifiers: dict[str, dict[str, int]] = {}  # study → variant → replicates
    for other, block in params.studies.items():
        if block.model == "digits" and block.dataset == "raw/mnist_sample":
            for variant in block.expand():
                if not isinstance(variant.settings, MeanImageSettings):
                    classifiers.setdefault(other, {})[variant.name] = variant.replicates
    here = f"studies.{name}"
    for variant, (_, _, places) in zip(study.expand(), study.points(), strict=True):
        rung = variant.settings
        runs = classifiers.get(rung.study)
        if runs is None:
            return f"{here}.{places['study']} = {one_line(rung.study)}: allowed: {_listed(classifiers)}"
        if rung.run not in runs:
            return f"{here}.{places['run']} = {one_line(rung.run)}: allowed: {_listed(runs)}"
        if variant.replicates > runs[rung.run]:
            most = f"at most the {runs[rung.run]} of {rung.study}"
            return f"{here}: {variant.replicates} replicates of '{variant.name}': allowed: {most}"
    return None


def _misfit(
    settings: Settings, dataset: str, data: Dataset | None, networks: list[str] | None
) -> tuple[str, str] | None:
    """The first setting that the study or its data cannot serve, and what they can."""
    network = getattr(settings, "network", None)
    if networks and network not in networks:  # of another model there is none
        return "network", f"allowed in this study: {', '.join(networks)}"
    two_labels = dataset == "raw/mnist_sample"
    if two_labels and isinstance(settings, LinearDigitsSettings | NetSettings) and settings.loss == "cross_entropy":
        return "loss", "needs an output a digit; allowed with one: mnist_loss"
    if isinstance(settings, PlanckSettings) and isinstance(data, PlanckData):
        if settings.T_true not in data.temperatures:
            return "T_true", f"allowed: {_listed(map(plain, data.temperatures))}, as {dataset} has"
    elif isinstance(settings, LinearSettings) and isinstance(data, RegressionData | HighDimensionalData):
        for key, most in (("rows", data.train), ("inputs", data.shapes["train/X"][-1])):
            if (getattr(settings, key) or 0) > most:
                return key, f"allowed: at most {most}, as {dataset} has"
    return None


def _explain(error: ValidationError, block: object, prefix: str = "", places: dict[str, str] | None = None) -> str:
    """The first problem that pydantic found in a block, as `key = value: what is allowed`."""
    problems = error.errors(include_url=False)
    first = problems[0]
    keys = _keys(first, block)
    alternatives = [problem for problem in problems if _keys(problem, block) == keys]  # one for each member of a union
    if places and keys:
        keys[0] = places.get(str(keys[0]), keys[0])
    key = one_line(".".join(str(part) for part in ([prefix] if prefix else []) + keys)) or "the file"
    message = " or ".join(one_line(problem["msg"]) for problem in alternatives).partition(" or instance of")[0]
    for theirs, ours in ((" or Input should be", " or"), ("Input should be", "must be"), ("String should", "must")):
        message = message.replace(theirs, ours)
    value = f" = {one_line(first['input'])}" if not isinstance(first["input"], dict) else ""
    match first["type"]:
        case "missing" | "union_tag_not_found":
            value, message = "", "missing"
        case "union_tag_invalid":
            value, message = f" = {one_line(first['ctx']['tag'])}", f"must be one of {first['ctx']['expected_tags']}"
        case "unknown_key" | "rows":
            value = ""
    others = len(problems) - len(alternatives)
    more = f" (and {others} more)" if others else ""
    return f"{key}{value}: {message}{more}"


def _keys(problem: ErrorDetails, block: Any) -> list[Hashable]:
    """The keys that lead to a problem as the file has them; pydantic names the members of unions among them."""
    keys: list[Hashable] = []
    for part in problem["loc"]:
        if part in (block if isinstance(block, dict) else range(len(block)) if isinstance(block, list) else ()):
            keys.append(part)
            block = block[part]
    if problem["type"] == "missing":
        keys.append(problem["loc"][-1])
    if problem["type"] == "unknown_key":
        keys.append(problem["ctx"]["key"])
    if problem["type"].startswith("union_tag"):
        keys.append(problem["ctx"]["discriminator"].strip("'"))
    return keys


def _listed(names: Iterable[str]) -> str:
    return one_line(", ".join(names), 1000) or "none"
