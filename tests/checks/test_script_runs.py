"""The log of a training script, held against the command that it should come from."""

from __future__ import annotations

import pytest

from autograder.checks.script_logs import read_log
from autograder.checks.script_runs import require_complete, require_same_run, settings_of
from autograder.checks.script_settings import Settings
from autograder.outcome import CheckFailed

COMMAND = "python train.py --model convnet --epochs {} --batch-size 100 | tee convnet.log"
TRAIN = "parser.add_argument('--epochs', default=3)\nparser.add_argument('--model')\n"
EPOCH = (
    "Train Epoch: {0} [{1}/49000 (4%)]\tLoss: 1.3\n\nVal set: Average loss: 1.3, Accuracy: {2}/1000 (50%)\n"
)
TEST = "\nTest set: Average loss: 1.1, Accuracy: 5510/10000 (55.1%)\n"


def log_of(epochs: range, seen: int = 2000, *, test: bool = True) -> bytes:
    text = "".join(EPOCH.format(epoch, seen, 500 + epoch) for epoch in epochs)
    return (text + (TEST if test else "")).encode()


def settings(epochs: object = 3) -> Settings:
    return settings_of(COMMAND.format(epochs), TRAIN, "convnet")


def test_a_whole_log() -> None:
    log = read_log(log_of(range(1, 4)), "convnet.log")
    assert (log.epochs, log.last_epoch, log.test, log.valid) == (3, 3, 0.551, 0.503)
    assert "3 epochs" in require_complete(log)
    assert require_same_run(log, settings(), TRAIN).doubts == ()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no epoch"),
        (b"hello\n" * 9, "no epoch"),
        (log_of(range(1, 4), test=False), "doesn't end with"),
        (log_of(range(1, 3)) + log_of(range(3, 5), test=False), "doesn't end with"),
        (log_of(range(1, 2), test=False) + log_of(range(4, 6)), "lacks epochs"),
    ],
)
def test_a_log_that_is_not_whole(data: bytes, said: str) -> None:
    with pytest.raises(CheckFailed, match=said):
        require_complete(read_log(data, "convnet.log"))


@pytest.mark.parametrize("epochs", [range(1, 4), range(3)])
def test_epochs_are_counted_from_0_or_1(epochs: range) -> None:
    require_same_run(read_log(log_of(epochs), "l"), settings(), TRAIN)


def test_another_run() -> None:
    log = read_log(log_of(range(1, 4)), "l")
    with pytest.raises(CheckFailed, match="asks for 9 epochs"):
        require_same_run(log, settings(9), TRAIN)
    assert require_same_run(log, settings(9), f"{TRAIN}if worse: break").doubts
    assert "can't be told" in require_same_run(log, settings("$N"), TRAIN).note
    seen = read_log(log_of(range(1, 4), seen=2048), "l")
    assert "no multiple of the batch size 100" in require_same_run(seen, settings(), TRAIN).doubts[0]


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("", "starts no train.py"),
        ("python plot.py", "starts no train.py"),
        ("python train.py --model mymodel", "'mymodel'"),
    ],
)
def test_no_command_of_the_model(shell: str, said: str) -> None:
    with pytest.raises(CheckFailed, match=said):
        settings_of(shell, TRAIN, "convnet")


def test_the_models_own_command_is_taken() -> None:
    both = f"{COMMAND.format(3)}\npython train.py --model mymodel --epochs 9"
    assert settings_of(both, TRAIN, "convnet").number("epochs") == 3
    assert settings_of("python train.py", TRAIN, "convnet").number("epochs") == 3


PROGRESS = "Train Epoch: {0} [2560/49000 (5%)]\tTrain Loss: 1.9\tVal Loss: 1.8\tVal Acc: {1}\n"


@pytest.mark.parametrize(
    ("accuracies", "valid"),
    [
        (("31", "45"), 0.45),
        (("31.25", "45.5"), 0.455),
        (("0.3125", "0.455"), 0.455),
        (("tensor(31)", "tensor(45., device='cuda:0')"), 0.45),
    ],
)
def test_the_homeworks_own_lines(accuracies: tuple[str, ...], valid: float) -> None:
    text = "".join(PROGRESS.format(number, value) for number, value in enumerate(accuracies, start=1))
    log = read_log(text.encode(), "l")
    assert (log.epochs, log.test) == (2, None)
    assert log.accuracy == pytest.approx(valid)


@pytest.mark.parametrize(
    "line",
    [
        "('test accuracy:', 0.551)",
        "test set: Average loss: 1.1, Accuracy: 5510/10000 (0%)",
        "('test', 'set: Average loss: 1.1, Accuracy: tensor(5510)/10000 (55%)')",
        "Test acc: 0.551",
        "test accuracy: 55.1\nSaved model to convnet.pt",
    ],
)
def test_the_last_line_in_other_words(line: str) -> None:
    log = read_log((PROGRESS.format(1, 45) + PROGRESS.format(2, 46) + line + "\n").encode(), "l")
    assert log.test == pytest.approx(0.551)


def test_a_test_accuracy_before_more_training_ends_no_log() -> None:
    log = read_log((PROGRESS.format(1, 45) + "Test acc: 0.55\n" + PROGRESS.format(2, 46)).encode(), "l")
    with pytest.raises(CheckFailed, match="doesn't end with"):
        require_complete(log)


def test_a_log_that_names_another_model() -> None:
    told = b"Namespace(epochs=3, model='softmax')\n"
    with pytest.raises(CheckFailed, match="of the model 'softmax'"):
        require_same_run(read_log(told + log_of(range(1, 4)), "l"), settings(), TRAIN)
    both = told + log_of(range(1, 4)) + told.replace(b"softmax", b"convnet") + log_of(range(1, 4))
    require_same_run(read_log(both, "l"), settings(), TRAIN)


def test_settings_that_only_a_shell_could_find_are_not_the_defaults() -> None:
    run = settings_of("python train.py --model convnet $MORE", TRAIN, "convnet")
    assert run.number("epochs") is None
    assert settings_of("python train.py --model convnet --lr $LR", TRAIN, "convnet").number("epochs") == 3
