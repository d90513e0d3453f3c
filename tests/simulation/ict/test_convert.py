"""Clones of a toy topology: two quads of face, one of neck, one of films that are left out."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from aukit.cli import main
from aukit.mesh import read_obj
from aukit.simulation import face_model
from aukit.simulation.ict.basis_file import SHAPES, BasisError, read_basis
from aukit.simulation.ict.convert import ICT_LAYOUT, NEUTRAL, Layout, import_ict

TOY = Layout(12, 8, {"face": (0, 5), "head_neck": (6, 8)})
SAMPLE = os.environ.get("AUKIT_ICT_SAMPLE")


def write_mesh(file: Path, vertices: np.ndarray) -> None:
    lines = ["# a toy"] + [f"v {x} {y} {z}" for x, y, z in vertices]
    lines += [f"vt {x} {y}" for x, y, _ in vertices]
    for corners in ((1, 2, 5, 4), (2, 3, 6, 5), (7, 8, 9, 6), (10, 11, 12, 9)):
        lines.append("f " + " ".join(f"{c}/{c}" for c in corners))
    file.write_text("\n".join(lines) + "\n")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone" / "FaceXModel"
    folder.mkdir(parents=True)
    (folder.parent / "LICENSE").write_text("MIT License\n\nCopyright (c) 2020 the makers\n")
    (folder / "vertex_indices.json").write_text(
        json.dumps({"idx_to_landmark_verts": [k % 9 for k in range(68)]})
    )
    neutral = np.arange(36.0).reshape(12, 3)
    for k, name in enumerate(TOY.meshes):
        write_mesh(folder / f"{name}.obj", neutral + (0.25 * k if name != NEUTRAL else 0.0))
    return folder.parent


def test_a_complete_clone_has_158_meshes_and_becomes_a_basis(clone: Path, tmp_path: Path) -> None:
    assert len(TOY.meshes) == len(ICT_LAYOUT.meshes) == len(set(TOY.meshes)) == 158
    out = tmp_path / "deep" / "basis.npz"
    import_ict(clone, out, modes=3, layout=TOY)
    basis = read_basis(out)
    assert basis.vertices.shape == (9, 3)
    # Faces of left out vertices go with them.
    assert basis.triangles.max() == 8
    assert len(basis.triangles) == 6
    assert basis.part.tolist() == ["face"] * 6 + ["head_neck"] * 3
    np.testing.assert_allclose(basis.ident[:, 0, 0], [0.25, 0.5, 0.75])
    assert set(basis.expr) == set(SHAPES)
    np.testing.assert_allclose(basis.expr[SHAPES[0]], 0.25 * 101)
    assert basis.gender is None
    with np.load(out, allow_pickle=False) as stored:
        assert "Copyright (c) 2020 the makers" in str(stored["licence"])
    assert [f.name for f in out.parent.iterdir()] == ["basis.npz"]


def test_a_basis_of_another_topology_is_no_head(clone: Path, tmp_path: Path, monkeypatch) -> None:
    import_ict(clone, tmp_path / "basis.npz", modes=3, layout=TOY)
    monkeypatch.setenv("AUKIT_ICT_BASIS", str(tmp_path / "basis.npz"))
    with pytest.raises(BasisError, match=r"basis\.npz: part 'face' has 6 vertices.*import-ict"):
        face_model("ict")


def test_a_gender_direction_is_taken_along(clone: Path, tmp_path: Path) -> None:
    direction = tmp_path / "direction.txt"
    direction.write_text("0.5 -0.25\n")
    import_ict(clone, tmp_path / "basis.npz", modes=3, gender_direction=direction, layout=TOY)
    gender = read_basis(tmp_path / "basis.npz").gender
    assert gender is not None
    assert gender.tolist() == [0.5, -0.25]
    for text in ("", "1 2 3 4", "nan 1", "0 0", "one"):
        direction.write_text(text)
        with pytest.raises(BasisError, match="gender direction"):
            import_ict(clone, tmp_path / "basis.npz", modes=3, gender_direction=direction, layout=TOY)


def edit(change):
    """A change of one mesh's lines."""

    def apply(folder: Path) -> None:
        file = folder / "identity004.obj"
        file.write_text("\n".join(change(file.read_text().splitlines())) + "\n")

    return apply


def landmarks(text: str):
    def apply(folder: Path) -> None:
        (folder / "vertex_indices.json").write_text(text)

    return apply


def another_neutral(folder: Path) -> None:
    (folder / f"{NEUTRAL}.obj").write_text("v 0 0 0\n" * 5 + "f 1 2 3\n")


# What is done to identity004.obj or to the clone, and what the error says.
BROKEN = {
    "missing": (lambda f: (f / "jawOpen.obj").unlink(), "1 of 158 meshes are missing, first jawOpen.obj"),
    "truncated vertices": (edit(lambda t: t[:9]), "identity004.obj, line 9: the last of 8 vertices"),
    "cut in a line": (edit(lambda t: [*t[:9], t[9][:3]]), "identity004.obj, line 10: expected 3 numbers"),
    "truncated faces": (edit(lambda t: t[:-1]), "identity004.obj, line 28: the last of 6 triangles"),
    "not finite": (edit(lambda t: [*t[:4], "v 1 nan 2", *t[5:]]), "identity004.obj, line 5: a coordinate is"),
    "other faces": (
        edit(lambda t: [*t[:-2], "f 7/7 8/8 6/6 9/9", t[-1]]),
        "identity004.obj, line 28: a face",
    ),
    "no licence": (lambda f: (f.parent / "LICENSE").unlink(), "LICENSE: the licence"),
    "no landmarks": (landmarks("{}"), "vertex_indices.json: no landmarks"),
    "foreign landmarks": (
        landmarks(json.dumps({"idx_to_landmark_verts": [11] * 68})),
        "vertex_indices.json: no landmarks",
    ),
    "another neutral mesh": (another_neutral, f"{NEUTRAL}.obj, line 5: the last of 5 vertices, expected 12"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_clone_is_refused_by_name(case: str, clone: Path, tmp_path: Path) -> None:
    spoil, message = BROKEN[case]
    spoil(clone / "FaceXModel")
    with pytest.raises(BasisError, match=re.escape(message)) as caught:
        import_ict(clone, tmp_path / "basis.npz", modes=3, layout=TOY)
    assert re.search("checkout|missing|fetch", str(caught.value))
    assert not (tmp_path / "basis.npz").exists()


@pytest.mark.parametrize("modes", [0, 101])
def test_modes_are_bounded(modes: int, clone: Path, tmp_path: Path) -> None:
    with pytest.raises(BasisError, match="--modes"):
        import_ict(clone, tmp_path / "basis.npz", modes=modes, layout=TOY)


def test_the_command_reports_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "FaceXModel").mkdir()
    (tmp_path / "LICENSE").write_text("MIT")
    assert main(["avatars", "import-ict", str(tmp_path), "--out", str(tmp_path / "basis.npz")]) == 2
    assert "158 of 158 meshes are missing" in capsys.readouterr().err


def stored(clone: Path, file: Path) -> dict[str, np.ndarray]:
    import_ict(clone, file, modes=3, layout=TOY)
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


SPOILT = {
    "field missing": (lambda f: f.pop("ident"), "'ident' is missing"),
    "not finite": (
        lambda f: f["expr"].__setitem__((0, 0), np.nan),
        "'expr' holds numbers that are not finite",
    ),
    "wrong shape": (lambda f: f.update(expr=f["expr"][:, :4]), "'expr' is"),
    "wrong triangle": (lambda f: f["triangles"].__setitem__((0, 0), 9), "'triangles' names elements"),
    "shape missing": (lambda f: f["expr_names"].__setitem__(3, "smirk"), "'browInnerUp_R' is missing"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_damaged_basis_is_refused(case: str, clone: Path, tmp_path: Path) -> None:
    spoil, message = SPOILT[case]
    file = tmp_path / "basis.npz"
    fields = stored(clone, file)
    spoil(fields)
    np.savez(file, **fields)
    with pytest.raises(BasisError, match=rf"basis\.npz.*{message}.*import-ict"):
        read_basis(file)


def test_what_is_no_basis_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "basis.npz"
    with pytest.raises(BasisError, match="no such file"):
        read_basis(file)
    file.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(BasisError, match=r"basis\.npz"):
        read_basis(file)


@pytest.mark.skipif(not SAMPLE, reason="AUKIT_ICT_SAMPLE names no folder with meshes of ICT-FaceKit")
def test_real_meshes_fit_the_layout(tmp_path: Path) -> None:
    video = Path(str(SAMPLE))
    folder = tmp_path / "FaceXModel"
    folder.mkdir()
    shutil.copy(video / "LICENSE", tmp_path)
    for file in (video / "FaceXModel").iterdir():
        (folder / file.name).symlink_to(file)
    named = json.loads((folder / "vertex_indices.json").read_text())["expressions"]
    assert set(SHAPES) == {*named, "cheekRaiser_L", "cheekRaiser_R"}
    layout = ICT_LAYOUT._replace(
        identities=("identity000", "identity001"),
        shapes=("mouthSmile_L", "mouthSmile_R", "browInnerUp_L", "cheekRaiser_L"),
        unused=(),
    )
    import_ict(tmp_path, tmp_path / "basis.npz", modes=2, layout=layout)
    with np.load(tmp_path / "basis.npz", allow_pickle=False) as basis:
        neutral = read_obj(folder / f"{NEUTRAL}.obj").vertices
        np.testing.assert_array_equal(basis["vertices"][:9409], neutral[:9409])
        left, right = (basis["expr"][k].astype(float) for k in (0, 1))
        marks = basis["vertices"][basis["landmarks68"]]
        assert np.linalg.norm(marks[45] - marks[36]) == pytest.approx(8.92, abs=0.02)
        corner = basis["landmarks68"][[54, 48]]
        np.testing.assert_allclose(left[corner[0]], right[corner[1]] * [-1, 1, 1], atol=0.02)
        assert np.linalg.norm(left[corner[0]]) > 1.0
        eyes = basis["part_names"][basis["part"]] == "sclera_l"
        assert eyes.sum() == 770
