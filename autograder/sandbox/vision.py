"""Lets `import torchvision` work where the installed torch and torchvision weren't built for each other.

torchvision loads a compiled extension, and takes it quietly if that fails. But a few lines later it describes
two operators that only the extension declares, and dies of `operator torchvision::nms does not exist`, with
everything that needs no operator at all: transforms, data sets, models. Declaring the two is enough for all
of that. What does need the extension keeps failing, and says whose fault it is; nothing is computed in its
place, so no result can be a wrong one.

`install` puts a finder in front that does this when torchvision is really imported, by whomever: the fork
server, a submission long after, or nobody. Before that it imports nothing, least of all torch. Where the pair
fits, the extension loads, and nothing is changed. vision_pair.py tells staff which it is.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

NAME = "torchvision"
OPERATORS, IMAGES = "_C", "image"  # the two extensions
_BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
# What torchvision describes on import without asking whether the extension was loaded (seen in 0.28).
_SCHEMAS = {"nms": _BOXES, "qnms": _BOXES}
# What has no other implementation than the extensions'. Detection models call the first two of these.
NEED_OPERATORS = tuple("nms batched_nms roi_pool ps_roi_align ps_roi_pool deform_conv2d".split())
NEED_IMAGES = tuple(
    "read_image decode_image decode_jpeg decode_png decode_gif decode_webp encode_jpeg encode_png "
    "write_jpeg write_png read_file write_file".split()
)


class OperatorMissing(RuntimeError):
    """Raised where student code calls what only an extension can do. It is never the student's doing."""


def install() -> None:
    """Have torchvision mended when it is first imported, in this process or in one forked from it.

    Call it before any student code is in reach: what is installed now is what will be mended, and nothing
    that a submission calls torchvision.
    """
    installed = PathFinder.find_spec(NAME)
    if installed is not None and installed.origin is not None:
        sys.meta_path.insert(0, _Finder(installed.origin))


class _Finder(MetaPathFinder):
    def __init__(self, origin: str) -> None:
        self._origin = origin

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == NAME else None
        if spec is None or spec.loader is None or spec.origin != self._origin:
            return None
        spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Runs once, around the import of torchvision itself."""

    def __init__(self, usual: Loader) -> None:
        self._usual = usual

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._usual.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._usual  # whoever looks finds the usual one
        with contextlib.suppress(ImportError):  # no torch, or it is forbidden: torchvision will say so itself
            _declare_if_missing(Path(module.__path__[0]))
        self._usual.exec_module(module)
        _speak_plainly()


_declared: list[Any] = []  # a declaration lasts as long as the object that made it


def _declare_if_missing(folder: Path) -> None:
    torch: Any = importlib.import_module("torch")  # which torchvision is about to import anyway
    if not why_unloadable(folder, OPERATORS):
        return
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library(NAME, "FRAGMENT")
            library.define(name + schema)
            library.impl(name, _refuse, "CPU")
            _declared.append(library)


def why_unloadable(folder: Path, extension: str) -> str:
    """Why this extension of the torchvision in ``folder`` can't be loaded into this torch, or nothing."""
    torch: Any = importlib.import_module("torch")
    files = [folder / f"{extension}{suffix}" for suffix in EXTENSION_SUFFIXES]
    file = next(filter(Path.is_file, files), None)
    if file is None:
        return f"torchvision was built without {extension}{EXTENSION_SUFFIXES[-1]}"
    try:
        torch.ops.load_library(str(file))
    except OSError as error:
        return str(error.__cause__ or error)
    return ""


def _speak_plainly() -> None:
    """Put our words in place of torchvision's, which tell a student to install it again."""
    refusals = {
        demand
        for asked, question, demand in (
            ("extension", "_has_ops", "_assert_has_ops"),
            ("io.image", "_has_image_ops", "_assert_has_image_ops"),
        )
        if _denies(f"{NAME}.{asked}", question)
    }
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{NAME}."):
            for demand in refusals & vars(module).keys():
                vars(module)[demand] = _refuse
    _spare_the_compiler()


def _spare_the_compiler() -> None:
    """Have roi_align, which has a second implementation in Python, run that as it is.

    Without the extension torchvision compiles it on first use, for which a box has no compiler.
    """
    module = sys.modules.get(f"{NAME}.ops.roi_align")
    plain = getattr(getattr(module, "_roi_align", None), "__wrapped__", None)
    if plain is not None and _denies(f"{NAME}.extension", "_has_ops"):
        vars(module)["_roi_align"] = plain


def _denies(module: str, question: str) -> bool:
    """Whether a function of a module says no. Another release may have no such function."""
    function = getattr(sys.modules.get(module), question, None)
    return function is not None and not function()


def _refuse(*_: Any, **__: Any) -> NoReturn:
    caller = sys._getframe(1).f_code.co_name
    what = f"{NAME}'s {caller}()" if caller in NEED_OPERATORS + NEED_IMAGES else f"This part of {NAME}"
    raise OperatorMissing(
        f"{what} can't run where you are graded: the torch and torchvision installed there were not built "
        "for each other. That is no fault of your code: tell the course staff."
    )
