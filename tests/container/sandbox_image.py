"""The image that the docker backend runs submissions in, built on the base that the container tests use."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from autograder.image import ImageKind, build_image
from tests.container.base_image import base_image
from tests.container.engine import image_exists, why_unreachable

PLAIN = ImageKind.of(())
REQUIRED = "AUTOGRADER_REQUIRE_DOCKER" in os.environ


@cache
def why_no_image() -> str:
    """Why no image can be had here, or nothing; where an engine is required, it must be had."""
    if REQUIRED:
        return ""
    if why := why_unreachable():
        return why
    if image_exists(PLAIN.tag()):
        return ""
    if "AUTOGRADER_TEST_BASE" not in os.environ and (
        os.geteuid() != 0 or shutil.which("debootstrap") is None
    ):
        return "the sandbox's image can't be made: name a base in AUTOGRADER_TEST_BASE, or run as root"
    return ""


def sandbox_image(kind: ImageKind = PLAIN) -> str:
    """The image's name, after it was built if it wasn't there; one process at a time."""
    with (Path(tempfile.gettempdir()) / "sandbox-tests-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tag = kind.tag()
        if not image_exists(tag):
            said: list[str] = []
            build_image(kind, base_image(), said.append)
        return tag
