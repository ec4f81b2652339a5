"""Turns an untrusted image file into an 8-bit RGB picture, or says why not.

:func:`decode_image` reads all images for auditor. It checks the size on disk and the header before it
decodes, allows Pillow only pure image decoders (no PostScript), and converts unusual kinds as a viewer would:
orientation applied, palette and CMYK converted, 16 bits scaled, transparency on white.
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import (  # noqa: F401  registers the decoders named in _FORMATS, and no others
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
    features,
)

from auditor.errors import InputError, one_line
from auditor.records import Skipped

MAX_BYTES = 64 * 2**20
"""Largest file that is read: 64 MiB."""
MAX_PIXELS = 50_000_000
"""Largest image that is decoded: 50 megapixels."""

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".avifs", ".heic", ".heif", ".hif"}
)
NOT_READ = frozenset(
    {".jp2", ".j2k", ".jpf", ".jxl", ".svg", ".psd", ".tga", ".exr", ".hdr", ".ico", ".pcx"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"}
)
"""Pictures of kinds that are not read: each such file is listed as left out."""

# "JPEG" opens MPO too, which many phones write as .jpg: a JPEG with a second view behind it.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "AVIF", "HEIF")
_WHITE = (255, 255, 255, 255)


def decode_image(source: str | os.PathLike[str] | bytes) -> Image.Image:
    """The picture in ``source`` (a path, or the bytes of a file) as 8-bit RGB.

    Raises:
        InputError: not a regular file, empty, larger than :data:`MAX_BYTES` or :data:`MAX_PIXELS`, not an
            image of a known kind, animated, truncated or otherwise broken.
    """
    if isinstance(source, bytes):
        data, where = source, "image"
    else:
        where = f"image '{os.fspath(source)}'"
        data = read_limited(Path(source))
    if not data:
        raise InputError(f"{where}: 0 bytes, need an image file")
    if len(data) > MAX_BYTES:
        raise InputError(f"{where}: {len(data)} bytes, at most {MAX_BYTES} are read")
    if data[4:8] == b"ftyp":
        _prepare_container(where, data[8:12])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit below replaces Pillow's warning
            registered = [name for name in _FORMATS if name in Image.OPEN]
            with Image.open(io.BytesIO(data), formats=registered) as image:
                _check_header(image, where=where)
                # WeasyPrint switches this on for the whole process: cut-off files would pass as whole ones.
                ImageFile.LOAD_TRUNCATED_IMAGES = False
                image.load()
                return _to_rgb(_upright(image), where=where)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{where}: more than {MAX_PIXELS} pixels, refused") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{where}: not an image of a known kind (JPEG, PNG, GIF, BMP, TIFF, WebP, PNM, AVIF, HEIC)"
        ) from error
    except Exception as error:  # decoders of broken files may raise anything
        said = one_line(error, 1000)
        raise InputError(f"{where}: broken or truncated ({said})") from error


def read_limited(path: Path) -> bytes:
    """The bytes of a regular file of at most :data:`MAX_BYTES`.

    Raises:
        InputError: missing, not a regular file, too large or not readable.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InputError(f"image '{path}': not a regular file")
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"image '{path}': cannot be read ({error.strerror or error})") from error
    if len(data) > MAX_BYTES:
        raise InputError(f"image '{path}': more than {MAX_BYTES} bytes, which is the limit")
    return data


def left_out(name: str, reason: str) -> Skipped:
    """What is said of an image that is not used."""
    return Skipped(what=f"image '{name}'", reason=reason)


def leads_out(path: Path, folder: Path) -> bool:
    """Whether a path is a link to somewhere outside of the folder."""
    return path.is_symlink() and not path.resolve().is_relative_to(folder.resolve())


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """Image files under ``folder`` (by suffix, at any depth) in the order of their relative path.

    Hidden files and links that lead out of the folder are left out; :func:`scan_images` names the latter.

    Raises:
        InputError: there is no such folder.
    """
    return scan_images(folder)[0]


def scan_images(folder: str | os.PathLike[str]) -> tuple[list[Path], list[Skipped]]:
    """:func:`list_images`, and what was left out although it looks like an image.

    The order depends on names alone, neither on the file system nor on the locale.

    Raises:
        InputError: there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"folder '{root}': {'not a folder' if root.exists() else 'does not exist'}")
    found: dict[str, Path] = {}
    refused: list[Skipped] = []
    for at, folders, files in os.walk(root, followlinks=False):
        inside = Path(at).relative_to(root)
        linked = [name for name in folders if (Path(at) / name).is_symlink()]
        for name in linked:
            reason = "a link to a folder; links are not followed"
            refused.append(Skipped(what=f"folder '{(inside / name).as_posix()}'", reason=reason))
        folders[:] = [name for name in folders if not _hidden(name) and name not in linked]
        for path in (Path(at) / name for name in files if not _hidden(name)):
            where, kind = (inside / path.name).as_posix(), path.suffix.lower()
            if kind in NOT_READ:
                reason = f"{kind[1:].upper()}, a kind that is not read; needed: JPEG or PNG"
                refused.append(left_out(where, reason))
            elif kind in IMAGE_SUFFIXES and leads_out(path, root):
                refused.append(left_out(where, "a link that leads out of the folder"))
            elif kind in IMAGE_SUFFIXES:
                found[where] = path
    return [found[where] for where in sorted(found)], sorted(refused, key=lambda skipped: skipped.what)


def _prepare_container(where: str, brand: bytes) -> None:
    """Register the decoder of AVIF (Pillow's own) or of HEIC (the package pillow-heif)."""
    if brand in (b"avif", b"avis"):
        if not features.check("avif"):
            raise InputError(
                f"{where}: AVIF, which this Pillow can't read; needed: pip install 'pillow>=11.3'"
            )
        from PIL import AvifImagePlugin  # noqa: F401
    elif brand in _HEIC_BRANDS:
        try:
            import pillow_heif
        except ImportError as failure:
            raise InputError(
                f"{where}: HEIC, which needs the package pillow-heif; needed: pip install pillow-heif"
            ) from failure
        pillow_heif.register_heif_opener()


_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


def _open_without_waiting(path: str, flags: int) -> int:
    """Without this flag, opening a named pipe waits for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _check_header(image: Image.Image, *, where: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise InputError(f"{where}: {image.width} x {image.height} pixels, at most {MAX_PIXELS} are decoded")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise InputError(f"{where}: animated or paged ({frames} frames), need a single picture")


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; broken EXIF data turn nothing."""
    try:
        return ImageOps.exif_transpose(image) or image
    except Exception:  # the picture itself decoded well
        return image


def _to_rgb(image: Image.Image, *, where: str) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bit(image, where=where)
    if image.mode == "F":
        raise InputError(f"{where}: floating-point pixels without a stated range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, _WHITE), layered).convert("RGB")
    return image.convert("RGB")


def _from_16_bit(image: Image.Image, *, where: str) -> Image.Image:
    """Grey of 16 bits, 65535 being white. Pillow's own conversion would clip at 255."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise InputError(f"{where}: 32-bit integer pixels without a stated range; save it with 8 or 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
