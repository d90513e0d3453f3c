from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image

from aukit.models.components.pictures import save_picture, tiled


def test_pictures_go_to_the_run_s_folder_and_to_loggers_that_show_them(tmp_path):
    red, blue = (torch.eye(3)[channel, :, None, None].expand(1, 3, 2, 2) for channel in (0, 2))
    picture = tiled([torch.cat([red, blue]), torch.cat([blue, red])])
    assert picture.shape == (4, 4, 3)
    assert picture[0, 0].tolist() == picture[3, 3].tolist() == [255, 0, 0]
    shown = []
    logger = SimpleNamespace(log_image=lambda key, images: shown.append((key, images[0])))
    trainer = SimpleNamespace(is_global_zero=True, default_root_dir=str(tmp_path))
    module = SimpleNamespace(trainer=trainer, loggers=[logger, object()])
    save_picture(module, "grids", 12, picture, "val/faces")
    save_picture(module, "grids", 13, picture)
    assert {path.name for path in (tmp_path / "grids").iterdir()} == {"step0000012.png", "step0000013.png"}
    assert np.array_equal(np.asarray(Image.open(tmp_path / "grids" / "step0000012.png")), picture)
    assert [key for key, _ in shown] == ["val/faces"]
    trainer.is_global_zero = False
    save_picture(module, "elsewhere", 1, picture)
    assert not (tmp_path / "elsewhere").exists()
