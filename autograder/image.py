"""The image that the docker backend runs submissions in: an interpreter and packages, and nothing hidden.

The `Dockerfile` is the one that Gradescope's image is built by; what differs is the build context, which
holds no grader, no reference and no fixture.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from autograder.outcome import EnvironmentFault

MAKE_IMAGE = "./run_autograder image"
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
# A change of one of these makes another image necessary; the worker itself isn't in the image.
_DECIDES = (
    *("Dockerfile", "pyproject.toml", "requirements/constraints.txt", "setup.sh"),
    *("scripts/environment", "scripts/environment.py", "scripts/find-python"),
)


def image_tag(preload: Sequence[str]) -> str:
    """The name of the image in which these packages can be imported."""
    content = hashlib.sha256()
    try:
        for name in _DECIDES:
            content.update((_HOME / name).read_bytes())
    except FileNotFoundError as error:
        raise EnvironmentFault(
            f"A file that the sandbox's image is made from is missing: {error.filename!r}.",
            remedy="Use `--sandbox docker` from a checkout, not from a bundle.",
        ) from error
    return f"autograder-sandbox:{wanted(preload)}-{content.hexdigest()[:12]}"


def wanted(preload: Sequence[str]) -> str:
    """Which environment (see scripts/environment) has these packages."""
    return "torch" if any(name.partition(".")[0] in ("torch", "torchvision") for name in preload) else "base"


def build_image(preload: Sequence[str], base: str | None, say: Callable[[str], None]) -> str:
    """Build the image from ``base`` (None: the Dockerfile's own); returns its name.

    ``say`` gets what the build prints. Raises EnvironmentFault where the build fails.
    """
    from docker.errors import APIError, BuildError  # noqa: PLC0415  (see connect)

    from autograder.sandbox.container import connect  # noqa: PLC0415  (it imports this module)

    client = connect()
    tag = image_tag(preload)
    arguments = {"WANT": wanted(preload)} | ({"BASE": base} if base else {})
    with tempfile.TemporaryDirectory(prefix="autograder-image-") as name:
        context = Path(name)
        for each in _CONTEXT:
            _copy(_HOME / each, context / each)
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
