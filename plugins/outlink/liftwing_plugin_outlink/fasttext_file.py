"""Whether a file is a whole fastText model.

fastText itself does not ask: before a file that was cut off it may run on for minutes, fill the memory, die of
a signal, or, worst, load and answer from zeros.

    magic, version                           2 int32
    dim, …, lrUpdateRate, t                  12 int32, 1 double
    size, words, labels, tokens, pruned      3 int32, 2 int64
    the dictionary, `size` times             text, NUL, int64, int8
    pairs of pruned words, `pruned` times    2 int32 (none where `pruned` is -1)
    whether the first matrix is quantized    int8
    the matrices, `words + labels` times     dim floats, unless quantized
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

__all__ = ["is_whole_model"]

_HEADER = struct.Struct("<2i 12i d 3i 2q")
_MAGIC = 793712314
_FLOAT = 4
_SHORTEST_ENTRY = 11  # one letter, NUL, int64, int8
_AFTER_TEXT = 10
_PRUNED_PAIR = 8


def is_whole_model(path: Path) -> bool:
    """Whether the file begins as a fastText model, and is at least as long as its beginning says.

    Args:
        path: A file.

    Raises:
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        beginning = file.read(_HEADER.size)
        if len(beginning) < _HEADER.size:
            return False
        magic, _, dimension, *_, entries, words, labels, _, pruned = _HEADER.unpack(beginning)
        if magic != _MAGIC or min(dimension, entries, words, labels) < 0:
            return False
        if size < _HEADER.size + entries * _SHORTEST_ENTRY:
            return False
        if size >= _HEADER.size + entries * _SHORTEST_ENTRY + (words + labels) * dimension * _FLOAT:
            return True
        # Too short for its matrices: cut off, unless they are quantized.
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _is_quantized(content, entries, max(pruned, 0))


def _is_quantized(content: mmap.mmap, entries: int, pruned: int) -> bool:
    position = _HEADER.size
    for _ in range(entries):
        end_of_text = content.find(b"\0", position)
        if end_of_text < 0:
            return False
        position = end_of_text + _AFTER_TEXT
    position += pruned * _PRUNED_PAIR
    return position < len(content) and content[position] == 1
