"""Where each action unit moves the skin of each face basis: share in its regions, peak, largest regions."""

import os

import numpy as np
import torch

from aukit.facs import AU_REGIONS, FACE_REGIONS
from aukit.simulation import FaceModel, face_model, face_regions


def table(model: FaceModel) -> list[tuple[int, float, float, str]]:
    region = face_regions(model).numpy()
    rest = model.mean_mesh()
    points = rest.vertices[0].double().numpy()
    triangles = model.triangles.numpy()
    triangles = triangles[model.face_region.numpy()[triangles].all(1)]
    a, b, c = points[triangles].transpose(1, 0, 2)
    area = np.zeros(len(points))
    np.add.at(area, triangles, np.linalg.norm(np.cross(b - a, c - a), axis=1)[:, None] / 6)
    outer = float((rest.landmarks[0, 45] - rest.landmarks[0, 36]).norm())
    rows = []
    for au in model.aus:
        mesh = model(torch.zeros(1, model.identity_size), model.activations({au: 1.0}))
        length = np.linalg.norm(mesh.vertices[0].double().numpy() - points, axis=1)
        energy = np.array([area[region == k] @ length[region == k] ** 2 for k in range(len(FACE_REGIONS))])
        energy /= energy.sum()
        own = sum(energy[FACE_REGIONS.index(name)] for name in AU_REGIONS[au])
        most = ", ".join(f"{FACE_REGIONS[k]} {energy[k]:.0%}" for k in np.argsort(-energy)[:3])
        rows.append((au, own, length[region >= 0].max() / outer, most))
    return rows


def main() -> None:
    bases = ["procedural"] + ["ict"] * bool(os.environ.get("AUKIT_ICT_BASIS"))
    for basis in bases:
        print(f"{basis}: motion energy (area-weighted) in the AU's regions, peak / outer-eye distance")
        for au, own, peak, most in table(face_model(basis)):
            print(f"  AU{au:<3d} {own:.3f}  {peak:.3f}  {most}")


if __name__ == "__main__":
    main()
