"""A unix-socket end that carries frames, and descriptors beside them, within a deadline."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np

from autograder.sandbox import wire

_MAX_FDS = 4
_CHUNK = 1 << 20


class DeadlineExceeded(Exception):
    """The peer did not answer in time."""


class Channel:
    """One end of a stream socket. Only an end made with ``accepts_fds`` takes descriptors: the trusted side
    never does, so that a sandbox can't hand it any."""

    def __init__(self, sock: socket.socket, *, accepts_fds: bool = False) -> None:
        self._sock = sock
        self._accepts_fds = accepts_fds
        self._deadline: float | None = None
        self.fds: list[int] = []  # received and not yet taken

    def send(
        self,
        message: dict[str, Any],
        arrays: dict[str, np.ndarray] | None = None,
        *,
        fds: Sequence[int] = (),
        seconds: float | None = None,
    ) -> None:
        """Send one frame; raises OSError when the peer is gone, DeadlineExceeded when it doesn't read."""
        frame = wire.pack(message, arrays)
        self._sock.settimeout(seconds)
        try:
            sent = socket.send_fds(self._sock, [frame], list(fds)) if fds else 0
            self._sock.sendall(memoryview(frame)[sent:])
        except TimeoutError as error:
            raise DeadlineExceeded from error

    def receive(
        self, max_bytes: int, *, seconds: float | None = None
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """One frame; raises EOFError, DeadlineExceeded, wire.FrameTooLarge or wire.WireError."""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        return wire.receive(self, max_bytes)

    def read_exactly(self, size: int) -> bytes:
        buffer = bytearray()
        while len(buffer) < size:
            buffer += self._read(min(size - len(buffer), _CHUNK))
        return bytes(buffer)

    def _read(self, size: int) -> bytes:
        if self._deadline is not None:
            remaining = self._deadline - time.monotonic()
            if remaining <= 0:
                raise DeadlineExceeded
            self._sock.settimeout(remaining)
        else:
            self._sock.settimeout(None)
        try:
            if self._accepts_fds:
                data, fds, _, _ = socket.recv_fds(self._sock, size, _MAX_FDS)
                self.fds += fds
            else:
                data = self._sock.recv(size)
        except TimeoutError as error:
            raise DeadlineExceeded from error
        except ConnectionError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        return data

    def take_fds(self) -> list[int]:
        taken, self.fds = self.fds, []
        return taken

    def close(self) -> None:
        self._sock.close()

    def __enter__(self) -> Channel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
