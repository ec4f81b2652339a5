"""FairFace from a hub on loopback in its real layout: a balanced part, resumed, verified, offered."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections import Counter, namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datasets")

from auditor import transfer
from auditor.audit import prepare
from auditor.banks import load_bank, photos
from auditor.banks.fetch import fairface
from auditor.banks.fetch.choice import Choice
from auditor.banks.fetch.run import ConsentError, fetch_bank, terms_of
from auditor.banks.importing.run import Imported
from auditor.cli import doctor, fetching, main
from auditor.errors import AuditorError, InputError, StorageError
from auditor.progress import Silent
from tests.hub import LISTING, TRAIN, VALIDATION, Hub, serving, shards

RUN = ["run", "--model", "timm:test_resnet", "--classes", "0", "--out", "audit", "--banks"]
SCAN = ["scan", "--model", "timm:test_resnet", "--out", "scan", "--banks"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return shards(tmp_path_factory.mktemp("shards"))


@pytest.fixture
def hub(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(files) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setenv("AUDITOR_BANKS", str(tmp_path / "banks"))
        monkeypatch.setenv("AUDITOR_CACHE", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        yield running


def get(tmp_path: Path, per_group: int = 3, **options: Any) -> Imported:
    choice = Choice(per_group, **options)
    return fetch_bank(
        "fairface", accepted=True, into=tmp_path / "banks", downloads=tmp_path / "downloads", choice=choice
    )


def groups(found: Imported) -> Counter[tuple[str, str]]:
    return Counter((i.labels["gender"], i.labels["race"]) for i in found.lock.images)


def test_a_balanced_part_needs_one_file(hub: Hub, tmp_path: Path) -> None:
    found = get(tmp_path)
    assert len(groups(found)) == 14
    assert set(groups(found).values()) == {3}
    assert all(i.file.startswith("val/") for i in found.lock.images)
    assert {i.covariates["age band"] for i in found.lock.images} <= {
        *("20-29", "30-39", "40-49", "50-59", "60-69", "70 and over")
    }
    assert hub.downloads() == [(VALIDATION, None)]
    assert list((tmp_path / "downloads/fairface").iterdir()) == []
    assert found.lock.root == "images"  # in the bank, not in the cache
    drawn = json.loads((found.folder / "images/drawn.json").read_text())
    assert list(drawn["files"]) == [VALIDATION]
    assert drawn["images of each group"] == 3


def test_images_are_kept_as_they_came_beside_their_labels(
    hub: Hub, tmp_path: Path, files: dict[str, bytes]
) -> None:
    found = get(tmp_path, 5)
    for image in found.lock.images:
        assert (found.folder / "images" / image.file).read_bytes() in files[VALIDATION]
    by_file = {i.file: (i.labels["gender"], i.labels["race"]) for i in found.lock.images}
    assert by_file["val/1.jpg"] == ("man", "east asian")
    assert by_file["val/7.jpg"] == ("woman", "east asian")  # the sixth is labelled 0-2
    assert "val/6.jpg" not in by_file


def test_the_seed_decides_and_more_contains_the_fewer(hub: Hub, tmp_path: Path) -> None:
    def names(*choice: int) -> set[str]:
        return {i.file for i in get(tmp_path, *choice[:1], seed=choice[1]).lock.images}

    first = names(2, 0)
    assert names(2, 0) == first
    assert first < names(4, 0)
    assert names(2, 1) != first


def test_more_files_only_where_a_group_is_short(hub: Hub, tmp_path: Path) -> None:
    found = get(tmp_path, 6)
    assert set(groups(found).values()) == {6}
    assert [name for name, _ in hub.downloads()] == [VALIDATION, TRAIN[0]]


def test_all_of_it(hub: Hub, tmp_path: Path) -> None:
    found = get(tmp_path, 0)
    assert set(groups(found).values()) == {8}
    assert [name for name, _ in hub.downloads()] == [VALIDATION, *TRAIN]
    # The second training file goes on counting where the first ended: 14 groups of 3.
    assert "train/43.jpg" in {i.file for i in found.lock.images}
    assert "563 MB" in terms_of("fairface", Choice(0))[-1]
    assert terms_of("fairface", Choice())[-1] == "size: about 63 MB, 563 MB if a group is short"


def test_groups_that_stay_short_are_named(hub: Hub, tmp_path: Path) -> None:
    class Notes(Silent):
        said: list[str] = []  # noqa: RUF012

        def note(self, text: str) -> None:
            self.said.append(text)

    choice = Choice(9)
    fetch_bank(
        "fairface",
        accepted=True,
        into=tmp_path / "banks",
        downloads=tmp_path / "d",
        choice=choice,
        progress=Notes(),
    )
    assert len(Notes.said) == 14
    assert Notes.said[0] == "fairface: 8 images labelled East Asian and Male, fewer than 9; all are kept"


def test_minors_only_when_asked_for(hub: Hub, tmp_path: Path) -> None:
    found = get(tmp_path, 6, adults_only=False)
    assert "0-2" in {i.covariates["age band"] for i in found.lock.images}
    assert [name for name, _ in hub.downloads()] == [VALIDATION]


def test_the_three_banks_have_images(hub: Hub, tmp_path: Path) -> None:
    get(tmp_path, 5)
    assert {c.name: len(c.images) for c in load_bank("gender").concepts} == {"women": 35, "men": 35}
    for bank, needed in (("race", "'white' has 10"), ("gender-race", "'white women' has 5")):
        with pytest.raises(InputError, match=f"{needed} images, need 30"):
            load_bank(bank)  # their images are there, too few in this small set


def test_a_broken_transfer_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.break_after, hub.broken = 5000, ".parquet"
    with pytest.raises(AuditorError, match=r"broke off.*repeat the command"):
        get(tmp_path)
    assert not (tmp_path / "banks").exists()
    hub.break_after = None
    assert len(get(tmp_path).lock.images) == 42
    assert hub.downloads() == [(VALIDATION, None), (VALIDATION, "bytes=5000-")]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "auditor", *words]


def test_killed_half_way_and_resumed(hub: Hub, tmp_path: Path) -> None:
    hub.stall_after = 300_000
    fetch = command("banks", "fetch", "fairface", "--per-group", "3", "--accept-terms")
    killed = subprocess.Popen(fetch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert hub.stalled.wait(60)
    part = tmp_path / "downloads/fairface"
    until = time.monotonic() + 30
    while not any(path.stat().st_size for path in part.glob("*.part")) and time.monotonic() < until:
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (left,) = part.glob("*.part")
    have = left.stat().st_size
    assert 0 < have <= 300_000
    assert not list((tmp_path / "banks").glob("[!.]*"))
    hub.stall_after = None
    hub.go_on.set()
    assert main(["banks", "fetch", "fairface", "--per-group", "3", "--accept-terms"]) == 0
    assert hub.downloads() == [(VALIDATION, None), (VALIDATION, f"bytes={have}-")]


def test_a_file_that_came_is_not_fetched_again_when_the_next_breaks(hub: Hub, tmp_path: Path) -> None:
    hub.break_after, hub.broken = 5000, TRAIN[0]
    with pytest.raises(AuditorError, match="broke off"):
        get(tmp_path, 6)
    hub.break_after = None
    get(tmp_path, 6)
    assert hub.downloads() == [(VALIDATION, None), (TRAIN[0], None), (TRAIN[0], "bytes=5000-")]


def test_wrong_digest(hub: Hub, tmp_path: Path, files: dict[str, bytes]) -> None:
    changed = bytearray(files[VALIDATION])
    changed[100] ^= 1
    hub.files[f"/cdn/{VALIDATION}"] = bytes(changed)  # the listing stays
    with pytest.raises(InputError, match=r"951dbd63c8724ee1\.parquet': sha256 is .*, need .*; deleted"):
        get(tmp_path)
    assert list((tmp_path / "downloads/fairface").iterdir()) == []
    assert not (tmp_path / "banks").exists()


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        (b"<html>", "no listing of files with checksum and size"),
        (b'{"error": "gone"}', "no listing of files"),
        (b"[]", r"lists none; need validation-\*\.parquet"),
        (
            b'[{"type": "file", "path": "0.25/train-0.parquet", "lfs": {"oid": "../../x", "size": 3}}]',
            r"sha256 of 0.25/train-0.parquet is '../../x'",
        ),
        (
            b'[{"type": "file", "path": "0.25/train\\\\..\\\\x.parquet", "lfs": {"oid": "%s", "size": 3}}]'
            % (b"0" * 64),
            "name is 'train",
        ),
        (b"x" * (2**22 + 1), "answered more than"),
    ],
)
def test_another_listing(hub: Hub, tmp_path: Path, listing: bytes, said: str) -> None:
    hub.files[LISTING] = listing
    with pytest.raises(AuditorError, match=said):
        get(tmp_path)


def test_another_file_than_fairface(hub: Hub, tmp_path: Path) -> None:
    hub.hold(VALIDATION, b"no parquet at all")
    with pytest.raises(AuditorError, match=r"not FairFace with age, gender, race"):
        get(tmp_path)


def test_a_hub_that_refuses_or_is_not_there(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.status = 503
    with pytest.raises(AuditorError, match=r"api/datasets/HuggingFaceM4/FairFace.*the server answered 503"):
        get(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(AuditorError, match="cannot be reached"):
        get(tmp_path)


def test_full_disk_before_the_first_byte(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage(100, 90, 10))
    with pytest.raises(StorageError, match="10 bytes free, need"):
        get(tmp_path)
    assert list((tmp_path / "downloads/fairface").iterdir()) == []


def test_disk_that_fills_up_while_images_are_kept(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(fairface, "_table", full)
        with pytest.raises(StorageError, match="disk full while fetching 'fairface'; free some"):
            get(tmp_path)
    left = [path.suffix for path in (tmp_path / "downloads/fairface").iterdir()]
    assert left == [".parquet"]
    assert len(get(tmp_path).lock.images) == 42
    assert len(hub.downloads()) == 1


def test_without_the_reader_nothing_is_asked(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fairface.importlib.util, "find_spec", lambda _: None)
    assert main(["banks", "fetch", "fairface", "--accept-terms"]) == 2
    assert "needs the package pyarrow: pip install pyarrow" in capsys.readouterr().err
    monkeypatch.setattr(fetching, "on_terminal", lambda: True)
    assert main([*RUN, "gender"]) == 2
    said = capsys.readouterr().err
    assert "pip install pyarrow" in said
    assert "fetch now?" not in said
    assert hub.asked == []


def test_no_consent(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["banks", "fetch", "fairface"]) == 2  # not a terminal
    assert "its terms have to be accepted first (--accept-terms)" in capsys.readouterr().err
    with pytest.raises(ConsentError):
        fetch_bank("fairface", accepted=False, into=tmp_path / "banks", downloads=tmp_path / "d")
    assert hub.asked == []


def test_a_part_of_a_set_that_comes_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["banks", "fetch", "dtd", "--per-group", "5", "--accept-terms"]) == 2
    assert "'dtd': comes whole, --per-group is for fairface" in capsys.readouterr().err


@pytest.mark.parametrize("words", [RUN, SCAN], ids=["run", "scan"])
@pytest.mark.parametrize("bank", ["gender", "race", "gender-race", "gender:fairface"])
def test_a_script_is_told_what_to_fetch_before_the_model_is_looked_for(
    hub: Hub, words: list[str], bank: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, bank]) == 2
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("error:")]
    assert f"bank '{bank.partition(':')[0]}': no imported set has labels" in line
    needed = line.partition("needed: ")[2]
    assert needed.startswith("'auditor banks fetch fairface'")
    assert "--accept-terms" in needed
    assert hub.asked == []


@pytest.mark.parametrize("words", [RUN, SCAN], ids=["run", "scan"])
def test_accepted_terms_fetch_without_a_question(
    hub: Hub, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "gender", "--accept-terms"]) != 0
    said = capsys.readouterr().err
    assert "CC BY 4.0 (annotations)" in said
    assert "accepted by --accept-terms" in said
    assert "fairface: 112 images in " in said  # all there are of 200
    assert "timm:test_resnet" in said.splitlines()[-1]  # next came the model
    before = len(hub.asked)
    main([*words, "gender", "--accept-terms"])
    assert len(hub.asked) == before  # the images are there


def on_a_terminal(words: list[str], answer: str, at: str = "[y/N]") -> tuple[int, str]:
    """Exit status of a command on a pseudo-terminal, and all that it showed."""
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover (another process)
        os.execv(sys.executable, command(*words))  # noqa: S606
    shown, answered, until = "", False, time.monotonic() + 120
    while time.monotonic() < until:
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:  # its end, on Linux
            break
        if not data:
            break
        shown += data.decode(errors="replace")
        if at in shown and not answered:
            os.write(terminal, answer.encode())
            answered = True
    else:
        os.kill(child, signal.SIGKILL)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), " ".join(shown.split())


def test_a_terminal_is_asked_and_enter_means_no(hub: Hub, tmp_path: Path) -> None:
    status, shown = on_a_terminal([*RUN, "gender"], "\n")
    assert status == 2
    offer = shown[: shown.index("fetch now?")]
    for part in ("FairFace", "CC BY 4.0", "about 63 MB", "terms: Attribution"):
        assert part in offer
    assert "nothing was fetched" in shown
    assert hub.asked == []
    assert not (tmp_path / "banks").exists()


@pytest.mark.parametrize("words", [RUN, SCAN], ids=["run", "scan"])
def test_without_a_named_bank_a_script_fetches_nothing_and_goes_on(
    hub: Hub, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prepare, "default_banks", lambda: ("presentation",))  # draws no textures
    assert main(words[:-1]) != 0
    assert "timm:test_resnet" in capsys.readouterr().err.splitlines()[-1]
    assert hub.asked == []
    assert main([*words[:-1], "--accept-terms"]) != 0
    assert "fairface: 112 images in " in capsys.readouterr().err


def test_without_a_named_bank_a_terminal_is_asked_and_no_means_rendered_people(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(fetching, "on_terminal", lambda: True)
    monkeypatch.setattr(fetching.typer, "confirm", lambda text, **_: asked.append(text))
    fetching.fetch_lacking([], accept_terms=False)
    assert asked[0].endswith("fetch now?")
    assert "nothing was fetched; rendered people stand in, which only screen" in capsys.readouterr().err
    with pytest.raises(InputError, match="nothing was fetched"):
        fetching.fetch_lacking(["gender"], accept_terms=False)
    assert hub.asked == []


@pytest.mark.slow
def test_a_terminal_that_says_yes_gets_the_images(hub: Hub, tmp_path: Path) -> None:
    status, shown = on_a_terminal([*SCAN, "gender"], "y\n")
    assert status != 0
    assert "fairface: 112 images in" in shown
    assert "timm:test_resnet" in shown.rpartition("error:")[2]
    assert (tmp_path / "banks/fairface/bank.lock.json").is_file()


def test_doctor_and_list_name_the_command(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    (seen,) = doctor.check_faces()
    assert (seen.state, seen.advice) == ("note", "auditor banks fetch fairface")
    assert seen.seen == "no photos for perceived gender and race"
    assert main(["banks", "list"]) == 0
    said = capsys.readouterr().out
    assert f"\n{seen.seen}; get some: {seen.advice}\n" in said
    assert photos.not_audited(["textures"]) == f"not audited: {seen.seen}; get some: {seen.advice}"
    assert main(["banks", "fetch", "fairface", "--per-group", "2", "--accept-terms"]) == 0
    capsys.readouterr()
    (seen,) = doctor.check_faces()
    assert (seen.state, seen.seen) == ("ok", "photos for perceived gender and race")
    assert main(["banks", "list"]) == 0
    assert "no photos" not in capsys.readouterr().out
    assert (
        photos.not_audited(["textures"]) == "not audited: perceived gender and race; add: --banks gender,race"
    )


@pytest.mark.parametrize(
    ("used", "said"),
    [
        (["textures", "gender:fairface"], "not audited: no photos for perceived race; get some: "),
        (
            ["presentation"],
            "not audited (rendered people only screen): no photos for perceived gender and race;",
        ),
        (["my-own"], "not audited: no photos for perceived gender and race;"),
        (["gender-race:fairface"], ""),
    ],
)
def test_what_was_not_audited_depends_on_the_banks(hub: Hub, used: list[str], said: str) -> None:
    line = photos.not_audited(used)
    assert line.startswith(said)
    assert bool(line) == bool(said)


def test_the_last_line_of_a_run_says_what_was_not_audited(hub: Hub, tmp_path: Path) -> None:
    from auditor.cli.run import summary
    from auditor.settings import Settings
    from tests import sample

    audit = sample.build(tmp_path / "sample")
    lines = summary(audit, Settings(model="x", classes=("x",), out=tmp_path))
    assert lines[-1] == photos.not_audited(bank.name for bank in audit.banks)
    assert lines[-1].endswith("get some: auditor banks fetch fairface")
