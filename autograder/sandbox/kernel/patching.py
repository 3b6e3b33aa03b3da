"""Changes a library when it is imported, and never lets a failure of ours become a student's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.late import when_imported

KIND = "fault"  # an accommodation of ours that didn't fit the library's version: for staff


def patch_on_import(context: Context, name: str, patch: Callable[[Context, Any], None]) -> None:
    """Call ``patch`` with the context and the module ``name`` once that is imported."""

    def carefully(module: Any) -> None:
        with named(context, f"{name}: {patch.__name__}"):
            patch(context, module)

    when_imported(name, carefully)


@contextlib.contextmanager
def named(context: Context, what: str) -> Iterator[None]:
    """Have a failure reported in place of raised: the library then does what it does by itself."""
    try:
        yield
    except Exception as error:  # another release may have moved anything
        context.used(KIND, f"{what}: {type(error).__name__}: {error}")
