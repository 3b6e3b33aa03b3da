"""The manifest: what is read, and what is said about one that is wrong."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from autograder.assignment import (
    Assignment,
    IntakeLimits,
    Limits,
    find_assignment,
    list_assignments,
    load_assignment,
    share_points,
    ungraded,
)
from autograder.outcome import Evidence, ManifestFault, UsageError

GRADERS = Path(__file__).parent.parent / "graders"

SMALL = """\
title = "Homework 1"
seed = 7

[limits]
wall_s = 10

[[questions]]
number = "1"
title = "First"
points = 2
tiers = { contract = 1.5, extended = 0.5 }

[[questions]]
number = "2"
title = "Second"
points = 0.3
evidence = "measured"

[[questions]]
number = "3"
title = "Third"
points = 4
extra_credit = 1
graded = false

[[deliverables]]
key = "layers"
title = "The layers"
patterns = ["layers.py"]
question = "1"
"""


def written(folder: Path, text: str = SMALL) -> Path:
    home = folder / "graders" / "hw1"
    home.mkdir(parents=True, exist_ok=True)
    (home / "assignment.toml").write_text(text, encoding="utf-8")
    return home


def fault_of(folder: Path, old: str, new: str) -> str:
    """What is said when ``old`` in the manifest is ``new`` instead."""
    assert old in SMALL
    with pytest.raises(ManifestFault) as caught:
        load_assignment(written(folder, SMALL.replace(old, new, 1)))
    assert "assignment.toml" in caught.value.remedy
    return caught.value.message


@pytest.fixture
def small(tmp_path: Path) -> Assignment:
    return load_assignment(written(tmp_path))


def test_a_manifest_is_read(small: Assignment, tmp_path: Path) -> None:
    assert (small.name, small.title, small.seed) == ("hw1", "Homework 1", 7)
    assert small.folder == (tmp_path / "graders" / "hw1").resolve()
    assert small.limits == Limits(wall_s=10)
    assert small.intake == IntakeLimits()
    assert small.question("2").evidence is Evidence.MEASURED
    assert small.question("1").evidence is Evidence.VERIFIED  # the strictest, where nothing is said
    assert small.total_points == pytest.approx(6.3)
    assert small.total_extra_credit == 1
    assert [question.number for question in ungraded(small)] == ["3"]


def test_a_manifest_cannot_be_changed(small: Assignment) -> None:
    with pytest.raises(ValidationError):
        small.title = "Other"


def test_data_is_hidden_unless_it_says_otherwise(tmp_path: Path) -> None:
    text = (
        SMALL + '\n[data.labels]\npath = "data/labels.npy"\n[data.images]\npath = "x.npy"\nhidden = false\n'
    )
    data = load_assignment(written(tmp_path, text)).data
    assert (data["labels"].hidden, data["images"].hidden) == (True, False)


WHERE = "graders/hw1/assignment.toml, line"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("wall_s", "wall_secs", f"{WHERE} 5: [limits] wall_secs is not a key; did you mean 'wall_s'?"),
        ("seed = 7", "sead = 7", f"{WHERE} 2: sead is not a key; did you mean 'seed'?"),
        ("seed = 7", "", "graders/hw1/assignment.toml: the key 'seed' is missing."),
        ("seed = 7", "seed = -1", f"{WHERE} 2: seed is -1, but should be greater than or equal to 0."),
        ("= 10", "= 0", f"{WHERE} 5: [limits] wall_s is 0, but should be greater than 0."),
        ("= 10", "= nan", f"{WHERE} 5: [limits] wall_s is nan, but should be a finite number."),
        ("= 10", "= inf", f"{WHERE} 5: [limits] wall_s is inf, but should be a finite number."),
        ("= 10", '= "10"', f"{WHERE} 5: [limits] wall_s is '10', but should be a valid number."),
        ("= 10", "= 900", f"{WHERE} 4: [limits] wall_s (900) is more than run_wall_s (480)."),
        (
            "= 10",
            "= 10\nthreads = 1.5",
            f"{WHERE} 6: [limits] threads is 1.5, but should be a valid integer.",
        ),
        ("= 0.5 }", "= 0.4 }", f"{WHERE} 7: [[questions]] 1: tiers add up to 1.9, but points is 2."),
        ("points = 2", "", f"{WHERE} 7: [[questions]] 1: lacks the key 'points'."),
        (
            "points = 0.3",
            "point = 0.3",
            f"{WHERE} 16: [[questions]] 2: point is not a key; did you mean 'points'?",
        ),
        (
            '"measured"',
            '"proved"',
            f"{WHERE} 17: [[questions]] 2: evidence is 'proved', but should be one of "
            "'claimed', 'measured', 'verified'.",
        ),
        ('number = "2"', 'number = "1"', f"{WHERE} 13: [[questions]] 1: '1' stands there twice."),
        (
            'number = "2"',
            "number = 2",
            f"{WHERE} 14: [[questions]] 2: number is 2, but should be a valid string.",
        ),
        (
            'question = "1"',
            'question = "11"',
            f"{WHERE} 30: [[deliverables]] layers: there is no question '11'; did you mean '1'?",
        ),
        (
            '["layers.py"]',
            '["../layers.py"]',
            f"{WHERE} 29: [[deliverables]] layers: patterns is '../layers.py', but should be a path inside "
            "the folder, with '/' between its parts and without '..'.",
        ),
        (
            "[limits]",
            "[[limits]]",
            "graders/hw1/assignment.toml: limits should be a table: keys below a line [limits].",
        ),
        ('title = "Homework 1"', 'title = "Homework 1"\nname = "x"', "name is not a key"),
    ],
)
def test_a_wrong_manifest_is_refused_in_a_sentence(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert message in fault_of(tmp_path, old, new)


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    message = fault_of(tmp_path, "wall_s = 10", "wall_secs = 10\nmemory_mb = 3")
    assert [line.split(": ", 1)[0] for line in message.splitlines()] == [f"{WHERE} 5", f"{WHERE} 6"]


def test_a_key_inside_a_text_is_not_taken_for_the_key(tmp_path: Path) -> None:
    quoted = 'seed = -1\ncourse = """\nseed = 3\n"""'
    assert "line 2: seed is -1" in fault_of(tmp_path, "seed = 7", quoted)


def test_what_is_no_manifest_is_a_fault(tmp_path: Path) -> None:
    assert "it is not TOML" in fault_of(tmp_path, "seed = 7", "seed = = 7")
    home = written(tmp_path)
    (home / "assignment.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(ManifestFault, match="it is not UTF-8 text"):
        load_assignment(home)
    (home / "assignment.toml").unlink()
    with pytest.raises(ManifestFault, match="it can't be read: No such file"):
        load_assignment(home)


def test_assignments_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    home = written(tmp_path)
    root = home.parent
    (root / "notes").mkdir()
    for name in ("hw1", str(home), str(home / "assignment.toml")):
        assert find_assignment(name, root).name == "hw1"
    assert [each.name for each in list_assignments(root)] == ["hw1"]


def test_an_unknown_assignment_is_the_users_slip(tmp_path: Path) -> None:
    root = written(tmp_path).parent
    with pytest.raises(UsageError, match=r"no assignment 'hw_1'; did you mean 'hw1'\? There are: hw1\."):
        find_assignment("hw_1", root)
    with pytest.raises(UsageError, match="There is none under"):
        find_assignment("hw_1", tmp_path / "nowhere")


CONTRACT, EXTENDED = ("1", "contract", None), ("1", "extended", None)
SECOND = ("2", None, 0.3)


def test_tests_of_a_tier_share_its_points(small: Assignment) -> None:
    items = [CONTRACT, EXTENDED, CONTRACT, CONTRACT, SECOND]
    assert share_points(small, items) == [0.5, 0.5, 0.5, 0.5, 0.3]


@given(contract=st.integers(1, 60), extended=st.integers(1, 60), others=st.integers(1, 30))
def test_points_always_add_up(contract: int, extended: int, others: int) -> None:
    assignment = load_assignment(GRADERS / "gatech_convnet")
    items: list[tuple[str, str | None, float | None]] = [("0", None, None)] * others
    for number in ("9.1.1", "9.1.2", "9.1.3", "9.1.4"):
        items += [(number, "contract", None)] * contract + [(number, "extended", None)] * extended
    items.append(("9.2", None, 3.0))
    for tier in assignment.question("9.3").tiers:
        items += [("9.3", tier, None)] * others
    assert math.fsum(share_points(assignment, items)) == pytest.approx(10, abs=1e-9)


def test_weights_written_in_tenths_add_up_exactly(small: Assignment) -> None:
    tenths: list[tuple[str, str | None, float | None]] = [("2", None, 0.1)] * 3  # 0.1 * 3 != 0.3 as floats
    assert share_points(small, [CONTRACT, EXTENDED, *tenths])[2:] == [0.1, 0.1, 0.1]


def test_public_tests_may_leave_parts_out(small: Assignment) -> None:
    assert share_points(small, [CONTRACT, CONTRACT], complete=False) == [0.75, 0.75]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (
            [CONTRACT, EXTENDED, SECOND, ("4", None, 1.0)],
            "the number '4', but there is no such question",
        ),
        (
            [CONTRACT, EXTENDED, SECOND, ("1", "extendet", None)],
            "no tier 'extendet'; did you mean 'extended'?",
        ),
        ([CONTRACT, EXTENDED, SECOND, ("2", "contract", None)], "2 has no tier 'contract'"),
        ([CONTRACT, SECOND], "1 gives 0.5 points to tier 'extended', which has no test"),
        ([CONTRACT, EXTENDED], "2 declares 0.3 points, but its tests offer 0"),
        ([CONTRACT, EXTENDED, SECOND, SECOND], "2 declares 0.3 points, but its tests offer 0.6"),
        ([CONTRACT, EXTENDED, SECOND, ("1", None, 1.0)], "1 declares 2 points, but its tests offer 3"),
        ([CONTRACT, EXTENDED, SECOND, ("3", None, 4.0)], "3 has graded = false"),
        ([CONTRACT, EXTENDED, SECOND, ("1", "contract", 1.0)], "both a tier ('contract') and a weight (1.0)"),
        ([CONTRACT, EXTENDED, ("2", None, math.nan)], "a test with the weight nan"),
        ([CONTRACT, EXTENDED, SECOND, ("2", None, -1.0)], "a test with the weight -1.0"),
    ],
)
def test_marks_out_of_step_with_the_manifest_are_a_fault(
    small: Assignment, items: list[tuple[str, str | None, float | None]], message: str
) -> None:
    with pytest.raises(ManifestFault) as caught:
        share_points(small, items)
    assert message in caught.value.message
    assert "graders/hw1/assignment.toml" in caught.value.message


def test_too_many_points_are_a_fault_even_in_part(small: Assignment) -> None:
    with pytest.raises(ManifestFault, match="its tests offer"):
        share_points(small, [SECOND, SECOND], complete=False)


CHALLENGE = """
[challenge]
questions = ["2"]
deliverable = "layers"
images = 100
classes = [["cat"], ["dog"]]
"""


def test_a_challenge_waits_for_its_answers(tmp_path: Path) -> None:
    found = load_assignment(written(tmp_path, SMALL + CHALLENGE))
    assert found.challenge is not None
    assert found.challenge.class_names == ("cat", "dog")
    assert (found.challenge.metric, found.challenge.higher_is_better) == ("accuracy", True)
    assert found.waiting == ("2",)
    assert [question.number for question in ungraded(found)] == ["2", "3"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('questions = ["2"]', 'questions = ["22"]', "no question '22'; did you mean '2'?"),
        ('questions = ["2"]', 'questions = ["2"]\nstaff_questions = ["x"]', "no question 'x'"),
        ('deliverable = "layers"', 'deliverable = "layer"', "no deliverable 'layer'; did you mean 'layers'?"),
        ("images = 100", "", "either images, their number, or ids"),
        ("images = 100", 'images = 100\nids = "ids.txt"', "either images, their number, or ids"),
        ("images = 100", "images = 5", "5 are too few"),
        ('[["cat"], ["dog"]]', '[["cat"], ["Cat"]]', "'cat' stands there twice"),
        ('[["cat"], ["dog"]]', '[["cat"]]', "at least 2 items"),
        ("images = 100", 'images = 100\nmetrics = ["accuarcy"]', "'accuarcy' is not"),
        ("images = 100", 'images = 100\nmetrics = ["per_class"]', "is several numbers"),
        ("images = 100", 'images = 100\nmetrics = ["accuracy", "top_5"]', "without 'probabilities'"),
        ("images = 100", "images = 100\npublic_share = 1.0", "less than 1"),
        ("images = 100", "images = 100\ndeadline = 2026-12-01T00:00:00", "time zone"),
        ("images = 100", "images = 100\nwindow_h = 1e300", "less than or equal to 87660"),
        ("images = 100", "images = 100\nwindow_h = 1e-9", "greater than or equal to 0.01"),
        ("images = 100", "images = 100\nmax_mib = inf", "less than or equal to 1024"),
        ("images = 100", 'ids = "challenge/ids.txt"', "and not in challenge/: that is secret"),
        ("images = 100", 'ids = "./challenge/answers.npz"', "and not in challenge/"),
        ("images = 100", 'ids = "../other/challenge/answers.npz"', "a file in the assignment's folder"),
        ("images = 100", 'ids = "/etc/passwd"', "a file in the assignment's folder"),
        ("images = 100", "images = 100\nsubmission = 3", "did you mean 'submissions'?"),
    ],
)
def test_a_challenge_that_can_not_be(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ManifestFault) as caught:
        load_assignment(written(tmp_path, (SMALL + CHALLENGE).replace(old, new)))
    assert said in caught.value.message


@pytest.mark.parametrize("folder", sorted(path.parent for path in GRADERS.glob("*/assignment.toml")))
def test_every_manifest_of_ours_is_right(folder: Path) -> None:
    assert load_assignment(folder).name == folder.name


def test_the_convnet_homework_has_its_points() -> None:
    assignment = load_assignment(GRADERS / "gatech_convnet")
    graded = [question for question in assignment.questions if question.graded]
    assert math.fsum(question.points for question in graded) == 10
    assert (assignment.total_points, assignment.total_extra_credit) == (15, 5)
    assert [question.number for question in ungraded(assignment)] == ["9.4.1", "9.4.2"]
    by_hand = [question for question in graded if not question.number.startswith(("9.2", "9.3", "9.4"))]
    assert all(question.evidence is Evidence.VERIFIED for question in by_hand)
    assert all(question.why_not_graded for question in ungraded(assignment))
    assert {"conv_float64_rtol", "conv_float32_rtol"} <= set(assignment.tolerances)
    assert {"torch", "scipy", ".fast_layers"} <= set(assignment.sandbox.unavailable)
    assert assignment.limits.run_wall_s < 600  # Gradescope's default limit


def test_every_number_of_the_convnet_manifest_says_where_it_comes_from() -> None:
    lines = (GRADERS / "gatech_convnet" / "assignment.toml").read_text(encoding="utf-8").splitlines()
    section = ""
    for line in lines:
        section = line if line.startswith("[") else section
        if section in ("[limits]", "[tolerances]") and "=" in line.split("#")[0]:
            assert "#" in line, line
