"""Does the audit run on every family, on odd networks and on every way of saving?

``python -m benchmarks.architectures`` prints Markdown tables (``docs/architectures.md`` holds them). Weights
are random and images are drawn: the tables say that the audit runs or why it refuses, nothing about a model.
Images are made 96 pixels wide where the network can be run on that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from auditor.audit import run_audit
from auditor.errors import InputError
from auditor.images.decode import decode_image, list_images
from auditor.images.impressions import ImpressionSettings, make_impressions
from auditor.images.inputs import as_inputs
from auditor.models import InputOverrides, LoadedModel, Request, load_model
from auditor.models.layers import choose_layers
from auditor.settings import Settings
from benchmarks import odd_networks
from benchmarks.checkpoints import WAYS

FAMILIES = {
    "plain": ("torchvision:alexnet", "torchvision:vgg11", "torchvision:vgg11_bn", "timm:vgg11"),
    "residual": (
        "timm:resnet18",
        "timm:resnet50",
        "timm:resnetv2_50",
        "timm:resnetblur18",
        "timm:seresnet18",
    ),
    "residual, other libraries": (
        *("torchvision:resnet18", "torchvision:resnext50_32x4d", "torchvision:wide_resnet50_2"),
        *("torchvision:regnet_y_400mf", "torchvision:regnet_x_400mf"),
    ),
    "residual, attention on channels": ("timm:skresnet18", "timm:ecaresnet26t", "timm:seresnext26d_32x4d"),
    "residual, other": (
        *("timm:res2net50_26w_4s", "timm:nf_resnet26", "timm:regnetx_002", "timm:regnety_002"),
        *("timm:resnest14d", "timm:gcresnet33ts", "timm:selecsls42b", "timm:resnet26t"),
    ),
    "inception": (
        *("torchvision:googlenet", "torchvision:inception_v3", "timm:inception_v4", "timm:inception_v3"),
        *("timm:xception41", "timm:inception_resnet_v2"),
    ),
    "dense, dual path, aggregation": (
        *("timm:densenet121", "torchvision:densenet121", "timm:dpn68", "timm:dla34", "timm:vovnet39a"),
    ),
    "depthwise": (
        *("torchvision:mobilenet_v2", "torchvision:mobilenet_v3_small", "torchvision:mobilenet_v3_large"),
        *("timm:mobilenetv3_small_100", "timm:mobilenetv2_100", "timm:mobilenetv4_conv_small"),
    ),
    "searched": (
        *("timm:tf_efficientnet_lite0", "timm:efficientnet_b0", "torchvision:efficientnet_b0"),
        *("torchvision:efficientnet_v2_s", "timm:tf_efficientnetv2_b0", "torchvision:mnasnet0_5"),
    ),
    "searched, other": (
        *(
            "timm:mixnet_s",
            "timm:mnasnet_small",
            "timm:fbnetc_100",
            "timm:hardcorenas_a",
            "timm:spnasnet_100",
        ),
        *("timm:rexnet_100", "timm:nfnet_l0"),
    ),
    "ConvNeXt": (
        "timm:convnext_atto",
        "timm:convnextv2_atto",
        "torchvision:convnext_tiny",
        "timm:inception_next_atto",
    ),
    "re-parameterised": ("timm:repvgg_a0", "timm:mobileone_s0", "timm:repghostnet_050", "timm:fastvit_t8"),
    "small": (
        *("torchvision:squeezenet1_0", "torchvision:squeezenet1_1", "torchvision:shufflenet_v2_x0_5"),
        *("timm:ghostnet_100", "timm:tinynet_e", "timm:lcnet_050", "timm:starnet_s1"),
    ),
    "several resolutions, cross stage": (
        *(
            "timm:hrnet_w18_small",
            "timm:cspresnet50",
            "timm:darknet53",
            "timm:cs3darknet_s",
            "timm:hgnetv2_b0",
        ),
    ),
    "isotropic": ("timm:convmixer_768_32",),
    "not a CNN": ("timm:vit_tiny_patch16_224", "timm:mixer_s32_224", "torchvision:swin_t"),
}
QUICK = ("timm:test_resnet", "torchvision:squeezenet1_1", "timm:vit_tiny_patch16_224")
SIDE = 96
CONCEPTS, IMAGES = 3, 12
HEADER = "| layers | last layer | findings | photos | occluder | impressions | report | seconds |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="three architectures, odd networks, ways of saving"
    )
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        bank = draw_bank(Path(folder) / "bank")
        print(f"| family | model {HEADER}\n|---|---|---|---|---|---|---|---|---|---|")
        families = {"quick": QUICK} if quick else FAMILIES
        for family, names in families.items():
            for name in names:
                row = attempt({"model": name, "random_weights": True}, Request(random_weights=True), bank)
                print(f"| {family} | `{name}` | {row} |", flush=True)
        print(f"\n| odd network | what is odd {HEADER}\n|---|---|---|---|---|---|---|---|---|---|")
        for name, row in odd(Path(folder), bank):
            what = getattr(odd_networks, name).__doc__.rstrip(".")
            print(f"| `{name}` | {what} | {row} |", flush=True)
        print("\n| saved as | what becomes of it |\n|---|---|")
        for name, said in saved(Path(folder)):
            print(f"| {name} | {said} |", flush=True)


def draw_bank(root: Path) -> Path:
    """Three concepts of a dozen small images: clouds of a colour, none like another."""
    rng = np.random.default_rng(0)
    for kind in range(CONCEPTS):
        (root / f"concept {kind}").mkdir(parents=True)
        for i in range(IMAGES):
            cells = rng.integers(0, 180, (6, 6, 3))
            cells[..., kind] += 75
            picture = Image.fromarray(cells.astype(np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
            picture.save(root / f"concept {kind}" / f"{i}.png")
    return root


def attempt(asked: dict[str, object], request: Request, bank: Path) -> str:
    """One row: audited, with what was found of each part; or refused, with the reason."""
    begun = time.perf_counter()
    spec = str(asked["model"])
    try:
        size: int | None = SIDE
        try:
            model = load_model(spec, request=request, overrides=InputOverrides(size=SIDE))
        except InputError as refused:
            if "can't be run" not in str(refused):
                raise
            size, model = None, load_model(spec, request=request)
        layers = choose_layers(model)
        made = make_impressions(
            model,
            0,
            settings=ImpressionSettings(count=2, steps=2),
            generator=torch.Generator().manual_seed(0),
        )
        with tempfile.TemporaryDirectory() as folder:
            audit = run_audit(_settings(asked, model, size, bank, Path(folder)))
            report = (Path(folder) / "out" / "report.html").stat().st_size
    except InputError as refused:
        return f"refused: {' '.join(str(refused).partition(': ')[2].split())} | | | | | | |"
    (result,) = audit.classes
    used = f"{result.images.used} of {result.images.found}" if result.images else "none"
    occluder = "none" if result.occluder is None else f"{result.occluder.iterations} steps"
    measured = sum(finding.effect is not None for finding in audit.findings)
    finite = f"{len(made)} made" if bool(torch.isfinite(made).all()) else "NOT FINITE"
    return (
        f"{len(layers)} | `{layers[-1].name}` | {measured} of {CONCEPTS} | {used} | {occluder} | {finite} | "
        f"{report / 1000:.0f} kB | {time.perf_counter() - begun:.0f}"
    )


def _settings(
    asked: dict[str, object], model: LoadedModel, size: int | None, bank: Path, folder: Path
) -> Settings:
    """An audit of the class that an untrained network takes most pictures for; they are its photos."""
    paths = list_images(bank)
    with torch.inference_mode():
        answers = model.module(as_inputs(model, (decode_image(path) for path in paths))).argmax(1)
    favourite = int(answers.mode().values)
    photos = folder / "photos" / f"index-{favourite}"
    photos.mkdir(parents=True)
    for number, path in enumerate(paths):
        (photos / f"{number}.png").write_bytes(path.read_bytes())
    return Settings.model_validate(
        {
            **asked,
            "classes": [f"index:{favourite}"],
            "images": str(photos.parent),
            "banks": [str(bank)],
            "out": str(folder / "out"),
            "cache": str(folder / "cache"),
            "input_size": size,
            "formats": ["html"],
            "max_images": 8,
            "occluder_iterations": 3,
            "refits": 1,
            "reference_classes": 0,
            "runs": 10,
            "permutations": 199,
            "bootstrap": 200,
            "min_images": 6,
        }
    )


def odd(folder: Path, bank: Path) -> Iterator[tuple[str, str]]:
    """A row for every odd network, from a file and a function that makes it."""
    for name in odd_networks.ODD:
        path = folder / f"{name}.pth"
        torch.manual_seed(0)
        torch.save(getattr(odd_networks, name)().state_dict(), path)
        factory = f"benchmarks.odd_networks:{name}"
        asked = {"model": f"file:{path}", "model_factory": factory}
        yield name, attempt(asked, Request(factory=factory), bank)


def saved(folder: Path) -> Iterator[tuple[str, str]]:
    """What becomes of every way of saving: the same function, another one, or refused."""
    from auditor.models.libraries import build

    torch.manual_seed(0)
    theirs = build("timm:resnet18", {"num_classes": 3}).module.eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        expected = theirs(images)
    for number, (name, save) in enumerate(WAYS.items()):
        path = folder / f"way{number}.pth"
        torch.save(save(theirs.state_dict()), path)
        try:
            model = load_model(f"file:{path}", request=Request(arch="timm:resnet18"))
        except InputError as refused:
            yield name, f"refused: {refused}"
            continue
        with torch.inference_mode():
            same = torch.allclose(model.module(images), expected, rtol=1e-5, atol=1e-6)
        yield name, "the same function" if same else "ANOTHER FUNCTION"


if __name__ == "__main__":
    sys.exit(main())
