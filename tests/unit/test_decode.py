"""Odd, broken and hostile image files."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.errors import InputError
from auditor.images.decode import decode_image, list_images, scan_images

RAMP = np.linspace(0, 255, 32 * 24, dtype=np.uint8).reshape(24, 32)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM"])
def test_every_kind_becomes_8_bit_rgb(kind: str) -> None:
    image = decode_image(encoded(Image.fromarray(RAMP), kind))
    assert image.mode == "RGB"
    assert image.size == (32, 24)
    assert abs(np.asarray(image)[..., 0].astype(int) - RAMP).mean() < 6


def test_palette() -> None:
    red = Image.new("RGB", (8, 8), (200, 10, 20)).quantize(4)
    assert red.mode == "P"
    assert decode_image(encoded(red, "PNG")).getpixel((3, 3)) == (200, 10, 20)


def test_cmyk_jpeg() -> None:
    image = decode_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    red, green, blue = image.getpixel((4, 4))
    assert red > 240
    assert green < 15
    assert blue < 15


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    values = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    out = np.asarray(decode_image(encoded(Image.fromarray(values), "PNG")))[..., 0]
    assert np.abs(out - values / 257).max() <= 0.51


def test_alpha_is_laid_on_white() -> None:
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert decode_image(encoded(half, "PNG")).getpixel((0, 0)) == pytest.approx((127, 127, 127), abs=1)


def test_palette_with_transparency() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30] + [0] * 765)
    assert decode_image(encoded(image, "PNG", transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_exif_orientation_is_applied() -> None:
    image = Image.fromarray(RAMP).convert("RGB")
    exif = image.getexif()
    exif[0x0112] = 6
    assert decode_image(encoded(image, "JPEG", exif=exif)).size == (24, 32)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animated_is_refused_with_the_reason(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), (i * 80, 0, 90)) for i in range(3)]
    with pytest.raises(InputError, match="3 frames"):
        decode_image(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))


def test_phone_picture_with_a_second_view_is_not_animated() -> None:
    views = [Image.new("RGB", (16, 8), (i * 200, 0, 90)) for i in range(2)]
    image = decode_image(encoded(views[0], "MPO", save_all=True, append_images=views[1:]))
    assert image.getpixel((4, 4))[0] < 40


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    with pytest.raises(InputError, match=r"empty\.jpg': 0 bytes"):
        decode_image(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_truncated(kind: str) -> None:
    rng = np.random.default_rng(0)
    data = encoded(Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)), kind)
    with pytest.raises(InputError, match=r"broken or truncated|not an image"):
        decode_image(data[: len(data) // 2])


@pytest.mark.parametrize(
    "data", [b"not an image", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x00" * 500]
)
def test_other_files(data: bytes) -> None:
    with pytest.raises(InputError):
        decode_image(data)


def test_too_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    content = encoded(Image.new("RGB", (64, 64)), "PNG")
    path.write_bytes(content)
    monkeypatch.setattr("auditor.images.decode.MAX_BYTES", 50)
    with pytest.raises(InputError, match="more than 50 bytes"):
        decode_image(path)
    with pytest.raises(InputError, match="at most 50"):
        decode_image(content)


def png_of_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
def test_decompression_bomb_is_refused_before_decoding(side: int) -> None:
    with pytest.raises(InputError, match="pixels"):
        decode_image(png_of_size(side, side))


def test_exactly_at_the_limit_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("RGB", (20, 10)), "PNG")
    monkeypatch.setattr("auditor.images.decode.MAX_PIXELS", 200)
    assert decode_image(data).size == (20, 10)
    monkeypatch.setattr("auditor.images.decode.MAX_PIXELS", 199)
    with pytest.raises(InputError, match="20 x 10"):
        decode_image(data)


def test_missing_folder_and_pipe(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        decode_image(tmp_path / "gone.png")
    with pytest.raises(InputError, match="directory"):
        decode_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="not a regular file"):
        decode_image(tmp_path / "pipe.png")


def test_floating_point_is_refused() -> None:
    with pytest.raises(InputError, match="floating-point"):
        decode_image(encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"))


def test_result_does_not_depend_on_the_file_staying(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.new("RGB", (4, 4), (1, 2, 3)), "PNG"))
    image = decode_image(path)
    path.unlink()
    assert image.getpixel((0, 0)) == (1, 2, 3)


def test_listing_is_sorted_and_stays_inside(tmp_path: Path) -> None:
    root = tmp_path / "bank"
    (root / "b").mkdir(parents=True)
    (root / ".hidden").mkdir()
    for name in ("b/é.PNG", "b/a.jpg", "a.jpeg", "Z.webp", "._a.jpg", ".hidden/x.jpg", "notes.txt"):
        (root / name).write_bytes(b"x")
    (tmp_path / "outside.jpg").write_bytes(b"secret")
    (root / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    (root / "inner.jpg").symlink_to(root / "a.jpeg")
    (root / "up").symlink_to(tmp_path)
    found, refused = scan_images(root)
    assert [p.relative_to(root).as_posix() for p in found] == [
        "Z.webp",
        "a.jpeg",
        "b/a.jpg",
        "b/é.PNG",
        "inner.jpg",
    ]
    assert [s.what for s in refused] == ["folder 'up'", "image 'link.jpg'"]
    assert list_images(root) == found
    with pytest.raises(InputError, match="does not exist"):
        list_images(root / "gone")


def test_avif_is_read_by_pillow_itself(tmp_path: Path) -> None:
    Image.new("RGB", (32, 24), (200, 30, 30)).save(tmp_path / "a.avif")
    red, green, blue = decode_image(tmp_path / "a.avif").getpixel((5, 5))
    assert red > 180
    assert max(green, blue) < 60
    assert list_images(tmp_path) == [tmp_path / "a.avif"]


def heic(path: Path) -> Path:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.new("RGB", (32, 24), (200, 30, 30))).save(path)
    return path


def test_heic_as_phones_write_it(tmp_path: Path) -> None:
    path = heic(tmp_path / "IMG_0001.HEIC")
    assert list_images(tmp_path) == [path]
    assert decode_image(path).getpixel((5, 5))[0] > 180


def test_heic_without_its_decoder_says_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = heic(tmp_path / "a.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(InputError, match=r"HEIC, which needs .*pip install pillow-heif"):
        decode_image(path)


@pytest.mark.parametrize("name", ["a.jxl", "b.CR2", "c.svg", "sub/d.dng"])
def test_pictures_of_kinds_that_are_not_read_are_listed(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / name).write_bytes(b"something")
    found, refused = scan_images(tmp_path)
    assert found == []
    assert [skip.what for skip in refused] == [f"image '{name}'"]
    assert "a kind that is not read" in refused[0].reason
