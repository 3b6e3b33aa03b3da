"""What a kernel lacks, and the command that brings it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.doctor import kernel
from autograder.doctor.finding import State
from autograder.sandbox import landlock
from tests.doctor.faked import ORDINARY, written
from tests.runs import ROOT, folder_for_all


@pytest.mark.parametrize(
    ("abi", "lacks"),
    [(1, "moving files"), (2, "shortening"), (3, "TCP"), (4, "ioctl"), (5, "abstract"), (6, "")],
)
def test_what_an_older_landlock_lacks(monkeypatch: pytest.MonkeyPatch, abi: int, lacks: str) -> None:
    monkeypatch.setattr(landlock, "abi_version", lambda: abi)
    found = kernel.landlock_line()
    assert found.state is State.OK
    assert found.found.startswith(f"ABI {abi}")
    assert found.found.removeprefix(f"ABI {abi}").startswith(f", without {lacks}" if lacks else "")
    assert ("abstract" in found.found) == (abi < 6)


@pytest.mark.parametrize(
    ("release", "modules", "remedy"),
    [
        ("5.4.0-150-generic", "", "a kernel of 5.13"),
        ("6.8.0-40-generic", "lockdown,yama", "`lsm=landlock,lockdown,yama`"),
        ("6.8.0-40-generic", "landlock,yama", "whose profile allows Landlock"),
        ("6.8", "", "whose profile allows Landlock"),
    ],
)
def test_no_landlock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: str, modules: str, remedy: str
) -> None:
    monkeypatch.setattr(landlock, "abi_version", lambda: 0)
    monkeypatch.setattr("platform.release", lambda: release)
    found = kernel.landlock_line(written(tmp_path, {"sys/kernel/security/lsm": modules}))
    assert found.state is State.WARNING
    assert remedy in found.remedy


def test_no_libseccomp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    assert kernel.seccomp_line().state is State.WARNING
    assert "apt-get install libseccomp2" in kernel.seccomp_line().remedy


@pytest.mark.parametrize(
    ("instead", "told"),
    [("pass", "a socket could be opened"), ("raise OSError(22, 'Invalid argument')", "Invalid argument")],
)
def test_a_filter_that_does_not_hold(monkeypatch: pytest.MonkeyPatch, instead: str, told: str) -> None:
    monkeypatch.setattr(kernel, "_TRY_FILTER", kernel._TRY_FILTER.replace("rules.load()", instead))
    found = kernel.seccomp_line()
    assert found.state is State.WARNING
    assert told in found.found
    assert "CONFIG_SECCOMP_FILTER" in found.remedy


def test_the_filter_is_really_loaded() -> None:
    found = kernel.seccomp_line()
    assert found.state is State.OK
    assert "libseccomp 2." in found.found


@pytest.mark.parametrize(
    ("setting", "value", "command"),
    [
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "apparmor_restrict_unprivileged_userns=0"),
        ("user/max_user_namespaces", "96365", "'privdrop' needs no namespaces"),
    ],
)
def test_no_user_namespaces(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str, value: str, command: str
) -> None:
    monkeypatch.setattr(
        kernel, "_TRY_NAMESPACE", "import sys; sys.exit('making one: Operation not permitted')"
    )
    monkeypatch.setattr("shutil.which", lambda _: None)
    found = kernel.namespaces(written(tmp_path, {f"proc/sys/{setting}": value}))
    assert found.state is State.WARNING
    assert "(making one: Operation not permitted)" in found.found
    assert command in found.remedy


ASK = """
import sys
sys.path.insert(0, {root!r})
from autograder.doctor import kernel
print(kernel.namespaces())
"""


@pytest.mark.skipif(
    shutil.which("bwrap") is None or kernel.namespaces().state is not State.OK,
    reason="no namespaces to forbid",
)
def test_namespaces_are_really_tried() -> None:
    """Within a sandbox that forbids further ones, none can be made."""
    with folder_for_all() as folder:
        shutil.copytree(ROOT / "autograder", folder / "autograder")
        subprocess.run(["chmod", "-R", "go+rX", folder], check=True)
        forbid = ["bwrap", "--unshare-user", "--disable-userns", "--dev-bind", "/", "/"]
        user = ORDINARY if os.geteuid() == 0 else None
        ask = [sys.executable, "-I", "-B", "-c", ASK.format(root=str(folder))]
        forbidden, allowed = (
            subprocess.run(
                [*before, *ask], user=user, group=user, capture_output=True, text=True, check=True, cwd="/"
            ).stdout
            for before in (forbid, [])
        )
    assert "WARNING" in forbidden
    assert "may not make them (making one: " in forbidden
    assert "State.OK" in allowed


def test_apparmor_may_allow_it_to_bubblewrap_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    with folder_for_all() as folder:
        program = folder / "bwrap"
        program.write_text('#!/bin/sh\n[ "$1" = --unshare-user ]\n')
        program.chmod(0o755)
        monkeypatch.setattr(
            kernel, "_TRY_NAMESPACE", "import sys; sys.exit('mounting in one: Permission denied')"
        )
        monkeypatch.setattr("shutil.which", lambda _: str(program))
        assert kernel.namespaces().found.startswith("bubblewrap may make them as user ")
        program.write_text("#!/bin/sh\nexit 1\n")
        assert kernel.namespaces(tmp_path).state is State.WARNING


def test_no_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    found = kernel.bubblewrap()
    assert found.state is State.WARNING
    assert "apt-get install bubblewrap" in found.remedy


def test_an_old_bubblewrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho bubblewrap 0.4.1\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: str(program))
    found = kernel.bubblewrap()
    assert found.state is State.WARNING
    assert "0.4.1" in found.found
    assert "newer bubblewrap" in found.remedy
