"""A homework with several kinds of box: what each allows, how long it lives, and a kind that isn't there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.boxes import Boxes, Mode, Sandboxed, box_spec, open_backend
from autograder.document import TestEntry
from autograder.outcome import ManifestFault
from autograder.sandbox.backend import Backend
from autograder.sandbox.local import Privdrop
from autograder.sandbox.openbox import RunClock
from tests.sandbox.boxes import exists, needs_root
from tests.small import Small, entry

pytestmark = needs_root

TESTS = """
def double(submission, box):
    with submission.module("work.py", box=box).scene() as scene:
        return scene.call("double", 21).fetch()

@number("1")
@weight(2)
def test_by_hand(submission):
    '''without a library'''
    assert double(submission, "") == 42

@number("1")
@weight(1)
def test_with_a_library(submission):
    '''with a library'''
    assert double(submission, "lenient") == 42

@number("1")
@weight(1)
def test_again(submission):
    '''with a library, once more'''
    assert double(submission, "lenient") == 42
"""
MORE = """
[sandbox]
unavailable = ["six"]
unavailable_reason = "Write it by hand."

[boxes.room]

[boxes.lenient]
preload = ["json"]

[boxes.lenient.limits]
wall_s = 5
memory_mib = 300
"""
WITH_A_LIBRARY = "import six\ndef double(x):\n    return int(six.text_type(x * 2))\n"


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path, TESTS, more=MORE, work=WITH_A_LIBRARY)


def outcome(test: TestEntry) -> str | None:
    return test.status


@pytest.fixture
def boxes(small: Small) -> Iterator[Boxes]:
    with open_backend(small.assignment(), Mode.GRADE, sandbox="privdrop") as opened:
        yield opened


def test_what_one_kind_forbids_another_allows(small: Small, boxes: Boxes) -> None:
    document = small.grade(boxes)
    assert outcome(entry(document, "test_by_hand")) == "failed"
    assert "Write it by hand." in entry(document, "test_by_hand").output
    assert outcome(entry(document, "test_with_a_library")) == "passed"
    assert outcome(entry(document, "test_again")) == "passed"


def test_a_kind_is_opened_when_it_is_first_asked_for_and_once(small: Small, boxes: Boxes) -> None:
    opened: list[str] = []
    real = boxes.kind

    def kind(name: str) -> Backend:
        opened.append(name)
        return real(name)

    assert real("lenient") is real("lenient")
    boxes.kind = kind  # type: ignore[method-assign]
    small.grade(boxes)
    assert sorted(set(opened)) == ["", "lenient"]


def test_every_backend_ends_with_the_boxes(small: Small) -> None:
    with open_backend(small.assignment(), Mode.GRADE, sandbox="privdrop") as opened:
        servers = []
        for name in ("", "lenient"):
            backend = opened.kind(name)
            assert isinstance(backend, Privdrop)
            servers.append(backend.fork_server_pid)
        assert len(set(servers)) == 2
        assert all(pid is not None and exists(pid) for pid in servers)
    assert not any(pid is not None and exists(pid) for pid in servers)


def test_a_backend_of_the_callers_own_outlives_the_grading(small: Small) -> None:
    assignment = small.assignment()
    with open_backend(assignment, Mode.GRADE, sandbox="privdrop") as opened:
        main = opened.kind("")
        small.grade(main)  # opens the other kind, and closes that one alone
        assert isinstance(main, Privdrop)
        assert main.fork_server_pid is not None
        assert exists(main.fork_server_pid)


def test_limits_of_a_kind_are_its_own(small: Small) -> None:
    assignment = small.assignment()
    main, lenient = box_spec(assignment).limits, box_spec(assignment, kind="lenient").limits
    assert (lenient.wall_s, lenient.memory_mib) == (5, 300)
    assert replace(lenient, wall_s=main.wall_s, memory_mib=main.memory_mib) == main


def test_the_room_finds_our_own_code_and_none_of_the_submissions(small: Small, boxes: Boxes) -> None:
    sandboxed = Sandboxed(boxes, small.submission(), boxes.spec.limits, RunClock(60))
    try:
        room = sandboxed.room
        room.load()
        assert room.names
        assert "double" not in room.names
    finally:
        sandboxed.close()


LEAVES_AND_FINDS = """
import os, tempfile
PLACES = ["/dev/shm", "/tmp", "/var/tmp", tempfile.gettempdir(), os.getcwd(), os.path.dirname(__file__)]
def leave():
    left = 0
    for place in PLACES:
        try:
            with open(place + "/left_for_another_kind", "w") as file:
                file.write("42")
            os.chmod(file.name, 0o666)
            left += 1
        except OSError:
            pass
    return left
def find():
    found = 0
    for place in PLACES:
        try:
            found += os.path.exists(place + "/left_for_another_kind")
            found += "left_for_another_kind" in os.listdir(place)
        except OSError:
            pass
    return found
"""


def test_one_kind_finds_nothing_that_another_left(small: Small, boxes: Boxes) -> None:
    """What may use a library must not do the work of what may not, while both are open."""
    tree = small.submission()
    (tree / "work.py").write_text(LEAVES_AND_FINDS)
    sandboxed = Sandboxed(boxes, tree, boxes.spec.limits, RunClock(60))
    try:
        kinds = [sandboxed.submission(kind).module("work.py") for kind in ("lenient", "")]
        with kinds[0].scene() as scene:
            assert scene.call("leave").fetch() > 0
        for kind, found in zip(kinds, (True, False), strict=True):
            with kind.scene() as scene:
                assert (scene.call("find").fetch() > 0) is found
    finally:
        sandboxed.close()


def test_a_box_that_the_manifest_doesnt_declare_is_the_graders_slip(small: Small, boxes: Boxes) -> None:
    small.tests = TESTS.replace('"lenient"', '"leniant"')
    faulted = small.faulted(boxes)
    assert "a box of the kind 'leniant'" in faulted.faults[0].message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("wall_s = 5", "wall_secs = 5", "wall_secs is not a key"),
        ("memory_mib = 300", "memory_mib = 0", "memory_mib is 0"),
        (
            "[boxes.lenient]",
            '[notebook]\nwall_s = 60\ncell_wall_s = 60\nbox = "lenint"\n\n[boxes.lenient]',
            "there is no box 'lenint'",
        ),
    ],
)
def test_a_wrong_box_is_refused_in_a_sentence(small: Small, old: str, new: str, message: str) -> None:
    folder = small.assignment().folder
    manifest = folder / "assignment.toml"
    manifest.write_text(manifest.read_text().replace(old, new))
    with pytest.raises(ManifestFault, match=message):
        load_assignment(folder)


def test_no_environment_of_its_own_is_made_for_a_kind_that_wants_ours(small: Small) -> None:
    small.more += "\n[boxes.ours]\nown_environment = false\n"
    folder = small.assignment().folder
    (folder / "requirements.txt").write_text("a-package-that-nobody-publishes\n")
    assert box_spec(load_assignment(folder), kind="ours").python == ""
