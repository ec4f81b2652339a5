"""The head and the upper body, from the model of package ``anny``, refined to a fine mesh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import anny
import numpy as np
import torch
from scipy import sparse

from scripts.rendered_people.arrays import Floats, Ints, rotation, vertex_normals
from scripts.rendered_people.subdivide import loop_matrix

LOWEST = 0.25
"""Height above which the template's faces are kept, in metres. The template's head ends at 0.85."""
WIDEST = 0.33
"""Distance from the middle within which the template's faces are kept: no forearms."""


@dataclass(frozen=True)
class Shape:
    """What the model needs to know of a person."""

    phenotype: dict[str, float]
    changes: dict[str, float]
    actions: dict[str, float]
    head_turn: tuple[float, float, float]
    """Degrees: yaw, pitch and roll of the head against the body."""


@dataclass(frozen=True)
class Body:
    """A posed body. Metres; x to the person's left, -y to the front, z up."""

    vertices: Floats
    faces: Ints
    neutral: Floats
    """[vertices, 3] Places of the same points on the template: masks are drawn in these coordinates."""
    eyes: Floats
    """[2, 3] Centres of the eyeballs, left and right."""
    eye_radius: float
    head_rotation: Floats
    """[3, 3] From the body's axes to the head's."""

    @cached_property
    def normals(self) -> Floats:
        """[vertices, 3] Unit normals."""
        return vertex_normals(self.vertices, self.faces)


class BodyModel:
    """Package ``anny``'s model with a refinement of the part that is shown."""

    def __init__(self) -> None:
        self._model = anny.Anny(
            local_changes="all",
            phenotypes="all",
            phenotype_blendshapes="original",
            facial_actions="all",
            skinning_method="lbs",
        )
        self.labels: list[str] = list(self._model.local_change_labels)
        template = self._model.template_vertices.numpy()
        faces = self._model.get_triangular_faces().numpy()
        base = self._model.base_mesh_vertex_indices.numpy()
        kept = (template[:, 2] > LOWEST) & (np.abs(template[:, 0]) < WIDEST) & (base < 13380)
        faces = faces[kept[faces].all(axis=1)]
        self._used, flat = np.unique(faces, return_inverse=True)
        self.faces = flat.reshape(-1, 3).astype(np.int64)
        refine, self.faces = loop_matrix(self.faces, len(self._used))
        place = refine @ template[self._used]
        # The face is refined once more; the border of the refined part stays, so that there is no gap.
        face = (place[:, 1] < -0.088) & (place[:, 2] > 0.615) & (place[:, 2] < 0.81)
        deep = (np.abs(place[:, 0]) < 0.03) & (place[:, 1] > -0.115) & (np.abs(place[:, 2] - 0.665) < 0.03)
        chosen = (face & ~deep)[self.faces].all(axis=1)
        part, flat = np.unique(self.faces[chosen], return_inverse=True)
        step, finer = loop_matrix(flat.reshape(-1, 3).astype(np.int64), len(part), hold_border=True)
        step = step @ sparse.identity(refine.shape[0], format="csr")[part]
        rest = np.zeros(refine.shape[0], dtype=bool)
        rest[self.faces[~chosen]] = True
        number = np.arange(step.shape[0]) + refine.shape[0]
        number[: len(part)] = np.where(rest[part], part, number[: len(part)])
        self.faces = np.concatenate([self.faces[~chosen], number[finer]])
        refine = sparse.vstack([refine, step @ refine]).tocsr()
        used, flat = np.unique(self.faces, return_inverse=True)
        self.faces, refine = flat.reshape(-1, 3).astype(np.int64), refine[used]
        self._refine = refine
        self.neutral = refine @ template[self._used]
        self._eyeballs = [(base >= first) & (base < first + 72) for first in (14598, 14670)]

    def body(self, shape: Shape) -> Body:
        """The posed body of a person."""
        with torch.no_grad():
            found = self._model(
                pose_parameters=_pose(shape.head_turn),
                phenotype_kwargs=shape.phenotype,
                local_changes_kwargs=shape.changes,
                facial_actions=shape.actions,
                pose_parameterization="local-bone-world",
            )
        vertices = found["vertices"][0].numpy().astype(np.float64)
        eyes = np.stack([vertices[which].mean(axis=0) for which in self._eyeballs])
        radius = float(np.linalg.norm(vertices[self._eyeballs[0]] - eyes[0], axis=1).mean())
        yaw, pitch, roll = shape.head_turn
        turn = rotation(2, yaw) @ rotation(0, pitch) @ rotation(1, roll)
        return Body(self._refine @ vertices[self._used], self.faces, self.neutral, eyes, radius, turn)


def _pose(head_turn: tuple[float, float, float]) -> dict[str, torch.Tensor]:
    """Arms down, and the head's turn shared between the neck's bones and the head."""
    yaw, pitch, roll = head_turn
    shares = {"neck01": 0.15, "neck02": 0.2, "neck03": 0.25, "head": 0.4}
    turns = {
        bone: rotation(2, yaw * share) @ rotation(0, pitch * share) @ rotation(1, roll * share)
        for bone, share in shares.items()
    }
    for side, sign in (("L", 1), ("R", -1)):
        turns[f"clavicle.{side}"] = rotation(1, 6 * sign)
        turns[f"shoulder01.{side}"] = rotation(1, 12 * sign)
        turns[f"upperarm01.{side}"] = rotation(1, 34 * sign)
    pose = {}
    for bone, turn in turns.items():
        matrix = torch.eye(4, dtype=torch.float64)
        matrix[:3, :3] = torch.as_tensor(turn)
        pose[bone] = matrix[None]
    return pose
