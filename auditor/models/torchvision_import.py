"""Import torchvision (and through it timm) even where its compiled operators cannot load.

A torchvision built for CUDA next to a CPU build of torch imports everything in Python except the
operators ``nms`` and ``qnms``, which detection models need and classifiers do not. Without their
schemas the whole package fails to import, so they are declared, with no kernel, if they are missing.
"""

from __future__ import annotations

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_library: torch.library.Library | None = None


def prepare_torchvision() -> bool:
    """Make ``import torchvision`` succeed. Returns whether its compiled operators are present."""
    global _library
    try:
        import torchvision
    except RuntimeError as failure:
        if "torchvision::" not in str(failure):
            raise
        _library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                _library.define(name + _SCHEMA)
        import torchvision
    return bool(torchvision.extension._has_ops())
