"""Networks that people write: each makes one thing that could break an audit. All are small and untrained.

Every function may be given to ``--model-factory benchmarks.odd_networks:NAME``.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

WIDTH = 12
Answer = namedtuple("Answer", ["features", "logits"])


class Small(nn.Module):
    """Two convolutions and a head; what is odd comes from outside."""

    def __init__(
        self,
        classes: int = 5,
        *,
        inplace: bool = False,
        twice: bool = False,
        before: Callable[[Tensor], Tensor] | None = None,
        after: Callable[[Tensor, Tensor], Any] | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            classes: Outputs.
            inplace: Whether activations write over their inputs.
            twice: Whether the second convolution and the activation are called again.
            before: Applied to the images.
            after: Makes what is returned from features and logits.
        """
        super().__init__()
        self.first = nn.Conv2d(3, WIDTH, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(WIDTH)
        self.second = nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.third = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.act = nn.ReLU(inplace=inplace)
        self.head = nn.Linear(WIDTH, classes)
        self.twice, self.before, self.after = twice, before, after

    def forward(self, images: Tensor) -> Any:
        """Logits [images, classes], or what ``after`` makes of them."""
        x = self.before(images) if self.before else images
        x = self.act(self.norm(self.first(x)))
        x = self.act(self.second(x))
        again = self.act(self.third(x))
        x = self.act(self.third(again)) if self.twice else x + again
        features = x.mean(dim=(2, 3))
        logits = self.head(features)
        return self.after(features, logits) if self.after else logits


def in_place() -> nn.Module:
    """Activations that write over their inputs."""
    return Small(inplace=True)


def called_twice() -> nn.Module:
    """Modules that run more than once in a pass."""
    return Small(twice=True)


def dictionary() -> nn.Module:
    """Logits in a dictionary."""
    return Small(after=lambda features, logits: {"features": features, "logits": logits})


def named_tuple() -> nn.Module:
    """Logits in a named tuple, not in the first place."""
    return Small(after=Answer)


def list_of_outputs() -> nn.Module:
    """Logits and features in a list: ambiguous."""
    return Small(after=lambda features, logits: [logits, features])


def nested() -> nn.Module:
    """Logits two levels deep: ambiguous."""
    return Small(after=lambda features, logits: {"out": {"deep": logits}})


def preprocessing_inside() -> nn.Module:
    """Normalises by itself, from images in [0, 1]."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    return Small(before=lambda images: (images - mean) / 0.225)


def dynamic() -> nn.Module:
    """Goes another way for other images."""

    def before(images: Tensor) -> Tensor:
        return images if float(images.mean()) > 0 else images.flip(3)

    return Small(before=before)


def half_precision() -> nn.Module:
    """Weights of 16 bits."""
    return Small().half()


def probabilities() -> nn.Module:
    """Ends in a softmax: its outputs are no logits."""
    return Small(after=lambda features, logits: logits.softmax(1))


def maps() -> nn.Module:
    """Returns a map of logits for each image, as for segmentation."""
    return Small(after=lambda features, logits: logits[:, :, None, None].expand(-1, -1, 4, 4))


def one_output() -> nn.Module:
    """A single output."""
    return Small(1)


def two_classes() -> nn.Module:
    """Two classes."""
    return Small(2)


def three_classes() -> nn.Module:
    """Three classes."""
    return Small(3)


def many_classes() -> nn.Module:
    """20,000 classes."""
    return Small(20_000)


ODD = (
    *("in_place", "called_twice", "dictionary", "named_tuple", "list_of_outputs", "nested"),
    *("preprocessing_inside", "dynamic", "half_precision", "probabilities", "maps"),
    *("one_output", "two_classes", "three_classes", "many_classes"),
)
"""Names of the functions, in the order of the table."""
