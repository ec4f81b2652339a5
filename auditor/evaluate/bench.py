"""What every experiment works on: the model, photos of its classes, and the occluders learned from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from auditor.banks import ConceptBank
from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.evaluate.audited import Audited, audit_concepts
from auditor.evaluate.photos import ClassPhotos, other_classes, read_photos
from auditor.explain.stage_one import StageOne, cached_stage_one
from auditor.models.loaded import ClassLabel
from auditor.randomness import derived_seed
from auditor.records import Skipped
from auditor.settings import EvaluationSettings
from auditor.store.directory import WORK


@dataclass(frozen=True)
class Subject:
    """One class: its photos and the occluder that was learned from the part to learn on."""

    photos: ClassPhotos
    stage_one: StageOne

    @property
    def label(self) -> ClassLabel:
        """The class."""
        return self.photos.label


@dataclass
class Bench:
    """Photos and occluders are made when the first experiment asks for them, and once."""

    context: AuditContext
    settings: EvaluationSettings
    banks: tuple[ConceptBank, ...]
    skipped: list[Skipped] = field(default_factory=list)
    """Classes that could not take part."""
    pictures: dict[str, bytes] = field(default_factory=dict)
    """Path relative to the evaluation's directory to encoded picture."""

    @cached_property
    def photos(self) -> tuple[ClassPhotos, ...]:
        """Of every class evaluated that has any."""
        return self._read(self.context.classes, "photos")

    @cached_property
    def others(self) -> tuple[ClassPhotos, ...]:
        """Of further classes whose photos lie in the same folder."""
        return self._read(other_classes(self.context), "photos of other classes")

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """Every class whose occluder could be learned."""
        return self.learned(self.context)

    @cached_property
    def audited(self) -> Audited:
        """What the audit says of every class and concept; one pass over each bank serves all classes."""
        return audit_concepts(self.context, self.banks, [one.stage_one for one in self.subjects])

    def learned(
        self, context: AuditContext, among: Sequence[ClassPhotos] | None = None
    ) -> tuple[Subject, ...]:
        """Occluders of every class, learned as ``context`` says, or read from the work folder.

        Args:
            context: The context, or :meth:`with_settings` of it.
            among: Photos of the classes wanted; of every class where ``None``.
        """
        found = []
        for photos in self.photos if among is None else among:
            try:
                images = photos.image_set()
            except InputError as failure:
                self.skip(f"class '{photos.label.name}'", str(failure))
                continue
            stage_one = cached_stage_one(context, photos.label, self.settings.out / WORK, images=images)
            found.append(Subject(photos, stage_one))
        return tuple(found)

    def with_settings(self, **changed: object) -> AuditContext:
        """The same context with other settings."""
        return replace(self.context, settings=self.settings.model_copy(update=changed))

    def draw(self, *purpose: str | int) -> int:
        """A seed of its own for one purpose."""
        return derived_seed(self.settings.seed, *purpose)

    def skip(self, what: str, reason: str) -> None:
        """Note what could not be done; once."""
        skipped = Skipped(what=what, reason=reason)
        if skipped not in self.skipped:
            self.skipped.append(skipped)

    def _read(self, labels: Sequence[ClassLabel], name: str) -> tuple[ClassPhotos, ...]:
        found = []
        with self.context.progress.stage(name, len(labels)) as stage:
            for label in labels:
                try:
                    found.append(read_photos(self.context, label))
                except InputError as failure:
                    self.skip(f"class '{label.name}'", str(failure))
                stage.advance()
        return tuple(found)
