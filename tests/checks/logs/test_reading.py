"""Prefixes, resumed runs, several runs, decoys, scales, and files that want to do harm."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import pytest

from autograder.checks.logs.choose import find_logs
from autograder.checks.logs.describe import describe
from autograder.checks.logs.found import TrainingLog
from autograder.checks.logs.lines import MAX_BYTES
from autograder.checks.logs.reading import parse_log, read_logs, survey
from autograder.loaders.problems import TooLarge
from tests.checks.logs.writers import Row, eva, imagenet, keras, plain, timm

MIB = 1024 * 1024


def rows_of(accuracies: Sequence[float], first: int = 0) -> list[Row]:
    return [
        Row(first + n, 7 - 5 * one, 7 - 5 * one, one, one, min(one + 0.1, 1.0), 600)
        for n, one in enumerate(accuracies)
    ]


ROWS = rows_of([0.05, 0.21, 0.4, 0.55, 0.6512])


def only(text: str | bytes, path: str = "train.log") -> TrainingLog:
    logs = parse_log(text, path)
    assert len(logs) == 1
    return logs[0]


def top1(log: TrainingLog) -> list[float | None]:
    return [one.top1 for one in log.epochs]


WANTED = [row.top1 for row in ROWS]


@pytest.mark.parametrize(
    "label",
    [
        "2024-05-01 12:{m:02d}:{s:02d},123 - INFO - ",
        "[2024-05-01 12:{m:02d}:{s:02d}] ",
        "[05/01 12:{m:02d}:{s:02d}] ",
        "2024-05-01T12:{m:02d}:{s:02d}.123456Z ",
        "12:{m:02d}:{s:02d} INFO:root:",
        "I0501 12:{m:02d}:{s:02d}.123456 4711 train.py:123] ",
        "2024-05-01 12:{m:02d}:{s:02d} | INFO | train.py:88 | ",
        "0: ",
        "[rank0]: ",
        "[1,0]<stdout>:",
        "\x1b[32m",
    ],
)
def test_what_a_logger_puts_before_a_line_is_left_out(label: str) -> None:
    lines = imagenet(ROWS).splitlines()
    text = "\n".join(label.format(m=n // 60, s=n % 60) + line for n, line in enumerate(lines))
    log = only(text)
    assert top1(log) == WANTED
    assert [one.number for one in log.epochs] == [0, 1, 2, 3, 4]
    if "{m" in label:
        assert log.wall_s == pytest.approx(len(lines) - 1, abs=8)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings(encoding: str, end: str) -> None:
    assert top1(only(imagenet(ROWS).replace("\n", end).encode(encoding))) == WANTED


def test_tee_twice_is_one_run() -> None:
    text = imagenet(ROWS)
    doubled = "".join(line + "\n" + line + "\n" for line in text.splitlines())
    assert top1(only(doubled)) == WANTED
    assert top1(only(text + text)) == WANTED


@pytest.mark.parametrize("write", [imagenet, timm, keras, plain])
def test_a_resumed_run_is_joined_and_the_later_value_counts(write: object) -> None:
    assert callable(write)
    before, after = rows_of([0.05, 0.2, 0.31, 0.33]), rows_of([0.4, 0.5, 0.66], first=2)
    log = only(write(before) + "=> loaded checkpoint 'checkpoint.pth.tar' (epoch 2)\n" + write(after))
    assert [one.number for one in log.epochs] == [0, 1, 2, 3, 4]
    assert top1(log) == [0.05, 0.2, 0.4, 0.5, 0.66]
    assert log.resumed_from == (2,)
    assert "begun again at epoch 2" in describe(log)


def test_a_crash_in_the_middle_of_an_epoch() -> None:
    whole = imagenet(ROWS).splitlines(keepends=True)
    crash = next(n for n, line in enumerate(whole) if line.startswith("Epoch: [3][300"))
    restart = next(n for n, line in enumerate(whole) if line.startswith("Epoch: [3]["))
    log = only("".join([*whole[: crash + 1], "Killed\n", *whole[restart:]]))
    assert top1(log) == WANTED
    assert log.resumed_from == (3,)


def test_a_run_in_two_files() -> None:
    first, second = imagenet(rows_of([0.1, 0.2, 0.3])), imagenet(rows_of([0.4, 0.5], first=3))
    (log,) = read_logs({"a/train1.log": first.encode(), "a/train2.log": second.encode()})
    assert top1(log) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert log.resumed_from == (3,)


def test_two_runs_in_a_file_are_two() -> None:
    logs = parse_log(imagenet(ROWS) + imagenet(rows_of([0.1, 0.3, 0.7])), "train.log")
    assert [top1(log) for log in logs] == [WANTED, [0.1, 0.3, 0.7]]
    assert [log.run for log in logs] == [1, 2]


def test_evaluation_that_counts_from_0_beside_training_from_1() -> None:
    lines = []
    for n in range(1, 5):
        lines += [
            f"Epoch {n}: train loss {3 - n / 2:.3f}",
            f"epoch {n - 1} val loss 1.000 val acc {n / 10:.3f}",
        ]
    log = only("\n".join(lines))
    assert [one.number for one in log.epochs] == [1, 2, 3, 4]
    assert top1(log) == [0.1, 0.2, 0.3, 0.4]
    assert log.resumed_from == ()


def test_per_cent_is_told_by_the_column() -> None:
    """A value below one per cent in a column of per cents, shares beside it."""
    head = "epoch,train_acc,val_acc,val_acc5,val_loss\n"
    text = head + "0,0.01,0.4,1.2,6.9\n1,0.30,30.5,50.1,3.1\n2,0.99,65.0,86.0,1.5\n"
    log = only(text, "log.csv")
    assert top1(log) == [0.004, 0.305, 0.65]
    assert [one.train_top1 for one in log.epochs] == [0.01, 0.3, 0.99]


def test_a_run_that_never_left_one_per_cent() -> None:
    text = "epoch,val_top1,val_top5,val_loss\n0,0.1,0.5,6.91\n1,0.65,2.1,6.8\n"
    assert top1(only(text, "log.csv")) == [0.001, 0.0065]
    alone = "epoch,val_loss,val_acc (%)\n0,6.91,0.10\n1,6.5,0.65\n"
    assert top1(only(alone, "log.csv")) == [0.001, 0.0065]
    shares = "epoch,val_loss,val_acc (%)\n0,2.31,0.10\n1,1.1,0.65\n"
    log = only(shares, "log.csv")
    assert top1(log) == [0.1, 0.65]
    assert any("percent sign" in note for note in log.notes)


def test_an_accuracy_of_nobody_says_so() -> None:
    log = only("".join(f"Epoch {n}: loss {2 - n / 9:.3f} acc {n / 9:.3f}\n" for n in range(1, 8)))
    assert log.split == "unknown"
    assert any("which images" in note for note in log.notes)


@pytest.mark.parametrize(
    "text",
    [
        "* Acc@1 65.120 Acc@5 86.000\n",
        "Test: [0/196]\tTime 1 (1)\tLoss 1.0 (1.0)\tAcc@1 60 (60.0)\n * Acc@1 65.120 Acc@5 86.000\n",
        "Collecting torch\n  Downloading torch-2.0-cp311.whl (619.9 MB)\n     100% "
        "619.9/619.9 MB 1.2 MB/s eta 0:00:00\n",
        "Test set: Average loss: 0.0258, Accuracy: 9925/10000 (99.25%)\n",
        "image_id,label\n1,0.5\n2,3\n",
        "model,top1,top5,params\nresnet18,69.76,89.08,11.7\nresnet50,76.13,92.86,25.6\n",
        "",
        "\n\n",
        "Epoch\n",
        "I trained for 90 epochs and got 65 %.\n",
    ],
)
def test_what_is_no_training_log(text: str) -> None:
    assert parse_log(text, "x.log") == ()
    assert parse_log(text, "x.csv") == ()


def test_a_table_of_somebody_else() -> None:
    table = "| epoch | val acc |\n|--|--|\n| 0 | 20.1 |\n| 89 | 76.1 |\n"
    other = f"# ResNet\nFor comparison, the results of the original paper:\n\n{table}"
    own = f"# Results\nThe table shows our training:\n\n{table}"
    assert read_logs({"README.md": other.encode()}) == ()
    assert len(read_logs({"README.md": own.encode()})) == 1


def test_notebooks_hold_logs_too() -> None:
    cell = {
        "cell_type": "code",
        "source": "train()",
        "metadata": {},
        "execution_count": 1,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": eva(ROWS)}],
    }
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (log,) = read_logs({"run.ipynb": json.dumps(notebook).encode()})
    assert top1(log) == WANTED


def test_find_logs_takes_what_may_be_one() -> None:
    names = [
        "README.md", "runs/a/events.out.tfevents.17.host.1.0", "log.txt", "nohup.out", "slurm-42.out",
        "metrics.csv",
        "train.jsonl", "logs/rank0", "requirements.txt", "predictions.csv", "__MACOSX/._log.txt", "model.py",
        "train.log.1", "imagenet_class_index.json", "log_resnet.json", "job.o12345",
    ]  # fmt: skip
    found = find_logs(names)
    assert set(names) - set(found) == {
        "requirements.txt", "predictions.csv", "__MACOSX/._log.txt", "model.py", "imagenet_class_index.json",
    }  # fmt: skip
    assert found.index("nohup.out") < found.index("README.md")


def test_a_file_of_200_mb_is_refused_by_its_size() -> None:
    with pytest.raises(TooLarge, match=r"200\.0 MiB large, where 64.0 MiB are allowed"):
        parse_log(b"\n" * (200 * MIB), "train.log")
    found = survey({"big.log": b" " * (MAX_BYTES + 1), "train.log": imagenet(ROWS).encode()})
    assert [one.path for one in found.refused] == ["big.log"]
    assert len(found.logs) == 1


@pytest.mark.parametrize(
    "data",
    [
        b" " * MIB,
        b"1" * MIB,
        b"Epoch: [" + b" " * MIB,
        b"Epoch: " + b"9" * MIB,
        b"accuracy: 0." + b"3" * MIB,
        b"[" * MIB,
        b'{"a":' * (MIB // 5),
        b"{'loss': [" + b"1," * (MIB // 2) + b"]}",
        b"\r" * MIB,
        b"\b" * MIB,
        b"100%|" + b"#" * MIB + b"| 3/3 [00:01<00:00]",
        b"| epoch " * (MIB // 8),
        b"epoch,val_acc" + b"," * MIB + b"\n1,2\n",
        b"2023-01-01 00:00:00 " * (MIB // 20),
        b"train 123456789 " * (MIB // 16),
        b"\xff\xfe" + b"\x00\xd8" * MIB,
        b"\xed\xa0\x80" * (MIB // 3),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_long_lines_cost_little(data: bytes) -> None:
    start = time.process_time()
    assert parse_log(data, "train.log") == ()
    assert time.process_time() - start < 5


def test_numbers_that_are_none() -> None:
    lines = [
        "epoch 1 loss nan val acc nan",
        "epoch 2 loss inf val acc -inf",
        "epoch 3 loss 1e999 val acc 99999999999999999999999999999999999999",
        f"epoch {'9' * 500} val acc 0.5",
        "epoch 4 loss 1.0 val acc 0.25",
        "epoch 5 loss 0.9 val acc 0.5",
        "epoch 6 loss 0.8 val acc 250 %",
    ]
    log = only("\n".join(lines))
    assert log.best is not None
    assert log.best.top1 == 0.5
    assert all(one.number <= 6 for one in log.epochs)


def test_json_with_nan_and_halves_of_pairs() -> None:
    first = '{"epoch": 0, "val_acc": NaN, "x": "\\ud800"}\n'
    text = first + '{"epoch": 1, "val_acc": 0.5}\n{"epoch": 2, "val_acc": 0.75}\n'
    log = only(text)
    assert [one.top1 for one in log.evaluated] == [0.5, 0.75]
    assert only("[" + text.strip().replace("\n", ",") + "]", "a.json").best is not None
    assert "\ud800" not in describe(only("epoch 1 val acc 0.5 \ud800\nepoch 2 val acc 0.6"))


def test_a_text_from_a_name_is_shown_quoted() -> None:
    (log,) = parse_log(plain(ROWS), "a\x1b[31m\u202e.log")
    assert "\x1b" not in describe(log)
    assert "Best test accuracy: 65.12 %" in describe(log)


def test_contradicting_counts_are_noticed() -> None:
    log = only(eva(ROWS).replace("(65.12%)", "(95.12%)"))
    assert [one.text for one in log.oddities] == ["6512/10000 is 65.120 %, and the line says 95.12 %"]


def test_a_line_for_every_step_is_read_at_its_ends() -> None:
    lines = []
    for n in range(1, 4):
        lines += [f"Epoch {n} step {s}/4000 loss {3 - n / 2 - s / 40_000:.4f}" for s in range(4000)]
        lines.append(f"Epoch {n} val acc {n / 10:.3f}")
    start = time.process_time()
    log = only("\n".join(lines))
    assert time.process_time() - start < 3
    assert top1(log) == [0.1, 0.2, 0.3]
    assert [one.train_loss for one in log.epochs] == [2.4, 1.9, 1.4]


def test_every_batch_of_thirty_epochs_is_read_in_seconds() -> None:
    lines = []
    for n in range(30):
        lines += [
            f"Epoch: [{n}][{b:4d}/1251]\tTime 0.1 (0.1)\tLoss 2.0 ({6 - n / 20:.4f})\tAcc@1 1.0 (1.0)"
            for b in range(1251)
        ]
        lines.append(f" * Acc@1 {n / 2:.3f} Acc@5 {n:.3f}")
    start = time.process_time()
    log = only("\n".join(lines))
    assert time.process_time() - start < 8
    assert top1(log) == [round(n / 200, 5) for n in range(30)]
    assert log.epochs[29].train_loss == 4.55


def test_a_rounded_repetition_does_not_replace_the_value() -> None:
    """64.96 % must not become the 65.0 % that a later line rounds it to."""
    lines = []
    for n in range(3):
        lines += [f"Epoch: [{n}]  [   0/1251]  eta: 0:10:00  loss: 6.9 ({6 - n:.4f})  time: 0.5"]
        lines += ["Test:  [ 0/53]  eta: 0:00:50  loss: 1.1 (1.1)  acc1: 70.0 (70.0)"]
        lines += [f"* Acc@1 {60 + n + 2.96:.3f} Acc@5 86.500 loss 1.500"]
        lines += [f"Accuracy of the network on the 50000 test images: {60 + n + 2.96:.1f}%"]
    log = only("\n".join(lines))
    assert top1(log) == [0.6296, 0.6396, 0.6496]
    assert log.images is not None
    assert log.images.exact == 50_000


def test_spellings_of_several_tools() -> None:
    keras2 = "".join(
        f"Epoch {n}/2\n9/9 - 3s - loss: 0.3 - accuracy: 0.9{n} - val_loss: 0.2 - val_accuracy: 0.8{n}"
        " - 3s/epoch - 2ms/step\n"
        for n in (1, 2)
    )
    assert [one.number for one in only(keras2).epochs] == [1, 2]
    assert top1(only(keras2)) == [0.81, 0.82]
    assert top1(only("Epoch 0 val err@1 80.2 err@5 55.1\nEpoch 1 val err@1 30.2 err@5 10.0")) == [
        0.198,
        0.698,
    ]
    quick = "Epoch {}\n----\nloss: 2.3  [   64/60000]\nTest Error: \n Accuracy: 4{}.2%, Avg loss: 2.05\n\n"
    assert top1(only(quick.format(1, 1) + quick.format(2, 2))) == [0.412, 0.422]
    trainer = "{{'loss': 1.5, 'epoch': {}.5}}\n{{'eval_loss': 1.2, 'eval_accuracy': 0.{}, 'epoch': {}.0}}\n"
    assert top1(only(trainer.format(0, 4, 1) + trainer.format(1, 5, 2))) == [0.4, 0.5]
