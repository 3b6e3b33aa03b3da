"""Progress bars as text, and questions that nobody is there to answer."""

from __future__ import annotations

import builtins
import os
import sys
from typing import Any, NoReturn

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.patching import patch_on_import

WIDGETS, INPUT = "widgets", "input"
_BAR_COLUMNS = 100


def install(context: Context) -> None:
    os.environ.setdefault("TQDM_NCOLS", str(_BAR_COLUMNS))  # there is no terminal to be as wide as
    patch_on_import(context, "tqdm.notebook", _patch_tqdm)
    patch_on_import(context, "fastprogress.fastprogress", _patch_fastprogress)
    patch_on_import(context, "getpass", _patch_getpass)
    builtins.input = _nobody(context, "input")


def _nobody(context: Context, name: str) -> Any:
    def function(prompt: object = "", *_: Any, **__: Any) -> NoReturn:
        context.used(INPUT, f"{name}({str(prompt)[:100]!r})")
        raise EOFError(
            f"{name}(): nobody can type an answer while you are graded. Write the value into the cell."
        )

    function.__name__ = function.__qualname__ = name
    return function


def _patch_getpass(context: Context, module: Any) -> None:
    module.getpass = _nobody(context, "getpass")


def _patch_tqdm(context: Context, notebook: Any) -> None:
    std: Any = sys.modules["tqdm.std"]

    class Bar(std.tqdm):  # type: ignore[misc]  # tqdm has no types
        """The bar that a terminal gets; what a widget alone understands is dropped."""

        def __init__(self, *args: Any, **keywords: Any) -> None:
            context.used(WIDGETS, "tqdm as text")
            keywords.pop("display", None)
            if keywords.get("ncols") is None or isinstance(keywords["ncols"], str):  # "100%" is a widget's
                keywords["ncols"] = _BAR_COLUMNS
            super().__init__(*args, **keywords)

        def display(self, *args: Any, **keywords: Any) -> Any:
            keywords = {name: value for name, value in keywords.items() if name in ("msg", "pos")}
            return super().display(*args[:2], **keywords)

    def trange(*args: Any, **keywords: Any) -> Bar:
        return Bar(range(*args), **keywords)

    Bar.__name__ = Bar.__qualname__ = "tqdm"
    notebook.tqdm = notebook.tqdm_notebook = Bar
    notebook.trange = notebook.tnrange = trange


def _patch_fastprogress(context: Context, module: Any) -> None:
    """fastai's bars and its table of epochs, as it writes them to a terminal."""
    real = getattr(module, "force_console_behavior", None)
    if real is None:
        return
    master, bar = real()

    class Master(master):  # type: ignore[misc,valid-type]  # it has no types
        def __init__(self, *args: Any, **keywords: Any) -> None:
            context.used(WIDGETS, "fastprogress as text")
            for name in ("names", "hdrs"):  # which the notebook's bar alone knows
                keywords.pop(name, None)
            super().__init__(*args, **keywords)

    module.master_bar, module.progress_bar = Master, bar
