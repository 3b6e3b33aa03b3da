"""What graders hold of a submission: its modules, scenes to call them in, and handles to what they return.

    layers = submission.module("cs231n/conv_layers.py")
    with layers.scene() as scene:
        result = scene.call("conv_forward_naive", x, w, b, {"stride": 1, "pad": 1})   # stays in the sandbox
        out = result[0].fetch()                                                       # a trusted copy
        grads = scene.call("conv_backward_naive", dout, result[1]).fetch()            # handle passed back

Every failure of the submission's comes out as a `SubmissionProblem`, every failure of ours as a `Fault`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from autograder.outcome import CheckFailed, LimitExceeded, ProcessEnded, SubmissionProblem
from autograder.sandbox import wire
from autograder.sandbox.backend import Backend
from autograder.sandbox.channel import Channel
from autograder.sandbox.explain import Trusted, explain, limit_behind
from autograder.sandbox.exported import EXPORTING, GRACE_S, Exports, read_exports, require_exporter
from autograder.sandbox.openbox import OpenBox, RunClock
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.predicted import PREDICTING, Way, read_ways
from autograder.sandbox.sources import Sources

if TYPE_CHECKING:
    from autograder.loaders.notebook import Notebook
    from autograder.sandbox.notebook import NotebookModule, RunPlan

_CONTROL_BYTES = 1 << 20
_STATUS_S = 2.0  # a scene that closed its channel has ended or is about to
_INPUT = "a test's input"
_KINDS = ("array", "tuple", "list", "dict", "number", "none")
_MOST_ITEMS = 2**31  # of a container; a length beyond it is made up


class Submission:
    """One submission in one backend; boxes are opened when they are first needed."""

    def __init__(
        self, backend: Backend, tree: Path, limits: BoxLimits, clock: RunClock, *, first_try: bool = False
    ) -> None:
        self._backend, self._tree, self._limits, self._clock = backend, tree, limits, clock
        self._first_try = first_try  # then what is only suspicious counts as ours: it is tried once more
        spec = backend.spec
        self._trusted = Trusted(Sources(tree), spec.unavailable, spec.unavailable_reason, spec.python)
        self._modules: dict[str, Module] = {}

    def module(self, path: str) -> Module:
        """The module at ``path``, relative to the submission's root; imported when it is first used."""
        if path not in self._modules:
            self._modules[path] = Module(path, self._open, self._limits)
        return self._modules[path]

    def _open(self, trusted: Trusted | None = None) -> OpenBox:
        if self._clock.remaining <= 0:
            raise LimitExceeded("run_wall_s", self._clock.allowed)
        jail = self._backend.launch(self._tree)
        try:
            trusted = trusted or self._trusted
            return OpenBox(jail, self._limits, self._clock, trusted, first_try=self._first_try)
        except BaseException:  # no thread to guard it, say: then nobody else knows of it
            jail.close()
            raise

    def notebook(self, path: str, notebook: Notebook, plan: RunPlan) -> NotebookModule:
        """The notebook at ``path``, whose cells are ``notebook``'s; run when it is first used."""
        from autograder.sandbox.notebook import NotebookModule  # noqa: PLC0415  (it builds on this module)

        known = self._modules.get(path)
        if not isinstance(known, NotebookModule):
            cells = {f"cell {cell.number}": cell.source for cell in notebook.cells if cell.kind == "code"}
            trusted = replace(self._trusted, sources=Sources(self._tree, cells))
            known = NotebookModule(path, notebook, plan, partial(self._open, trusted), self._limits)
            self._modules[path] = known
        return known

    @property
    def data(self) -> tuple[str, ...]:
        """The folders of data sets that its boxes may read."""
        return self._backend.spec.data

    @property
    def printed(self) -> dict[str, str]:
        """What each module's boxes printed, by path, once closed."""
        return {path: module.printed for path, module in self._modules.items() if module.printed}

    def close(self) -> None:
        for module in self._modules.values():
            module.close()


class Module:
    """A student's module, loaded in a box of its own; after a kill it is loaded again for the next scene."""

    keeps_its_box = False  # when a test's process goes past its time limit

    def __init__(self, path: str, open_box: Callable[[], OpenBox], limits: BoxLimits) -> None:
        self.path = path
        self._open, self._limits = open_box, limits
        self._box: OpenBox | None = None
        self._broken: SubmissionProblem | None = None
        self.names: tuple[str, ...] = ()  # of everything callable that it defines
        self.replaced: tuple[str, ...] = ()  # modules that a placeholder stood in for
        self.printed = ""

    def load(self) -> None:
        """Import the module if it isn't; raises what it raised, the second time without trying again."""
        if self._broken is not None:
            raise self._broken
        if self._box is not None and self._box.alive:
            return
        self.close()
        self._box = self._open()
        try:
            self._load_in(self._box)
        except SubmissionProblem as problem:
            self._broken = problem
            raise

    def _load_in(self, box: OpenBox) -> None:
        doing = f"the import of {self.path}"
        request = {"do": "load", "path": self.path}
        try:
            reply, _ = box.ask(box.jail.control, request, budget_s=self._limits.wall_s, doing=doing)
        except ProcessEnded as ended:
            box.kill()
            raise ended if ended.message else box.explain_exit(None, doing) from ended
        if "raised" in reply:
            # No test has sent anything yet, so what the exception says can't give a hidden input away.
            problem = explain(reply["raised"], doing, public=True, trusted=box.trusted)
            raise limit_behind(problem, self._limits, doing) or problem
        self.names, self.replaced = _strings(reply.get("names")), _strings(reply.get("replaced"))

    def require(self, *names: str) -> None:
        """Raise CheckFailed unless the module defines all of these functions."""
        self.load()
        missing = [name for name in names if name not in self.names]
        if missing:
            listed = ", ".join(f"{name}()" for name in missing)
            raise CheckFailed(
                f"{self.path} defines no {listed}.",
                hint="Define it at the top level of that file, spelled as in the homework.",
            )

    def scene(self) -> Scene:
        """A fresh child of the box, for one test; use it in a ``with`` statement."""
        self.load()
        assert self._box is not None
        ours, theirs = socket.socketpair()
        channel = Channel(ours)
        try:
            with theirs:
                pid = self._start_scene(self._box, theirs.fileno())
        except BaseException:
            channel.close()
            raise
        return Scene(self._box, channel, pid, alone=self.keeps_its_box)

    def _start_scene(self, box: OpenBox, fd: int) -> int:
        """Fork the scene that has ``fd`` as its channel; returns its process id."""
        doing = f"the start of a test of {self.path}"
        request = {"do": "scene", "path": self.path}
        try:
            reply, _ = box.ask(
                box.jail.control, request, budget_s=self._limits.wall_s, doing=doing, fds=(fd,)
            )
        except ProcessEnded as ended:
            box.kill()
            raise ended if ended.message else box.explain_exit(None, doing) from ended
        if "raised" in reply:
            box.kill()
            raise explain(reply["raised"], doing, trusted=box.trusted)
        pid = reply.get("pid")
        return pid if type(pid) is int and 0 < pid < _MOST_ITEMS else 0

    def close(self) -> None:
        if self._box is not None:
            box, self._box = self._box, None
            self.printed += box.close()


class Scene:
    """One test's process. Its time limit counts the student's seconds alone, not the checks between calls."""

    def __init__(self, box: OpenBox, channel: Channel, pid: int, *, alone: bool = False) -> None:
        self._box, self._channel, self._pid = box, channel, pid
        self._on_deadline = self._kill_alone if alone else None
        self._spent = 0.0
        self._ended: SubmissionProblem | None = None

    def put(self, value: Any) -> Handle:
        """Send a value in and keep it there; `Handle.fetch` shows later whether it was changed."""
        return self.put_all(value)[0]

    def put_all(self, *values: Any) -> tuple[Handle, ...]:
        """The same for several values, in one message."""
        encoder = wire.Encoder(_reference)
        request = {"do": "put", "values": [encoder.encode(value) for value in values]}
        reply, _ = self._ask(request, encoder.arrays, _INPUT)
        start = _handle_number(reply.get("first"))
        return tuple(Handle(self, wire.HandleRef(start + k), _INPUT) for k in range(len(values)))

    def call(self, name: str, *arguments: Any) -> Handle:
        """Call the module's function ``name``; arguments are plain values, arrays and handles."""
        encoder = wire.Encoder(_reference)
        encoded = [encoder.encode(argument) for argument in arguments]
        doing = f"{name}()"
        request = {"do": "call", "name": name, "arguments": encoded}
        reply, _ = self._ask(request, encoder.arrays, doing)
        ref = wire.HandleRef(_handle_number(reply.get("handle")))
        return Handle(self, ref, doing, self._described(reply))

    def describe(self, handle: Handle) -> tuple[str, int | None]:
        """A value's type in a word, and its length if it is a container."""
        request = {"do": "describe", "value": wire.Encoder(_reference).encode(handle)}
        reply, _ = self._ask(request, None, handle.doing)
        return self._described(reply)

    def _described(self, reply: dict[str, Any]) -> tuple[str, int | None]:
        kind, length = reply.get("kind"), reply.get("length")
        if not isinstance(kind, str) or kind not in _KINDS:
            name = kind.removeprefix("object: ") if isinstance(kind, str) else "unknown"
            kind = f"object: {self._box.trusted.sources.type_name(name)}"
        return kind, length if type(length) is int and 0 <= length < _MOST_ITEMS else None

    def fetch_all(self, *handles: Handle) -> tuple[Any, ...]:
        """Copies of several values, in one message; see `Handle.fetch`."""
        encoder = wire.Encoder(_reference)
        doing = handles[0].doing
        request = {"do": "fetch", "values": [encoder.encode(handle) for handle in handles]}
        reply, arrays = self._ask(request, None, doing)
        unreadable = f"The answer of {doing} could not be read."
        match reply.get("values"):
            case list(trees) if len(trees) == len(handles):
                try:
                    values = [wire.decode(tree, arrays, _no_handle) for tree in trees]
                except wire.WireError as error:
                    raise ProcessEnded(unreadable, staff=str(error)) from error
                return tuple(_renamed(value, self._box.trusted.sources) for value in values)
        raise ProcessEnded(unreadable, staff="another number of values than was asked for")

    def predict(
        self, images: np.ndarray, ways: Sequence[int] = (), budget_s: float = 30.0
    ) -> tuple[Way, ...]:
        """What a notebook's networks make of uint8 images, by each ``way`` (none: all); see predicted.py."""
        encoder = wire.Encoder()
        request = {
            "do": "predict",
            "images": encoder.encode(images),
            "ways": list(ways),
            "budget_s": budget_s,
        }
        reply, arrays = self._ask(request, encoder.arrays, PREDICTING)
        return read_ways(reply, arrays, len(images))

    def export(  # noqa: PLR0913  (each is one thing that a grader knows)
        self,
        probes: np.ndarray,
        *,
        weights: str = "",
        arguments: Sequence[Mapping[str, Any]] = (),
        classes: Sequence[str] = (),
        snapshot: int | None = None,
        input_shape: Sequence[int] | None = None,
        budget_s: float = 60.0,
    ) -> Exports:
        """The networks that were left behind, or the one that the file ``weights`` is for, as ONNX, and what
        becomes of our uint8 ``probes`` (K, H, W) or (K, H, W, 3) by each preparation; see exported.py.

        ``arguments`` are keywords to try for a class's constructor, ``classes`` names to try first;
        ``snapshot`` -1 asks for the weights at the end of the last epoch, -2 for those one epoch before;
        ``input_shape`` is that of one image. It has time of its own: most goes by in torch's exporter.
        """
        asked = {
            "weights": weights,
            "arguments": [dict(one) for one in arguments],
            "classes": list(classes),
            "snapshot": snapshot,
            "input_shape": None if input_shape is None else [int(length) for length in input_shape],
            "budget_s": budget_s,
            "most_bytes": max(self._box.limits.message_mib - 1, 0) << 20,  # the rest is for what is told
        }
        encoder = wire.Encoder()
        request = {"do": "export", "probes": encoder.encode(probes), "asked": encoder.encode(asked)}
        reply, arrays = self._ask(request, encoder.arrays, EXPORTING, budget_s + GRACE_S)
        require_exporter(reply, self._box.trusted.python)
        return read_exports(reply, arrays, len(probes))

    def _ask(
        self,
        request: dict[str, Any],
        arrays: dict[str, np.ndarray] | None,
        doing: str,
        own_s: float | None = None,
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        if self._ended is not None:
            raise self._ended
        start = time.monotonic()
        try:
            reply, answered = self._box.ask(
                self._channel,
                request,
                budget_s=self._box.limits.wall_s - self._spent if own_s is None else own_s,
                doing=doing,
                on_deadline=self._on_deadline,
                arrays=arrays,
            )
        except SubmissionProblem as problem:
            if own_s is not None and isinstance(problem, LimitExceeded) and problem.limit == "wall_s":
                problem = LimitExceeded("wall_s", own_s, doing=doing)
            self._ended = self._name_the_end(problem, doing)
            raise self._ended from problem
        finally:
            if own_s is None:
                self._spent += time.monotonic() - start
        if "missing" in reply and request["do"] == "call":
            raise CheckFailed(
                f"There is no function {doing}.",
                hint="Define it at the top level of the file, spelled as in the homework.",
            )
        if "raised" in reply:
            raise self._explain(reply["raised"], doing)
        return reply, answered

    def _kill_alone(self) -> None:
        """End this process and keep the box, whose namespace may have taken minutes to make."""
        request = {"do": "end", "pid": self._pid}
        try:
            self._box.ask(self._box.jail.control, request, budget_s=_STATUS_S, doing="the end of a test")
        except SubmissionProblem:
            self._box.kill()

    def _explain(self, report: Any, doing: str) -> SubmissionProblem:
        problem = explain(report, doing, trusted=self._box.trusted)
        return limit_behind(problem, self._box.limits, doing) or problem

    def _name_the_end(self, problem: SubmissionProblem, doing: str) -> SubmissionProblem:
        """A closed channel says nothing; the box's first process may know how its child ended."""
        if not isinstance(problem, ProcessEnded) or problem.message:
            return problem
        try:
            request = {"do": "ended", "pid": self._pid}
            reply, _ = self._box.ask(self._box.jail.control, request, budget_s=_STATUS_S, doing=doing)
        except SubmissionProblem as other:
            self._box.kill()
            return (
                other
                if other.student_text and not isinstance(other, LimitExceeded)
                else self._box.explain_exit(None, doing)
            )
        status = reply.get("status")
        return self._box.explain_exit(status if type(status) is int else None, doing)

    def close(self) -> None:
        """End the test's process. One that doesn't end, or leaves others behind, costs the box its life: the
        next test shall not share its processor with them."""
        self._channel.close()
        if not self._box.alive:
            return
        try:
            request = {"do": "ended", "pid": self._pid}
            self._box.ask(self._box.jail.control, request, budget_s=_STATUS_S, doing="the end of a test")
        except SubmissionProblem:
            self._box.kill()
            return
        if self._box.jail.usage().processes > self._box.jail.idle_processes:
            self._box.kill()

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, Exception):
            self.close()
            return
        self._channel.close()  # an interrupt: no trouble of the box's may take its place
        self._box.alive = False


class Handle:
    """A value that stays in the sandbox. An item of it is a handle too, and asking for one costs nothing."""

    __slots__ = ("_described", "_scene", "doing", "ref")

    def __init__(
        self, scene: Scene, ref: wire.HandleRef, doing: str, described: tuple[str, int | None] | None = None
    ) -> None:
        self._scene, self.ref, self.doing, self._described = scene, ref, doing, described

    @property
    def kind(self) -> str:
        """The value's type in a word: array, tuple, list, dict, number, none, or "object: NAME"."""
        return self._describe()[0]

    @property
    def length(self) -> int | None:
        """How many items a tuple, list or dict has."""
        return self._describe()[1]

    def _describe(self) -> tuple[str, int | None]:
        if self._described is None:
            self._described = self._scene.describe(self)
        return self._described

    def __getitem__(self, key: int | str) -> Handle:
        return Handle(self._scene, wire.HandleRef(self.ref.id, (*self.ref.path, key)), self.doing)

    def fetch(self) -> Any:
        """A copy, made of plain values, `numpy.ndarray` and `wire.Opaque` alone."""
        return self._scene.fetch_all(self)[0]


def _handle_number(number: Any) -> int:
    """A handle's number as the sandbox sent it; -1 for what can't be one, such as an int of 4,300 digits,
    which Python reads and then refuses to write."""
    return number if type(number) is int and 0 <= number < _MOST_ITEMS else -1


def _reference(value: Any) -> wire.HandleRef | None:
    return value.ref if isinstance(value, Handle) else None


def _renamed(value: Any, sources: Sources) -> Any:
    """A value in which no type has a name that could say anything else."""
    if isinstance(value, wire.Opaque):
        return wire.Opaque(sources.type_name(value.type_name))
    if isinstance(value, (tuple, list)):
        return type(value)(_renamed(item, sources) for item in value)
    if isinstance(value, dict):
        return {key: _renamed(item, sources) for key, item in value.items()}
    return value


def _no_handle(_number: int, _path: tuple[int | str, ...]) -> NoReturn:
    raise wire.WireError("a handle where a value was asked for")


def _strings(value: Any) -> tuple[str, ...]:
    """The strings of a list that the sandbox sent; anything else is nothing."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
