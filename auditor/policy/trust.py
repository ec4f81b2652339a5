"""Whether a measurement may be concluded from: failed controls and missed floors, in words."""

from __future__ import annotations

from auditor.policy.rules import Trust, matches
from auditor.records import Audit, ClassResult


def distrust(audit: Audit, result: ClassResult, trust: Trust) -> list[str]:
    """Reasons not to believe anything measured about a class; none if there are none."""
    return [*_controls(audit, result, trust), *_occluder(result, trust), *_images(result, trust)]


def weakness(trust: Trust, *, n: int, smallest_detectable: float | None) -> list[str]:
    """Reasons why a comparison could have missed an effect; none if there are none."""
    found = []
    if n < trust.smallest_n:
        found.append(f"{n} images, the policy needs {trust.smallest_n}")
    if (limit := trust.largest_smallest_detectable) is not None:
        if smallest_detectable is None:
            found.append("the smallest detectable effect was not determined")
        elif smallest_detectable > limit:
            found.append(f"only effects from {smallest_detectable:.3g} up could be seen, {limit:g} is needed")
    return found


def _controls(audit: Audit, result: ClassResult, trust: Trust) -> list[str]:
    controls = [*audit.controls, *result.controls]
    found = [
        f"control '{c.name}' failed"
        + (f" ({c.observed:.3g} against {c.threshold:.3g})" if _has_numbers(c) else "")
        for c in controls
        if c.passed is False and matches(c.name, [*trust.blocking_controls, *trust.required_controls])
    ]
    for required in trust.required_controls:
        if not any(c.passed is not None and matches(c.name, [required]) for c in controls):
            found.append(f"required control '{required}' was not run")
    return found


def _has_numbers(control: object) -> bool:
    return getattr(control, "observed", None) is not None and getattr(control, "threshold", None) is not None


def _occluder(result: ClassResult, trust: Trust) -> list[str]:
    floor = trust.occluder_success
    seen = result.occluder.success_heldout
    if not floor or (seen is not None and seen >= floor):  # a floor of 0 asks for nothing
        return []
    if seen is None:
        return [f"the occluder was not measured on held-out images, the policy needs a success of {floor:g}"]
    return [f"the occluder changed {seen:.2f} of the held-out images, the policy needs {floor:g}"]


def _images(result: ClassResult, trust: Trust) -> list[str]:
    found = []
    if not matches(result.images.source, trust.class_images):
        accepted = ", ".join(trust.class_images)
        found.append(f"the class's images come from '{result.images.source}', the policy accepts {accepted}")
    if trust.specific and result.specific is False:
        found.append("the detector says the same about other classes")
    return found
