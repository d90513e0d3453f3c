import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aukit.errors import AukitError
from aukit.mesh import ObjMesh, read_obj, write_obj


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    vertices=hnp.arrays(np.float32, (5, 3), elements=st.floats(-1e6, 1e6, width=32)),
    triangles=hnp.arrays(np.int32, (4, 3), elements=st.integers(0, 4)),
)
def test_what_is_written_is_read_back(tmp_path, vertices, triangles):
    uv = np.abs(vertices[:, :2]) / 1e6
    for mesh in (ObjMesh(vertices, triangles), ObjMesh(vertices, triangles, uv, triangles)):
        write_obj(tmp_path / "mesh.obj", mesh)
        for ours, back in zip(mesh, read_obj(tmp_path / "mesh.obj"), strict=True):
            assert (ours is None) == (back is None)
            if ours is not None:
                np.testing.assert_array_equal(ours, back)
    assert [file.name for file in tmp_path.iterdir()] == ["mesh.obj"]


def test_polygons_negative_indices_and_comments(tmp_path):
    file = tmp_path / "quad.obj"
    file.write_text(
        "# a quad\no thing\nv 0 0 0 1.0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvn 0 0 1\nf 1//1 2//1 -2//1 -1//1 # f\n"
    )
    mesh = read_obj(file)
    assert mesh.triangles.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.uv is None


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


def test_writing_refuses_broken_meshes(tmp_path):
    with pytest.raises(ValueError, match="do not exist"):
        write_obj(tmp_path / "x.obj", ObjMesh(np.zeros((2, 3), np.float32), np.array([[0, 1, 2]], np.int32)))
    with pytest.raises(ValueError, match="not finite"):
        write_obj(
            tmp_path / "x.obj", ObjMesh(np.full((3, 3), np.nan, np.float32), np.array([[0, 1, 2]], np.int32))
        )
