"""Turns what the sandbox reports of an exception into a sentence that tells a student what to do.

A report is untrusted: student code can forge every field of it, and may have seen hidden inputs. So a field
of the wrong type counts as missing, and what is always shown is the exception's type (a name that Python or
NumPy has), the student's line as it was handed in (sources.py), and our own hint. The exception's text is
shown for public cases, and otherwise only where it is one of those that hold nothing to hide (harmless.py);
callers find it in ``detail``.
"""

from __future__ import annotations

import builtins
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.outcome import LimitExceeded, ProcessEnded, StudentException
from autograder.sandbox.harmless import harmless
from autograder.sandbox.hints import hint
from autograder.sandbox.placeholders import NOT_INSTALLED, REASONS, is_below
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.sources import Sources
from autograder.sandbox.vision_pair import fault_behind
from autograder.text import clean, cut_line

_TEXT = 600  # characters of an exception's text that a message may hold
_REPORTED = 4_000  # more than the sandbox reports of it
_LINE = 120
_MOST_REPLACED = 50
_OF_ITS_OWN = "an exception of its own"
# Exceptions of libraries: by a name that students can look up, or as the one of Python's that they are.
_LIBRARY: dict[str, type[BaseException]] = {
    "AxisError": np.exceptions.AxisError,
    "LinAlgError": np.linalg.LinAlgError,
    "JSONDecodeError": ValueError,
    "UnpicklingError": Exception,
    "CalledProcessError": Exception,
    "BdbQuit": Exception,
    "TimeoutExpired": Exception,
    "URLError": OSError,
    "HTTPError": OSError,
    "gaierror": OSError,
}
_PRIVATE: dict[str, type[BaseException]] = {
    "_ArrayMemoryError": MemoryError,
    "UFuncTypeError": TypeError,
    "_UFuncNoLoopError": TypeError,
    "_UFuncBinaryResolutionError": TypeError,
    "_UFuncInputCastingError": TypeError,
    "_UFuncOutputCastingError": TypeError,
}
_BOX = re.compile(r"/[^\s'\"]*/autograder-box-[^/\s'\"]+/home/(?:tree/)?")
_MAGIC = re.compile(r", line \d+: `[%!]")
_NO_SUCH_MODULE = re.compile(r"No module named '([\w.]+)'")
_MODULE = re.compile(r"module '([\w.]+)' has no attribute")


@dataclass(frozen=True, slots=True)
class Trusted:
    """What is known without the sandbox: the submission's files, what its homework forbids and why, and the
    interpreter of the environment that its code runs in, "" for ours."""

    sources: Sources = field(default_factory=Sources)
    forbidden: tuple[str, ...] = ()
    reason: str = ""
    python: str = ""


@dataclass(frozen=True, slots=True)
class _Report:
    """A report of the sandbox with every field of the right type, and none of them believed."""

    type: str
    bases: tuple[str, ...]
    text: str
    file: str
    line: int
    replaced: tuple[str, ...]

    @classmethod
    def read(cls, raw: Any) -> _Report:
        raw = raw if isinstance(raw, dict) else {}
        frames = raw.get("frames")
        file, line = "", 0
        match frames[-1] if isinstance(frames, list) and frames else None:
            case [str(name), int(number), *_]:
                file, line = name, number
        text = raw.get("text")
        return cls(
            type=raw["type"] if isinstance(raw.get("type"), str) else "",
            bases=_strings(raw.get("bases"))[:10],
            text=_BOX.sub("", text[:_REPORTED]).strip() if isinstance(text, str) else "",
            file=file,
            line=line,
            replaced=_strings(raw.get("replaced"))[:_MOST_REPLACED],
        )


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def explain(
    report: Any, doing: str, *, public: bool = False, trusted: Trusted | None = None
) -> StudentException:
    """The problem that a report of the sandbox describes; any report, however odd, gives one.

    Raises EnvironmentFault where what it reports is our doing, and we know that without it.

    ``public`` says that the student may see whatever the exception says: no hidden input was in reach.
    """
    found = _Report.read(report)
    trusted = trusted or Trusted()
    where = _where(found, trusted.sources)
    if found.type == "ModuleUnavailable":
        return _unavailable(found, doing, where, trusted)
    if fault := fault_behind(found.type, trusted.python):
        raise fault
    shown, types = _name(found)
    said = harmless(found.text, trusted.sources) if types[0] in _SPEAKING else ""
    aside = f" ({said})" if said else ""
    message = f"{_subject(doing)} raised {shown}{aside}{where and f' {where}'}."
    told = clean(found.text, _TEXT, line_limit=_REPORTED)
    if public and told and found.text != said:
        message = f"{message}\nIt said: {told}"
    return StudentException(
        message,
        exception=shown,
        detail=told,
        hint=_hint(found, types, doing, where, public=public, trusted=trusted),
        staff=f"{found.type[:100]}: {found.text}",
    )


def limit_behind(problem: StudentException, limits: BoxLimits, doing: str) -> LimitExceeded | None:
    """The limit that an exception comes from, where the kernel kept it by refusing and student code was told.

    Whether it is true makes no difference to the score, so the exception's word is enough.
    """
    for types, text, limit in _REFUSALS:
        if problem.exception in types and re.search(text, problem.detail):
            allowed = getattr(limits, limit)
            return LimitExceeded(limit, allowed, allowed, doing=doing, hint=problem.student_text)
    return None


# How Python words what the kernel says at a limit: EAGAIN for a process or a thread, EFBIG for a file.
_REFUSALS = (
    (("BlockingIOError",), r"^\[Errno 11\]", "processes"),
    (("RuntimeError",), r"^can't start new thread$", "processes"),
    (("OSError",), r"^\[Errno 27\]", "disk_mib"),
)


def _subject(doing: str) -> str:
    """What was going on, as the subject of a sentence: a function's name keeps its spelling."""
    return f"{doing[0].upper()}{doing[1:]}" if doing.startswith(("the ", "cell ")) else doing


def _where(report: _Report, sources: Sources) -> str:
    """The student's own innermost line: file, number, and the line as it was handed in."""
    source = sources.line(report.file, report.line)
    if source is None:
        return ""
    quoted = f": `{cut_line(source, _LINE)}`" if source else ""
    return f"at {report.file[:200]}, line {report.line}{quoted}"


# --- the exception's name ----------------------------------------------------------------------------


def _exception(name: str) -> type[BaseException] | None:
    """Python's own exception of that name."""
    kind = getattr(builtins, name, None) if name.isidentifier() else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseException) else None


def _name(report: _Report) -> tuple[str, tuple[str, ...]]:
    """What to call an exception, and the names by which hints know it, its own first."""
    if kind := _exception(report.type):
        return kind.__name__, _names(kind)
    if kind := _PRIVATE.get(report.type):
        return kind.__name__, _names(kind)
    if kind := _LIBRARY.get(report.type):
        return report.type, (report.type, *_names(kind))
    for base in report.bases:
        kind = _exception(base)
        if kind not in (None, Exception, BaseException):
            assert kind is not None
            return f"{_OF_ITS_OWN} (a kind of {kind.__name__})", (_OF_ITS_OWN,)
    return _OF_ITS_OWN, (_OF_ITS_OWN,)


def _names(kind: type[BaseException]) -> tuple[str, ...]:
    return tuple(base.__name__ for base in kind.__mro__)


_SPEAKING = frozenset(
    (*(name for name in vars(builtins) if _exception(name)), "AxisError", "LinAlgError")
)  # exceptions whose text Python or NumPy chose


# --- what to do --------------------------------------------------------------------------------------


def _hint(  # noqa: PLR0913  (two sides of one question: what was reported, and what may be said of it)
    report: _Report, types: Sequence[str], doing: str, where: str, *, public: bool, trusted: Trusted
) -> str:
    missing = _missing_module(report, types, trusted)
    if missing:
        return missing
    if types[0] == _OF_ITS_OWN:
        return "Your own code raises this: look at the condition that leads there."
    if not where and "TypeError" in types and report.text.startswith(f"{doing} "):
        return "It is called with other arguments than its `def` line takes: keep that line as it was given."
    if "SyntaxError" in types and _MAGIC.search(where):
        return "A line that starts with % or ! works in a notebook alone: take it out of the file."
    found = hint(types, report.text, (lambda _word: True) if public else trusted.sources.has_word)
    if found:
        return found
    if doing.startswith("the import"):
        return "Run the file once yourself: it must import without an error."
    return "Call the function yourself with small inputs of several shapes, until it runs."


def _missing_module(report: _Report, types: Sequence[str], trusted: Trusted) -> str:
    """Where a module was replaced, and that may be why a name, an attribute or an import isn't there."""
    sources = trusted.sources
    replaced = [name for name in report.replaced if sources.has_dotted(name)]
    blamed: list[str] = []
    if "NameError" in types:
        stars = sources.star_imports(report.file)
        blamed = [name for name in replaced if any(name == s or name.endswith(f".{s}") for s in stars)]
    elif "ImportError" in types:
        named = _NO_SUCH_MODULE.match(report.text)
        blamed = [named[1]] if named and sources.has_dotted(named[1]) else []
    elif "AttributeError" in types:
        named = _MODULE.match(report.text)
        blamed = [name for name in replaced if named and name == named[1]]
    if not blamed:
        return ""
    if is_below(blamed[0], trusted.forbidden):
        return trusted.reason or f"This homework is to be done without {blamed[0]}."
    if sources.is_own_module(blamed[0]):
        return f"There is no module {blamed[0]} among the files of your submission."
    return f"The module {blamed[0]} isn't installed where you are graded: do without it here."


def _unavailable(report: _Report, doing: str, where: str, trusted: Trusted) -> StudentException:
    """The problem of code that used a module which a placeholder stood in for."""
    name, _, why = report.text.partition(": ")
    if not trusted.sources.has_dotted(name):
        name, why = "a module that isn't there", ""
    elif is_below(name, trusted.forbidden):
        why = trusted.reason or "This homework is to be done without it."
    elif why not in REASONS:
        why = NOT_INSTALLED
    return StudentException(
        f"{_subject(doing)} used {name}{where and f' {where}'}.",
        exception="ModuleUnavailable",
        hint=f"{why[:1].upper()}{why[1:].rstrip('.')}." if why else "Do without it here.",
        staff=f"ModuleUnavailable: {report.text}",
    )


def explain_exit(status: int | None, doing: str) -> ProcessEnded:
    """The problem of a process that ended without an answer; ``status`` is negative for a signal."""
    what = f"The process ended in the middle of {doing}"
    if status is None:
        return ProcessEnded(
            f"{what}.", hint="Don't end or kill processes, nor start programs, from your code."
        )
    if status >= 0:
        code = f", with exit code {status}" if status < _EXIT_CODES else ""
        return ProcessEnded(
            f"{what}{code}.", hint="Don't end the program from inside a function (os._exit(), exit())."
        )
    try:
        name = signal.Signals(-status).name
    except ValueError:
        return ProcessEnded(f"{what}, killed by a signal.", hint=_SIGNAL_HINT)
    if name == "SIGXCPU":
        return ProcessEnded(
            f"{what}: it used up its processor time.", hint="Look for a loop that never ends."
        )
    return ProcessEnded(f"{what}, killed by {name}.", hint=_SIGNAL_HINTS.get(name, _SIGNAL_HINT))


_EXIT_CODES = 256
_SIGNAL_HINT = "Usually a compiled extension misused memory, or the process killed itself."
_SIGNAL_HINTS = {
    "SIGKILL": "Usually it used more memory than the machine has; look for an array with a wrong shape.",
    "SIGSEGV": "Usually a compiled extension misused memory, or a recursion went too deep; don't raise "
    "Python's recursion limit.",
    "SIGSYS": "It asked the system for something that no homework needs: take that out.",
}
