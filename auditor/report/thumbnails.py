"""Pictures of an audit made small enough to travel inside a report."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from auditor.errors import InputError
from auditor.report.view.audit import ReportView
from auditor.store.directory import inside

MAX_PIXELS = 20_000_000
"""A larger picture was not made by an audit; it is left out."""

_READABLE = ("PNG", "JPEG", "WEBP")
# Side in pixels and quality, best first; the first that fits the budget is taken for all.
_LEVELS = ((256, 84), (224, 78), (192, 72), (160, 66), (128, 60), (96, 50), (64, 40), (32, 30))


@dataclass(frozen=True)
class Encoded:
    """A picture as it is embedded."""

    data: bytes
    media_type: str
    width: int
    """Pixels."""
    height: int

    @property
    def embedded(self) -> dict[str, object]:
        """Source and size, for an element of a page that holds the picture itself."""
        src = f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"
        return {"src": src, "width": self.width, "height": self.height}


def picture_paths(view: ReportView) -> list[str]:
    """Every picture that the report shows, in order, once."""
    paths: list[str] = []
    for section in view.detailed:
        shots = [*section.images, *section.occluder, *section.occluded]
        shots += [shot for table in section.contrasts for shot in table.shots]
        groups = (*section.evidence, *section.overlays, *section.averages)
        shots += [shot for group in groups for shot in group.shots]
        shots += [shot for layer in section.layers for shot in layer.shots]
        paths += [shot.path for shot in shots]
    return list(dict.fromkeys(paths))


def encode(
    directory: Path, paths: Iterable[str], *, kind: Literal["WEBP", "JPEG"], budget: int, side: int = 256
) -> Mapping[str, Encoded]:
    """Encode pictures, all at the best level at which together they stay under ``budget`` bytes.

    Args:
        directory: The audit directory; a path that leads out of it is left out.
        paths: Relative to ``directory``.
        kind: WebP for screens, JPEG for PDF readers.
        budget: Bytes for all of them together.
        side: Longest side in pixels at the best level.

    Returns:
        Path to encoded picture; a picture that is missing or unreadable is not in it.
    """
    images = {path: image for path in paths if (image := _read(directory, path, side)) is not None}
    level = 0
    while True:
        longest, quality = _LEVELS[level]
        encoded = {
            path: _encode(
                image, side=max(1, round(side * longest / _LEVELS[0][0])), kind=kind, quality=quality
            )
            for path, image in images.items()
        }
        total = sum(len(picture.data) for picture in encoded.values())
        if total <= budget or level == len(_LEVELS) - 1:
            return encoded
        # Bytes go with the area at least, so levels that cannot fit are passed over.
        level += 1
        while level < len(_LEVELS) - 1 and total * (_LEVELS[level][0] / longest) ** 2 > budget * 1.5:
            level += 1


def _read(directory: Path, path: str, side: int) -> Image.Image | None:
    try:
        with Image.open(inside(directory, path), formats=_READABLE) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            rgb = image.convert("RGB")
    except (InputError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    rgb.thumbnail((side, side), Image.Resampling.LANCZOS)
    return rgb


def _encode(image: Image.Image, *, side: int, kind: Literal["WEBP", "JPEG"], quality: int) -> Encoded:
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if kind == "WEBP":
        small.save(buffer, "WEBP", quality=quality, method=4)
    else:
        small.save(buffer, "JPEG", quality=quality, optimize=True, subsampling=0)
    return Encoded(buffer.getvalue(), f"image/{kind.lower()}", small.width, small.height)
