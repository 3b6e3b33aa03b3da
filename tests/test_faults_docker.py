"""What happens to an engine of containers, or to a container, is our fault and never a score.

The engine is reached through a socket of the test's own, which can go away while the engine itself, that
others may be using, stays.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.sandbox.container import LABEL, connect
from tests.container.sandbox_image import sandbox_image, why_no_image
from tests.faults import Door, ended
from tests.runs import folder_for_all

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]
UNIX = "unix://"


class Gateway:
    """A unix socket that hands everything on to the engine until it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix(UNIX)
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(engine)
                self._open += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
        for end in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody who waits
            end.close()


@pytest.fixture
def place() -> Iterator[Path]:
    with folder_for_all() as folder:
        yield folder


@pytest.fixture
def gateway(place: Path) -> Iterator[Gateway]:
    opened = Gateway(place / "engine.sock")
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def door(place: Path, gateway: Gateway) -> Iterator[Door]:
    if why := why_no_image():
        pytest.skip(why)
    if not os.environ.get("DOCKER_HOST", UNIX).startswith(UNIX):
        pytest.skip("the engine is on another machine")
    sandbox_image()
    made = Door(place, sandbox="docker")
    made.environment["DOCKER_HOST"] = f"{UNIX}{gateway.path}"
    for name in ("one", "two", "three"):
        (made.small.submission() / f"{name}.py").write_text(made.small.work)
    try:
        yield made
    finally:
        made.close()


def containers() -> list[str]:
    """The containers of gradings on this machine, whoever's."""
    client = connect()
    try:
        return [
            each.id
            for each in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
        ]
    finally:
        client.close()


# A test of the grader's that needs three boxes more: one may be in stock, the others need the engine.
THREE_BOXES = """
Path({mark!r}).touch()
while Path({socket!r}).exists():
    time.sleep(0.01)
for name in ("one.py", "two.py", "three.py"):
    with submission.module(name).scene() as scene:
        assert scene.call("double", 21).fetch() == 42, "wrong"
"""


def test_with_an_engine_there_is_a_score(door: Door) -> None:
    door.between("pass")
    door.check_score(door.run())


def test_no_engine_answers(door: Door) -> None:
    door.environment["DOCKER_HOST"] = f"{UNIX}{door.folder}/nobody.sock"
    door.check_fault(door.run(), "No container engine answers", "Start Docker Engine")


def test_the_engine_stops_half_way(door: Door, gateway: Gateway) -> None:
    mark = door.folder / "mark"
    door.between(THREE_BOXES.format(mark=str(mark), socket=str(gateway.path)))
    before = set(containers())
    process = door.start()
    while not mark.exists() and process.poll() is None:
        time.sleep(0.01)
    gateway.close()
    door.check_fault(ended(process), "engine")
    left = set(containers()) - before
    # Their processes are dead; they themselves can't be removed without an engine. The next run does it.
    door.environment["DOCKER_HOST"] = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    door.between("pass")
    door.put_earlier()
    door.check_score(door.run())
    assert not left & set(containers())


KILL = """
import docker
client = docker.from_env()
ours = [each for each in client.containers.list(filters={{"label": {label!r}}})
        if each.labels[{label!r}].split("-")[1] == str(os.getpid())]
[each.kill() for each in ours]
client.close()
time.sleep(0.2)
"""


def test_containers_that_are_killed_once_cost_no_points(door: Door) -> None:
    once = f"if Path({str(door.folder / 'mark')!r}).exists():\n    return\n"
    once += f"Path({str(door.folder / 'mark')!r}).touch()"
    door.between(once + KILL.format(label=LABEL))
    door.check_score(door.run())


def test_containers_that_are_killed_each_time(door: Door) -> None:
    call = 'scene = submission.module("work.py").scene()'
    door.between(f'{call}{KILL.format(label=LABEL)}scene.call("double", 21)')
    door.check_fault(door.run(), "died", "container engine that was stopped")
