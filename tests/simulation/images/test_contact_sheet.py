from pathlib import Path

import cv2

from aukit.facs import VISIBLE_AUS
from aukit.simulation.images.contact_sheet import EXPRESSIONS, PEOPLE_ROWS, contact_sheet


def test_rows_of_people_avatars_and_action_units(tmp_path: Path) -> None:
    side = 24
    contact_sheet(tmp_path / "sheet.png", size=side, seed=1)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    columns = len(EXPRESSIONS)
    rows = PEOPLE_ROWS + 1 + -(-(len(VISIBLE_AUS) + 1) // columns)
    assert sheet.shape == (rows * side, columns * side, 3)
    tiles = sheet.reshape(rows, side, columns, side, 3).transpose(0, 2, 1, 3, 4).reshape(-1, side, side, 3)
    assert len({tile.tobytes() for tile in tiles[: len(VISIBLE_AUS)]}) == len(VISIBLE_AUS)
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.png"]
