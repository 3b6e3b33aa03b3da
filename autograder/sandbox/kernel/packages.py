"""Answers to `pip install` and the like: nothing can be installed, so what counts is what is there."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from autograder.sandbox.kernel.context import Context

KIND = "packages"
# Packages whose module has another name.
_MODULES = {
    "opencv-python": "cv2", "opencv-python-headless": "cv2", "scikit-learn": "sklearn", "sklearn": "sklearn",
    "scikit-image": "skimage", "pillow": "PIL", "pyyaml": "yaml", "beautifulsoup4": "bs4",
    "torch-summary": "torchsummary",
    "pytorch-lightning": "pytorch_lightning", "python-dateutil": "dateutil", "tensorflow-gpu": "tensorflow",
}  # fmt: skip
_VALUE_OPTIONS = frozenset(
    "-i --index-url --extra-index-url -f --find-links -c --constraint -t --target --trusted-host --prefix "
    "--root --platform --python-version --timeout --retries --proxy -n --name -p -P --channel".split()
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command would have printed, and its exit code."""

    text: str
    code: int = 0


def answer(context: Context, tool: str, words: list[str], folder: Path) -> Answer:
    """To ``tool words...``, as in `pip install -q torchsummary`, typed in ``folder``."""
    command = next((word for word in words if not word.startswith("-")), "")
    if tool not in ("pip", "conda") or command not in ("install", "download", "create", "update"):
        return _other(context, tool, command, words)
    names = _requested(words[words.index(command) + 1 :], folder, is_conda=tool == "conda")
    there = {name: _installed(name) for name in names}
    missing = [name for name, version in there.items() if version is None]
    for name, version in there.items():
        context.used(KIND, f"{name}: {version or 'not installed here'}")
    lines = [
        f"Requirement already satisfied: {name} ({version})"
        for name, version in there.items()
        if version is not None
    ]
    if missing:
        listed = ", ".join(missing)
        lines.append(f"Nothing can be installed where this notebook is run; missing here: {listed}")
    # Never a failure: many install what they don't use. The import says what is missing, if it comes to that.
    return Answer("".join(f"{line}\n" for line in lines))


def _other(context: Context, tool: str, command: str, words: list[str]) -> Answer:
    asked = " ".join((tool, *words))[:100]
    if tool == "pip" and command in ("list", "freeze"):
        found = sorted({(one.name, one.version) for one in metadata.distributions()})
        return Answer("".join(f"{name}=={version}\n" for name, version in found))
    if tool == "pip" and command == "show":
        found_too = {name: _installed(name) for name in words[words.index(command) + 1 :] if name[0] != "-"}
        return Answer("".join(f"Name: {name}\nVersion: {version}\n" for name, version in found_too.items()))
    context.used(KIND, f"{asked}: nothing was installed or removed")
    return Answer(f"{asked}: nothing can be installed or removed where this notebook is run\n")


def _requested(words: list[str], folder: Path, *, is_conda: bool) -> list[str]:
    names, left = [], list(words)
    while left:
        word = left.pop(0)
        if word in ("-r", "--requirement") and left:
            names += _from_file(folder / left.pop(0))
        elif word in _VALUE_OPTIONS or (is_conda and word == "-c"):
            del left[:1]
        elif not word.startswith("-"):
            names.append(_name_of(word))
    return [name for name in dict.fromkeys(names) if name]


def _from_file(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()[:200]
    except OSError:
        return []
    return [_name_of(line.strip()) for line in lines if line.strip() and line.strip()[0] not in "#-"]


def _name_of(requirement: str) -> str:
    """ "timm" for `timm`, `timm>=0.9`, `timm[extra]`, `timm @ https://...`, `git+https://host/who/timm.git`."""
    if "://" in requirement and " @ " not in requirement:
        last = requirement.partition("#egg=")
        path = last[2] or re.sub(r"\.git(@.*)?$|@[^/]*$", "", last[0].rstrip("/"))
        return path.rpartition("/")[2]
    if requirement in (".", "./") or requirement.startswith(("./", "../", "/")):
        return ""  # the submission's own
    found = _NAME.match(requirement)
    return found[0] if found else ""


def _installed(name: str) -> str | None:
    """The version of a package, "there" for one without; None when it can't be imported."""
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        module = _MODULES.get(name.lower(), name.replace("-", "_"))
    try:
        return "there" if importlib.util.find_spec(module.partition(".")[0]) is not None else None
    except (ImportError, ValueError):
        return None
