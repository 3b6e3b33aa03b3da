"""The answers: drawn once, stratified, kept to ourselves."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.assignment import load_assignment
from autograder.challenge.answers import load_answers, prepare, split
from autograder.challenge.prepared import answers_path
from autograder.challenge.preparing import form_of, prepare_challenge
from autograder.outcome import EnvironmentFault, UsageError
from tests.challenge.small_challenge import (
    CLASSES,
    IMAGES,
    as_csv,
    hand_in,
    prepared,
    small_challenge,
    truth,
    with_wrong,
)

SECRET = bytes(range(32))


def ids(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=20, max_size=300),
    st.floats(0.05, 0.95),
    st.binary(min_size=32, max_size=32),
)
def test_a_split_is_stratified_and_follows_from_the_secret(
    drawn: list[int], share: float, secret: bytes
) -> None:
    labels = np.array(drawn)
    public = split(labels, ids(len(labels)), share, secret)
    assert public.sum() == round(len(labels) * share)
    for number in range(5):
        of_class = labels == number
        assert abs(public[of_class].sum() - of_class.sum() * share) < 1
    assert np.array_equal(public, split(labels, ids(len(labels)), share, secret))


def test_another_secret_draws_another_split() -> None:
    labels = truth()
    public = split(labels, ids(IMAGES), 0.2, SECRET)
    other = split(labels, ids(IMAGES), 0.2, bytes(32))
    assert not np.array_equal(public, other)
    # Nothing but chance is common to both: of 60 images, some 12.
    assert (public & other).sum() < 30


def test_an_image_keeps_its_part_whatever_order_the_images_come_in() -> None:
    labels, order = truth(), np.random.default_rng(5).permutation(IMAGES)
    public = split(labels, ids(IMAGES), 0.2, SECRET)
    shuffled = split(labels[order], tuple(str(number) for number in order), 0.2, SECRET)
    assert np.array_equal(shuffled, public[order])


def test_preparing_writes_a_file_of_its_owners_alone(tmp_path: Path) -> None:
    assignment, answers = prepared(small_challenge(tmp_path), staff=True)
    path = answers_path(assignment.folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    again = load_answers(assignment, form_of(assignment))
    assert np.array_equal(again.labels, truth())
    assert np.array_equal(again.public, answers.public)
    assert again.secret == answers.secret
    assert len(again.secret) == 32
    assert np.array_equal(again.staff["baseline"], with_wrong(0.3))
    assert "secret" not in repr(again)


def test_the_split_is_drawn_once(tmp_path: Path) -> None:
    assignment, first = prepared(small_challenge(tmp_path))
    form = form_of(assignment)
    second = prepare(assignment, form, truth(), {"one": with_wrong(0.5)})
    third = prepare(assignment, form, None, {"two": with_wrong(0.4)})
    assert first.secret == second.secret == third.secret
    assert np.array_equal(first.public, third.public)
    assert sorted(load_answers(assignment, form).staff) == ["one", "two"]


def test_two_preparations_draw_different_splits(tmp_path: Path) -> None:
    _, first = prepared(small_challenge(tmp_path / "a"))
    _, second = prepared(small_challenge(tmp_path / "b"))
    assert first.secret != second.secret
    assert not np.array_equal(first.public, second.public)


def test_other_answers_are_refused_and_the_first_ones_stay(tmp_path: Path) -> None:
    assignment, _ = prepared(small_challenge(tmp_path))
    with pytest.raises(UsageError, match="other answers already") as refused:
        prepare(assignment, form_of(assignment), with_wrong(0.1), {})
    assert "answers.npz" in str(refused.value)
    assert np.array_equal(load_answers(assignment, form_of(assignment)).labels, truth())


def test_answers_of_another_challenge_are_a_fault(tmp_path: Path) -> None:
    small = small_challenge(tmp_path)
    prepared(small)
    small.more = small.more.replace(f"images = {IMAGES}", f"images = {IMAGES - 1}")
    with pytest.raises(EnvironmentFault, match="other images or classes"):
        load_answers(small.assignment(), form_of(small.assignment()))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"not a zip"])
def test_a_broken_file_is_a_fault_and_never_a_challenge_without_answers(tmp_path: Path, data: bytes) -> None:
    assignment, _ = prepared(small_challenge(tmp_path))
    answers_path(assignment.folder).write_bytes(data)
    assert load_assignment(assignment.folder).waiting == ()
    with pytest.raises(EnvironmentFault, match="can't be read"):
        load_answers(assignment, form_of(assignment))


def test_the_command_takes_answers_and_models_in_the_form_of_a_submission(tmp_path: Path) -> None:
    small = small_challenge(tmp_path)
    assignment = small.assignment()
    answers, model = tmp_path / "answers.csv", tmp_path / "model.csv"
    answers.write_text(as_csv(truth()))
    model.write_text(as_csv(with_wrong(0.25)))
    told = prepare_challenge(assignment, str(answers), [f"baseline={model}"])
    assert f"{IMAGES} images, of which {IMAGES // 5} are the public part" in told
    kept = load_answers(assignment, form_of(assignment))
    private = (with_wrong(0.25) == truth())[kept.private].mean()
    assert "Staff model baseline: accuracy" in told
    assert f"{private:.4f} private" in told
    assert prepare_challenge(assignment, "", []) == told


@pytest.mark.parametrize(
    ("answers", "staff", "said"),
    [
        ("", [], "not prepared yet"),
        ("nowhere.csv", [], "can't be read"),
        ("truth", ["baseline"], "NAME=FILE"),
        ("truth", ["=x.csv"], "NAME=FILE"),
        ("truth", ["a/b=truth"], "no name"),
        ("half", [], "missing"),
        ("", ["one=truth"], "Say what the answers are"),
    ],
)
def test_what_the_command_can_not_take(tmp_path: Path, answers: str, staff: list[str], said: str) -> None:
    assignment = small_challenge(tmp_path).assignment()
    files = {"truth": as_csv(truth()), "half": as_csv(truth()[: IMAGES // 2])}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    place = {name: str(tmp_path / name) for name in files}
    models = [told.replace("=truth", f"={place['truth']}") for told in staff]
    with pytest.raises(UsageError, match=said):
        prepare_challenge(assignment, place.get(answers, answers), models)
    assert not answers_path(assignment.folder).exists()


def test_without_answers_some_questions_wait(tmp_path: Path) -> None:
    small = small_challenge(tmp_path)
    hand_in(small, truth())
    assert small.assignment().waiting == ("1", "2")
    assignment, _ = prepared(small)
    assert assignment.waiting == ("2",)
    assignment, _ = prepared(small, staff=True)
    assert assignment.waiting == ()
    assert len(form_of(assignment).classes) == CLASSES
