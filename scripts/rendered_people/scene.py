"""The picture: Mitsuba scene, lights, camera, and the soft light under the skin."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

os.environ.setdefault("DRJIT_LIBLLVM_PATH", "/usr/lib/x86_64-linux-gnu/libLLVM-19.so")

import mitsuba
import numpy as np
from scipy.ndimage import gaussian_filter

from scripts.rendered_people.arrays import Floats, Ints
from scripts.rendered_people.space import Distance
from scripts.rendered_people.strands import Beam, Camera, Strands, Thicket, drawn, shaded, thicket_of

mitsuba.set_variant("llvm_ad_rgb")

import drjit  # noqa: E402

drjit.set_thread_count(int(os.environ.get("OMP_NUM_THREADS", "1")))

SIDE = 400
"""Pixels of a side."""
BACK = 2.2
"""Lights are described at 1.6 metres. They stand behind the camera, this much further and larger."""


@dataclass(frozen=True)
class Mesh:
    """Triangles with colours and what they are made of."""

    vertices: Floats
    faces: Ints
    normals: Floats
    colours: Floats
    """[vertices, 3] Linear RGB."""
    material: dict[str, float]
    """Numbers of Mitsuba's principled BSDF."""


@dataclass(frozen=True)
class Light:
    """A square light, by its direction from the face."""

    yaw: float
    pitch: float
    size: float
    power: float
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class View:
    """Camera and lights."""

    target: Floats
    distance: float
    width: float
    """Metres across at the target."""
    yaw: float
    pitch: float
    lights: tuple[Light, ...]
    sky: tuple[tuple[float, float, float], tuple[float, float, float]]
    """Radiance from above and from below."""
    seed: int


@dataclass(frozen=True)
class Rendered:
    """Linear light and coverage."""

    colour: Floats
    """[side, side, 3] Multiplied by coverage."""
    alpha: Floats


def render(
    meshes: dict[str, Mesh], strands: list[Strands], view: View, distance: Distance, samples: int
) -> Rendered:
    """The person before nothing. ``meshes`` has ``skin``, ``eyes`` and ``cloth``."""
    scene: dict[str, Any] = {"type": "scene", "integrator": _integrator()}
    scene |= _lights(view)
    for name, mesh in meshes.items():
        scene[name] = _mesh(mesh, name)
    loaded = mitsuba.load_dict(scene)
    colour, alpha, albedo, shape, place = _traced(loaded, view, samples)
    order = [s.id() for s in loaded.shapes() if not s.is_emitter()]
    index = {s.id(): k + 1 for k, s in enumerate(loaded.shapes())}
    if set(order) != set(meshes):
        raise RuntimeError(f"the scene holds {order}, need {sorted(meshes)}")
    whole = alpha > 0.999
    is_skin = (np.abs(shape - index["skin"]) < 1e-3) & whole
    is_cloth = (np.abs(shape - index["cloth"]) < 1e-3) & whole
    colour = _soften(colour, albedo, is_skin, (2.6, 1.5, 1.1), 0.28)
    colour = _soften(colour, albedo, is_cloth, (1.2, 1.2, 1.2), 0.35)
    origin = camera_place(view)
    camera = Camera(origin, view.target, view.width, SIDE)
    beams = beams_of(view)
    thicket = thicket_of(strands)
    seen = whole.ravel()
    where = place.reshape(-1, 3)[seen]
    dimmed = np.ones(SIDE * SIDE)
    dimmed[seen] = _dimming(thicket, where, beams, distance)
    dim = np.where(whole, gaussian_filter(dimmed.reshape(SIDE, SIDE), 0.8), 1.0)
    colour = colour * dim[..., None]
    # Hair is drawn over pixels that the rest covers in part, so that no background shows between the two.
    depth = np.where(whole, np.linalg.norm(place - origin, axis=-1), 99.0)
    light = shaded(strands, thicket, beams, origin, distance)
    hair, covered = drawn(strands, light, camera, depth)
    return Rendered(hair + colour * (1 - covered)[..., None], covered + alpha * (1 - covered))


def _dimming(thicket: Thicket, points: Floats, beams: list[Beam], distance: Distance) -> Floats:
    """[points] The share of the light that reaches points through the hair."""
    normals = distance.away(points)
    total, passed = np.full(len(points), 1e-6), np.full(len(points), 1e-6)
    for beam in beams:
        facing = np.clip(normals @ beam.towards, 0, 1) if beam.sharp else 0.4 + 0.4 * normals @ beam.towards
        weight = float(beam.light.mean()) * np.maximum(facing, 0)
        thickness = thicket.thickness(points + normals * 0.004, beam.towards)
        total += weight
        passed += weight * (0.12 + 0.88 * np.exp(-0.55 * thickness))
    return passed / total


def beams_of(view: View) -> list[Beam]:
    """The lights and the sky as light from single directions."""
    beams = []
    for light in view.lights:
        power = light.power / 1.6**2 * np.asarray(light.colour)
        beams.append(Beam(_direction(view.yaw + light.yaw, light.pitch), power, sharp=True))
    above, below = (np.asarray(part) for part in view.sky)
    for yaw, pitch, share in ((0, 85, 0.30), (-70, 25, 0.2), (70, 25, 0.2), (0, 10, 0.2), (180, 20, 0.1)):
        level = (above * (0.5 + pitch / 180) + below * (0.5 - pitch / 180)) * np.pi * share
        beams.append(Beam(_direction(view.yaw + yaw, pitch), level, sharp=False))
    return beams


def _direction(yaw: float, pitch: float) -> Floats:
    """[3] Unit vector; yaw 0 is the front."""
    turn, rise = np.deg2rad(yaw), np.deg2rad(pitch)
    return np.array([np.sin(turn) * np.cos(rise), -np.cos(turn) * np.cos(rise), np.sin(rise)])


def camera_place(view: View) -> Floats:
    """[3] Where the camera stands."""
    return np.asarray(view.target + _direction(view.yaw, view.pitch) * view.distance)


def _integrator() -> dict[str, Any]:
    path = {"type": "path", "max_depth": 2, "hide_emitters": True}
    return {"type": "aov", "aovs": "albedo:albedo,shape:shape_index,place:position", "inner": path}


def _traced(loaded: Any, view: View, samples: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Means over each pixel's samples: colour, coverage, albedo, number of the shape, and place."""
    random = np.random.default_rng([view.seed, 3])
    side, count = SIDE, SIDE * SIDE * samples
    pixel = np.repeat(np.arange(side * side), samples)
    across = ((pixel % side + random.random(count)) / side - 0.5) * view.width / view.distance
    down = (0.5 - (pixel // side + random.random(count)) / side) * view.width / view.distance
    origin = camera_place(view)
    ahead = (view.target - origin) / view.distance
    right = np.cross(ahead, np.array([0.0, 0.0, 1.0]))
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)
    way = ahead + right * across[:, None] + up * down[:, None]
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    start = np.broadcast_to(origin, way.shape)
    rays = mitsuba.RayDifferential3f(
        mitsuba.Point3f(np.ascontiguousarray(start.T).astype(np.float32)),
        mitsuba.Vector3f(np.ascontiguousarray(way.T).astype(np.float32)),
    )
    sampler = mitsuba.load_dict({"type": "independent", "sample_count": 1})
    sampler.seed(view.seed % 2**31, count)
    light, valid, extra = loaded.integrator().sample(loaded, sampler, rays)
    found = [*light, mitsuba.Float(drjit.select(valid, 1.0, 0.0)), *extra[-7:]]
    drjit.eval(found)
    values = np.stack(
        [np.asarray(part).reshape(-1, samples).astype(np.float64).mean(axis=1) for part in found]
    )
    values = np.nan_to_num(values).reshape(-1, side, side).transpose(1, 2, 0)
    colour, alpha = np.minimum(values[..., :3], 6.0), values[..., 3]
    return colour, alpha, values[..., 4:7], values[..., 7], values[..., 8:11]


def _lights(view: View) -> dict[str, Any]:
    found: dict[str, Any] = {}
    above, below = (np.asarray(part) for part in view.sky)
    share = np.linspace(1, 0, 16)[:, None, None]
    sky = np.broadcast_to(above * share + below * (1 - share), (16, 32, 3)).astype(np.float32)
    turn = mitsuba.ScalarTransform4f().rotate([1, 0, 0], 90)
    found["sky"] = {"type": "envmap", "bitmap": mitsuba.Bitmap(np.ascontiguousarray(sky)), "to_world": turn}
    # Always three lights: Mitsuba compiles a scene's program once for each number of lights.
    for number, light in enumerate(three_lights(view.lights)):
        away = _direction(view.yaw + light.yaw, light.pitch)
        radiance = light.power / (light.size**2) * np.asarray(light.colour)
        found[f"light{number}"] = _panel(
            view.target + away * 1.6 * BACK, away, light.size * BACK, radiance, number
        )
    return found


def three_lights(lights: tuple[Light, ...]) -> list[Light]:
    """The same light from three panels: the first is split where there are fewer."""
    parts = 4 - len(lights)
    first = lights[0]
    shifts = [0.0] if parts == 1 else list(np.linspace(-3.0, 3.0, parts))
    split = [replace(first, yaw=first.yaw + shift, power=first.power / parts) for shift in shifts]
    return [*split, *lights[1:]]


def _panel(place: Floats, away: Floats, size: float, radiance: Floats, number: int) -> Any:
    """A square light as two triangles: Mitsuba's own square would be compiled into the scene's program."""
    first = np.cross(away, np.array([0.05, 0.1, 1.0]))
    first *= size / 2 / np.linalg.norm(first)
    second = np.cross(first, away)
    corners = np.array(
        [place - first - second, place + first - second, place + first + second, place - first + second]
    )
    properties = mitsuba.Properties()
    properties["emitter"] = mitsuba.load_dict({"type": "area", "radiance": _one_pixel(radiance)})
    made = mitsuba.Mesh(f"light{number}", 4, 2, has_vertex_texcoords=True, props=properties)
    values = mitsuba.traverse(made)
    values["vertex_positions"] = corners.astype(np.float32).ravel()
    values["vertex_texcoords"] = np.array([0, 0, 1, 0, 1, 1, 0, 1], dtype=np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    values["faces"] = (faces if normal @ away < 0 else faces[:, ::-1]).astype(np.uint32).ravel()
    values.update()
    return made


def _one_pixel(colour: Floats) -> dict[str, Any]:
    """A colour as a picture: a plain number would be compiled into the scene's program."""
    pixel = mitsuba.TensorXf(np.asarray(colour, dtype=np.float32).reshape(1, 1, 3))
    return {"type": "bitmap", "data": pixel, "raw": True, "filter_type": "nearest"}


def _mesh(mesh: Mesh, name: str) -> Any:
    bsdf: dict[str, Any] = {"type": "principled", **mesh.material}
    bsdf["base_color"] = {"type": "mesh_attribute", "name": "vertex_color"}
    loaded_bsdf = mitsuba.load_dict({"type": "twosided", "inside": bsdf})
    properties = mitsuba.Properties()
    properties["bsdf"] = loaded_bsdf
    made = mitsuba.Mesh(name, len(mesh.vertices), len(mesh.faces), has_vertex_normals=True, props=properties)
    made.add_attribute("vertex_color", 3, mesh.colours.astype(np.float32).ravel())
    values = mitsuba.traverse(made)
    values["vertex_positions"] = mesh.vertices.astype(np.float32).ravel()
    values["vertex_normals"] = mesh.normals.astype(np.float32).ravel()
    values["faces"] = mesh.faces.astype(np.uint32).ravel()
    values.update()
    return made


def _soften(
    colour: Floats, albedo: Floats, is_skin: np.ndarray, spreads: tuple[float, ...], keep: float
) -> Floats:
    """Light that has gone through the skin: the light on it is blurred, red the most."""
    if not is_skin.any():
        return colour
    weight = is_skin.astype(np.float64)
    soft = colour.copy()
    for channel, spread in enumerate(spreads):
        light = np.where(is_skin, colour[..., channel] / np.maximum(albedo[..., channel], 0.01), 0)
        total = gaussian_filter(weight, spread, truncate=3)
        blurred = gaussian_filter(light, spread, truncate=3) / np.maximum(total, 1e-6)
        near = gaussian_filter(light, 0.9) / np.maximum(gaussian_filter(weight, 0.9), 1e-6)
        mixed = (1 - keep) * blurred + keep * near
        soft[..., channel] = np.where(is_skin, mixed * albedo[..., channel], colour[..., channel])
    return soft


def tone_mapped(linear: Floats, exposure: float) -> Floats:
    """A soft shoulder, as cameras have; 0 to 1, still to be encoded as sRGB."""
    bright = linear * exposure
    return np.asarray(np.where(bright < 0.55, bright, 0.55 + 0.45 * (1 - np.exp(-(bright - 0.55) / 0.45))))
