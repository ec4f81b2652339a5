"""What every stage of an audit needs and none changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auditor.models.loaded import ClassLabel, LoadedModel
from auditor.progress import Progress
from auditor.records import LayerRecord
from auditor.settings import Settings


@dataclass(frozen=True)
class AuditContext:
    """One audit: its model, its settings, and whom to tell how far it is."""

    model: LoadedModel
    settings: Settings
    classes: tuple[ClassLabel, ...]
    """The classes audited."""
    layers: tuple[LayerRecord, ...]
    """Layers whose activations are read, first to last."""
    precision: str
    """Arithmetic of the passes that may be less exact: ``float32`` or ``bfloat16``."""
    progress: Progress
    cache: Path
    """Folder for what audits share."""

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Dotted module names."""
        return tuple(layer.name for layer in self.layers)
