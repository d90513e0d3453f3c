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
    logger = SimpleNamespace(log_image=lambda key, images, step: shown.append((key, step)))
    batches = SimpleNamespace(epoch_loop=SimpleNamespace(_batches_that_stepped=11))
    trainer = SimpleNamespace(
        is_global_zero=True, default_root_dir=str(tmp_path), fit_loop=batches, validating=True
    )
    module = SimpleNamespace(trainer=trainer, loggers=[logger, object()])
    save_picture(module, "grids", picture)
    assert {path.name for path in (tmp_path / "grids").iterdir()} == {"step0000012.png"}
    assert np.array_equal(np.asarray(Image.open(tmp_path / "grids" / "step0000012.png")), picture)
    assert shown == [("pictures/grids", 11)]
    trainer.is_global_zero = False
    save_picture(module, "elsewhere", picture)
    assert not (tmp_path / "elsewhere").exists()
