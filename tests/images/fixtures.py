"""Fixtures: what the images build on, and the image with two plugins."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .podman import ENVIRON, podman, run

ROOT = Path(__file__).parents[2]
INSTALL = Path(__file__).with_name("install.sh")
CANNOT_INSTALL = 3
# Counted up when install.sh makes it otherwise.
BASE = "localhost/liftwing-test-base:1"
# Of this run of the tests, since others may be at it on the same machine.
IMAGE = f"localhost/liftwing-test:{os.getpid()}"
STAND_INS = f"localhost/liftwing-test-stand-ins:{os.getpid()}"


class Builder:
    """Builds images of a copy of the repository, which has one more plugin, from wheels that were fetched before.

    Attributes:
        context: The copy.
        wheels: The folder of what is locked.
    """

    def __init__(self, folder: Path) -> None:
        self.context, self.wheels = folder / "context", folder / "wheels"
        listed = run("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
        # A file that was removed is listed until that is committed.
        for name in filter(lambda name: name and (ROOT / name).exists(), listed.split("\0")):
            target = self.context / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        self._add_plugin("inside")
        self._add_plugin("hungry", needs="aiohttp")
        self._add_plugin("unlocked")
        for name in ("inside", "hungry"):
            (self.context / "locks" / f"{name}.txt").write_text(
                "# It needs nothing but the host, whose lock is outlink's.\n"
            )

    def fetch(self, *locks: str) -> None:
        """Get what locks name, by the pip of this machine."""
        for lock in locks:
            run(
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"),
                *("--only-binary=:all:", "--python-version=3.11"),
                *("--dest", self.wheels, "--requirement", self.context / lock),
            )

    def _add_plugin(self, name: str, needs: str = "") -> None:
        folder = self.context / "plugins" / name
        shutil.copytree(Path(__file__).with_name("inside"), folder)
        project = folder / "pyproject.toml"
        text = project.read_text().replace("liftwing-plugin-inside", f"liftwing-plugin-{name}")
        project.write_text(
            text.replace('["liftwing-host"]', f'["liftwing-host", "{needs}"]') if needs else text
        )

    def command(self, tag: str, dockerfile: str = "Dockerfile", **arguments: str) -> list[str | Path]:
        """What builds an image."""
        given = {"BASE": BASE, "PIP_ARGS": "--no-index --find-links /fetched", **arguments}
        return [
            *(
                "buildah",
                "build",
                "--format=docker",
                "--layers=false",
                "--isolation=chroot",
                "--network=host",
            ),
            *("--pull-never", f"--volume={self.wheels}:/fetched:ro", f"--tag={tag}"),
            f"--file={self.context / dockerfile}",
            *(f"--build-arg={name}={value}" for name, value in given.items()),
            self.context,
        ]

    def refused(self, **arguments: str) -> str:
        """What buildah says of a build that fails."""
        command = self.command(f"{IMAGE}-refused", **arguments)
        done = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Buildah and podman, installed, or the test skipped."""
    done = subprocess.run([INSTALL, BASE], env=ENVIRON, capture_output=True, text=True, check=False)
    if done.returncode == CANNOT_INSTALL and os.environ.get("CI") != "true":
        pytest.skip(done.stderr.strip())
    if done.returncode != 0:
        pytest.fail(f"{INSTALL.name}: {done.stderr.strip()}")
    builder = Builder(tmp_path_factory.mktemp("image"))
    builder.fetch("locks/build.txt", "locks/outlink.txt", "tests/stand_ins/requirements.txt")
    return builder


@pytest.fixture(scope="session")
def image(builder: Builder) -> Iterator[str]:
    """The image with the outlink plugin and the tests' own; its name."""
    labels = {"VERSION": "1.2.3", "REVISION": "0123abcd", "SOURCE": "https://git.example.org/liftwing-host"}
    chosen = {"PLUGINS": "outlink inside", "MODELS": "outlink-topic-model,inside"}
    run(*builder.command(IMAGE, **chosen, **labels))
    yield IMAGE
    podman("rmi", "--force", IMAGE)


@pytest.fixture(scope="session")
def stand_ins(builder: Builder) -> Iterator[str]:
    """The image of the stand-ins; its name."""
    run(*builder.command(STAND_INS, "tests/stand_ins/Dockerfile"))
    yield STAND_INS
    podman("rmi", "--force", STAND_INS)
