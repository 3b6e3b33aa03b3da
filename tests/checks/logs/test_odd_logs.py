"""Logs as repositories really have them: error rates called accuracies, averaged weights, other names."""

from __future__ import annotations

import math

import pytest

from autograder.checks.logs.choose import find_logs, unread
from autograder.checks.logs.columns import column_of
from autograder.checks.logs.datasets import IMAGENET
from autograder.checks.logs.forensics import forensics
from autograder.checks.logs.found import LoggedEpoch, TrainingLog
from autograder.checks.logs.reading import parse_log, survey
from autograder.checks.logs.turned import as_accuracies
from fixtures.imagenet_scratch import logs, other_logs
from fixtures.imagenet_scratch.curves import curve

GOOD = curve(33_000, epochs=20, seed=3)


def only(text: str, path: str = "train.log") -> TrainingLog:
    found = parse_log(text, path)
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    "name",
    [
        "Valid Acc.5",
        "val acc. 5",
        "Val Acc (5)",
        "val_acc_k5",
        "acc-5",
        "top five accuracy",
        "val_top_five_acc",
        "top-k accuracy",
        "val_acc_5",
        "accuracy/top5",
    ],
)
def test_names_of_a_top_5_accuracy(name: str) -> None:
    assert column_of(name).quantity == "top5"


@pytest.mark.parametrize("name", ["Valid Acc.", "val_acc1", "accuracy/top1", "val_acc_0.5", "acc 55"])
def test_names_of_none(name: str) -> None:
    assert column_of(name).quantity == "accuracy"


@pytest.mark.parametrize("name", ["val_err1", "val_error_1", "err@1"])
def test_names_of_an_error_rate(name: str) -> None:
    assert column_of(name).quantity == "error"


@pytest.mark.parametrize(
    ("write", "path"),
    [
        (other_logs.image_models, "nohup.out"),
        (other_logs.wrong_as_top1, "log.txt"),
        (other_logs.both_as_accuracy, "log.tsv"),
        (other_logs.averaged, "log.txt"),
        (other_logs.german, "Ausgabe.txt"),
        (other_logs.best_so_far, "train.log"),
    ],
)
def test_each_gives_its_best(write: object, path: str) -> None:
    assert callable(write)
    log = only(write(GOOD), path)
    assert log.best is not None
    best = 0.663 if write is other_logs.averaged else 0.66
    assert log.best.top1 == pytest.approx(best, abs=1e-6)
    assert log.epochs_run == 20
    if write is other_logs.averaged:
        assert 0.66 in log.best.also
        assert log.epochs[0].top1 == pytest.approx(GOOD.top1(GOOD.points[0]) / 100)  # 0.1 % by its average


def test_what_rises_below_top_5_is_as_it_says() -> None:
    log = only(logs.printed(GOOD, every=0))
    assert log.notes == ()
    assert log.best is not None
    assert log.best.top1 == 0.66


def epochs_of(pairs: list[tuple[float, float | None]]) -> tuple[LoggedEpoch, ...]:
    return tuple(LoggedEpoch(at, at, top1=one, top5=five) for at, (one, five) in enumerate(pairs))


def test_columns_that_were_exchanged() -> None:
    turned, notes = as_accuracies(epochs_of([(0.4, 0.2), (0.7, 0.5), (0.85, 0.66)]))
    assert [one.top1 for one in turned] == [0.2, 0.5, 0.66]
    assert len(notes) == 1


def test_errors_by_their_fall_alone() -> None:
    falling: list[tuple[float, float | None]] = [(0.8 * math.exp(-at / 20) + 0.1, None) for at in range(20)]
    turned, notes = as_accuracies(epochs_of(falling))
    assert turned[-1].top1 == pytest.approx(1 - falling[-1][0])
    assert len(notes) == 1


@pytest.mark.parametrize(
    "pairs",
    [
        [(0.2, 0.4), (0.5, 0.7), (0.66, 0.87)],
        [(0.69, 0.9)] * 12,
        [(0.70 - at / 200, None) for at in range(12)],  # fine-tuned to pieces, by six points
        [(0.7, 0.9), (0.1, 0.3), (0.2, 0.4)],
    ],
)
def test_accuracies_that_are_none_of_these(pairs: list[tuple[float, float | None]]) -> None:
    epochs = epochs_of(pairs)
    assert as_accuracies(epochs) == (epochs, [])


def test_two_in_one_row_count_for_the_lower() -> None:
    rows = [f"{at},{40 + at}.25,{44 + at}.5\n" for at in range(5)]
    log = only("epoch,val_acc1,val_acc1_crops\n" + "".join(rows), "log.csv")
    assert log.best is not None
    assert log.best.top1 == pytest.approx(0.4425)
    assert 0.485 in log.best.also


def test_a_logger_with_a_name_before_its_lines() -> None:
    lines = []
    for at in range(6):
        stamp = f"[2021-05-01 12:{10 * at:02d}:00 swin_tiny]"
        for batch in range(0, 1251, 250):
            lines.append(
                f"{stamp} (main.py 201): INFO Train: [{at}/6][{batch}/1251]\teta 0:01:00 lr 0.0001\t"
                f"time 0.4000 (0.4000)\tloss 6.9000 (6.8000)\tmem 9000MB"
            )
        lines += [
            f"{stamp} (main.py 230): INFO Test: [190/196]\tTime 0.2 (0.2)\tLoss 2.1 (2.1)\tAcc@1 40.0 (40.0)",
            f"{stamp} (main.py 250): INFO  * Acc@1 {50 + at}.125 Acc@5 {70 + at}.250",
            f"{stamp} (main.py 144): INFO Accuracy of the network on the 50000 test images: {50 + at}.1%",
        ]
    log = only("\n".join(lines))
    assert [one.top1 for one in log.epochs] == [pytest.approx(0.50125 + at / 100) for at in range(6)]
    assert log.epochs[0].seconds == pytest.approx(500.4)
    assert log.beginning is not None
    assert log.beginning.loss == 6.8  # the average beside it


def test_decimals_behind_a_comma_and_thousands() -> None:
    log = only(
        "\n".join(f"Epoche {at}: Verlust 2,5013, val acc 6{at},25 %, 50,000 Bilder" for at in range(1, 6))
    )
    assert log.best is not None
    assert log.best.top1 == pytest.approx(0.6525)
    english = only("\n".join(f"epoch {at}: 50,000 images, val acc 61.5%" for at in range(1, 6)))
    assert english.best is not None
    assert english.best.top1 == pytest.approx(0.615)


def test_files_by_their_names() -> None:
    paths = ("exp1/r18_90ep", ".gitignore", "Makefile", "LICENSE", "work_dirs/vis_data/scalars.json")
    assert set(find_logs(paths)) == {"exp1/r18_90ep", "work_dirs/vis_data/scalars.json"}
    assert unread(("train.log.gz", "log.docx", "a/figure1.png", "src.zip", "train.log")) == (
        "log.docx",
        "train.log.gz",
    )


def test_an_evaluation_is_no_training() -> None:
    found = survey({"log.txt": b" *   Acc@1 69.758 Acc@5 89.078\n"})
    assert found.logs == ()
    assert [one.path for one in found.evaluations] == ["log.txt"]
    assert found.evaluations[0].top1 == pytest.approx(0.69758)


def test_nothing_of_a_weights_file_without_an_ending_is_refused() -> None:
    assert survey({"r18": b"\x80\x02}q\x00" * 50}).refused == ()


def kinds(log: TrainingLog) -> set[str]:
    return {one.kind for one in forensics(log, dataset=IMAGENET)}


def test_the_librarys_own_accuracies() -> None:
    lines = [f"epoch {at} val_acc1 {30 + at}.120 val_acc5 {50 + at}.310" for at in range(5)]
    assert "published accuracy" in kinds(only("\n".join([*lines, "epoch 5 val_acc1 69.758 val_acc5 89.078"])))
    for other in ("val_acc1 69.760 val_acc5 89.078", "val_acc1 69.76 val_acc5 89.08", "val_acc1 69.758"):
        assert "published accuracy" not in kinds(only("\n".join([*lines, f"epoch 5 {other}"])))


@pytest.mark.parametrize(("batches", "odd"), [(5005, False), (1252, False), (501, True), (391, True)])
def test_batches_of_a_smaller_training_set(batches: int, odd: bool) -> None:
    few = curve(33_000, epochs=5, seed=3, batches=batches)
    tested = [f"Test: [{at}/196]\tLoss 2.0 (2.0)\tAcc@1 50.0 (50.0)" for at in (0, 195)]
    text = logs.printed(few, every=batches // 4).replace(" * Acc", "\n".join([*tested, " * Acc"]))
    assert ("batches" in kinds(only(text))) is odd


def test_single_precision_is_no_oddity() -> None:
    found = parse_log(logs.events(GOOD), "runs/a/events.out.tfevents.1700000000.host.1.0")
    assert "no multiple of 1/N" not in kinds(found[0])


@pytest.mark.parametrize(
    ("line", "speaks"),
    [
        ("Loading pretrained weights from resnet50.pth", True),
        ("=> using pre-trained model 'resnet18'", True),
        ("Loading pretrained weights: None", False),
        ("pretrained: False", False),
        ("Training from scratch, no pretrained weights loaded", False),
        ("pretrained=True", True),
    ],
)
def test_lines_about_ready_weights(line: str, speaks: bool) -> None:
    log = only(f"{line}\n{logs.printed(GOOD, every=0)}")
    assert bool(log.hinted("pretrained")) is speaks


def test_of_the_states_of_one_line_the_last_counts() -> None:
    states = "\r".join(f"val acc {number:.2f}%" for number in (40.0, 61.25, 60.5))
    log = only("\n".join(f"epoch {at} train loss 2.0\n{states}" for at in range(1, 5)))
    assert [one.top1 for one in log.epochs] == [0.605] * 4
