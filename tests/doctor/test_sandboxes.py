"""Each sandbox proved or not, and what is taken."""

from __future__ import annotations

import os
from typing import Any

import pytest

from autograder.doctor import sandboxes
from autograder.doctor.finding import Finding, State
from autograder.outcome import EnvironmentFault, SandboxFault
from autograder.sandbox.backend import BoxSpec
from autograder.sandbox.local import Privdrop, Unconfined
from tests.runs import needs_root
from tests.sandbox.boxes import IS_ROOT


def _proved(spec: BoxSpec) -> Any:
    return Unconfined(spec)  # never asked: the proof is replaced


def test_a_sandbox_that_does_not_hold() -> None:
    found = sandboxes.examine_one("none", Unconfined)
    assert found.state is State.WARNING
    assert "does not hold on this machine" in found.found
    assert "run_autograder doctor" not in found.remedy  # we are there already
    assert "secret unreadable (read " in found.found
    assert "network refused (connected)" in found.found


def test_a_sandbox_that_can_not_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_spec: BoxSpec) -> Any:
        raise EnvironmentFault("There is no such program.", remedy="Install it.")

    monkeypatch.setattr(sandboxes, "_backends", lambda: {"one": missing, "none": Unconfined})
    first, second, last = sandboxes.examine()
    assert first == Finding.warning("sandbox 'one'", "not proved: There is no such program.", "Install it.")
    assert second.state is State.WARNING
    assert last.state is State.FAILED
    assert last.found == "none holds here, so nothing can be graded"
    assert ("Landlock" if IS_ROOT else "sudo") in last.remedy


def test_auto_takes_the_first_that_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_spec: BoxSpec) -> Any:
        raise SandboxFault("It can't be set up.", remedy="Mend it.")

    monkeypatch.setattr(sandboxes, "_backends", lambda: {"a": missing, "b": _proved, "c": _proved})
    monkeypatch.setattr(sandboxes, "prove", lambda _backend: [])
    assert [each.state for each in sandboxes.examine()] == ["warning", "ok", "ok", "ok"]
    assert list(sandboxes.examine())[-1].found == "`--sandbox auto` takes 'b'"


def test_a_backend_is_closed_whatever_its_probe_does(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Unconfined] = []

    class Remembered(Unconfined):
        def close(self) -> None:
            closed.append(self)
            super().close()

    def refuse(_backend: Unconfined) -> None:
        raise SandboxFault("It did not start.", remedy="Look at it.")

    monkeypatch.setattr(sandboxes, "prove", refuse)
    assert sandboxes.examine_one("none", Remembered).found == "not proved: It did not start."
    assert len(closed) == 1


@needs_root
def test_a_preflight_takes_less_than_a_second() -> None:
    """Of a processor's time: what the clock says depends on what else runs on this machine."""
    before = sum(os.times()[:4])
    assert sandboxes.examine_one("privdrop", Privdrop).state is State.OK
    assert sum(os.times()[:4]) - before < 1.0
