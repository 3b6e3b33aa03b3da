"""Four gradings at a time, half of them hostile: benchmarks/load.py in small, and what it must see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autograder.results import PARTIAL, RESULTS
from benchmarks.crowd import Entry, draw, hand_in, quicker_grader
from benchmarks.flatness import FEWEST, LAPS, MEMORY_KIB, OTHERS, Sample, look_at, unsteady
from benchmarks.load import dealt, judge
from tests.runs import ROOT, run_apart
from tests.sandbox.boxes import why_not

# Chosen by hand, so that a new fixture doesn't make this slower, and so that each kind of harm is among them.
HONEST = (
    *("excellent", "slip_conv_dw_stride_ignored", "slip_pool_backward_average", "right_helper_module"),
    *("right_prints_a_lot", "right_nested_zip", "right_torch_if_there", "half_only_forward", "old_division"),
    *("broken_recursion", "broken_zero_division", "import_syntax_error"),
)
HOSTILE = (
    *("hostile/fork_bomb_in_a_call", "hostile/daemon_from_a_call", "hostile/kill_everybody"),
    *("hostile/memory_at_once", "hostile/disk_filled", "hostile/output_flood", "hostile/shared_memory_left"),
    *("hostile/frame_of_4_gib", "hostile/zip_bomb", "ends_kills_its_parent", "limit_endless_loop"),
    "cheat_leaves_a_daemon",
)
WALL_S = 2.0  # for a loop that never ends; what is right needs a tenth of it beside three others
LAP = 16
BACKENDS = [pytest.param(name, marks=pytest.mark.xdist_group("load")) for name in ("privdrop", "bubblewrap")]


def load(sandbox: str, *arguments: str) -> str:
    """What the command says, if it says that all holds."""
    command = [sys.executable, "-m", "benchmarks.load", "--sandbox", sandbox, "--wall-s", f"{WALL_S:g}"]
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def only(names: tuple[str, ...]) -> list[str]:
    return [word for name in names for word in ("--only", name)]


@pytest.mark.parametrize("sandbox", BACKENDS)
def test_four_commands_at_a_time_grade_a_class(sandbox: str) -> None:
    if why := why_not(sandbox):
        pytest.skip(why)
    said = load(sandbox, "--gradings", "24", "--laps", "1", *only(HONEST + HOSTILE))
    assert "| 24 (24; 12) |" in said


@pytest.mark.parametrize("sandbox", BACKENDS)
def test_each_submission_has_a_command_of_its_own(sandbox: str) -> None:
    if why := why_not(sandbox):
        pytest.skip(why)
    said = load(sandbox, "--gradings", "8", "--each", *only(HONEST[:4] + HOSTILE[:4]))
    assert "| 8 (8; 4) |" in said


def test_the_crowd_is_half_hostile_and_the_same_for_the_same_seed() -> None:
    kinds = draw(50, "privdrop", seed=3)
    assert [kind.hostile for kind in kinds] == [False, True] * 25
    assert len({kind.name for kind in kinds}) == 50
    assert [kind.name for kind in draw(50, "privdrop", seed=3)] == [kind.name for kind in kinds]
    assert [kind.name for kind in draw(50, "privdrop", seed=4)] != [kind.name for kind in kinds]


def test_every_share_is_half_hostile() -> None:
    shares = dealt(draw(24, "privdrop"), 4)
    assert [len(share) for share in shares] == [6] * 4
    assert all(sum(kind.hostile for kind in share) == 3 for share in shares)


def graded(name: str, folder: Path) -> tuple[Entry, Path]:
    """A submission and its results."""
    entry = hand_in(draw(1, "privdrop", only=[name])[0], folder / "in", 0)
    grader = quicker_grader(folder, WALL_S)
    ended = run_apart("grade", grader, entry.source, "--out", folder / "out", cwd=folder)
    assert ended.code == 0, ended.err
    return entry, folder / "out"


def test_results_that_are_wrong_or_missing_are_found(tmp_path: Path) -> None:
    entry, out = graded("excellent", tmp_path)
    assert judge(entry, out) == []

    better = Entry(draw(1, "privdrop", only=["half_only_forward"])[0], entry.source)
    assert "10 points, not 8" in judge(better, out)[0]

    (out / PARTIAL).touch()
    assert PARTIAL in judge(entry, out)[0]
    (out / PARTIAL).unlink()

    text = (out / RESULTS).read_text(encoding="utf-8")
    (out / RESULTS).write_text(text.replace('"partial": false', '"partial": true'), encoding="utf-8")
    assert "partial" in judge(entry, out)[0]

    (out / RESULTS).unlink()
    assert "no results" in judge(entry, out)[0]


LEAVES = """
import subprocess, sys, tempfile
from pathlib import Path
from benchmarks.traces import Traces, adopt_orphans
adopt_orphans()
with tempfile.TemporaryDirectory() as name, Traces(Path(name), patience_s=0.5) as traces:
    print(traces.left_over())
    (Path(name) / "autograder-box-1").mkdir()
    subprocess.run(["sh", "-c", "sleep 5 & exit"], check=True)
    print(traces.left_over())
"""


def test_what_is_left_is_found() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    before, after = done.stdout.splitlines()
    assert before == "[]"
    assert "process: 'sleep 5 '" in after
    assert "autograder-box-1" in after


def samples(*, kib: float = 0, descriptors: float = 0, threads: float = 0, laps: int = LAPS) -> list[Sample]:
    """Of a process that grows by so much with each grading, and by a hundred MiB with the fifth of all."""
    return [
        Sample(
            60_000 + round(k * kib) + (100_000 if k >= 5 else 0),
            30_000,
            5 + int(k * descriptors) + k % 2,
            1 + int(k * threads),
        )
        for k in range(laps * LAP)
    ]


def test_what_grows_with_every_grading_is_found() -> None:
    assert unsteady(samples(), LAP) == []
    (memory,) = unsteady(samples(kib=1.1 * MEMORY_KIB / LAP), LAP)
    assert memory.startswith("memory has grown by")
    (descriptors,) = unsteady(samples(descriptors=(OTHERS + 1) / LAP), LAP)
    assert descriptors.startswith("descriptors have grown by 3")
    (threads,) = unsteady(samples(threads=(OTHERS + 1) / LAP), LAP)
    assert threads.startswith("threads have grown by 3")


def test_a_few_samples_say_nothing() -> None:
    assert unsteady(samples(kib=10_000, laps=LAPS - 1), LAP) == []
    assert unsteady(samples(kib=10_000), FEWEST - 1) == []


STAYS = """
import gc, os, sys, threading
from pathlib import Path
from autograder.assignment import find_assignment
from autograder.boxes import Mode, open_backend
from autograder.grading import grade
folder, grader, laps, sources = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
assignment = find_assignment(grader, Path("graders"))
with open_backend(assignment, Mode.GRADE, sandbox="privdrop") as backend:
    for _ in range(laps):
        for number, source in enumerate(sources):
            grade(assignment, Path(source), folder / str(number), backend=backend)
        gc.collect()
        print(len(gc.get_objects()), len(os.listdir("/proc/self/fd")), threading.active_count())
"""
OBJECTS_EACH = 25  # a grading; one that is kept whole has ten thousand


@pytest.mark.xdist_group("load")
def test_no_grading_is_kept(tmp_path: Path) -> None:
    if why := why_not("privdrop"):
        pytest.skip(why)
    names = [
        "excellent",
        "limit_huge_value",
        "broken_recursion",
        "hostile/zip_traversal",
        "cheat_lying_array",
    ]
    kinds = [draw(1, "privdrop", only=[name])[0] for name in names]
    sources = [str(hand_in(kind, tmp_path / "in", k).source) for k, kind in enumerate(kinds)]
    grader = quicker_grader(tmp_path, WALL_S)
    command = [sys.executable, "-c", STAYS, str(tmp_path / "out"), str(grader), f"{LAPS}", *sources]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    *_, before, after = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert after[0] - before[0] < OBJECTS_EACH * len(sources)
    assert after[1:] == before[1:]  # descriptors and threads


def test_a_process_is_looked_at() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        sample = look_at(process.pid)
        process.kill()
    assert sample is not None
    assert sample.rss_kib >= sample.pss_kib > 0
    assert sample.descriptors >= 3
    assert sample.threads == 1
    assert look_at(process.pid) is None
