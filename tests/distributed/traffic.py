"""What two processes tell each other in the steps of a training, in bytes."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback


class Traffic(Callback):
    """Notes the bytes and the number of sums and hand-overs in every step, in the first process.

    Kinds are ``gradients``, by a communication hook of DistributedDataParallel, ``norms``, ``losses`` and
    ``buffers``.

    Args:
        path: JSON file: a list with a step's kind → [bytes, calls].
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps: list[dict[str, list[int]]] = []
        self._bytes: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()

    def on_train_start(self, trainer, pl_module):
        distributed = torch.distributed
        sum_up, hand_over = distributed.all_reduce, distributed._broadcast_coalesced

        def gradients(state, bucket):
            self._note("gradients", bucket.buffer())
            work = sum_up(bucket.buffer().div_(trainer.world_size), async_op=True)
            return work.get_future().then(lambda done: done.value()[0])

        def others(tensor, *args, **options):
            file = sys._getframe(1).f_code.co_filename
            self._note("norms" if file.endswith("global_layers.py") else "losses", tensor)
            return sum_up(tensor, *args, **options)

        def buffers(group, tensors, *args):
            self._note("buffers", *tensors)
            return hand_over(group, tensors, *args)

        trainer.model.register_comm_hook(None, gradients)
        # Of the process of this training alone, which ends with it.
        distributed.all_reduce, distributed._broadcast_coalesced = others, buffers

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self._bytes.clear()
        self._calls.clear()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.steps.append({kind: [self._bytes[kind], self._calls[kind]] for kind in self._bytes})

    def on_fit_end(self, trainer, pl_module):
        if trainer.global_rank == 0:
            self.path.write_text(json.dumps(self.steps))

    def _note(self, kind: str, *tensors: torch.Tensor) -> None:
        self._bytes[kind] += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        self._calls[kind] += 1
