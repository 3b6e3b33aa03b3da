"""Folders that are closed, full, or not there; the assignments and their data."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from autograder.doctor import folders
from autograder.doctor.finding import State
from autograder.doctor.needs import Needs, assignments
from tests.doctor.faked import needs_of, written
from tests.runs import folder_for_all, needs_root
from tests.small import Small


def space(monkeypatch: pytest.MonkeyPatch, **change: int) -> None:
    """Have every file system say so of itself."""
    values = {"f_frsize": 4096, "f_blocks": 1 << 20, "f_bavail": 1 << 20, "f_files": 9**7, "f_favail": 9**7}
    told = SimpleNamespace(**{"f_flag": 0, **values, **change})
    monkeypatch.setattr(os, "statvfs", lambda _: told)


def test_shared_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = folders.shared_memory(tmp_path / "shm")
    assert missing.state is State.WARNING
    assert "No such file" in missing.found
    space(monkeypatch, f_blocks=(64 << 20) // 4096)
    as_in_docker = folders.shared_memory(tmp_path)
    assert as_in_docker.state is State.WARNING
    assert as_in_docker.found.startswith("64 MiB: a DataLoader with workers")
    assert "--shm-size" in as_in_docker.remedy
    space(monkeypatch)
    assert folders.shared_memory(tmp_path).found == "4096 MiB"


@needs_root
def test_a_temporary_folder_that_others_can_not_pass() -> None:
    with folder_for_all() as folder:
        assert folders.temporary(Needs(), folder).state is State.OK
        below = folder / "mine" / "tmp"
        below.mkdir(parents=True)
        (folder / "mine").chmod(0o700)
        found = folders.temporary(Needs(), below)
        assert found.state is State.FAILED
        assert f"`chmod o+x '{folder}/mine'`" in found.remedy


def test_a_temporary_folder_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = folders.temporary(Needs(), tmp_path / "none")
    assert found.state is State.FAILED
    assert "No such file" in found.found
    assert "TMPDIR=" in found.remedy

    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    assert "No usable temporary directory" in folders.temporary(Needs()).found


@pytest.mark.parametrize(
    ("change", "told", "remedy"),
    [
        ({"f_bavail": 256}, "1 MiB free", "Clear it"),
        ({"f_favail": 12}, "room for 12 files", "Clear it"),
        ({"f_flag": getattr(os, "ST_NOEXEC", 8)}, "mounted noexec", "remount,exec"),
    ],
)
def test_a_temporary_folder_without_room(
    small: Small, monkeypatch: pytest.MonkeyPatch, change: dict[str, int], told: str, remedy: str
) -> None:
    needs = needs_of(small)
    space(monkeypatch, **change)
    with folder_for_all() as folder:
        found = folders.temporary(needs, folder)
    assert found.state is State.WARNING
    assert told in found.found
    assert remedy in found.remedy


def test_a_file_system_that_counts_no_inodes(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = needs_of(small)
    space(monkeypatch, f_files=0, f_favail=0)  # btrfs
    with folder_for_all() as folder:
        assert folders.temporary(needs, folder).state is State.OK


def test_data_that_is_missing(small: Small) -> None:
    small.more = '[data.labels]\npath = "hidden/labels.csv"\n'
    needs = needs_of(small)
    named, missing = assignments(needs)
    assert named.found == "'small'"
    assert missing.name == "data"
    assert missing.state is State.FAILED
    assert "hidden/labels.csv' of 'small'" in missing.found
    written(small.folder / "graders" / "small", {"hidden/labels.csv": "0"})
    assert [each.state for each in assignments(needs)] == ["ok", "ok"]


def test_data_of_one_assignment_among_others(small: Small) -> None:
    small.assignment()
    small.name, small.more = "other", '[data.labels]\npath = "labels.csv"\n'
    assert [each.state for each in assignments(needs_of(small))] == ["ok", "warning"]


def test_a_manifest_that_can_not_be_read(small: Small) -> None:
    folder = small.folder / "graders"
    written(folder, {"broken/assignment.toml": "title = "})
    (found,) = assignments(Needs.below(folder))
    assert found.state is State.FAILED
    assert "broken/assignment.toml" in found.found
    assert found.remedy
    small.assignment()
    assert [each.state for each in assignments(Needs.below(folder))] == ["warning", "ok"]
    (none,) = assignments(Needs())
    assert none.state is State.WARNING
