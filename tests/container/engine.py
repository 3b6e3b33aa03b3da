"""The container engine, through its command-line client."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

BUILD_WAIT_S = 600


class EngineError(Exception):
    """The engine, or a command in a container, said no."""


def why_unreachable() -> str:
    """Why containers can't be used here, or nothing."""
    if shutil.which("docker") is None:
        return "there is no `docker` command; install Docker Engine (Debian: apt-get install docker.io)"
    try:
        docker("version", wait_s=20)
    except EngineError as error:
        return f"no container engine answers ({error}); start one, or run .ci/run, which does"
    return ""


def run(command: list[str], wait_s: float = 60, folder: Path | None = None) -> str:
    """What a command prints; EngineError with the end of its output if it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=wait_s,
            check=False,
            text=True,
            errors="replace",
            cwd=folder,
            env=os.environ | {"DOCKER_BUILDKIT": "0"},  # Debian's engine comes without the builder plug-in
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{command!r} took more than {wait_s} s") from error
    if done.returncode != 0:
        raise EngineError(f"{command!r} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def docker(*arguments: str, wait_s: float = 60) -> str:
    return run(["docker", *arguments], wait_s)


def image_exists(tag: str) -> bool:
    return bool(docker("image", "ls", "--quiet", tag).strip())
