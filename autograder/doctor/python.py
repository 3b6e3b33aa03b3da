"""The interpreter and its packages: are they there, and can the sandbox's user use them?"""

from __future__ import annotations

import os
import platform
import shlex
import stat
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from autograder.doctor.finding import Finding, State
from autograder.doctor.needs import Needs, names
from autograder.doctor.trying import as_boxes_run, last_line
from autograder.outcome import Fault
from autograder.sandbox.vision import NEED_IMAGES, NEED_OPERATORS
from autograder.sandbox.vision_pair import REINSTALL, Pair

OLDEST = (3, 11)
_NUMPY_AGAIN = "Run `scripts/environment` again."
_GET_TORCH = "Run `scripts/environment torch`."


def interpreter() -> Finding:
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info >= OLDEST:
        return Finding.ok("Python", found)
    return Finding.failed("Python", found, "Install Python 3.11 or later, and run `scripts/environment`.")


def numpy(version: str) -> Finding:
    return Finding.ok("NumPy", version) if version else Finding.failed("NumPy", "missing", _NUMPY_AGAIN)


# --- readable by others -------------------------------------------------------------------------------


def places() -> list[Path]:
    """Where the interpreter and the packages lie."""
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return [Path(sys.executable), Path(sys.executable).resolve(), *dict.fromkeys(map(Path, folders))]


def first_closed(paths: Iterable[Path]) -> Path | None:
    """The outermost of these files and folders, and of the folders above them, that others can't use.

    In a folder of packages, each entry counts too: a package installed with a strict umask is closed alone.
    """
    for path in paths:
        for place in (*reversed(path.parents), path):
            if _is_closed(place, listed=place == path):
                return place
        if path.is_dir():
            with os.scandir(path) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if _is_closed(Path(entry.path), listed=True):
                        return Path(entry.path)
    return None


def _is_closed(path: Path, *, listed: bool) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False  # a dangling link, or a folder that this build of Python doesn't have
    needed = (stat.S_IXOTH if stat.S_ISDIR(mode) else 0) | (stat.S_IROTH if listed else 0)
    return mode & needed != needed


def readable(paths: Sequence[Path]) -> Finding:
    """Can the user that student code runs as start this same Python?"""
    name = "interpreter readable"
    if os.geteuid() != 0:
        return Finding.ok(name, "yes: an ordinary user's sandbox runs as that user")
    closed = first_closed(paths)
    if closed is not None:
        mode = stat.S_IMODE(closed.stat().st_mode)
        above = any(
            closed in path.parents for path in paths
        )  # a home, perhaps: opened no further than needed
        command = f"chmod {'o+x' if above else '-R go+rX'} {shlex.quote(str(closed))}"
        return Finding.failed(
            name,
            f"{str(closed)!r} is closed to other users (mode {mode:04o}); student code runs as one of them",
            f"Run `{command}`; or, if that place should stay closed, put the environment elsewhere: "
            "`export AUTOGRADER_ENV=/opt/autograder/env`, then `scripts/environment`.",
        )
    return _same_python(name)


def _same_python(name: str) -> Finding:
    code = "import sys; print(repr(sys.version), sys.base_prefix)"
    try:
        uid, done = as_boxes_run([sys.executable, "-I", "-S", "-c", code])
    except Fault as fault:
        return Finding.failed(name, fault.message, fault.remedy)
    except OSError as error:
        return Finding.failed(name, f"it can't be started as another user: {error}", _ELSEWHERE)
    expected = f"{sys.version!r} {sys.base_prefix}"
    if done.returncode != 0:
        return Finding.failed(name, f"as user {uid} it fails: {last_line(done.stderr)}", _ELSEWHERE)
    if done.stdout.strip() != expected:
        found = f"as user {uid} it is another Python: {done.stdout.strip()}, here {expected}"
        return Finding.failed(name, found, _ELSEWHERE)
    return Finding.ok(name, f"yes: as user {uid} it is the same Python")


_ELSEWHERE = (
    "Use a Python whose files everybody can read, such as the system's: `export AUTOGRADER_PYTHON="
    "/usr/bin/python3 AUTOGRADER_ENV=/opt/autograder/env`, then `scripts/environment`."
)


# --- torch --------------------------------------------------------------------------------------------


def torch(pair: Pair, needs: Needs) -> Iterator[Finding]:
    """torch and torchvision: there, and built for each other?"""
    for name, version in (("torch", pair.torch), ("torchvision", pair.torchvision)):
        wanted = needs.importing(name)
        if version:
            yield Finding.ok(name, version)
        elif wanted:
            yield Finding(name, needs.stopping(wanted), f"missing, and {names(wanted)} needs it", _GET_TORCH)
        else:
            yield Finding.ok(name, "not installed, and no assignment here asks for it")
    if pair.complete:
        yield _fit(pair, needs)


def _fit(pair: Pair, needs: Needs) -> Finding:
    name = "torch and torchvision"
    remedy = REINSTALL.format(environment=sys.prefix)
    if pair.broken:
        wanted = {each.name: each for package in name.split(" and ") for each in needs.importing(package)}
        state = needs.stopping(wanted.values())
        state = State.WARNING if state is State.OK else state
        return Finding(name, state, f"importing them fails: {pair.broken}", remedy)
    if pair.operators:
        lacking = [*NEED_OPERATORS, *(NEED_IMAGES if pair.images else ())]
        return Finding.warning(
            name,
            f"not built for each other ({pair.operators}). Mended in the sandbox: transforms, data sets, "
            "models and utils work. Without implementation, and a fault of ours where student code needs "
            f"them: {', '.join(lacking)}",
            remedy,
        )
    if pair.images:
        return Finding.warning(
            name, f"fit, but torchvision.io can't read or write images: {pair.images}", remedy
        )
    return Finding.ok(name, "fit: a transform and a model run")
