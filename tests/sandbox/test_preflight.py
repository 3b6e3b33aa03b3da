"""The proof before a grading, and the choice of a sandbox: they fail closed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from autograder.outcome import EnvironmentFault, SandboxFault, UsageError
from autograder.sandbox import choose as chooser
from autograder.sandbox import local, preflight
from autograder.sandbox.backend import BoxSpec, Jail
from autograder.sandbox.choose import choose
from autograder.sandbox.local import Privdrop, Unconfined
from autograder.sandbox.policy import readable_paths
from autograder.sandbox.preflight import Probe, probe, prove
from tests.sandbox.boxes import (
    IS_ROOT,
    NO_LANDLOCK,
    NO_LIMITS,
    NO_SECCOMP,
    SPEC,
    Watched,
    needs_root,
    running,
)


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A probe that a test writes itself."""
    path = tmp_path / "probe.py"
    monkeypatch.setattr(preflight, "_PROBE", path)
    return path


JUDGED_APART = ("processes limited", "nothing written outside")


def test_a_sandbox_that_holds_is_proved(backend: Watched) -> None:
    if not backend.isolates:
        pytest.skip("this one protects nothing")
    probes = prove(backend)
    assert all(probe.passed for probe in probes)
    assert {probe.name for probe in probes} == {*preflight._CHECKS, *JUDGED_APART}
    backend.assert_nothing_left()


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
        as_root = {"user dropped"} if IS_ROOT else set()
        assert as_root | {"network refused", "nothing written outside"} <= {
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
    assert not preflight._CHECKS[name](answer)


# --- what the sandbox's user must be able to read -----------------------------------------------------


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> Iterator[Watched]:
    """A sandbox whose user can read the programs, but not Python's library: as if it lay under /root."""
    without = tuple(path for path in readable_paths(()) if "python" not in path)
    monkeypatch.setattr(local, "readable_paths", lambda *_: without)
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


class _Pretended:
    """A backend that needs nothing; whether it holds is what the test says."""

    isolates = True

    def __init__(self, name: str, spec: BoxSpec) -> None:
        self.name, self.spec, self.closed = name, spec, False

    def launch(self, _tree: Path) -> Jail:
        raise AssertionError("nothing is to be run in it")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[_Pretended]]:
    """Backends of which only the named ones can be proved; gives the list of those that were made."""

    def arrange(*proved: str, missing: str = "") -> list[_Pretended]:
        made: list[_Pretended] = []

        def make(name: str, spec: BoxSpec) -> _Pretended:
            if name == missing:
                raise EnvironmentFault(f"There is no {name}.", remedy="Install it.")
            made.append(_Pretended(name, spec))
            return made[-1]

        def prove_some(backend: _Pretended) -> None:
            if backend.name not in proved:
                raise SandboxFault(f"{backend.name} does not hold.", remedy="None.")

        monkeypatch.setattr(chooser, "BACKENDS", {name: partial(make, name) for name in chooser.BACKENDS})
        monkeypatch.setattr(chooser, "prove", prove_some)
        return made

    return arrange


@pytest.mark.parametrize(
    ("proved", "chosen"),
    [
        (("docker", "bubblewrap", "privdrop"), "docker"),
        (("bubblewrap", "privdrop"), "bubblewrap"),
        (("privdrop",), "privdrop"),
    ],
)
@pytest.mark.parametrize("must_isolate", [True, False])
def test_the_strongest_that_is_proved(
    pretended: Callable[..., list[_Pretended]], proved: tuple[str, ...], chosen: str, must_isolate: bool
) -> None:
    made = pretended(*proved)
    backend = choose(SPEC, must_isolate=must_isolate)
    assert backend.name == chosen
    assert [one.closed for one in made] == [True] * (len(made) - 1) + [False]


def test_a_named_one_is_never_replaced(pretended: Callable[..., list[_Pretended]]) -> None:
    made = pretended("docker", "privdrop")
    assert choose(SPEC, "privdrop", must_isolate=True).name == "privdrop"
    with pytest.raises(SandboxFault, match="bubblewrap does not hold"):
        choose(SPEC, "bubblewrap", must_isolate=True)
    assert [one.name for one in made] == ["privdrop", "bubblewrap"]
    assert made[-1].closed


def test_a_sandbox_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match=r"'chroot': choose one of auto, docker, bubblewrap, privdrop, none"):
        choose(SPEC, "chroot", must_isolate=True)


@pytest.mark.parametrize(("user", "must_isolate"), [(0, True), (0, False), (1000, True)])
def test_where_none_holds_nothing_is_graded(
    pretended: Callable[..., list[_Pretended]], monkeypatch: pytest.MonkeyPatch, user: int, must_isolate: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    pretended(missing="docker")
    with pytest.raises(EnvironmentFault) as caught:
        choose(SPEC, must_isolate=must_isolate)
    for reason in ("docker: There is no docker.", "bubblewrap does not hold", "privdrop does not hold"):
        assert reason in caught.value.message
    assert "root" in caught.value.remedy


def test_a_student_without_any_may_check(
    pretended: Callable[..., list[_Pretended]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    pretended()
    backend = choose(SPEC, must_isolate=False)
    assert (backend.name, backend.isolates) == ("none", False)
    backend.close()
