"""Do layer choice, occluder and detector run on every family? ``python -m benchmarks.architectures``.

Prints a Markdown table (``docs/architectures.md`` holds one). Weights are random and images are noise:
the table says that the machinery runs and what it costs, nothing about a model. The occluder gets two
images and three steps.
"""

from __future__ import annotations

import argparse
import time

import torch

from auditor.afi.channels import channel_importance, neuron_scores
from auditor.afi.detector import probe
from auditor.afi.occluder import OccluderSettings, learn
from auditor.errors import InputError
from auditor.models import load_model
from auditor.models.layers import choose_layers

FAMILIES = {
    "plain": ("torchvision:alexnet", "torchvision:vgg11_bn", "timm:vgg11"),
    "residual": ("timm:resnet18", "timm:resnet50", "timm:resnetv2_50", "torchvision:resnext50_32x4d"),
    "residual, attention on channels": ("timm:seresnet18", "timm:skresnet18", "timm:ecaresnet26t"),
    "residual, other": ("timm:res2net50_26w_4s", "timm:nf_resnet26", "timm:regnetx_002", "timm:regnety_002"),
    "inception": (
        "torchvision:googlenet",
        "torchvision:inception_v3",
        "timm:inception_v4",
        "timm:xception41",
    ),
    "dense, dual path, aggregation": ("timm:densenet121", "timm:dpn68", "timm:dla34", "timm:vovnet39a"),
    "depthwise": ("torchvision:mobilenet_v2", "timm:mobilenetv3_small_100", "torchvision:mobilenet_v3_small"),
    "searched": ("timm:tf_efficientnet_lite0", "timm:efficientnet_b0", "torchvision:efficientnet_v2_s"),
    "searched, other": ("timm:mixnet_s", "timm:mnasnet_small", "timm:fbnetc_100", "timm:hardcorenas_a"),
    "ConvNeXt": ("timm:convnext_atto", "timm:convnextv2_atto", "torchvision:convnext_tiny"),
    "re-parameterised": ("timm:repvgg_a0", "timm:mobileone_s0"),
    "small": ("torchvision:squeezenet1_1", "torchvision:shufflenet_v2_x0_5", "timm:ghostnet_100"),
    "several resolutions, cross stage": ("timm:hrnet_w18_small", "timm:cspresnet50", "timm:darknet53"),
    "isotropic": ("timm:convmixer_768_32",),
    "not a CNN": ("timm:vit_tiny_patch16_224",),
}
QUICK = (
    "torchvision:vgg11_bn",
    "timm:resnet18",
    "torchvision:googlenet",
    "timm:mobilenetv3_small_100",
    "timm:convnext_atto",
)


def try_one(name: str) -> str:
    """One row: layers, the last layer's shape, channels with importance, seconds."""
    begun = time.perf_counter()
    model = load_model(name, random_weights=True)
    try:
        layers = choose_layers(model)
    except InputError as refused:
        return f"refused: {str(refused).split(': ', 1)[1]} | | | |"
    generator = torch.Generator().manual_seed(0)
    images = model.normalise(torch.rand(2, *model.input.size, generator=generator))
    with torch.no_grad():
        index = int(model.module(images).mean(0).argmax())
    found = learn(model, images, index, settings=OccluderSettings(iterations=3), generator=generator)
    names = [layer.name for layer in layers]
    scores = neuron_scores(model, images, found.perturbation, names)
    weights = {layer: channel_importance(scores[layer].scores)[None] for layer in names}
    seen = probe(model, [images], names, weights)
    finite = all(torch.isfinite(torch.from_numpy(seen.maps[layer])).all() for layer in names)
    last = layers[-1]
    positive = sum(int((weights[layer] > 0).sum()) for layer in names)
    channels = sum(layer.channels for layer in layers)
    shape = f"{last.channels} x {last.height} x {last.width}"
    seconds = time.perf_counter() - begun
    heard = f"{positive} of {channels}" + ("" if finite else ", NOT FINITE")
    return f"{len(layers)} | `{last.name}` | {shape} | {heard} | {seconds:.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="five architectures instead of all")
    quick = parser.parse_args().quick
    print("| family | model | layers | last layer | its shape | channels with importance | seconds |")
    print("|---|---|---|---|---|---|---|")
    for family, names in FAMILIES.items():
        for name in names:
            if not quick or name in QUICK:
                print(f"| {family} | `{name}` | {try_one(name)} |", flush=True)


if __name__ == "__main__":
    main()
