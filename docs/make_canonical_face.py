"""Makes the canonical face that registration fits; `python -m docs.make_canonical_face` writes the file.

It is the facial mask of the mean procedural face. Registration reads the file, so that it needs no face model
and gives the same crops on every machine; the file is made again when the mean face changes on purpose.
"""

import numpy as np

from aukit.registration import CanonicalFace
from aukit.registration.canonical import CANONICAL_FACE
from aukit.simulation import face_model


def mean_face() -> CanonicalFace:
    """The facial mask of the mean procedural face, neutral; about 1 s."""
    model = face_model()
    mesh = model.mean_mesh()
    triangles = model.triangles.numpy()
    region = model.face_region.numpy()
    return CanonicalFace.from_mesh(
        mesh.vertices[0].double().numpy(),
        triangles[region[triangles].all(1)],
        mesh.landmarks[0].double().numpy(),
    )


if __name__ == "__main__":
    face = mean_face()
    np.savez_compressed(
        CANONICAL_FACE, vertices=face.vertices, triangles=face.triangles, landmarks=face.landmarks
    )
    print(f"{CANONICAL_FACE}: {len(face.vertices)} vertices, {CANONICAL_FACE.stat().st_size >> 10} KiB")
