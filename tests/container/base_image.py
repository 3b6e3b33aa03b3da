"""A base image like Gradescope's, made from this machine's own distribution and package mirror.

``AUTOGRADER_TEST_BASE`` names another base to use instead, such as Gradescope's own, which the Dockerfile
names, where a registry can be reached.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tests.container.engine import BUILD_WAIT_S, EngineError, docker, image_exists, run

ROOT = Path(__file__).resolve().parent.parent.parent
# python3-venv is left out on purpose: Gradescope's image lacks it too, so setup.sh has to install it.
PACKAGES = ("python3", "libseccomp2", "ca-certificates", "unzip")
WHEELHOUSE = "/wheelhouse"
DRESSED = f"""\
ARG BASE
FROM ${{BASE}}
COPY wheelhouse {WHEELHOUSE}
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS={WHEELHOUSE}
"""


def base_image() -> str:
    """The image that stands for Gradescope's; made once, kept by the engine for the next run."""
    if given := os.environ.get("AUTOGRADER_TEST_BASE"):
        return given
    bare = _bare_image()
    needed = _base_requirements()
    key = _key(bare, *needed, *_pins())
    tag = f"autograder-test-base:{key}"
    if not image_exists(tag):
        with tempfile.TemporaryDirectory() as name:
            context = Path(name)
            _download(needed, context / "wheelhouse")
            (context / "Dockerfile").write_text(DRESSED)
            docker("build", "--tag", tag, "--build-arg", f"BASE={bare}", name, wait_s=BUILD_WAIT_S)
    return tag


def _bare_image() -> str:
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    mirror = _mirror(codename)
    tag = f"autograder-test-bare:{_key(codename, mirror, *PACKAGES)}"
    if image_exists(tag):
        return tag
    # A folder of its own below /var/tmp: /tmp may be small, and may forbid device files.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        tree = Path(name) / "tree"
        include = f"--include={','.join(PACKAGES)}"
        try:
            run(["debootstrap", "--variant=minbase", include, codename, str(tree), mirror], BUILD_WAIT_S)
            pack = f"tar --one-file-system -C '{tree}' -c . | docker import - {tag}"
            run(["bash", "-o", "pipefail", "-c", pack], BUILD_WAIT_S)
        finally:  # never across a mount that an interrupted debootstrap left behind
            subprocess.run(["rm", "-rf", "--one-file-system", str(tree)], check=False)
    return tag


def _mirror(codename: str) -> str:
    """Where this machine's own package manager gets this release from."""
    lines = run(["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(SITE)"]).splitlines()
    for line in lines:
        release, component, site = line.split(maxsplit=2)
        if (release, component) == (codename, "main"):
            return site
    raise EngineError(f"the package lists name no mirror for {codename!r}; run apt-get update and try again")


def _base_requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    worker = (ROOT / "requirements" / "worker.txt").read_text().splitlines()  # an assignment's own has it
    return [*project["dependencies"], *(line for line in worker if not line.startswith("#"))]


def _pins() -> list[str]:
    return (ROOT / "requirements" / "constraints.txt").read_text().splitlines()


def _download(requirements: list[str], folder: Path) -> None:
    """Fetch the packages with this machine's pip settings, which needn't mean anything in a container."""
    options = [
        "--quiet",
        "--dest",
        str(folder),
        "--constraint",
        str(ROOT / "requirements" / "constraints.txt"),
    ]
    run([sys.executable, "-I", "-m", "pip", "download", *options, *requirements], BUILD_WAIT_S)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
