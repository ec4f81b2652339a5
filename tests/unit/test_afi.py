"""Stage one: the occluder, equations 5 to 9 against slow twins, and what a known network must yield."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditor.audit.forward import forward_pass
from auditor.errors import InputError
from auditor.explain import occluder
from auditor.explain.channels import channel_importance, mean_activations, neuron_scores
from auditor.explain.detector import detect, pool
from auditor.explain.occluder import OccluderSettings, learn, occlude, random_like
from auditor.explain.visualise import VisualiseSettings, total_variation, visualise
from auditor.images.transforms import Views, transform, valid_span, view
from auditor.models import taps
from auditor.models.precision import resolve
from tests.oracles import afi_loops
from tests.tiny import striped, tiny_model

RNG = np.random.default_rng


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_objective_is_equation_5() -> None:
    rng = RNG(0)
    plain, moved, delta = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), rng.normal(size=(1, 3, 6, 6))
    ours = occluder.objective(
        torch.from_numpy(plain), torch.from_numpy(moved), 2, torch.from_numpy(delta), weight=7.5
    )
    assert float(ours) == pytest.approx(afi_loops.equation_5(plain, moved, 2, delta, 7.5))


def test_neuron_scores_are_equation_6() -> None:
    model, images = tiny_model(), striped(5, vertical=True, rng=RNG(0))
    delta = torch.from_numpy(RNG(1).normal(0, 0.2, (3, 16, 16)).astype(np.float32))
    with taps.record(model.module, ["act"]) as outputs, torch.no_grad():
        model.module(images)
        clean = outputs["act"].double().numpy()
        model.module(occlude(model, images, delta))
        occluded = outputs["act"].double().numpy()
    expected = afi_loops.equation_6(clean, occluded)
    ours = neuron_scores(model, images, delta, ["act"], batch=2)["act"]
    np.testing.assert_allclose(ours.scores.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(ours.clean.numpy(), clean.mean(axis=0), atol=1e-6)


def test_channel_importance_is_equations_7_and_8() -> None:
    scores = RNG(2).normal(size=(6, 4, 5))
    scores[3] = -np.abs(scores[3])  # a channel with no positive neuron
    ours = channel_importance(torch.from_numpy(scores)).numpy()
    np.testing.assert_allclose(ours, afi_loops.equations_7_and_8(scores))
    assert ours.max() == 1
    assert ours.min() == ours[3] == 0


def test_channel_importance_without_positive_neurons_is_zero() -> None:
    assert channel_importance(-torch.ones(3, 2, 2)).tolist() == [0, 0, 0]


def test_detector_is_equation_9() -> None:
    rng = RNG(3)
    maps, weights = rng.normal(size=(4, 5, 3, 2)), rng.random((2, 5))
    ours = detect(torch.from_numpy(maps), torch.from_numpy(weights)).numpy()
    for k in range(2):
        np.testing.assert_allclose(ours[:, k], afi_loops.equation_9(maps, weights[k]))
        np.testing.assert_allclose(detect(torch.from_numpy(maps), torch.from_numpy(weights[k])), ours[:, k])


def test_pooling_and_detecting_can_be_exchanged() -> None:
    maps, weights = torch.rand(2, 4, 21, 14, dtype=torch.float64), torch.rand(4, dtype=torch.float64)
    together = detect(pool(maps), weights)
    apart = torch.nn.functional.adaptive_avg_pool2d(detect(maps, weights)[:, None], 7)[:, 0]
    torch.testing.assert_close(together, apart)


def test_occluder_undoes_the_class_and_blames_its_channel() -> None:
    model = tiny_model()
    images, unseen = striped(12, vertical=True, rng=RNG(0)), striped(8, vertical=True, rng=RNG(1))
    assert (model.module(images).argmax(1) == 0).all()
    settings = OccluderSettings(learning_rate=0.05, views=None)  # these stripes have one phase
    found = learn(model, images, 0, settings=settings, generator=seeded())
    assert found.converged
    assert found.success == found.success_transformed == 1
    flipped = (model.module(occlude(model, unseen, found.perturbation)).argmax(1) != 0).float().mean()
    assert flipped >= 0.8
    scores = neuron_scores(model, images, found.perturbation, ["act"])["act"].scores
    assert channel_importance(scores).tolist()[0] == 1  # the planted channel
    assert channel_importance(scores).tolist()[1] < 0.2
    by_chance = random_like(found.perturbation, seeded(1))
    assert float(by_chance.abs().mean()) == pytest.approx(found.l1)
    kept = (model.module(occlude(model, unseen, by_chance)).argmax(1) == 0).float().mean()
    assert kept >= 0.8


def test_occluder_is_the_same_for_the_same_seed() -> None:
    model, images = tiny_model(), striped(6, vertical=True, rng=RNG(0))
    settings = OccluderSettings(iterations=5)
    one, two = (learn(model, images, 0, settings=settings, generator=seeded(4)) for _ in range(2))
    assert torch.equal(one.perturbation, two.perturbation)


def test_more_images_than_a_batch_are_all_checked() -> None:
    model, images = tiny_model(), striped(20, vertical=True, rng=RNG(0))
    settings = OccluderSettings(batch=6, learning_rate=0.05, views=None)
    found = learn(model, images, 0, settings=settings, generator=seeded())
    flipped = model.module(occlude(model, images, found.perturbation)).argmax(1) != 0
    assert found.converged
    assert flipped.all()


def test_every_step_sees_fresh_views_of_few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = tiny_model(), striped(2, vertical=True, rng=RNG(0))
    seen: list[torch.Tensor] = []

    def note(inputs: torch.Tensor, views: Views, generator: torch.Generator) -> torch.Tensor:
        seen.append(view(inputs, views, generator))
        return seen[-1]

    monkeypatch.setattr(occluder, "view", note)
    learn(model, images, 0, settings=OccluderSettings(iterations=2, batch=12), generator=seeded())
    assert [len(batch) for batch in seen] == [6, 6, 6]
    assert len({float(image.sum()) for batch in seen for image in batch}) == 18


def test_view_without_freedom_changes_nothing() -> None:
    images = striped(3, vertical=True, rng=RNG(0))
    same = view(images, Views(mirror=False, zoom=0.0, shift=0.0, rotation=0.0), seeded())
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)


def test_view_mirrors_half_and_shifts_within_its_share() -> None:
    ramp = torch.linspace(-1, 1, 32).expand(400, 3, 32, 32).clone()
    mirrored = view(ramp, Views(zoom=0.0, shift=0.0, rotation=0.0), seeded())
    falling = (mirrored[:, 0, 0, 0] > mirrored[:, 0, 0, -1]).float().mean()
    assert 0.4 < float(falling) < 0.6
    moved = view(ramp, Views(mirror=False, zoom=0.0, shift=0.25, rotation=0.0), seeded())
    centre = moved[:, 0, 16, 15:17].mean(dim=1)  # the ramp rises by 2 over the width
    assert float(centre.abs().max()) <= 0.5 + 0.04
    assert float(centre.max()) > 0.4
    assert float(centre.min()) < -0.4


def test_occluder_that_runs_out_of_steps_says_so() -> None:
    model, images = tiny_model(), striped(4, vertical=True, rng=RNG(0))
    found = learn(model, images, 0, settings=OccluderSettings(iterations=1), generator=seeded())
    assert not found.converged
    assert found.iterations == 1
    assert found.success < 1
    assert found.l1 > 0  # what was tried is kept, so that its effect can be seen


def test_occluded_images_stay_valid() -> None:
    model, images = tiny_model(), striped(3, vertical=True, rng=RNG(0))
    low, high = model.bounds()
    changed = occlude(model, images, torch.full((3, 16, 16), 5.0))
    assert (changed >= low).all()
    assert (changed <= high).all()


def test_learning_leaves_the_model_as_it_was() -> None:
    model, images = tiny_model(), striped(4, vertical=True, rng=RNG(0))
    before = {k: v.clone() for k, v in model.module.state_dict().items()}
    learn(model, images, 0, settings=OccluderSettings(iterations=3), generator=seeded())
    mean_activations(model, images, ["act", "conv"])
    assert all(torch.equal(v, before[k]) for k, v in model.module.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())
    assert not model.module.training


def test_transform_without_noise_and_rotation_changes_nothing() -> None:
    model, images = tiny_model(), striped(3, vertical=True, rng=RNG(0))
    same = transform(images, noise=0, rotation=0, span=valid_span(model), generator=seeded())
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)


def test_noise_is_uniform_within_its_bounds_on_the_models_scale() -> None:
    blank = torch.zeros(8, 3, 16, 16)
    span = torch.tensor([1.0, 2.0, 4.0]).view(1, 3, 1, 1)
    moved = transform(blank, noise=0.1, rotation=0, span=span, generator=seeded())
    for channel, width in enumerate((0.05, 0.1, 0.2)):
        values = moved[:, channel]
        assert float(values.abs().max()) <= width
        assert float(values.abs().max()) > 0.98 * width
        assert float(values.mean().abs()) < 0.05 * width


def test_rotation_keeps_the_centre_and_stays_within_the_angle() -> None:
    ramp = torch.linspace(-1, 1, 64).view(1, 1, 1, 64).expand(40, 3, 64, 64).contiguous()
    moved = transform(ramp, noise=0, rotation=10, span=torch.ones(1, 3, 1, 1), generator=seeded())
    slope = (moved[:, 0, 48, 32] - moved[:, 0, 16, 32]) / (2 * 32 / 63)
    angles = torch.rad2deg(torch.atan(slope))
    assert float(angles.abs().max()) <= 10.5
    assert float(angles.max()) > 5
    assert float(angles.min()) < -5
    torch.testing.assert_close(moved[:, 0, 31:33, 31:33].mean((1, 2)), torch.zeros(40), atol=1e-3, rtol=0)


def test_probe_gives_what_a_plain_pass_gives() -> None:
    model, images = tiny_model(), striped(5, vertical=True, rng=RNG(0))
    weights = {"act": torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]])}
    found = forward_pass(model, images.split(2), ["act"], weights)
    with taps.record(model.module, ["act"]) as outputs, torch.no_grad():
        logits = model.module(images)
        maps = outputs["act"]
    np.testing.assert_allclose(found.logits, logits.numpy(), atol=1e-5)
    np.testing.assert_allclose(found.channels["act"], maps.mean((2, 3)).numpy(), atol=1e-6)
    expected = pool(maps)[:, 0] + 0.5 * pool(maps)[:, 2]
    np.testing.assert_allclose(found.maps["act"][:, 0], expected.flatten(1).numpy(), atol=1e-5)


def test_visualised_detector_excites_its_channel_more_than_grey_does() -> None:
    model = tiny_model()
    weights = torch.tensor([1.0, 0.0, 0.0])
    settings = VisualiseSettings(steps=40, total_variation=0.5)
    image = visualise(model, "act", weights[None], settings=settings, generator=seeded())[0]
    with taps.record(model.module, ["act"]) as outputs, torch.no_grad():
        model.module(model.normalise(image[None]))
        made = detect(outputs["act"], weights).mean()
        model.module(model.normalise(torch.full_like(image[None], 0.5)))
        grey = detect(outputs["act"], weights).mean()
    assert float(made) > float(grey) + 0.01
    assert 0 <= float(image.min()) <= float(image.max()) <= 1


def test_total_variation_of_a_step() -> None:
    image = torch.zeros(2, 1, 4, 4)
    image[0, ..., 2:] = 1
    assert total_variation(image).tolist() == pytest.approx([4 / 12, 0])


def test_each_visualised_detector_has_an_image_of_its_own() -> None:
    settings = VisualiseSettings(steps=20, total_variation=0.5, jitter=0)
    weights = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    both = visualise(tiny_model(), "act", weights, settings=settings, generator=seeded())
    alone = visualise(tiny_model(), "act", weights[:1], settings=settings, generator=seeded())
    torch.testing.assert_close(both[:1], alone, atol=1e-4, rtol=0)
    assert float((both[0] - both[1]).abs().mean()) > 0.1


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(InputError, match="precision 'half'"):
        resolve("half", torch.device("cpu"))
