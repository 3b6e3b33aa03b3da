"""What the machine lacks, a clock that jumps, and a grader's folder that is broken: faults with a remedy.

As in test_faults.py, each test runs the command line in a process of its own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import SET_LIMIT, Door, after_imports, opened_door
from tests.runs import EARLIER, ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="grading needs root, for the sandbox")


@pytest.fixture
def door() -> Iterator[Door]:
    with opened_door() as made:
        yield made


# --- what the machine lacks ---------------------------------------------------------------------------


def test_libseccomp_is_missing(door: Door) -> None:
    found = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True)
    libraries = re.findall(r"libseccomp\.so\.\S+ .*=> (\S+)", found.stdout)
    assert libraries
    hide = "\n".join(f"mount --bind /dev/null {Path(library).resolve()}" for library in libraries)
    door.check_fault(door.run(namespace=hide), "apt-get install libseccomp2")


def test_the_interpreter_cant_be_read_by_the_sandboxs_user(door: Door) -> None:
    locked = door.folder / "locked"
    (locked / "env").mkdir(parents=True)
    locked.chmod(0o700)
    show = f"mount --bind {sys.prefix} {locked / 'env'}"
    python = str(locked / "env" / Path(sys.executable).relative_to(sys.prefix))
    door.check_fault(door.run(namespace=show, python=python), "can't read Python", "readable by every user")


def test_the_locks_folder_is_read_only(door: Door) -> None:
    hide = "mount -t tmpfs -o ro tmpfs $(realpath /run/lock)"
    door.check_fault(door.run(namespace=hide), "/run/lock/autograder", "writable /run")


LIMITS = {
    "RLIMIT_NOFILE": [4, 6, 8, 10, 12, 14, 18, 24],
    "RLIMIT_AS": [2**20 * mib for mib in (60, 100, 120, 140, 160, 200, 240, 300)],
    "RLIMIT_FSIZE": [0, 1000, 3000],
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_trusted_process_under_limits_that_are_too_low(door: Door, name: str) -> None:
    """It ends as a fault or, where the limit is enough, with the right score; never with another."""
    codes = []
    for value in LIMITS[name]:
        door.put_earlier()
        over = door.run(before=after_imports(SET_LIMIT.format(name, value, 0)))
        codes.append(over.code)
        if over.code == 0:
            door.check_score(over)
        else:  # it may end before it has read its command line
            not_begun = door.results.exists() and door.results.read_bytes() == EARLIER
            # Without memory no `rm` can be started: the next run clears away what this one left.
            door.check_fault(over, earlier_stays=not_begun, folders_stay=name == "RLIMIT_AS")
    assert 2 in codes
    door.check_score(door.run())


@pytest.mark.parametrize(
    ("name", "value"), [("RLIMIT_AS", 1200 * 2**20), ("RLIMIT_FSIZE", 2**20), ("RLIMIT_NOFILE", 100)]
)
def test_hard_limits_below_what_the_manifest_promises(door: Door, name: str, value: int) -> None:
    """The submission must not be the one that finds out."""
    door.small.work = (
        "import os\ndef double(x):\n    a = bytearray(400 * 2**20)\n    open('b', 'wb').write(bytes(2**23))\n"
        "    files = [open(os.devnull) for _ in range(200)]\n    return 2 * x\n"
    )
    door.check_score(door.run())
    door.put_earlier()
    door.check_fault(door.run(before=after_imports(SET_LIMIT.format(name, value, value))), name)


# --- the clock ----------------------------------------------------------------------------------------

JUMPS = """
import time
_real, _count = time.time, [0]
def jumping():
    _count[0] += 1
    return _real() + (-1) ** _count[0] * 10 * 365 * 86400
time.time = jumping
time.time_ns = lambda: int(jumping() * 1e9)
"""


def test_a_clock_that_jumps_changes_nothing(door: Door) -> None:
    """Ten years forth and back, at each look, in the trusted process and in the sandbox's."""
    door.between("pass")
    boot = f"from autograder.sandbox import forkserver\nforkserver._BOOT = {JUMPS!r} + forkserver._BOOT"
    start = time.monotonic()
    over = door.run(before=after_imports(f"{boot}\n{JUMPS}"))
    took = time.monotonic() - start
    door.check_score(over)
    document = json.loads(door.results.read_bytes())
    assert 0 < document["execution_time"] < took
    for test in document["tests"]:
        assert 0 <= test["extra_data"]["seconds"] < took


def test_time_limits_hold_under_a_clock_that_jumps(door: Door) -> None:
    door.small.more = "[limits]\nwall_s = 1.0\n"
    door.small.work = "def double(x):\n    while True: pass\n"
    over = door.run(before=after_imports(JUMPS))
    door.check_score(over, 0.0)
    assert "time limit of 1 seconds" in door.results.read_text()


def test_only_the_steady_clock_is_asked() -> None:
    """The wall clock may be set while we run: nothing that is graded looks at it.

    Two dates of an entry to a challenge are no part of its grading: when it came, where staff don't say it,
    and when it was kept.
    """
    wall = re.compile(
        r"\btime\.time\(|\btime_ns\(|date(time)?\.(now|utcnow|today)\(|from time import|CLOCK_REALTIME"
    )
    engine = ROOT / "autograder"
    graded = [path for path in engine.rglob("*.py") if path.parent.name != "doctor"]
    asking = {path.relative_to(engine).as_posix() for path in graded if wall.search(path.read_text())}
    assert asking == {"challenge/entering.py", "leaderboard/store.py"}


# --- the grader's folder ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        ("Path('/no/such/labels.csv').read_bytes()", "/no/such/labels.csv"),
        ("import a_package_that_isnt_there", "a_package_that_isnt_there"),
        ("submission.read('not_handed_in.txt')", "not_handed_in.txt"),
    ],
)
def test_missing_data(door: Door, statements: str, told: str) -> None:
    door.between(statements)
    door.check_fault(door.run(), "see the traceback")
    assert told in (door.out / "fault.txt").read_text()


LABELS = """
import pytest
from pathlib import Path
@pytest.fixture(scope="session")
def labels():
    return Path("/no/such/labels.csv").read_bytes()
"""


def test_missing_data_in_a_fixture(door: Door) -> None:
    door.small.files = {"conftest.py": LABELS}
    door.between("pass")
    door.small.tests = door.small.tests.replace("between(submission)", "between(submission, labels)")
    door.check_fault(door.run(), "/no/such/labels.csv")


@pytest.mark.parametrize(
    ("first", "told"),
    [("this is [ no toml", "assignment.toml"), ("nonsense = 1", "nonsense"), ('seed = "x"', "seed")],
)
def test_a_broken_manifest(door: Door, first: str, told: str) -> None:
    command = door.command()
    manifest = door.small.folder / "graders" / "small" / "assignment.toml"
    text = manifest.read_text()
    manifest.write_text(f"{first}\n{text.replace('seed = 5', '') if 'seed' in first else text}")
    done = subprocess.run(command, cwd=door.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "What to do: " in done.stderr
    assert not door.results.exists()
