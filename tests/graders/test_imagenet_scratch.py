"""Every fixture of the ImageNet homework is graded from end to end, and gets exactly what it says.

The course's validation images are made up here (fixtures/imagenet_scratch/colours.py): eight classes, 800
small JPEGs of which an exactly known part can be got right. So that it is over soon, the sequential test may
look at 320; the official set's size, and the threshold, are the manifest's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.assignment import Assignment, load_assignment
from autograder.data import VARIABLE
from autograder.environments import interpreter_for
from autograder.grading import grade
from autograder.outcome import EnvironmentFault
from autograder.sandbox.backend import Backend
from fixtures.build import Fixture, build, load, names
from fixtures.imagenet_scratch import make
from fixtures.imagenet_scratch.colours import CALLED, CLASSES, IN_EACH, right_of, write_images
from tests.graders.notebook_fixtures import GRADERS, assert_as_expected, needs_root, opened

NAME = "imagenet_scratch"
LOOKED_AT = 320
# What an export imports, 4 s: here once for all submissions.
EXPORTS = ("onnxscript.function_libs.torch_lib.ops", "torch._dynamo", "torch.export._trace")
MEMORY_MIB = 2000  # a ResNet-18 and its export take 600

pytestmark = [pytest.mark.xdist_group(NAME)]


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    """The manifest with the made-up images' number of classes, and a small budget."""
    loaded = load_assignment(GRADERS / NAME)
    few = {**loaded.tolerances, "classes": CLASSES, "trial_images": 24, "evaluated_images": LOOKED_AT}
    few["least_if_missed"] = LOOKED_AT
    limits = loaded.limits.model_copy(update={"memory_mib": MEMORY_MIB})
    sandbox = loaded.sandbox.model_copy(update={"preload": [*loaded.sandbox.preload, *EXPORTS]})
    return loaded.model_copy(update={"tolerances": few, "limits": limits, "sandbox": sandbox})


@pytest.fixture(scope="module", autouse=True)
def _images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The course's folder holds the made-up images."""
    folder = tmp_path_factory.mktemp("course")
    write_images(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder))
        yield


@pytest.fixture(scope="module")
def backend(assignment: Assignment) -> Iterator[Backend]:
    try:
        interpreter_for(assignment.folder)
    except EnvironmentFault as fault:
        pytest.skip(fault.message)
    with opened(assignment) as backend:
        yield backend


@needs_root
@pytest.mark.parametrize("fixture", [load(name, NAME) for name in names(NAME)], ids=lambda one: one.name)
def test_it_gets_what_it_must_get(
    fixture: Fixture, assignment: Assignment, backend: Backend, tmp_path: Path
) -> None:
    source = build(fixture.name, tmp_path / "in", NAME)
    result = grade(assignment, source, tmp_path / "out", backend=backend)
    assert_as_expected(result, fixture, assignment)


def test_the_stored_logs_are_those_of_the_generator() -> None:
    """Nobody has edited one by hand, and the generator still gives the same."""
    home = Path(make.__file__).parent
    for path, text in make.texts().items():
        assert (home / path).read_text(encoding="utf-8") == text, path
    for path, data in make.binaries().items():
        assert (home / path).read_bytes() == data, path


@pytest.mark.parametrize(("name", "right"), [("agreeing", 608), ("undecided", 504), ("disagreeing", 352)])
def test_how_many_of_the_made_up_images_are_right(name: str, right: int) -> None:
    """Of 800: 76 %, 63 % and 44 %."""
    assert right_of(CALLED[name]) == right
    assert CLASSES * IN_EACH == 800
