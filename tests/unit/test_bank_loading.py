"""From a name or a folder to a checked bank."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.banks import load_bank, places
from auditor.banks.generated import drawing
from auditor.banks.importing import Options
from auditor.banks.importing.run import import_bank
from auditor.banks.manifest import Manifest, read_manifest
from auditor.banks.read import loading
from auditor.banks.starting import start_manifest
from auditor.errors import InputError, StorageError
from auditor.images.decode import decode_image
from auditor.progress import Silent
from tests.bank_data import folder_of_folders, picture


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITOR_BANKS", str(tmp_path / "imported"))
    monkeypatch.setenv("AUDITOR_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def few_textures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped bank with 3 textures of 4 small images."""

    def small(path: Path) -> Manifest:
        manifest = read_manifest(path)
        generator = manifest.generator and manifest.generator.model_copy(update={"images": 4, "size": 64})
        return manifest.model_copy(update={"concepts": manifest.concepts[:3], "generator": generator})

    monkeypatch.setattr(loading, "read_manifest", small)


def test_folder_of_folders(tmp_path: Path) -> None:
    bank = load_bank(str(folder_of_folders(tmp_path / "mine")), min_images=4)
    assert (bank.name, bank.source) == ("mine", "folder")
    assert [(c.name, len(c.images)) for c in bank.concepts] == [("dots", 4), ("lines", 4)]
    assert bank.concepts[0].images[0].name == "dots/00.png"
    assert bank.concepts[0].images[0].load().size == (48, 48)


def test_digest_depends_on_content_and_label_only(tmp_path: Path) -> None:
    first = load_bank(str(folder_of_folders(tmp_path / "a")), min_images=2)
    assert load_bank(str(folder_of_folders(tmp_path / "b")), min_images=2).digest == first.digest
    shutil.move(tmp_path / "b/dots/00.png", tmp_path / "b/lines/x.png")
    assert load_bank(str(tmp_path / "b"), min_images=2).digest != first.digest


def test_small_concepts_and_unreadable_images_are_skipped_with_the_reason(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "mine", concepts=("dots", "lines", "few"), count=4)
    for i in range(2, 4):
        (root / f"few/{i:02d}.png").unlink()
    (root / "dots/empty.png").touch()
    (root / "dots/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no")
    picture(root / "lines/ünï.png", 77)
    shutil.copy(root / "dots/00.png", root / "dots/copy.png")
    bank = load_bank(str(root), min_images=4)
    assert {c.name: len(c.images) for c in bank.concepts} == {"dots": 4, "lines": 5}
    reasons = {s.what: s.reason for s in bank.skipped}
    assert reasons["concept 'few'"] == "2 images, need 4"
    assert reasons["image 'dots/empty.png'"].startswith("0 bytes")
    assert "image 'dots/broken.jpg'" in reasons
    assert reasons["image 'dots/copy.png'"] == "a copy of 'dots/00.png'"


def test_no_concept_left(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no concept with enough images .*'dots' has 4 images, need 30"):
        load_bank(str(folder_of_folders(tmp_path / "mine")))


def test_concepts_cannot_share_an_image(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "mine")
    shutil.copy(root / "dots/01.png", root / "lines/zz.png")
    with pytest.raises(
        InputError, match=r"'dots' and 'lines' share an image: 'dots/01.png' and 'lines/zz.png'"
    ):
        load_bank(str(root), min_images=2)


def test_folders_that_differ_in_case(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "mine", concepts=("dots", "Dots"))
    if len(list(root.iterdir())) < 2:
        pytest.skip("this file system does not tell case")
    with pytest.raises(InputError, match="'Dots' and 'dots' differ only in case"):
        load_bank(str(root), min_images=2)


def test_an_image_that_changes_after_loading_is_never_shown(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "mine")
    image = load_bank(str(root), min_images=2).concepts[0].images[0]
    before = decode_image(root / "dots/00.png")
    picture(root / "dots/00.png", 999)
    assert image.load() == before  # as it was checked
    with pytest.raises(InputError, match="has changed since it was recorded"):
        image.load()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("texture", "did you mean textures"),
        ("xyz", "neither a known bank nor a folder; known banks: appearance, gender"),
    ],
)
def test_unknown_bank_lists_the_nearest(spec: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_bank(spec)


def test_file_and_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match="a file, need a folder"):
        load_bank(str(tmp_path / "a.txt"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no subfolders"):
        load_bank(str(tmp_path / "empty"))


@pytest.mark.usefixtures("few_textures")
def test_generated_bank_is_cached_and_heals(tmp_path: Path) -> None:
    first = load_bank("textures")
    assert [len(c.images) for c in first.concepts] == [4, 4, 4]
    files = sorted((tmp_path / "cache").rglob("*.png"))
    assert len(files) == 12
    stamps = [f.stat().st_mtime_ns for f in files]
    again = load_bank("textures")
    assert again.digest == first.digest
    assert [f.stat().st_mtime_ns for f in files] == stamps  # nothing was made anew
    want = np.asarray(first.concepts[0].images[0].load())
    files[0].write_bytes(b"damaged")
    assert np.array_equal(np.asarray(again.concepts[0].images[0].load()), want)
    Image.new("RGB", (64, 64)).save(files[0])  # a readable picture, but not the right one
    assert np.array_equal(np.asarray(again.concepts[0].images[0].load()), want)
    next((tmp_path / "cache").rglob("sha256.json")).write_text("[1, ")
    assert load_bank("textures").digest == first.digest
    assert load_bank("textures", seed=1).digest != first.digest


@pytest.mark.usefixtures("few_textures")
def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "blocked").touch()
    with pytest.raises(StorageError, match=r"cannot write .*AUDITOR_CACHE"):
        load_bank("textures", cache=tmp_path / "blocked")


@pytest.mark.usefixtures("few_textures")
@pytest.mark.parametrize("interpreter", [sys.executable, "/no/such/python", shutil.which("false") or "false"])
def test_processes_draw_the_same_pictures(
    interpreter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no process starts, or each ends at once, the pictures are drawn all the same."""
    here = load_bank("textures", cache=tmp_path / "here").digest
    monkeypatch.setattr(drawing, "processors", lambda: 2)
    monkeypatch.setattr(drawing, "FEWEST_EACH", 2)
    monkeypatch.setattr(drawing.sys, "executable", interpreter)
    asked = []
    monkeypatch.setattr(drawing.Drawing, "make", _noting(drawing.Drawing.make, asked))
    assert load_bank("textures", cache=tmp_path / "there").digest == here
    assert len(asked) == (0 if interpreter == sys.executable else 12)
    assert len(list((tmp_path / "there").rglob("*.png"))) == 12


def _noting(make: Callable[..., str], asked: list[object]) -> Callable[..., str]:
    def noted(own: object, which: object) -> str:
        asked.append(which)
        return make(own, which)

    return noted


@pytest.mark.usefixtures("few_textures")
def test_interrupted_drawing_goes_on_where_it_was(tmp_path: Path) -> None:
    class Impatient(Silent):
        left = 5

        def advance(self, n: int = 1) -> None:
            self.left -= n
            if not self.left:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_bank("textures", progress=Impatient())
    lists = [json.loads(path.read_text()) for path in sorted((tmp_path / "cache").rglob("sha256.json"))]
    assert [len(known) for known in lists] == [2, 2, 1]
    pictures = sorted((tmp_path / "cache").rglob("*.png"))
    assert len(pictures) == 5
    assert not list((tmp_path / "cache").rglob("*.part"))
    stamps = [path.stat().st_mtime_ns for path in pictures]
    gone_on = load_bank("textures")
    assert [path.stat().st_mtime_ns for path in pictures] == stamps
    assert gone_on.digest == load_bank("textures", cache=tmp_path / "whole").digest


def test_cache_can_be_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.cache_root() == tmp_path / "cache"
    assert places.cache_root(tmp_path / "x") == tmp_path / "x"
    monkeypatch.delenv("AUDITOR_CACHE")
    assert "auditor" in str(places.cache_root())


def test_face_bank_without_an_imported_set_says_what_to_do() -> None:
    said = "bank 'race': no imported set has labels 'race'; needed: 'auditor banks fetch fairface', or"
    with pytest.raises(InputError, match=said):
        load_bank("race")


def test_manifest_with_reference_images(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "mine", concepts=("dots", "lines", "others"))
    path = start_manifest(root)
    text = path.read_text(encoding="utf-8").replace("min_images = 30", "min_images = 2")
    text = text.replace("[reference]\n", '[reference]\nfolder = "others"\n')
    text = text[: text.index('[[concepts]]\nname = "others"')]
    path.write_text(text, encoding="utf-8")
    bank = load_bank(str(root), min_images=2)
    assert [c.name for c in bank.concepts] == ["dots", "lines"]
    assert bank.reference is not None
    assert len(bank.reference.images) == 4
    assert not bank.report_images
    assert bank.datasheet["Reference images"]


def clustered(root: Path, cluster: str) -> Path:
    folder_of_folders(root)
    start_manifest(root)
    path = root / "bank.toml"
    text = path.read_text().replace("min_images = 30", "min_images = 2")
    path.write_text(text + f"\n[cluster]\n{cluster}\n")
    return root


def test_a_pattern_names_the_cluster_of_each_image(tmp_path: Path) -> None:
    """Images 0 and 1 of a concept belong together, and 2 and 3."""
    root = clustered(tmp_path / "mine", "of = \"photo\"\nname_pattern = '^([^/]+/0)[01]'")
    bank = load_bank(str(root), min_images=2)
    assert bank.cluster_of == "photo"
    assert [i.cluster for i in bank.concepts[0].images] == ["dots/0", "dots/0", "", ""]


def test_clusters_that_name_no_image_are_refused(tmp_path: Path) -> None:
    root = clustered(tmp_path / "mine", "name_pattern = '^(nothing)'")
    with pytest.raises(InputError, match=r"\[cluster\] names no cluster of any image; needed: a covariate"):
        load_bank(str(root), min_images=2)


def test_a_csv_may_name_clusters(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "set")
    rows = [f"{c}/{i:02d}.png,{c},p{i // 2}" for c in ("dots", "lines") for i in range(4)]
    (root / "labels.csv").write_text("\n".join(["file,label,cluster", *rows]))
    found = import_bank("csv", root, into=tmp_path / "banks", options=Options())
    manifest = found.folder / "bank.toml"
    manifest.write_text(manifest.read_text().replace("min_images = 30", "min_images = 2"))
    bank = load_bank(str(found.folder), min_images=2)
    assert [i.cluster for i in bank.concepts[0].images] == ["p0", "p0", "p1", "p1"]


@pytest.mark.parametrize(
    ("imported", "expected"),
    [
        ({}, ("textures", "presentation")),
        ({"mine": {"gender": "woman"}}, ("textures", "gender:mine")),
        ({"mine": {"race": "white"}}, ("textures", "presentation", "race:mine")),
        ({"mine": {"gender": "woman", "race": "white"}}, ("textures", "gender:mine", "race:mine")),
        (
            {"a": {"gender": "woman"}, "fairface": {"gender": "woman", "race": "white"}},
            ("textures", "gender:fairface", "race:fairface"),
        ),
    ],
)
def test_an_audit_that_names_no_bank_takes_the_best_there_is(
    monkeypatch: pytest.MonkeyPatch, imported: dict[str, dict[str, str]], expected: tuple[str, ...]
) -> None:
    """Photos before rendered people, and the set that is fetched before others."""

    def able(manifest: Manifest) -> tuple[dict[str, Path], dict[str, Path]]:
        needed = set(manifest.labels)
        having = {name: Path(name) for name, labels in imported.items() if needed <= set(labels)}
        return having, having

    monkeypatch.setattr(loading, "_able", able)
    assert loading.default_banks() == expected
