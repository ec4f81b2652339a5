"""What an audit holds: numbers and words, no tensors. ``audit.json`` is one :class:`Audit`.

Written once by the pipeline, read by every report, gate and comparison. Each field says its unit
and range; ``None`` means "not measured" and is never a number in disguise. Nothing here imports
torch. The JSON Schema published in ``auditor/schemas`` is generated from these classes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

# Log of format versions. A reader refuses a version it does not know.
# 1: first.
FORMAT_VERSION = 1

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]

Direction = Literal["associated", "not associated", "inhibiting", "inconclusive"]
"""How a concept relates to a class.

``associated``: the whole interval lies above the margin of relevance, and the corrected p-value is
below alpha. ``inhibiting``: the same below minus the margin. ``not associated``: the whole interval
lies within the margin. ``inconclusive``: everything else, or a control failed.
"""


class Record(BaseModel):
    """A frozen record; unknown fields are refused so that a typo cannot pass as data."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        protected_namespaces=(),
        use_attribute_docstrings=True,
    )


class Skipped(Record):
    """Something that was asked for and not done, with the reason: nothing vanishes."""

    what: str
    """What was skipped: ``class 'apron'``, ``concept 'textures/braided'``, ``image 'a/b.jpg'``."""
    reason: str
    """Why, with what was seen and what was needed: ``12 images, need 30``."""


class InputSpec(Record):
    """How an image becomes the model's input."""

    size: tuple[int, int, int]
    """Channels, height, width in pixels."""
    crop: float
    """Share of the resized image's side that the centre crop keeps, (0, 1]."""
    interpolation: str
    """Resampling filter: ``bicubic``, ``bilinear``, ``nearest``, ``lanczos``."""
    mean: tuple[float, ...]
    """Subtracted per channel, in units of an image scaled to [0, 1]."""
    std: tuple[float, ...]
    """Divided by per channel, in units of an image scaled to [0, 1]."""


class ModelRecord(Record):
    """The audited model, by name and by content."""

    name: str
    """As asked for, source included: ``bundled:efficientnet_lite0``."""
    source: str
    """Which loader took it: ``timm``, ``torchvision``, ``hf-hub``, ``file``, ``bundled``."""
    architecture: str
    """The architecture's own name: ``tf_efficientnet_lite0``."""
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of every parameter and buffer (name, type, shape, bytes), in order of name."""
    parameters: Count
    """Number of trainable scalars."""
    classes: Count
    """Number of outputs."""
    input: InputSpec
    notes: list[str] = []
    """What a reader must know about the loading: ``bare name: taken from timm``, ``random weights``."""


class Environment(Record):
    """Where and with what the audit ran."""

    auditor: str
    python: str
    platform: str
    packages: dict[str, str]
    """Name to version of every package that a number depends on."""
    device: str
    """``cpu`` or the accelerator's name."""
    precision: str
    threads: Count


class LayerRecord(Record):
    """One layer that was listened to."""

    name: str
    """Dotted module name in the model."""
    channels: Count
    height: Count
    """Of its feature map in positions; 1 for a fully connected layer."""
    width: Count


class BankConcept(Record):
    """One concept of a bank."""

    name: str
    title: str
    definition: str
    n: Count
    """Images of this concept that were read."""


class BankRecord(Record):
    """A concept bank as it was used."""

    name: str
    title: str
    source: str
    """``generated``, or the folder's or importer's name."""
    digest: str
    """SHA-256 over every image's name, label and content."""
    licence: str = ""
    terms: str = ""
    compared_with: str = ""
    """What concepts are compared with, the zero point of the score: the same pictures without the
    concept, the bank's control images, or its other concepts."""
    report_images: bool
    """Whether a report may show the bank's images."""
    concepts: list[BankConcept]
    datasheet: dict[str, str] = {}
    """Heading to text: motivation, composition, collection and consent, uses, known defects."""


class Picture(Record):
    """A picture in the audit directory."""

    path: str
    """Relative to the audit directory, with forward slashes."""
    kind: Literal["photo", "impression", "occluder", "occluded", "detector", "overlay", "average"]
    """``photo`` and ``impression``: the class's images; ``occluder``: the perturbation, scaled to be
    visible; ``occluded``: the first images with it subtracted; ``detector``: an image that excites the
    meta-detector of ``layer``; ``overlay``: where the meta-detector fires on a concept image; ``average``:
    blurred mean of a concept's images, for a bank whose images may not be shown."""
    alt: str
    """What it shows, for a reader who does not see it."""
    width: Count
    height: Count
    layer: str = ""
    bank: str = ""
    concept: str = ""
    probability: Share | None = None
    """The model's probability of the class for this very image, where it has one."""
    n: Count | None = None
    """Images behind an ``average``."""


class ClassImages(Record):
    """Which images stood for the class."""

    source: str
    """``impressions`` (made from the model itself), ``folder`` or ``hf:NAME``."""
    found: Count
    """Offered."""
    used: Count
    """Kept: decodable and classified as the class, untransformed and transformed (equation 4)."""
    dropped: Count
    """``found`` minus ``used``."""
    dropped_unreadable: Count
    dropped_misclassified: Count
    """The model did not classify them as the class, or not after the transformation t."""
    learned: Count
    """Of those used, how many the occluder was learned on."""
    heldout: Count
    """Of those used, how many were kept out of learning."""
    digest: str
    """SHA-256 over the images used, in order."""


class OccluderRecord(Record):
    """How well the occlusion of the class's features worked (equations 4 and 5)."""

    success_learned: Share
    """Share of the images learned on whose predicted class changed."""
    success_heldout: Share | None
    """The same on images kept out of learning; the number to trust."""
    success_transformed: Share | None
    """Share of the learned-on images changed under the transformation t as well."""
    success_random: Share | None
    """Control: the same share when a random perturbation of the same size is subtracted instead."""
    probability_before: Share
    """Mean probability of the class over held-out images (learned-on where none were held out)."""
    probability_after: Share
    """The same with the occluder subtracted."""
    l1: Annotated[float, Field(ge=0)]
    """Mean absolute perturbation per value, in units of the model's normalised input."""
    l1_share: Annotated[float, Field(ge=0)]
    """``l1`` as a share of the input's valid range, averaged over channels."""
    iterations: Count
    """Adam steps taken."""
    evaluations: Count
    """Images passed forward and backward, over all refits."""
    lambda_: Annotated[float, Field(ge=0, alias="lambda")]
    """Weight of the l1 term at the end."""
    converged: bool
    """Whether every constraint of equation 4 held on the images learned on."""
    refits: Count
    """How many occluders were learned, each on another fold of the images."""

    model_config = ConfigDict(populate_by_name=True)


class ClassLayer(Record):
    """What one layer says about the class."""

    layer: str
    reliability: float | None
    """Spearman correlation of channel importance between refits on disjoint images, [-1, 1]."""
    similarity: float | None
    """Mean Spearman correlation of channel importance with reference classes, [-1, 1]; high means the
    layer says the same about any class."""
    weight: Share
    """Weight of the layer in the concept score; with the output's weight they sum to 1. 0: not used."""
    success_mass: Share | None = None
    """Positive part of the importance as a share of its absolute sum."""
    top_channels: list[Count] = []
    """Channels of largest importance, first to fifth."""


class LayerEffect(Record):
    """A concept's score in one layer."""

    layer: str
    effect: float
    """In the units of the score."""
    low: float | None = None
    high: float | None = None


class ConceptResult(Record):
    """How one class relates to one concept of a bank."""

    bank: str
    concept: str
    n: Count
    """Concept images measured."""
    n_benchmark: Count
    """Images the concept was measured against."""
    score: float | None
    """auditor's score, -1 to 1: mean evidence for the class on images labelled with the concept, less that
    on the images they are compared with. Evidence is 0 where the model gives the class no chance and 1
    where it is certain: ln(1 + K p) / ln(1 + K) for probability p among K classes."""
    score_low: float | None
    """Lower end of the 95% interval."""
    score_high: float | None
    score_adjusted_low: float | None = None
    """Lower end of the interval widened for the whole family."""
    score_adjusted_high: float | None = None
    p_value: Annotated[float, Field(gt=0, le=1)] | None
    """Permutation of labels on images, (1 + hits) / (1 + permutations)."""
    p_adjusted: Annotated[float, Field(gt=0, le=1)] | None
    """Holm over the declared family."""
    q_value: Annotated[float, Field(gt=0, le=1)] | None = None
    """Benjamini-Yekutieli over the same family."""
    direction: Direction
    smallest_detectable: float | None = None
    """Smallest absolute score that this many images would detect with power 0.8 at alpha."""
    rank: Count | None = None
    """1 for the largest score of the bank in this class."""
    class_share: Share | None = None
    """Share of all the model's classes whose score for the concept is at least as far on the same side:
    small means that the association is this class's own."""
    reason: str = ""
    """Why the direction is inconclusive, where it is."""
    paper_score: Share | None
    """The score of the paper: sum over middle layers of MMD to random benchmark sets, normalised over
    the bank's concepts; mean over runs."""
    paper_score_sd: float | None
    """Standard deviation over benchmark draws. It is not a confidence interval."""
    layers: list[LayerEffect] = []
    responses: list[float] = []
    """Deciles (0, 10, ..., 100%) of the concept images' evidence for the class, 0 to 1; of its difference
    from the twins', where the bank has them."""


class CovariateBalance(Record):
    """How two groups differ in something that should not differ."""

    covariate: str
    smd_before: float | None
    """Standardised mean difference before matching."""
    smd_after: float | None
    """And after."""


class ContrastResult(Record):
    """Whether a class relates more to one group of a bank than to another."""

    bank: str
    more: str
    """Positive ``difference`` means the class is associated more with this group ..."""
    less: str
    """... than with this one."""
    n_more: Count
    n_less: Count
    matched: bool
    strata: Count | None = None
    difference: float | None
    """In standard deviations of the response within groups."""
    difference_low: float | None
    difference_high: float | None
    p_value: Annotated[float, Field(gt=0, le=1)] | None
    p_adjusted: Annotated[float, Field(gt=0, le=1)] | None
    q_value: Annotated[float, Field(gt=0, le=1)] | None = None
    direction: Literal["more", "less", "no difference", "inconclusive"]
    smallest_detectable: float | None = None
    class_share: Share | None = None
    """Share of all the model's classes whose log-probability differs between the groups at least as much
    from the mean over classes: large means that the difference is not about this class."""
    reason: str = ""
    balance: list[CovariateBalance] = []


class Control(Record):
    """A measurement whose outcome is known beforehand.

    If it fails, the claims beside it are not to be trusted.
    """

    name: str
    """``random concept``, ``random occluder``, ``another class's occluder``, ``permuted channels``,
    ``randomised weights``."""
    expectation: str
    """In plain words, what must come out."""
    observed: float | None
    """The measured value."""
    threshold: float | None
    """The value it is held against."""
    unit: str = ""
    passed: bool | None
    """``None``: could not be run; the reason is in ``note``."""
    note: str = ""


class ClassResult(Record):
    """Everything measured about one class."""

    index: Count
    name: str
    synset: str = ""
    images: ClassImages
    occluder: OccluderRecord
    layers: list[ClassLayer]
    concepts: list[ConceptResult]
    contrasts: list[ContrastResult] = []
    controls: list[Control] = []
    specific: bool | None = None
    """Whether the detector speaks about this class and not about any; ``None``: not measured."""
    pictures: list[Picture] = []
    skipped: list[Skipped] = []
    duration_s: float = 0.0


class Audit(Record):
    """One audit of one model."""

    format_version: Literal[1] = 1
    created: str
    """UTC, ISO 8601."""
    duration_s: float
    """Seconds of work; resumed parts count once."""
    model: ModelRecord
    settings: dict[str, Any]
    """Every setting with the value used."""
    environment: Environment
    layers: list[LayerRecord]
    """Layers listened to, first to last."""
    banks: list[BankRecord]
    classes: list[ClassResult]
    controls: list[Control] = []
    """Those that concern the whole audit."""
    family: str = ""
    """Which tests were corrected together, in words."""
    method: dict[str, str] = {}
    """Name to one line, for every estimator used: what the number is and where it is documented."""
    arrays: str = "arrays.npz"
    """File of the arrays, relative to the audit directory."""
    skipped: list[Skipped] = []

    # The two conveniences below look upwards, to the reports; they import when called, so that the
    # records themselves depend on nothing.
    def to_frame(self) -> Any:
        """Every finding as one row of a pandas frame, with the columns of the CSV; needs pandas.

        Raises:
            InputError: pandas is not installed.
        """
        from auditor.report.notebook import frame

        return frame(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: what was found and how far to trust it."""
        from auditor.report.notebook import summary

        return summary(self)
