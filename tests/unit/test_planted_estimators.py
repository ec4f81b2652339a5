"""Estimators, figures and the cache of trained weights."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.planted import metrics, networks, training
from benchmarks.planted.banks import COUNTERFACTUAL, RANDOM, REFERENCE
from benchmarks.planted.estimators import Estimate, Estimator, ours
from benchmarks.planted.estimators.baselines import chance
from benchmarks.planted.measure import Measured, as_pairs
from benchmarks.planted.report import markdown


def subject_with(logits, labels, names=("a", "b", "c")):
    """What an estimator reads of a subject, with numbers of our own."""
    return SimpleNamespace(
        seen=SimpleNamespace(logits=logits), bank=SimpleNamespace(labels=labels, names=names)
    )


def planted_logits(rng, *, n=60, shift=3.0):
    """Concept a raises class 0, b lowers it, c does nothing; reference images have none of them."""
    labels = np.concatenate(
        [
            np.repeat([0, 1, 2], n),
            np.full(2 * n, REFERENCE),
            np.full(9, RANDOM),
            np.repeat([COUNTERFACTUAL, COUNTERFACTUAL + 1, COUNTERFACTUAL + 2], n),
        ]
    )
    base = rng.normal(size=(n, 3, 4))
    z = np.concatenate(
        [
            base.transpose(1, 0, 2).reshape(-1, 4),
            rng.normal(size=(2 * n + 9, 4)),
            base.transpose(1, 0, 2).reshape(-1, 4),
        ]
    )
    z[labels == 0, 0] += shift
    z[labels == 1, 0] -= shift
    return z, labels


@pytest.mark.parametrize("estimate", [ours.against_counterfactuals, ours.against_references])
def test_ours_has_sign_size_and_significance(estimate):
    rng = np.random.default_rng(0)
    found = estimate(subject_with(*planted_logits(rng)), 0, rng)
    assert found.effects[0] > 0.3
    assert found.effects[1] < -0.15
    assert abs(found.effects[2]) < 0.1
    assert (found.p_values[:2] < 0.01).all()
    assert found.p_values[2] > 0.5
    assert ((found.lows <= found.effects) & (found.effects <= found.highs)).all()


def test_other_concepts_move_the_zero_point_and_twins_do_not():
    """Against the bank's other concepts, two strong ones make a useless one look inhibiting."""
    rng = np.random.default_rng(0)
    z, labels = planted_logits(rng)
    z[labels == 1, 0] += 6.0  # now a and b both raise the class
    subject = subject_with(z, labels)
    assert ours.against_others(subject, 0, rng).effects[2] < -0.3
    assert abs(ours.against_counterfactuals(subject, 0, rng).effects[2]) < 0.02


def test_contrast_is_the_first_group_against_the_second():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(120, 4))
    z[:60, 0] += 2.0
    subject = subject_with(z, np.repeat([0, 1], 60), names=("women", "men"))
    found = ours.contrast(subject, 0, rng)
    p = np.exp(z[:, 0]) / np.exp(z).sum(axis=1)
    e = np.log(1 + 4 * p) / np.log(5)
    np.testing.assert_allclose(found.effects[0], e[:60].mean() - e[60:].mean())
    assert found.effects[0] > 0.2
    assert found.p_values[0] < 0.05
    assert ours.contrast(subject, 1, rng).effects[0] < 0  # what one class gains the others lose


def test_chance_knows_nothing():
    rng = np.random.default_rng(0)
    p = np.concatenate([chance(subject_with(None, None), 0, rng).p_values for _ in range(1000)])
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.015)


def pairs_of(truth, effect, p):
    n = len(truth)
    arrays = [np.asarray(values, dtype=float) for values in (truth, effect, p)]
    return metrics.Pairs(arrays[0], arrays[1], np.full(n, -1.0), np.full(n, 1.0), arrays[2], np.arange(n))


def test_figures_on_a_list_that_can_be_counted_by_hand():
    pairs = pairs_of(
        truth=[0.5, 0.3, -0.25, 0.15, 0.0, 0.01, -0.01, 0.05],
        effect=[3.0, -2.0, -1.0, 0.5, 0.1, 2.5, 0.0, 0.2],
        p=[0.001, 0.001, 0.03, 0.2, 0.5, 0.02, 0.9, 0.04],
    )
    assert metrics.sign_errors(pairs) == pytest.approx(1 / 4)
    assert metrics.confident_sign_errors(pairs) == pytest.approx(1 / 4)
    assert metrics.power(0.05)(pairs) == pytest.approx(2 / 3)  # the wrong sign does not count as found
    assert metrics.power(0.01)(pairs) == pytest.approx(1 / 3)
    assert metrics.false_positives(0.05)(pairs) == pytest.approx(1 / 3)
    # By size: 3.0 relevant, 2.5 not, 2.0, 1.0 and 0.5 relevant.
    assert metrics.average_precision(pairs) == pytest.approx((1 + 2 / 3 + 3 / 4 + 4 / 5) / 4)


def test_a_perfect_and_a_reversed_estimator():
    truth = np.linspace(-0.6, 0.6, 25)
    assert metrics.spearman(pairs_of(truth, 7 * truth, np.ones(25))) == pytest.approx(1)
    assert metrics.spearman(pairs_of(truth, -truth, np.ones(25))) == pytest.approx(-1)
    assert metrics.average_precision(pairs_of(truth, truth, np.ones(25))) == pytest.approx(1)


def test_summaries_have_intervals_and_dashes_where_nothing_was_tested():
    rng = np.random.default_rng(0)
    truth = rng.uniform(-0.5, 0.5, 60)
    pairs = pairs_of(truth, truth + rng.normal(0, 0.1, 60), np.full(60, np.nan))
    figures = metrics.summarise(pairs, draws=50, rng=rng)
    assert figures["Spearman"].low < figures["Spearman"].value < figures["Spearman"].high
    assert np.isnan(figures["power 0.05"].value)
    assert "| – |" in markdown("Title", {"one": figures})


def test_pairs_keep_truth_beside_estimate():
    truths = [np.arange(6.0).reshape(2, 3), np.arange(6.0, 10).reshape(2, 2)]
    found = [Measured(t * 10, t, t, t, 0.0) for t in truths]
    pairs = as_pairs(truths, found)
    assert np.array_equal(pairs.effect, 10 * pairs.truth)
    assert len(np.unique(pairs.cluster)) == 5


def test_the_interface_takes_any_function():
    def fn(subject, class_index, rng):
        nothing = np.full(2, np.nan)
        return Estimate(np.array([class_index, 2.0]), nothing, nothing, nothing)

    assert Estimator("mine", fn).fn(None, 1, np.random.default_rng(0)).effects.tolist() == [1.0, 2.0]


def noise_data(rng, n):
    labels = rng.integers(0, 3, n)
    images = rng.integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)
    return images, labels


def trained(tmp_path, monkeypatch, *, seed=1, epochs=1):
    monkeypatch.setenv("AUDITOR_CACHE", str(tmp_path))
    return training.cached(
        "w", "separable", noise_data, 3, seed=seed, n_images=64, epochs=epochs, recipe=(networks,)
    )


def test_weights_are_cached_by_content(tmp_path, monkeypatch):
    first = trained(tmp_path, monkeypatch)
    files = list((tmp_path / "planted").iterdir())
    assert [f.suffix for f in files] == [".pt"]
    monkeypatch.setattr(training, "train", lambda *_, **__: pytest.fail("trained again"))
    with pytest.raises(BaseException, match="trained again"):
        trained(tmp_path, monkeypatch, seed=2)
    assert first is not None


def test_the_same_seed_trains_the_same_network(tmp_path, monkeypatch):
    one = trained(tmp_path / "a", monkeypatch)
    two = trained(tmp_path / "b", monkeypatch)
    again = trained(tmp_path / "a", monkeypatch)
    other = trained(tmp_path / "c", monkeypatch, seed=2)
    for left, same, cached in zip(one.parameters(), two.parameters(), again.parameters(), strict=True):
        assert torch.equal(left, same)
        assert torch.equal(left, cached)
    assert not torch.equal(one.head.weight, other.head.weight)
    assert not one.training


@pytest.mark.parametrize("architecture", networks.ARCHITECTURES)
def test_networks_name_their_layers(architecture):
    model = networks.ARCHITECTURES[architecture](5)
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 5)
    for name in networks.layer_names(model):
        assert model.get_submodule(name) is not None
