"""How many threads numeric libraries are given, and how many CPUs count."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.server.cpus import available_cpus

ALLOWED = len(os.sched_getaffinity(0))
LIMITS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)  # fmt: skip
MULTIPLIES = """
import numpy
import threadpoolctl
from liftwing_host import Model

class Multiplies(Model):
    def predict(self, features):
        pools = threadpoolctl.threadpool_info()
        return {"threads": [pool["num_threads"] for pool in pools], "product": numpy.dot([1, 2], [3, 4]).item()}
"""


def limits_of(pid: int) -> dict[str, str]:
    """The limits that were in a process's environment before its interpreter began."""
    pairs = (pair.partition("=") for pair in Path(f"/proc/{pid}/environ").read_text().split("\0"))
    return {name: value for name, _, value in pairs if name in LIMITS}


def told(folder: Path, group: str) -> Path:
    """What the kernel tells of a process in a control group, beside two hierarchies of version 1."""
    file = folder / "cgroup"
    file.write_text(f"2:cpu,cpuacct:/of/version/1\n1:name=systemd:/init.scope\n0::{group}\n")
    return file


@pytest.fixture(autouse=True)
def _no_limits_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIMITS:
        monkeypatch.delenv(name, raising=False)


def test_a_template_begins_with_one_thread(liftwing: Any) -> None:
    host = liftwing("echo", arguments=["--workers", "1"])
    assert limits_of(proc.template(host)) == dict.fromkeys(LIMITS, "1")


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_load_for_themselves_share_the_cpus(liftwing: Any, workers: int) -> None:
    host = liftwing("not-fork-safe", arguments=["--workers", str(workers)])
    share = str(max(1, available_cpus() // workers))
    pids = host.wait_for(lambda: len(found := proc.workers(host)) == workers and found, "all workers")
    assert [limits_of(pid) for pid in pids] == [dict.fromkeys(LIMITS, share)] * workers


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_are_forked_give_their_libraries_the_same_share(
    liftwing: Any, tmp_path: Path, workers: int
) -> None:
    install(tmp_path, "plugin-multiplies", models={"multiplies": "mul:Multiplies"}, code={"mul": MULTIPLIES})
    host = liftwing("multiplies", arguments=["--workers", str(workers)], environ=path_with(tmp_path))
    share = max(1, available_cpus() // workers)
    assert host.predict({}) == {"threads": [share], "product": 11}
    assert "each worker loads for itself" not in host.log


def test_what_the_operator_sets_stands(liftwing: Any) -> None:
    host = liftwing("echo", arguments=["--workers", "1"], environ={"OMP_NUM_THREADS": "7"})
    assert limits_of(proc.template(host)) == {"OMP_NUM_THREADS": "7"}, "the other libraries follow it"


def test_what_the_operator_sets_for_one_library_stands_beside_the_limits_of_the_others(liftwing: Any) -> None:
    host = liftwing("echo", arguments=["--workers", "1"], environ={"MKL_NUM_THREADS": "7"})
    assert limits_of(proc.template(host)) == dict.fromkeys(LIMITS, "1") | {"MKL_NUM_THREADS": "7"}


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [
        ("max 100000", ALLOWED),
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("9900000 100000", ALLOWED),
        ("rubbish", ALLOWED),
    ],
)
def test_the_quota_of_the_control_group_counts(tmp_path: Path, quota: str, cpus: int) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert available_cpus(tmp_path, told(tmp_path, "/")) == cpus


def test_a_part_of_a_cpu_counts_as_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert available_cpus(tmp_path, told(tmp_path, "/")) == min(2, ALLOWED)


@pytest.fixture
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))


@pytest.mark.parametrize(
    ("quotas", "cpus"),
    [
        ({"a.slice/b.service": 2}, 2),
        ({"a.slice": 2}, 2),
        ({"a.slice": 1, "a.slice/b.service": 3}, 1),
        ({"a.slice": 3, "a.slice/b.service": 1}, 1),
        ({".": 3, "a.slice": None}, 3),
        ({"a.slice/of-another.service": 1, "a.slice/b.service/below": 1}, 4),
    ],
    ids=str,
)
@pytest.mark.usefixtures("four_cpus")
def test_the_least_quota_of_the_process_s_own_group_and_those_above_it_counts(
    tmp_path: Path, quotas: dict[str, int | None], cpus: int
) -> None:
    for group, quota in quotas.items():
        (tmp_path / group).mkdir(parents=True, exist_ok=True)
        amount = "max" if quota is None else str(quota * 100000)
        (tmp_path / group / "cpu.max").write_text(f"{amount} 100000\n")
    assert available_cpus(tmp_path, told(tmp_path, "/a.slice/b.service")) == cpus


@pytest.mark.usefixtures("four_cpus")
def test_a_group_that_is_not_to_be_seen_from_here_counts_as_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "cpu.max").write_text("300000 100000\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert available_cpus(root, told(tmp_path, "/..")) == 3


def test_without_a_control_group_the_affinity_counts(tmp_path: Path) -> None:
    assert available_cpus(tmp_path, tmp_path / "not-there") == ALLOWED
