"""Notebooks that attack what runs them: the attack fails, the run says what happened, nothing is left."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.outcome import SubmissionProblem
from autograder.sandbox import vision_pair
from autograder.sandbox.notebook import CellEnd, NotebookModule, NotebookRun, RunPlan
from tests.hostile.forging import BROKEN, FORGED_ANSWERS, PRELUDE, PROGRESS, SERVER
from tests.hostile.hostile_cells import AFTER, ATTACKS, DIES, IMPORTS, INTERRUPTED
from tests.sandbox.boxes import Watched
from tests.sandbox.notebooks import LIMITS, PLAN, opened_notebook

MOST_MIB = 400  # that the trusted process may grow by
QUICK = replace(PLAN, cell_wall_s=2.0, wall_s=12.0)
SMALL = replace(LIMITS, wall_s=1.5)


@contextmanager
def attacked(
    boxes: Watched, tree: Path, *cells: str, plan: RunPlan = QUICK, files: dict[str, str] | None = None
) -> Iterator[NotebookModule]:
    """The notebook, run; afterwards our own memory hasn't grown, and nothing of the box is left."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with opened_notebook(boxes, tree, *cells, plan=plan, limits=SMALL, files=files) as module:
        assert module.run.seconds < plan.wall_s + 3
        yield module
    boxes.assert_nothing_left()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MOST_MIB, f"the trusted process grew by {grown:.0f} MiB"


def ends(run: NotebookRun) -> list[str]:
    return [cell.end.value for cell in run.cells]


def test_forged_answers_are_no_more_than_lies(
    boxes: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vision_pair, "examined", lambda: vision_pair.Pair("2.13", "0.28"))
    files = {
        "answers.jsonl": b"\n".join(FORGED_ANSWERS.values()).decode(),
        "rest.json": json.dumps({"names": {"names": ["\x1b[2J", 5, None, "x" * 10**6, *["y"] * 10_000]}}),
    }
    cells = [SERVER, *[f"{number}" for number in range(len(FORGED_ANSWERS))]]
    plan = replace(QUICK, wall_s=60.0, cell_wall_s=20.0)
    with attacked(boxes, tmp_path, *cells, plan=plan, files=files) as module:
        run = module.run
        assert run.stopped is None, (run.stopped, list(FORGED_ANSWERS)[len(ends(run)) - 2])
        wrong = [
            name
            for name, cell in zip(FORGED_ANSWERS, run.cells[1:], strict=True)
            if (cell.end is CellEnd.RAISED) is not name.startswith("raised")
        ]
        assert wrong == []
        assert all(type(output.text) is str for cell in run.notebook.cells for output in cell.outputs)
        assert len(module.names) <= 2_000
        assert max(map(len, module.names)) <= 100


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_answer_ends_the_run_at_once(boxes: Watched, tmp_path: Path, sent: str) -> None:
    plan = replace(QUICK, cell_wall_s=8.0)
    with attacked(boxes, tmp_path, PRELUDE, f"{sent}\ntime.sleep(60)", "print(1)", plan=plan) as module:
        run = module.run
        assert ends(run) == ["ran", "killed", "not run"]
        assert run.seconds < 6
        assert "cell 2" in str(run.stopped)
        with pytest.raises(SubmissionProblem):
            module.scene()


SLOW = {
    "silent": "time.sleep(60)",
    "half a header": "os.write(3, b'\\0' * 5)\ntime.sleep(60)",
    "half an answer": "os.write(3, frame({'cell': {}})[:-1])\ntime.sleep(60)",
    "byte by byte": "for byte in frame({'cell': {'outputs': ['x' * 3000]}}):\n"
    "    os.write(3, bytes([byte]))\n    time.sleep(0.01)",
    "progress without end": "while True:\n"
    "    say(frame({'progress': {}, 'so_far': []}))\n    time.sleep(0.5)",
}
DEAF = (
    "for number in range(1, 65):\n"
    "    try: signal.signal(number, signal.SIG_IGN)\n    except Exception: pass\n"
)


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW.keys())
def test_a_slow_answer_ends_at_the_deadline(boxes: Watched, tmp_path: Path, sent: str) -> None:
    plan = replace(QUICK, cell_wall_s=1.0)
    with attacked(boxes, tmp_path, PRELUDE, DEAF + sent, plan=plan) as module:
        run = module.run
        assert ends(run) == ["ran", "killed"]
        assert run.seconds < 4
        assert "time limit of one cell" in str(run.stopped)


def test_progress_is_read_whatever_it_says(boxes: Watched, tmp_path: Path) -> None:
    say = "".join(f"say(frame({body!r}))\n" for body in PROGRESS)
    for epochs, predicted in ((3, False), (10**6, True)):
        plan = replace(QUICK, gives_up=True, epochs=epochs)
        with attacked(boxes, tmp_path, PRELUDE, say, plan=plan) as module:
            stopped = module.run.stopped
            assert (ends(module.run)[1] == "killed") is (stopped is not None)
            assert stopped is None or len(str(stopped)) < 300, predicted


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_named_and_leaves_nothing(boxes: Watched, tmp_path: Path, name: str) -> None:
    attack = ATTACKS[name]
    patient = INTERRUPTED not in attack.may_end and DIES not in attack.may_end  # else some of them hang
    plan = replace(QUICK, cell_wall_s=10.0 if patient else 1.5)
    with attacked(boxes, tmp_path, IMPORTS, attack.cell, AFTER, plan=plan) as module:
        run = module.run
        assert tuple(ends(run)) in attack.may_end, run.stopped or run.first_problem
        problem = run.cells[1].problem
        assert (problem is None) == (run.cells[1].end is CellEnd.RAN)
        if problem is not None:
            assert "cell 2" in problem.message.lower()
            assert attack.says in problem.message
            assert all(char.isprintable() or char == "\n" for char in problem.student_text)
        assert sum(len(output.text) for output in run.notebook.cells[1].outputs) < 10**7
        with suppress(SubmissionProblem), module.scene() as scene:
            scene.call("nobody")


FULL = """
say(frame({'cell': {'outputs': []}}))
text = {'output_type': 'stream', 'name': 'stdout', 'text': 'x' * 199_000}
while True:
    request = heard()
    say(frame({'cell': {'outputs': [text] * 19}} if request['do'] == 'cell' else {'names': []}))
"""


def test_full_outputs_of_many_cells_are_kept_within_a_bound(boxes: Watched, tmp_path: Path) -> None:
    """Together they are more than a file may hold; that costs the last of them their middle, and no more."""
    cells = [PRELUDE + FULL, *["1"] * 24]
    with attacked(boxes, tmp_path, *cells, plan=replace(QUICK, wall_s=60.0, cell_wall_s=20.0)) as module:
        run = module.run
        assert ends(run) == ["ran"] * 25
        kept = [sum(len(output.text) for output in cell.outputs) for cell in run.notebook.cells[1:]]
        assert kept[0] == 19 * 199_000
        assert sum(kept) < 52 * 2**20
