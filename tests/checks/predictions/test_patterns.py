"""Mistakes are named in real-looking files, and weak networks are told nothing wrong."""

from __future__ import annotations

import re

import numpy as np
import pytest

from autograder.checks.predictions.patterns import Finding, Pattern, patterns
from tests.checks.predictions.files import CLASSES, IMAGES, NAMES, Labels, network, public_part, truth

TRUTH = truth()
PUBLIC = public_part()
ROWS = np.arange(IMAGES)
AS_TEXT = np.array(sorted(range(IMAGES), key=str))


def seen(predicted: Labels, answers: Labels = TRUTH, public: Labels = PUBLIC) -> tuple[Finding, ...]:
    return patterns(predicted, public, answers[public], NAMES)


def only(predicted: Labels) -> Finding:
    (found,) = seen(predicted)
    return found


@pytest.fixture(params=[0.45, 0.6, 0.72, 0.95])
def good(request: pytest.FixtureRequest) -> Labels:
    return network(TRUTH, request.param, 7)


def test_a_network_is_told_nothing(good: Labels) -> None:
    assert seen(good) == ()
    assert seen(TRUTH) == ()


def test_constant() -> None:
    found = only(np.full(IMAGES, 3))
    assert found.pattern is Pattern.CONSTANT
    assert found.told.startswith("All 10,000 images are given the class 'cat' (3). Next: see that argmax")
    nearly = np.full(IMAGES, 9)
    nearly[:40] = 2
    assert only(nearly).told.startswith("9,960 of 10,000 images are given the class 'truck' (9).")
    # Of a part that holds one class alone, one class is right.
    same = np.full(IMAGES, 3)
    assert patterns(same, PUBLIC, same[PUBLIC], NAMES) == ()


def test_sorted_along_the_ids(good: Labels) -> None:
    assert only(np.sort(good)).pattern is Pattern.SORTED
    assert only(np.sort(good)[::-1]).pattern is Pattern.SORTED
    # Where the images are sorted by class, right labels are.
    assert seen(np.sort(TRUTH), np.sort(TRUTH)) == ()


def test_labels_that_begin_again(good: Labels) -> None:
    for period in (2, 10, 64, 100):
        found = only(np.resize(good[:period], IMAGES))
        assert found.pattern is Pattern.PERIODIC
    assert "after every 10 rows" in only(ROWS % CLASSES).told
    in_turns = ROWS % CLASSES
    assert seen(in_turns, in_turns) == ()


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (1, "moved by a row"),
        (-1, "moved by a row"),
        (2, "by 2 rows"),
        (-64, "by 64 rows"),
        (200, "by 200 rows"),
    ],
)
def test_shifted(good: Labels, shift: int, words: str) -> None:
    found = only(np.roll(good, shift))
    assert found.pattern is Pattern.SHIFTED
    assert words in found.told
    # Rolled down by one, what belongs to image 0 stands in row 1.
    assert ("below it" if shift > 0 else "above it") in found.told


def test_read_from_the_end(good: Labels) -> None:
    assert only(good[::-1]).pattern is Pattern.REVERSED


def test_names_in_the_order_of_text(good: Labels) -> None:
    assert only(good[AS_TEXT]).pattern is Pattern.TEXT_ORDER  # read as 0, 1, 10, 100, and given 0, 1, 2, 3
    back = np.empty_like(good)
    back[AS_TEXT] = good
    assert only(back).pattern is Pattern.TEXT_ORDER
    names = [f"img{i}.png" for i in range(IMAGES)]
    (found,) = patterns(good[np.argsort(names)], PUBLIC, TRUTH[PUBLIC], NAMES, names)
    assert found.pattern is Pattern.TEXT_ORDER


def test_shuffled(good: Labels) -> None:
    shuffled = np.random.default_rng(3).permutation(good)
    found = only(shuffled)
    assert found.pattern is Pattern.SHUFFLED
    assert "shuffle=False" in found.told


def test_sorted_by_class_as_folders_are(good: Labels) -> None:
    assert only(good[np.argsort(TRUTH, kind="stable")]).pattern is Pattern.BLOCKS


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((ROWS + 1) % CLASSES, "each number seems to be one too high, as if counted from 1"),
        (np.minimum(ROWS + 1, 9), "each number seems to be one too high, as if counted from 1"),
        ((ROWS - 1) % CLASSES, "each number seems to be one too low"),
        (9 - ROWS, "counted from the last class to the first"),
    ],
)
def test_counted_otherwise(good: Labels, numbers: Labels, words: str) -> None:
    found = only(numbers[good])
    assert found.pattern is Pattern.RENUMBERED
    assert words in found.told


def test_two_classes_swapped() -> None:
    numbers = np.arange(CLASSES)
    numbers[[3, 5]] = 5, 3
    found = only(numbers[network(TRUTH, 0.72, 7)])
    assert "otherwise: 'cat' and 'dog' seem to be swapped. Next:" in found.told
    numbers[[0, 1, 2]] = 1, 2, 0
    told = only(numbers[network(TRUTH, 0.72, 7)]).told
    assert "'cat' and 'dog' seem to be swapped" in told
    assert "what is called 'automobile' seems to be 'airplane'" in told


def test_an_order_with_a_name_is_told_by_it() -> None:
    names = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    listed = sorted(range(CLASSES), key=lambda c: names[c])
    numbers = np.empty(CLASSES, dtype=int)
    numbers[listed] = np.arange(CLASSES)
    (found,) = patterns(numbers[network(TRUTH, 0.6, 7)], PUBLIC, TRUTH[PUBLIC], names)
    assert "they seem to be in alphabetical order" in found.told
    many = 12
    answers = np.random.default_rng(0).permutation(np.arange(IMAGES) % many)
    as_text = np.empty(many, dtype=int)
    as_text[np.array(sorted(range(many), key=str))] = np.arange(many)
    right = np.random.default_rng(1).random(IMAGES) < 0.7
    called = as_text[np.where(right, answers, (answers + 3) % many)]
    (found,) = patterns(called, PUBLIC, answers[PUBLIC], [f"{chr(97 + i)}" for i in range(many)])
    assert "in the order of their numbers as text" in found.told


def test_many_moves_are_told_in_part() -> None:
    numbers = np.random.default_rng(5).permutation(CLASSES)
    found = only(numbers[network(TRUTH, 0.8, 7)])
    assert re.search(r"'; what is called|swapped;", found.told)
    assert len(found.told) < 600


def test_a_class_that_is_missing() -> None:
    labels = network(TRUTH, 0.72, 7)
    found = only(np.where(labels == 9, 1, labels))
    assert found.pattern is Pattern.CLASS_MISSING
    assert found.told.startswith("No image is given the class 'truck' (9), and the other classes")
    weak = network(TRUTH, 0.3, 7)
    assert seen(np.where(weak == 9, 1, weak)) == ()
    # Where another class is nearly missing too, it is the network that is so.
    rarely = np.where((labels == 8) & (ROWS % 20 > 0), 0, labels)
    assert seen(np.where(rarely == 9, 1, rarely)) == ()


def test_two_classes() -> None:
    answers = np.random.default_rng(0).permutation(ROWS % 2)
    right = np.random.default_rng(1).random(IMAGES) < 0.8
    labels = np.where(right, answers, 1 - answers)

    def told(predicted: Labels) -> list[Pattern]:
        return [one.pattern for one in patterns(predicted, PUBLIC, answers[PUBLIC], ("no", "yes"))]

    assert told(labels) == []
    assert told(np.sort(labels)) == [Pattern.SORTED]
    assert told(1 - labels) == [Pattern.RENUMBERED]
    assert told(np.roll(labels, 1)) == [Pattern.SHIFTED]
    assert told(np.zeros_like(labels)) == [Pattern.CONSTANT]


@pytest.mark.parametrize("classes", [100, 1_000])
def test_many_classes(classes: int) -> None:
    rng = np.random.default_rng(0)
    answers = rng.permutation(np.arange(50_000) % classes)
    public = public_part(images=50_000, public=5_000)
    names = [f"class {i}" for i in range(classes)]
    labels = np.where(rng.random(50_000) < 0.6, answers, rng.integers(0, classes, 50_000))

    def told(predicted: Labels) -> list[Pattern]:
        return [one.pattern for one in patterns(predicted, public, answers[public], names)]

    assert told(labels) == []
    assert told((labels + 1) % classes) == [Pattern.RENUMBERED]
    assert told(np.roll(labels, -1)) == [Pattern.SHIFTED]
    assert told(rng.permutation(labels)) == [Pattern.SHUFFLED]
    assert told(np.where(labels == 7, 8, labels)) == ([Pattern.CLASS_MISSING] if classes == 100 else [])


def test_names_of_classes_are_cleaned() -> None:
    (found,) = patterns(np.zeros(IMAGES, dtype=int), PUBLIC, TRUTH[PUBLIC], ["a\x1b[31m\u202eb", *NAMES[1:]])
    assert "'ab'" in found.told


@pytest.mark.parametrize("order", ["mixed", "sorted", "in turns"])
def test_weak_networks_are_told_nothing_wrong(order: str) -> None:
    """From none to little training: networks in which chance and confusion say much, and skill little.

    "All are one class" is left out: where it is said, it is so.
    """
    rng = np.random.default_rng(8)
    answers = {"mixed": TRUTH, "sorted": np.sort(TRUTH), "in turns": ROWS % CLASSES}[order]
    wrongly = []
    for trial in range(120):
        public = public_part(trial, public=int(rng.choice([150, 1_000])))
        predicted = _barely_trained(answers, rng)
        wrongly += [one for one in seen(predicted, answers, public) if one.pattern is not Pattern.CONSTANT]
    assert wrongly == []


def _barely_trained(answers: Labels, rng: np.random.Generator) -> Labels:
    """A random linear layer on images of which classes are far apart, bent towards the right one a little."""
    depth = 12
    centres = rng.normal(size=(CLASSES, depth))
    images = centres[answers] + rng.uniform(0.8, 2.5) * rng.normal(size=(len(answers), depth))
    trained = rng.choice([0.0, 0.05, 0.1, 0.2, 0.4])
    weights = (1 - trained) * rng.normal(size=(depth, CLASSES)) + trained * centres.T
    scores = images @ weights + rng.choice([0.0, 1.0, 3.0]) * rng.normal(size=CLASSES)
    return np.asarray(scores.argmax(axis=1))


def test_the_weak_networks_of_that_test_are_what_fools_a_simple_check() -> None:
    """Many would be better under another numbering, by chance of their first weights."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  (slow to import)

    rng = np.random.default_rng(8)
    better = 0
    for _ in range(40):
        called = _barely_trained(TRUTH, rng)
        table = np.bincount(called * CLASSES + TRUTH, minlength=100).reshape(CLASSES, CLASSES)
        rows, columns = linear_sum_assignment(table, maximize=True)
        better += table[rows, columns].sum() > 1.3 * np.trace(table)
    assert better > 10


def test_nothing_depends_on_the_hidden_answers() -> None:
    """Only the public ones go in: their positions and classes."""
    labels = network(TRUTH, 0.5, 7)
    assert seen(np.roll(labels, 1)) == patterns(np.roll(labels, 1), PUBLIC, TRUTH[PUBLIC].copy(), NAMES)
    few = PUBLIC[:50]
    assert patterns(np.roll(labels, 1), few, TRUTH[few], NAMES) == ()  # too few to say so


def test_positions_must_have_answers() -> None:
    for public, answers in ((PUBLIC, TRUTH), (PUBLIC[:0], TRUTH[:0])):
        with pytest.raises(ValueError, match="predictions"):
            patterns(TRUTH, public, answers, NAMES)
