"""Runs cells in a shell with every accommodation, in a process of its own: they change torch for good.

Reads a JSON document with the cells from its standard input and writes what came of each to its last line.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from autograder.sandbox import vision
from autograder.sandbox.kernel import accommodations
from autograder.sandbox.kernel.context import Context


def main() -> None:
    asked = json.loads(sys.stdin.read())
    vision.install()
    for name in asked["preload"]:
        __import__(name)
    context = Context(Path(asked["tree"]), Path(asked["data"]) if asked["data"] else None)
    os.chdir(asked["folder"])
    sys.path.insert(0, asked["folder"])
    accommodations.install_all(context)
    shell = _shell()
    accommodations.install_shell(shell, context)
    results = []
    for context.cell, cell in enumerate(asked["cells"], start=1):
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            result = shell.run_cell(cell)
        error = result.error_before_exec or result.error_in_exec
        results.append(
            {
                "text": out.getvalue(),
                "error": f"{type(error).__name__}: {error}" if error is not None else "",
                "uses": [[use.kind, use.detail] for use in context.uses if use.cell == context.cell],
            }
        )
    sys.__stdout__.write("\n" + json.dumps(results))  # type: ignore[union-attr]  # it is there


def _shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell  # noqa: PLC0415
    from traitlets.config import Config  # noqa: PLC0415

    class Shell(InteractiveShell):
        def enable_gui(self, gui: Any = None) -> None:
            """There is none."""

    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.xmode = "Minimal"
    return Shell.instance(config=config)


if __name__ == "__main__":
    main()
