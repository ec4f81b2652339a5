"""The association benchmark: lists are checked, ranks and shares are right, unknown names are one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.banks.bank import BankImage, Concept, ConceptBank, digest_of
from auditor.errors import InputError
from auditor.progress import silent
from auditor.settings import Settings
from benchmarks.associations_ceiling import beside_lists, between_models, class_effects
from benchmarks.associations_contrasts import Contrasted, contrast_table
from benchmarks.associations_measure import measure
from benchmarks.associations_pairs import (
    Expectation,
    check_concepts,
    leads,
    rank_of,
    read_expectations,
    read_pairs,
    summarise,
    table,
)
from tests.releases import contrast
from tests.tiny import tiny_model

LISTS_OF_PAIRS = ("development", "confirmation", "second-confirmation", "final")
LISTS = Path(__file__).resolve().parents[2] / "benchmarks" / "pairs"


def _write(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_alternatives_and_lines_are_read(tmp_path: Path) -> None:
    rows = read_pairs(
        _write(tmp_path, "class,bank,concept\nzebra,dtd,banded\n\nhamper, textures ,woven | braided\n")
    )
    assert [(r.class_name, r.bank, r.expected) for r in rows] == [
        ("zebra", "dtd", ("banded",)),
        ("hamper", "textures", ("woven", "braided")),
    ]
    assert rows[1].where == "list.csv, line 4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,concept\nzebra,banded\n", "columns class, concept; needed: class,bank,concept"),
        ("class,bank,concept\nzebra,dtd,\n", "list.csv, line 2: no concept"),
        ("class,bank,concept\nzebra,dtd,|\n", "list.csv, line 2: no concept"),
        ("class,bank,concept\n", "no rows"),
        ("", "columns none"),
    ],
)
def test_a_broken_list_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("|", r"\|")) as caught:
        read_pairs(_write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_expectations(tmp_path / "none.csv")


def test_an_unknown_concept_names_the_line_and_what_there_is() -> None:
    assert check_concepts(["Woven"], ["banded", "woven"], bank="b", where="w") == [1]
    with pytest.raises(
        InputError, match=r"list\.csv, line 3: bank 'dtd' has no concept 'stripy'; it has: banded"
    ):
        check_concepts(["stripy"], ["banded"], bank="dtd", where="list.csv, line 3")


def test_rank_is_that_of_the_best_alternative_and_ties_share() -> None:
    assert rank_of([0.1, 0.9, 0.5], [1]) == 1
    assert rank_of([0.1, 0.9, 0.5], [0, 2]) == 2
    assert rank_of([0.1, 0.9, 0.5], [0]) == 3
    # TCAV's sign counts saturate: a concept that ties with one other is first half of the time.
    assert rank_of([1.0, 1.0, 0.0], [0]) == 1.5
    assert rank_of([0.0, 0.0, 0.0], [1]) == 2


def test_summary_counts_pairs_and_resamples_classes() -> None:
    rng = np.random.default_rng(0)
    found = summarise([1, 2, 4, 1], ["zebra", "zebra", "tiger", "knot"], rng=rng)
    assert found.mrr == pytest.approx((1 + 0.5 + 0.25 + 1) / 4)
    assert found.top1 == 0.5
    assert found.mrr_low < found.mrr < found.mrr_high
    # All pairs of a class move together: with a single class there is nothing to resample.
    alone = summarise([1, 4], ["zebra", "zebra"], rng=rng)
    assert alone.mrr_low == alone.mrr_high == alone.mrr


def test_table_has_a_row_for_each_estimator() -> None:
    summary = summarise([1, 2], ["a", "b"], rng=np.random.default_rng(0))
    text = table({"auditor": {"dtd": summary}, "TCAV": {"dtd": summary}})
    assert text.splitlines()[2].startswith("| auditor | 0.75 (")
    assert len(text.splitlines()) == 4


def test_contrast_table_counts_signs_claims_and_wrong_claims() -> None:
    def found(effect: float, half: float) -> Contrasted:
        expectation = Expectation("bow tie", "gender", "men", "women", "list.csv, line 2")
        finding = contrast(effect=-effect, low=-effect - half, high=-effect + half)
        return Contrasted(expectation, finding, -1)  # the bank sets women against men

    text = contrast_table([found(0.1, 0.05), found(0.1, 0.1), found(-0.01, 0.03), found(-0.2, 0.05)])
    assert "| bow tie | men > women | +0.100 (+0.050 to +0.150) |" in text
    assert "Right signs 2/4 (0.50), claimed 1/4 (0.25), wrong claims 1." in text


@pytest.mark.parametrize("name", [f"{name}.csv" for name in LISTS_OF_PAIRS])
def test_shipped_pairs_are_readable_and_name_textures_of_the_bank(name: str) -> None:
    rows = read_pairs(LISTS / name)
    assert len(rows) >= 25
    assert len({(r.class_name, r.bank) for r in rows}) == len(rows)
    text = (LISTS.parents[1] / "concept_banks" / "textures" / "bank.toml").read_text(encoding="utf-8")
    for row in rows:
        for concept in row.expected:
            assert row.bank == "dtd" or f'name = "{concept}"' in text, row


def test_lists_share_no_class() -> None:
    classes = [
        r for name in LISTS_OF_PAIRS for r in {p.class_name for p in read_pairs(LISTS / f"{name}.csv")}
    ]
    assert len(classes) == len(set(classes))
    first = {r.class_name for r in read_expectations(LISTS / "contrasts-development.csv")}
    assert len(first) >= 8
    assert not first & {r.class_name for r in read_expectations(LISTS / "contrasts-confirmation.csv")}


def test_the_lead_is_the_difference_of_the_reciprocal_ranks() -> None:
    ranks = {"ours": [1.0, 2.0, 1.0], "theirs": [2.0, 4.0, 1.0]}
    [line] = leads(ranks, ["a", "b", "c"], rng=np.random.default_rng(0))
    assert line.startswith("Ahead of theirs in MRR by +0.25 (+0.00 to +0.50")


def test_what_is_read_from_the_cache_is_laid_out_as_it_was_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counterfactuals included: without them the second run would compare concepts with something else."""
    rng = np.random.default_rng(0)

    def images(names: list[str]) -> tuple[BankImage, ...]:
        def drawn(name: str) -> BankImage:
            pixels = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
            return BankImage(name=name, load=lambda: Image.fromarray(pixels), sha256=name)

        return tuple(drawn(name) for name in names)

    concepts = tuple(Concept(c, images([f"{c}/{i}.png" for i in range(3)])) for c in ("one", "two"))
    counterfactuals = Concept(
        "reference", images([f"without/{c}/{i}.png" for c in ("one", "two") for i in range(3)])
    )
    bank = ConceptBank("b", "B", "test", concepts, digest_of(concepts), reference=counterfactuals)
    settings = Settings(model="tiny", classes=("0",))
    first, second = (
        measure(tiny_model(), bank, (), [], settings=settings, cache=tmp_path, progress=silent)
        for _ in range(2)
    )
    assert first.layout.sample.counterfactual is not None
    np.testing.assert_array_equal(second.layout.sample.counterfactual, first.layout.sample.counterfactual)
    scores = [m.scores(0, runs=2, rng=rng)["auditor"] for m in (first, second)]
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-3)


def test_the_ceiling_ranks_one_model_by_the_other() -> None:
    effects = {
        "one": np.array([[0.9, 0.5, 0.0], [0.05, 0.04, 0.01]]),
        "two": np.array([[0.6, 0.7, 0.1], [0.0, 0.1, 0.3]]),
    }
    rows = between_models(effects, ["a", "b"], [[1], [0, 2]])
    # The first concepts of two come second and third by one, and the other way round.
    assert rows[2].startswith("| one | 0.75 (0.50 to 1.00) |  | 0.42 (0.33 to 0.50)")
    assert rows[3].startswith("| two | 1.00 (1.00 to 1.00) | 0.42 (0.33 to 0.50)")
    everything, certain = beside_lists(effects, ["a", "b"], [[1], [0, 2]])[2:]
    # The list: ranks 2 and 1 in one, 1 and 1 in two. As many as it names: always second.
    assert [cell.split(" ")[0] for cell in everything.split(" | ")[1:]] == ["0.88", "0.42", "0.50"]
    # One's first concept of class b is not above the margin.
    assert [cell.split(" ")[0] for cell in certain.split(" | ")[1:]] == ["0.83", "0.44", "0.50"]


def test_class_effects_take_the_first_pictures_of_each_concept() -> None:
    rng = np.random.default_rng(0)
    shown: list[str] = []

    def image(name: str) -> BankImage:
        pixels = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)

        def load() -> Image.Image:
            shown.append(name)
            return Image.fromarray(pixels)

        return BankImage(name=name, load=load, sha256=name)

    concepts = tuple(Concept(c, tuple(image(f"{c}{i}") for i in range(5))) for c in ("x", "y", "z"))
    bank = ConceptBank("b", "B", "test", concepts, digest_of(concepts))
    model = tiny_model()
    found = class_effects(model, bank, 3, silent)
    assert found.shape == (len(model.labels), 3)
    assert shown == [f"{c}{i}" for c in "xyz" for i in range(3)]
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-6)
