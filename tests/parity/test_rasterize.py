"""The rasteriser against 3DDFA_V2's Sim3DR z-buffer."""

import numpy as np
import pytest
import torch

from aukit.mesh import interpolate, rasterize, vertex_normals
from tests.parity.loader import load_npz

SIZE = 128


@pytest.fixture(scope="module")
def reference():
    return load_npz("rasterize")


@pytest.mark.parametrize("shape", ["grid", "sphere"])
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_ids_depth_weights_and_colours_equal_the_reference(reference, shape, backend):
    vertices = torch.from_numpy(reference[f"{shape}.vertices"])
    triangles = torch.from_numpy(reference[f"{shape}.triangles"].astype(np.int64))
    raster = rasterize(vertices[None], triangles, SIZE, backend=backend)
    ids = raster.ids[0].numpy()
    near_edge = _bits(reference[f"{shape}.near_edge"])
    assert near_edge.sum() <= 5
    np.testing.assert_array_equal(ids[~near_edge], reference[f"{shape}.triangle_id"][~near_edge])
    np.testing.assert_allclose(
        raster.depth[0].numpy()[~near_edge], reference[f"{shape}.depth"][~near_edge], atol=5e-3, rtol=0
    )

    rows, columns = reference[f"{shape}.bary_sampled_pixels"].astype(int).T
    weights = raster.barycentrics[0].numpy()
    np.testing.assert_allclose(weights[rows, columns], reference[f"{shape}.bary_sampled"], atol=5e-4)

    x, y, z = vertices.double().unbind(-1)
    colours = torch.stack(
        [0.5 + 0.5 * (0.11 * x).sin(), 0.5 + 0.5 * (0.09 * y).cos(), 0.5 + 0.5 * (0.07 * z + 1).sin()], -1
    )
    image = (interpolate(colours, triangles, raster)[0].numpy() * 255).astype(np.uint8).astype(int)
    # The reference's colour pass draws only pixels whose weights are all positive.
    drawn = _bits(reference[f"{shape}.covered_colour_pass"]) & ~near_edge
    assert np.abs(image - reference[f"{shape}.colour_image"].astype(int))[drawn].max() <= 1


@pytest.mark.parametrize("shape", ["grid", "sphere"])
def test_vertex_normals_equal_the_reference(reference, shape):
    vertices = torch.from_numpy(reference[f"{shape}.vertices"])
    triangles = torch.from_numpy(reference[f"{shape}.triangles"].astype(np.int64))
    normals = vertex_normals(vertices, triangles)[::16].numpy()
    np.testing.assert_allclose(normals, reference[f"{shape}.vertex_normals_rows"], atol=1e-5)


def _bits(packed):
    return np.unpackbits(packed)[: SIZE * SIZE].reshape(SIZE, SIZE).astype(bool)
