"""The example in CONTRIBUTING.md is what it says: an assignment that grades."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.grading import grade
from autograder.outcome import Outcome

GUIDE = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="grading needs the sandbox, which needs root")


@pytest.fixture
def stats(tmp_path: Path) -> Path:
    """The example's folder, copied out of the guide."""
    text = GUIDE.read_text(encoding="utf-8")
    folder = tmp_path / "graders" / "stats"
    folder.mkdir(parents=True)
    for language, name in (("toml", "assignment.toml"), ("python", "test_mean.py")):
        blocks = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        assert len(blocks) == 1, f"the guide has {len(blocks)} blocks of {language}"
        (folder / name).write_text(blocks[0], encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("body", "score", "outcomes"),
    [
        ("return sum(x) / len(x)", 2.0, [Outcome.PASSED, Outcome.PASSED]),
        ("return x.sum() / max(len(x) - 1, 1)", 0.5, [Outcome.FAILED, Outcome.PASSED]),
        ("return x.sum() / int(len(x) > 1) / len(x)", 1.5, [Outcome.PASSED, Outcome.FAILED]),
        ("raise ValueError(x)", 0.0, [Outcome.ERROR, Outcome.ERROR]),
    ],
)
def test_the_example_grades(
    stats: Path, tmp_path: Path, body: str, score: float, outcomes: list[Outcome]
) -> None:
    submission = tmp_path / "stats.py"
    submission.write_text(f"def mean(x):\n    {body}\n", encoding="utf-8")
    document = grade(load_assignment(stats), submission, tmp_path / "out").document
    assert document.score == score
    found = [test.extra_data.outcome for test in document.tests if test.extra_data]
    assert found == [outcome.value for outcome in outcomes]
