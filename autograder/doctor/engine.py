"""The container engine, for the sandbox 'docker': does one answer, and does it enforce our limits?"""

from __future__ import annotations

import importlib
import os
import socket
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from typing import Any

from autograder.doctor.finding import Finding
from autograder.doctor.needs import Needs
from autograder.image import MAKE_IMAGE, OWN, ImageKind
from autograder.outcome import EnvironmentFault

_ANSWER_S = 5  # it answers in milliseconds, unless it is starting or hung
_INSTALL = (
    "Only the sandbox 'docker' needs it. To have it, install Docker Engine: `sudo apt-get install docker.io`."
)
# What the engine says that it can limit.
_LIMITS = {
    "MemoryLimit": "memory",
    "SwapLimit": "swap",
    "PidsLimit": "processes",
}


def examine(needs: Needs) -> Iterator[Finding]:
    try:
        docker: Any = importlib.import_module("docker")  # 0.2 s, and only needed here
    except ImportError as error:
        yield Finding.warning("docker", f"no Python package: {error}", "Run `scripts/environment` again.")
        return
    try:
        _knock()
        with closing(docker.from_env(timeout=_ANSWER_S)) as client:
            info = client.info()
            there = {tag for image in client.images.list() for tag in image.tags}
    except (docker.errors.DockerException, OSError) as error:  # requests' errors are OSErrors
        yield unreachable(error)
        return
    yield answers(info)
    yield limits(info)
    yield from images(needs, there)


def _knock() -> None:
    """Raise OSError where the engine's socket doesn't take a connection: the package says so at more length,
    and leaves its own socket open."""
    address = _address().removeprefix("unix://")
    if not address.startswith("/"):
        return  # by TCP, SSH, or a pipe on Windows
    with socket.socket(socket.AF_UNIX) as trying:
        trying.settimeout(_ANSWER_S)
        trying.connect(address)


def _address() -> str:
    return os.environ.get("DOCKER_HOST", "") or "/var/run/docker.sock"


def unreachable(error: BaseException) -> Finding:
    """Why no engine answers, in a line, and what to do about that."""
    said, address = str(error), _address()
    if "Permission" in said:
        found = f"an engine at {address!r} doesn't let this user in"
        remedy = 'Run `sudo usermod -aG docker "$USER"` and log in again, or run this as root.'
    elif os.environ.get("DOCKER_HOST"):
        found = f"no engine answers at DOCKER_HOST={address!r}"
        remedy = "Start that engine, or `unset DOCKER_HOST` to use this machine's own."
    elif os.path.exists(address):  # noqa: PTH110
        found = f"the engine at {address!r} doesn't answer"
        remedy = "Start it: `sudo systemctl start docker`."
    elif sys.platform == "darwin":
        found, remedy = "no engine runs", "Start Docker Desktop, if you mean to use the sandbox 'docker'."
    else:
        found, remedy = (
            "no engine runs here",
            f"{_INSTALL} If it is installed: `sudo systemctl start docker`.",
        )
    return Finding.warning("docker", f"{found} ({_shortened(said)})", remedy)


def _shortened(said: str) -> str:
    """The system's own words out of a chain of exceptions that quote each other."""
    for known in ("Permission denied", "No such file or directory", "Connection refused", "timed out"):
        if known.lower() in said.lower():
            return known
    return said.splitlines()[0][:200] if said else "it gave no reason"


def answers(info: Mapping[str, Any]) -> Finding:
    version, kernel = info.get("ServerVersion", "?"), info.get("KernelVersion", "?")
    found = f"engine {version} at {_address()!r}, kernel {kernel}, storage {info.get('Driver', '?')}"
    if info.get("OSType", "linux") != "linux":
        return Finding.warning(
            "docker", f"{found}, for {info['OSType']}", "Switch the engine to Linux containers."
        )
    if info.get("Driver") == "vfs":
        return Finding.warning(
            "docker",
            f"{found}, which copies the whole image for each container",
            "Use an engine whose data lies where overlay2 works: `dockerd --storage-driver overlay2`.",
        )
    return Finding.ok("docker", found)


def limits(info: Mapping[str, Any]) -> Finding:
    """Are memory and processes really limited, and is there a seccomp profile?"""
    name = "docker limits"
    missing = [what for key, what in _LIMITS.items() if not info.get(key)]
    options = [str(option) for option in info.get("SecurityOptions") or ()]
    version, driver = info.get("CgroupVersion", "1"), info.get("CgroupDriver", "?")
    cgroups = f"by cgroup v{version} ({driver})"
    if "memory" in missing or "processes" in missing:
        return Finding.warning(
            name,
            f"the engine can't limit {' and '.join(missing)} {cgroups}",
            "Start the kernel with `cgroup_enable=memory swapaccount=1`, or use an engine with systemd and "
            "cgroup v2.",
        )
    if not any("name=seccomp" in option for option in options):
        return Finding.warning(
            name,
            "the engine has no seccomp profile",
            "Start dockerd without `--seccomp-profile unconfined`, on a kernel with CONFIG_SECCOMP.",
        )
    swap = ", swap not limited" if missing else ""
    return Finding.ok(name, f"memory and processes are limited, {cgroups}; seccomp is on{swap}")


def images(needs: Needs, there: Collection[str]) -> Iterator[Finding]:
    """Is the image there that each assignment's submissions run in?"""
    name = "docker image"
    try:
        found = {kind: each for each in needs.assignments for kind in ImageKind.all_of(each, ("numpy",))}
        by_tag = {kind.tag(): (kind, each) for kind, each in found.items()}
    except EnvironmentFault as fault:
        yield Finding.warning(name, fault.message, fault.remedy)
        return
    for tag, (kind, assignment) in by_tag.items():
        if tag in there:
            yield Finding.ok(name, f"{tag!r}, for {assignment.name!r}")
        else:
            missing = f"there is no {tag!r}, in which submissions to {assignment.name!r} run"
            command = f"{MAKE_IMAGE} {assignment.name}" if kind.want == OWN else kind.command()
            yield Finding.warning(name, missing, f"For the sandbox 'docker', run `{command}`.")
