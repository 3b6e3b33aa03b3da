"""The proof before a grading, and the choice of a sandbox: they fail closed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder.outcome import EnvironmentFault, SandboxFault
from autograder.sandbox import choose as chooser
from autograder.sandbox import local, preflight
from autograder.sandbox.choose import choose
from autograder.sandbox.local import Privdrop, Unconfined
from autograder.sandbox.policy import readable_paths
from autograder.sandbox.preflight import Probe, probe, prove
from tests.sandbox.boxes import (
    NO_LANDLOCK,
    NO_LIMITS,
    NO_SECCOMP,
    SPEC,
    Watched,
    exists,
    needs_root,
    running,
)


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A probe that a test writes itself."""
    path = tmp_path / "probe.py"
    monkeypatch.setattr(preflight, "_PROBE", path)
    return path


def test_a_sandbox_that_holds_is_proved(privdrop: Watched, scratch: Path) -> None:
    probes = prove(privdrop)
    assert all(probe.passed for probe in probes)
    assert {probe.name for probe in probes} == {*preflight._CHECKS, "nothing written outside"}
    privdrop.assert_nothing_left()
    assert list(scratch.glob("autograder-*")) == []


@needs_root
@pytest.mark.parametrize(
    ("left_out", "found"),
    [
        (
            NO_LANDLOCK,
            {"secret unreadable", "engine unreadable", "writing outside refused", "nothing written outside"},
        ),
        (NO_SECCOMP, {"tracing refused", "namespaces refused"}),
        (NO_LIMITS, {"processes limited"}),
    ],
    ids=["landlock", "seccomp", "limits"],
)
def test_what_is_left_out_is_found(
    weakened: Watched, leave_out: Callable[..., None], left_out: str, found: set[str]
) -> None:
    leave_out(left_out)
    assert {probe.name for probe in probe(weakened) if not probe.passed} & found
    with pytest.raises(SandboxFault, match="does not hold on this machine") as caught:
        prove(weakened)
    assert any(name in caught.value.message for name in found)
    assert "Nothing was run" in caught.value.remedy
    weakened.assert_nothing_left()


def test_the_one_that_protects_nothing_is_not_proved(scratch: Path) -> None:
    with running(Unconfined, SPEC, scratch) as backend:
        with pytest.raises(SandboxFault, match=r"'none' does not hold .*secret unreadable \(read 22 bytes\)"):
            prove(backend)
        assert {"user dropped", "network refused", "nothing written outside"} <= {
            probe.name for probe in probe(backend) if not probe.passed
        }


# --- probes that don't answer as they should ----------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("return {}", EnvironmentFault),
        ("return {'packages readable': 'yes'}", SandboxFault),
        ("return 'all is well'", SandboxFault),
        ("return None", SandboxFault),
        ("raise RuntimeError('the probe broke')", EnvironmentFault),
        ("import os; os._exit(0)", EnvironmentFault),
        ("import nosuchmodule; nosuchmodule.f()", EnvironmentFault),
    ],
)
def test_a_probe_without_the_right_answers_proves_nothing(
    privdrop: Watched, scripted: Path, body: str, fault: type[Exception]
) -> None:
    scripted.write_text(f"def run(*tried):\n    {body}\n", encoding="utf-8")
    with pytest.raises(fault):
        prove(privdrop)
    privdrop.assert_nothing_left()


@pytest.mark.parametrize("name", [name for name in preflight._CHECKS if name != "packages readable"])
def test_one_open_door_is_enough(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Every line counts: with all other probes passed, this one alone stops the grading."""
    answers = [Probe(other, other != name, "whatever") for other in preflight._CHECKS]
    monkeypatch.setattr(preflight, "probe", lambda _backend: answers)
    with pytest.raises(SandboxFault, match=rf"{name} \(whatever\)\."):
        prove(Unconfined(SPEC))


@pytest.mark.parametrize("name", preflight._CHECKS)
@pytest.mark.parametrize(
    "answer", [None, "", "connected", "read 22 bytes", "sent", 0.5, [], -1, True, "PASS"]
)
def test_no_odd_answer_passes(name: str, answer: object) -> None:
    if name == "no new privileges" and answer is True:
        pytest.skip("True is 1")
    if name in ("user dropped", "processes limited") and answer is True:
        answer = 0
    if name == "user dropped" and answer == -1:
        answer = os.getuid()
    assert not preflight._CHECKS[name](answer)


# --- what the sandbox's user must be able to read -----------------------------------------------------


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> Iterator[Watched]:
    """A sandbox whose user can read the programs, but not Python's library: as if it lay under /root."""
    without = tuple(path for path in readable_paths(()) if "python" not in path)
    monkeypatch.setattr(local, "readable_paths", lambda _: without)
    with running(Privdrop, SPEC, scratch) as backend:
        yield backend


@needs_root
def test_an_environment_that_can_not_be_read_is_named(
    unreadable: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.prefix", "/root/envs/autograder")
    with pytest.raises(EnvironmentFault) as caught:
        prove(unreadable)
    assert "'/root/envs/autograder'" in caught.value.message
    assert "readable by every user" in caught.value.remedy
    assert "AUTOGRADER_ENV" in caught.value.remedy


# --- the choice ---------------------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("must_isolate", [True, False])
def test_root_gets_what_was_proved(scratch: Path, must_isolate: bool) -> None:
    backend = choose(SPEC, must_isolate=must_isolate)
    try:
        assert backend.name == "privdrop"
        assert backend.isolates
    finally:
        backend.close()
    assert list(scratch.glob("autograder-*")) == []


@needs_root
def test_what_is_not_proved_is_closed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    servers: list[int | None] = []

    def refuse(backend: Privdrop) -> None:
        prove(backend)
        servers.append(backend.fork_server_pid)
        raise SandboxFault("no", remedy="none")

    monkeypatch.setattr(chooser, "prove", refuse)
    for must_isolate in (True, False):
        with pytest.raises(SandboxFault):
            choose(SPEC, must_isolate=must_isolate)
    assert not any(exists(server or 0) for server in servers)


def test_an_ordinary_user_may_only_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EnvironmentFault, match="without root") as caught:
        choose(SPEC, must_isolate=True)
    assert "sudo" in caught.value.remedy
    backend = choose(SPEC, must_isolate=False)
    assert (backend.name, backend.isolates) == ("none", False)
    backend.close()
