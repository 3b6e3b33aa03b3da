"""Tells a student's own code from the libraries' that it calls."""

from __future__ import annotations

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
