"""Tells a student's own code from the libraries' that it calls."""

from __future__ import annotations

import ast
import linecache
import sys
import sysconfig
from pathlib import Path
from types import FrameType

_OURS = str(Path(__file__).parent)
_LIBRARIES = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    "<frozen",
    "<__array_function__",
)
_CATCHES_IMPORT_ERROR = frozenset(("ImportError", "ModuleNotFoundError", "Exception", "BaseException"))


def is_students(frame: FrameType | None) -> bool:
    """Whether a frame runs code of the notebook or of a file beside it."""
    return frame is not None and not frame.f_code.co_filename.startswith((*_LIBRARIES, _OURS))


def importer() -> FrameType | None:
    """The frame whose import statement is being carried out."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_machinery(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _is_machinery(filename: str) -> bool:
    return "importlib" in filename or filename.startswith(_OURS)


def has_fallback(frame: FrameType) -> bool:
    """Whether the line that ``frame`` is at lies in the body of a ``try`` that catches a failed import."""
    source = "".join(linecache.getlines(frame.f_code.co_filename))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    line = frame.f_lineno
    return any(
        any(_catches(handler) for handler in node.handlers)
        and node.body[0].lineno <= line <= (node.body[-1].end_lineno or line)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
    )


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in _CATCHES_IMPORT_ERROR for kind in kinds)
