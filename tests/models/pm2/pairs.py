"""Batches as `PairedDataModule` gives them, of the fake corpus: avatars and target have other colours."""

from collections.abc import Sequence

import numpy as np
import torch

from aukit.datamodules import BatchSpec, StepDataModule
from tests.fakes import AUS, FakeCorpus, fake_store

SMALL = {
    "aus": list(AUS),
    "backbone": "resnet10t",
    "backbone_options": {"channels": [4, 4, 8, 8], "stem_width": 4},
    "head_width": 8,
}
GROUPNORM = {**SMALL, "backbone_options": {**SMALL["backbone_options"], "norm_layer": "groupnorm1"}}


class _Frames:
    def __init__(self, data, kind):
        self.data, self.kind = data, kind

    def __getitem__(self, spec: BatchSpec):
        data, rows = self.data, spec.rows
        image = torch.from_numpy(np.asarray(data.store.images[rows]).transpose(0, 3, 1, 2).copy())
        gender = data.store.table.frame["gender"].to_numpy()[rows]
        labels = {
            "occurrences": torch.from_numpy(data.store.table.occurrences(data.aus)[rows]),
            "gender": torch.tensor([("female", "male").index(g) for g in gender]),
            "rows": torch.from_numpy(rows),
        }
        if self.kind == "train":
            # The processes' shares of one draw, so that two of them see what one sees.
            rng = np.random.default_rng([spec.seed, spec.epoch, spec.step])
            drawn = rng.choice(data.target_rows, data.target_batch_size)
            target = np.split(drawn, data.world_size)[data.rank]
            other = torch.from_numpy(np.asarray(data.store.images[target]).transpose(0, 3, 1, 2).copy())
            # A target of its own look; avatars with the same labels and plainer noise.
            images = {
                "real": image,
                "female": image // 2 * 2,
                "male": image // 4 * 4,
                "target": other // 2 + 60,
            }
            return {**labels, **{name: images[name] for name in (*data.streams, "target")}}
        image = image if self.kind == "source" else image // 2 + 60
        return {"image": image, **({"rows": labels["rows"]} if self.kind == "unlabelled" else labels)}


class FakePairs(StepDataModule):
    """Nine people: source people 0–3 to train on, 4 and 5 to validate on; of the target 4, 5 and 6–8."""

    label = "occurrence"

    def __init__(
        self,
        cache: str = "stores",
        streams: tuple[str, ...] = ("real", "female", "male"),
        oracle: bool = False,
        batch_size: int = 6,
        target_batch_size: int = 4,
        steps_per_epoch: int = 3,
        seed: int = 0,
        aus: Sequence[int] = AUS,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=8, seed=seed)
        self.cache, self.streams, self.oracle, self.aus = cache, streams, oracle, tuple(aus)
        self.target_batch_size, self.steps_per_epoch = target_batch_size, steps_per_epoch

    @property
    def fingerprint(self):
        return self.store.fingerprint

    def prepare_data(self):
        self.store = fake_store(self.cache, FakeCorpus(9, 12, side=32))

    def setup(self, stage=None):
        if not hasattr(self, "store"):
            self.prepare_data()
        people = self.store.table.frame["subject"].str[1:].astype(int).to_numpy()
        self.train_rows, self.val_rows = (
            np.flatnonzero(people < 4),
            np.flatnonzero((people > 3) & (people < 6)),
        )
        self.target_rows, self.test_rows = self.val_rows, np.flatnonzero(people > 5)

    def train_batches(self):
        return _Frames(self, "train"), self.shuffled_batches(self.train_rows)

    def _once(self, rows, kind):
        return _Frames(self, kind), self.evaluation_batches(rows)

    def val_dataloader(self):
        parts = [self._once(self.val_rows, "source"), self._once(self.target_rows, "unlabelled")]
        if self.oracle:
            parts.append(self._once(self.test_rows, "target"))
        return [self._evaluation_loader(part) for part in parts]

    def test_batches(self):
        return self._once(self.test_rows, "target")
