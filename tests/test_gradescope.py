"""Gradescope's container, laid out in a temporary folder, and what `run_autograder` alone does there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import cli
from autograder.gradescope import Folders, Metadata, points_warning, read_metadata, the_assignment
from autograder.outcome import EnvironmentFault
from tests.contract import problems, total
from tests.runs import EARLIER, Ended, in_this_process, needs_root
from tests.small import Small

DOUBLE = """
@number("1")
@weight(4)
def test_double(submission):
    '''double doubles'''
    with submission.module("work.py").scene() as scene:
        if scene.call("double", 21).fetch() != 42:
            raise CheckFailed("It doesn't.", staff="expected 42 of double(21)")
"""


class Container:
    """A folder laid out as /autograder is."""

    def __init__(self, root: Path, small: Small) -> None:
        self.folders, self.small = Folders(root), small
        self.folders.results.mkdir(parents=True)
        (self.folders.results / "results.json").write_bytes(EARLIER)
        small.submission()
        shutil.move(small.folder / "handed_in", self.folders.submission)

    @property
    def results(self) -> Path:
        return self.folders.results / "results.json"

    def metadata(self, total_points: object) -> None:
        fields = {"id": 7, "created_at": "2030-01-01T00:00:00Z", "assignment": {"total_points": total_points}}
        self.folders.metadata.write_text(json.dumps(fields))


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path / "autograder", Small(tmp_path, tests=DOUBLE))


@pytest.fixture
def start(
    container: Container, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], Ended]:
    """Run the command line without arguments, in the container."""
    monkeypatch.setattr(cli, "GRADERS", container.small.assignment().folder.parent)
    monkeypatch.setattr(cli, "Folders", lambda: container.folders)
    return in_this_process(monkeypatch, capsys)


@needs_root
def test_a_submission_is_graded(container: Container, start: Callable[[], Ended]) -> None:
    ended = start()
    assert ended.code == 0, ended.err
    assert "A small homework: 4 points" in ended.out
    data = container.results.read_bytes()
    assert problems(data) == []
    assert json.loads(data)["score"] == 4.0
    assert not (container.folders.results / "results.partial.json").exists()


@needs_root
def test_what_is_for_staff_is_printed_and_not_in_the_results(
    container: Container, start: Callable[[], Ended]
) -> None:
    (container.folders.submission / "work.py").write_text("def double(x):\n    return x\n")
    ended = start()
    assert ended.code == 0
    assert "expected 42 of double(21)" in ended.out
    assert "expected 42" not in container.results.read_text()
    assert json.loads(container.results.read_bytes())["stdout_visibility"] == "hidden"


@needs_root
def test_files_that_dont_count_are_left_out_and_told(
    container: Container, start: Callable[[], Ended]
) -> None:
    folder = container.folders.submission
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    for name in ("__MACOSX", ".ipynb_checkpoints", "__pycache__"):
        (folder / name).mkdir()
        (folder / name / "._work.py").write_bytes(b"\0\5\x16\7")
    (folder / "a name with späces.txt").write_text("x")
    assert start().code == 0
    document = json.loads(container.results.read_bytes())
    assert document["score"] == 4.0
    assert ".DS_Store" in document["output"]


@needs_root
@pytest.mark.parametrize("kind", ["link", "fifo", "nothing"])
def test_an_upload_that_is_refused_has_a_score_of_0_and_the_reason(
    container: Container, start: Callable[[], Ended], kind: str
) -> None:
    folder = container.folders.submission
    if kind == "link":
        (folder / "labels.csv").symlink_to("/etc/passwd")
    elif kind == "fifo":
        os.mkfifo(folder / "labels.csv")
    else:
        (folder / "work.py").unlink()
    assert start().code == 0
    data = container.results.read_bytes()
    assert problems(data) == []
    assert total(data) == 4.0
    (test,) = json.loads(data)["tests"]
    assert test["score"] == 0
    assert ("labels.csv" if kind != "nothing" else "nothing") in test["output"]


@needs_root
def test_a_fault_leaves_no_results_and_its_traceback_where_staff_see_it(
    container: Container, start: Callable[[], Ended]
) -> None:
    container.small.tests = DOUBLE.replace("with sub", "{}['key']\n    with sub")
    container.small.assignment()
    ended = start()
    assert ended.code == 2
    assert not container.results.exists()
    assert "KeyError: 'key'" in ended.out
    assert "What to do: " in ended.told


def test_a_bundle_without_an_assignment_leaves_no_earlier_results(
    container: Container, start: Callable[[], Ended]
) -> None:
    shutil.rmtree(container.small.folder / "graders")
    ended = start()
    assert ended.code == 2
    assert "exactly one assignment, but here there are: none" in ended.told
    assert "bundle ASSIGNMENT" in ended.told
    assert not container.results.exists()


def test_a_bundle_with_two_assignments(tmp_path: Path) -> None:
    for name in ("one", "two"):
        Small(tmp_path, tests=DOUBLE, name=name).assignment()
    with pytest.raises(EnvironmentFault, match="one, two"):
        the_assignment(tmp_path / "graders")


def test_a_broken_manifest_leaves_no_earlier_results(
    container: Container, start: Callable[[], Ended]
) -> None:
    (container.small.assignment().folder / "assignment.toml").write_text("title = ")
    ended = start()
    assert ended.code == 2
    assert "TOML" in ended.told
    assert not container.results.exists()


@needs_root
def test_a_folder_and_a_link_in_the_place_of_the_results(
    container: Container, start: Callable[[], Ended]
) -> None:
    container.results.unlink()
    container.results.mkdir()
    (container.folders.results / "results.partial.json").symlink_to("/etc/passwd")
    assert start().code == 0
    assert json.loads(container.results.read_bytes())["score"] == 4.0
    assert "root" in Path("/etc/passwd").read_text()


@pytest.mark.parametrize("missing", ["submission", "results"])
def test_elsewhere_it_is_a_usage_error(
    container: Container, start: Callable[[], Ended], missing: str
) -> None:
    shutil.rmtree(getattr(container.folders, missing))
    ended = start()
    assert ended.code == 1
    assert "Give a command" in ended.told


# --- the metadata -------------------------------------------------------------------------------------


@needs_root
def test_another_total_on_gradescope_is_told_to_staff(
    container: Container, start: Callable[[], Ended]
) -> None:
    container.metadata("10.0")
    ended = start()
    assert ended.code == 0
    assert "Warning: Gradescope has this assignment at 10 points, the manifest at 4" in ended.out
    container.metadata("4.0")
    assert "Warning" not in start().out


@needs_root
@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"assignment": null}', "\xff", "[" * 100_000])
def test_no_metadata_stops_a_grading(container: Container, start: Callable[[], Ended], text: str) -> None:
    container.folders.metadata.write_bytes(text.encode("latin-1"))
    ended = start()
    assert ended.code == 0
    assert "Warning" not in ended.out
    assert container.results.exists()


@pytest.mark.parametrize(
    "points", [None, "", "ten", [], {}, "nan", "inf", "-inf", float("inf"), 10**400, "9" * 5000]
)
def test_a_total_that_is_no_number_is_no_total(container: Container, points: object) -> None:
    container.metadata(points)
    metadata = read_metadata(container.folders.metadata)
    assert metadata.points is None
    assert points_warning(container.small.assignment(), metadata) == ""


@pytest.mark.parametrize("points", ["4", "4.0", 4, 4.0, " 4 "])
def test_gradescope_writes_the_total_as_text(container: Container, points: object) -> None:
    container.metadata(points)
    metadata = read_metadata(container.folders.metadata)
    assert metadata.points == 4.0
    assert points_warning(container.small.assignment(), metadata) == ""


def test_metadata_that_isnt_there_or_is_no_file(container: Container) -> None:
    assert read_metadata(container.folders.metadata) == Metadata()
    container.folders.metadata.mkdir()
    assert read_metadata(container.folders.metadata) == Metadata()


def test_metadata_larger_than_any_is_not_read(container: Container) -> None:
    container.metadata("4.0")
    with container.folders.metadata.open("ab") as file:
        file.truncate(16 * 2**20 + 1)
    assert read_metadata(container.folders.metadata) == Metadata()
