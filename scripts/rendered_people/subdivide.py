"""Loop subdivision as a sparse matrix, so that any quantity of a coarse mesh can be refined."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scripts.rendered_people.arrays import Floats, Ints


def loop_matrix(faces: Ints, count: int, *, hold_border: bool = False) -> tuple[sparse.csr_matrix, Ints]:
    """One step of Loop subdivision.

    Args:
        faces: [faces, 3] Vertex numbers.
        count: Number of vertices.
        hold_border: Whether border vertices stay where they are.

    Returns:
        [finer, count] The weights of the old vertices in the new ones, and the new faces.
    """
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    across = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]])
    unique, which = np.unique(edges, axis=0, return_inverse=True)
    which = which.ravel()
    uses = np.bincount(which, minlength=len(unique))
    inner = uses == 2
    rows = np.arange(len(unique)) + count
    end_weight = np.where(inner, 3 / 8, 1 / 2)
    parts = [
        (rows, unique[:, 0], end_weight),
        (rows, unique[:, 1], end_weight),
        (rows[which][inner[which]], across[inner[which]], np.full(int(inner[which].sum()), 1 / 8)),
    ]
    parts += _old_vertices(unique, inner, count, hold_border)
    row, column, weight = (np.concatenate([np.asarray(part[k]) for part in parts]) for k in range(3))
    matrix = sparse.csr_matrix((weight, (row, column)), shape=(count + len(unique), count))
    first, second, third = (which[k * len(faces) : (k + 1) * len(faces)] + count for k in range(3))
    a, b, c = faces.T
    finer = np.concatenate(
        [np.stack(t, axis=1) for t in ((a, first, third), (b, second, first), (c, third, second))]
        + [np.stack((first, second, third), axis=1)]
    )
    return matrix, finer


def _old_vertices(unique: Ints, inner: np.ndarray, count: int, hold: bool) -> list[tuple[Ints, Ints, Floats]]:
    """Weights of the old vertices' new places; those of a border follow the border alone."""
    on_border = np.zeros(count, dtype=bool)
    on_border[unique[~inner].ravel()] = True
    both = np.concatenate([unique, unique[:, ::-1]])
    border_edge = np.concatenate([~inner, ~inner])
    use = ~on_border[both[:, 0]] | border_edge
    both = both[use]
    valence = np.maximum(np.bincount(both[:, 0], minlength=count), 1)
    beta = np.where(valence == 3, 3 / 16, 3 / (8 * valence))
    beta = np.where(on_border, 0.0 if hold else 1 / 8, beta)
    degree = np.bincount(both[:, 0], minlength=count)
    own = np.arange(count)
    return [(both[:, 0], both[:, 1], beta[both[:, 0]]), (own, own, 1 - beta * degree)]
