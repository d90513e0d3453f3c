import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aukit.errors import AukitError
from aukit.mesh import read_obj


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    vertices=hnp.arrays(np.float32, (5, 3), elements=st.floats(-1e6, 1e6, width=32)),
    triangles=hnp.arrays(np.int32, (4, 3), elements=st.integers(0, 4)),
)
def test_float32_numbers_and_indices_are_read_exactly(tmp_path, vertices, triangles):
    uv = np.abs(vertices[:, :2]) / 1e6
    lines = [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices.tolist()]
    lines += [f"vt {u:.9g} {v:.9g}" for u, v in uv.tolist()]
    corners = (triangles + 1).tolist()
    for textured in (False, True):
        faces = [
            "f " + " ".join(f"{corner}/{corner}" if textured else str(corner) for corner in face)
            for face in corners
        ]
        (tmp_path / "mesh.obj").write_text("\n".join(lines + faces) + "\n")
        mesh = read_obj(tmp_path / "mesh.obj")
        np.testing.assert_array_equal(mesh.vertices, vertices)
        np.testing.assert_array_equal(mesh.uv, uv)
        np.testing.assert_array_equal(mesh.triangles, triangles)
        assert (mesh.uv_triangles is not None) == textured
        if textured:
            np.testing.assert_array_equal(mesh.uv_triangles, triangles)


def test_polygons_negative_indices_and_comments(tmp_path):
    file = tmp_path / "quad.obj"
    file.write_text(
        "# a quad\no thing\nv 0 0 0 1.0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvn 0 0 1\nf 1//1 2//1 -2//1 -1//1 # f\n"
    )
    mesh = read_obj(file)
    assert mesh.triangles.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.uv is None


def test_a_byte_order_mark_costs_no_vertex(tmp_path):
    file = tmp_path / "marked.obj"
    file.write_text("v 1 0 0\nv 0 1 0\nv 0 0 1\nv 9 9 9\nf 1 2 3\n", encoding="utf-8-sig")
    mesh = read_obj(file)
    assert mesh.vertices[mesh.triangles[0]].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v 0 0\n", "line 1: expected 3 numbers"),
        ("v 0 0 0\nv a 0 0\n", "line 2"),
        ("v 0 0 nan\n", "not finite"),
        ("v 0 0 0\nf 1 1 2\n", "line 2: face names vertex 2"),
        ("v 0 0 0\nf 1 1 0\n", "names vertex 0"),
        ("v 0 0 0\nf 1 1\n", "needs 3 vertices"),
        ("v 0 0 0\nvt 0 0\nf 1/1 1/1 1/1\nf 1 1 1\n", "only some faces"),
    ],
)
def test_unreadable_files_name_the_line(tmp_path, text, message):
    (tmp_path / "bad.obj").write_text(text)
    with pytest.raises(AukitError, match=message):
        read_obj(tmp_path / "bad.obj")


def test_missing_binary_and_oversized_files(tmp_path, monkeypatch):
    with pytest.raises(AukitError, match="no such OBJ"):
        read_obj(tmp_path / "none.obj")
    (tmp_path / "binary.obj").write_bytes(b"v \xff\xfe\x00")
    with pytest.raises(AukitError, match="not a text file"):
        read_obj(tmp_path / "binary.obj")
    monkeypatch.setattr("aukit.mesh.obj.MAX_BYTES", 3)
    with pytest.raises(AukitError, match="larger"):
        read_obj(tmp_path / "binary.obj")
