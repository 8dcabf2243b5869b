"""The messages between host and workers, cut into pieces in every way in which a socket may cut them."""

from __future__ import annotations

import os
import random
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from liftwing_host.wire import FrameReader, HookBoard, ProtocolError, frame

Messages = list[tuple[dict[str, Any], bytes]]
BUFFER = 1 << 16


def encoded(messages: Messages) -> bytes:
    return b"".join(bytes(piece) for head, body in messages for piece in frame(head, body))


def read(reader: FrameReader, pieces: Iterable[bytes]) -> Messages:
    """Feed a reader as an event loop does, which holds on to the buffer until the messages were taken."""
    messages: Messages = []
    for piece in pieces:
        rest = piece
        while rest:
            buffer = reader.get_buffer()
            count = min(len(buffer), len(rest))
            assert count, "nowhere to read to"
            buffer[:count] = rest[:count]
            messages += [(head, bytes(body)) for head, body in reader.received(count)]
            rest = rest[count:]
            assert buffer is not None
    return messages


def cut(data: bytes, places: Iterable[int]) -> Iterator[bytes]:
    before = 0
    for place in [*sorted(places), len(data)]:
        yield data[before:place]
        before = place


SMALL: Messages = [
    ({"kind": "a"}, b""),
    ({"kind": "call", "id": 1, "text": "é😀"}, b"\x00\xff"),
    ({}, b"x" * 30),
]


def test_a_message_cut_at_every_place_is_read_whole() -> None:
    data = encoded(SMALL)
    for place in range(len(data) + 1):
        assert read(FrameReader(), cut(data, [place])) == SMALL, place


def test_messages_that_arrive_byte_by_byte_are_read() -> None:
    data = encoded(SMALL)
    assert read(FrameReader(), [data[at : at + 1] for at in range(len(data))]) == SMALL


def test_many_messages_in_one_read_come_in_their_order() -> None:
    messages: Messages = [({"n": number}, b"%d" % number) for number in range(1000)]
    assert read(FrameReader(), [encoded(messages)]) == messages


@pytest.mark.parametrize(
    "size", [BUFFER - 40, BUFFER - 13, BUFFER - 12, BUFFER - 1, BUFFER, BUFFER + 1, 300_000]
)
def test_a_large_body_between_small_ones_is_read_whole(size: int) -> None:
    body = random.Random(size).randbytes(size)  # noqa: S311
    messages = [*SMALL, ({"kind": "large"}, body), *SMALL]
    data = encoded(messages)
    start = len(encoded(SMALL))
    places = [
        start,
        start + 1,
        start + 11,
        start + 12,
        start + 13,
        start + 30,
        start + BUFFER,
        len(data) - 60,
    ]
    for place in places:
        assert read(FrameReader(), cut(data, [place])) == messages, place


def test_a_large_head_is_read_whole() -> None:
    for size in (BUFFER - 20, BUFFER, 200_000):
        for body in (b"", b"b", b"b" * BUFFER):
            messages = [({"headers": "h" * size}, body), *SMALL]
            assert read(FrameReader(), [encoded(messages)]) == messages


def test_large_messages_one_after_the_other_do_not_mix() -> None:
    messages: Messages = [({"n": n}, bytes([n]) * (BUFFER + n)) for n in range(8)]
    assert read(FrameReader(), [encoded(messages)]) == messages


def test_any_messages_cut_anywhere_are_read_whole() -> None:
    chance = random.Random(7)  # noqa: S311
    for _ in range(150):
        sizes = (0, 1, 50, 5_000, BUFFER - 30, BUFFER, BUFFER + 1, 150_000)
        messages: Messages = [
            ({"n": n, "pad": "p" * chance.choice((0, 3, 500))}, chance.randbytes(chance.choice(sizes)))
            for n in range(chance.randint(1, 6))
        ]
        data = encoded(messages)
        places = [chance.randrange(len(data) + 1) for _ in range(chance.randint(0, 12))]
        assert read(FrameReader(), cut(data, places)) == messages


def test_a_message_goes_through_a_real_socket() -> None:
    body = random.Random(1).randbytes(100_000)  # noqa: S311
    left, right = socket.socketpair()
    with left, right:
        reader, received = FrameReader(), []
        for piece in frame({"kind": "x"}, body):
            rest = memoryview(piece)
            while rest:
                rest = rest[left.send(rest[:50_000]) :]
                received += list(reader.received(right.recv_into(reader.get_buffer())))
        while not received:
            received += list(reader.received(right.recv_into(reader.get_buffer())))
    assert [(head, bytes(got)) for head, got in received] == [({"kind": "x"}, body)]


def test_a_large_body_is_not_copied_to_be_sent() -> None:
    body = b"x" * BUFFER
    assert frame({}, body)[1] is body
    assert len(frame({}, body[:-1])) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        struct.pack("!IQ", 1 << 25, 0),
        struct.pack("!IQ", 2, 1 << 33),
        struct.pack("!IQ", 2, 0) + b"[]",
        struct.pack("!IQ", 4, 0) + b"{not",
        struct.pack("!IQ", 0, 0),
        struct.pack("!IQ", 1, 0) + b"\xff",
        struct.pack("!IQ", 4, BUFFER) + b"{not" + b"x" * BUFFER,
    ],
)
def test_garbage_is_a_protocol_error(garbage: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(FrameReader(), [garbage])
    with pytest.raises(ProtocolError):
        read(FrameReader(), [garbage[at : at + 1] for at in range(len(garbage))])


def test_two_processes_see_the_same_hook_board() -> None:
    board, fd = HookBoard.create()
    pid = os.fork()
    if not pid:
        other = HookBoard(fd)
        other[3] = 2
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert (board[3], board[4], board[3 + HookBoard.SLOTS]) == (2, 0, 2)
    board.close()
    os.close(fd)
