"""Were the installed torch and torchvision built for each other? Tried in a process of its own, because this
one has no use for them, and because importing both takes seconds."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from autograder.outcome import EnvironmentFault
from autograder.sandbox.vision import IMAGES, NAME, OPERATORS, OperatorMissing, install, why_unloadable

REINSTALL = (
    "Delete the environment '{environment}' and run `scripts/environment torch` where PyTorch's own index "
    "can be reached: it takes both from there."
)
_ENGINE = Path(__file__).resolve().parents[2]
_TRY_S = 120.0  # both imports from a cold disk; 4 s from a warm one
_LONGEST = 300  # characters of what is quoted


@dataclass(frozen=True, slots=True)
class Pair:
    """The versions, empty where one isn't installed, and what was found wrong, empty where nothing was."""

    torch: str
    torchvision: str
    operators: str = ""  # why torchvision's operators can't be loaded
    images: str = ""  # why torchvision.io can't read images
    broken: str = ""  # what using them raised, mended as they are in the sandbox

    @property
    def complete(self) -> bool:
        return bool(self.torch and self.torchvision)


def installed() -> Pair:
    """The versions alone, without importing anything."""
    return Pair(_version("torch"), _version(NAME))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


@cache
def examined() -> Pair:
    """The installed pair, after it was tried."""
    pair = installed()
    return Trial(pair).result() if pair.complete else pair


@cache
def examined_in(python: str) -> Pair:
    """The pair of an assignment's own environment, whose interpreter this is, after it was tried."""
    return Trial(Pair("", ""), python).result()


def fault_behind(exception: str, python: str = "") -> EnvironmentFault | None:
    """The fault of ours behind an exception that student code reports to have raised, if there is one.

    Student code may say whatever it likes, so this is believed only where the pair really doesn't fit, in the
    environment that the code ran in: ``python`` is its interpreter, "" for ours.
    """
    if exception != OperatorMissing.__name__:
        return None
    pair = examined_in(python) if python else examined()
    if not pair.operators and not pair.images:
        return None
    return EnvironmentFault(
        f"The submission needs a part of torchvision that can't be loaded here: torch {pair.torch} and "
        f"torchvision {pair.torchvision} were not built for each other ({pair.operators or pair.images}).",
        remedy=REINSTALL.format(environment=Path(python).parent.parent if python else sys.prefix),
    )


# --- trying -------------------------------------------------------------------------------------------

_BOOT = """
import sys
sys.path.insert(0, sys.argv[1])
from autograder.sandbox import vision_pair
sys.path.pop(0)
vision_pair.answer()
"""


class Trial:
    """A process that tries the pair, started at once, so that other things can be done meanwhile."""

    def __init__(self, pair: Pair, python: str = "") -> None:
        self._pair = pair
        self._process = subprocess.Popen(  # noqa: S603
            [python or sys.executable, "-I", "-B", "-W", "ignore", "-c", _BOOT, str(_ENGINE)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "OMP_NUM_THREADS": "1"},
        )

    def result(self) -> Pair:
        try:
            told, errors = self._process.communicate(timeout=_TRY_S)
        except subprocess.TimeoutExpired:
            self.stop()
            return replace(self._pair, broken=f"importing them took more than {_TRY_S:g} s")
        try:
            return replace(self._pair, **json.loads(told.splitlines()[-1]))
        except (IndexError, ValueError, TypeError):
            last = (errors.strip().splitlines() or [f"it ended with {self._process.returncode}"])[-1]
            return replace(self._pair, broken=last[:_LONGEST])

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def answer() -> None:
    """Try the pair in this process, and print what was found wrong."""
    spec = importlib.util.find_spec(NAME)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{NAME} is listed as installed, but it can't be found")
    folder = Path(spec.submodule_search_locations[0])
    found = {"torch": _version("torch"), "torchvision": _version(NAME)}
    found |= {"operators": why_unloadable(folder, OPERATORS), "images": why_unloadable(folder, IMAGES)}
    install()
    try:
        _use()
    except Exception as error:
        found["broken"] = f"{type(error).__name__}: {error}"
    print(json.dumps({name: text[:_LONGEST] for name, text in found.items()}))


def _use() -> None:
    """What homework does most: transform an image, run a model."""
    torch: Any = importlib.import_module("torch")
    torchvision: Any = importlib.import_module(NAME)
    small = torchvision.transforms.Resize(8)(torch.zeros(1, 3, 16, 16))
    torchvision.models.resnet18(num_classes=2).eval()(small)
