"""Georgia Tech's 9.4 where boxes may be used: predictions are held against the model that came with them.

On made-up images in CIFAR-10's layout, a colour for each class; the model is the fixtures' own, trained here
for seconds.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autograder.assignment import Assignment, load_assignment
from autograder.boxes import Boxes, Mode, open_backend
from autograder.challenge.answers import prepare
from autograder.challenge.preparing import form_of
from autograder.data import VARIABLE
from autograder.environments import interpreter_for
from autograder.grading import Graded, grade
from autograder.outcome import EnvironmentFault
from autograder.verdicts import message_of
from fixtures.build import ROOT, load, tree
from fixtures.prediction_writing import lines
from tests.graders.made_cifar import TEST, batches, write_cifar
from tests.graders.notebook_fixtures import by_key, needs_root
from tests.graders.test_gatech_challenge import MODEL, NAME, OWN, only_the_challenge, outcome

BASE = ROOT / NAME / "base" / "2_pytorch"
HIDDEN, KERNEL = 8, 3
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # as the fixtures' cifar10.py has them

pytestmark = [needs_root, pytest.mark.xdist_group(NAME)]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assignment]:
    """The grader for as many images as were made up, with boxes, and with answers."""
    data = tmp_path_factory.mktemp("data")
    labels = write_cifar(data)
    folder = tmp_path_factory.mktemp("course") / NAME
    only_the_challenge(folder)
    manifest = (folder / "assignment.toml").read_text(encoding="utf-8")
    manifest = manifest.replace("images = 10000", f"images = {TEST}")
    manifest = manifest.replace('mode = "stored"', 'mode = "auto"')
    (folder / "assignment.toml").write_text(manifest, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(data))
        assignment = load_assignment(folder)
        prepare(assignment, form_of(assignment), np.array(labels), {})
        yield load_assignment(folder)


@pytest.fixture(scope="module")
def boxes(course: Assignment) -> Iterator[Boxes]:
    try:
        interpreter_for(course.folder)
    except EnvironmentFault as fault:
        pytest.skip(fault.message)
    with open_backend(course, Mode.GRADE, course.limits, "privdrop") as opened:
        yield opened


@dataclass(frozen=True)
class Trained:
    """A model's weights as train.py saves them, and what it predicts for the test images."""

    weights: bytes
    labels: tuple[int, ...]


@pytest.fixture(scope="module")
def trained() -> Trained:
    spec = importlib.util.spec_from_file_location("mymodel_of_the_base", BASE / "models" / "mymodel.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    model = module.MyModel((3, 32, 32), HIDDEN, KERNEL, 10)
    made = list(batches().values())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for batch in 6 * made[:-1]:
        optimizer.zero_grad()
        scores = model(prepared(batch))
        loss = torch.nn.functional.cross_entropy(scores, torch.tensor(batch["labels"]))
        loss.backward()  # type: ignore[no-untyped-call]  # (torch has no type for it)
        optimizer.step()
    model.eval()
    with torch.no_grad():
        labels = model(prepared(made[-1])).argmax(1).tolist()
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return Trained(buffer.getvalue(), tuple(labels))


def prepared(batch: dict[str, Any]) -> torch.Tensor:
    """As the fixtures' cifar10.py prepares images."""
    pixels = torch.tensor(batch["data"]).reshape(-1, 3, 32, 32) / 255
    mean, deviation = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (MEAN, STD))
    return (pixels - mean) / deviation


def graded(course: Assignment, boxes: Boxes, folder: Path, labels: tuple[int, ...], weights: bytes) -> Graded:
    base = tree(load("excellent"))
    files = {path: base[path] for path in (*OWN, "2_pytorch/train.py", "2_pytorch/cifar10.py")}
    files["2_pytorch/run_mymodel.sh"] = (
        f"python train.py --model mymodel --hidden-dim {HIDDEN} --kernel-size {KERNEL}\n".encode()
    )
    files["2_pytorch/predictions.csv"] = lines(labels).encode()
    files["2_pytorch/mymodel.pt"] = weights
    for path, content in files.items():
        (folder / "in" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "in" / path).write_bytes(content)
    return grade(course, folder / "in", folder / "out", limits=course.limits, backend=boxes)


def test_predictions_are_held_against_their_model(
    course: Assignment, boxes: Boxes, trained: Trained, tmp_path: Path
) -> None:
    own = graded(course, boxes, tmp_path / "own", trained.labels, trained.weights)
    assert outcome(by_key(own, NAME)[MODEL]) == ("passed", 0.0)
    assert "Its labels are those of &#39;2_pytorch/mymodel.pt&#39; on 100.0 %" in sheet_of(own)
    assert "have produced it" not in own.staff_text


def test_predictions_of_something_else_are_listed_for_staff_and_cost_nothing(
    course: Assignment, boxes: Boxes, trained: Trained, tmp_path: Path
) -> None:
    drawn = tuple(np.random.default_rng(5).permutation(trained.labels).tolist())
    other = graded(course, boxes, tmp_path / "other", drawn, trained.weights)
    entry = by_key(other, NAME)[MODEL]
    assert outcome(entry) == ("passed", 0.0)
    assert "mymodel.pt" not in message_of(entry)
    assert "These weights can't have produced it" in other.staff_text


def sheet_of(result: Graded) -> str:
    return (result.out / "reading.html").read_text(encoding="utf-8")
