import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aukit.mesh import interpolate, rasterize, vertex_normals, visible_triangles

# Quarter pixels: many vertices and edges hit pixel centres exactly, and integer shifts lose nothing.
grid_points = hnp.arrays(np.int64, (3, 7, 3), elements=st.integers(-24, 120)).map(
    lambda a: (a / 4).astype(np.float32)
)
faces = hnp.arrays(np.int64, st.tuples(st.integers(1, 12), st.just(3)), elements=st.integers(0, 6))


@settings(max_examples=60, deadline=None)
@given(points=grid_points, triangles=faces)
def test_torch_equals_numba(points, triangles):
    vertices, corners = torch.from_numpy(points), torch.from_numpy(triangles)
    ours = rasterize(vertices, corners, (20, 23), backend="numba")
    theirs = rasterize(vertices, corners, (20, 23), backend="torch")
    assert torch.equal(ours.ids, theirs.ids)
    assert torch.equal(ours.depth, theirs.depth)
    torch.testing.assert_close(ours.barycentrics, theirs.barycentrics, atol=1e-6, rtol=0)


@settings(max_examples=40, deadline=None)
@given(points=grid_points, triangles=faces)
def test_a_batch_is_its_single_meshes(points, triangles):
    vertices, corners = torch.from_numpy(points), torch.from_numpy(triangles)
    batch = rasterize(vertices, corners, 20)
    for row in range(len(vertices)):
        single = rasterize(vertices[row : row + 1], corners, 20)
        for ours, alone in zip(batch, single, strict=True):
            assert torch.equal(ours[row], alone[0])


@settings(max_examples=40, deadline=None)
@given(points=grid_points, triangles=faces, dx=st.integers(0, 9), dy=st.integers(0, 9))
def test_an_integer_shift_moves_the_picture(points, triangles, dx, dy):
    vertices, corners = torch.from_numpy(points), torch.from_numpy(triangles)
    before = rasterize(vertices, corners, 20).ids
    after = rasterize(vertices + torch.tensor([float(dx), float(dy), 0.0]), corners, 20).ids
    assert torch.equal(before[:, : 20 - dy, : 20 - dx], after[:, dy:, dx:])


def test_random_meshes_of_many_triangles_agree():
    rng = np.random.default_rng(5)
    vertices = torch.from_numpy(rng.uniform(-5, 70, (2, 400, 3)).astype(np.float32))
    triangles = torch.from_numpy(rng.integers(0, 400, (900, 3)))
    ours = rasterize(vertices, triangles, 64, backend="numba")
    theirs = rasterize(vertices, triangles, 64, backend="torch")
    assert torch.equal(ours.ids, theirs.ids)
    assert (ours.ids >= 0).float().mean() > 0.9


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_ties_go_to_the_earlier_triangle_and_depth_wins_otherwise(backend):
    square = torch.tensor([[0.0, 0, 5], [9, 0, 5], [0, 9, 5], [0, 0, 6], [9, 0, 6], [0, 9, 6]])[None]
    same = torch.tensor([[0, 1, 2], [0, 2, 1]])
    assert set(rasterize(square, same, 6, backend=backend).ids.unique().tolist()) <= {-1, 0}
    nearer = rasterize(square, torch.tensor([[0, 1, 2], [3, 4, 5]]), 6, backend=backend)
    assert nearer.ids[0, 2, 2] == 1
    assert nearer.depth[0, 2, 2] == 6


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_triangles_that_are_flat_or_not_finite_are_left_out(backend):
    bad = [
        [0.0, 0, 0],
        [4, 4, 0],
        [8, 8, 0],
        [np.nan, 0, 0],
        [np.inf, 3, 0],
        [1e30, 3, 0],
        [0, 5, np.nan],
        [5, 0, 0],
    ]
    vertices = torch.tensor(bad)[None]
    triangles = torch.tensor([[0, 1, 2], [0, 3, 7], [0, 4, 7], [0, 6, 7], [1, 1, 7]])
    raster = rasterize(vertices, triangles, 6, backend=backend)
    assert (raster.ids == -1).all()
    assert (raster.depth == 0).all()
    assert rasterize(vertices, torch.tensor([[0, 5, 2]]), 6, backend=backend).ids.shape == (1, 6, 6)


def test_bad_arguments_are_refused():
    vertices, triangles = torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2]])
    with pytest.raises(ValueError, match="vertices must be"):
        rasterize(vertices[0], triangles, 4)
    with pytest.raises(ValueError, match=r"outside 0\.\.2"):
        rasterize(vertices, triangles + 1, 4)
    with pytest.raises(ValueError, match=r"outside 0\.\.2"):
        rasterize(vertices, triangles - 1, 4, backend="torch")
    with pytest.raises(ValueError, match="triangles must be"):
        rasterize(vertices, triangles.float(), 4)
    with pytest.raises(ValueError, match="size"):
        rasterize(vertices, triangles, 0)


def test_no_triangles_give_an_empty_picture():
    none = torch.empty(0, 3, dtype=torch.int64)
    for backend in ("numba", "torch"):
        assert (rasterize(torch.zeros(2, 3, 3), none, 4, backend=backend).ids == -1).all()


def test_interpolation_reproduces_a_linear_function_and_carries_gradients():
    vertices = torch.tensor([[[0.0, 0, 1], [12, 1, 2], [2, 11, 3]]])
    triangles = torch.tensor([[0, 1, 2]])
    raster = rasterize(vertices, triangles, 12)
    plane = vertices[..., :2].clone().requires_grad_()
    values = interpolate(plane, triangles, raster)
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    drawn = raster.ids[0] >= 0
    torch.testing.assert_close(values[0][drawn].detach(), torch.stack([x, y], -1)[drawn], atol=1e-5, rtol=0)
    assert (values[0][~drawn] == 0).all()
    values.sum().backward()
    assert plane.grad is not None
    torch.testing.assert_close(plane.grad.sum(), 2.0 * drawn.sum())
    torch.testing.assert_close(interpolate(vertices[0], triangles, raster)[0, ..., 2], raster.depth[0])


def test_normals_of_a_plane_point_along_the_winding():
    vertices = torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 2, 0], [5, 5, 5]])
    normals = vertex_normals(vertices[None].repeat(2, 1, 1), torch.tensor([[0, 1, 2]]))
    assert torch.equal(normals[1, :3], torch.tensor([[0.0, 0, 1]] * 3))
    assert (normals[:, 3] == 0).all()


@settings(max_examples=40, deadline=None)
@given(points=grid_points, triangles=faces, sides=st.lists(st.booleans(), min_size=12, max_size=12))
def test_one_sided_triangles_are_drawn_when_they_face_the_viewer(points, triangles, sides):
    vertices, corners = torch.from_numpy(points), torch.from_numpy(triangles)
    one_sided = torch.tensor(sides[: len(corners)])
    found = [visible_triangles(vertices, corners, 20, b, one_sided) for b in ("numba", "torch")]
    assert torch.equal(found[0].ids, found[1].ids)
    assert torch.equal(found[0].depth, found[1].depth)
    for k, mesh in enumerate(vertices):
        edge = mesh[corners[:, 1:]] - mesh[corners[:, :1]]
        faces_us = edge[:, 0, 0] * edge[:, 1, 1] > edge[:, 1, 0] * edge[:, 0, 1]
        kept = (faces_us | ~one_sided).nonzero()[:, 0]
        alone = rasterize(mesh[None], corners[kept], 20)
        number = torch.cat([kept, torch.tensor([-1])])[alone.ids[0].long()]
        assert torch.equal(found[0].ids[k].long(), number)


def test_large_and_long_triangles_agree():
    rng = np.random.default_rng(6)
    corners = rng.uniform(-1, 1, (200, 3, 3)) * 10.0 ** rng.uniform(0, 5, (200, 1, 1)) + 30
    # Slivers: two corners close together, in any direction.
    corners[:, 1] = corners[:, 0] + 10.0 ** rng.uniform(-5, 3, (200, 1)) * rng.normal(size=(200, 3))
    vertices, triangle = torch.from_numpy(corners), torch.tensor([[0, 1, 2]])
    ours, theirs = (visible_triangles(vertices, triangle, 64, b) for b in ("numba", "torch"))
    assert torch.equal(ours.ids, theirs.ids)
    assert torch.equal(ours.depth, theirs.depth)
    assert (ours.ids == 0).flatten(1).any(1).sum() > 20
