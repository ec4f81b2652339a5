"""Images that belong together: declared by the bank, or found to be parts of one picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from auditor.banks import load_bank
from auditor.banks.bank import ConceptBank
from auditor.banks.clusters import (
    BRIGHTNESS_WITHIN,
    NEIGHBOURS,
    PROPOSED_FROM,
    THUMBNAIL,
    clusters_of,
    covariate_text,
    proposals,
    same_picture,
)
from auditor.banks.importing.run import Imported, import_bank
from auditor.banks.manifest import Manifest, parse_manifest, read_manifest
from auditor.banks.read import loading
from auditor.errors import InputError
from tests.bank_data import folder_of_folders, picture
from tests.oracles import statistics_loops as slow

SIDE = 160


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITOR_BANKS", str(tmp_path / "imported"))
    monkeypatch.setenv("AUDITOR_CACHE", str(tmp_path / "cache"))


def scene(seed: int) -> Image.Image:
    """Smooth noise, coarse and fine: as varied as a photo, and different for every seed."""
    rng = np.random.default_rng(seed)
    pixels = np.full((SIDE, SIDE, 3), 128.0)
    for cells, strength in ((4, 60), (9, 40), (20, 30), (45, 18)):
        for channel in range(3):
            coarse = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
            pixels[..., channel] += strength * np.asarray(
                coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            )
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def crop(image: Image.Image, left: float, top: float, size: float) -> Image.Image:
    """A square part; all in shares of the side."""
    w = image.width
    return image.crop((round(left * w), round(top * w), round((left + size) * w), round((top + size) * w)))


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def grey(image: Image.Image) -> np.ndarray:
    """What the model sees, made small: resized to its input, then averaged."""
    seen = np.asarray(image.resize((4 * THUMBNAIL,) * 2, Image.Resampling.BICUBIC), dtype=np.float64) / 255
    return seen.mean(axis=2).reshape(THUMBNAIL, 4, THUMBNAIL, 4).mean(axis=(1, 3))


def alike(one: Image.Image, two: Image.Image) -> bool:
    found = same_picture(np.stack([grey(one), grey(two)]), np.array([[0, 1]]))
    # Neither the order of the two nor that of the pair may matter.
    assert found == same_picture(np.stack([grey(two), grey(one)]), np.array([[0, 1]]))
    assert found == same_picture(np.stack([grey(one), grey(two)]), np.array([[1, 0]]))
    return bool(found[0])


# --- two pictures ---

COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "itself": lambda image: image,
    "strongly compressed": lambda image: as_jpeg(image, 30),
    "made small": lambda image: image.resize((48, 48), Image.Resampling.BOX),
    "mirrored": mirrored,
    "middle": lambda image: crop(image, 0.1, 0.1, 0.8),
    "corner": lambda image: crop(image, 0.0, 0.0, 0.8),
    "lower half": lambda image: crop(image, 0.4, 0.4, 0.6),
    "corner, mirrored and compressed": lambda image: as_jpeg(mirrored(crop(image, 0.2, 0.1, 0.7)), 50),
}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("seed", range(4))
def test_parts_and_copies_of_a_picture_are_found(way: str, seed: int) -> None:
    assert alike(scene(seed), COPIES[way](scene(seed)))


OTHERS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "another": lambda image: scene(int(np.asarray(image).sum()) % 1000 + 1000),
    "negative": lambda image: Image.fromarray(255 - np.asarray(image)),
    "upside down": lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "on its side": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "much brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "much flatter": lambda image: ImageEnhance.Contrast(image).enhance(0.5),
    # The centre of neither lies within the other.
    "opposite corner": lambda image: image,
}


@pytest.mark.parametrize("way", OTHERS)
@pytest.mark.parametrize("seed", range(4))
def test_what_is_no_copy_is_not_taken_for_one(way: str, seed: int) -> None:
    one, two = scene(seed), OTHERS[way](scene(seed))
    if way == "opposite corner":
        one, two = crop(one, 0.0, 0.0, 0.6), crop(two, 0.4, 0.4, 0.6)
    assert not alike(one, two)


def test_no_two_of_many_pictures_are_taken_for_one() -> None:
    thumbnails = np.stack([grey(scene(2000 + i)) for i in range(30)])
    pairs = np.array([(i, j) for j in range(30) for i in range(j)])
    assert not same_picture(thumbnails, pairs).any()


def plain(value: float, *, slope: float = 0.0, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """A surface without anything on it: a wall, a sky, with the noise of a camera."""
    ramp = np.linspace(-0.5, 0.5, THUMBNAIL)[:, None] * slope
    return value + ramp + noise * np.random.default_rng(seed).normal(size=(THUMBNAIL, THUMBNAIL))


def test_empty_surfaces_are_never_taken_for_copies() -> None:
    """Every wall looks like every other, and says nothing about who took it."""
    surfaces = [plain(value) for value in (0.0, 0.5, 0.5, 0.51, 1.0)]
    surfaces += [plain(0.5, slope=slope) for slope in (0.3, 0.3, 0.31, -0.3)]
    surfaces += [plain(0.5, noise=0.004, seed=seed) for seed in range(6)]
    surfaces += [plain(0.5, slope=0.3, noise=0.004, seed=seed) for seed in range(6, 12)]
    surfaces += [grey(scene(1))]
    pairs = np.array([(i, j) for j in range(len(surfaces)) for i in range(j)])
    found = pairs[same_picture(np.stack(surfaces), pairs)]
    assert found.tolist() == []


@pytest.mark.parametrize(("shift", "expected"), [(0.5, True), (0.9, True), (1.2, False), (2.0, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_brightness_may_differ_a_little(shift: float, expected: bool, sign: int) -> None:
    one = grey(scene(3))
    thumbnails = np.stack([one, one + sign * shift * BRIGHTNESS_WITHIN])
    assert same_picture(thumbnails, np.array([[0, 1]])).tolist() == [expected]


@pytest.mark.parametrize(("factor", "expected"), [(1.25, True), (0.8, True), (1.45, False), (0.69, False)])
def test_contrast_may_differ_a_little(factor: float, expected: bool) -> None:
    one = grey(scene(4))
    # The mean over the centre stays, so that contrast alone decides.
    middle = one[10:38, 10:38].mean()
    thumbnails = np.stack([one, middle + factor * (one - middle)])
    assert same_picture(thumbnails, np.array([[0, 1]])).tolist() == [expected]


def test_pairs_are_judged_one_by_one() -> None:
    """Many pairs at once, whatever their order, say what each says alone."""
    images = [scene(0), mirrored(scene(0)), scene(1), crop(scene(1), 0.1, 0.2, 0.7), scene(2)]
    thumbnails = np.stack([grey(image) for image in images])
    pairs = np.array([(0, 2), (3, 2), (0, 1), (4, 0), (1, 4), (2, 4), (1, 3)])
    together = same_picture(thumbnails, pairs)
    assert together.tolist() == [False, True, True, False, False, False, False]
    for pair, same in zip(pairs, together, strict=True):
        assert same_picture(thumbnails, pair[None]).tolist() == [same]
    assert same_picture(thumbnails, np.zeros((0, 2), np.int64)).shape == (0,)


# --- which pictures are compared ---


def proposed_in_loops(activations: np.ndarray) -> set[tuple[int, int]]:
    centred = activations - activations.mean(axis=0)
    pairs = set()
    for i in range(len(centred)):
        found = []
        for j in range(len(centred)):
            lengths = np.linalg.norm(centred[i]) * np.linalg.norm(centred[j])
            if i != j:
                found.append((float(centred[i] @ centred[j]) / lengths if lengths > 0 else 0.0, j))
        for cosine, j in sorted(found, reverse=True)[:NEIGHBOURS]:
            if cosine >= PROPOSED_FROM:
                pairs.add((min(i, j), max(i, j)))
    return pairs


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60))
def test_proposals_are_those_of_the_loops(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    # A few families of alike images, one of them larger than the number of neighbours.
    family = np.minimum(rng.integers(0, 8, count), 4)
    activations = rng.normal(size=(8, 12))[family] + 0.8 * rng.normal(size=(count, 12)) + 5.0
    found = proposals(activations)
    assert found.shape[1] == 2
    assert {(int(a), int(b)) for a, b in found} == proposed_in_loops(activations)
    assert (found[:, 0] < found[:, 1]).all()


def test_proposals_of_many_images_are_those_of_the_loops() -> None:
    """More images than are looked at in one go."""
    rng = np.random.default_rng(0)
    activations = rng.normal(size=(40, 6))[rng.integers(0, 40, 600)] + 0.3 * rng.normal(size=(600, 6))
    assert {(int(a), int(b)) for a, b in proposals(activations)} == proposed_in_loops(activations)


def test_a_single_image_proposes_nothing() -> None:
    assert proposals(np.ones((1, 4))).shape == (0, 2)


def test_images_that_the_model_does_not_tell_apart_propose_nothing() -> None:
    assert proposals(np.ones((5, 4))).shape == (0, 2)


# --- clusters ---


def sets_of(clusters: np.ndarray) -> list[list[int]]:
    return sorted(np.flatnonzero(clusters == c).tolist() for c in np.unique(clusters))


def activations_of(families: list[int], seed: int = 0) -> np.ndarray:
    """Images of one family look alike to the model."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(max(families) + 1, 64))[families] + 0.05 * rng.normal(size=(len(families), 64))


def test_crops_mirrored_and_compressed_copies_are_one_cluster() -> None:
    """Two pictures with their parts and copies, and two on their own."""
    one, two = scene(0), scene(1)
    images = [
        one, crop(one, 0.1, 0.1, 0.8), as_jpeg(mirrored(one), 40), two, crop(two, 0.3, 0.0, 0.65), scene(2),
        as_jpeg(two, 60), scene(3),
    ]  # fmt: skip
    found = clusters_of(
        [""] * 8,
        what="person",
        activations=activations_of([0, 0, 0, 1, 1, 2, 1, 3]),
        thumbnails=np.stack([grey(image) for image in images]),
    )
    assert sets_of(found.of_image) == [[0, 1, 2], [3, 4, 6], [5], [7]]
    assert found.words == "6 images look like parts or copies of 2 pictures, each of which counts as one"


def test_what_the_model_does_not_propose_is_not_compared() -> None:
    thumbnails = np.stack([grey(scene(0)), grey(scene(0)), grey(scene(1))])
    apart = clusters_of([""] * 3, what="x", activations=np.eye(3), thumbnails=thumbnails)
    assert sets_of(apart.of_image) == [[0], [1], [2]]
    assert apart.words == "no image looks like a part or a copy of another"


def test_pictures_that_only_look_alike_to_the_model_are_apart() -> None:
    """The same kind of thing, photographed four times."""
    thumbnails = np.stack([grey(scene(i)) for i in range(4)])
    found = clusters_of([""] * 4, what="x", activations=activations_of([0, 0, 0, 0]), thumbnails=thumbnails)
    assert sets_of(found.of_image) == [[0], [1], [2], [3]]


def test_empty_surfaces_that_look_alike_to_the_model_are_apart() -> None:
    thumbnails = np.stack([plain(0.5), plain(0.5), plain(0.5, slope=0.2), plain(0.5, slope=0.2)])
    found = clusters_of([""] * 4, what="x", activations=activations_of([0, 0, 0, 0]), thumbnails=thumbnails)
    assert sets_of(found.of_image) == [[0], [1], [2], [3]]


def test_drawn_images_are_not_looked_at() -> None:
    thumbnails = np.stack([grey(scene(0)), grey(scene(0))])
    found = clusters_of(["", ""], what="cluster", activations=None, thumbnails=thumbnails)
    assert sets_of(found.of_image) == [[0], [1]]
    assert found.words == "every image was drawn on its own"


def test_declared_clusters_are_taken_as_they_are() -> None:
    found = clusters_of(
        ["ann", "", "bo", "ann", ""], what="person", activations=None, thumbnails=np.zeros((5, 48, 48))
    )
    assert sets_of(found.of_image) == [[0, 3], [1], [2], [4]]
    assert found.words == "images of one person count as one, as the bank declares"


def test_declared_and_found_clusters_are_joined() -> None:
    """0 and 1 are of one person, 1 and 2 of one picture: all three count as one."""
    one, two = scene(0), scene(1)
    images = [two, one, crop(one, 0.1, 0.1, 0.8), scene(2), scene(3), mirrored(scene(3))]
    found = clusters_of(
        ["ann", "ann", "", "bo", "bo", "cy"],
        what="person",
        activations=activations_of([0, 1, 1, 2, 3, 3]),
        thumbnails=np.stack([grey(image) for image in images]),
    )
    assert sets_of(found.of_image) == [[0, 1, 2], [3, 4, 5]]
    assert found.words == (
        "images of one person count as one, as the bank declares; "
        "4 images look like parts or copies of 2 pictures, each of which counts as one"
    )


def test_one_picture_is_said_in_the_singular() -> None:
    thumbnails = np.stack([grey(scene(0)), grey(mirrored(scene(0))), grey(scene(1))])
    found = clusters_of([""] * 3, what="x", activations=activations_of([0, 0, 1]), thumbnails=thumbnails)
    assert found.words == "2 images look like parts or copies of 1 picture, each of which counts as one"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1, max_size=12))
def test_declared_clusters_are_those_of_the_loops(declared: list[str]) -> None:
    found = clusters_of(
        declared, what="x", activations=None, thumbnails=np.zeros((len(declared), THUMBNAIL, THUMBNAIL))
    )
    own = [name or f"alone {i}" for i, name in enumerate(declared)]
    assert sets_of(found.of_image) == slow.together(own, own)


@pytest.mark.parametrize(
    ("covariates", "expected"),
    [
        ({"cluster": "ann"}, "ann"),
        ({"cluster": 7.0}, "7"),
        ({"cluster": 2.5}, "2.5"),
        ({"other": "ann"}, ""),
        ({"cluster": ""}, ""),
    ],
)
def test_a_covariate_names_the_cluster(covariates: dict[str, str | float], expected: str) -> None:
    assert covariate_text(covariates, "cluster") == expected


def test_numbers_that_differ_name_different_clusters() -> None:
    """Numbers of photos and people are long."""
    numbers = [1234567.0, 1234568.0, 20170109150557.0, 20170109150558.0]
    assert len({covariate_text({"cluster": number}, "cluster") for number in numbers}) == 4


# --- what a bank declares ---

BANK = """\
format = 1
name = "mine"
title = "Dots and lines"
min_images = 2

[[sources]]
name = "noise"
licence = "none"
labels = "made up"

[datasheet]
motivation = "m"
composition = "c"
collection_and_consent = "c"
preprocessing = "p"
uses = "u"
unsuitable_uses = "u"
maintenance = "m"

[[concepts]]
name = "dots"
definition = "d"

[[concepts]]
name = "lines"
definition = "l"

"""


def with_cluster(entry: str) -> str:
    """A manifest whose ``[cluster]`` is on line 29, and its second key on line 31."""
    return f'{BANK}\n[cluster]\nof = "source photo"\n{entry}\n'


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_manifest(text, where="bank.toml")
    return str(caught.value)


def test_a_manifest_may_say_what_belongs_together() -> None:
    by_name = parse_manifest(with_cluster("name_pattern = '^([^/]+/photo[0-9]+)_'"), where="bank.toml")
    assert by_name.cluster is not None
    assert (by_name.cluster.of, by_name.cluster.name_pattern) == ("source photo", "^([^/]+/photo[0-9]+)_")
    by_covariate = parse_manifest(with_cluster('covariate = "person"'), where="bank.toml")
    assert by_covariate.cluster is not None
    assert (by_covariate.cluster.covariate, by_covariate.cluster.name_pattern) == ("person", "")
    assert parse_manifest(BANK, where="bank.toml").cluster is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("covariate = 'a'\nname_pattern = '(b)'", "29: cluster: needs 'covariate' or 'name_pattern', one of"),
        ("", "29: cluster: needs 'covariate' or 'name_pattern', one of them"),
        ("covariate = ''", "29: cluster: needs 'covariate' or 'name_pattern', one of them"),
        ("name_pattern = '(a'", "29: cluster: name_pattern is no regular expression: missing )"),
        ("name_pattern = 'a+'", "29: cluster: name_pattern has 0 groups, needs one"),
        ("name_pattern = '(a)(b)'", "29: cluster: name_pattern has 2 groups, needs one"),
        ("colum = 'a'", "31: cluster.colum: is not a key of bank.toml"),
        ("covariate = 3", "31: cluster.covariate: "),
    ],
)
def test_errors_of_a_cluster_name_file_and_line(entry: str, expected: str) -> None:
    assert refused(with_cluster(entry)).startswith(f"bank.toml:{expected}")


def test_a_cluster_is_called_something() -> None:
    text = with_cluster("covariate = 'a'").replace('of = "source photo"', 'of = ""')
    assert refused(text).startswith("bank.toml:30: cluster.of: ")


def clusters_in(bank: ConceptBank) -> dict[str, str]:
    images = [image for concept in bank.concepts for image in concept.images]
    images += bank.reference.images if bank.reference else ()
    return {image.name: image.cluster for image in images}


def photos(root: Path) -> Path:
    """``dots/photo3_1.png`` and so on: two crops of each of three photos, and one image of another name."""
    for c, concept in enumerate(("dots", "lines")):
        for i in range(6):
            picture(root / concept / f"photo{i // 2}_{i % 2}.png", 100 * c + i)
        picture(root / concept / "single.png", 100 * c + 50)
    return root


def test_a_folder_bank_with_clusters_in_its_names(tmp_path: Path) -> None:
    root = photos(tmp_path / "mine")
    extra = "[cluster]\nof = 'source photo'\nname_pattern = '^([^/]+/photo[0-9]+)_'\n"
    (root / "bank.toml").write_text(BANK + extra)
    bank = load_bank(str(root), min_images=2)
    assert bank.cluster_of == "source photo"
    assert clusters_in(bank) == {
        f"{concept}/{name}.png": cluster and f"{concept}/{cluster}"
        for concept in ("dots", "lines")
        for name, cluster in [
            *((f"photo{i // 2}_{i % 2}", f"photo{i // 2}") for i in range(6)),
            ("single", ""),
        ]
    }


def test_a_pattern_may_put_images_of_two_concepts_together(tmp_path: Path) -> None:
    root = photos(tmp_path / "mine")
    (root / "bank.toml").write_text(BANK + "[cluster]\nname_pattern = '/(photo[0-9])'\n")
    found = clusters_in(load_bank(str(root), min_images=2))
    assert found["dots/photo1_0.png"] == found["lines/photo1_1.png"] == "photo1"


def test_a_group_that_takes_no_part_in_the_match_names_nothing(tmp_path: Path) -> None:
    root = photos(tmp_path / "mine")
    extra = "[cluster]\nname_pattern = '(photo[0-9])|single'\n"
    (root / "bank.toml").write_text(BANK + extra)
    assert clusters_in(load_bank(str(root), min_images=2))["dots/single.png"] == ""


def test_reference_images_have_clusters_as_well(tmp_path: Path) -> None:
    root = photos(tmp_path / "mine")
    for i in range(4):
        picture(root / "rest" / f"photo{i // 2}_{i}.png", 900 + i)
    extra = "[reference]\ndescription = 'd'\nfolder = 'rest'\n\n[cluster]\nname_pattern = '(.*photo[0-9])'\n"
    (root / "bank.toml").write_text(BANK + extra)
    bank = load_bank(str(root), min_images=2)
    assert bank.reference is not None
    assert [i.cluster for i in bank.reference.images] == ["rest/photo0"] * 2 + ["rest/photo1"] * 2


@pytest.mark.parametrize("entry", ["name_pattern = '(photo[0-9]+)_'", "covariate = 'person'"])
def test_a_declaration_that_finds_nothing_is_refused(tmp_path: Path, entry: str) -> None:
    """A typing error here would count every crop as an image of its own."""
    root = folder_of_folders(tmp_path / "mine")
    (root / "bank.toml").write_text(BANK + f"[cluster]\n{entry}\n")
    with pytest.raises(InputError, match=r"\[cluster\] names no cluster of any image") as caught:
        load_bank(str(root), min_images=2)
    assert str(caught.value).startswith(str(root))


def test_a_declaration_that_finds_nothing_is_refused_with_file_and_line(tmp_path: Path) -> None:
    root = folder_of_folders(tmp_path / "mine")
    text = with_cluster("name_pattern = '(photo[0-9]+)_'")
    (root / "bank.toml").write_text(text)
    line = text.splitlines().index("[cluster]") + 1
    with pytest.raises(InputError) as caught:
        load_bank(str(root), min_images=2)
    assert str(caught.value).startswith(f"{root / 'bank.toml'}:{line}: ")


def test_a_plain_folder_declares_nothing(tmp_path: Path) -> None:
    bank = load_bank(str(folder_of_folders(tmp_path / "mine")), min_images=2)
    assert set(clusters_in(bank).values()) == {""}
    assert bank.cluster_of == "cluster"


# --- what an import declares ---


def imported(importer: str, source: Path) -> Imported:
    return import_bank(importer, source, into=source.parent / "imported")


def few_are_enough(found: Imported, extra: str = "") -> None:
    """A manifest that made-up sets can fill."""
    path = found.folder / "bank.toml"
    text = path.read_text(encoding="utf-8").replace("min_images = 30", "min_images = 2")
    path.write_text(text.replace("[reference]", f"{extra}\n[reference]", 1), encoding="utf-8")


def table(root: Path, column: str, values: list[str]) -> Path:
    """A csv set of women and men, one line for each value."""
    lines = [f"file,label:gender,{column}"]
    for i, value in enumerate(values):
        picture(root / f"{i}.png", i)
        lines.append(f"{i}.png,{'woman' if i % 2 else 'man'},{value}")
    (root / "faces.csv").write_text("\n".join(lines))
    return root


@pytest.mark.parametrize(
    "values",
    [
        ["ann", "bo", "ann", "cy", "", "bo"],
        ["7", "8", "7", "9", "7", "8"],
        ["1234567", "1234568", "1234567", "1234569", "1234567", "1234568"],
    ],
    ids=["names", "numbers", "long numbers"],
)
def test_a_column_called_cluster_needs_no_declaration(tmp_path: Path, values: list[str]) -> None:
    few_are_enough(imported("csv", table(tmp_path / "mine", "cluster", values)))
    bank = load_bank("mine", min_images=2)
    assert clusters_in(bank) == {f"{i}.png": value for i, value in enumerate(values)}
    assert bank.cluster_of == "cluster"


def test_another_column_is_declared(tmp_path: Path) -> None:
    values = ["p1", "p2", "p1", "p2", "p3", "p4"]
    found = imported("csv", table(tmp_path / "mine", "person", values))
    few_are_enough(found)
    assert set(clusters_in(load_bank("mine", min_images=2)).values()) == {""}
    few_are_enough(found, '[cluster]\nof = "person"\ncovariate = "person"\n')
    bank = load_bank("mine", min_images=2)
    assert clusters_in(bank) == {f"{i}.png": value for i, value in enumerate(values)}
    assert bank.cluster_of == "person"


@pytest.fixture
def few_in_a_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shipped banks such as ``gender`` with so few images that made-up sets can fill them."""

    def small(path: Path) -> Manifest:
        return read_manifest(path).model_copy(update={"min_images": 2})

    monkeypatch.setattr(loading, "read_manifest", small)


@pytest.mark.usefixtures("few_in_a_view")
def test_a_view_of_an_imported_set_keeps_its_column_called_cluster(tmp_path: Path) -> None:
    values = ["p1", "p2", "p1", "p2", "p3", "p4"]
    imported("csv", table(tmp_path / "mine", "cluster", values))
    assert clusters_in(load_bank("gender:mine", min_images=2)) == {
        f"{i}.png": v for i, v in enumerate(values)
    }


@pytest.mark.usefixtures("few_in_a_view")
def test_a_view_of_an_imported_set_keeps_what_the_set_declares(tmp_path: Path) -> None:
    """Whoever declared that a column names the person must not be asked again for every view."""
    values = ["p1", "p2", "p1", "p2", "p3", "p4"]
    found = imported("csv", table(tmp_path / "mine", "person", values))
    few_are_enough(found, '[cluster]\nof = "person"\ncovariate = "person"\n')
    bank = load_bank("gender:mine", min_images=2)
    assert clusters_in(bank) == {f"{i}.png": v for i, v in enumerate(values)}
    assert bank.cluster_of == "person"


def lfw(root: Path) -> Path:
    """Ann twice, Bo three times, Cy once."""
    lines = ["# LFW attributes, made up", "#\tperson\timagenum\tMale\tWhite\tChild"]
    people = [("Ann Lee", 1, -1), ("Ann Lee", 2, -2), ("Bo Kay", 1, 2), ("Bo Kay", 2, 1), ("Bo Kay", 3, 1)]
    for seed, (person, number, male) in enumerate([*people, ("Cy Dee", 1, -1)]):
        lines.append(f"{person}\t{number}\t{male}\t0.5\t-1.0")
        name = person.replace(" ", "_")
        picture(root / "lfw" / name / f"{name}_{number:04d}.jpg", seed)
    (root / "lfw_attributes.txt").write_text("\n".join(lines))
    return root


def test_pictures_of_one_person_in_lfw_count_as_one(tmp_path: Path) -> None:
    found = imported("lfw", lfw(tmp_path / "set"))
    assert [i.covariates["cluster"] for i in found.lock.images] == (
        ["Ann_Lee"] * 2 + ["Bo_Kay"] * 3 + ["Cy_Dee"]
    )
    few_are_enough(found)
    bank = load_bank("lfw", min_images=2)
    assert bank.cluster_of == "person"
    assert [[i.cluster for i in c.images] for c in bank.concepts] == [
        ["Ann_Lee", "Ann_Lee", "Cy_Dee"],
        ["Bo_Kay"] * 3,
    ]


def celeba(root: Path, kind: str, *, people: str | None) -> Path:
    for i in range(4):
        picture(root / f"img_align_celeba/{i + 1:06d}.jpg", i)
    rows = [(1, -1), (1, 1), (-1, 1), (-1, 1)]
    if kind == "txt":
        body = [f"{i + 1:06d}.jpg  {m:2d} {y:2d}" for i, (m, y) in enumerate(rows)]
        (root / "list_attr_celeba.txt").write_text("\n".join(["4", "Male Young", *body]))
    else:
        body = [f"{i + 1:06d}.jpg,{m},{y}" for i, (m, y) in enumerate(rows)]
        (root / "list_attr_celeba.csv").write_text("\n".join(["image_id,Male,Young", *body]))
    if people is not None:
        (root / "identity_CelebA.txt").write_text(people)
    return root


@pytest.mark.parametrize("kind", ["txt", "csv"])
def test_pictures_of_one_person_in_celeba_count_as_one(tmp_path: Path, kind: str) -> None:
    people = "000001.jpg 2880\n000002.jpg 2880\n000003.jpg 2937\n\n000099.jpg 1\n"  # nothing of 000004.jpg
    found = imported("celeba", celeba(tmp_path / "set", kind, people=people))
    assert [i.covariates.get("cluster") for i in found.lock.images] == ["2880", "2880", "2937", None]
    assert [i.covariates["age band"] for i in found.lock.images] == ["not young", "young", "young", "young"]
    few_are_enough(found)
    bank = load_bank("celeba", min_images=2)
    assert sorted(clusters_in(bank).values()) == ["", "2880", "2880", "2937"]


@pytest.mark.parametrize("kind", ["txt", "csv"])
def test_celeba_without_identities(tmp_path: Path, kind: str) -> None:
    found = imported("celeba", celeba(tmp_path / "set", kind, people=None))
    assert [i.covariates.get("cluster") for i in found.lock.images] == [None] * 4
    few_are_enough(found)
    assert set(clusters_in(load_bank("celeba", min_images=2)).values()) == {""}


@pytest.mark.parametrize("line", ["000002.jpg", "000002.jpg 2880 1"])
def test_a_broken_line_of_identities_is_refused_with_file_and_line(tmp_path: Path, line: str) -> None:
    root = celeba(tmp_path / "set", "txt", people=f"000001.jpg 2880\n{line}\n")
    with pytest.raises(InputError, match=r"identity_CelebA\.txt:2: '.*', need an image and the number"):
        imported("celeba", root)
