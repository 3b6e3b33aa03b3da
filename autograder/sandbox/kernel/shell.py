"""Runs a notebook's cells in the box's own process, in IPython's shell.

There is no kernel beside it and no socket between them: the trusted side sends a cell and hears what came of
it, on the channel that it has anyway, so a dead process is seen at once, whoever killed it. One thread runs
everything, so scenes can be forked from the namespace that the cells leave.

A cell past its time gets a KeyboardInterrupt, as from Jupyter's stop button. That is a courtesy, kept by a
timer that student code can take away; the deadline that counts is the trusted side's.
"""

from __future__ import annotations

import contextlib
import mimetypes
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from autograder.sandbox.kernel import accommodations
from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.late import when_imported
from autograder.sandbox.kernel.meter import Meter
from autograder.sandbox.kernel.outputs import Collector, Stream

_TELL_EVERY_S = 1.0  # how often the trusted side hears of a cell that runs
_SO_FAR_CHARS = 300_000  # of its outputs, each time: one long text, and something beside it
_TRACEBACK_LINES = 60
CELL_FILE = "<cell {number}>"  # what a traceback calls a cell; see worker._report


@dataclass(frozen=True)
class CellResult:
    """What came of one cell; all but the error is ready for JSON."""

    error: BaseException | None
    interrupted: bool
    seconds: float
    outputs: list[dict[str, Any]]
    uses: list[tuple[str, str, int]]  # of the whole run so far
    training: dict[str, Any]  # as above


class Kernel:
    """One notebook's namespace, the shell that fills it, and what is measured meanwhile.

    ``tell`` carries messages to the trusted side while a cell runs.
    """

    def __init__(
        self, context: Context, folder: Path, seed: int, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        self._context, self._tell = context, tell
        self._pid, self._told = os.getpid(), 0.0
        self._collector = Collector()
        self._collector.changed = self._report_progress
        self._interrupted = False
        self._meter = Meter(context)
        self._progress: dict[str, Any] = {}
        _enter(folder, context.tree)
        accommodations.install_all(context)
        self._meter.install()
        self._meter.on_progress = self._step_taken
        self.module = ModuleType("__main__")
        self._shell = _make_shell(self.module, self._collector, context)
        accommodations.install_shell(self._shell, context)
        # Figures show without being asked for, as in Jupyter.
        when_imported("matplotlib.pyplot", lambda _: self._shell.enable_matplotlib("inline"))
        _seed(seed)

    def run(self, number: int, source: str, soft_s: float) -> CellResult:
        """Run one cell, which is interrupted after ``soft_s`` seconds."""
        self._context.cell = number
        self._collector.clear()
        self._interrupted = False
        started = time.monotonic()
        self._told = started
        result = None  # where the interrupt came between two lines of the shell's own
        with _redirected(self._collector), self._alarm(soft_s):
            result = self._shell.run_cell(source, store_history=True)
            _flush_streams()
        self._context.cell = 0
        return CellResult(
            error=_error_of(result),
            interrupted=self._interrupted,
            seconds=time.monotonic() - started,
            outputs=self._collector.outputs(),
            uses=[(use.kind, use.detail, use.cell) for use in self._context.uses],
            training=self._meter.snapshot(),
        )

    @property
    def stepped(self) -> list[frozenset[int]]:
        """The ids of the parameters that each training run stepped, in order."""
        return [run.parameter_ids for run in self._meter.runs if run.parameter_ids]

    def kept(self, at: int) -> tuple[Any, Mapping[str, Any]] | None:
        """A network and its weights at the end of one of its last epochs: -1 is the last."""
        found = self._meter.weights.kept(at)
        return (found.module, found.tensors) if found is not None else None

    def _step_taken(self, progress: dict[str, Any]) -> None:
        self._progress = progress
        self._report_progress()

    def _report_progress(self) -> None:
        """Tell what the cell has done so far, now and then: it may be killed before it comes to its end."""
        now = time.monotonic()
        if now - self._told < _TELL_EVERY_S or os.getpid() != self._pid or not self._context.cell:
            return
        if threading.current_thread() is not threading.main_thread():
            return  # two threads' messages would run into each other, and into the answer
        self._told = now
        message = {"progress": self._progress, "so_far": self._collector.outputs(_SO_FAR_CHARS)}
        with contextlib.suppress(OSError):
            self._tell(message)

    @contextlib.contextmanager
    def _alarm(self, seconds: float) -> Iterator[None]:
        def interrupt(_signal: int, _frame: FrameType | None) -> None:
            if os.getpid() != self._pid:
                return
            self._interrupted = True
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
        try:
            yield
        except KeyboardInterrupt:  # between two lines of the shell's own
            self._interrupted = True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _enter(folder: Path, tree: Path) -> None:
    """Be where the notebook is: its folder is current, and modules beside it import."""
    os.chdir(folder)
    for place in (str(tree), str(folder), ""):
        if place not in sys.path:
            sys.path.insert(0, place)
    # The system's lists can be seen here and not be opened: fastai asks for them when it is imported.
    mimetypes.knownfiles.clear()
    os.environ["IPYTHONDIR"] = os.environ.get("TMPDIR", str(folder))


def _seed(seed: int) -> None:
    """Start every generator that homework uses from the same state, now or when its library is imported."""
    random.seed(seed)
    np.random.seed(seed)  # the global generator is the one that student code uses
    when_imported("torch", lambda torch: torch.manual_seed(seed))


@contextlib.contextmanager
def _redirected(collector: Collector) -> Iterator[None]:
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Stream("stdout", collector, 1), Stream("stderr", collector, 2)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _flush_streams() -> None:
    for name in ("stdout", "stderr"):
        with contextlib.suppress(Exception):  # the student's own stream may do anything, or be gone
            getattr(sys, name).flush()


def _error_of(result: Any) -> BaseException | None:
    """What a cell's run raised. A student's exception may say that it is false."""
    if result is None:
        return KeyboardInterrupt()
    before: BaseException | None = result.error_before_exec
    inside: BaseException | None = result.error_in_exec
    return before if before is not None else inside


def _make_shell(module: ModuleType, collector: Collector, context: Context) -> Any:
    """IPython's shell without a terminal, a history or a profile of its own."""
    from IPython.core.compilerop import CachingCompiler  # noqa: PLC0415  (only where notebooks are run)
    from IPython.core.displayhook import DisplayHook  # noqa: PLC0415
    from IPython.core.displaypub import DisplayPublisher  # noqa: PLC0415
    from IPython.core.interactiveshell import InteractiveShell  # noqa: PLC0415
    from traitlets import Type  # noqa: PLC0415
    from traitlets.config import Config  # noqa: PLC0415

    class Publisher(DisplayPublisher):
        def publish(  # type: ignore[override]  # without the arguments that nobody gives
            self, data: Any, _metadata: Any = None, *, transient: Any = None, update: bool = False, **_: Any
        ) -> None:
            display_id = str((transient or {}).get("display_id", ""))
            collector.show("display_data", data, display_id, update=update)

        def clear_output(self, wait: bool = False) -> None:
            collector.clear_output(wait)

    class Hook(DisplayHook):
        def start_displayhook(self) -> None:
            pass

        def write_output_prompt(self) -> None:
            pass

        def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:  # noqa: ARG002
            collector.show("execute_result", format_dict)

        def finish_displayhook(self) -> None:
            pass

    class Compiler(CachingCompiler):
        def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:  # noqa: ARG002
            return CELL_FILE.format(number=context.cell)

    class Shell(InteractiveShell):
        display_pub_class = Type(Publisher)
        displayhook_class = Type(Hook)
        compiler_class = Type(Compiler)

        def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
            name = getattr(etype, "__name__", str(etype))
            collector.error(
                str(name)[:200], _text_of(evalue), [str(line) for line in stb][-_TRACEBACK_LINES:]
            )

        def enable_gui(self, gui: Any = None) -> None:
            """There is no window here, and nobody at it."""

        def ask_exit(self) -> None:
            """A notebook that says exit() in its last cell has not failed."""

    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.banner1 = ""
    config.InteractiveShell.xmode = "Context"
    Shell.clear_instance()
    return Shell.instance(config=config, user_module=module, user_ns=vars(module))


def _text_of(error: object) -> str:
    try:
        return str(error)
    except BaseException:  # an exception of the student's own may not know its text
        return ""
