"""What users write: modules and parts of FG-Net, as short as they get."""

import torch
from lightning import LightningModule
from torch import nn

from aukit.models.components.detection_module import DetectionModule
from aukit.models.components.losses import occurrence_loss
from tests.fakes import AUS


class MeanColour(DetectionModule):
    """Only what must be written; `outputs` are the columns of the scores."""

    def __init__(self, aus=AUS, outputs: int = len(AUS), **options):
        super().__init__(aus, **options)
        self.head = nn.Linear(3, outputs)

    def scores(self, batch):
        return self.head(batch["image"].mean(dim=(2, 3)))


class OwnOptimizer(MeanColour):
    """An optimizer of its own, without anything that our schedule would need."""

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.5)


class OwnScheduler(MeanColour):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=1.0)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Unfinished(DetectionModule):
    """Without scores."""


class Plain(LightningModule):
    """A LightningModule that knows nothing of aukit but the batches; returns or logs."""

    def __init__(self, returns: bool = True, lr: float = 0.05):
        super().__init__()
        self.returns, self.lr = returns, lr
        self.head = nn.Linear(3, len(AUS))

    def training_step(self, batch, batch_idx):
        return occurrence_loss(self.head(batch["image"].mean(dim=(2, 3))), batch["occurrences"])

    def test_step(self, batch, batch_idx):
        scores = self.head(batch["image"].mean(dim=(2, 3)))
        if self.returns:
            return {"rows": batch["rows"], "scores": scores}
        self.log("test/mean", scores.mean())
        return None

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)


class PlainDetector(Plain):
    decision_threshold = 0.0


class HoldsNetwork(Plain):
    """Saves what no checkpoint can hold."""

    def __init__(self):
        super().__init__()
        self.save_hyperparameters({"network": nn.Linear(1, 1)})


class Encoder(nn.Module):
    """Of FG-Net; `codes` more than there should be."""

    def __init__(self, n_styles, style_dim, image_size, more: int = 0):
        super().__init__()
        self.shape = (n_styles + more, style_dim)
        self.linear = nn.Linear(3, (n_styles + more) * style_dim)

    def forward(self, images):
        return self.linear(images.mean(dim=(2, 3))).unflatten(1, self.shape)


class Head(nn.Module):
    """Of FG-Net: heat maps of one level."""

    def __init__(self, points, channels, size, level: int = 1):
        super().__init__()
        self.level, self.size = level, size
        self.convolution = nn.Conv2d(channels[level], points, 1)

    def forward(self, maps):
        return nn.functional.interpolate(self.convolution(maps[self.level]), size=(self.size, self.size))
