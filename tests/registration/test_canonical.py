import numpy as np
import torch

from aukit.mesh import rasterize
from aukit.registration import CanonicalFace, canonical_face, frontal_template
from docs.make_canonical_face import mean_face


def test_the_template_has_the_published_eye_distance_and_is_frontal():
    for size in (64, 224):
        template = frontal_template(size)
        left, right = template[36:42].mean(0), template[42:48].mean(0)
        np.testing.assert_allclose(np.linalg.norm(right - left), 75.9 * size / 224, atol=1e-6)
        np.testing.assert_allclose((left + right)[0] / 2, (size - 1) / 2, atol=1e-6)
        assert abs(left[1] - right[1]) < 0.01 * size
        assert template[8, 1] > template[33, 1] > template[30, 1] > left[1]
        assert template.min() > 0
        assert template.max() < size - 1


def test_the_canonical_mask_has_no_holes_and_looks_at_the_viewer():
    face = canonical_face()
    scale, offset = face.in_crop(224)
    vertices = torch.from_numpy(face.vertices * scale + offset)
    ids = rasterize(vertices[None], torch.from_numpy(face.triangles), 224).ids[0].numpy()
    assert 0.5 < (ids >= 0).mean() < 0.75
    for row in ids[20:200] >= 0:  # eyes and mouth are closed: each row is one run
        assert np.abs(np.diff(row.astype(int))).sum() == 2
    corners = vertices.numpy()[face.triangles[np.unique(ids[ids >= 0])]]
    depth = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
    assert (depth > 0).mean() > 0.97
    normals = face.smooth_normals()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-9)
    assert normals[:, 2].mean() > 0.3


def test_the_shipped_face_is_what_the_command_makes():
    shipped, made = canonical_face(), mean_face()
    np.testing.assert_array_equal(shipped.triangles, made.triangles)
    # In units of the eye distance; sines and powers differ between processors in their last digit.
    np.testing.assert_allclose(shipped.vertices, made.vertices, rtol=0, atol=1e-6)
    np.testing.assert_allclose(shipped.landmarks, made.landmarks, rtol=0, atol=1e-6)


def test_a_shut_slit_is_closed_too():
    # A sheet of 5 x 7 points, cut open along the middle of its middle row: a mouth that is shut.
    y, x = np.mgrid[:5, :7]
    points = np.stack([x, y, 0 * x], -1).reshape(-1, 3).astype(float)
    points = np.concatenate([points, points[16:19]])
    cells = (y * 7 + x)[:-1, :-1].ravel()
    upper = np.stack([cells, cells + 1, cells + 7], 1)
    lower = np.stack([cells + 1, cells + 8, cells + 7], 1)
    triangles = np.concatenate([upper, lower])
    below = points[triangles].mean(1)[:, 1] > 2
    for vertex in (16, 17, 18):
        triangles[below] = np.where(triangles[below] == vertex, vertex + 19, triangles[below])
    landmarks = np.random.default_rng(0).uniform(0, 4, (68, 3))
    closed = CanonicalFace.from_mesh(points, triangles, landmarks)
    assert len(closed.triangles) == len(triangles) + 6
    edges = np.concatenate([closed.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    directed = {tuple(edge) for edge in edges.tolist()}
    assert len(directed) == len(edges)  # wound alike
    assert sum((b, a) not in directed for a, b in directed) == 20  # only the outer contour is open
