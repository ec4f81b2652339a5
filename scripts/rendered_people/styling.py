"""The two stylings of a style set: hair, make-up, beard and clothes that no other set shares."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scripts.rendered_people.arrays import Floats
from scripts.rendered_people.clothes import Cloth, Outfit
from scripts.rendered_people.colour import from_srgb
from scripts.rendered_people.hair import Style
from scripts.rendered_people.outfits import MAN, WOMAN
from scripts.rendered_people.skin import Paint

STYLINGS = ("styled-woman", "styled-man")


@dataclass(frozen=True)
class Styling:
    """How a person is styled."""

    name: str
    hair: Style
    paint: Paint
    outfit: Outfit
    brow_width: float
    brow_arch: float
    brow_count: int
    lash_length: float
    lash_count: int
    beard: str
    """``none``, ``stubble``, ``full``, ``chin`` or ``moustache``."""
    beard_length: float


_LIPS = ((42, 48, 22), (45, 42, 18), (38, 44, 16), (50, 38, 16), (46, 50, 28), (34, 38, 10), (52, 34, 14))
_SHADOWS = ((34, 8, 8), (40, 4, -8), (38, 12, -6), (45, 10, 14), (36, 2, 2))
_BRIGHT = (
    (178, 44, 60),
    (210, 110, 130),
    (232, 196, 190),
    (40, 104, 112),
    (120, 60, 120),
    (226, 178, 90),
    (240, 236, 228),
    (70, 110, 80),
    (36, 40, 60),
    (200, 80, 50),
    (150, 180, 200),
    (96, 34, 48),
)
_SOBER = (
    (38, 44, 62),
    (62, 64, 68),
    (30, 30, 34),
    (92, 84, 72),
    (70, 52, 42),
    (58, 74, 62),
    (104, 112, 122),
    (48, 60, 86),
    (120, 100, 76),
    (84, 40, 40),
)
_SHIRTS = (
    (234, 234, 232),
    (196, 210, 226),
    (222, 214, 224),
    (238, 230, 214),
    (200, 216, 204),
    (176, 190, 214),
)
_TIES = ((120, 26, 36), (34, 46, 88), (92, 40, 96), (30, 90, 84), (150, 110, 40), (60, 60, 64))
_BANDS = ((200, 190, 170), (150, 30, 40), (90, 110, 160), (220, 200, 120))


def _pick(random: np.random.Generator, choices: tuple[tuple[int, ...], ...]) -> Floats:
    chosen = np.asarray(choices[int(random.integers(len(choices)))], dtype=np.float64)
    return from_srgb(*np.clip(chosen + random.normal(size=3) * 8, 8, 245))


def styling_of(style_set: int, name: str, group: str) -> Styling:
    """The styling of a set. The hair's texture follows the skin group: straighter or coiled."""
    woman = name == "styled-woman"
    random = np.random.default_rng([20_27, style_set, int(woman)])
    hair = _woman_hair(style_set, random) if woman else _man_hair(style_set, random)
    hair = replace(hair, seed=1000 * int(woman) + style_set)
    if group == "rendered-african":
        hair = _coiled(hair, woman, np.random.default_rng([20_28, style_set, int(woman)]))
    if group == "rendered-asian":
        hair = replace(hair, wave=hair.wave * 0.35, frizz=hair.frizz * 0.7)
    return (_woman if woman else _man)(style_set, hair, random)


def _woman(style_set: int, hair: Style, random: np.random.Generator) -> Styling:
    lab = _LIPS[int(random.integers(len(_LIPS)))]
    lip = (float(lab[0] + random.normal() * 3), float(lab[1]), float(lab[2]))
    shadow = tuple(float(v) for v in _SHADOWS[int(random.integers(len(_SHADOWS)))])
    paint = Paint(
        lip,
        float(random.uniform(0.55, 0.85)),
        (shadow[0], shadow[1], shadow[2]),
        float(random.uniform(0.2, 0.55)),
        float(random.uniform(0.55, 0.85)),
        float(random.uniform(0.2, 0.45)),
        0.0,
    )
    gold = from_srgb(222, 186, 110) if random.uniform() < 0.6 else from_srgb(222, 222, 224)
    outfit = Outfit(
        kind=WOMAN[style_set % len(WOMAN)],
        main=_woman_cloth(random, style_set),
        under=Cloth("plain", _pick(random, _BRIGHT), _pick(random, _BRIGHT)),
        accent=Cloth("plain", _pick(random, _BRIGHT), _pick(random, _BRIGHT)),
        neck=float(random.uniform()),
        necklace=gold if random.uniform() < 0.5 else None,
        earrings=gold if random.uniform() < 0.6 else None,
        seed=style_set,
    )
    return Styling("styled-woman", hair, paint, outfit, 0.0026, 1.0, 330, 0.0075, 150, "none", 0.0)


def _woman_cloth(random: np.random.Generator, style_set: int) -> Cloth:
    pattern = ("floral", "plain", "dots", "bands", "floral", "plain", "stripes")[(style_set // 2) % 7]
    first, second = _pick(random, _BRIGHT), _pick(random, _BRIGHT)
    if np.abs(first - second).sum() < 0.4:
        second = np.array([0.82, 0.79, 0.74]) if first.mean() < 0.3 else first * 0.2
    return Cloth(pattern, first, second, float(random.uniform(0.8, 1.3)), style_set)


def _man(style_set: int, hair: Style, random: np.random.Generator) -> Styling:
    beard = ("stubble", "none", "full", "stubble", "none", "chin", "stubble", "moustache", "none")[
        style_set % 9
    ]
    dark = {"none": 0.12, "stubble": 0.5, "full": 0.75, "chin": 0.45, "moustache": 0.3}[beard]
    paint = Paint(None, 0.0, None, 0.0, 0.10, 0.0, dark + float(random.uniform(-0.05, 0.1)))
    kind = MAN[(style_set * 3 + style_set // 8) % len(MAN)]
    main, second = _pick(random, _SOBER), _pick(random, _SHIRTS)
    pattern = {
        "suit-tie": ("plain", "pinstripe"),
        "suit-bow": ("plain", "plain"),
        "jacket-open": ("plain", "check"),
        "shirt": ("check", "stripes"),
        "polo": ("plain", "bands"),
        "sweater": ("knit", "bands"),
        "overalls": ("plain", "plain"),
        "shirt-jumper": ("knit", "plain"),
    }[kind][int(random.integers(2))]
    if pattern in ("pinstripe", "knit"):
        second = main * 0.75 + 0.12
    if kind == "jacket-open" and pattern == "check":
        second = main * 0.6 + 0.10
    under = "check" if kind == "overalls" else ("plain", "stripes")[int(random.uniform() < 0.3)]
    shirt = _pick(random, _SHIRTS)
    outfit = Outfit(
        kind=kind,
        main=Cloth(pattern, main, second, float(random.uniform(0.8, 1.25)), style_set),
        under=Cloth(under, shirt, shirt * 0.55, float(random.uniform(0.6, 0.9)), style_set + 50),
        accent=Cloth(
            ("slanted", "plain", "dots")[style_set % 3], _pick(random, _TIES), _pick(random, _BANDS), 0.8
        ),
        neck=float(random.uniform()),
        seed=style_set,
    )
    length = {"full": random.uniform(0.010, 0.020), "chin": random.uniform(0.008, 0.018), "moustache": 0.011}
    return Styling(
        "styled-man",
        hair,
        paint,
        outfit,
        0.0042,
        0.35,
        520,
        0.0045,
        60,
        beard,
        float(length.get(beard, 0.0022)),
    )


def _woman_hair(style_set: int, random: np.random.Generator) -> Style:
    family = ("long-straight", "bob", "long-wavy", "tied", "curled", "fringe-bob", "updo", "long-parted")[
        style_set % 8
    ]
    side = float(random.choice([-1, 1]))
    part = side * float(random.uniform(0.004, 0.034))
    long = float(random.uniform(0.32, 0.46))
    common = Style(
        family,
        "part",
        long,
        long,
        long,
        part=part,
        volume=float(random.uniform(0.008, 0.018)),
        weight=1.3,
        stiff=0.5,
        strands=13000,
        steps=26,
        frizz=0.0014,
    )
    if family == "bob":
        size = float(random.uniform(0.19, 0.26))
        return replace(common, top=size, side=size * 0.80, back=size * 0.72, steps=20, wave=0.003)
    if family == "long-wavy":
        wave = float(random.uniform(0.007, 0.012))
        return replace(
            common, wave=wave, wavelength=float(random.uniform(0.07, 0.11)), clump=0.6, volume=0.022
        )
    if family == "curled":
        size = float(random.uniform(0.22, 0.32))
        return replace(
            common,
            top=size,
            side=size,
            back=size,
            curl=float(random.uniform(0.006, 0.010)),
            wavelength=float(random.uniform(0.030, 0.045)),
            clump=0.65,
            volume=0.024,
            steps=40,
            strands=9000,
            family="curled",
        )
    if family == "fringe-bob":
        size = float(random.uniform(0.20, 0.30))
        return replace(
            common,
            comb="whorl",
            top=size,
            side=size * 0.85,
            back=size * 0.8,
            family="bob",
            fringe=float(random.uniform(0.135, 0.15)),
            steps=22,
        )
    if family in ("tied", "updo"):
        low = family == "tied"
        tie = (0.0, 0.046, 0.735) if low else (0.0, 0.040, 0.800)
        return replace(
            common,
            comb="tie",
            top=0.30,
            side=0.30,
            back=0.30,
            tie=tie,
            volume=0.006,
            lift=0.25,
            bun=0.0 if low else float(random.uniform(0.026, 0.036)),
            clump=0.25,
            wave=0.0,
            tail=float(random.uniform(0.22, 0.34)) if low else 0.0,
        )
    if family == "long-parted":
        return replace(common, family="long-straight", wave=0.004, wavelength=0.14, volume=0.016)
    return common


def _man_hair(style_set: int, random: np.random.Generator) -> Style:
    family = ("short-parted", "cropped", "fringe", "back", "receding", "side", "cropped", "short-parted")[
        style_set % 8
    ]
    side = float(random.choice([-1, 1]))
    recede = float(random.uniform(0.15, 0.6))
    common = Style(
        family,
        "side",
        0.055,
        0.016,
        0.012,
        part=side * 0.03,
        volume=0.010,
        lift=0.7,
        weight=0.25,
        stiff=0.8,
        strands=20000,
        steps=10,
        clump=0.35,
        frizz=0.0010,
        recede=recede,
    )
    if family == "short-parted":
        top = float(random.uniform(0.06, 0.08))
        return replace(
            common, comb="part", top=top, side=0.020, back=0.014, weight=0.6, volume=0.011, lift=0.55
        )
    if family == "cropped":
        top = float(random.uniform(0.008, 0.022))
        return replace(
            common, comb="whorl", top=top, side=top * 0.6, back=top * 0.5, lift=0.9, strands=26000, steps=6
        )
    if family == "fringe":
        top = float(random.uniform(0.045, 0.065))
        return replace(
            common, comb="whorl", top=top, side=0.022, back=0.016, fringe=top * 1.0, weight=0.5, lift=0.4
        )
    if family == "back":
        top = float(random.uniform(0.06, 0.09))
        return replace(
            common, comb="back", top=top, side=0.025, back=0.02, lift=0.9, volume=0.016, weight=0.1
        )
    if family == "receding":
        return replace(
            common,
            comb="whorl",
            top=0.022,
            side=0.016,
            back=0.014,
            recede=float(random.uniform(1.0, 1.6)),
            thin=float(random.uniform(0.2, 0.7)),
            lift=0.6,
            strands=16000,
            steps=7,
        )
    return replace(common, top=float(random.uniform(0.045, 0.075)), lift=0.8, volume=0.014)


def _coiled(hair: Style, woman: bool, random: np.random.Generator) -> Style:
    """The same cut in coiled hair."""
    coil = replace(
        hair, curl=0.0028, wavelength=0.012, wave=0.0, steps=34, strands=10000, clump=0.25, frizz=0.0022
    )
    if hair.comb == "tie":
        return replace(
            coil,
            curl=0.0016,
            wavelength=0.016,
            bun=max(hair.bun, 0.036) * 1.15,
            tail=0.0,
            steps=30,
            strands=15000,
            volume=0.006,
        )
    if not woman:
        size = {"cropped": 0.010, "receding": 0.010}.get(hair.family, float(random.uniform(0.018, 0.038)))
        return replace(
            coil,
            comb="out",
            top=size,
            side=size * 0.5,
            back=size * 0.45,
            lift=1.0,
            fringe=0.0,
            volume=0.002,
            strands=15000,
            steps=18,
            weight=0.1,
            curl=0.0022,
        )
    if hair.family in ("long-straight", "long-wavy"):
        size = float(random.uniform(0.26, 0.34))
        return replace(
            coil,
            top=size,
            side=size,
            back=size,
            curl=0.0050,
            wavelength=0.024,
            volume=0.030,
            steps=60,
            strands=8000,
            comb="part",
            family="curled",
            clump=0.6,
            weight=1.0,
        )
    size = float(random.uniform(0.055, 0.085))
    return replace(
        coil,
        comb="out",
        top=size,
        side=size * 0.9,
        back=size * 0.85,
        lift=1.0,
        volume=0.002,
        fringe=0.0,
        family="coiled",
        weight=0.2,
        steps=44,
        strands=11000,
    )
