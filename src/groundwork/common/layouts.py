"""What each dataset's file holds: the names, types and shapes of its tensors."""

from typing import NamedTuple

from groundwork.common.params import Params


class Layout(NamedTuple):
    """Of one tensor."""

    dtype: str
    shape: tuple[int | None, ...]  # None: any number
    finite: bool = True


IMAGES = Layout("uint8", (None, 28, 28))
LABELS = Layout("uint8", (None,))
INDEX = Layout("int32", (None,))


def layouts(dataset: str, params: Params) -> dict[str, Layout]:
    """Of the tensors of a dataset, by name."""
    kind, name = dataset.split("/")
    if kind == "raw":
        tensors = {"images": IMAGES, "labels": LABELS} | ({"index": INDEX} if name == "mnist_sample" else {})
        return {f"{part}/{key}": layout for part in ("train", "valid") for key, layout in tensors.items()}
    if kind == "generated":
        return {key: Layout("float32", shape) for key, shape in params.datasets[name].shapes.items()}
    found = {"images": IMAGES, "labels": LABELS, "index": INDEX}  # evaluated, for the study that names the rungs
    for study in params.studies.values():
        if study.dataset == dataset:
            for variant in study.expand():
                rung = f"{variant.settings.study}/{variant.settings.run}"
                found[f"{rung}/predicted"] = Layout("uint8", (variant.replicates, None))
                found[f"{rung}/probability"] = Layout("float32", (variant.replicates, None), finite=False)
                found[f"{rung}/cost"] = Layout("int64", (2,))
    return found
