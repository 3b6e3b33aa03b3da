"""The image that the docker backend runs submissions in: an interpreter and packages, and nothing hidden.

The `Dockerfile` is the one that Gradescope's image is built by; what differs is the build context, which
holds no grader, no reference and no fixture. An assignment with an environment of its own gets an image of
its own, whose context holds its requirements.txt besides; assignments with the same one share it.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.assignment import Assignment
from autograder.environments import REQUIREMENTS, requirements_of
from autograder.outcome import EnvironmentFault

MAKE_IMAGE = "./run_autograder image"
BASE, TORCH, OWN = "base", "torch", "own"
# Where in an image each kind of environment has its interpreter, for a shell to find.
_OURS = "/opt/autograder/env-*/bin/python"
INTERPRETERS = {BASE: _OURS, TORCH: _OURS, OWN: "/opt/autograder/own-*/bin/python"}
_HOME = Path(__file__).resolve().parents[1]
_CONTEXT = (
    "Dockerfile",
    "autograder",
    "pyproject.toml",
    "requirements",
    "run_autograder",
    "scripts",
    "setup.sh",
)
_TORCHES = ("torch", "torchvision")
_ASSIGNMENT = "assignment"  # the context's folder for an assignment's requirements.txt
# A change of one of these makes another image necessary; the worker itself isn't in the image.
_DECIDES = (
    *("Dockerfile", "pyproject.toml", "requirements/constraints.txt", "requirements/worker.txt", "setup.sh"),
    *("scripts/environment", "scripts/environment.py", "scripts/find-python"),
)


@dataclass(frozen=True, slots=True)
class ImageKind:
    """What an image holds: one of our environments, or an assignment's own, by its requirements.txt."""

    want: str
    requirements: bytes = b""

    @classmethod
    def of(cls, preload: Sequence[str], python: str = "") -> ImageKind:
        """The kind in which these packages can be imported; ``python`` as in BoxSpec."""
        if python:
            return cls(OWN, requirements_of(python))
        return cls(TORCH if any(name.partition(".")[0] in _TORCHES for name in preload) else BASE)

    @classmethod
    def all_of(cls, assignment: Assignment, preload: Sequence[str]) -> frozenset[ImageKind]:
        """The kinds that the assignment's boxes need; nothing is made or installed for that."""
        path = assignment.folder / REQUIREMENTS
        found = set()
        for kind in assignment.kinds:
            if assignment.in_own_environment(kind) and path.exists():
                found.add(cls(OWN, path.read_bytes()))
            else:
                found.add(cls.of((*assignment.box_kind(kind).preload, *preload)))
        return frozenset(found)

    def tag(self) -> str:
        """The name of the image."""
        content = hashlib.sha256()
        try:
            for name in _DECIDES:
                content.update((_HOME / name).read_bytes())
        except FileNotFoundError as error:
            raise EnvironmentFault(
                f"A file that the sandbox's image is made from is missing: {error.filename!r}.",
                remedy="Use `--sandbox docker` from a checkout, not from a bundle.",
            ) from error
        content.update(self.requirements)
        return f"autograder-sandbox:{self.want}-{content.hexdigest()[:12]}"

    def command(self) -> str:
        """What a person types to have it built."""
        return MAKE_IMAGE + {BASE: "", TORCH: " --torch", OWN: " ASSIGNMENT"}[self.want]


def build_image(kind: ImageKind, base: str | None, say: Callable[[str], None]) -> str:
    """Build the image from ``base`` (None: the Dockerfile's own); returns its name.

    ``say`` gets what the build prints. Raises EnvironmentFault where the build fails.
    """
    from docker.errors import APIError, BuildError  # noqa: PLC0415  (see connect)

    from autograder.sandbox.container import connect  # noqa: PLC0415  (it imports this module)

    client = connect()
    tag = kind.tag()
    # An assignment's own environment is in the context; our own is only what carries the rest.
    arguments = {"WANT": BASE if kind.want == OWN else kind.want} | ({"BASE": base} if base else {})
    with tempfile.TemporaryDirectory(prefix="autograder-image-") as name:
        context = Path(name)
        for each in _CONTEXT:
            _copy(_HOME / each, context / each)
        if kind.want == OWN:
            (context / _ASSIGNMENT).mkdir()
            (context / _ASSIGNMENT / REQUIREMENTS).write_bytes(kind.requirements)
        try:
            # The host's network, for apt-get and pip; a submission gets none.
            _, log = client.images.build(
                path=name, tag=tag, buildargs=arguments, network_mode="host", rm=True, forcerm=True
            )
        except BuildError as error:
            for line in error.build_log:
                say(str(line.get("stream", line.get("error", ""))).rstrip())
            raise EnvironmentFault(
                f"The image {tag!r} could not be built: {error}.",
                remedy="Its log above says at which step; look at the network and the base image first.",
            ) from error
        except APIError as error:
            raise EnvironmentFault(
                f"The container engine would not build the image: {error}.",
                remedy="See whether the engine has disk space and can fetch the base image.",
            ) from error
        finally:
            client.close()
    for line in log:
        if text := str(line.get("stream", "")).strip():
            say(text)
    return tag


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)
