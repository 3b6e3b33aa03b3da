"""The example in docs/notebooks.md is what it says: an assignment that grades a notebook."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.grading import grade
from autograder.sandbox.kernel import accommodations
from autograder.staff_files import EXECUTED, READING
from tests.sandbox.notebooks import written

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "notebooks.md"
KERNEL = Path(accommodations.__file__).parent
RIGHT = "def accuracy(scores, labels):\n    return (scores.argmax(axis=1) == labels).mean()"
COUNT = "def accuracy(scores, labels):\n    return (scores.argmax(axis=1) == labels).sum()"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="grading needs the sandbox, which needs root")


@pytest.fixture
def curve(tmp_path: Path) -> Path:
    """The example's folder, copied out of the guide."""
    text = GUIDE.read_text(encoding="utf-8")
    folder = tmp_path / "graders" / "curve"
    folder.mkdir(parents=True)
    for language, name in (("toml", "assignment.toml"), ("python", "test_curve.py")):
        blocks = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        assert len(blocks) == 1, f"the guide has {len(blocks)} blocks of {language}"
        (folder / name).write_text(blocks[0], encoding="utf-8")
    return folder


@needs_root
@pytest.mark.parametrize(
    ("cells", "ends"),
    [
        (("import numpy as np\nprint(np.pi)", RIGHT), ["passed", "passed"]),
        ((RIGHT, "1 / 0"), ["error", "passed"]),
        ((COUNT,), ["passed", "failed"]),
        (("import os\nos._exit(3)", RIGHT), ["error", "error"]),
    ],
)
def test_the_example_grades(curve: Path, tmp_path: Path, cells: tuple[str, ...], ends: list[str]) -> None:
    submission = tmp_path / "curve.ipynb"
    submission.write_bytes(written(*cells))
    graded = grade(load_assignment(curve), submission, tmp_path / "out")
    found = [test.extra_data.outcome for test in graded.document.tests if test.extra_data]
    assert found == ends
    assert graded.document.score == float(ends[0] == "passed") + 2.0 * (ends[1] == "passed")
    assert graded.staff_files == (READING, EXECUTED)


def test_every_kind_of_accommodation_is_in_the_guide() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in KERNEL.glob("*.py"))
    assigned = re.findall(r'^(?:[A-Z]+, )*[A-Z]+ = ((?:"[a-z ]+"(?:, )?)+)(?:  #.*)?$', source, re.MULTILINE)
    kinds = {kind for found in assigned for kind in re.findall(r'"([a-z ]+)"', found)}
    assert {"gpu", "data", "packages", "old spelling"} <= kinds
    named = set(
        re.findall(
            r"`([^`]+)`",
            "".join(re.findall(r"^\| (`.*?) \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)),
        )
    )
    assert kinds <= named, "the guide's table lacks some"
