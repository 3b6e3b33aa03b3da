"""The range: secrets laid out once for each process, and each backend opened once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autograder import boxes as kinds
from autograder.assignment import Limits, load_assignment
from autograder.boxes import Mode, open_backend
from autograder.outcome import EnvironmentFault
from autograder.sandbox import notebook as runner
from autograder.sandbox.backend import remove_folder
from tests.container.sandbox_image import sandbox_image, why_no_image
from tests.hostile.canaries import plant
from tests.hostile.record import Records
from tests.hostile.shooting import Range
from tests.hostile.spying import ListeningSubmission, SpyingBackend
from tests.sandbox.boxes import KINDS, Watched, running, why_not
from tests.sandbox.conftest import scratch  # noqa: F401  (a fixture)
from tests.sandbox.notebooks import SPEC

# Small, so that what runs into them does so quickly; a right solution needs a tenth of the time.
LIMITS = {
    "wall_s": 1.5,
    "run_wall_s": 6.0,
    "memory_mib": 192,
    "processes": 12,
    "disk_mib": 4,
    "files": 80,
    "output_kib": 64,
    "message_mib": 2,
}
SLOW_TO_START = {"docker": {"run_wall_s": 12.0}}  # half a second for each box, and more on a busy machine
MUST_RUN = os.environ.get("AUTOGRADER_REQUIRE_DOCKER") == "1"


@pytest.fixture(scope="session")
def records(request: pytest.FixtureRequest) -> Records:
    return Records.below(request.config.rootpath)


@pytest.fixture(scope="module")
def shooting(request: pytest.FixtureRequest, records: Records) -> Iterator[Range]:
    """The range with the backend that the test's parameter names."""
    name: str = request.param
    with _folder() as folder:
        boxes = folder / "boxes"
        with pytest.MonkeyPatch.context() as patch, plant(folder / "range") as planted:
            patch.setattr(tempfile, "tempdir", str(boxes))
            patch.setattr(kinds, "Submission", ListeningSubmission)
            assignment = load_assignment(Path(planted.known.grader))
            limits = Limits.model_validate(
                assignment.limits.model_dump() | LIMITS | SLOW_TO_START.get(name, {})
            )
            if name == "docker" and not why_no_image():
                sandbox_image()
            try:
                with open_backend(assignment, Mode.GRADE, limits, sandbox=name) as backend:
                    yield Range(planted, assignment, limits, SpyingBackend(backend), boxes)
            except EnvironmentFault as missing:
                records.absent(name, missing.message)
                if MUST_RUN:
                    raise
                pytest.skip(f"{name} can't run here: {missing.message}")


@contextmanager
def _folder() -> Iterator[Path]:
    """Where this range lies, with a folder in it for boxes; it goes even where no backend can be opened."""
    folder = Path(tempfile.mkdtemp(prefix="hostile-tests-"))
    try:
        folder.chmod(0o755)
        (folder / "boxes").mkdir()
        (folder / "boxes").chmod(0o711)
        yield folder
    finally:
        remove_folder(folder)


@pytest.fixture(scope="module", params=["privdrop", "bubblewrap"])
def boxes(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Watched]:  # noqa: F811
    """A backend for notebooks, proved to leave nothing; a cell past its time is killed sooner than usual."""
    if why := why_not(request.param):
        pytest.skip(why)
    with pytest.MonkeyPatch.context() as patch, running(KINDS[request.param], SPEC, scratch) as watched:
        patch.setattr(runner, "GRACE_S", 0.5)
        yield watched
