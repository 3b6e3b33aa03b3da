"""Logs that are of ImageNet and logs that only say so; whole ones, and ones that begin too well."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from autograder.checks.from_scratch.imagenet import Facts
from autograder.checks.from_scratch.run_log import (
    Run,
    choose_run,
    read_beginning,
    require_imagenet,
    require_random_start,
    require_whole,
    top1,
)
from autograder.checks.from_scratch.settings import read_settings
from autograder.checks.logs.reading import read_logs
from autograder.outcome import CheckFailed
from fixtures.imagenet_scratch import logs, other_logs
from fixtures.imagenet_scratch.curves import Curve, curve

LIMITS = {
    "first_epoch_top1": 0.45,
    "first_epoch_training_top1": 0.35,
    "untrained_top1": 0.05,
    "first_loss_below": 0.9,
}
GOOD = curve(33_000, epochs=20, seed=3)


def run_of(files: Mapping[str, str], sources: Mapping[str, str] | None = None, readme: str = "") -> Run:
    read = read_logs({path: text.encode() for path, text in files.items()})
    return choose_run(read, Facts(read_settings(sources or {}, files), sources or {}, readme))


def printed(of: Curve = GOOD, **how: object) -> str:
    return logs.printed(of, every=2500, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("write", [printed, logs.json_lines, logs.csv, logs.error_rates])
def test_right_logs_of_many_forms(write: object) -> None:
    assert callable(write)
    run = run_of({"train.csv" if write is logs.csv else "train.log": write(GOOD)})
    assert top1(run.counting(10_000)) == 0.66
    assert run.missing == ()
    require_whole(run, 0.0)
    require_imagenet(run)
    require_random_start(run, read_beginning(run, LIMITS))


def test_the_final_epoch_or_the_best() -> None:
    run = run_of({"train.log": printed()})
    assert top1(run.counting(10_000)) == 0.66
    assert top1(run.counting(1)) < 0.66


def test_tiny_imagenet_by_its_grain_alone() -> None:
    tiny = curve(6_700, epochs=20, seed=1, classes=200, images=10_000, batches=391)
    with pytest.raises(CheckFailed, match="1/10,000"):
        require_imagenet(run_of({"train.log": logs.printed(tiny, every=0)}))


def test_a_name_beside_a_log_that_tells_nothing_counts() -> None:
    silent = "\n".join(f"epoch {number} val_acc {30 + number}.5" for number in range(10))
    source = {"train.py": 'root = "data/tiny-imagenet-200"\n'}
    with pytest.raises(CheckFailed, match="tiny-imagenet"):
        require_imagenet(run_of({"train.log": silent}, source))
    assert run_of({"train.log": silent}).kind.doubts


def test_a_name_beside_a_log_that_tells_is_a_doubt() -> None:
    source = {"debug.py": 'root = "data/tiny-imagenet-200"\n'}
    run = run_of({"train.log": printed()}, source, readme="We first tried Tiny-ImageNet.")
    require_imagenet(run)
    assert len(run.kind.doubts) == 2


def test_of_two_logs_that_of_imagenet_counts() -> None:
    tiny = curve(9_000, epochs=20, seed=1, classes=200, images=10_000, batches=391)
    run = run_of({"tiny.log": logs.printed(tiny, every=100), "train.log": printed()})
    assert run.log.path == "train.log"


def test_a_process_prints_its_share() -> None:
    """Of eight processes each has 6,250 validation images."""
    lines = [
        f"Epoch {number}: val accuracy {right}/6250 ({100 * right / 6250:.2f}%)"
        for number, right in enumerate(range(1_000, 4_200, 160))
    ]
    require_imagenet(run_of({"train.log": "\n".join(lines)}))


def test_a_line_that_was_lost_is_no_gap() -> None:
    run = run_of({"train.log": printed(wanted=lambda number: number != 7)})
    assert run.missing == (7,)
    require_whole(run, 0.05)
    with pytest.raises(CheckFailed, match="1 of these 20"):
        require_whole(run, 0.0)


def test_every_fifth_epoch_is_whole() -> None:
    rows = "\n".join(f"epoch {number} val_acc1 {10 + number * 0.8:.3f}" for number in range(0, 70, 5))
    require_whole(run_of({"train.log": rows}), 0.0)


def test_one_epoch_is_no_training() -> None:
    with pytest.raises(CheckFailed, match="single epoch"):
        require_whole(run_of({"train.log": "Epoch 0: val_acc1 66.120 val_acc5 86.200\n"}), 0.05)


def test_ready_weights_show_in_the_first_epoch() -> None:
    run = run_of({"train.log": logs.printed(curve(36_000, epochs=10, first=0.69), every=0)})
    with pytest.raises(CheckFailed, match="no training from random weights"):
        require_random_start(run, read_beginning(run, LIMITS))


def test_another_loss_is_only_a_doubt() -> None:
    """Binary cross-entropy begins at 0.69 and says nothing about the weights."""
    run = run_of({"train.log": printed().replace("Loss 7.0278e+00 (7.0278e+00)", "Loss 6.9e-01 (6.9e-01)")})
    beginning = read_beginning(run, LIMITS)
    assert beginning.against == ()
    assert any("0.69" in doubt for doubt in beginning.doubts)


@pytest.mark.parametrize(
    "text", ["", "pip install torch\nSuccessfully installed torch-2.3.0\n", "epoch epoch\n"]
)
def test_what_is_no_log(text: str) -> None:
    with pytest.raises(CheckFailed, match="No training log"):
        run_of({"train.log": text})


def each_fifth(of: Curve) -> dict[str, str]:
    return {"history.csv": other_logs.each_fifth(of)}


def test_each_fifth_epoch_is_a_whole_log() -> None:
    run = run_of(each_fifth(curve(33_000, epochs=61, seed=3)))
    assert "each 5th" in require_whole(run, 0.0)
    beginning = read_beginning(run, LIMITS)
    require_random_start(run, beginning)
    assert any("epoch 5" in doubt for doubt in beginning.doubts)


def test_each_fifth_epoch_of_a_training_that_was_done_before() -> None:
    run = run_of(each_fifth(curve(35_300, epochs=61, seed=3, first=0.69)))
    with pytest.raises(CheckFailed, match="nearly the best"):
        require_random_start(run, read_beginning(run, LIMITS))


def test_who_handed_in_no_log_learns_what_was_seen() -> None:
    with pytest.raises(CheckFailed, match=r"'log\.docx' was not read"):
        choose_run((), Facts(read_settings({}, {}), {}), ["'log.docx' was not read: hand in its text."])
