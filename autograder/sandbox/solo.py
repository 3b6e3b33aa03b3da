"""Our code inside an enclosure that was made for one box: by bubblewrap, or by a container's engine.

Nobody shares the enclosure, so nobody forks for it: the process imports what the homework needs, waits until
it is told what the box is, and then gives up everything else and becomes the box's holder (see worker.py).
It starts as the user that it stays, with no secret in its memory, its environment or its descriptors.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from typing import Any

from autograder.sandbox import worker
from autograder.sandbox.channel import Channel
from autograder.sandbox.confine import confine_enclosed
from autograder.sandbox.policy import Box, listable_paths, readable_paths

_FIRST_REQUEST_BYTES = 1 << 20
SOCKET_FOLDER, SOCKET_NAME = "/run/autograder", "control"  # in a container


def serve(control: socket.socket, preload: list[str]) -> None:
    """Import ``preload``, wait for the box, and be it until the trusted side is gone."""
    channel = Channel(control, accepts_fds=True)
    if not worker.warm_up(channel, preload, filters=True):
        return
    try:
        request, _ = channel.receive(_FIRST_REQUEST_BYTES)
    except EOFError:
        return  # nobody needed this box
    (output,) = channel.take_fds()
    _hold(control.detach(), output, request["box"])


def serve_inherited(fd: int, preload: list[str]) -> None:
    """The same on a descriptor that was handed down, as bubblewrap does."""
    serve(socket.socket(fileno=fd), preload)


def serve_connected(preload: list[str]) -> None:
    """The same on a connection to the socket that the trusted side has put into the container."""
    control = socket.socket(socket.AF_UNIX)
    control.connect(f"{SOCKET_FOLDER}/{SOCKET_NAME}")
    serve(control, preload)


def _hold(control: int, output: int, described: dict[str, Any]) -> None:
    box = Box.from_json(described)
    box = replace(box, readable=readable_paths(box.unavailable), listable=listable_paths())
    channel = worker.take_over(control, output)
    try:
        confine_enclosed(box)
    except Exception as error:  # whatever it is, the trusted side must hear of it
        channel.send({"refused": f"{type(error).__name__}: {error}"})
        return
    if os.getpid() == 1 and (holder := os.fork()):
        channel.close()
        _be_init(holder)
    worker.serve_box(channel, box)


def _be_init(holder: int) -> None:
    """Bury the orphans of a PID namespace, whose first process can't be killed from inside, until its holder
    ends; then end, and the namespace with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # with a handler, anybody inside could send it
    os.closerange(0, 4)
    with suppress(ChildProcessError):
        while os.wait()[0] != holder:
            pass
    os._exit(0)


def boot() -> None:
    """What the command line of an enclosed worker calls: ``ENGINE FD|- PRELOAD...``."""
    where, preload = sys.argv[2], sys.argv[3:]
    if where == "-":
        serve_connected(preload)
    else:
        serve_inherited(int(where), preload)
