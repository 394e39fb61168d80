"""params.yaml as types: everything is checked here once, before anything runs.

A study's variants are its `fixed` settings, overridden by each of its `variants`, times every point of its `grid`.
"""

from collections.abc import Hashable
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from groundwork.common.errors import ParamsError
from groundwork.common.numerics import Profile
from groundwork.common.paths import PARAMS
from groundwork.common.settings import (
    FAMILIES,
    SETTINGS,
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
from groundwork.studies import study_names

MOST_VARIANTS = 500  # a study with more is a mistake: each is trained, drawn and shown in MLflow

DatasetName = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]  # a part of a file's and a stage's name
VariantName = Annotated[str, Field(pattern=r"^[\w.=+-]([\w .=+-]*[\w.=+-])?$")]


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

    def points(self) -> list[tuple[str, dict[str, Setting], dict[str, str]]]:
        """Each variant's name, unchecked settings, and the place of each setting in the block (for messages)."""
        found = []
        for name, overrides in self.variants.items():
            for values in product(*self.grid.values()):
                point = dict(zip(self.grid, values, strict=True))
                label = " ".join(f"{key}={plain(value)}" for key, value in point.items())
                places = {
                    **{key: f"fixed.{key}" for key in self.fixed},
                    **{key: f"variants.{name}.{key}" for key in overrides},
                    **{key: f"grid.{key}" for key in point},
                }
                found.append((f"{name} {label}".strip() or "default", {**self.fixed, **overrides, **point}, places))
        return found


class Params(Checked):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0)]
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
    try:
        block = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path} is not here: run this from the root of the repository") from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ParamsError(f"{path}{where}: {_one_line(error.problem)}") from None
    except (YAMLError, ValueError, KeyError, RecursionError) as error:  # the month 13, `!!bool maybe`, endless nesting
        raise ParamsError(f"{path}: not YAML: {_one_line(error)}") from None
    try:
        params = Params.model_validate(block)
    except ValidationError as error:
        raise ParamsError(f"{path}: {_explain(error, block)}") from None
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
    here = f"studies.{name}"
    if name not in study_names():
        return f"{here}: unknown study; allowed: {', '.join(study_names())}"
    families = {f"raw/{key}": "mnist" for key in type(params.downloads).model_fields}
    families |= {f"generated/{key}": data.family for key, data in params.datasets.items()}
    families |= {"evaluated/mnist_sample": "evaluated"}
    suitable = [key for key, family in families.items() if family in FAMILIES[study.model]]
    if study.dataset not in suitable:
        return f"{here}.dataset = {study.dataset}: allowed for model {study.model}: {', '.join(suitable) or 'none'}"
    count = len(study.variants) * prod(len(values) for values in study.grid.values())
    if count > MOST_VARIANTS:
        return f"{here}: {count} variants; allowed: at most {MOST_VARIANTS}"
    points = study.points()
    names = [point for point, _, _ in points]
    for point in names:
        if names.count(point) > 1:
            return f"{here}: two variants are called '{point}'"
    for name_of_one, replicates in study.fewer.items():
        if name_of_one not in names:
            return f"{here}.fewer.{name_of_one}: no such variant; allowed: {', '.join(names)}"
        if replicates > study.replicates:
            return f"{here}.fewer.{name_of_one} = {replicates}: allowed: at most {here}.replicates = {study.replicates}"
    for _, settings, places in points:
        try:
            checked = SETTINGS[study.model].validate_python(settings)
        except ValidationError as error:
            return _explain(error, settings, here, places)
        one_output = study.dataset == "raw/mnist_sample" and isinstance(checked, LinearDigitsSettings | NetSettings)
        if one_output and checked.loss == "cross_entropy":
            return f"{here}.{places['loss']} = cross_entropy: needs an output a digit; allowed with one: mnist_loss"
        if study.dataset.startswith("generated/"):
            data = params.datasets[study.dataset.removeprefix("generated/")]
            if study.replicates > data.replicates:
                limit = f"datasets.{study.dataset.removeprefix('generated/')}.replicates = {data.replicates}"
                return f"{here}.replicates = {study.replicates}: allowed: at most {limit}"
            misfit = _misfit(checked, data)
            if misfit:
                key, allowed = misfit
                return (
                    f"{here}.{places[key]} = {plain(getattr(checked, key))}: allowed: {allowed}, as {study.dataset} has"
                )
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
            return f"{here}.{places['study']} = {rung.study}: allowed: {', '.join(classifiers) or 'none'}"
        if rung.run not in runs:
            return f"{here}.{places['run']} = {rung.run}: allowed: {', '.join(runs)}"
        if variant.replicates > runs[rung.run]:
            most = f"at most the {runs[rung.run]} of {rung.study}"
            return f"{here}: {variant.replicates} replicates of '{variant.name}': allowed: {most}"
    return None


def _misfit(settings: Settings, data: Dataset) -> tuple[str, str] | None:
    """The first setting that the data cannot serve, and what they can."""
    if isinstance(settings, PlanckSettings) and isinstance(data, PlanckData):
        if settings.T_true not in data.temperatures:
            return "T_true", ", ".join(plain(T) for T in data.temperatures)
    elif isinstance(settings, LinearSettings) and isinstance(data, RegressionData | HighDimensionalData):
        for key, most in (("rows", data.train), ("inputs", len(data.weights))):
            if (getattr(settings, key) or 0) > most:
                return key, f"at most {most}"
    return None


def _explain(error: ValidationError, block: object, prefix: str = "", places: dict[str, str] | None = None) -> str:
    """The first problem that pydantic found in a block, as `key = value: what is allowed`."""
    problems = error.errors(include_url=False)
    first = problems[0]
    keys = _keys(first, block)
    alternatives = [problem for problem in problems if _keys(problem, block) == keys]  # one for each member of a union
    if places and keys:
        keys[0] = places.get(str(keys[0]), keys[0])
    key = _one_line(".".join(str(part) for part in ([prefix] if prefix else []) + keys)) or "the file"
    message = " or ".join(_one_line(problem["msg"]) for problem in alternatives).partition(" or instance of")[0]
    for theirs, ours in ((" or Input should be", " or"), ("Input should be", "must be"), ("String should", "must")):
        message = message.replace(theirs, ours)
    value = f" = {_one_line(first['input'])}" if not isinstance(first["input"], dict) else ""
    match first["type"]:
        case "missing" | "union_tag_not_found":
            value, message = "", "missing"
        case "union_tag_invalid":
            value, message = f" = {_one_line(first['ctx']['tag'])}", f"must be one of {first['ctx']['expected_tags']}"
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


def _one_line(text: object, most: int = 300) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= most else line[:most] + "…"
