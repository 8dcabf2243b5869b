"""The image classifier, served: what a client of the HTTP route gets, and what its workers cost.

Collected where the plugin is installed, which brings torch; continuous integration installs it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import proc
from alexnet import PHOTOGRAPHS, PLUGIN, generated, question
from liftwing_host.pytest_plugin import LiveHost
from liftwing_host.server.cpus import available_cpus
from liftwing_plugin_alexnet.alexnet import AlexNet
from liftwing_plugin_alexnet.categories import CATEGORIES
from walkthrough import Shell, commands

Serve = Callable[..., LiveHost]

ROOT = Path(__file__).parent.parent
FILES = [PHOTOGRAPHS / f"{name}.jpg" for name in ("cup", "cat", "tripod")]
EVERY = sorted((PLUGIN / "tests" / "images").glob("*.png"))
WEIGHTS = 61_100_840 * 4  # bytes


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """AlexNet's parameters, generated, by the format of the file."""
    folder = tmp_path_factory.mktemp("weights")
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in AlexNet().state_dict().items()}
    parameters = {name: torch.from_numpy(generated(name, shape)) for name, shape in shapes.items()}
    paths = {kind: folder / f"alexnet.{kind}" for kind in ("pth", "safetensors")}
    torch.save(parameters, paths["pth"])
    save_file(parameters, paths["safetensors"])
    return paths


@pytest.fixture(scope="module")
def demo() -> Iterator[LiveHost]:
    host = LiveHost(["efficientnet-lite0", "alexnet"], arguments=["--demo", "--workers", "2"])
    yield host
    host.stop()


def threads(host: LiveHost, workers: int) -> list[str]:
    """With how many threads each worker says that it classifies, once all have started."""

    def told() -> list[str] | None:
        found = re.findall(r"classifies; threads: (\d+)", host.log)
        return found if len(found) == workers else None

    found: list[str] = host.wait_for(told, "all workers", timeout=60)
    return found


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_alexnet_answers_what_torchvisions_answers_with_the_same_weights(
    liftwing: Serve, weights: dict[str, Path], kind: str
) -> None:
    told = np.load(PLUGIN / "tests" / "references.npz")
    host = liftwing("alexnet", settings={"model_path": str(weights[kind])}, arguments=["--workers", "1"])
    answers = host.predict(question(*EVERY))["predictions"]
    assert len(answers) == 8
    for path, answer in zip(EVERY, answers, strict=True):
        expected = dict(zip(CATEGORIES, told[f"probabilities/{path.name}"].tolist(), strict=True))
        assert min(answer.values()) >= sorted(expected.values())[-5] * 0.999
        assert answer == pytest.approx({name: expected[name] for name in answer}, rel=1e-3)


def test_four_workers_share_the_pages_of_the_weights(liftwing: Serve, weights: dict[str, Path]) -> None:
    host = liftwing("alexnet", settings={"model_path": str(weights["pth"])}, arguments=["--workers", "4"])
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(host.predict, [question(FILES[0])] * 24))
    # Each has run the network, and so read all weights: of their own they would take five times as much.
    assert len(threads(host, 4)) == 4
    workers = proc.named(host, r"lw-compute-\d")
    assert len(workers) == 4
    total = sum(proc.pss(pid) for pid in (proc.template(host), *workers))
    assert WEIGHTS < total < 4 * WEIGHTS
    assert "each worker loads for itself" not in host.log


@pytest.mark.parametrize("workers", [1, 2])
def test_each_worker_has_its_share_of_the_cpus(liftwing: Serve, workers: int) -> None:
    host = liftwing("efficientnet-lite0", arguments=["--demo", "--workers", str(workers)])
    assert threads(host, workers) == [str(max(1, available_cpus() // workers))] * workers


def test_where_the_operator_wants_more_threads_it_answers_all_the_same(liftwing: Serve) -> None:
    arguments = ["--demo", "--workers", "2"]
    host = liftwing("efficientnet-lite0", arguments=arguments, environ={"OMP_NUM_THREADS": "2"})
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(host.predict, [question(FILES[0])] * 8))
    assert {next(iter(answer)) for answer in answers} == {"espresso"}


def test_requests_at_the_same_time_get_the_answers_to_their_own_images(liftwing: Serve) -> None:
    host = liftwing("efficientnet-lite0", arguments=["--demo", "--workers", "1"])
    alone = {path: host.predict(question(path)) for path in FILES}
    asked = FILES * 8
    with ThreadPoolExecutor(len(asked)) as clients:
        answers = list(clients.map(lambda path: host.predict(question(path)), asked))
    for path, answer in zip(asked, answers, strict=True):
        assert answer == pytest.approx(alone[path], rel=1e-3)
    assert "predict_batch of model" not in host.log, "it never failed"


def test_the_demo_of_alexnet_says_what_answers(demo: LiveHost) -> None:
    assert demo.predict(question(FILES[0]), "alexnet") == demo.predict(
        question(FILES[0]), "efficientnet-lite0"
    )
    assert "alexnet: the demo answers by EfficientNet-Lite0 instead" in demo.log


def test_the_commands_of_the_readme_answer_what_it_shows(demo: LiveHost) -> None:
    text = (PLUGIN / "README.md").read_text()
    blocks = [block for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL) if ":predict" in block]
    assert len(blocks) == 2
    for block in blocks:
        command, _, shown = block.removeprefix("$ ").rpartition("\n{")
        done = subprocess.run(
            ["bash", "-c", command.replace("localhost:8080", f"127.0.0.1:{demo.port}").replace("curl", "curl -s")],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        # Other CPUs add in another order.
        assert rounded(done.stdout) == rounded("{" + shown.strip())


def test_the_example_of_the_documentation_prints_what_the_page_shows(tmp_path: Path) -> None:
    followed = commands(ROOT / "docs" / "examples.md", "Images: AlexNet")
    assert len(followed) == 3
    with Shell(tmp_path) as shell:
        for each in followed:
            assert rounded(shell.run(each).strip()) == rounded(each.shown.strip())


def rounded(answer: str) -> str:
    return re.sub(r"0\.\d+(e-\d+)?", lambda number: f"{float(number.group()):.3f}", answer)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{}", 'Missing "instances" in input data'),
        (b'{"instances": []}', '"instances" is empty'),
        (b'{"instances": {}}', 'Expected "instances" to be a list'),
        (b'{"instances": [{"image": {"b64": "%"}}]}', 'instances[0]: "b64" is not base64'),
        (b'{"instances": [{"image": {"b64": "aGVsbG8="}}]}', "instances[0]: this is not an image"),
        (b"{", "Unrecognized request format"),
    ],
)
def test_bad_input_is_a_400_that_says_what_to_do(demo: LiveHost, body: bytes, said: str) -> None:
    reply = demo.post(body)
    assert reply.status == 400
    assert said in reply.json()["error"]


def test_one_bad_image_among_good_ones_is_named(demo: LiveHost) -> None:
    reply = demo.post(question(FILES[0], FILES[1].read_bytes()[:5000], FILES[2]))
    assert reply.status == 400
    assert reply.json()["error"].startswith("instances[1]: the image is broken or cut off")
    assert demo.post(question(*FILES)).status == 200


def test_without_weights_the_report_says_where_they_are_published(liftwing: Serve, tmp_path: Path) -> None:
    host = liftwing("alexnet", environ={"LIFTWING_DOWNLOADS": str(tmp_path)}, wait=False)
    host.wait_for(lambda: "is NOT READY" in host.log, "the report", timeout=60)
    for said in (
        "/mnt/models/alexnet-owt-7be5be79.pth",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "liftwing-host download alexnet",
        "--demo",
    ):
        assert said in host.log
    assert "Traceback" not in host.log
    assert host.post(question(FILES[0])).status == 503


def test_as_transformer_and_predictor_it_answers_the_same(liftwing: Serve, demo: LiveHost) -> None:
    model = "efficientnet-lite0"
    back = liftwing(model, arguments=["--demo", "--workers", "1", "--role", "predictor"])
    front = liftwing(model, arguments=["--workers", "1", "--predictor-host", f"127.0.0.1:{back.port}"])
    [apart], [whole] = (list(host.predict(question(*FILES), model).values()) for host in (front, demo))
    for one, other in zip(apart, whole, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_a_transformer_needs_no_weights(liftwing: Serve) -> None:
    host = liftwing("alexnet", arguments=["--workers", "1", "--predictor-host", "127.0.0.1:1"])
    assert host.post({"instances": []}).status == 400
    assert host.post(question(FILES[0])).status == 503
