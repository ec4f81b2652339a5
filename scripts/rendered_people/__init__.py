"""Rendered people: the maker of the banks ``presentation`` and ``appearance``.

Every pair of pictures shows the same rendered person, pose, light, camera and background. Only the styling
differs, or only the skin tone and the face shape.

Run ``python -m scripts.rendered_people --out concept_banks``.
"""
