"""The memory in which large bodies lie: what is free of it, who may write it, and when it is given back."""

from __future__ import annotations

import gc
import mmap
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from liftwing_host.body_arena import SIZE, WARM, BodyArena, BodyWindow, Gaps
from liftwing_host.wire import FrameReader, frame

PAGE = mmap.PAGESIZE
MIB = 1 << 20


# Gaps


@pytest.mark.parametrize("seed", range(20))
def test_the_gaps_are_what_a_plain_list_of_pages_says(seed: int) -> None:
    """Against a model: one flag for each page."""
    choose = random.Random(seed)  # noqa: S311 - any order will do
    count = 60
    gaps, free, taken = Gaps(count), [True] * count, list[tuple[int, int]]()
    for _ in range(2000):
        if taken and choose.random() < 0.5:
            start, size = taken.pop(choose.randrange(len(taken)))
            gaps.give_back(start, size)
            free[start : start + size] = [True] * size
        else:
            size = choose.randint(1, 12)
            fits = (at for at in range(count - size + 1) if all(free[at : at + size]))
            expected = next(fits, None)
            assert gaps.take(size) == expected
            if expected is not None:
                taken.append((expected, size))
                free[expected : expected + size] = [False] * size
        runs = re.finditer("1+", "".join("01"[flag] for flag in free))
        assert list(gaps) == [run.span() for run in runs]


def test_nothing_has_no_gaps() -> None:
    assert (list(Gaps(0)), Gaps(0).take(1)) == ([], None)


# The arena


@pytest.fixture
def arena() -> Iterator[BodyArena]:
    arena = BodyArena()
    yield arena
    arena.close()


def written(arena: BodyArena) -> int:
    assert arena.fd is not None
    return os.fstat(arena.fd).st_blocks * 512


def window(arena: BodyArena) -> BodyWindow:
    assert arena.fd is not None
    return BodyWindow(arena.fd)


def test_what_is_written_to_a_place_is_seen_through_the_window(arena: BodyArena) -> None:
    first, second = arena.take(100), arena.take(200)
    assert first is not None
    assert second is not None
    first.view[:], second.view[:] = b"a" * 100, b"b" * 200
    seen = window(arena)
    assert seen.at(first.offset, 100) == b"a" * 100
    assert seen.at(second.offset, 200) == b"b" * 200


def test_a_message_tells_the_place_instead_of_the_body(arena: BodyArena) -> None:
    place = arena.take(MIB)
    assert place is not None
    (data,) = frame({"kind": "call"}, place)
    reader = FrameReader()
    reader.get_buffer()[: len(data)] = data
    assert list(reader.received(len(data))) == [({"kind": "call", "place": [0, MIB]}, b"")]


def test_a_window_cannot_be_written_through(arena: BodyArena) -> None:
    assert arena.fd is not None
    with pytest.raises(TypeError, match="read-only"):
        window(arena).at(0, 1)[:] = b"x"
    with pytest.raises(PermissionError):
        mmap.mmap(arena.fd, PAGE)
    with pytest.raises(OSError, match=r"Invalid|Bad file"):
        os.ftruncate(arena.fd, 0)


@pytest.mark.parametrize("place", [(-1, 1), (0, SIZE + 1), (SIZE, 1), (1, -2)])
def test_there_is_no_place_outside_the_window(arena: BodyArena, place: tuple[int, int]) -> None:
    with pytest.raises(IndexError):
        window(arena).at(*place)


def test_a_place_is_free_again_when_nothing_refers_to_it(arena: BodyArena) -> None:
    places = [arena.take(PAGE + 1) for _ in range(3)]
    assert [place.offset for place in places if place] == [0, 2 * PAGE, 4 * PAGE]
    assert arena.free() == SIZE - 6 * PAGE
    also = places[1]
    places[1] = None
    assert arena.free() == SIZE - 6 * PAGE
    del also
    assert arena.free() == SIZE - 4 * PAGE
    places[1] = again = arena.take(2 * PAGE)
    assert again is not None
    assert again.offset == 2 * PAGE
    del again
    places.clear()
    assert arena.take(SIZE) is not None, "it is one gap again"


def test_what_is_too_large_gets_no_place(arena: BodyArena) -> None:
    assert arena.take(SIZE + 1) is None
    whole = arena.take(SIZE)
    assert whole is not None
    assert arena.take(1) is None
    del whole
    assert arena.take(1) is not None


def test_memory_beyond_what_is_kept_warm_is_given_back(arena: BodyArena) -> None:
    place = arena.take(3 * WARM)
    assert place is not None
    assert written(arena) == 0, "nothing has been written"
    place.view[:] = b"x" * len(place)
    assert written(arena) == 3 * WARM
    del place
    assert written(arena) == WARM
    again = arena.take(3 * WARM)
    assert again is not None
    assert (again.view[WARM - 1], again.view[WARM]) == (ord("x"), 0)


def test_places_may_be_left_in_any_thread_and_in_the_middle_of_anything(arena: BodyArena) -> None:
    """The collector ends what refers to itself wherever it happens to run."""

    class Circle:
        def __init__(self) -> None:
            self.place, self.itself = arena.take(3 * PAGE), self

    def churn() -> None:
        for _ in range(3000):
            Circle()

    before = gc.get_threshold()
    gc.set_threshold(5)
    try:
        threads = [threading.Thread(target=churn) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.set_threshold(*before)
    gc.collect()
    arena.take(1)
    assert arena.take(SIZE) is not None, "it is one gap again"


def test_without_memory_there_is_an_arena_without_room() -> None:
    """As under `ulimit -v`."""
    script = (
        "import resource; from liftwing_host import body_arena\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "arena = body_arena.BodyArena(1 << 31)\n"
        "print(arena.fd, arena.take(1), arena.free()); arena.close()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "None None 0\n"


def test_a_kernel_that_overcommits_nothing_gets_no_arena(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = tmp_path / "overcommit_memory"
    strict.write_text("2\n")
    monkeypatch.setattr("liftwing_host.body_arena._STRICT", strict)
    arena = BodyArena()
    assert (arena.fd, arena.take(1)) == (None, None)
