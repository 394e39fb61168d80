"""MNIST_SAMPLE as its publisher has it: a folder a digit, a PNG a picture; the peers load these."""

from PIL import Image

from bench.works import MNIST, PARTS, PICTURES
from groundwork.common.files import replacing
from groundwork.common.tensors import load_tensors


def write_pictures() -> None:
    """Write the folders once, from our one file."""
    if PICTURES.exists():
        return
    tensors = load_tensors(MNIST)
    with replacing(PICTURES) as folder:
        for part in PARTS:
            for digit in ("3", "7"):
                (folder / part / digit).mkdir(parents=True)
            rows = zip(*(tensors[f"{part}/{key}"] for key in ("images", "labels", "index")), strict=True)
            for image, is_three, index in rows:
                Image.fromarray(image).save(folder / part / ("3" if is_three else "7") / f"{index}.png")
