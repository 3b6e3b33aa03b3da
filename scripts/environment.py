"""Makes the Python environment; `scripts/environment` is the way in, and says where it lies.

Run by the interpreter that the environment is made from, so it uses nothing but the standard library:

    environment.py check                    prints this interpreter's real path, or why it won't do (exit 1)
    environment.py make FOLDER KEY WANT     makes FOLDER, or adds WANT to it
    environment.py make FOLDER KEY assignment REQUIREMENTS

pyproject.toml is the one list of what is needed and requirements/constraints.txt pins every package; an
assignment's environment holds what its requirements.txt and requirements/worker.txt ask for. A virtual
environment can't be moved, so it is built where it will lie. What makes that safe: one builder at a time (a
file lock that pip inherits, so not even a builder's death frees it while pip still writes), and the file
`complete`, written last. A folder without it is rebuilt from nothing.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"
WORKER = ROOT / "requirements" / "worker.txt"
COPY = "requirements.txt"  # in an assignment's environment: what it was made from
OURS = "made-by-autograder"  # the file that says a folder may be deleted and made anew
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"  # PyPI's Linux build brings gigabytes of CUDA
TORCH_INDEX_WAIT_S = 5
PIP_DISTRACTIONS = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_CONSTRAINT")


class EnvironmentTrouble(Exception):
    """The environment can't be made; ``remedy`` says what to do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


# --- which interpreter ---------------------------------------------------------------------------------


def closed_to_others(path: Path) -> str:
    """Why another user can't use ``path``, or nothing. Student code runs as another user."""
    for place in (path, *path.parents):
        mode = place.stat().st_mode
        needed = stat.S_IXOTH if place != path else stat.S_IXOTH | stat.S_IROTH
        if mode & needed != needed:
            return f"{str(place)!r} is closed to other users (mode {stat.S_IMODE(mode):04o})"
    return ""


def refusal() -> str:
    """Why this interpreter can't serve, or nothing."""
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian ships them apart from python3: that is the question
        import ssl  # noqa: F401, PLC0415
        import venv  # noqa: F401, PLC0415
    except ImportError as error:
        return f"lacks a part of the standard library ({error}); Debian and Ubuntu have it in python3-venv"
    if os.geteuid() == 0:
        for place in (Path(sys.executable).resolve(), Path(sysconfig.get_path("stdlib")).resolve()):
            if why := closed_to_others(place):
                return f"{why}, and student code runs as one of them"
    return ""


# --- making it -----------------------------------------------------------------------------------------


def say(text: str) -> None:
    print(f"autograder: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Hold the folder's lock, and yield its descriptor for those who must keep it held."""
    lock = folder.with_name(folder.name + ".lock")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is making {str(folder)!r}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def installed(folder: Path, key: str) -> list[str]:
    """What a complete environment for these requirements holds; nothing where there is none."""
    try:
        words = (folder / "complete").read_text().split()
    except FileNotFoundError:
        return []
    return words[1:] if words[:1] == [key] and os.access(folder / "bin" / "python", os.X_OK) else []


def clear(folder: Path) -> None:
    """Empty the folder for a new start, if it is ours to empty."""
    if folder.exists() and any(folder.iterdir()) and not (folder / OURS).exists():
        raise EnvironmentTrouble(
            f"{str(folder)!r} holds something that this script did not make",
            "name an empty or a new folder in AUTOGRADER_ENV, or unset it",
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OURS).write_text("Made by scripts/environment. May be deleted: it is made anew when needed.\n")
    if os.geteuid() == 0 and (why := closed_to_others(folder.resolve())):
        raise EnvironmentTrouble(
            f"{why}, and student code runs as one of them",
            "open it with chmod 755, or name another folder in AUTOGRADER_ENV",
        )


def requirements(want: str) -> list[str]:
    """The requirement lines of pyproject.toml for ``want``; every environment holds the base ones."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines: list[str] = list(project["dependencies"])
    return lines if want == "base" else lines + project["optional-dependencies"][want]


_NAME = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
_WITH_VERSION = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*\(?(?:[=<>!~]=|[<>@])")
# What would make the environment depend on more than the file's own text.
_ELSEWHERE = re.compile(
    r"\s*(-r|-c|-e|--requirement|--constraint|--editable)\b|\s*[./]|[^#]*(?:@|\s)\s*file:", re.IGNORECASE
)


def canonical(name: str) -> str:
    """A package's name as all its spellings are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_requirements(path: Path) -> list[str]:
    """The lines of an assignment's requirements.txt; raises EnvironmentTrouble where one leads elsewhere."""
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        lines = content.decode(encoding).splitlines()
    except UnicodeDecodeError as error:
        raise EnvironmentTrouble(f"{str(path)!r} is no text: {error}", "save it as UTF-8") from error
    for number, line in enumerate(lines, start=1):
        if _ELSEWHERE.match(line):
            raise EnvironmentTrouble(
                f"{str(path)!r}, line {number}: {line.strip()[:100]!r} names another file or folder",
                "write the packages themselves into this one file, which may travel without its neighbours",
            )
    return lines


def pins_beside(requirements: list[str]) -> list[str]:
    """Our pins but for the packages whose version these requirements settle themselves."""
    settled = {canonical(found[1]) for line in requirements if (found := _WITH_VERSION.match(line))}
    pins = CONSTRAINTS.read_text().splitlines()
    return [pin for pin in pins if not (name := _NAME.match(pin)) or canonical(name[1]) not in settled]


def torch_index() -> list[str]:
    """pip's options for PyTorch's own index of CPU builds, where that is of use and can be reached."""
    if sys.platform != "linux":
        return []  # elsewhere PyPI's build is the CPU build
    if os.environ.get("PIP_NO_INDEX"):
        return []
    try:
        # S310 fears other schemes: the address is the constant above
        with urllib.request.urlopen(f"{TORCH_CPU_INDEX}/torch/", timeout=TORCH_INDEX_WAIT_S):  # noqa: S310
            say("PyTorch comes from its own index of CPU builds")
            return ["--extra-index-url", TORCH_CPU_INDEX]
    except (urllib.error.URLError, OSError):
        say("PyTorch's index of CPU builds can't be reached; taking PyTorch from pip's usual index")
        return []


def run_logged(command: list[str], log: IO[str], lock: int) -> int:
    """Run a command with its output in the log; on a terminal, show what it is at."""
    environment = {name: value for name, value in os.environ.items() if name not in PIP_DISTRACTIONS}
    environment |= {"PIP_USER": "0", "PIP_NO_INPUT": "1"}  # a `user = true` in pip.conf would break it
    live = sys.stderr.isatty()
    with subprocess.Popen(  # noqa: S603 - pip and venv, with requirements from our own files
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        pass_fds=[lock],
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            log.flush()
            if live and line.startswith(("Collecting", "  Downloading", "Installing", "Building")):
                print(f"\r\033[K  {line.strip()[:76]}", end="", file=sys.stderr, flush=True)
    if live:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return process.returncode


def trouble_in(log_path: Path, doing: str, asked: Path | None = None) -> EnvironmentTrouble:
    """The failure of a logged command, with the lines of its log that matter."""
    lines = log_path.read_text(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("ERROR:")] or lines[-3:]
    quoted = "".join(f"\n    {line[:200]}" for line in errors[:3])
    if asked and any("ResolutionImpossible" in line or "conflict" in line for line in lines):
        return EnvironmentTrouble(
            f"the packages in {str(asked)!r} don't go together:{quoted}\n  The whole log: {str(log_path)!r}",
            "give a version there for each package that the log names: that overrules our own pin of it",
        )
    return EnvironmentTrouble(
        f"{doing} failed:{quoted}\n  The whole log is in {str(log_path)!r}",
        "mend that (no network? a full disk? a proxy that pip doesn't know?) and run the same command again",
    )


def install(folder: Path, want: str, asked: Path | None, log_path: Path, lock: int) -> None:
    """Make the virtual environment where there is none, and install the pinned packages into it.

    ``asked`` is an assignment's requirements.txt.
    """
    python = folder / "bin" / "python"
    with log_path.open("a") as log:
        if not python.exists():
            make = [sys.executable, "-I", "-m", "venv", str(folder)]
            if run_logged(make, log, lock):
                raise trouble_in(log_path, "making the virtual environment")
        what, pins = what_to_install(folder, want, asked)
        options = ["--progress-bar", "off", "--no-warn-script-location", "--root-user-action", "ignore"]
        if asked or any(line.startswith("torch") for line in what):  # theirs may need it without naming it
            options += torch_index()
        pip = [str(python), "-I", "-m", "pip", "install", "--constraint", str(pins)]
        if run_logged([*pip, *options, *what], log, lock):
            raise trouble_in(log_path, "installing the packages", asked)


def what_to_install(folder: Path, want: str, asked: Path | None) -> tuple[list[str], Path]:
    """pip's arguments that say what is wanted, and the file of pins."""
    if asked is None:
        return requirements(want), CONSTRAINTS
    lines, copy, pins = read_requirements(asked), folder / COPY, folder / CONSTRAINTS.name
    shutil.copyfile(asked, copy)
    pins.write_text("\n".join([*pins_beside(lines), ""]), encoding="utf-8")
    return ["--requirement", str(WORKER), "--requirement", str(copy)], pins


def make(folder: Path, key: str, want: str, asked: Path | None = None) -> None:
    """Bring the environment to hold ``want``, whatever state it is found in.

    ``asked`` is the requirements.txt of the assignment that is to have an environment of its own.
    """
    started = time.monotonic()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder) as lock:
        have = installed(folder, key)
        if want in have:
            return  # another process made it while this one waited
        log_path = folder.with_name(folder.name + ".log")
        complete = folder / "complete"
        version = sys.version.split()[0]
        if have:
            say(f"adding {want!r} to the Python environment {str(folder)!r}")
            complete.unlink()
        else:
            whose = f"Python environment of {str(asked.parent)!r}" if asked else "Python environment"
            say(f"making the {whose} at {str(folder)!r} with Python {version} (once; about a minute)")
            clear(folder)
            log_path.write_text("")
        try:
            install(folder, want, asked, log_path, lock)
        except EnvironmentTrouble:
            if have:  # pip said no and put things back, so what was there still stands
                mark(complete, key, have)
            raise
        mark(complete, key, [want] if asked else sorted({"base", want, *have}))
    say(f"the environment is ready after {time.monotonic() - started:.0f} s")


def mark(complete: Path, key: str, extras: list[str]) -> None:
    """Write the file that vouches for the rest, in one step."""
    draft = complete.with_suffix(".new")
    draft.write_text(" ".join([key, *extras]) + "\n")
    draft.replace(complete)


def main(arguments: list[str]) -> int:
    os.umask(0o022)  # whatever root's own habit: the sandbox's user has to read all this
    if arguments == ["check"]:
        why = refusal()
        print(why or Path(sys.executable).resolve())
        return 1 if why else 0
    _, folder, key, want, *asked = arguments
    try:
        make(Path(folder).absolute(), key, want, Path(asked[0]).absolute() if asked else None)
    except EnvironmentTrouble as trouble:
        say(f"{trouble}.\nNext: {trouble.remedy}.")
    except OSError as error:
        say(f"the environment can't be written: {error}.\nNext: free or open that place, or name another in")
        print("AUTOGRADER_ENV, then run the same command again.", file=sys.stderr)
    except KeyboardInterrupt:
        say("interrupted; nothing half-made will be used, the next start begins anew")
        return 130
    else:
        return 0
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
