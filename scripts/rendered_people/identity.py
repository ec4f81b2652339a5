"""Who is rendered: faces, skins, poses, light, camera and background, all drawn from an identity's number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.rendered_people.arrays import Floats
from scripts.rendered_people.body import Shape
from scripts.rendered_people.colour import HAIR
from scripts.rendered_people.scene import Light
from scripts.rendered_people.skin import Tone

IDENTITIES = 72
GROUPS = ("rendered-european", "rendered-asian", "rendered-african")
"""Skin tone and face shape."""
_SHAPES = {"rendered-european": "caucasian", "rendered-asian": "asian", "rendered-african": "african"}
_TONES = {  # means and spreads of CIE L*, a* and b*
    "rendered-european": ((69, 3.0), (11.5, 1.2), (16.0, 1.5)),
    "rendered-asian": ((64, 3.2), (10.0, 1.0), (19.0, 1.5)),
    "rendered-african": ((42, 4.0), (11.5, 1.0), (16.5, 1.8)),
}
_HAIR_COLOURS = {
    "rendered-european": (
        ("black", 0.08),
        ("dark-brown", 0.24),
        ("brown", 0.24),
        ("light-brown", 0.14),
        ("auburn", 0.06),
        ("red", 0.04),
        ("dark-blond", 0.10),
        ("blond", 0.10),
    ),
    "rendered-asian": (("black", 0.8), ("dark-brown", 0.2)),
    "rendered-african": (("black", 0.85), ("dark-brown", 0.15)),
}
_IRISES = {
    "rendered-european": ("brown", "hazel", "green", "blue", "blue", "grey"),
    "rendered-asian": ("dark-brown", "dark-brown", "brown"),
    "rendered-african": ("dark-brown", "dark-brown", "brown"),
}
_CHANGED = (
    "nose-scale-horiz",
    "nose-scale-vert",
    "nose-hump",
    "nose-point-width",
    "nose-curve",
    "nose-width2",
    "nose-nostrils-width",
    "mouth-scale-horiz",
    "mouth-lowerlip-volume",
    "mouth-upperlip-volume",
    "mouth-lowerlip-height",
    "mouth-upperlip-height",
    "mouth-trans-up",
    "chin-width",
    "chin-height",
    "chin-prominent",
    "chin-jaw-drop",
    "head-fat",
    "head-oval",
    "head-round",
    "head-square",
    "head-rectangular",
    "head-triangular",
    "head-invertedtriangular",
    "forehead-temple",
    "forehead-trans",
    "eyebrows-trans-up",
    "cheek-bones",
    "cheek-volume",
    "cheek-inner",
    "eye-scale",
    "eye-corner1",
    "eye-corner2",
    "eye-bag",
    "ear-scale",
    "ear-wing",
    "neck-scale-horiz",
)
"""Beginnings of the model's local changes that faces differ by."""


@dataclass(frozen=True)
class Picture:
    """Everything of a picture that the styling does not change."""

    light_name: str
    lights: tuple[Light, ...]
    sky: tuple[tuple[float, float, float], tuple[float, float, float]]
    exposure: float
    yaw: float
    pitch: float
    distance: float
    width: float
    noise: float
    quality: int
    seed: int


@dataclass(frozen=True)
class Identity:
    """One rendered person, before the skin group and the styling are chosen."""

    number: int
    years: float

    @property
    def name(self) -> str:
        """Name in file names: ``p07``."""
        return f"p{self.number:02d}"

    @property
    def style_set(self) -> int:
        """Two identities share hair and clothes that no other wears."""
        return self.number // 2

    @property
    def own_group(self) -> str:
        """The skin group in which the presentation bank shows the person."""
        return GROUPS[(self.number + self.number // 6) % 3]

    @property
    def own_styling(self) -> str:
        """The styling in which the appearance bank shows the person."""
        return ("styled-woman", "styled-man")[self.number % 2]

    def random(self, purpose: int) -> np.random.Generator:
        """A generator of its own for each purpose."""
        return np.random.default_rng([20_26, self.number, purpose])


def identity(number: int) -> Identity:
    """The identity with a number."""
    years = float(np.random.default_rng([20_26, number, 0]).uniform(20, 65))
    return Identity(number, round(years, 1))


def shape_of(who: Identity, group: str, labels: list[str]) -> Shape:
    """The face and body of an identity in a skin group; ``labels`` are the model's local changes."""
    random = who.random(1)
    phenotype = {
        "gender": float(random.uniform(0.42, 0.58)),
        "age": 0.667 + (who.years - 25) / 65 * 0.333,
        "muscle": float(random.uniform(0.4, 0.6)),
        "weight": float(random.uniform(0.35, 0.72)),
        "height": 0.5,
        "proportions": float(random.uniform(0.5, 0.8)),
        "cupsize": 0.35,
        "firmness": 0.6,
    }
    phenotype |= {name: float(name == _SHAPES[group]) * 0.94 + 0.02 for name in _SHAPES.values()}
    changes: dict[str, float] = {}
    for start in _CHANGED:
        value = float(np.clip(random.normal() * 0.24, -0.5, 0.5))
        for label in labels:
            if label.removeprefix("l-").removeprefix("r-").startswith(start):
                changes[label] = value
    smile = float(max(random.uniform(-0.15, 0.40), 0))
    actions = {f"mouthSmile{side}": smile for side in ("Left", "Right")}
    actions |= {f"cheekSquint{side}": smile * 0.5 for side in ("Left", "Right")}
    turn = (float(random.uniform(-16, 16)), float(random.uniform(-8, 7)), float(random.normal() * 3.0))
    return Shape(phenotype, changes, actions, turn)


def tone_of(who: Identity, group: str) -> Tone:
    """The skin of an identity in a group. The place within the group's range belongs to the person."""
    random = who.random(2)
    offsets = np.clip(random.normal(size=3), -1.6, 1.6)
    light, red, yellow = (m + s * o for (m, s), o in zip(_TONES[group], offsets, strict=True))
    old = (who.years - 20) / 45
    freckles = max(float(random.uniform(-0.35, 0.4)), 0) * (group == "rendered-european")
    spots = 0.5 + 0.8 * old
    return Tone(
        float(light), float(red), float(yellow), freckles, float(random.uniform(0.3, 0.8)), spots, who.number
    )


def hair_colour_of(who: Identity, group: str) -> tuple[str, Floats]:
    """Name and linear RGB; some of the older are grey."""
    random = who.random(3)
    pick, grey = random.uniform(), random.uniform()
    names, shares = zip(*_HAIR_COLOURS[group], strict=True)
    name = names[min(int(np.searchsorted(np.cumsum(shares), pick)), len(names) - 1)]
    if who.years > 48 and grey < (who.years - 44) / 30:
        return "greying", HAIR[name] * 0.35 + HAIR["grey"] * 0.65
    return name, HAIR[name] * float(random.uniform(0.85, 1.15))


def iris_of(who: Identity, group: str) -> str:
    """Name of the eyes' colour."""
    names = _IRISES[group]
    return names[int(who.random(4).integers(len(names)))]


def picture_of(who: Identity) -> Picture:
    """Light, camera and noise of an identity."""
    random = who.random(5)
    kind = ("window", "studio", "overcast", "sun", "lamp", "ring")[who.number % 6]
    side = 1 if random.uniform() < 0.5 else -1
    lights, sky, exposure = _light(kind, side, random)
    return Picture(
        light_name=f"{kind}-{'left' if side < 0 else 'right'}",
        lights=lights,
        sky=sky,
        exposure=exposure * float(random.uniform(0.92, 1.1)),
        yaw=float(random.uniform(-22, 22)),
        pitch=float(random.uniform(-6, 8)),
        distance=float(random.uniform(1.1, 2.6)),
        width=float(random.uniform(0.53, 0.60)),
        noise=float(random.uniform(0.006, 0.016)),
        quality=int(random.integers(78, 92)),
        seed=int(random.integers(2**30)),
    )


def _light(
    kind: str, side: int, random: np.random.Generator
) -> tuple[tuple[Light, ...], tuple[tuple[float, float, float], tuple[float, float, float]], float]:
    warm, cool, white = (1.0, 0.84, 0.66), (0.86, 0.93, 1.0), (1.0, 0.97, 0.93)
    yaw = side * float(random.uniform(25, 60))
    if kind == "window":
        return (Light(yaw * 1.2, 12, 1.0, 3.6, cool),), ((0.30, 0.30, 0.31), (0.20, 0.18, 0.16)), 1.1
    if kind == "studio":
        key, fill = Light(yaw, 32, 0.6, 3.0, white), Light(-yaw, 8, 1.0, 1.0, white)
        rim = Light(180 - yaw * 0.8, 35, 0.5, 2.0, white)
        return (key, fill, rim), ((0.26, 0.26, 0.27), (0.17, 0.16, 0.16)), 1.05
    if kind == "overcast":
        return (Light(yaw * 0.4, 62, 1.6, 1.8, cool),), ((0.60, 0.63, 0.68), (0.28, 0.26, 0.24)), 1.0
    if kind == "sun":
        sun = Light(yaw * 1.1, 40, 0.22, 4.0, (1.0, 0.92, 0.78))
        return (sun,), ((0.34, 0.40, 0.50), (0.24, 0.22, 0.17)), 0.95
    if kind == "lamp":
        lamps = (Light(yaw, 38, 0.35, 2.6, warm), Light(-yaw * 1.4, 20, 0.5, 0.8, (0.75, 0.85, 1.0)))
        return lamps, ((0.30, 0.26, 0.22), (0.20, 0.17, 0.14)), 1.05
    return (Light(side * 6.0, 10, 0.7, 2.9, white),), ((0.28, 0.28, 0.30), (0.20, 0.20, 0.20)), 1.05
