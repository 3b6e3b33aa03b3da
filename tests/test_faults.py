"""What is our fault ends as a fault, with a remedy, and never as a score: tried on the real thing.

Each test runs the command line in a process of its own: on a disk that is really full, with a process that
is really killed, without a library, under limits that are too low. Exit 2, no results.json, a remedy, and
nothing left over. test_rules.py breaks each part from inside.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import Door, after_imports, ended, opened_door, small_disk
from tests.runs import EARLIER, ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="grading needs root, for the sandbox")


@pytest.fixture
def door() -> Iterator[Door]:
    with opened_door() as made:
        yield made


def test_without_a_fault_there_is_a_score(door: Door) -> None:
    door.between("pass")
    door.check_score(door.run())


# --- the results' disk --------------------------------------------------------------------------------


def fill(folder: Path) -> None:
    try:
        (folder / "filler").write_bytes(bytes(2**20))
    except OSError:
        return
    raise AssertionError("the disk did not fill up")


def test_the_results_disk_is_full_from_the_start(door: Door) -> None:
    with small_disk(door.out, "size=64k"):
        fill(door.out)
        door.check_fault(door.run(), "No space left on device", "its disk has room")


@pytest.mark.parametrize("leave", [0, 4096], ids=["before it ends", "for the page alone"])
def test_the_results_disk_fills_up(door: Door, leave: int) -> None:
    door.between(f"fill(OUT, {leave})")
    with small_disk(door.out, "size=256k"):
        door.put_earlier()
        door.check_fault(door.run(), "No space left on device")


def test_the_results_disk_fills_up_at_the_last_write(door: Door) -> None:
    """Every test was settled; the document that becomes the score finds no room."""
    before = (
        "from autograder.results import ResultsStore\nfinish = ResultsStore.finish\n"
        "def late(self):\n"
        f"    try:\n        open({str(door.out / 'filler')!r}, 'wb').write(bytes(2**20))\n"
        "    except OSError:\n        pass\n"
        "    return finish(self)\nResultsStore.finish = late"
    )
    with small_disk(door.out, "size=64k"):
        prelude = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{before}\nsys.path.pop(0)"
        door.check_fault(door.run(before=prelude), "No space left on device")


def test_the_results_disk_has_no_inodes(door: Door) -> None:
    with small_disk(door.out, "nr_inodes=20"):
        while left := os.statvfs(door.out).f_favail:
            (door.out / str(left)).touch()
        door.check_fault(door.run(), "No space left on device")


def test_the_results_folder_is_read_only(door: Door) -> None:
    with small_disk(door.out, "size=64k"):
        door.put_earlier()
        subprocess.run(["mount", "-o", "remount,ro", str(door.out)], check=True)
        door.check_fault(door.run(), "can't be removed", "Remove them by hand", earlier_stays=True)


@pytest.mark.parametrize("what", ["file", "link to nothing", "below a file"])
def test_the_results_folder_is_none(door: Door, what: str) -> None:
    door.results.unlink()
    door.out.rmdir()
    if what == "link to nothing":
        door.out.symlink_to(door.folder / "nowhere" / "at all")
    else:
        door.out.touch()
    if what == "below a file":
        door.out = door.out / "below"
    door.check_fault(door.run(), "the results can't be written to")


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        ("shutil.rmtree(OUT)", "the results can't be written to"),
        ("shutil.rmtree(OUT)\nOUT.write_text('a file')", "the results can't be written to"),
        ("shutil.rmtree(OUT)\nOUT.symlink_to('/nowhere/at/all')", "the results can't be written to"),
    ],
    ids=["removed", "a file in its place", "a link in its place"],
)
def test_the_results_folder_goes_away_half_way(door: Door, statements: str, told: str) -> None:
    door.between(statements)
    ended = door.run()
    if ended.code == 0:  # the second try made it anew, and everything ran again
        assert statements == "shutil.rmtree(OUT)"
        door.check_score(ended)
    else:
        door.check_fault(ended, told)


# --- the boxes' disk ----------------------------------------------------------------------------------


# Everything that Python may take for its temporary folder is read-only, but for the results.
NO_TMP = """
for folder in /tmp /var/tmp /usr/tmp; do
    [ ! -d $folder ] || mount --bind $folder $folder
done
mount --bind {out} {out}
for folder in /tmp /var/tmp /usr/tmp; do
    [ ! -d $folder ] || mount -o remount,bind,ro $folder
done
cd /proc
"""


def test_no_temporary_folder_can_be_written(door: Door) -> None:
    door.tmp.rmdir()
    try:
        over = door.run(namespace=NO_TMP.format(out=door.out))
    finally:
        door.tmp.mkdir()
    door.check_fault(over, "No usable temporary directory", "can't be written to")


@pytest.mark.parametrize(
    ("options", "told"),
    [("size=1m", "MiB left"), ("nr_inodes=200", "room for")],
    ids=["bytes", "inodes"],
)
def test_there_is_no_room_for_boxes(door: Door, options: str, told: str) -> None:
    with small_disk(door.tmp, options):
        door.check_fault(door.run(), told, "set TMPDIR")


# Names of their own: the number that is left goes up again when somebody removes a file meanwhile.
FILL_INODES = """
while os.statvfs({0!r}).f_favail:
    Path({0!r}, f"filling-{{time.monotonic_ns()}}").touch()
"""


@pytest.mark.parametrize(("what", "told"), [("bytes", "MiB left"), ("inodes", "set TMPDIR")])
def test_the_boxes_disk_fills_up(door: Door, what: str, told: str) -> None:
    """Between two tests, while a new box is needed: the one before has just lost its fork server."""
    filling = FILL_INODES.format(str(door.tmp)) if what == "inodes" else f"fill({str(door.tmp)!r})"
    door.between(f"{filling}\n{KILL_SERVER}")
    with small_disk(door.tmp, "size=70m,nr_inodes=1000"):
        door.check_fault(door.run(), told)


def test_less_room_than_the_manifest_promises(door: Door) -> None:
    """A student who may write 32 MiB doesn't fail because the machine has less."""
    door.small.work = "def double(x):\n    open('big', 'wb').write(bytes(20 * 2**20))\n    return 2 * x\n"
    door.check_score(door.run())
    with small_disk(door.tmp, "size=8m"):
        door.put_earlier()
        door.check_fault(door.run(), "MiB left, where a submission may use 32")


# --- where we speak -----------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [False, True], ids=["full", "closed"])
def test_what_is_said_cant_be_written(door: Door, closed: bool) -> None:
    """The results are what counts: a score that stands is exit 0, a fault is exit 2, whoever listens."""
    door.between("pass")
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
        namespace = "exec >&-" if closed else ""
        ended = door.run(namespace=namespace) if closed else door.run(stdout=full)
        door.check_score(ended)
        assert "Traceback" not in ended.err
        assert closed or "No space left on device" in ended.told
        door.put_earlier()
        door.between("raise RuntimeError('bug')")
        ended = door.run(namespace="exec 2>&-") if closed else door.run(stderr=full)
        assert ended.code == 2
        assert not door.results.exists()
        assert "bug" in (door.out / "fault.txt").read_text()
        door.check_nothing_left()


def test_nobody_listens_any_more(door: Door) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        os.close(reading)
        ended = door.run(stdout=pipe)
    door.check_score(ended)
    assert "Traceback" not in ended.err


# --- processes that are killed ------------------------------------------------------------------------

KILL_SERVER = "os.kill(fork_server(), signal.SIGKILL)\ntime.sleep(0.2)"
WHILE_IT_RUNS = """
threading.Thread(target=lambda: (time.sleep(0.3), {}), daemon=True).start()
with submission.module("work.py").scene() as scene:
    assert scene.call("slowly", 21).fetch() == 42"""
SLOWLY = (
    "import time\ndef double(x):\n    return 2 * x\ndef slowly(x):\n    time.sleep(1)\n    return 2 * x\n"
)
KILLS = {
    "the fork server between two calls": KILL_SERVER,
    "the fork server during a call": WHILE_IT_RUNS.format("os.kill(fork_server(), signal.SIGKILL)"),
    "the holder between two calls": "[os.kill(pid, signal.SIGKILL) for pid in holders()]\ntime.sleep(0.2)",
    "the holder during a call": WHILE_IT_RUNS.format("[os.kill(pid, 9) for pid in holders()]"),
    "the scene during a call": WHILE_IT_RUNS.format("[os.kill(pid, 9) for pid in children(holders()[0])]"),
}


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS.keys())
def test_a_process_that_is_killed_once_costs_no_points(door: Door, kill: str) -> None:
    """Whoever did it: what was cut short is tried once more."""
    door.small.work = SLOWLY
    once = f"mark = Path({str(door.folder / 'mark')!r})\nif mark.exists():\n    return\nmark.touch()\n"
    door.between(once + kill)
    door.check_score(door.run())


IN_A_SCENE = """
scene = submission.module("work.py").scene()
os.kill(fork_server(), signal.SIGKILL)
time.sleep(0.2)
scene.call("double", 21)"""


@pytest.mark.parametrize("kill", [IN_A_SCENE, KILLS["the fork server during a call"]])
def test_a_fork_server_that_is_killed_each_time(door: Door, kill: str) -> None:
    door.small.work = SLOWLY
    door.between(kill)
    door.check_fault(door.run(), "died", "out-of-memory kill")


def test_every_fork_server_is_killed_as_it_starts(door: Door) -> None:
    process = door.start()
    while process.poll() is None:
        for pid in _children(process.pid):
            if "worker.serve" in _command_line(pid):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    door.check_fault(ended(process), "fork server stopped answering", "out-of-memory kill")


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_a_submission_that_kills_itself_makes_no_fault_of_it(door: Door) -> None:
    """It would be a way to be graded again and again: what happens twice is the submission's own doing."""
    door.small.work = "import os\ndef double(x):\n    os.kill(os.getpid(), 9)\n"
    door.check_score(door.run(), 0.0)
    told = door.results.read_text()
    assert "killed by SIGKILL" in told
    door.small.work = "import os\ndef double(x):\n    os.kill(os.getppid(), 9)\n"
    door.check_score(door.run(), 0.0)
    door.small.work = "import os\nos._exit(0)\n"
    door.check_score(door.run(), 0.0)


def test_the_machine_runs_out_of_memory(door: Door) -> None:
    """The kernel counts whom it kills for that. A box that kept to its own limit is not to blame, ever."""
    counter = door.folder / "vmstat"
    counter.write_text("oom_kill 3\n")
    door.small.work = SLOWLY
    kill = f"Path({str(counter)!r}).write_text(f'oom_kill {{time.monotonic_ns()}}')"
    door.between(WHILE_IT_RUNS.format(f"({kill}, [os.kill(pid, 9) for pid in children(holders()[0])])"))
    door.check_fault(
        door.run(before=after_imports(pretended_memory(counter, available_mib=100))),
        *("ran out of memory", "kept to its limit of 512 MiB", "more memory"),
    )


def test_somebody_else_on_the_machine_runs_out_of_memory(door: Door) -> None:
    """In a container with a limit of its own, that is: the machine has enough, and kills nobody of ours."""
    counter = door.folder / "vmstat"
    counter.write_text("oom_kill 3\n")
    door.small.work = SLOWLY
    kill = f"Path({str(counter)!r}).write_text(f'oom_kill {{time.monotonic_ns()}}')"
    door.between(WHILE_IT_RUNS.format(f"({kill}, [os.kill(pid, 9) for pid in children(holders()[0])])"))
    over = door.run(before=after_imports(pretended_memory(counter, available_mib=8000)))
    door.check_score(over, door.score())  # whatever killed it did so twice: it counts
    assert "killed by SIGKILL" in door.results.read_text()
    assert 0 < door.score() < 4


def pretended_memory(counter: Path, available_mib: int) -> str:
    """Statements that let a run see this count of the kernel's, and so much memory that is free."""
    meminfo = counter.with_name("meminfo")
    meminfo.write_text(f"MemTotal: 9999999 kB\nMemAvailable: {available_mib * 1024} kB\n")
    return (
        "from pathlib import Path\nfrom autograder.sandbox import shortage\n"
        f"shortage.VMSTAT, shortage.MEMINFO = Path({str(counter)!r}), Path({str(meminfo)!r})"
    )


def test_the_guard_dies(door: Door) -> None:
    door.small.work = SLOWLY
    dying = (
        "from autograder.sandbox.guard import Guard\n"
        "def die(*_, **__): raise RuntimeError('the guard has had enough')\nGuard._scan = die\n"
    )
    door.between(dying + WHILE_IT_RUNS.format("0"))
    door.check_fault(door.run(), "the guard has had enough", "Report this")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_at_any_moment(door: Door, how: signal.Signals) -> None:
    door.small.work = "import time\ndef double(x):\n    time.sleep(0.15)\n    return 2 * x\n"
    chance = random.Random(int(how))  # noqa: S311  (moments, not secrets)
    for number in range(8):
        door.put_earlier()
        process = door.start()
        time.sleep(0.2 * number * (0.75 + chance.random() / 2))
        twice = number % 2 == 1
        for _ in range(1 + twice):
            process.send_signal(how)
            time.sleep(0.03)
        over = ended(process)
        if over.code == 0:
            door.check_score(over)
            continue
        assert over.code in (130, -how), over.err  # the latter before our first line
        if over.code == 130:
            assert "Interrupted" in over.told
        if door.results.exists() and door.results.read_bytes() != EARLIER:
            assert door.score() == 3.0  # it was graded, and interrupted as it told so
            assert not door.partial.exists()
        door.check_nothing_left()
        door.partial.unlink(missing_ok=True)
