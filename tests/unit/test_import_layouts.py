"""Every importer on a made-up set in the real layout."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.banks import load_bank
from auditor.banks.importing import Options
from auditor.banks.importing.run import Imported, import_bank
from auditor.banks.lock import changed_images
from auditor.errors import InputError
from tests.bank_data import picture


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITOR_BANKS", str(tmp_path / "imported"))


def imported(importer: str, source: Path, **options: object) -> Imported:
    into = source.parent / "imported"
    return import_bank(importer, source, into=into, options=Options(**options))  # type: ignore[arg-type]


def labels(found: Imported) -> dict[str, dict[str, int]]:
    return {label: dict(counts) for label, counts in found.counts().items()}


def test_utkface(tmp_path: Path) -> None:
    names = [
        "25_0_1_20170109150557335.jpg.chip.jpg",
        "31_1_0_20170109150557336.jpg.chip.jpg",
        "18_1_3_20170109150557337.jpg",
        "9_1_2_20170109150557338.jpg.chip.jpg",
        "61_1_20170109142408075.jpg.chip.jpg",  # a known defect: no race
    ]
    for seed, name in enumerate(names):
        picture(tmp_path / "utk" / "part1" / name, seed)
    found = imported("utkface", tmp_path / "utk")
    assert labels(found) == {"gender": {"man": 1, "woman": 2}, "race": {"black": 1, "white": 1, "indian": 1}}
    reasons = {s.what.split("/")[-1].rstrip("'"): s.reason for s in found.lock.left_out}
    assert reasons == {
        names[3]: "labelled 9 years, adults only",
        names[4]: "not named age_gender_race_date with gender 0-1 and race 0-4",
    }
    first = next(i for i in found.lock.images if "25_0_1" in i.file)
    assert first.covariates == {"age": 25.0, "age band": "20-29", "source": "20170109"}
    assert (first.width, first.height) == (48, 48)
    assert len(imported("utkface", tmp_path / "utk", adults_only=False).lock.images) == 4


def test_utkface_of_another_layout(tmp_path: Path) -> None:
    picture(tmp_path / "utk/face.jpg", 0)
    with pytest.raises(InputError, match="no image is named age_gender_race_date"):
        imported("utkface", tmp_path / "utk")


def fairface(root: Path, lines: list[str]) -> Path:
    for seed, name in enumerate(("train/1.jpg", "train/2.jpg", "train/3.jpg", "val/1.jpg")):
        picture(root / name, seed)
    header = "file,age,gender,race,service_test\n"
    (root / "fairface_label_train.csv").write_text(header + "\n".join(lines[:3]) + "\n")
    (root / "fairface_label_val.csv").write_text(header + "\n".join(lines[3:]) + "\n")
    return root


FAIRFACE = [
    "train/1.jpg,50-59,Male,East Asian,True",
    "train/2.jpg,30-39,Female,Latino_Hispanic,False",
    "train/3.jpg,3-9,Female,Black,False",
    "val/1.jpg,more than 70,Female,Middle Eastern,True",
]


def test_fairface(tmp_path: Path) -> None:
    found = imported("fairface", fairface(tmp_path / "fair", FAIRFACE))
    assert labels(found) == {
        "gender": {"man": 1, "woman": 2},
        "race": {"east asian": 1, "latino hispanic": 1, "middle eastern": 1},
    }
    assert [i.covariates["age band"] for i in found.lock.images] == ["50-59", "30-39", "70 and over"]
    assert [s.reason for s in found.lock.left_out] == ["labelled 3-9 years, adults only"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train/2.jpg,30-39,F,Black,False", r"train\.csv:3: gender 'F', need Male or Female"),
        ("train/2.jpg,33,Female,Black,False", r"train\.csv:3: age '33', need one of"),
        ("../2.jpg,30-39,Female,Black,False", r"train\.csv:3: file '\.\./2\.jpg' leads out"),
        ("train/2.jpg,30-39,Female", r"train\.csv:3: 3 columns, need 5"),
    ],
)
def test_fairface_with_an_error(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        imported("fairface", fairface(tmp_path / "fair", [FAIRFACE[0], line, *FAIRFACE[2:]]))
    assert not (tmp_path / "imported/fairface").exists()


def test_lfw(tmp_path: Path) -> None:
    people = [("Ann Lee", 1, -1.2, 0.4, -1.0, -2.0, -1.0), ("Bo Kay", 1, 2.0, -1.0, 1.5, 0.2, -1.0)]
    people += [("Bo Kay", 2, 1.0, -1.0, -0.5, -0.2, -1.0), ("Kid Doe", 1, 1.0, -1.0, 0.5, -0.2, 0.9)]
    root = tmp_path / "lfwset"
    header = "#\tperson\timagenum\tMale\tAsian\tWhite\tBlack\tChild"
    lines = ["# LFW attributes, made up", header]
    for seed, person in enumerate(people):
        lines.append("\t".join(map(str, person)))
        name = person[0].replace(" ", "_")
        picture(root / "lfw" / name / f"{name}_{person[1]:04d}.jpg", seed)
    (root / "lfw_attributes.txt").write_text("\n".join(lines))
    found = imported("lfw", root)
    assert [(i.file.split("/")[-1], i.labels) for i in found.lock.images] == [
        ("Ann_Lee_0001.jpg", {"gender": "woman", "race": "asian"}),
        ("Bo_Kay_0001.jpg", {"gender": "man", "race": "white"}),
        ("Bo_Kay_0002.jpg", {"gender": "man"}),  # no race scored above 0
    ]
    assert [s.reason for s in found.lock.left_out] == ["scored as baby or child, adults only"]
    assert [i.covariates["cluster"] for i in found.lock.images] == ["Ann_Lee", "Bo_Kay", "Bo_Kay"]
    (root / "lfw_attributes.txt").write_text("\n".join([*lines, "Cy Dee\t1\t0.5"]))
    with pytest.raises(InputError, match=r"lfw_attributes\.txt:7: 3 columns, need 7"):
        imported("lfw", root)


@pytest.mark.parametrize("kind", ["txt", "csv"])
def test_celeba(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "celeb"
    for i in range(3):
        picture(root / f"img_align_celeba/{i + 1:06d}.jpg", i)
    rows = [(1, -1), (-1, 1), (-1, 1)]
    if kind == "txt":
        body = [f"{i + 1:06d}.jpg  {m:2d} {y:2d}" for i, (m, y) in enumerate(rows)]
        (root / "list_attr_celeba.txt").write_text("\n".join(["3", "Male Young", *body]))
    else:
        body = [f"{i + 1:06d}.jpg,{m},{y}" for i, (m, y) in enumerate(rows)]
        (root / "list_attr_celeba.csv").write_text("\n".join(["image_id,Male,Young", *body]))
    found = imported("celeba", root)
    assert labels(found) == {"gender": {"man": 1, "woman": 2}}
    assert [i.covariates["age band"] for i in found.lock.images] == ["not young", "young", "young"]


def test_celeba_pictures_of_one_person_are_a_cluster(tmp_path: Path) -> None:
    root = tmp_path / "celeb"
    for i in range(3):
        picture(root / f"img_align_celeba/{i + 1:06d}.jpg", i)
    body = [f"{i + 1:06d}.jpg -1 1" for i in range(3)]
    (root / "list_attr_celeba.txt").write_text("\n".join(["3", "Male Young", *body]))
    (root / "identity_CelebA.txt").write_text("000001.jpg 2880\n000003.jpg 2880\n")
    found = imported("celeba", root)
    assert [i.covariates.get("cluster") for i in found.lock.images] == ["2880", None, "2880"]
    (root / "identity_CelebA.txt").write_text("000001.jpg\n")
    with pytest.raises(
        InputError, match=r"identity_CelebA\.txt:1: '000001.jpg', need an image and the number"
    ):
        imported("celeba", root)


def test_utkface_has_no_cluster_in_its_dates(tmp_path: Path) -> None:
    """Dates in the names are of scraping: two people share one."""
    for seed, name in enumerate(("25_0_1_20170109150557335.jpg", "31_1_0_20170109150557336.jpg")):
        picture(tmp_path / "utk" / name, seed)
    assert all("cluster" not in i.covariates for i in imported("utkface", tmp_path / "utk").lock.images)


def test_celeba_with_an_error(tmp_path: Path) -> None:
    root = tmp_path / "celeb"
    picture(root / "img_align_celeba/000001.jpg", 0)
    (root / "list_attr_celeba.txt").write_text("1\nMale Young\n000001.jpg 1 0\n")
    with pytest.raises(InputError, match=r"list_attr_celeba\.txt:3: Male 1, Young 0; need 1 or -1"):
        imported("celeba", root)


@pytest.mark.parametrize("inner", ["images", ""])
def test_dtd(tmp_path: Path, inner: str) -> None:
    root = tmp_path / "dtd-r1"
    named = (
        "banded/banded_0002.jpg",
        "banded/banded_0004.jpg",
        "dotted/dotted_01.jpg",
        "dotted/dotted_07.jpg",
    )
    for seed, name in enumerate(named):
        picture(root / inner / name, seed)
    found = imported("dtd", root)
    assert labels(found) == {"concept": {"banded": 2, "dotted": 2}}
    assert found.lock.images[0].file == f"{inner}/banded/banded_0002.jpg".lstrip("/")


def test_broden(tmp_path: Path) -> None:
    root = tmp_path / "broden"
    for seed, name in enumerate(("dtd/a.jpg", "dtd/b.jpg", "ade/c.jpg", "dtd/d.jpg")):
        picture(root / "images" / name, seed)
    (root / "label.csv").write_text(
        "number,name,category,frequency,coverage,syns\n1,striped,texture(9),9,1,\n2,dotted,texture(9),9,1,\n"
        "3,street-s,scene(5),5,1,\n"
    )
    (root / "index.csv").write_text(
        "image,split,ih,iw,sh,sw,color,object,part,material,scene,texture\n"
        "dtd/a.jpg,train,48,48,24,24,a_color.png,,,,,1\n"
        "dtd/b.jpg,train,48,48,24,24,b_color.png,,,,,2\n"
        "ade/c.jpg,val,48,48,24,24,c_color.png,c_obj.png,,,3,\n"
        "dtd/d.jpg,val,48,48,24,24,d_color.png,,,,,1;2\n"
    )
    found = imported("broden", root)
    assert labels(found) == {"concept": {"striped": 1, "dotted": 1}}
    assert [s.reason for s in found.lock.left_out] == [
        "labelled striped and dotted; one image serves one concept"
    ]
    scenes = imported("broden", root, category="scene")
    assert labels(scenes) == {"concept": {"street": 1}}
    with pytest.raises(
        InputError, match=r"--category colour: need texture, scene \(labels of images\) or object"
    ):
        imported("broden", root, category="colour")


def broden_with_pixels(root: Path, *, cut: bool = False) -> Path:
    """Three images of 96 x 48 with masks of half the size: number = red + 256 green."""
    lines = ["image,split,ih,iw,sh,sw,color,object,part,material,scene,texture"]
    regions = [
        (300, slice(4, 24), slice(0, 24)),
        (2, slice(0, 24), slice(16, 48)),
        (2, slice(0, 3), slice(0, 3)),
    ]
    for i, (number, rows, columns) in enumerate(regions):
        picture(root / f"images/ade/{i}.jpg", i, size=48)
        with Image.open(root / f"images/ade/{i}.jpg") as image:
            image.resize((96, 48)).save(root / f"images/ade/{i}.jpg")
        mask = np.zeros((24, 48, 3), np.uint8)
        mask[20:, 44:] = (7, 0, 0)  # something small beside it, that is not in label.csv
        mask[rows, columns] = (number % 256, number // 256, 0)
        Image.fromarray(mask).save(root / f"images/ade/{i}_object.png")
        lines.append(f"ade/{i}.jpg,train,48,96,24,48,c.png,ade/{i}_object.png,,,5,")
    (root / "index.csv").write_text("\n".join(lines))
    (root / "label.csv").write_text("number,name,category\n2,wall,object(9)\n300,lamp post,object(9)\n")
    return root


def test_broden_regions(tmp_path: Path) -> None:
    root = broden_with_pixels(tmp_path / "broden")
    found = imported("broden", root, category="object")
    assert [(i.file, i.labels["concept"], i.width, i.height) for i in found.lock.images] == [
        ("images/ade/0.jpg.png", "lamp post", 48, 40),
        ("images/ade/1.jpg.png", "wall", 64, 48),
    ]
    assert [s.reason for s in found.lock.left_out] == ["no label covers 10% of it"]
    assert found.lock.options["coverage"] == 0.1
    with (
        Image.open(found.folder / "regions/images/ade/0.jpg.png") as region,
        Image.open(root / "images/ade/0.jpg") as whole,
    ):
        np.testing.assert_array_equal(np.asarray(region), np.asarray(whole)[8:48, :48])
    assert changed_images(found.folder) == []
    with pytest.raises(
        InputError, match="no image with a label in column 'object' that covers 90% of its image"
    ):
        imported("broden", root, category="object", coverage=0.9)
    with pytest.raises(InputError, match="--coverage 0: need a share of the image above 0"):
        imported("broden", root, category="object", coverage=0)


def test_broden_regions_from_an_archive_and_with_defects(tmp_path: Path) -> None:
    root = broden_with_pixels(tmp_path / "broden")
    (root / "images/ade/1_object.png").write_bytes(b"not a picture")
    with tarfile.open(tmp_path / "broden.tar", "w") as archive:
        archive.add(root, arcname=".")
    found = imported("broden", tmp_path / "broden.tar", category="object")
    assert [i.file for i in found.lock.images] == ["images/ade/0.jpg.png"]
    assert found.lock.left_out[0].reason.startswith("its labels cannot be read: not an image")
    assert sorted(path.name for path in found.folder.iterdir()) == ["bank.lock.json", "bank.toml", "regions"]
    (root / "label.csv").write_text("number,name,category\n2,wall,object(9)\n")
    with pytest.raises(InputError, match=r"index\.csv:2: label 300 of its pixels is not in label\.csv"):
        imported("broden", root, category="object")


def test_views_and_intersections(tmp_path: Path) -> None:
    seed = 0
    for age in (25, 35):
        for gender in (0, 1):
            for race in (0, 1):
                for n in range(15):
                    picture(tmp_path / "utk" / f"{age}_{gender}_{race}_201701091505{n:05d}.jpg", seed)
                    seed += 1
    imported("utkface", tmp_path / "utk")
    gender = load_bank("gender", min_images=30)
    assert (gender.name, gender.source) == ("gender:utkface", "utkface")
    assert {c.name: len(c.images) for c in gender.concepts} == {"women": 60, "men": 60}
    assert not gender.report_images
    assert "UTKFace" in " ".join(gender.datasheet)
    image = gender.concepts[0].images[0]
    assert {"race", "age band", "brightness", "contrast", "sharpness", "image size"} <= set(image.covariates)
    race = load_bank("race:utkface")
    assert {c.name for c in race.concepts} == {"white", "black"}
    assert [(c.more, c.less) for c in race.contrasts] == [("white", "black")]
    both = load_bank("gender-race")
    assert {c.name: len(c.images) for c in both.concepts if "white" in c.name} == {
        "white women": 30,
        "white men": 30,
    }
    imported_again = import_bank("utkface", tmp_path / "utk", into=tmp_path / "imported", name="second")
    assert imported_again.folder.name == "second"
    with pytest.raises(InputError, match="choose: gender:second or gender:utkface"):
        load_bank("gender")
    with pytest.raises(InputError, match="'third' is not an imported set; those that do: second, utkface"):
        load_bank("gender:third")


def test_concepts_of_a_bank_must_exclude_each_other(tmp_path: Path) -> None:
    for i in range(4):
        picture(tmp_path / "utk" / f"3{i}_{i % 2}_0_2017010915055{i}.jpg", i)
    found = imported("utkface", tmp_path / "utk")
    manifest = found.folder / "bank.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(
        text + '\n[[concepts]]\nname = "white"\ndefinition = "Labelled white."\nwhere = { race = "white" }\n',
        encoding="utf-8",
    )
    with pytest.raises(InputError, match="concepts 'men' and 'white' share the image '30_0_0"):
        load_bank("utkface", min_images=2)
    manifest.write_text(text.replace('where = { gender = "man" }', 'where = { sex = "m" }'), encoding="utf-8")
    with pytest.raises(InputError, match="no image has a label 'sex'; the labels are gender, race"):
        load_bank("utkface", min_images=2)


@pytest.mark.shared
@pytest.mark.parametrize(("importer", "kept", "left_out"), [("dtd", 595, 5), ("utkface", 841, 4)])
def test_real_photos(shared: Path, tmp_path: Path, importer: str, kept: int, left_out: int) -> None:
    found = import_bank(importer, shared / "data" / importer, into=tmp_path / "imported")
    assert (len(found.lock.images), len(found.lock.left_out)) == (kept, left_out)
    assert all(s.reason.startswith("the same picture as") for s in found.lock.left_out)
    bank = load_bank("gender" if importer == "utkface" else importer)
    assert sum(len(c.images) for c in bank.concepts) == kept
