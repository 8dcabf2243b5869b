"""What goes together with `executor = "ray"` and what does not: errors at the start that say what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from command import run
from distributions import install, path_with

EXECUTOR = '[plugins.zoo] executor = "ray"'.replace("zoo", "liftwing-plugin-zoo")
NO_RAY = "import sys\nsys.modules['ray'] = None"
ANY_RAY = ""


def serve(tmp_path: Path, *arguments: str, ray: str | None = ANY_RAY, **keys: str) -> str:
    """What the command says whose file has these keys in ``[plugins.zoo]``; it must end with status 2."""
    config = tmp_path / "liftwing.toml"
    lines = [f"{key} = {value}" for key, value in {"executor": '"ray"', **keys}.items()]
    config.write_text("\n".join(["[plugins.zoo]", *lines]))
    site = tmp_path / "site"
    if ray == NO_RAY:
        install(site, "witness", code={"sitecustomize": NO_RAY})
    else:
        # Found, and never imported.
        install(site, "witness", code={"ray": "raise AssertionError('imported')"})
    done = run(
        "--model", "echo", "--port", "0", "--config", str(config), *arguments, **path_with(site)
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_without_ray_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    told = serve(tmp_path, ray=NO_RAY)
    assert f"{EXECUTOR} needs Ray. Install it: pip install 'liftwing-host[ray]'" in told


@pytest.mark.parametrize(
    ("arguments", "keys", "message"),
    [
        (["--workers", "0"], {}, "needs workers of 1 or more: with 0, one process here runs everything"),
        (["--reload"], {}, f"--reload and {EXECUTOR} exclude each other"),
        ([], {"executor": '"slurm"'}, "executor='slurm' is not allowed: expected one of 'processes', 'ray'"),
        ([], {"ray_num_cpus": "-1"}, "ray_num_cpus=-1 is not allowed: expected a number of at least 0"),
        ([], {"ray_cpus": "1"}, "unknown key 'ray_cpus'. Did you mean 'ray_num_cpus'?"),
    ],
    ids=["no-workers", "reload", "executor", "cpus", "misspelt"],
)
def test_what_does_not_go_together_is_an_error_that_says_so(
    tmp_path: Path, arguments: list[str], keys: dict[str, str], message: str
) -> None:
    assert message in serve(tmp_path, *arguments, **keys)


def test_an_interpreter_of_its_own_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "liftwing.toml"
    config.write_text(f'[plugins.outlink]\nexecutor = "ray"\npython = "{sys.executable}"\n')
    done = run("--model", "outlink-topic-model", "--demo", "--port", "0", "--config", str(config))
    assert done.returncode == 2
    assert "on a cluster, a plugin runs in the environment of the nodes" in done.stderr
