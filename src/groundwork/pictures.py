"""Any picture of a digit as MNIST would have it: 28×28 grey values, light ink on black paper.

MNIST scales a digit to fit 20×20 pixels, its aspect ratio kept, and puts its centre of mass at the centre of 28×28
(LeCun et al. 1998, §III). So is every picture here, but for those that are 28×28 already.
"""

import math
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from groundwork.common.errors import UserError

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "PPM")
SIDE, BOX = 28, 20  # pixels
CENTRE = SIDE / 2
LARGE = 1024  # pixels a side; a photograph's finer detail only costs memory
FAINT = 64  # of 255: fainter pixels do not count for how large a digit is


def read_digit(path: Path) -> np.ndarray:
    """A picture file as (28, 28) uint8, ink light; what is no picture with something on it is a `UserError`."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UserError("not a file")  # a pipe would keep us waiting
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # oddities that do not keep a picture from being read
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:  # of an animation, the first picture
                ink = grey(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise UserError(f"not a picture; allowed: {', '.join(FORMATS)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(f"too large; allowed: at most {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except IsADirectoryError:
        raise UserError("a folder without files") from None
    except OSError as error:
        raise UserError(error.strerror or f"a damaged picture ({error})") from None
    except (SyntaxError, ValueError, struct.error) as error:  # Pillow's, of damaged parts of a file
        raise UserError(f"a damaged picture ({error})") from None
    if ink.min() == ink.max():
        raise UserError("nothing is drawn in it")
    paper = paper_of(ink)
    if ink.max() - paper < paper - ink.min():
        ink, paper = 255 - ink, 255 - paper
    return ink if ink.shape == (SIDE, SIDE) else fitted(ink.astype(float) - paper)


def grey(image: Image.Image) -> np.ndarray:
    """A picture's grey values, (height, width) uint8; what is transparent contrasts with what is drawn."""
    if image.mode.startswith("I"):  # 16 bits
        return (np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8)
    image = image.convert("RGBA").convert("LA")
    image.thumbnail((LARGE, LARGE))
    light, alpha = np.moveaxis(np.asarray(image), -1, 0)
    if not alpha.any():
        return alpha
    paper = 0.0 if np.average(light, weights=alpha) > 127.5 else 255.0
    return (paper + (light - paper) * (alpha / 255)).round().astype(np.uint8)


def paper_of(ink: np.ndarray) -> float:
    """The grey value of the paper: the median of the outermost pixels."""
    return float(np.median(np.concatenate([ink[[0, -1]].ravel(), ink[:, [0, -1]].ravel()])))


def fitted(ink: np.ndarray) -> np.ndarray:
    """What is drawn, above zero somewhere, in a picture of any size, as (28, 28) uint8 from 0 to 255."""
    ink = 255 * ink.clip(0) / ink.max()
    rows, columns = (np.flatnonzero((ink > FAINT).any(axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(BOX * side / max(ink.shape))) for side in ink.shape)
    small = np.asarray(Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.HAMMING))
    places = []
    for axis, side in ((1, height), (0, width)):
        centre = np.average(np.arange(side), weights=small.sum(axis))
        places.append(min(max(math.ceil(CENTRE - 0.5 - centre), 0), SIDE - side))
    top, left = places
    digit = np.zeros((SIDE, SIDE), np.uint8)
    digit[top : top + height, left : left + width] = small.round()
    return digit
