"""The backend for an ordinary account on Linux: bubblewrap makes namespaces, and our worker closes the rest.

Each box has a user, PID, network, IPC, UTS and mount namespace of its own, in which there is nothing but the
interpreter, its packages and the box's home. There is no ``/proc``, ``/sys`` or ``/tmp``, no network but a
loopback of its own that seccomp closes too, and no way to make a further user namespace.

Started by root, bubblewrap must drop its user first: in a namespace that root made, its user stays the
kernel's root (measured: such a child wrote a setting of the whole machine). There each box gets a user of its
own besides, as with `Privdrop`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from autograder.outcome import EnvironmentFault, SandboxFault
from autograder.sandbox.backend import BoxSpec, make_home, remove_folder
from autograder.sandbox.channel import Channel
from autograder.sandbox.enclosed import BOOT, PATH, EnclosedBackend, Enclosure
from autograder.sandbox.interpreter import mounted_path
from autograder.sandbox.leftovers import run_folder
from autograder.sandbox.policy import DEVICES_READ, DEVICES_WRITE, Mounts, mounts
from autograder.sandbox.processes import any_process_of, in_pid_namespace, usage
from autograder.sandbox.uids import UidLease, lease

OLDEST = (0, 8)  # --disable-userns came with 0.8.0
_INSTALL = "Install it: `sudo apt-get install bubblewrap` on Debian and Ubuntu."
_INFO_S = 10.0  # until bubblewrap says which process it started; it takes milliseconds
_INFO_BYTES = 4096
_DYING_S = 5.0  # a process that was killed is gone in milliseconds, unless the machine is in trouble
_STDERR_BYTES = 2000
_OUT_OF_MEMORY_FIRST = "1000"  # oom_score_adj: if the machine runs out of memory, a box goes first


class Bubblewrap(EnclosedBackend):
    """Boxes made by ``bwrap``; raises EnvironmentFault where it is missing or too old."""

    name = "bubblewrap"

    def __init__(self, spec: BoxSpec) -> None:
        super().__init__(spec)
        self._program = find_program()
        self._mounts = mounts(spec.unavailable, self._python)

    def _enclose(self) -> Enclosure:
        users = lease() if os.geteuid() == 0 else None
        folder = run_folder("box")
        folder.chmod(0o711)
        try:
            return self._start(folder, users)
        except BaseException:
            remove_folder(folder)
            if users is not None:
                users.release()
            raise

    def _start(self, folder: Path, users: UidLease | None) -> Enclosure:
        owner = users.uid if users else None
        home = make_home(folder, owner)
        (folder / "nothing").mkdir(mode=0o755)
        ours, theirs = socket.socketpair()
        read_info, write_info = os.pipe()
        try:
            worker = [
                mounted_path(self._python.executable),
                "-I",
                "-B",
                "-c",
                BOOT,
                str(self._engine),
                str(theirs.fileno()),
            ]
            command = [
                *(self._program, "--info-fd", str(write_info)),
                *_arguments(self._mounts, home, folder / "nothing", (str(self._engine), *self._data)),
                *(*worker, *self.spec.preload),
            ]
            process = subprocess.Popen(  # noqa: S603
                command,
                env=self._environment(home),
                cwd="/",
                pass_fds=(theirs.fileno(), write_info),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                user=owner,
                group=owner,
                extra_groups=None if owner is None else [],
                umask=0o022,
            )
        except BaseException:
            ours.close()
            os.close(read_info)
            raise
        finally:
            theirs.close()
            os.close(write_info)
        return _Wrapped(process, _first_process(read_info), home, Channel(ours), users)


class _Wrapped:
    """One enclosure: ``process`` is bubblewrap outside of it, ``first`` the number of the init inside."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        first: int,
        home: Path,
        control: Channel,
        users: UidLease | None,
    ) -> None:
        self._process, self._users = process, users
        self.home, self.control = home, control
        self.owner = users.uid if users else None
        self._killed = False
        self._first = self._namespace = -1
        self._is_inside: Callable[[str, bytes], bool] = _nobody
        with contextlib.suppress(OSError):  # it has ended: whoever waits for its greeting is told
            self._first = os.pidfd_open(first)
            # Held open, so that no other namespace is given the same inode number.
            self._namespace = os.open(f"/proc/{first}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            self._is_inside = in_pid_namespace(os.fstat(self._namespace).st_ino)
            Path(f"/proc/{first}/oom_score_adj").write_text(_OUT_OF_MEMORY_FIRST, encoding="ascii")

    def belongs(self, pid: str, status: bytes) -> bool:
        return self._is_inside(pid, status)

    def kill(self) -> None:
        """Kill the init, and with it its whole PID namespace, and bubblewrap outside. (An init that is not
        told to die with bubblewrap yet would wait for it for ever.)"""
        self._killed = True
        if self._first >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_DYING_S if self._first >= 0 else 0)  # it buries its init
        self._process.kill()
        self._process.wait()
        give_up = time.monotonic() + _DYING_S
        while self._any_left():
            if time.monotonic() > give_up:
                raise SandboxFault(
                    "Processes of a sandbox outlived being killed.",
                    remedy="Restart the container or the machine before grading on.",
                )
            time.sleep(0.002)

    def _any_left(self) -> bool:
        of_user = self._users is not None and any_process_of(self._users.uid)
        return of_user or usage(self.belongs).processes > 0

    def has_lost_its_host(self) -> bool:
        """Whether bubblewrap itself was killed, which nothing inside can do, and not by us."""
        return not self._killed and (self._process.poll() or 0) < 0

    def ran_out_of_memory(self) -> bool:
        return False  # no limit on memory here but the watchdog's, which tells by itself

    def last_words(self) -> str:
        assert self._process.stderr is not None
        fd = self._process.stderr.fileno()
        os.set_blocking(fd, False)  # whoever is still alive in there may hold the other end
        try:
            return os.read(fd, _STDERR_BYTES).decode("utf-8", "replace").strip()
        except BlockingIOError:
            return ""

    def release(self) -> None:
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._is_inside = _nobody
        for fd in (self._first, self._namespace):
            if fd >= 0:
                os.close(fd)
        self._first = self._namespace = -1
        if self._users is not None:
            self._users.release()


def _nobody(_pid: str, _status: bytes) -> bool:
    return False


def find_program() -> str:
    """The path of ``bwrap``; raises EnvironmentFault where there is none, or one that is too old."""
    program = shutil.which("bwrap", path=f"{os.environ.get('PATH', '')}:{PATH}")
    if sys.platform != "linux" or program is None:
        raise EnvironmentFault("There is no `bwrap` (bubblewrap) on this machine.", remedy=_INSTALL)
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or tuple(map(int, found.groups())) < OLDEST:
        raise EnvironmentFault(
            f"bubblewrap says {said.strip()!r}, and 0.8 or later is needed, to forbid further namespaces.",
            remedy="Install a newer bubblewrap, or grade as root.",
        )
    return program


def _arguments(shown: Mounts, home: Path, nothing: Path, besides: Sequence[str]) -> list[str]:
    """The options: every namespace, and what the new root holds. ``nothing`` is an empty folder; those
    ``besides`` the interpreter's are shown too."""
    options = ["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    options += ["--unshare-cgroup-try", "--disable-userns", "--die-with-parent", "--cap-drop", "ALL"]
    for path in shown.shown:
        options += ["--ro-bind", path, path]
    for path in shown.covered:
        options += ["--ro-bind", str(nothing) if Path(path).is_dir() else os.devnull, path]
    for link in ("/bin", "/lib", "/lib64"):  # where the loader and `#!` lines look
        if Path(link).is_symlink():
            options += ["--symlink", str(Path(link).readlink()), link]
    for path in besides:
        options += ["--ro-bind", path, path]
    for device in (*DEVICES_READ, *DEVICES_WRITE):
        options += ["--dev-bind", device, device]
    options += ["--bind", str(home), str(home), "--remount-ro", "/", "--chdir", "/"]
    return options


def _first_process(fd: int) -> int:
    """The number of the process that bubblewrap started, 0 where it failed before it could say.

    It writes an object of JSON in several pieces, and dies of a pipe that is closed before the last.
    """
    written = b""
    try:
        while not written.endswith(b"}\n") and len(written) < _INFO_BYTES:
            if not select.select([fd], [], [], _INFO_S)[0] or not (piece := os.read(fd, _INFO_BYTES)):
                break
            written += piece
        return int(json.loads(written)["child-pid"])
    except (ValueError, KeyError):
        return 0
    finally:
        os.close(fd)
