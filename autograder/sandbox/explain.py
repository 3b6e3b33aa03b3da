"""Turns what the sandbox reports of an exception into a sentence that tells a student what to do.

A report is untrusted text: every field is checked and capped before it is used. The exception's own text may
hold hidden inputs (a student can raise with anything), so it goes to ``detail``, which callers show only for
public cases; what is always shown is the exception's type, the student's own line, and our hint.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import Any

from autograder.outcome import ProcessEnded, StudentException

_BUILTIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")
_TEXT = 600  # characters of an exception's text that a message may hold
_LINE = 120


@dataclass(frozen=True, slots=True)
class _Known:
    """A mistake that we know by the exception that it raises."""

    types: tuple[str, ...]
    pattern: str
    hint: str


_KNOWN: tuple[_Known, ...] = (
    _Known(
        ("AttributeError",),
        r"module 'numpy' has no attribute '(int|float|bool|object|str|complex|long|unicode)'",
        "`np.{0}` was removed in NumPy 1.24: write plain `{0}` in its place "
        "(for long: int, for unicode: str).",
    ),
    _Known(
        ("AttributeError",),
        r"(?:module 'numpy' has no attribute|`np\.)[ ']?(\w+)",
        "This NumPy has no `np.{0}`; look up its present name in NumPy's documentation.",
    ),
    _Known(
        ("SyntaxError",),
        r"Missing parentheses in call to '(print|exec)'",
        "This is Python 2 syntax: in Python 3 `{0}` is a function, so write {0}(...).",
    ),
    _Known(
        ("SyntaxError",),
        r"multiple exception types must be parenthesized|leading zeros in decimal|invalid decimal literal"
        r"|invalid string prefix",
        "This looks like Python 2 syntax; the homework is graded with Python 3.",
    ),
    _Known(("TabError",), r"", "Indent with spaces only: Python 3 refuses tabs mixed with spaces."),
    _Known(("IndentationError",), r"", "Check the indentation of that line and the one above it."),
    _Known(
        ("SyntaxError",), r"", "Python can't read this line, or the one above it; run the file once yourself."
    ),
    _Known(
        ("NameError",),
        r"name '(xrange|unicode|raw_input|reduce|long|basestring|unichr)' is not defined",
        "`{0}` is Python 2; in Python 3 write `range`, `str`, `input`, `functools.reduce` or `int`.",
    ),
    _Known(
        ("TypeError",),
        r"'(?:numpy\.)?float(?:64|32)?' object cannot be interpreted as an integer"
        r"|slice indices must be integers|expected a sequence of integers or a single integer",
        "In Python 3 `/` gives a float, also for whole numbers: use `//` where you "
        "compute a size or an index.",
    ),
    _Known(
        ("IndexError",),
        r"only integers, slices",
        "An index is a float: in Python 3 `/` gives a float, so use `//` to compute an index.",
    ),
    _Known(("NotImplementedError",), r"", "This function is not written yet."),
    _Known(("RecursionError",), r"", "A function calls itself without end."),
    _Known(
        ("MemoryError", "_ArrayMemoryError"),
        r"",
        "It asked for more memory than it may have: look for an array with a wrong shape.",
    ),
    _Known(
        ("BlockingIOError", "RuntimeError"),
        r"Resource temporarily unavailable|can't start new thread",
        "It started more processes or threads than it may have.",
    ),
    _Known(
        ("OSError",), r"File too large", "It wrote a larger file than it may; don't write files while graded."
    ),
    _Known(
        ("PermissionError",),
        r"",
        "It reached for a file outside the submission, or did something that is not allowed while graded.",
    ),
    _Known(
        ("FileNotFoundError",),
        r"",
        "Files outside your submission aren't there while it is graded: don't load data "
        "when the file is imported.",
    ),
    _Known(
        ("OSError",), r"not supported|Network is unreachable", "There is no network while you are graded."
    ),
    _Known(
        ("ImportError", "ModuleNotFoundError"),
        r"",
        "Check the spelling, and that the file it comes from is in your submission.",
    ),
    _Known(
        ("SystemExit", "KeyboardInterrupt"),
        r"",
        "Don't end the program from inside a function (exit(), sys.exit()).",
    ),
    _Known(
        ("ZeroDivisionError", "IndexError", "ValueError", "TypeError", "UnboundLocalError", "KeyError"),
        r"",
        "Try the function by hand with small arrays, for other strides, pads and shapes "
        "than the notebook's too.",
    ),
)


def explain(report: Any, doing: str) -> StudentException:
    """The problem that a report of the sandbox describes; any report, however odd, gives one."""
    report = report if isinstance(report, dict) else {}
    kind = str(report.get("type", ""))
    shown = kind if _BUILTIN.fullmatch(kind) else "an exception of its own"
    text = str(report.get("text", ""))[:_TEXT]
    if shown == "ModuleUnavailable":
        return StudentException(_unavailable(text, doing), exception=shown, hint=_where(report))
    hint = _hint(kind, text, report)
    where = _where(report)
    message = f"{_subject(doing)} raised {shown}{where and f' {where}'}."
    return StudentException(message, exception=shown, detail=text, hint=hint, staff=f"{shown}: {text}")


def _unavailable(text: str, doing: str) -> str:
    return f"{_subject(doing)} used {text.rstrip('.')}."


def _subject(doing: str) -> str:
    """What was going on, as the subject of a sentence: a function's name keeps its spelling."""
    return f"The {doing[4:]}" if doing.startswith("the ") else doing


def _hint(kind: str, text: str, report: dict[str, Any]) -> str:
    bases = report.get("bases")
    names = {kind, *(str(name) for name in bases[:10])} if isinstance(bases, list) else {kind}
    for known in _KNOWN:
        if names.isdisjoint(known.types):
            continue
        found = re.search(known.pattern, text)
        if found:
            return known.hint.format(*found.groups())
    return "Try the function by hand with small arrays until it runs."


def _where(report: dict[str, Any]) -> str:
    """The student's own innermost line: file, line number and source."""
    frames = report.get("frames")
    if not isinstance(frames, list) or not frames:
        return ""
    match frames[-1]:
        case [str(file), int(line), str(), str(source)]:
            quoted = f": `{source.strip()[:_LINE]}`" if source.strip() else ""
            return f"at {file[:200]}, line {line}{quoted}"
    return ""


def explain_exit(status: int | None, doing: str) -> ProcessEnded:
    """The problem of a process that ended without an answer; ``status`` is negative for a signal."""
    what = f"The process ended in the middle of {doing}"
    if status is None:
        return ProcessEnded(
            f"{what}.", hint="Don't end or kill processes, nor start programs, from your code."
        )
    if status >= 0:
        return ProcessEnded(
            f"{what}, with exit code {status}.",
            hint="Don't end the program from inside a function (os._exit(), exit()).",
        )
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if name == "SIGXCPU":
        return ProcessEnded(
            f"{what}: it used up its processor time.", hint="Look for a loop that never ends."
        )
    return ProcessEnded(
        f"{what}, killed by {name}.",
        hint="Usually this is memory that a compiled extension misused, or a process that killed itself.",
    )
