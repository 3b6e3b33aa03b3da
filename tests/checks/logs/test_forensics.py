"""Each suspicion is raised by what it is about, and by no honest log."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks.logs.counts import is_multiple
from autograder.checks.logs.datasets import IMAGENET, consistency
from autograder.checks.logs.fingerprints import Fingerprint, compare, fingerprint
from autograder.checks.logs.forensics import forensics
from autograder.checks.logs.found import Beginning, Images, LoggedEpoch, Oddity, Suspicion, TrainingLog
from autograder.checks.logs.reading import parse_log
from tests.checks.logs.writers import Row, imagenet

ARGUMENTS = "Namespace(data='/data/imagenet', arch='resnet18', batch_size=256, epochs=90, pretrained=False)\n"


def honest(seed: int = 0, epochs: int = 30, images: int = 50_000, classes: int = 1000) -> TrainingLog:
    """A log such as an honest training leaves: noise of the drawn images, loss that follows."""
    draw = random.Random(seed)  # noqa: S311 - a made-up curve
    made = []
    for n in range(epochs):
        share = 0.7 - 0.6 * math.exp(-n / 6) + draw.gauss(0, 0.006)
        count = round(share * images)
        loss = math.log(classes) * (1 - share) * 0.8 + draw.gauss(0, 0.02)
        made.append(
            LoggedEpoch(
                number=n,
                line=10 * n + 1,
                train_loss=round(loss + 0.2, 4),
                loss=round(loss, 4),
                top1=round(100 * count / images, 3) / 100,
                top5=min(share + 0.15, 0.95),
                digit=1e-5,
                seconds=1800 + draw.gauss(0, 30),
                clock=1.7e9 + 1900 * n,
            )
        )
    return TrainingLog("train.log", "lines", tuple(made), split="valid")


def kinds(log: TrainingLog, **more: object) -> set[str]:
    return {one.kind for one in forensics(log, **more)}  # type: ignore[arg-type]


def changed(log: TrainingLog, **values: object) -> TrainingLog:
    """The log with each epoch's fields replaced; a callable gets the place and the epoch."""
    epochs = tuple(
        replace(one, **{name: value(n, one) if callable(value) else value for name, value in values.items()})  # type: ignore[arg-type]
        for n, one in enumerate(log.epochs)
    )
    return replace(log, epochs=epochs)


@pytest.mark.parametrize("seed", range(12))
def test_an_honest_log_raises_nothing(seed: int) -> None:
    other = fingerprint(honest(seed + 100), "another")
    assert forensics(honest(seed), known=[other], dataset=IMAGENET) == ()
    coarse = changed(honest(seed, epochs=15), top1=lambda _, one: round(one.top1, 2), digit=0.01)
    assert (
        forensics(
            coarse,
            known=[
                fingerprint(
                    changed(honest(seed + 50, 15), top1=lambda _, one: round(one.top1, 2), digit=0.01)
                )
            ],
        )
        == ()
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(100, 60_000), st.data(), st.integers(2, 5))
def test_every_count_is_a_multiple_however_it_was_rounded(
    images: int, data: st.DataObject, places: int
) -> None:
    count = data.draw(st.integers(0, images))
    assert is_multiple(round(100 * count / images, places) / 100, 10.0 ** -(places + 2), images)


def test_no_multiple_of_one_over_n() -> None:
    log = changed(honest(), top1=lambda _, one: round(one.top1, 5) + 1e-5 * ((round(one.top1 * 1e5) + 1) % 2))
    found = [one for one in forensics(log, dataset=IMAGENET) if one.kind == "no multiple of 1/N"]
    assert found[0].weight == "moderate"
    assert "1/50,000" in found[0].text
    assert "no multiple of 1/N" not in kinds(log), "nothing says how many images there were"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"clock": lambda n, _: 1.7e9 - 5000 * (n > 10) + 100 * n}, "clock runs backwards"),
        ({"seconds": lambda n, _: 90.0 if n in (7, 8) else 1800.5}, "fast epochs"),
        ({"seconds": 1800.123}, "same times"),
        ({"loss": 6.9}, "loss stands still"),
        ({"loss": lambda _, one: 1 + one.top1}, "loss rises with accuracy"),
        ({"loss": 0.02}, "impossible loss"),
        ({"top5": lambda _, one: one.top1 - 0.01}, "top-5 below top-1"),
        ({"top1": lambda n, _: round(0.1 + 0.0187 * n, 4), "top5": None}, "drawn by a formula"),
        (
            {"top1": lambda n, _: round(0.1 + 0.03 * n - 0.0004 * n * n, 5), "top5": None},
            "drawn by a formula",
        ),
        ({"top1": lambda n, _: round(0.7 - 0.6 * math.exp(-n / 6), 5), "top5": None}, "drawn by a formula"),
        ({"number": lambda n, _: n + 3 * (n > 12)}, "missing epochs"),
        ({"number": lambda n, _: n + 40}, "begins late"),
        ({"total": lambda n, _: 50_000 - 10 * (n % 2)}, "size changes"),
    ],
)
def test_each_suspicion_has_its_cause(change: dict[str, object], kind: str) -> None:
    log = changed(honest(epochs=14 if kind == "drawn by a formula" else 30), **change)
    found = [one for one in forensics(log) if one.kind == kind]
    assert len(found) == 1
    assert found[0].text.endswith(".")
    assert found[0].line > 0


def test_past_midnight_is_not_backwards() -> None:
    log = changed(honest(), clock=lambda n, _: (80_000 + 1000 * n) % 86_400)
    assert "clock runs backwards" not in kinds(log)


def test_every_other_epoch_evaluated_is_not_missing() -> None:
    assert kinds(changed(honest(), number=lambda n, _: 5 * (n + 1))) == set()


def test_oddities_become_suspicions() -> None:
    log = replace(honest(), oddities=(Oddity("1/2 is 50 %, and the line says 60 %", 7),))
    assert forensics(log)[0] == Suspicion(
        "The line contradicts itself: 1/2 is 50 %, and the line says 60 %.", 7, "strong", "contradiction"
    )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"number": lambda n, _: n + 1, "train_loss": None},
        {"top1": lambda _, one: round(one.top1, 4), "digit": 1e-4},
        {"top1": lambda n, one: 0.66 if n > 24 else one.top1},
        {"top1": lambda _, one: one.top1 + 0.013, "loss": None, "train_loss": None, "top5": None},
    ],
    ids=["same", "renumbered", "rounded", "end changed", "constant added"],
)
def test_the_curve_of_another_is_found(change: dict[str, object]) -> None:
    other = Fingerprint.loads(fingerprint(honest(1), "anna").dumps())
    log = changed(honest(1), **change)
    (found,) = [one for one in forensics(log, known=[other]) if one.kind == "curve of another"]
    assert "'anna'" in found.text


def test_a_curve_that_was_cut_is_found() -> None:
    log = honest(1)
    cut = replace(log, epochs=log.epochs[6:26])
    like = compare(fingerprint(cut), fingerprint(log))
    assert like is not None
    assert like.same == like.beside == 20
    assert abs(like.offset) == 6


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"curves": {"a": []}, "label": ""}',
        '{"curves": {"a": [NaN]}, "label": ""}',
        "[" * 99_999,
    ],
)
def test_what_is_no_fingerprint(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Fingerprint.loads(text)


# Which data set


def imagenet_log(
    head: str = ARGUMENTS, batches: int = 5005, test: int = 196, loss: float = 6.95
) -> TrainingLog:
    rows = [Row(n, 6 - n, 5.5 - n, 0.1 * n + 0.02, 0.12 * n + 0.05, 0.2 * n + 0.15, 1500) for n in range(5)]
    text = (
        imagenet(rows)
        .replace("/391]", f"/{batches}]")
        .replace("/40]", f"/{test}]")
        .replace("[390/", f"[{batches - 1}/")
    )
    first = next(line for line in text.splitlines() if line.startswith("Epoch: [0][  0"))
    text = text.replace(first, first.replace("(6.0000e+00)", f"({loss:.4e})"), 1)
    (log,) = parse_log(head + text, "train.log")
    return log


def test_a_log_of_imagenet_is_consistent() -> None:
    found = consistency(imagenet_log())
    assert found.speaks_against == ()
    assert found.consistent
    assert not found.contradicted
    assert {one.kind for one in found.speaks_for} == {
        "name",
        "validation images",
        "training images",
        "first loss",
    }


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        (lambda: imagenet_log("data='/data/tiny-imagenet-200', batch_size=256\n", 391, 40, 5.31), "name"),
        (lambda: imagenet_log("batch_size=256\nnum_classes=200\n", 391, 40, 5.31), "classes"),
        (lambda: imagenet_log("batch_size=256\n", 391, 40, 5.31), "validation images"),
        (lambda: imagenet_log(loss=5.3), "first loss"),
        (lambda: imagenet_log(loss=4.61), "first loss"),
        (lambda: imagenet_log("=> using pre-trained model 'resnet50'\n"), "pre-trained"),
        (lambda: replace(honest(), images=Images(10_000, 10_000, "counted")), "validation images"),
        (lambda: replace(honest(), train_images=Images(100_000, 100_000, "counted")), "training images"),
        (lambda: changed(honest(), seconds=lambda n, _: 20.0 + n / 7), "too fast"),
        (
            lambda: replace(changed(honest(), top1=0.68), beginning=Beginning(3, 6.9, 0.66, 0)),
            "begins trained",
        ),
        (lambda: changed(honest(), top1=lambda n, _: 0.61 + n / 1000), "high first epoch"),
        (
            lambda: changed(
                imagenet_log(ARGUMENTS + "gpu: Tesla K80\nworld_size=1\n"), seconds=lambda n, _: 600.0 + n
            ),
            "too fast",
        ),
    ],
)
def test_what_speaks_against_imagenet(log: object, kind: str) -> None:
    assert callable(log)
    found = consistency(log())
    assert kind in {one.kind for one in found.speaks_against}
    assert not found.consistent
    assert kind in kinds(log(), dataset=IMAGENET)


@pytest.mark.parametrize(
    "head",
    [
        "data='/data/tiny-imagenet-200', batch_size=256\n",
        "batch_size=256\nnum_classes=200\n",
        "batch_size=256\n",
    ],
)
def test_tiny_imagenet_is_contradicted(head: str) -> None:
    assert consistency(imagenet_log(head, 391, 40, 5.31)).contradicted


@pytest.mark.parametrize(
    "head",
    [
        "Namespace(pretrained=False, data='/scratch/ILSVRC2012', batch_size=256)\n",
        "loading /data/imagenet/train: 1281167 train images\nval: 50000 test images\n",
        "=> creating model 'resnet18', 1000 classes\n",
        "model.load_state_dict  imagenet1k\n",
    ],
)
def test_what_an_honest_log_may_say(head: str) -> None:
    assert consistency(imagenet_log(head)).speaks_against == ()
