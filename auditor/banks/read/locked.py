"""The concepts of an imported bank: images of its lock file, selected by label."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from auditor.banks.bank import BankImage
from auditor.banks.lock import Lock, LockedImage
from auditor.banks.manifest import ConceptEntry, Manifest
from auditor.banks.read.folder import FoundConcepts, load_checked
from auditor.errors import InputError


def locked_concepts(manifest: Manifest, lock: Lock, root: Path, *, min_images: int) -> FoundConcepts:
    """Images by the concepts' ``where``; a concept with two labels is an intersection.

    Images are not opened: :meth:`BankImage.load` compares the checksum.

    Raises:
        InputError: the images' folder is gone, a concept selects by a label that no image has, or two
            concepts select the same image.
    """
    where = f"bank '{manifest.name}'"
    if not root.is_dir():
        raise InputError(f"{where}: its images' folder '{root}' is gone; import it again")
    known = {label for image in lock.images for label in image.labels}
    found = FoundConcepts()
    owner: dict[str, str] = {}
    for entry in manifest.concepts:
        labels = labels_of(entry)
        unknown = sorted(set(labels) - known)
        if unknown:
            raise InputError(
                f"{where}, concept '{entry.name}': no image has a label '{unknown[0]}'; "
                f"the labels are {', '.join(sorted(known))}"
            )
        chosen = images_of(entry, lock)
        for image in chosen:
            if (other := owner.setdefault(image.file, entry.name)) != entry.name:
                raise InputError(
                    f"{where}: concepts '{other}' and '{entry.name}' share the image '{image.file}'; "
                    "their labels must exclude each other"
                )
        images = [
            _bank_image(image, root, manifest.cutout) for image in chosen if (root / image.file).is_file()
        ]
        if len(images) < len(chosen):
            missing = len(chosen) - len(images)
            found.skip(f"{missing} images of '{entry.name}'", f"no longer in '{root}'")
        found.add(entry, images, min_images=min_images)
    return found


def labels_of(entry: ConceptEntry) -> dict[str, str]:
    """The labels that the images of a concept have."""
    return entry.where or {"concept": entry.name}


def images_of(entry: ConceptEntry, lock: Lock) -> list[LockedImage]:
    """The images of a concept, in the order of the lock."""
    wanted = labels_of(entry).items()
    return [image for image in lock.images if wanted <= image.labels.items()]


def _bank_image(image: LockedImage, root: Path, cutout: str) -> BankImage:
    path = root / image.file
    measured: dict[str, str | float] = {
        "brightness": image.brightness,
        "contrast": image.contrast,
        "sharpness": image.sharpness,
        "image size": float(min(image.width, image.height)),
    }
    return BankImage(
        name=image.file,
        load=partial(load_checked, path, image.sha256),
        sha256=image.sha256,
        covariates={**image.labels, **image.covariates, **measured},
        path=path,
        mask=_mask(image, root, cutout),
        mask_sha256=image.mask_sha256 if cutout == "masks" else "",
    )


def _mask(image: LockedImage, root: Path, cutout: str) -> Callable[[], Image.Image] | None:
    if cutout == "ellipse":
        return partial(ellipse, image.width, image.height)
    if cutout == "masks" and image.mask:
        return partial(_grey, root / image.mask, image.mask_sha256)
    return None


def _grey(path: Path, sha256: str) -> Image.Image:
    return load_checked(path, sha256).convert("L")


def ellipse(width: int, height: int) -> Image.Image:
    """A face's outline in a picture of a face: 8-bit grey, soft at the edge."""
    down, across = np.mgrid[0:height, 0:width]
    x = (across + 0.5 - width / 2) / (width * 0.40)
    y = (down + 0.5 - height / 2) / (height * 0.47)
    edge = np.clip((1.0 - np.hypot(x, y)) / 0.12 + 0.5, 0, 1)
    return Image.fromarray((edge * 255).round().astype(np.uint8))
