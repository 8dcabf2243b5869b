"""Plugins in environments of their own: one host serves two whose dependencies cannot live in one."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import proc
from command import run
from distributions import install, path_with, wheel
from own_numpy import CODE, NEW, OLD_NUMPY, with_old
from test_deaths import asked_all_the_time

ROOT = Path(__file__).parent.parent
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "liftwing-plugin-newnumpy"
version = "2.5"
dependencies = ["liftwing-host", "numpy>=2"]
[project.entry-points."liftwing_host.models"]
new-numpy = "newnumpy:Numpy"
[tool.hatch.build.targets.wheel]
include = ["newnumpy.py"]
"""

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason=f"no wheel of numpy {OLD_NUMPY} for it")


@pytest.fixture(scope="session")
def new_numpy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of isolated environments with numpy 2 in one of them, made by the command; what that said."""
    folder = tmp_path_factory.mktemp("new")
    project = folder / "newnumpy"
    project.mkdir()
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "newnumpy.py").write_text(CODE)
    # This repository's own liftwing-host, which no index has: what follows the plugin goes to pip.
    done = run(
        "install", "--isolated", str(project), str(ROOT), LIFTWING_ENVIRONMENTS=str(folder / "environments")
    )
    assert done.returncode == 0, done.stderr
    return folder / "environments", done.stdout


# Serving


def test_two_plugins_that_cannot_live_in_one_environment_are_served_by_one_host(
    liftwing: Any, old_numpy: Path, new_numpy: tuple[Path, str]
) -> None:
    host = liftwing(
        "old-numpy", "new-numpy", "echo", config=with_old(old_numpy),
        environ={"LIFTWING_ENVIRONMENTS": str(new_numpy[0])},
    )  # fmt: skip
    old, new = host.predict({}, "old-numpy"), host.predict({}, "new-numpy")
    assert (old["numpy"], new["numpy"].partition(".")[0]) == (OLD_NUMPY, "2")
    assert old["python"] == str(old_numpy.parent.parent)
    assert new["python"] == str(new_numpy[0] / "newnumpy")
    assert host.predict({"a": 1}, "echo") == {"a": 1}, "the host's own environment serves as well"


def test_a_killed_worker_of_another_interpreter_is_replaced_and_nobody_notices(
    liftwing: Any, old_numpy: Path
) -> None:
    host = liftwing("old-numpy", config=with_old(old_numpy, workers=2))
    with asked_all_the_time(host, "old-numpy", {}) as statuses:
        for _ in range(3):
            pid = host.predict({})["pid"]
            proc.kill(pid, signal.SIGKILL)
            host.wait_for(lambda: len(proc.workers(host)) == 3, "all workers")
            host.wait_for(lambda pid=pid: not proc.alive(pid), "its end")
    assert set(statuses) == {200}


def test_what_the_operator_puts_onto_pythonpath_does_not_reach_another_environment(
    liftwing: Any, old_numpy: Path, tmp_path: Path
) -> None:
    (tmp_path / "numpy.py").write_text("__version__ = 'of the host'\n")
    host = liftwing("old-numpy", config=with_old(old_numpy), environ=path_with(tmp_path))
    assert host.predict({})["numpy"] == OLD_NUMPY


def test_another_environment_is_asked_for_its_metadata_alone(old_numpy: Path, tmp_path: Path) -> None:
    (site,) = old_numpy.parent.parent.glob("lib/python*/site-packages")
    trap = site / "liftwing_trap.py"
    note = tmp_path / "imported"
    install(site, "liftwing-plugin-trap", models={"trap": "liftwing_trap:Model"})
    trap.write_text(f"open({str(note)!r}, 'w').close()\n")
    config = tmp_path / "own.toml"
    config.write_text(f'[plugins.trap]\npython = "{old_numpy}"\n')
    try:
        done = run("models", LIFTWING_CONFIG=str(config))
    finally:
        trap.unlink()
        shutil.rmtree(next(site.glob("liftwing_plugin_trap-*")))
    assert "trap\tliftwing-plugin-trap 1.0\n" in done.stdout
    assert not note.exists()


# What the operator has to mend


def test_an_interpreter_that_is_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text('[plugins.oldnumpy]\npython = "/is/not/there"\n')
    done = run("--model", "old-numpy", "--port", "0", "--config", str(config))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "Cannot run the interpreter /is/not/there: No such file or directory." in done.stderr


def test_an_environment_without_the_plugin_is_an_error_that_says_how_to_install_it(
    old_numpy: Path, tmp_path: Path
) -> None:
    config = tmp_path / "own.toml"
    config.write_text(f'[plugins.other]\npython = "{old_numpy}"\n')
    done = run("--model", "old-numpy", "--port", "0", "--config", str(config))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert f"The environment of {old_numpy} does not hold liftwing-plugin-other." in done.stderr
    assert f"{old_numpy} -m pip install liftwing-plugin-other" in done.stderr


# liftwing-host install --isolated


def test_the_command_says_what_it_has_installed(new_numpy: tuple[Path, str]) -> None:
    folder, said = new_numpy
    python = folder / "newnumpy" / "bin" / "python"
    assert f"{NEW} 2.5 serves new-numpy, in the environment of {python}\n" in said


def test_the_lists_show_isolated_plugins(new_numpy: tuple[Path, str]) -> None:
    environ = {"LIFTWING_ENVIRONMENTS": str(new_numpy[0])}
    assert f"new-numpy\t{NEW} 2.5\n" in run("models", **environ).stdout
    listed = run("plugins", **environ).stdout
    assert f"{NEW} 2.5\tok\n  new-numpy\tTells its numpy.\n" in listed


@pytest.mark.parametrize("name", ["liftwing-plugin-surely-not-there", "."])
def test_an_installation_that_fails_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    done = run(
        "install", "--isolated", name, "--no-index", LIFTWING_ENVIRONMENTS=str(tmp_path / "environments")
    )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert list(tmp_path.glob("environments/*")) == []


def test_an_installation_that_fails_leaves_the_one_before_it_alone(new_numpy: tuple[Path, str]) -> None:
    folder, _ = new_numpy
    done = run("install", "--isolated", "newnumpy", "--no-index", LIFTWING_ENVIRONMENTS=str(folder))
    assert done.returncode == 2
    assert f"new-numpy\t{NEW} 2.5\n" in run("models", LIFTWING_ENVIRONMENTS=str(folder)).stdout


def test_an_installation_anew_takes_the_place_of_the_one_before_it(tmp_path: Path) -> None:
    """Also where one that was killed on the way has left behind what it had put aside."""
    folder, name = tmp_path / "environments", "liftwing-plugin-tiny"
    environ = {"LIFTWING_ENVIRONMENTS": str(folder)}
    first = wheel(tmp_path / "first", name, models={"tiny": "tiny:Tiny"})
    assert run("install", "--isolated", str(first), "--no-index", **environ).returncode == 0
    (home,) = folder.iterdir()
    shutil.copytree(home, folder / f".{home.name}.before", symlinks=True)
    # The host's own environment may hold it as well: the isolated one comes first.
    own = path_with(install(tmp_path / "own", name, version="0.9", models={"tiny": "tiny:Tiny"}))
    listed = run("models", **environ | own).stdout.splitlines()
    assert [line for line in listed if "tiny" in line] == [f"tiny\t{name} 1.0"]
    second = wheel(tmp_path / "second", name, models={"tiny": "tiny:Tiny", "tinier": "tiny:Tiny"})
    done = run("install", "--isolated", str(second), "--no-index", **environ)
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == [home], "nothing is left of the one before"
    listed = run("models", **environ).stdout.splitlines()
    assert [line for line in listed if "tin" in line] == [f"tinier\t{name} 1.0", f"tiny\t{name} 1.0"]


def test_another_version_takes_the_place_of_the_one_before_it(tmp_path: Path) -> None:
    folder, name = tmp_path / "environments", "liftwing-plugin-tiny"
    environ = {"LIFTWING_ENVIRONMENTS": str(folder)}
    for version in ("1.0", "1.1"):
        made = wheel(tmp_path / version, name, version=version, models={"tiny": "tiny:Tiny"})
        done = run("install", "--isolated", str(made), "--no-index", **environ)
        assert done.returncode == 0, done.stderr
    listed = run("models", **environ).stdout.splitlines()
    assert [line for line in listed if "tiny" in line] == [f"tiny\t{name} 1.1"]


def test_a_broken_environment_harms_no_other_plugin(liftwing: Any, tmp_path: Path) -> None:
    python = tmp_path / "environments" / "liftwing-plugin-old" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/nonexistent/python3.9")
    host = liftwing("echo", environ={"LIFTWING_ENVIRONMENTS": str(tmp_path / "environments")})
    assert host.predict({"a": 1}) == {"a": 1}
    told = f"Cannot run the interpreter {python}: No such file or directory. Its plugin is left out"
    assert told in host.log


def test_what_is_no_plugin_is_not_kept(tmp_path: Path) -> None:
    plain = wheel(tmp_path, "plain", models={})
    environ = {"LIFTWING_ENVIRONMENTS": str(tmp_path / "environments")}
    done = run("install", "--isolated", str(plain), "--no-index", **environ)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "brings no model: it is no plugin" in done.stderr
    assert list(tmp_path.glob("environments/*")) == []


@pytest.mark.parametrize("name", ["..", "/", ".hidden/..", "../"])
def test_a_name_that_is_no_name_removes_nothing(tmp_path: Path, name: str) -> None:
    precious = tmp_path / "data" / "precious"
    precious.parent.mkdir()
    precious.write_text("a model of one gigabyte")
    folder = tmp_path / "data" / "environments"
    folder.mkdir()
    done = run("install", "--isolated", name, "--no-index", LIFTWING_ENVIRONMENTS=str(folder))
    assert done.returncode == 2
    assert precious.exists()
    assert folder.exists()


def test_an_interpreter_whose_processes_end_at_once_is_told_of_as_such(tmp_path: Path) -> None:
    """Such as of an environment whose liftwing-host lacks something."""
    python = tmp_path / "python"
    offers = '[["liftwing_host.models", "mute", "mute:Mute", "liftwing-plugin-mute", "1.0"]]'
    python.write_text(f"#!/bin/sh\n[ $1 = -I ] && echo '{offers}' && exit\nexit 3\n")
    python.chmod(0o755)
    config = tmp_path / "liftwing.toml"
    config.write_text(f'[plugins.mute]\npython = "{python}"\n')
    for _ in range(3):
        done = run("download", "mute", LIFTWING_CONFIG=str(config))
        assert "liftwing-plugin-mute cannot be imported: its process died" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("printed", ["Welcome to this machine!", "{}[]"])
def test_an_interpreter_that_prints_something_else_is_told_of_with_what_it_prints(
    tmp_path: Path, printed: str
) -> None:
    """Such as of an environment whose sitecustomize greets everybody."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{printed}'\n")
    python.chmod(0o755)
    config = tmp_path / "liftwing.toml"
    config.write_text(f'[plugins.mute]\npython = "{python}"\n')
    done = run("models", LIFTWING_CONFIG=str(config))
    assert f"{python} does not tell what it holds: it prints '{printed}" in done.stderr
    assert "Traceback" not in done.stderr
