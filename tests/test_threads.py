"""How many threads numeric libraries are given, and how many CPUs count."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import proc
from liftwing_host.server.cpus import available_cpus

ALLOWED = len(os.sched_getaffinity(0))
LIMITS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)  # fmt: skip


def limits_of(pid: int) -> dict[str, str]:
    """The limits that were in a process's environment before its interpreter began."""
    pairs = (pair.partition("=") for pair in Path(f"/proc/{pid}/environ").read_text().split("\0"))
    return {name: value for name, _, value in pairs if name in LIMITS}


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


def test_what_the_operator_sets_stands(liftwing: Any) -> None:
    host = liftwing("echo", arguments=["--workers", "1"], environ={"OMP_NUM_THREADS": "7"})
    assert limits_of(proc.template(host))["OMP_NUM_THREADS"] == "7"


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
    assert available_cpus(tmp_path) == cpus


def test_a_part_of_a_cpu_counts_as_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert available_cpus(tmp_path) == min(2, ALLOWED)


def test_without_a_control_group_the_affinity_counts(tmp_path: Path) -> None:
    assert available_cpus(tmp_path) == ALLOWED
