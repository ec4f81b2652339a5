"""What an audit holds: numbers and words, no tensors. ``audit.json`` is one :class:`Audit`.

Written once by the pipeline, read by every report, gate and comparison. Each field says its unit
and range; ``None`` means "not measured". Nothing here imports
torch. The JSON Schema published in ``auditor/schemas`` is generated from these classes.
"""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

# Log of format versions. A reader refuses a version it does not know.
# 1: first.
# 2: findings are stored, each with the conclusion, the checks behind it and how it moves; what rests on
#    the class's images and its occluder may be absent. Scores and contrasts share one unit.
# 3: the setting ``panel`` is called ``reference_classes``.
FORMAT_VERSION = 3


def measured_in(words: str, low: float | None = None, high: float | None = None) -> Any:
    """The unit of a number, and the range that it has by its nature; the JSON Schema states both.

    Args:
        words: The unit.
        low: The least possible value, where no constraint says it; ``None``: there is none.
        high: The greatest.
    """
    return Field(json_schema_extra={"unit": words, "range": [low, high]})


_E = "log-scaled class probability e"
_OF_E = f"difference of {_E}"
_MMD2 = "squared MMD"

Share = Annotated[float, Field(ge=0, le=1), measured_in("share")]
Probability = Annotated[float, Field(ge=0, le=1), measured_in("probability")]
PValue = Annotated[float, Field(gt=0, le=1), measured_in("probability")]
Level = Annotated[float, Field(gt=0, lt=1), measured_in("probability")]
LogScaled = Annotated[float, Field(ge=0, le=1), measured_in(_E)]
Effect = Annotated[float, measured_in(_OF_E, -1, 1)]
EffectEnd = Annotated[float, measured_in(_OF_E)]
"""An end of an interval. Where it comes from a formula it may lie beyond what an effect can be."""
Margin = Annotated[float, Field(ge=0), measured_in(_OF_E)]
SquaredMMD = Annotated[float, measured_in(_MMD2, -2, 2)]
ImportanceEnd = Annotated[float, measured_in(f"difference of {_MMD2}")]
Deviations = Annotated[float, measured_in("standard deviations")]
Correlation = Annotated[float, measured_in("rank correlation", -1, 1)]
Seconds = Annotated[float, measured_in("seconds", 0)]
Count = Annotated[int, Field(ge=0), measured_in("count")]
Index = Annotated[int, Field(ge=0), measured_in("index of a class in the model, from 0")]
Pixels = Annotated[int, Field(ge=0), measured_in("pixels")]

Conclusion = Literal[
    "associated", "negatively associated", "not associated", "screening", "inconclusive", "not measured"
]
"""What may be said of a finding. :func:`auditor.findings.conclude` decides it, once.

``associated``: the whole adjusted interval lies above the margin, the corrected p-value is at most
alpha, and no check forbids the claim. Of two groups: associated more with the first. ``negatively
associated``: the same below minus the margin. ``not associated``: the whole adjusted interval lies
within the margin, and no check forbids it. ``screening``: what would be claimed, on a bank that only screens;
look with photos. ``not measured``: there is no number to conclude from.
``inconclusive``: everything else.
"""

CLAIMS = frozenset({"associated", "negatively associated"})
"""Conclusions that say that there is something."""

SeenIn = Literal["both", "output only", "features only", "neither", "opposite directions"]
"""Which of the two views of a class claim an association: the model's output, or the class's features."""


Status = Literal["new", "gone", "grown", "shrunk", "unchanged", "inconclusive"]
"""What became of a finding from one release to the next. :func:`auditor.findings.conclude_change` decides.

``new``: claimed now and not before, and the change itself is established. ``gone``: the other way
round. ``grown``, ``shrunk``: an established change away from or towards zero. ``unchanged``: the whole
interval of the change lies within the tolerance. ``inconclusive``: everything else, and wherever a check
withholds the finding in either release.
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

    size: Annotated[tuple[int, int, int], measured_in("channels; pixels; pixels", 1)]
    """Channels, height, width in pixels."""
    crop: Annotated[float, measured_in("share", 0, 1)]
    """Share of the resized image's side that the centre crop keeps, (0, 1]."""
    interpolation: str
    """Resampling filter: ``bicubic``, ``bilinear``, ``nearest``, ``lanczos``."""
    mean: Annotated[tuple[float, ...], measured_in("of an image scaled to 0 to 1")]
    """Subtracted per channel, in units of an image scaled to [0, 1]."""
    std: Annotated[tuple[float, ...], measured_in("of an image scaled to 0 to 1", 0)]
    """Divided by per channel, in units of an image scaled to [0, 1]."""
    crop_mode: Literal["center", "squash", "border"] = "center"
    """As timm names it: cut out the centre; squash the picture to a square; or add a border to it."""


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
    """One layer whose activations were read."""

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
    independent: Count
    """How many of them count: images that belong together (a person, a source photo) count as one."""


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
    """What concepts are compared with: the same pictures without the
    concept, the bank's reference images, or its other concepts."""
    clusters: str = ""
    """Which images count as one, and how that is known."""
    groups: list[str] = []
    """Concepts that the bank sets against each other. Alone they make no finding."""
    screening: bool = False
    """Whether the bank only screens: what it finds has to be looked at with photos."""
    report_images: bool
    """Whether a report may show the bank's images."""
    concepts: list[BankConcept]
    datasheet: dict[str, str] = {}
    """Heading to text: motivation, composition, collection and consent, uses, known defects."""


EvidencePart = Literal["", "most", "least", "compared"]
"""``most`` and ``least``: among the concept's images with the largest and the smallest response;
``compared``: one of the images that it is compared with. Of a contrast, whose ``concept`` is ``MORE/LESS``,
images come two by two, the first group's first: pairs that differ most towards the first group (``most``)
and towards the second (``least``)."""


class Picture(Record):
    """A picture in the audit directory."""

    path: str
    """Relative to the audit directory, with forward slashes."""
    kind: Literal[
        "photo",
        "impression",
        "occluder",
        "occluded",
        "detector",
        "overlay",
        "average",
        "in context",
        "evidence",
    ]
    """``photo`` and ``impression``: the class's images; ``occluder``: the perturbation, scaled to be
    visible; ``occluded``: the first images with it subtracted; ``detector``: an image that excites the
    meta-detector of ``layer``; ``overlay``: where the meta-detector fires on a concept image; ``average``:
    blurred mean of a concept's images, for a bank whose images may not be shown; ``in context``: a class's
    image with a person pasted in; ``evidence``: an image behind a claim."""
    alt: str
    """What it shows, for a reader who does not see it."""
    width: Pixels
    height: Pixels
    layer: str = ""
    bank: str = ""
    concept: str = ""
    probability: Probability | None = None
    """The model's probability of the class for this very image, where it has one."""
    response: LogScaled | None = None
    """Of ``evidence``: the log-scaled probability e of the class for this very image."""
    part: EvidencePart = ""
    n: Count | None = None
    """Images behind an ``average``."""


class ClassImages(Record):
    """Which images stood for the class."""

    source: str
    """``impressions`` (made from the model itself), ``folder``, ``hf:NAME``, or ``unlabelled`` (photos
    without labels that the model takes for the class)."""
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
    """Sanity check: the same share when a random perturbation of the same size is subtracted."""
    probability_before: Probability
    """Mean probability of the class over held-out images (learned-on where none were held out)."""
    probability_after: Probability
    """The same with the occluder subtracted."""
    l1: Annotated[float, Field(ge=0), measured_in("of the model's normalised input")]
    """Mean absolute perturbation per value, in units of the model's normalised input."""
    l1_share: Annotated[float, Field(ge=0), measured_in("share")]
    """``l1`` as a share of the input's valid range, averaged over channels."""
    iterations: Count
    """Adam steps taken."""
    evaluations: Count
    """Images passed forward and backward, over all refits."""
    lambda_: Annotated[float, Field(ge=0, alias="lambda"), measured_in("1 per unit of l1")]
    """Weight of the l1 term at the end."""
    converged: bool
    """Whether every constraint of equation 4 held on the images learned on."""
    refits: Count
    """How many occluders were learned, each on another fold of the images."""

    model_config = ConfigDict(populate_by_name=True)


class ClassLayer(Record):
    """What one layer says about the class."""

    layer: str
    reliability: Correlation | None
    """Spearman correlation of channel importance between refits on disjoint images, [-1, 1]."""
    similarity: Correlation | None
    """Mean Spearman correlation of channel importance with reference classes, [-1, 1]; high means the
    layer says the same about any class."""
    success_mass: Share | None = None
    """Positive part of the importance as a share of its absolute sum."""
    top_channels: Annotated[list[Count], measured_in("index of a channel, from 0", 0)] = []
    """Channels of largest importance, first to fifth."""


class Check(Record):
    """One condition that a finding must meet before it is claimed."""

    name: str
    passed: bool | None
    """``None``: could not be tested, which forbids nothing."""
    forbids: Literal["effect", "absence", "both", "verdict"]
    """What may not be said where the check failed: that there is an effect, that there is none, either; of a
    ``verdict``, either, but an effect beyond the margin is a reason to look with other images."""
    reason: str
    """With what was seen and what was needed."""


class Variant(Record):
    """The same finding measured in another way: how far it depends on a choice."""

    name: str
    """``temperature 1.5``, ``without images taken for the class``, ``at equal image quality``,
    ``groups not matched``."""
    effect: Effect
    low: EffectEnd
    """Lower end of the adjusted interval, by a formula instead of resampling."""
    high: EffectEnd
    conclusion: Conclusion
    """By effect and interval alone."""


FindingKind = Literal["association", "contrast", "in context"]


class Subject(Record):
    """What a finding is about: a class, and a concept or two groups of a bank."""

    kind: FindingKind
    """``association``: of a concept. ``contrast``: of one group against another, in pictures of people alone.
    ``in context``: the same with the people pasted into the class's own pictures."""
    class_index: Index
    class_name: str
    bank: str
    subject: str
    """The concept's name, or ``MORE/LESS`` of a contrast."""
    more: str = ""
    """Of a contrast: a positive effect means that the class is associated more with this group ..."""
    less: str = ""
    """... than with this one."""
    matched: bool | None = None
    """Of a contrast: whether groups were matched on what should not differ."""


class Finding(Subject):
    """One statement about one class: the numbers, the checks, and what may be said.

    Every report, gate and comparison reads the conclusion from here and decides nothing.
    """

    n: Count
    """Images of the concept, or of the first group, that were used; in context, pictures made with them."""
    n_other: Count
    """Images compared with."""
    independent: Count
    """Independent units among ``n``; of a matched contrast, independent pairs."""
    independent_other: Count
    """Independent units compared with; in context, pictures of the class that people were pasted into."""
    mean: LogScaled | None = None
    """Mean log-scaled class probability e over the ``n`` images, 0 to 1."""
    mean_other: LogScaled | None = None
    effect: Effect | None
    """Mean e on the ``n`` images less that on the images they are compared with, -1 to 1. For
    probability p of the class among K classes, e = ln(1 + K p) / ln(1 + K)."""
    low: EffectEnd | None
    """Lower end of the 95% interval (1 - alpha in general)."""
    high: EffectEnd | None
    adjusted_low: EffectEnd | None
    """Lower end at 1 - alpha / family. Conclusions rest on this interval."""
    adjusted_high: EffectEnd | None
    p_value: PValue | None
    """Labels permuted on independent units, (1 + hits) / (1 + permutations)."""
    p_adjusted: PValue | None
    """Holm over the family."""
    q_value: PValue | None
    """Benjamini-Yekutieli over the family."""
    family: Count
    """Tests corrected together."""
    alpha: Level
    margin: Margin
    """Equivalence margin: effects within it do not matter, by decision before the audit."""
    minimum_detectable: Annotated[float, measured_in(_OF_E, 0)] | None
    """Minimum detectable effect: so many images show it with probability 0.8, alpha corrected."""
    rank: Count | None = None
    """Of an association: 1 for the largest effect of the bank in this class."""
    class_share: Share | None
    """Share of the model's other classes with an effect at least as extreme on the same side."""
    log_difference: Deviations | None = None
    """Of a contrast: difference of the logarithm of the class's probability, less the mean over all
    other classes, in standard deviations within groups."""
    log_difference_low: Deviations | None = None
    log_difference_high: Deviations | None = None
    taken_for_class: Count = 0
    """Of an association: images of the concept that the model takes for the class itself."""
    checks: list[Check] = []
    variants: list[Variant] = []
    conclusion: Conclusion
    withheld: bool = False
    """Whether a check, and not the numbers, prevents a conclusion."""
    reason: str
    """Why, in one sentence without the numbers that stand beside it."""

    @property
    def key(self) -> tuple[FindingKind, str, str]:
        """Kind, bank and subject: the same finding of a class in another audit has the same key."""
        return self.kind, self.bank, self.subject

    @property
    def of_groups(self) -> bool:
        """Whether it compares two groups."""
        return self.kind != "association"

    @property
    def claimed(self) -> bool:
        """Whether it says that there is something."""
        return self.conclusion in CLAIMS


class LayerEffect(Record):
    """How strongly one layer's detector of the class responds to a concept."""

    layer: str
    effect: Deviations
    """In standard deviations of the response to the images compared with."""
    low: Deviations | None = None
    high: Deviations | None = None


class LayerImportance(Record):
    """One layer's part in the importance of a concept."""

    layer: str
    importance: SquaredMMD
    """Squared MMD, with the sign of the detector's response."""


class Importance(Record):
    """What the class's features make of a concept: MMD concept importance (AfI), with its tests.

    A concept's images are compared with the bank's other images, under the meta-detectors of the class.
    Importances are means, over the layers nearest to the output, of squared MMD, unbiased (Gretton et al.
    2012, equation 3), -2 to 2.
    """

    mmd: SquaredMMD
    """Without sign: mean over random benchmark sets."""
    mmd_sd: Annotated[float, measured_in(_MMD2, 0)] | None
    """Standard deviation over random benchmark sets. It is not a confidence interval. ``None``: one set."""
    signed: SquaredMMD
    """Each layer counts as negative where its detector responds less to the concept."""
    reference: SquaredMMD
    """The same under the detectors of reference classes, mean over them."""
    effect: Annotated[float, measured_in(f"difference of {_MMD2}", -4, 4)]
    """``signed`` less ``reference``: what is said of this class and not of any."""
    low: ImportanceEnd
    """Lower end of the interval at 1 - alpha; images and reference classes count as drawn by chance."""
    high: ImportanceEnd
    adjusted_low: ImportanceEnd
    """Lower end at 1 - alpha / family. The conclusion rests on this interval."""
    adjusted_high: ImportanceEnd
    p_benchmark: PValue
    """Of "the detectors respond to the concept as to other images": labels permuted on independent images."""
    p_class: PValue
    """Of "the class is to this concept as any class": against the spread over reference classes."""
    p_adjusted: PValue | None
    """The larger of both, by Holm over every importance tested in the audit."""
    family: Count
    alpha: Level
    margin: Annotated[float, Field(ge=0), measured_in(f"difference of {_MMD2}")]
    """Equivalence margin of ``effect``."""
    references: Count
    """Reference classes compared with."""
    layers: list[LayerImportance] = []
    conclusion: Conclusion
    reason: str
    views: SeenIn
    """Whether the output, the features or both show an association."""


class ConceptDetail(Record):
    """What else is known of a class and a concept. No finding rests on it."""

    bank: str
    concept: str
    responses: Annotated[list[float], measured_in(_E, -1, 1)] = []
    """Deciles (0, 10, ..., 100%) of e over the concept's images, 0 to 1; of its difference from the
    counterfactual pairs', where the bank has them."""
    paper_score: Share | None = None
    """The score of the paper: sum over middle layers of MMD to random benchmark sets, normalised over
    the bank's concepts; mean over runs. ``None`` where the occluder does not hold."""
    paper_score_sd: Annotated[float, measured_in("share", 0)] | None = None
    """Standard deviation over benchmark draws. It is not a confidence interval."""
    importance: Importance | None = None
    """``None`` where the occluder does not hold, or there are too few reference classes or images."""
    layers: list[LayerEffect] = []


class CovariateBalance(Record):
    """How two groups differ in something that should not differ."""

    covariate: str
    smd_before: Deviations | None
    """Standardised mean difference before matching."""
    smd_after: Deviations | None
    """And after."""


class Probe(Record):
    """How well a linear probe on the model's last features tells two groups apart, on images held out."""

    auc: Probability
    """Chance that it ranks an image of the first group above one of the second; 0.5: no better than lot."""
    low: Probability
    """Lower end of the interval at 1 - alpha, for the scores as they are."""
    high: Probability
    p_value: PValue
    """Against labels drawn by lot. Nothing is measured of groups unless it is at most alpha."""


class ContrastDetail(Record):
    """How two groups of a bank were made comparable."""

    bank: str
    more: str
    less: str
    balance: list[CovariateBalance] = []
    apart: Probe | None = None
    """``None``: too few independent images to learn a probe from."""


class SanityCheck(Record):
    """A measurement whose outcome is known beforehand.

    Where it fails, what it tests is withheld; nothing else is.
    """

    name: str
    """``random concept``, ``randomised weights``, ``random occluder``, ``another class's occluder``."""
    concerns: Literal["associations", "explanation"]
    """What it tests: the class's associations with ``bank``, or what rests on the occluder."""
    bank: str = ""
    expectation: str
    """In plain words, what must come out."""
    observed: Annotated[float, measured_in("as the field 'unit' says")] | None
    """The measured value."""
    threshold: Annotated[float, measured_in("as the field 'unit' says")] | None
    """The value it is held against."""
    unit: str = ""
    passed: bool | None
    """``None``: could not be run; the reason is in ``note``."""
    note: str = ""


class Explanation(Record):
    """Whether what rests on the class's images and its occluder was measured well enough to be used."""

    measured: bool
    reason: str
    """Why not, or what it rests on; with what was seen and what was needed."""


class ClassResult(Record):
    """Everything measured about one class, but for its findings, which stand in :class:`Audit`."""

    index: Index
    name: str
    synset: str = ""
    explanation: Explanation
    images: ClassImages | None = None
    """``None``: there were none; scores and contrasts need none."""
    occluder: OccluderRecord | None = None
    layers: list[ClassLayer] = []
    """Empty where the occluder does not hold."""
    concepts: list[ConceptDetail] = []
    contrasts: list[ContrastDetail] = []
    sanity_checks: list[SanityCheck] = []
    specific: bool | None = None
    """Whether the detector speaks about this class and not about any; ``None``: not measured."""
    pictures: list[Picture] = []
    skipped: list[Skipped] = []
    duration_s: Seconds = 0.0
    """For its statistics, without occluders and explanations."""


class ScannedRow(Record):
    """Something that a scan confirmed."""

    kind: Literal["association", "contrast"]
    class_index: Index
    class_name: str
    bank: str
    subject: str
    effect: Effect
    low: EffectEnd
    """Lower end of the interval adjusted for selection."""
    high: EffectEnd
    audited: bool
    """Whether this audit looks at the class."""


class ScanSummary(Record):
    """The scan from which the classes of an audit were taken."""

    created: str
    sha256: str
    """Of its ``scan.json``."""
    classes: Count
    """All of the model, screened."""
    banks: list[str]
    looked_at: Count
    """Pairs of a class and a concept, or a contrast."""
    confirmed: Count
    classes_confirmed: Count
    """Classes with anything confirmed."""
    strongest: list[ScannedRow]
    """Worst first, by multiples of the margin."""


class Audit(Record):
    """One audit of one model."""

    format_version: Literal[3] = 3
    created: str
    """UTC, ISO 8601."""
    duration_s: Seconds
    """Seconds of work; resumed parts count once."""
    model: ModelRecord
    settings: dict[str, Any]
    """Every setting with the value used."""
    environment: Environment
    layers: list[LayerRecord]
    """Layers whose activations were read, first to last."""
    banks: list[BankRecord]
    classes: list[ClassResult]
    findings: list[Finding]
    """Of every class, in the order of ``classes``; associations before contrasts."""
    family: str = ""
    """Which tests were corrected together, in words."""
    scan: ScanSummary | None = None
    """``None`` where the classes were named and not taken from a scan."""
    method: dict[str, str] = {}
    """Name to one line, for every estimator used: what the number is and where it is documented."""
    arrays: str = "arrays.npz"
    """File of the arrays, relative to the audit directory."""
    skipped: list[Skipped] = []

    def of_class(self, index: int) -> list[Finding]:
        """The findings of one class."""
        return [finding for finding in self.findings if finding.class_index == index]

    def importance_of(self, finding: Finding) -> Importance | None:
        """The features' view of an association; ``None`` where it was not measured, and of contrasts."""
        if finding.kind != "association":
            return None
        for result in self.classes:
            for detail in result.concepts if result.index == finding.class_index else ():
                if (detail.bank, detail.concept) == (finding.bank, finding.subject):
                    return detail.importance
        return None

    def probe_of(self, finding: Finding) -> Probe | None:
        """How well the groups of a contrast are told apart; ``None`` where no probe was learned.

        Other kinds of findings have none of their own.
        """
        if finding.kind != "contrast":
            return None
        for result in self.classes:
            for detail in result.contrasts if result.index == finding.class_index else ():
                if (detail.bank, detail.more, detail.less) == (finding.bank, finding.more, finding.less):
                    return detail.apart
        return None

    def to_frame(self) -> Any:
        """Every finding as one row of a pandas frame, with the columns of the CSV; needs pandas.

        Raises:
            InputError: pandas is not installed.
        """
        return import_module(_NOTEBOOK).frame(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: what was found and how far to trust it."""
        return str(import_module(_NOTEBOOK).summary(self))


_NOTEBOOK = "auditor.report.formats.notebook"
"""Who shows an audit in a notebook. Records depend on nothing: they name it, and import it when asked."""
