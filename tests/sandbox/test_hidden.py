"""What no limit used to count, and what no kill used to reach: each was found by attacking the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.sandbox import guard
from autograder.sandbox.processes import Usage, any_process_of, deleted_bytes, exact_memory_mib, usage
from tests.sandbox.boxes import soon

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="reads other users' processes on Linux"
)
UID = 59987  # no account's, and none that the sandbox takes
_LEADERLESS = """
import ctypes, os, threading, time
os.setresuid({uid}, {uid}, {uid})
kept = bytearray(b"x") * (60 << 20)
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).syscall(60, 0)
"""


def test_a_process_without_its_first_thread_is_alive() -> None:
    with subprocess.Popen([sys.executable, "-I", "-c", _LEADERLESS.format(uid=UID)]) as process:
        try:
            status = Path(f"/proc/{process.pid}/status")
            assert soon(lambda: "Z (zombie)" in status.read_text(encoding="utf-8"))
            belongs = lambda pid, _status: pid == str(process.pid)  # noqa: E731
            assert any_process_of(UID)
            found = usage(belongs)
            assert found.processes == 1
            assert found.memory_mib > 60
            assert exact_memory_mib(belongs) > 60
        finally:
            process.kill()
    assert not any_process_of(UID)
    assert usage(belongs) == Usage()


def test_a_deleted_file_counts_while_it_is_open(tmp_path: Path) -> None:
    belongs = lambda pid, _status: pid == str(os.getpid())  # noqa: E731
    before = deleted_bytes(belongs)
    with (tmp_path / "file").open("wb") as file, (tmp_path / "file").open("rb"):
        (tmp_path / "file").unlink()
        file.write(b"x" * 2**20)
        file.flush()
        os.fsync(file.fileno())
        assert 2**20 <= deleted_bytes(belongs) - before < 2 * 2**20
    assert deleted_bytes(belongs) == before


def test_a_walk_passes_over_no_folder(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "file").write_bytes(b"x")
    assert guard._disk_use(str(tmp_path), 10_000).files == 600


def test_a_chain_of_folders_counts_as_too_many_files(tmp_path: Path) -> None:
    (tmp_path / "/".join("d" * (guard.DEEPEST + 5))).mkdir(parents=True)
    assert guard._disk_use(str(tmp_path), 10_000).files > 10_000


def test_a_walk_keeps_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for at_most in (0, 1, 100):
        guard._disk_use(str(tmp_path), at_most)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
