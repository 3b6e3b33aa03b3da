"""The backend for a server: each box in a container of its own, hardened, with nothing of ours in it.

The image holds an interpreter and packages, no grader and no data (see autograder/image.py). A container
gets no network, no capability, a read-only root, limits that the kernel keeps on memory and on processes, the
box's home, a copy of our worker, and the one socket on which the worker calls us. Inside, the worker closes
the rest itself, as everywhere: Landlock, seccomp, limits.

A container carries a label with the mark of the process that made it, so that the next run removes what a run
left that was killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from pathlib import Path
from typing import Any

from autograder.image import INTERPRETERS, MAKE_IMAGE, ImageKind
from autograder.outcome import EnvironmentFault, SandboxFault
from autograder.sandbox.backend import BoxSpec, make_home, remove_folder
from autograder.sandbox.channel import Channel
from autograder.sandbox.enclosed import BOOT, EnclosedBackend, Enclosure
from autograder.sandbox.leftovers import is_gone, mark, run_folder
from autograder.sandbox.policy import MIB, OPEN_FILES
from autograder.sandbox.processes import any_process_of, in_cgroup, usage
from autograder.sandbox.shortage import kills_in, memory_events
from autograder.sandbox.solo import SOCKET_FOLDER, SOCKET_NAME
from autograder.sandbox.uids import UidLease, lease

LABEL = "autograder.made-by"
API_WAIT_S = 60  # for one answer of the engine; a start takes 0.4 s on an idle machine
_USUAL_HOST = "unix:///var/run/docker.sock"
_API_VERSION = "1.41"  # Docker 20.10, the oldest that is still about
_CONNECT_S = 60.0  # until the worker in a started container has connected
# Above the watchdog's limit, so that the watchdog, which says what was used, comes first; the kernel's limit
# holds where memory grows faster than a tenth of a second's look.
_MEMORY_SLACK_MIB = 256
_SHARED_MEMORY = "1m"  # closed by Landlock; Docker's own default would be 64 MiB
_SCRATCH = "rw,noexec,nosuid,nodev,size=1m"
_LOG = {"max-size": "64k", "max-file": "1"}  # what is said before a worker takes over, for a fault's message
_LOG_LINES = 20
_DYING_S = 10.0
_KILLED = 137  # 128 and SIGKILL


def connect() -> Any:
    """A client of the engine that DOCKER_HOST names, or the usual one; raises EnvironmentFault."""
    import docker  # noqa: PLC0415  (it imports an HTTP library, 0.2 s, which no other backend needs)

    host = os.environ.get("DOCKER_HOST", _USUAL_HOST)
    try:
        _knock(host)
        client = docker.from_env(timeout=API_WAIT_S, version=_API_VERSION)
        try:
            client.ping()
        except BaseException:
            client.close()
            raise
    except Exception as error:  # requests' and docker's own errors, and ValueError for an odd DOCKER_HOST
        raise EnvironmentFault(
            f"No container engine answers at {host!r}: {str(error)[:200]}.",
            remedy="Start Docker Engine, and let this user reach its socket (the group `docker`).",
        ) from error
    return client


def _knock(host: str) -> None:
    """Raise OSError where nobody listens: the package leaves a socket open then."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.connect(host.removeprefix("unix://"))


class Docker(EnclosedBackend):
    """Boxes in containers; raises EnvironmentFault where no engine answers or the image is missing."""

    name = "docker"

    def __init__(self, spec: BoxSpec) -> None:
        self._kind = ImageKind.of(spec.preload, spec.python)
        self._image = self._kind.tag()
        self._client = connect()
        try:
            self._look_around()
        except BaseException:
            self._client.close()
            raise
        super().__init__(spec)

    def _look_around(self) -> None:
        if not self._client.images.list(name=self._image):
            raise EnvironmentFault(
                f"The container engine has no image {self._image!r}, in which submissions run.",
                remedy=f"Build it: `{self._kind.command()}`, and again after each update of the autograder.",
            )
        remove_abandoned(self._client)

    def close(self) -> None:
        super().close()
        self._client.close()

    def _fits(self, _python: str) -> bool:
        return True  # its image has a Python of its own

    def _counts_processes(self) -> bool:
        return os.geteuid() == 0  # else the user is our own, and the kernel would count all that we run

    def _enclose(self) -> Enclosure:
        users = lease() if os.geteuid() == 0 else None
        folder = run_folder("box")
        try:
            return self._start(folder, users)
        except BaseException as error:
            remove_folder(folder)
            if users is not None:
                users.release()
            if isinstance(error, Exception) and not isinstance(error, SandboxFault):
                raise _engine_failed(error) from error
            raise

    def _start(self, folder: Path, users: UidLease | None) -> Enclosure:
        home = make_home(folder, users.uid if users else None)
        door = folder / "door"
        door.mkdir(mode=0o755)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(door / SOCKET_NAME))
            (door / SOCKET_NAME).chmod(0o666)
            listener.listen(1)
            user = users.uid if users else os.geteuid()
            container = self._client.containers.create(**self._options(user, home, door))
            try:
                container.start()
                control = _accept(listener, container)
                container.reload()  # for its first process's number
                return _Container(container, home, control, user, users)
            except BaseException:
                container.remove(force=True)
                raise
            finally:
                # The package keeps one connection open for each address, and each container has its own; a
                # client that was closed opens the next by itself.
                self._client.close()

    def _options(self, user: int, home: Path, door: Path) -> dict[str, Any]:
        limits = self.spec.limits
        memory = (limits.memory_mib + _MEMORY_SLACK_MIB) * MIB
        worker = ["-I", "-B", "-c", BOOT, str(self._engine), "-", *self.spec.preload]
        return {
            "image": self._image,
            "entrypoint": ["sh", "-c", f'exec {INTERPRETERS[self._kind.want]} "$@"', "sh"],
            "command": worker,
            "environment": self._environment(home),
            "labels": {LABEL: mark()},
            "user": f"{user}:{user if self._counts_processes() else os.getegid()}",
            "working_dir": "/",
            "hostname": "box",
            "network_mode": "none",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "mem_limit": memory,
            "memswap_limit": memory,  # memory and swap together, so no swap
            "pids_limit": limits.processes + 1,  # the init
            "shm_size": _SHARED_MEMORY,
            "tmpfs": {"/tmp": _SCRATCH},  # noqa: S108
            "oom_score_adj": 1000,
            "ulimits": [{"Name": "nofile", "Soft": OPEN_FILES, "Hard": OPEN_FILES}],
            "mounts": [
                _mount(home, str(home), read_only=False),
                _mount(self._engine, str(self._engine), read_only=True),
                _mount(door, SOCKET_FOLDER, read_only=True),
                *(_mount(Path(folder), folder, read_only=True) for folder in self._data),
            ],
            "log_config": {"Type": "json-file", "Config": _LOG},
        }


class _Container:
    """One container as an enclosure. Its init is killed directly, so that a stopped engine is no obstacle."""

    def __init__(
        self, container: Any, home: Path, control: Channel, user: int, users: UidLease | None
    ) -> None:
        self._container, self._users = container, users
        self.home, self.control = home, control
        self.owner = users.uid if users else None
        self.belongs = in_cgroup(container.id, user)
        self._killed = False
        self._memory_events = memory_events(container.attrs["State"]["Pid"])
        try:
            self._first = os.pidfd_open(container.attrs["State"]["Pid"])
        except OSError as error:
            raise SandboxFault(
                f"The first process of the container {container.short_id} can't be seen: {error}.",
                remedy="Run the autograder on the engine's own machine, and not in a container itself.",
            ) from error

    def kill(self) -> None:
        self._killed = True
        if self._first >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
        give_up = time.monotonic() + _DYING_S
        while self._any_left():
            if time.monotonic() > give_up:
                raise SandboxFault(
                    f"Processes of the container {self._container.short_id} outlived being killed.",
                    remedy="Restart the container engine or the machine before grading on.",
                )
            time.sleep(0.002)

    def _any_left(self) -> bool:
        of_user = self._users is not None and any_process_of(self._users.uid)
        return of_user or usage(self.belongs).processes > 0

    def has_lost_its_host(self) -> bool:
        """Whether the init was killed from outside, by none of us and not for its memory; nothing inside can
        kill it."""
        if self._killed or not _has_ended(self._first):
            return False
        state = self._state()
        return state is None or (state["ExitCode"] == _KILLED and not state["OOMKilled"])

    def ran_out_of_memory(self) -> bool:
        if self._memory_events is not None and self._memory_events.exists():
            return kills_in(self._memory_events) > 0
        state = self._state() if _has_ended(self._first) else None
        return state is not None and bool(state["OOMKilled"])

    def _state(self) -> dict[str, Any] | None:
        """What the engine knows of the container after its init has ended; None where the engine is gone."""
        give_up = time.monotonic() + _DYING_S
        try:
            while True:
                self._container.reload()
                state: dict[str, Any] = self._container.attrs["State"]
                if not state["Running"] or time.monotonic() > give_up:
                    return state
                time.sleep(0.02)
        except Exception:  # whatever docker and requests raise: no engine, no container
            return None

    def last_words(self) -> str:
        with contextlib.suppress(Exception):
            return str(self._container.logs(tail=_LOG_LINES).decode("utf-8", "replace")).strip()[-2000:]
        return ""

    def release(self) -> None:
        if self._first >= 0:
            os.close(self._first)
            self._first = -1
        with contextlib.suppress(Exception):  # without an engine it stays, for the next run to remove
            self._container.remove(force=True)
            self._container.client.close()
        if self._users is not None:
            self._users.release()


def _mount(outside: Path, inside: str, *, read_only: bool) -> dict[str, Any]:
    """A folder of ours for a container. (As a "volume", the engine would make it anew after it was removed,
    if it comes late to a start that we have given up.)"""
    return {"Type": "bind", "Source": str(outside), "Target": inside, "ReadOnly": read_only}


def remove_abandoned(client: Any) -> list[str]:
    """Remove the containers of runs that have ended without doing it; returns their short ids."""
    removed = []
    for container in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
        if is_gone(container.labels[LABEL]):
            with contextlib.suppress(Exception):  # another run may be removing it
                container.remove(force=True)
                removed.append(container.short_id)
    return removed


def _accept(listener: socket.socket, container: Any) -> Channel:
    """The worker's connection. It is the only one: the socket's folder is ours and the container's alone."""
    give_up = time.monotonic() + _CONNECT_S
    while not select.select([listener], [], [], 0.5)[0]:
        container.reload()
        if container.status not in ("created", "running") or time.monotonic() > give_up:
            said = container.logs(tail=_LOG_LINES).decode("utf-8", "replace").strip()
            raise SandboxFault(
                f"The sandbox's container did not start ({container.status}): {said[-500:]}",
                remedy=f"Build its image again: `{MAKE_IMAGE}`.",
            )
    connection, _ = listener.accept()
    return Channel(connection)


def _engine_failed(error: Exception) -> SandboxFault:
    return SandboxFault(
        f"The container engine could not start a sandbox: {str(error)[:300]}.",
        remedy="See whether the engine still runs (`docker info`) and has disk space; then grade again.",
    )


def _has_ended(pidfd: int) -> bool:
    return pidfd < 0 or bool(select.select([pidfd], [], [], 0)[0])
