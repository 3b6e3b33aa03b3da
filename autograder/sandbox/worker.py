"""Our code inside the sandbox: the fork server, the process that holds a submission, and its children.

Three generations, each forked from the one before, so that nobody pays an import twice:

* the *fork server* imports what the homework needs and then only forks. It runs no student code and holds
  no secret: it was started with an empty environment and no descriptor but its own channel. Where it runs
  as root, it stays root, because only root can give each box a user of its own;
* the *holder* is a box: confined (see confine.py), it imports the submission once;
* a *scene* is a child of the holder for one test. What a test does to globals, to memory or to the process
  ends with its scene. Values that don't leave are named by handles, which live as long as the scene.

Inside bubblewrap or a container there is no fork server: one process imports and then becomes the holder
(see solo.py).

Whatever student code does to the holder or to a scene, it can only lie about its own values, and those are
judged outside.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder.sandbox import seccomp, vision, wire
from autograder.sandbox.channel import Channel
from autograder.sandbox.confine import confine, die_with_parent
from autograder.sandbox.kernel.scenes import Networks, settle
from autograder.sandbox.loader import Loader
from autograder.sandbox.policy import Box
from autograder.sandbox.processes import any_process_of

if TYPE_CHECKING:
    from autograder.sandbox.kernel.shell import Kernel

_REQUEST_BYTES = 1 << 30  # what the trusted side sends is as large as it likes
_PR_SET_CHILD_SUBREAPER = 36
_CONTROL_FD, _FIRST_FREE_FD = 3, 4
_SEED = 0  # a forked child inherits its parent's random state; each scene starts from the same one
_KILL_S = 20.0  # measured: 3 to 360 ms, the longer against a fork bomb; past this the trusted side is told
_CELL = "<cell "  # how a notebook's kernel names the code of a cell
_FRAMES, _TEXT = 12, 2000  # traceback lines and characters of an exception's text that are reported


# --- the fork server ---------------------------------------------------------------------------------


def serve(fd: int, preload: list[str]) -> None:
    """Run the fork server on the socket ``fd`` until its peer closes it, then kill every box."""
    _become_subreaper()
    channel = Channel(socket.socket(fileno=fd), accepts_fds=True)
    if not warm_up(channel, preload, filters=os.geteuid() == 0):
        return
    boxes: dict[int, int] = {}
    with contextlib.suppress(EOFError):
        while True:
            request, _ = channel.receive(_REQUEST_BYTES)
            _FORK_SERVER_REQUESTS[request["do"]](channel, request, boxes)
    for uid, reaper in boxes.items():
        _kill_all(uid, reaper)


def warm_up(channel: Channel, preload: list[str], *, filters: bool) -> bool:
    """Import what every box needs and tell the trusted side; False if something can't be imported.

    ``filters`` says whether the boxes will be confined, for which libseccomp must be there.
    """
    try:
        vision.install()
        for name in preload:
            importlib.import_module(name)
        if filters:
            seccomp.prepare()
    except Exception as error:  # a package can raise anything while it is imported
        channel.send({"refused": f"{type(error).__name__}: {error}"})
        return False
    gc.collect()
    gc.freeze()  # so that a child's first collection doesn't copy every page
    channel.send({"ready": sys.version})
    return True


def _become_subreaper() -> None:
    """Adopt the orphans of every box and let the kernel bury them: a container's first process may not."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGTERM):  # an interrupt is the trusted side's to handle
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _launch(channel: Channel, request: dict[str, Any], boxes: dict[int, int]) -> None:
    box = Box.from_json(request["box"])
    control, output = channel.take_fds()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _run_child(lambda: _hold(box, control, output, parent))
    os.close(control)
    os.close(output)
    if box.uid is not None and box.reaper_uid is not None:
        boxes[box.uid] = box.reaper_uid
    channel.send({"pid": pid})


def _reap(channel: Channel, request: dict[str, Any], boxes: dict[int, int]) -> None:
    _kill_all(request["uid"], request["reaper_uid"])
    boxes.pop(request["uid"], None)
    channel.send({"reaped": request["uid"]})


_FORK_SERVER_REQUESTS: dict[str, Callable[[Channel, dict[str, Any], dict[int, int]], None]] = {
    "launch": _launch,
    "reap": _reap,
}


def _kill_all(uid: int, reaper_uid: int) -> None:
    """Kill every process of ``uid`` by a helper that can signal them and that they can't signal.

    The helper's effective user is theirs, which is what a sender needs; its real and saved user are a third
    one's, so a ``kill(-1)`` of theirs passes it by. ``kill(-1)`` takes all of them in one step, which no fork
    bomb outruns for long. It succeeds also when none was left to signal, so /proc says when to stop.
    """
    pid = os.fork()
    if pid == 0:
        _run_child(lambda: _kill_until_none_is_left(uid, reaper_uid))
    with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored: waitpid returns when it is gone
        os.waitpid(pid, 0)


def _kill_until_none_is_left(uid: int, reaper_uid: int) -> None:
    os.setgroups([])
    os.setresgid(reaper_uid, reaper_uid, reaper_uid)
    os.setresuid(reaper_uid, uid, reaper_uid)
    give_up = time.monotonic() + _KILL_S
    while True:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        if not any_process_of(uid) or time.monotonic() >= give_up:
            return


def _run_child(body: Callable[[], None]) -> None:
    """Run ``body`` in a forked child and never return into the parent's code, whatever happens."""
    code = 1
    try:
        body()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # a child must not run on in its parent's frames
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


# --- the holder --------------------------------------------------------------------------------------


def _hold(box: Box, control: int, output: int, parent: int) -> None:
    """Become the box's first process: confined, then serving loads and scenes on its control channel."""
    channel = take_over(control, output)
    try:
        confine(box, parent)
    except Exception as error:  # whatever it is, the trusted side must hear of it
        channel.send({"refused": f"{type(error).__name__}: {error}"})
        return
    serve_box(channel, box)


def take_over(control: int, output: int) -> Channel:
    """Begin a life of its own: a session, default signals, and no descriptor but the standard three and the
    control channel."""
    control_fd = _rearrange_descriptors(control, output)
    if os.getsid(0) != os.getpid():  # a container's first process has one already
        os.setsid()
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    return Channel(socket.socket(fileno=control_fd), accepts_fds=True)


def serve_box(channel: Channel, box: Box) -> None:
    """Say that this process is confined, which it must be, and serve until the trusted side is gone."""
    channel.send({"confined": True})
    loader = Loader(Path(box.home) / "tree", box.unavailable, box.unavailable_reason)
    loader.install()
    _serve_holder(channel, loader)


def _rearrange_descriptors(control: int, output: int) -> int:
    """Leave open only the standard three and the control channel, which moves to descriptor 3."""
    kept = os.dup(control) if control <= _CONTROL_FD else control
    sink = os.dup(output) if output <= _CONTROL_FD else output
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.dup2(kept, _CONTROL_FD, inheritable=False)
    os.closerange(_FIRST_FREE_FD, 4096)
    return _CONTROL_FD


def _serve_holder(channel: Channel, loader: Loader) -> None:
    modules: dict[str, ModuleType] = {}
    ended: dict[int, int] = {}
    kernel: Kernel | None = None
    # A child that student code forks would keep the channel open, and nobody would see this process die.
    os.register_at_fork(after_in_child=channel.close)
    with contextlib.suppress(EOFError):
        while True:
            request, _ = channel.receive(_REQUEST_BYTES)
            match request["do"]:
                case "load":
                    channel.send(_answer(partial(_load, loader, modules, request["path"]), loader))
                case "scene":
                    _bury(ended)  # a dead child counts as a process until it is waited for
                    _start_scene(channel, loader, modules[request["path"]], kernel)
                case "ended":
                    channel.send({"status": _exit_status(request["pid"], ended)})
                case "end":
                    with contextlib.suppress(OSError):
                        os.kill(request["pid"], signal.SIGKILL)
                    channel.send({"status": _exit_status(request["pid"], ended)})
                case "notebook":
                    kernel = _open_notebook(loader, request, channel)
                    modules[request["path"]] = kernel.module
                    channel.send({"opened": True})
                case "cell" if kernel is not None:
                    channel.send(_answer(partial(_run_cell, kernel, loader, request), loader))
                case "names":
                    channel.send({"names": _names(modules[request["path"]])})


def _load(loader: Loader, modules: dict[str, ModuleType], path: str) -> dict[str, Any]:
    modules[path] = loader.load(path)
    return {"names": _names(modules[path]), "replaced": loader.replaced[:50]}


def _names(module: ModuleType) -> list[str]:
    """Everything callable that a module defines."""
    names = sorted(str(name) for name, value in list(vars(module).items()) if callable(value))
    return [name[:100] for name in names[:2000]]


def _open_notebook(loader: Loader, request: dict[str, Any], channel: Channel) -> Kernel:
    from autograder.sandbox.kernel.context import Context  # noqa: PLC0415  (see warm_up)
    from autograder.sandbox.kernel.shell import Kernel  # noqa: PLC0415

    plan = request["plan"]
    context = Context(
        loader.tree,
        Path(plan["data"]) if plan["data"] else None,
        in_memory=plan["in_memory"],
        epochs_kept=plan["epochs_kept"],
    )
    folder = (loader.tree / request["path"]).parent
    return Kernel(context, folder, plan["seed"], channel.send)


def _run_cell(kernel: Kernel, loader: Loader, request: dict[str, Any]) -> dict[str, Any]:
    result = kernel.run(request["number"], request["source"], request["soft_s"])
    reply = vars(result) | {"error": None}
    if result.error is not None:
        reply["raised"] = _report(result.error, loader)
    return {"cell": reply}


def _start_scene(channel: Channel, loader: Loader, module: ModuleType, kernel: Kernel | None) -> None:
    (fd,) = channel.take_fds()
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        os.close(fd)
        channel.send({"raised": _report(error, loader)})
        return
    if pid == 0:
        channel.close()
        die_with_parent(parent)
        _run_child(lambda: _Scene(Channel(socket.socket(fileno=fd)), loader, module, kernel).serve())
    os.close(fd)
    channel.send({"pid": pid})


def _bury(ended: dict[int, int]) -> None:
    """Wait for every child that has ended, and remember how."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            ended[pid] = status


def _exit_status(pid: int, ended: dict[int, int]) -> int | None:
    """How a scene ended: its exit code, negative for a signal; None when it isn't known."""
    try:
        status = ended.pop(pid) if pid in ended else os.waitpid(pid, 0)[1]
        return os.waitstatus_to_exitcode(status)
    except (ChildProcessError, ValueError):
        return None


# --- a scene -----------------------------------------------------------------------------------------


class _Scene:
    """Serves one test: calls functions, keeps values behind handles, hands copies out."""

    def __init__(
        self, channel: Channel, loader: Loader, module: ModuleType, kernel: Kernel | None = None
    ) -> None:
        self._channel, self._loader, self._module = channel, loader, module
        self._networks = Networks(module, kernel, loader.tree)
        self._values: list[Any] = []

    def serve(self) -> None:
        settle(_SEED)
        with contextlib.suppress(EOFError):
            while True:
                request, arrays = self._channel.receive(_REQUEST_BYTES)
                encoder = wire.Encoder()
                reply = _answer(partial(self._do, request, arrays, encoder), self._loader)
                self._channel.send(reply, encoder.arrays)

    def _do(
        self, request: dict[str, Any], arrays: dict[str, np.ndarray], encoder: wire.Encoder
    ) -> dict[str, Any]:
        match request["do"]:
            case "put":
                values = [self._decode(value, arrays) for value in request["values"]]
                self._values += values
                return {"first": len(self._values) - len(values)}
            case "call":
                function = getattr(self._module, request["name"], None)
                if not callable(function):
                    return {"missing": request["name"]}
                arguments = [self._decode(item, arrays) for item in request["arguments"]]
                return self._keep(function(*arguments))
            case "describe":
                kind, length = _describe(self._decode(request["value"], arrays))
                return {"kind": kind, "length": length}
            case "fetch":
                values = [self._decode(value, arrays) for value in request["values"]]
                return {"values": [encoder.encode(value) for value in values]}
            case "predict":
                images = self._decode(request["images"], arrays)
                ways = self._networks.predict(images, request["ways"], request["budget_s"])
                return {"ways": [way | {"scores": encoder.encode(way["scores"])} for way in ways]}
            case "export":
                probes = self._decode(request["probes"], arrays)
                asked = self._decode(request["asked"], arrays)
                return {"exports": _with_arrays(self._networks.export(probes, asked), encoder)}
        raise ValueError(f"unknown request {request['do']!r}")

    def _decode(self, tree: Any, arrays: dict[str, np.ndarray]) -> Any:
        return wire.decode(tree, arrays, self._resolve)

    def _resolve(self, number: int, path: tuple[int | str, ...]) -> Any:
        value = self._values[number]
        for key in path:
            value = value[key]
        return value

    def _keep(self, value: Any) -> dict[str, Any]:
        self._values.append(value)
        kind, length = _describe(value)
        return {"handle": len(self._values) - 1, "kind": kind, "length": length}


def _with_arrays(value: Any, encoder: wire.Encoder) -> Any:
    """A value for JSON in which each array is a reference to one that goes beside it."""
    if isinstance(value, np.ndarray):
        return encoder.encode(value)
    if isinstance(value, dict):
        return {key: _with_arrays(one, encoder) for key, one in value.items()}
    return [_with_arrays(one, encoder) for one in value] if isinstance(value, list) else value


def _shown(name: str) -> str:
    """What messages call a file of code: a notebook's cell without its brackets."""
    return name.strip("<>") if name.startswith(_CELL) else name


def _describe(value: Any) -> tuple[str, int | None]:
    """A word for what a value is, and its length if it is a container."""
    if isinstance(value, np.ndarray):
        return "array", None
    for kind in (tuple, list, dict):
        if isinstance(value, kind):
            return kind.__name__, len(value)
    if value is None:
        return "none", None
    if isinstance(value, (bool, int, float, np.number)):
        return "number", None
    return f"object: {type(value).__name__}"[:100], None


def _answer(body: Callable[[], dict[str, Any]], loader: Loader) -> dict[str, Any]:
    """The reply that ``body`` gives, or the report of what it raised: student code may raise anything.

    A child that student code forked, and that comes back here, ends: there is one answer to each request.
    """
    asked = os.getpid()
    try:
        reply = body()
    except BaseException as error:
        reply = {"raised": _report(error, loader)}
    if os.getpid() != asked:
        os._exit(0)
    return reply


def _report(error: BaseException, loader: Loader) -> dict[str, Any]:
    """What the trusted side is told of an exception: plain text, capped, and where in the student's files.

    It quotes no source: the trusted side has the files as they were handed in. Of an exception whose class
    lies about its own name, it tells no more than that there was one.
    """
    try:
        return _told(error, loader)
    except BaseException:
        return {"type": "", "bases": [], "text": "", "frames": [], "replaced": []}


def _told(error: BaseException, loader: Loader) -> dict[str, Any]:
    tree = f"{loader.tree}/"
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and isinstance(error.filename, str):
        places.append((error.filename, error.lineno if isinstance(error.lineno, int) else 0))
    own = [place for place in places if place[0].startswith((tree, _CELL))]
    frames = [[_shown(name).removeprefix(tree), line] for name, line in own]
    try:
        text = _plain(str(error))
        if len(text) > _TEXT:
            text = f"{text[:_TEXT]} … ({len(text) - _TEXT:,} more characters)"
    except BaseException:  # an exception of the student's own may not know its text
        text = ""
    builtin = [base for base in type(error).__mro__ if base.__module__ == "builtins"]
    return {
        "type": _plain(type(error).__name__)[:100],
        "bases": [_plain(base.__name__) for base in builtin],
        "text": text.encode("utf-8", "replace").decode("utf-8"),
        "frames": frames[-_FRAMES:],
        "replaced": loader.replaced[:50],
    }


def _plain(text: str) -> str:
    """The text as a `str` itself, whose methods are not the student's."""
    return str.__str__(text)
