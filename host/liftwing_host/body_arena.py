"""Where large bodies lie: memory that the host writes once, and that its child processes read in place.

Used on both sides of the socket pairs. The host makes one `BodyArena`, reads bodies from their clients straight into
`Place`s of it, and sends where a body lies instead of the body; a child process maps the same memory through a
`BodyWindow`, which cannot write.

There is one arena for all pools, since a body has to have its place before anybody knows which model it is for. So the
workers of one plugin could read what is sent to another's. They run as the same user in the same container, and could
read each other's memory anyway; what the window prevents is that one writes where others read, by mistake.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SIZE", "WARM", "Body", "BodyArena", "BodyWindow", "Gaps", "Place"]

SIZE = 64 << 20
"""Bytes of an arena. They are addresses; memory is taken only where a body has been written."""

WARM = 8 << 20
"""Bytes at the beginning that keep their memory once it has been written: to have the kernel find, clear and map
other pages for each body costs about as much as to copy it."""

_STRICT = Path("/proc/sys/vm/overcommit_memory")


class Gaps:
    """What is free of a range, as gaps in the order of their addresses.

    The lowest gap that is large enough is taken from, so that the same pages are written again and again.
    """

    def __init__(self, size: int) -> None:
        self._starts = [0] if size else []
        self._ends = [size] if size else []

    def take(self, size: int) -> int | None:
        """Where `size` is free now, and from here on is not; None where it is nowhere."""
        for index, (start, end) in enumerate(zip(self._starts, self._ends, strict=True)):
            if end - start > size:
                self._starts[index] = start + size
                return start
            if end - start == size:
                del self._starts[index], self._ends[index]
                return start
        return None

    def give_back(self, start: int, size: int) -> None:
        """Let what was taken be free again, as one gap with what is free beside it."""
        end = start + size
        index = bisect_left(self._starts, start)
        joins_left = index > 0 and self._ends[index - 1] == start
        joins_right = index < len(self._starts) and self._starts[index] == end
        if joins_left and joins_right:
            self._ends[index - 1] = self._ends.pop(index)
            del self._starts[index]
        elif joins_left:
            self._ends[index - 1] = end
        elif joins_right:
            self._starts[index] = start
        else:
            self._starts.insert(index, start)
            self._ends.insert(index, end)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Where each gap begins and ends."""
        return zip(self._starts, self._ends, strict=True)


class Place:
    """Where one body lies. It is the body's for as long as anything refers to this object.

    Attributes:
        offset: Where it begins.
        view: Its bytes; not to be kept without this object.
    """

    __slots__ = ("_arena", "offset", "view")

    def __init__(self, arena: BodyArena, offset: int, view: memoryview) -> None:
        self._arena = arena
        self.offset = offset
        self.view = view

    def __len__(self) -> int:
        return len(self.view)

    def __del__(self) -> None:
        self._arena._give_back(self.offset, len(self.view))  # noqa: SLF001 - both are one


Body = bytes | bytearray | memoryview | Place
"""What a body is held in, until it is sent to a child process."""


class BodyArena:
    """The host's end: it alone gives places away and writes.

    Where the kernel does not give it the memory, it has room for nothing.

    Args:
        size: Bytes to share out, in whole pages.

    Attributes:
        fd: By which a child process opens its window; None where there is no memory.
    """

    def __init__(self, size: int = SIZE) -> None:
        self.fd: int | None = None
        self._memory: mmap.mmap | None = None
        # A limit on addresses or on the size of files: bodies then go through the sockets.
        with contextlib.suppress(OSError):
            self._memory, self.fd = _shared(size)
        self._view = memoryview(self._memory or b"")
        self._gaps = Gaps(len(self._view))
        self._lock = threading.Lock()
        self._left: deque[tuple[int, int]] = deque()

    def take(self, size: int) -> Place | None:
        """A place for a body; None where there is no room for it."""
        with self._lock:
            offset = self._gaps.take(_whole_pages(size))
        # What was left in the meantime.
        self._tidy()
        return None if offset is None else Place(self, offset, self._view[offset : offset + size])

    def free(self) -> int:
        """How many bytes are nobody's place."""
        return sum(end - start for start, end in self._gaps)

    def close(self) -> None:
        """Let no further child process open a window; the memory goes with the last place."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def _give_back(self, offset: int, size: int) -> None:
        # The collector may call this, in whichever thread it runs, and in the middle of `take`.
        self._left.append((offset, _whole_pages(size)))
        self._tidy()

    def _tidy(self) -> None:
        while self._left and self._lock.acquire(blocking=False):
            try:
                while self._left:
                    offset, size = self._left.popleft()
                    self._cool(max(offset, WARM), offset + size)
                    self._gaps.give_back(offset, size)
            finally:
                self._lock.release()

    def _cool(self, start: int, end: int) -> None:
        """Give memory back to the kernel; what is read there afterwards is zeros."""
        if start < end and self._memory is not None:
            with contextlib.suppress(OSError):
                self._memory.madvise(mmap.MADV_REMOVE, start, end - start)


class BodyWindow:
    """A child process's end: it reads."""

    def __init__(self, fd: int) -> None:
        self._view = memoryview(mmap.mmap(fd, 0, prot=mmap.PROT_READ))

    @classmethod
    def opened(cls, fd: int) -> BodyWindow:
        """The window behind an inherited file descriptor, which is then closed."""
        try:
            return cls(fd)
        finally:
            os.close(fd)

    def at(self, offset: int, size: int) -> memoryview:
        """The body that lies there, not copied: it may be another one once its call is answered.

        Raises:
            IndexError: There is no such place.
        """
        if not 0 <= offset <= offset + size <= len(self._view):
            raise IndexError(f"{size} bytes at {offset}, of {len(self._view)}")
        return self._view[offset : offset + size]


def _shared(size: int) -> tuple[mmap.mmap, int]:
    """Memory, and a file descriptor by which it can be read and not written."""
    if _STRICT.exists() and _STRICT.read_text().strip() == "2":
        # Memory is then promised page by page, and where the promises are at an end, who writes is killed.
        raise OSError("the kernel overcommits no memory")
    fd = os.memfd_create("liftwing-bodies", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        # Whoever reads beyond the end of a file is killed: it can have no other end.
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        # (With F_SEAL_FUTURE_WRITE the kernel would take no page back either.)
        readable = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return mmap.mmap(fd, size), readable
        except BaseException:
            os.close(readable)
            raise
    finally:
        os.close(fd)


def _whole_pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
