"""Users are leased: never one to two boxes, in this process or another, and never one that is in use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.outcome import SandboxFault
from autograder.sandbox import uids
from autograder.sandbox.processes import any_process_of
from tests.sandbox.boxes import needs_root

pytestmark = needs_root

ENGINE = Path(uids.__file__).parents[2]
# Prints the leased user, or what was refused, and keeps it until its input ends.
OTHER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from autograder.outcome import SandboxFault
from autograder.sandbox import uids
uids.FIRST_UID, uids.LAST_UID, uids.LOCK_FOLDER = int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
try:
    print(uids.lease().uid, flush=True)
except SandboxFault as fault:
    print(fault.message, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def two_pairs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two pairs of users, of a range that nobody else leases from, with locks of this test's own."""
    monkeypatch.setattr(uids, "FIRST_UID", 59990)
    monkeypatch.setattr(uids, "LAST_UID", 59993)
    monkeypatch.setattr(uids, "LOCK_FOLDER", tmp_path / "locks")


def test_leases_exclude_each_other() -> None:
    one, other = uids.lease(), uids.lease()
    assert {one.uid, other.uid} == {59990, 59992}
    assert (one.reaper_uid, other.reaper_uid) == (one.uid + 1, other.uid + 1)
    with pytest.raises(SandboxFault, match="No free user between 59990 and 59993"):
        uids.lease()
    one.release()
    one.release()  # once is enough
    assert uids.lease().uid == one.uid
    other.release()


def test_leases_exclude_other_processes(tmp_path: Path) -> None:
    mine = uids.lease()
    arguments = [str(ENGINE), "59990", "59993", str(tmp_path / "locks")]
    command = [sys.executable, "-I", "-c", OTHER, *arguments]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    with start() as second, start() as third:
        assert second.stdout is not None
        assert third.stdout is not None
        said = sorted([second.stdout.readline().strip(), third.stdout.readline().strip()])
        theirs = ({59990, 59992} - {mine.uid}).pop()
        assert said[0] == str(theirs)
        assert said[1].startswith("No free user")
        with pytest.raises(SandboxFault):
            uids.lease()
    assert uids.lease().uid == theirs  # a process that ends gives its own back


def test_a_user_that_somebody_has_is_passed_over() -> None:
    def become() -> None:
        os.setresuid(59991, 59991, 59991)

    busy = subprocess.Popen(["/bin/sleep", "20"], preexec_fn=become)  # noqa: PLW1509  (nothing else runs here)
    try:
        assert any_process_of(59991)
        assert {uids.lease().uid for _ in range(1)} == {59992}
        with pytest.raises(SandboxFault):
            uids.lease()
    finally:
        busy.kill()
        busy.wait()
    assert not any_process_of(59991)


def test_a_lease_is_not_inherited() -> None:
    lease = uids.lease()
    assert not os.get_inheritable(lease._lock_fd)
    lease.release()


def test_where_no_lock_can_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(uids, "LOCK_FOLDER", tmp_path / "file" / "locks")
    with pytest.raises(SandboxFault, match="can't be made") as caught:
        uids.lease()
    assert "/run" in caught.value.remedy


def test_the_locks_are_roots_alone() -> None:
    lease = uids.lease()
    assert uids.LOCK_FOLDER.stat().st_mode & 0o777 == 0o700
    lease.release()


def test_one_box_does_not_get_the_user_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn by lot, so that whatever a box might leave to its user is left to nobody."""
    monkeypatch.setattr(uids, "FIRST_UID", 58000)
    drawn = set()
    for _ in range(5):
        lease = uids.lease()
        lease.release()
        drawn.add(lease.uid)
    assert len(drawn) > 1
