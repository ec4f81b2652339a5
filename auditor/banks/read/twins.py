"""Whether a bank of rendered pairs is whole: its contrasts rest on twins that differ in their group alone."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from auditor.banks.lock import Lock, LockedImage
from auditor.banks.manifest import Manifest
from auditor.banks.read.locked import images_of
from auditor.errors import InputError


def check_twins(manifest: Manifest, lock: Lock, folder: Path) -> None:
    """Every image of a contrast's group must have its twin, of the same name and size, in the other group.

    Raises:
        InputError: a twin is not in the lock file, or its file is gone, or its size differs.
    """
    root = lock.folder(folder)
    entries = {entry.name: entry for entry in manifest.concepts}
    for contrast in manifest.contrasts:
        groups = [
            {PurePosixPath(image.file).name: image for image in images_of(entries[name], lock)}
            for name in (contrast.more, contrast.less)
        ]
        for own, other, group in (
            (groups[0], groups[1], contrast.less),
            (groups[1], groups[0], contrast.more),
        ):
            for name, image in own.items():
                _check(image, other.get(name), f"bank '{manifest.name}', '{image.file}'", group, root)


def _check(image: LockedImage, twin: LockedImage | None, where: str, group: str, root: Path) -> None:
    if twin is None or not (root / twin.file).is_file():
        raise InputError(f"{where}: has no twin in group '{group}'; needed: both pictures of a pair")
    sizes = [(one.width, one.height) for one in (image, twin)]
    if sizes[0] != sizes[1]:
        seen = " and ".join(f"{width} x {height}" for width, height in sizes)
        raise InputError(f"{where}: its twin in group '{group}' has another size ({seen}); needed: the same")
