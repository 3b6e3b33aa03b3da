"""Container engines that don't answer, or can't do what is needed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.doctor import engine
from autograder.doctor.finding import Finding, State
from autograder.doctor.needs import Needs
from autograder.image import ImageKind
from tests.container.engine import why_unreachable
from tests.doctor.faked import NO_ENGINE, needs_of
from tests.small import Small


@pytest.mark.parametrize(
    ("host", "told"),
    [
        (NO_ENGINE, "No such file or directory"),
        ("tcp://127.0.0.1:9", "Connection refused"),
        ("nonsense", "port is required"),
    ],
)
def test_an_engine_that_is_not_there(monkeypatch: pytest.MonkeyPatch, host: str, told: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    (found,) = engine.examine(Needs())
    assert found.state is State.WARNING
    assert f"no engine answers at DOCKER_HOST={host!r}" in found.found
    assert told in found.found
    assert "unset DOCKER_HOST" in found.remedy


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("PermissionError(13, 'Permission denied')", "usermod -aG docker"),
        ("FileNotFoundError(2, 'No such file or directory')", "install Docker Engine"),
    ],
)
def test_why_an_engine_can_not_be_reached(monkeypatch: pytest.MonkeyPatch, said: str, remedy: str) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "_address", lambda: "/nowhere/docker.sock")
    assert remedy in engine.unreachable(OSError(f"Connection aborted: {said}")).remedy


def test_an_engine_that_is_installed_but_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "_address", lambda: str(tmp_path))
    assert "systemctl start docker" in engine.unreachable(OSError("Connection refused")).remedy


def test_no_docker_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    (found,) = engine.examine(Needs())
    assert found.state is State.WARNING
    assert "scripts/environment" in found.remedy


ENGINE = {
    "ServerVersion": "28.2.2",
    "Driver": "overlay2",
    "OSType": "linux",
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
    "MemoryLimit": True,
    "SwapLimit": True,
    "PidsLimit": True,
    "SecurityOptions": ["name=seccomp,profile=builtin"],
}


PRELOADS_TORCH = '[sandbox]\npreload = ["torch"]\n'


def test_an_engine_that_has_everything() -> None:
    assert engine.answers(ENGINE).state is State.OK
    assert "28.2.2" in engine.answers(ENGINE).found
    assert "storage overlay2" in engine.answers(ENGINE).found
    assert engine.limits(ENGINE) == Finding.ok(
        "docker limits", "memory and processes are limited, by cgroup v2 (systemd); seccomp is on"
    )


@pytest.mark.parametrize(
    ("change", "line", "remedy"),
    [
        ({"Driver": "vfs"}, engine.answers, "overlay2"),
        ({"OSType": "windows"}, engine.answers, "Linux containers"),
        ({"MemoryLimit": False}, engine.limits, "cgroup_enable=memory"),
        ({"PidsLimit": False}, engine.limits, "cgroup v2"),
        ({"SecurityOptions": ["name=apparmor"]}, engine.limits, "seccomp-profile"),
        ({"SecurityOptions": None}, engine.limits, "seccomp-profile"),
    ],
)
def test_an_engine_that_lacks_something(
    change: dict[str, object], line: Callable[[dict[str, object]], Finding], remedy: str
) -> None:
    found = line(ENGINE | change)
    assert found.state is State.WARNING
    assert remedy in found.remedy


def test_swap_that_is_not_limited_is_said() -> None:
    found = engine.limits(ENGINE | {"SwapLimit": False})
    assert found.state is State.OK
    assert found.found.endswith("swap not limited")


def test_the_image_of_each_assignment(small: Small) -> None:
    small.assignment()
    small.name, small.more = "with_torch", PRELOADS_TORCH
    needs = needs_of(small)
    plain, torch = (ImageKind.of(preload).tag() for preload in (("numpy",), ("numpy", "torch")))
    assert plain != torch
    missing, there = engine.images(needs, {torch, "debian:12"})
    assert missing.state is State.WARNING
    assert f"there is no {plain!r}" in missing.found
    assert "run_autograder image" in missing.remedy
    assert there == Finding.ok("docker image", f"{torch!r}, for 'with_torch'")


def test_a_bundle_holds_no_image(small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("autograder.image._HOME", tmp_path)
    (found,) = engine.images(needs_of(small), set())
    assert found.state is State.WARNING
    assert "checkout" in found.remedy


@pytest.mark.docker
@pytest.mark.skipif(bool(why_unreachable()), reason="no container engine")
def test_an_engine_that_answers() -> None:
    docker, limits, *_ = engine.examine(Needs())
    assert docker.found.startswith("engine ")
    assert limits.state is State.OK
