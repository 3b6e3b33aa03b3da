"""The log of a step's last training is read epoch by epoch, and a step's Results are held against it."""

from __future__ import annotations

import pytest

from autograder.checks.notebooks.found import ParameterCount
from autograder.checks.notebooks.series import read_series
from autograder.checks.notebooks.step_lists import read_lists
from autograder.checks.notebooks.step_log import StepLog, read_step_log
from autograder.checks.notebooks.step_results import disagreements, read_results
from autograder.loaders.notebook import Cell, Notebook
from tests.checks.notebooks.printed import notebook, result

RIGHT = [9845, 9903, 9941]


def log(*cells: tuple[str, str], asked: int | None = None) -> StepLog:
    made = notebook(*cells)
    return read_step_log(read_series(made), read_lists(made), asked)


def counts(found: StepLog) -> list[int | None]:
    return [one.correct for one in found.tested]


def printed(right: list[int], of: int = 10_000) -> str:
    return "".join(
        f"EPOCH: {at}\nLoss=0.03 Batch_id=468 Accuracy={97 + at}.50: 100%|██| 469/469 [00:14<00:00, 32it/s]\n"
        f"\nTest set: Average loss: 0.0300, Accuracy: {one}/{of} ({100 * one / of:.2f}%)\n\n"
        for at, one in enumerate(right)
    )


def test_each_epoch_is_a_count() -> None:
    found = log(("train()", printed(RIGHT)))
    assert counts(found) == RIGHT
    assert [one.epoch for one in found.tested] == [1, 2, 3]
    assert all(one.whole for one in found.tested)
    assert (found.best_test, found.last_test, found.best_train) == (0.9941, 0.9941, 0.995)
    assert not found.of_training_images


def test_the_last_training_counts() -> None:
    assert counts(log(("first()", printed([9999] * 5)), ("second()", printed(RIGHT)))) == RIGHT
    once_more = ("test()", "Test set: Average loss: 0.03, Accuracy: 9950/10000 (99.50%)\n")
    assert counts(log(("train()", printed(RIGHT)), once_more)) == RIGHT  # one value is no training


def test_a_test_of_60000_images_is_none() -> None:
    found = log(("train()", printed([59_000, 59_500], of=60_000)))
    assert found.of_training_images
    assert not any(one.whole for one in found.tested)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("pass", "val_acc = [98.45, 99.03, 99.41]\n"),
        ("pass", "Test accuracies: [98.45, 99.03, 99.41]\n"),
        ("print('test acc', test_acc)", "test acc [0.9845, 0.9903, 0.9941]\n"),
        ("print(train_acc)\nprint(test_acc)", "[90.0, 95.0, 97.0]\n[98.45, 99.03, 99.41]\n"),
        ("pass", "{'test_acc': [98.45, 99.03, 99.41]}\n"),
        ("pass", "test_acc = [tensor(98.45), tensor(99.03), tensor(99.41)]\n"),
    ],
)
def test_lists_behind_a_training_are_read(source: str, text: str) -> None:
    found = log((source, text))
    assert [round(float(one.low), 4) for one in found.tested] == pytest.approx(
        [0.9845, 0.9903, 0.9941], abs=1e-4
    )


def test_a_list_that_ends_a_cell_is_read() -> None:
    made = notebook(("history['val_acc']", result("[98.45, 99.03, 99.41]")))
    assert [len(one.points) for one in read_lists(made)] == [3]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("pass", "kernel sizes = [3, 3, 1]\n"),
        ("pass", "test_loss = [0.1, 0.05]\n"),
        ("pass", "test_acc = [98.45]\n"),
        ("print(a)\nprint(b)", "[98.45, 99.03]\n[98.45, 99.03]\n"),
        ("print(test_acc)", "[98.45, 99.03]\n[98.45, 99.03]\n"),
        ("pass", f"test_acc = [{', '.join(['98.1'] * 469)}]\n"),
        ("pass", "test_acc = " + "[" * 5_000),
        ("pass", "test_acc = [1e999999, 99.1-2, 98.0]\n" * 50),
    ],
)
def test_what_is_no_list_of_epochs(source: str, text: str) -> None:
    assert not any(len(one.points) > 2 for one in read_lists(notebook((source, text))))


def test_counts_go_before_a_list_and_a_list_before_one_value() -> None:
    lists = ("print(test_acc)", "test_acc = [98.0, 98.1, 98.2, 98.3]\n")
    assert counts(log(("train()", printed(RIGHT)), lists)) == RIGHT
    assert log(("pass", "Test accuracy: 99.41%\n"), lists).epochs == 4


def test_one_accuracy_is_that_of_the_last_epoch() -> None:
    (only,) = log(("pass", "Test set: Accuracy: 9941/10000 (99.41%)\n"), asked=15).tested
    assert (only.epoch, only.correct) == (15, 9941)


@pytest.mark.parametrize(
    ("right", "asked", "kept"),
    [
        ([9845, 9941, 9903, 9941], 3, [9845, 9941, 9903]),  # the best weights, loaded and tested again
        ([980, 9845, 9903, 9941], 3, [9845, 9903, 9941]),  # before the training
        ([9845, 9903, 9941, 9942], 3, [9845, 9903, 9941, 9942]),  # one epoch more
        ([9845, 9903, 9941, 9941], 4, [9845, 9903, 9941, 9941]),
        ([9845, 9941, 9903, 9941], None, [9845, 9941, 9903, 9941]),
    ],
)
def test_a_test_more_is_no_epoch(right: list[int], asked: int | None, kept: list[int]) -> None:
    assert counts(log(("train()", printed(right)), asked=asked)) == kept


def test_progress_bars_will_do() -> None:
    text = "".join(
        f"Epoch {at}: 100%|████| 938/938 [00:20<00:00, 45it/s, val_loss=0.03, val_acc={one / 1e4}]\n"
        for at, one in enumerate(RIGHT)
    )
    assert log(("trainer.fit(model)", text)).last_test == 0.9941


def test_nothing_printed_is_an_empty_log() -> None:
    assert log(("pass", "hello")) == StepLog()


# --- the Results ------------------------------------------------------------------------------------------

SERIES = read_series(notebook(("train()", printed(RIGHT))))
SUMMARY = [ParameterCount(7764, "total", True, "summary", 3, "Total params: 7,764")]


def wrong(text: str) -> list[str]:
    return [one.claim.kind for one in disagreements(read_results(text), SERIES, [], SUMMARY, 0.0006)]


@pytest.mark.parametrize(
    "text",
    [
        "Parameters: 7,764\nBest test accuracy: 99.41 %",
        "1. Parameters: 7.7k\n2. Best Train Accuracy: 99.50\n3. Best Test Accuracy: 99.41 (3rd epoch)",
        "7764 params, test acc 99.4%, train acc 99.5%",
        "Parameter: 7.764, beste Testgenauigkeit 99,41 %",
        "Best Test Accuracy - 0.9941",
        "Test accuracy 99.03 and 99.41 in the last epochs",
        "Target was 99.9 % test accuracy with less than 10,000 parameters",
        "Dropout of 90 % in training",
        "| Params | Train acc | Test acc |\n|---|---|---|\n| 7,764 | 99.50 | 99.41 |",
        "It works.",
        "",
    ],
)
def test_results_that_agree(text: str) -> None:
    assert wrong(text) == []


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Parameters: 7,464", ["parameters"]),
        ("Best test accuracy: 99.90 %", ["test"]),
        ("Best training accuracy: 99.91", ["train"]),
        ("Params 6.2k\nTest Accuracy: 99.60", ["parameters", "test"]),
        (
            "| | step 4 |\n|---|---|\n| Parameters | 17,210 |\n| Best test accuracy | 98.01 % |",
            ["parameters", "test"],
        ),
        ("| Params | Test acc |\n|---|---|\n| 17,210 | 98.01 |", ["parameters", "test"]),
        ("| Parameters | 17,210 |\n| Best test accuracy | 98.01 % |", ["parameters", "test"]),
    ],
)
def test_results_that_do_not(text: str, kinds: list[str]) -> None:
    assert sorted(wrong(text)) == kinds


def test_without_a_log_nothing_disagrees() -> None:
    claims = read_results("Parameters: 7,464\nBest test accuracy: 99.90 %")
    assert disagreements(claims, (), [], [], 0.0006) == ()


def test_what_disagrees_is_quoted_beside_the_log() -> None:
    (one,) = disagreements(read_results("Best test accuracy: 99.90 %"), SERIES, [], SUMMARY, 0.0006)
    assert "99.90 %" in one.describe()
    assert "99.41 % at the end" in one.describe()


def test_a_long_text_takes_no_time() -> None:
    assert isinstance(read_results("test accuracy 99.4, " * 50_000), tuple)
    assert read_lists(Notebook((Cell(1, "code", "x = 1"),))) == ()
