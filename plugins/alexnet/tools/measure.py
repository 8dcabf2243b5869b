"""Measures what the model cards tell: right classes, seconds, and memory of four workers.

Run from the root of the repository, where the plugin is installed::

    pip install --no-deps --target /tmp/foolbox foolbox==3.3.4
    PYTHONPATH=tests python plugins/alexnet/tools/measure.py /tmp/foolbox/foolbox/data
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

import torch

import proc
from alexnet import PHOTOGRAPHS, generated, question
from liftwing_host.pytest_plugin import LiveHost
from liftwing_plugin_alexnet.alexnet import AlexNet
from liftwing_plugin_alexnet.architectures import ALEXNET, EFFICIENTNET_LITE0
from liftwing_plugin_alexnet.categories import CATEGORIES

BATCHES = (1, 2, 4, 8, 16, 32)
ROUNDS = 7
MIB = 1 << 20


def classes(folder: Path) -> None:
    """How many of foolbox's photographs, whose names tell their classes, are right."""
    host = LiveHost(["efficientnet-lite0"], arguments=["--demo", "--workers", "1"])
    paths = sorted(folder.glob("imagenet_*.jpg"))
    names = [CATEGORIES[int(re.findall(r"\d+", path.stem)[-1])] for path in paths]
    answers = host.predict(question(*paths))["predictions"]
    host.stop()
    for name, answer in zip(names, answers, strict=True):
        print(f"  {name}: {', '.join(f'{told} {score:.2f}' for told, score in answer.items())}")
    first = sum(name == next(iter(answer)) for name, answer in zip(names, answers, strict=True))
    among = sum(name in answer for name, answer in zip(names, answers, strict=True))
    print(f"of {len(paths)}: {first} right at once, {among} among five")


def seconds() -> None:
    """CPU time of the networks for each image, with one thread, by how many come together: the best of some rounds."""
    torch.set_num_threads(1)
    for architecture in (ALEXNET, EFFICIENTNET_LITE0):
        network = architecture.build().eval()
        for size in BATCHES:
            images = torch.zeros(size, 3, 224, 224)
            taken = []
            with torch.inference_mode():
                for _ in range(ROUNDS):
                    began = time.process_time()
                    network(images)
                    taken.append((time.process_time() - began) / size)
            print(f"{architecture.title}, {size} together: {min(taken) * 1000:.0f} ms an image")


def memory() -> None:
    """The proportional set size of template and workers, after all have answered."""
    with tempfile.TemporaryDirectory() as folder, torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in AlexNet().state_dict().items()}
        path = Path(folder, "alexnet.pth")
        torch.save({name: torch.from_numpy(generated(name, shape)) for name, shape in shapes.items()}, path)
        for workers in (1, 4):
            arguments = ["--workers", str(workers)]
            host = LiveHost(["alexnet"], settings={"model_path": str(path)}, arguments=arguments)
            for _ in range(8):
                host.predict(question(PHOTOGRAPHS / "cup.jpg"))
            total = sum(proc.pss(pid) for pid in (proc.template(host), *proc.workers(host)))
            host.stop()
            print(f"AlexNet, template and {workers} workers: {total / MIB:.0f} MiB")


if __name__ == "__main__":
    classes(Path(sys.argv[1]))
    seconds()
    memory()
