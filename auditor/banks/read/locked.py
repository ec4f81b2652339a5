"""The concepts of an imported bank: images of its lock file, selected by label."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from auditor.banks.bank import BankImage, Concept
from auditor.banks.lock import Lock, LockedImage
from auditor.banks.manifest import Manifest
from auditor.banks.read.folder import FolderConcepts, load_checked
from auditor.errors import InputError
from auditor.records import Skipped


def locked_concepts(manifest: Manifest, lock: Lock, root: Path, *, min_images: int) -> FolderConcepts:
    """Images by the concepts' ``where``; a concept with two labels is an intersection.

    Images are not opened: :meth:`BankImage.load` compares the checksum when one is used.

    Raises:
        InputError: the images' folder is gone, a concept selects by a label that no image has, or two
            concepts select the same image.
    """
    if not root.is_dir():
        raise InputError(f"bank '{manifest.name}': its images' folder '{root}' is gone; import it again")
    known = {label for image in lock.images for label in image.labels}
    skipped: list[Skipped] = []
    concepts: list[Concept] = []
    owner: dict[str, str] = {}
    for entry in manifest.concepts:
        where = entry.where or {"concept": entry.name}
        unknown = sorted(set(where) - known)
        if unknown:
            raise InputError(
                f"bank '{manifest.name}', concept '{entry.name}': no image has a label '{unknown[0]}'; "
                f"the labels are {', '.join(sorted(known))}"
            )
        images = []
        for image in lock.images:
            if any(image.labels.get(label) != value for label, value in where.items()):
                continue
            if image.file in owner:
                raise InputError(
                    f"bank '{manifest.name}': concepts '{owner[image.file]}' and '{entry.name}' share the "
                    f"image '{image.file}'; their labels must exclude each other"
                )
            owner[image.file] = entry.name
            images.append(_bank_image(image, root))
        missing = sum(1 for image in images if image.path is None or not image.path.is_file())
        if missing:
            skipped.append(
                Skipped(what=f"{missing} images of '{entry.name}'", reason=f"no longer in '{root}'")
            )
            images = [image for image in images if image.path is not None and image.path.is_file()]
        if len(images) < min_images:
            reason = f"{len(images)} images, need {min_images}"
            skipped.append(Skipped(what=f"concept '{entry.name}'", reason=reason))
            continue
        concepts.append(Concept(entry.name, tuple(images), entry.title or entry.name, entry.definition))
    return FolderConcepts(tuple(concepts), tuple(skipped))


def _bank_image(image: LockedImage, root: Path) -> BankImage:
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
    )
