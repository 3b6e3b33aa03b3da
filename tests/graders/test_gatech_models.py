"""Georgia Tech's 9.3 where boxes may be used: train.py is rerun, weights are loaded, and the log comes last.

On made-up images in CIFAR-10's layout, a colour for each class: a convnet knows them after seconds.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from autograder.assignment import Assignment, load_assignment
from autograder.boxes import Boxes, Mode, open_backend
from autograder.data import VARIABLE
from autograder.environments import interpreter_for
from autograder.grading import Graded, grade
from autograder.outcome import EnvironmentFault
from autograder.verdicts import message_of
from fixtures.build import load, tree
from tests.graders.made_cifar import TEST, write_cifar
from tests.graders.notebook_fixtures import GRADERS, by_key, needs_root

NAME = "gatech_convnet"
LEARNED = "test_pytorch_convnet.py::test_learned"

pytestmark = [needs_root, pytest.mark.xdist_group(NAME)]


@pytest.fixture(scope="module")
def assignment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assignment]:
    folder = tmp_path_factory.mktemp("course")
    write_cifar(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder))
        found = load_assignment(GRADERS / NAME)
        assert found.notebook is not None
        notebook = found.notebook.model_copy(update={"mode": "auto"})
        tolerances = {**found.tolerances, "evaluated_images": float(TEST)}
        limits = found.limits.model_copy(update={"wall_s": 60.0})
        yield found.model_copy(update={"notebook": notebook, "tolerances": tolerances, "limits": limits})


@pytest.fixture(scope="module")
def boxes(assignment: Assignment) -> Iterator[Boxes]:
    try:
        interpreter_for(assignment.folder)
    except EnvironmentFault as fault:
        pytest.skip(fault.message)
    with open_backend(assignment, Mode.GRADE, assignment.limits, "privdrop") as opened:
        yield opened


def graded(files: dict[str, bytes], assignment: Assignment, boxes: Boxes, folder: Path) -> Graded:
    """What 9.3's files get: the NumPy notebook would train for minutes."""
    for path, content in files.items():
        if not path.endswith(".ipynb"):
            file = folder / "in" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return grade(assignment, folder / "in", folder / "out", limits=assignment.limits, backend=boxes)


def evidence_of(result: Graded) -> str:
    entry = by_key(result, NAME)[LEARNED]
    assert entry.extra_data is not None
    assert entry.extra_data.outcome == "passed", message_of(entry)
    return str(entry.extra_data.evidence)


def test_an_old_script_is_rerun_and_its_network_is_evaluated_by_us(
    assignment: Assignment, boxes: Boxes, tmp_path: Path
) -> None:
    files = tree(load("torch_old_script"))
    command = files["2_pytorch/run_convnet.sh"].replace(b"--epochs 5", b"--epochs 1")
    files["2_pytorch/run_convnet.sh"] = command.replace(b"--batch-size 256", b"--batch-size 25")
    result = graded(files, assignment, boxes, tmp_path)
    assert evidence_of(result) == "verified", message_of(by_key(result, NAME)[LEARNED])
    assert "Our own count, as train.py left it" in message_of(by_key(result, NAME)[LEARNED])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("torch_pickle_bomb", "system"),
        ("torch_weights_of_another_network", "other_network"),
        ("", "Our own count"),
    ],
)
def test_weights_that_show_nothing_leave_the_log(
    name: str, said: str, assignment: Assignment, boxes: Boxes, tmp_path: Path
) -> None:
    files = tree(load(name or "excellent"))
    files["2_pytorch/train.py"] = b"raise RuntimeError('needs a GPU')\n"
    if not name:  # the right shapes, and not trained: not what the log says
        torch.manual_seed(0)
        shapes = {"conv.weight": (32, 3, 7, 7), "conv.bias": (32,), "fc.weight": (10, 8192), "fc.bias": (10,)}
        buffer = io.BytesIO()
        torch.save({key: 0.01 * torch.randn(shape) for key, shape in shapes.items()}, buffer)
        files["2_pytorch/convnet.pt"] = buffer.getvalue()
    result = graded(files, assignment, boxes, tmp_path)
    assert evidence_of(result) == "claimed"
    assert "needs a GPU" in result.staff_text
    assert said.replace("other_network", "convnet.pt") in result.staff_text
