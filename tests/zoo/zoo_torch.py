"""A model in torch, which has run before its workers are forked: what hangs where threads were forked."""

from __future__ import annotations

import os
from typing import Any

import torch

from liftwing_host import Model


class Torch(Model):
    """Convolves; says with how many threads and in which process."""

    def load(self) -> None:
        torch.manual_seed(0)
        convolution, pool = torch.nn.Conv2d(3, 32, 3), torch.nn.AdaptiveAvgPool2d(8)
        self.net = torch.nn.Sequential(convolution, pool, torch.nn.Flatten(), torch.nn.Linear(32 * 64, 8))
        self.net.eval()
        # An inference before the fork: with more than one thread, every child would hang at its first.
        self.first = self._run(1.0)

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        return {
            "pid": os.getpid(), "parent": os.getppid(), "threads": torch.get_num_threads(),
            "same": self._run(features["scale"]) == self.first, "drawn": float(torch.rand(())),
        }  # fmt: skip

    def _run(self, scale: float) -> list[float]:
        with torch.inference_mode():
            return [float(value) for value in self.net(torch.full((4, 3, 128, 128), scale))[0]]
