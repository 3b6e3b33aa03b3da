"""The channel: frames over a socket, within a deadline, and descriptors only where they are wanted."""

from __future__ import annotations

import socket
import struct
import threading
import time
import tracemalloc

import numpy as np
import pytest

from autograder.sandbox.channel import Channel, DeadlineExceeded


def test_no_more_memory_is_taken_than_what_has_come() -> None:
    """A peer that announces the most that it may, and sends nothing, costs nothing."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack(">II", 2, 2**30) + b"{}")
        tracemalloc.start()
        try:
            with pytest.raises(DeadlineExceeded):
                Channel(ours).receive(2**31, seconds=0.1)
            assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
        finally:
            tracemalloc.stop()


def test_a_channel_carries_frames_both_ways() -> None:
    ours, theirs = socket.socketpair()
    with Channel(ours) as one, Channel(theirs) as other:
        big = np.arange(200_000.0)
        sender = threading.Thread(target=lambda: one.send({"n": 1}, {"0": big}, seconds=5))
        sender.start()
        message, arrays = other.receive(1 << 24, seconds=5)
        sender.join()
        assert message == {"n": 1}
        assert arrays["0"].tolist() == big.tolist()
        other.send({"n": 2})
        assert one.receive(100) == ({"n": 2}, {})


def test_a_channel_whose_peer_is_gone_or_hung() -> None:
    ours, theirs = socket.socketpair()
    with Channel(ours) as one:
        start = time.monotonic()
        theirs.sendall(b"\x00\x00")
        with pytest.raises(DeadlineExceeded):
            one.receive(100, seconds=0.05)
        with pytest.raises(DeadlineExceeded):
            one.send({}, {"0": np.zeros(10**6)}, seconds=0.05)
        assert time.monotonic() - start < 5
        theirs.close()
        with pytest.raises((EOFError, OSError)):
            one.receive(100, seconds=1)


def test_a_peer_that_sends_a_byte_now_and_then_does_not_stretch_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.02):
            theirs.sendall(b"\x00")

    with Channel(ours) as one, theirs:
        theirs.sendall(struct.pack(">II", 1000, 0))
        thread = threading.Thread(target=drip)
        thread.start()
        start = time.monotonic()
        try:
            with pytest.raises(DeadlineExceeded):
                one.receive(2000, seconds=0.2)
            assert time.monotonic() - start < 2
        finally:
            stop.set()
            thread.join()


def test_only_a_channel_that_was_made_for_it_takes_descriptors() -> None:
    for accepts in (True, False):
        ours, theirs = socket.socketpair()
        with Channel(ours, accepts_fds=accepts) as one, Channel(theirs) as other, open("/dev/null") as file:  # noqa: PTH123
            other.send({}, fds=(file.fileno(),))
            one.receive(100, seconds=1)
            taken = one.take_fds()
            assert len(taken) == accepts
            for fd in taken:
                socket.close(fd)
