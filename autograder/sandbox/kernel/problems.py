"""What messages say of an exception that isn't ours."""

from __future__ import annotations

_TEXT = 200


def first_line(error: BaseException) -> str:
    """Its class and the first line of its text."""
    try:
        text = str(error)
    except Exception:  # a class of the student's own
        text = ""
    return f"{type(error).__name__}: {' '.join(text.strip().partition(chr(10))[0].split())}"[:_TEXT]
