"""The range sees what it is there to see: without a sandbox, everything comes out."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder import boxes as kinds
from autograder.assignment import Limits, load_assignment
from autograder.boxes import box_spec
from autograder.sandbox.backend import remove_folder
from autograder.sandbox.local import Unconfined
from fixtures.hostile import Attack, HostileFile
from tests.hostile import machine
from tests.hostile.canaries import plant
from tests.hostile.conftest import LIMITS
from tests.hostile.shooting import Range
from tests.hostile.spying import ListeningSubmission, SpyingBackend
from tests.runs import needs_root

PROBES_KEY = 0x41474E  # another than the attacks', which may run at the same time
PATIENT = {"wall_s": 20.0, "run_wall_s": 90.0}  # a probe that a busy machine ends shows nothing


@pytest.fixture(scope="module")
def unfenced() -> Iterator[Range]:
    """A range without a sandbox. What is shot there is written below, and does no harm."""
    folder = Path(tempfile.mkdtemp(prefix="hostile-tests-"))
    (folder / "boxes").mkdir()
    with pytest.MonkeyPatch.context() as patch, plant(folder / "range") as planted:
        patch.setattr(tempfile, "tempdir", str(folder / "boxes"))
        patch.setattr(kinds, "Submission", ListeningSubmission)
        assignment = load_assignment(Path(planted.known.grader))
        limits = Limits.model_validate(assignment.limits.model_dump() | LIMITS | PATIENT)
        backend = Unconfined(box_spec(assignment, limits))
        yield Range(planted, assignment, limits, SpyingBackend(backend), folder / "boxes")
        backend.close()
    remove_folder(folder)


def shoot(unfenced: Range, prologue: str = "", **more: object) -> list[str]:
    described = {"name": "probe", "title": "A probe", "why": "To be seen.", "line": [1], "prologue": prologue}
    return unfenced.shoot(Attack.model_validate(described | more)).findings


def test_empty_functions_give_nothing_away(unfenced: Range) -> None:
    assert unfenced.baseline.score == 0
    assert shoot(unfenced) == []


@pytest.mark.parametrize(
    ("reading", "seen"),
    [
        ("carry_file(CANARY)", "file came out in what it printed"),
        ("carry_file(LABELS)", "labels came out in the file"),
        ("carry_file(METADATA)", "metadata came out in what it printed"),
        ("print(open(CANARY).read()[::-1])", "file came out in what it printed"),
        ("print(open(CANARY, 'rb').read().hex())", "file came out in what it printed"),
        ("print(base64.b64encode(b'?' + open(CANARY, 'rb').read()))", "file came out in what it printed"),
        ("carry_file('/proc/%d/environ' % NEIGHBOUR)", "environment came out"),
        ("carry_file('/proc/%d/cmdline' % NEIGHBOUR)", "arguments came out"),
        ("carry_file(GRADER + '/test_extended.py')", "test_extended.py came out"),
        ("print(open(ENGINE + '/reference/layers.py').read())", "the source reference/layers.py came out"),
        ("os.open(CANARY, os.O_WRONLY); say('BREACH', 'wrote')", "BREACH wrote"),
    ],
)
@needs_root
def test_a_secret_that_comes_out_is_seen(unfenced: Range, reading: str, seen: str) -> None:
    findings = shoot(unfenced, f"def attack():\n    {reading}\n")
    assert any(seen in finding for finding in findings), findings


@pytest.mark.parametrize(
    ("sending", "seen"),
    [
        ("socket.create_connection(('127.0.0.1', TCP))", "the TCP socket"),
        (
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', UDP))",
            "the UDP socket",
        ),
        ("socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', UNIX)", "the unix socket"),
        ("socket.socket(socket.AF_UNIX).connect('\\0' + ABSTRACT)", "the abstract unix socket"),
    ],
)
def test_a_connection_is_seen(unfenced: Range, sending: str, seen: str) -> None:
    findings = shoot(unfenced, f"import socket\n\n\ndef attack():\n    {sending}\n")
    assert f"something reached {seen}" in findings


def test_a_process_that_is_left_is_seen(unfenced: Range) -> None:
    kept = "os.open('process', os.O_CREAT | os.O_WRONLY)"
    findings = shoot(unfenced, f"import time\n{kept}\ndaemonize(lambda: time.sleep(60))\n")
    pids = [int(finding.split()[1]) for finding in findings if finding.startswith("process ")]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert pids


def test_files_and_shared_memory_that_are_left_are_seen(
    unfenced: Range, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = unfenced.planted.known.mark
    monkeypatch.setattr(machine, "IPC_KEY", PROBES_KEY)
    try:
        findings = shoot(
            unfenced,
            "def attack():\n"
            "    open('/dev/shm/x-' + MARK, 'w').close()\n"
            "    open(RESULTS + '/planted.txt', 'w').close()\n"
            f"    libc.shmget({PROBES_KEY}, 4096, 0o1600)\n",
        )
    finally:
        Path(f"/dev/shm/x-{mark}").unlink(missing_ok=True)  # noqa: S108  (where the probe put it)
        (Path(unfenced.planted.known.results) / "planted.txt").unlink(missing_ok=True)
        libc = ctypes.CDLL(None)
        libc.shmctl(libc.shmget(PROBES_KEY, 0, 0), 0, None)
    assert f"file '/dev/shm/x-{mark}' is left" in findings
    assert "'planted.txt' lies beside the results" in findings
    assert any(finding.startswith("IPC object 'shm") for finding in findings)


def test_points_that_are_gained_are_seen(unfenced: Range) -> None:
    right = HostileFile(path="1_cs231n/cs231n/conv_layers.py", made="right_solution")
    findings = shoot(unfenced, file=[right])
    assert findings[0].startswith("the score is ")
    assert "'test_contract.py::test_conv_forward' passed" in findings


def test_what_a_student_must_not_read_is_seen(unfenced: Range) -> None:
    findings = shoot(unfenced, "raise ValueError('a secret word')\n", unpublished=["a secret word"])
    assert findings == ["the student reads 'a secret word'"]


def test_an_upload_that_is_not_refused_is_seen(unfenced: Range) -> None:
    assert "the upload was to be refused" in shoot(unfenced, refused="link")[0]


def test_a_slow_grading_is_seen(unfenced: Range, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.hostile.shooting.GRACE_S", -100.0)
    assert shoot(unfenced)[0].startswith("the results took ")
