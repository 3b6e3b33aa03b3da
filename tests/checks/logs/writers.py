"""Histories drawn at random, and writers that log them as each tool does."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

BATCHES, TEST_BATCHES, IMAGES = 391, 40, 10_000


@dataclass(frozen=True)
class Row:
    """One epoch, with values rounded as every writer here prints them: four decimals of a loss, per cent
    with two decimals of an accuracy."""

    number: int
    train_loss: float
    loss: float
    train_top1: float
    top1: float
    top5: float
    seconds: int


@st.composite
def histories(draw: st.DrawFn, first: int | None = None) -> list[Row]:
    start = draw(st.integers(0, 1)) if first is None else first
    losses = st.integers(1, 69_999).map(lambda n: n / 10_000)
    # Somewhere above one per cent, or nobody could tell per cent from shares.
    counts = st.integers(150, IMAGES)
    rows = []
    for number in range(start, start + draw(st.integers(2, 8))):
        top1 = draw(counts)
        rows.append(
            Row(
                number,
                draw(losses),
                draw(losses),
                draw(counts) / IMAGES,
                top1 / IMAGES,
                draw(st.integers(top1, IMAGES)) / IMAGES,
                draw(st.integers(1, 3000)),
            )
        )
    return rows


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def imagenet(rows: Sequence[Row], *, word: str = "Acc", final: str = "{:.3f}") -> str:
    """The pytorch examples' imagenet/main.py; ``word`` was Prec before 2019."""
    lines = ["=> creating model 'resnet18'"]
    for row in rows:
        for batch in (*range(0, BATCHES, 100), BATCHES - 1):
            one = f"{row.train_loss + 0.3:.4e} ({row.train_loss:.4e})"
            lines.append(
                f"Epoch: [{row.number}][{batch:3d}/{BATCHES}]\tTime {0.5:6.3f} "
                f"({row.seconds / BATCHES:6.3f})\t"
                f"Data {0.1:6.3f} ({0.1:6.3f})\tLoss {one}\t{word}@1 {12.5:6.2f} "
                f"({_percent(row.train_top1):>6})\t"
                f"{word}@5 {30.0:6.2f} ({31.0:6.2f})"
            )
        lines += [
            f"Test: [{batch:2d}/{TEST_BATCHES}]\tTime {0.2:6.3f} ({0.2:6.3f})\tLoss {1.5:.4e} "
            f"({row.loss:.4e})\t"
            f"{word}@1 {60.0:6.2f} ({61.0:6.2f})\t{word}@5 {80.0:6.2f} ({81.0:6.2f})"
            for batch in range(0, TEST_BATCHES, 10)
        ]
        lines.append(f" * {word}@1 {final.format(100 * row.top1)} {word}@5 {final.format(100 * row.top5)}")
    return "\n".join(lines) + "\n"


def imagenet_old(rows: Sequence[Row]) -> str:
    return imagenet(rows, word="Prec")


def timm(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        lines += [
            f"Train: {row.number} [{batch:>4d}/{BATCHES} ({100 * batch / (BATCHES - 1):>3.0f}%)]  Loss:  "
            f"{row.train_loss + 0.2:.4f} ({row.train_loss:.4f})  Time: 0.412s,  621.31/s  "
            f"({row.seconds / BATCHES:.3f}s,  610.00/s)  LR: 1.000e-03  Data: 0.010 (0.012)"
            for batch in (0, 200, BATCHES - 1)
        ]
        lines += [
            f"Test: [{batch:>4d}/{TEST_BATCHES}]  Time: 0.100 (0.110)  Loss:  {1.4:>7.4f} "
            f"({row.loss:>6.4f})  "
            f"Acc@1: {70.1:>7.4f} ({100 * row.top1:>7.4f})  Acc@5: {80.2:>7.4f} ({100 * row.top5:>7.4f})"
            for batch in (0, TEST_BATCHES)
        ]
        lines.append(f"*** Best metric: {100 * row.top1} (epoch {row.number})")
    return "\n".join(lines) + "\n"


def keras(rows: Sequence[Row]) -> str:
    text = ""
    for row in rows:
        text += f"Epoch {row.number}/{rows[-1].number}\n"
        for step in (1, 700, 1562):
            text += (
                f"\r{step:4d}/1563 [=====>........................] - ETA: 9s - loss: 2.1000 - "
                "accuracy: 0.1000"
            )
        text += (
            f"\r1563/1563 [==============================] - {row.seconds}s 8ms/step - loss: "
            f"{row.train_loss:.4f} - "
            f"accuracy: {row.train_top1:.4f} - val_loss: {row.loss:.4f} - val_accuracy: {row.top1:.4f}\n"
        )
    return text


def keras_backspaced(rows: Sequence[Row]) -> str:
    return keras(rows).replace("\r", "\b" * 90)


def eva(rows: Sequence[Row], *, numbered: bool = True) -> str:
    text = ""
    for row in rows:
        text += f"EPOCH: {row.number}\n" if numbered else ""
        for batch in (0, 200, 468):
            clock = (
                f"{row.seconds * (batch + 1) // 469 // 60:02d}:{row.seconds * (batch + 1) // 469 % 60:02d}"
            )
            text += (
                f"\rLoss={row.train_loss:.4f} Batch_id={batch} Accuracy={_percent(row.train_top1)}: "
                f"{100 * (batch + 1) // 469:3d}%|{'#' * (batch // 60):9s}| {batch + 1}/469 "
                f"[{clock}<00:00, 32.1it/s]"
            )
        right = round(row.top1 * IMAGES)
        text += (
            f"\n\nTest set: Average loss: {row.loss:.4f}, Accuracy: {right}/{IMAGES} "
            f"({_percent(row.top1)}%)\n\n"
        )
    return text


def eva_unnumbered(rows: Sequence[Row]) -> str:
    return eva(rows, numbered=False)


def homework(rows: Sequence[Row]) -> str:
    """The second homework's train.py, after PyTorch's MNIST example."""
    lines = []
    for row in rows:
        lines += [
            f"Train Epoch: {row.number} [{done}/49000 ({100 * done / 49000:.0f}%)]\tLoss: "
            f"{row.train_loss:.6f}"
            for done in (0, 12_800, 25_600, 48_640)
        ]
        right = round(row.top1 * IMAGES)
        lines += [
            "",
            f"Val set: Average loss: {row.loss:.4f}, Accuracy: {right}/{IMAGES} ({100 * row.top1:.0f}%)",
            "",
        ]
    lines += ["", "Test set: Average loss: 1.2100, Accuracy: 5923/10000 (59%)", ""]
    return "\n".join(lines)


def lightning(rows: Sequence[Row]) -> str:
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(
        [
            "epoch",
            "step",
            "train_loss_epoch",
            "train_loss_step",
            "train_acc",
            "val_acc",
            "val_loss",
            "val_top5",
        ]
    )
    for place, row in enumerate(rows):
        last = (place + 1) * 100 - 1
        table.writerow([row.number, last - 49, "", 1.2345, "", "", "", ""])
        table.writerow([row.number, last, "", "", "", row.top1, row.loss, row.top5])
        table.writerow([row.number, last, row.train_loss, "", row.train_top1, "", "", ""])
    return out.getvalue()


def summary_csv(rows: Sequence[Row]) -> str:
    head = "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n"
    return head + "".join(
        f"{r.number},{r.train_loss},{r.loss},{100 * r.top1:.4f},{100 * r.top5:.4f},0.05\n" for r in rows
    )


def german_csv(rows: Sequence[Row]) -> str:
    head = "Epoche;train_loss;train_acc (%);val_loss;top-1 (%);top-5 (%);Dauer\n"
    lines = [
        f"{r.number};{r.train_loss:.4f};{_percent(r.train_top1)};{r.loss:.4f};{_percent(r.top1)};{_percent(r.top5)};{r.seconds}\n"
        for r in rows
    ]
    return head + "".join(lines).replace(".", ",")


def markdown(rows: Sequence[Row]) -> str:
    lines = [
        "# Results",
        "",
        "| Epoch | Train loss | Val loss | Top-1 (%) | Top-5 (%) | time |",
        "|:--|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {r.number} | {r.train_loss:.4f} | {r.loss:.4f} | **{_percent(r.top1)}** | "
        f"{_percent(r.top5)}% | {r.seconds // 60}:{r.seconds % 60:02d} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


def json_lines(rows: Sequence[Row]) -> str:
    """As DeiT's and MAE's log.txt."""
    return "".join(
        json.dumps(
            {
                "train_lr": 0.0005,
                "train_loss": r.train_loss,
                "test_loss": r.loss,
                "test_acc1": round(100 * r.top1, 4),
                "test_acc5": round(100 * r.top5, 4),
                "epoch": r.number,
                "n_parameters": 22_050_664,
            }
        )
        + "\n"
        for r in rows
    )


def json_array(rows: Sequence[Row]) -> str:
    return json.dumps(
        [
            {
                "epoch": r.number,
                "train": {"loss": r.train_loss, "acc": r.train_top1},
                "val": {"loss": r.loss, "acc": r.top1},
            }
            for r in rows
        ],
        indent=1,
    )


def history(rows: Sequence[Row]) -> str:
    """Keras' history as Python prints it; its epochs have no numbers."""
    said = {
        "loss": [r.train_loss for r in rows],
        "accuracy": [r.train_top1 for r in rows],
        "val_loss": [r.loss for r in rows],
        "val_accuracy": [r.top1 for r in rows],
    }
    return f"{said}\n"


def fastai(rows: Sequence[Row]) -> str:
    lines = ["epoch     train_loss  valid_loss  accuracy  time    "]
    lines += [
        f"{r.number:<10}{r.train_loss:<12.6f}{r.loss:<12.6f}{r.top1:<10.6f}"
        f"{r.seconds // 60:02d}:{r.seconds % 60:02d}   "
        for r in rows
    ]
    return "\n".join(lines) + "\n"


def plain(rows: Sequence[Row]) -> str:
    return "".join(
        f"Epoch {r.number}/{rows[-1].number} train loss {r.train_loss:.4f} train acc {r.train_top1:.4f} "
        f"test loss {r.loss:.4f} test acc {r.top1:.4f} time {r.seconds}s\n"
        for r in rows
    )


def plain_percent(rows: Sequence[Row]) -> str:
    return "".join(
        f"[Epoch {r.number}] train_loss={r.train_loss:.4f} | train_acc={_percent(r.train_top1)}% | "
        f"val_loss={r.loss:.4f} | val_acc={_percent(r.top1)}% | val_top5={_percent(r.top5)}%\n"
        for r in rows
    )


def errors(rows: Sequence[Row]) -> str:
    """Rates of errors, as older code prints them."""
    return "".join(
        f"epoch {r.number}: train loss {r.train_loss:.4f}, valid loss {r.loss:.4f}, valid top1 "
        f"err {100 - 100 * r.top1:.2f}\n"
        for r in rows
    )


def transfer(rows: Sequence[Row]) -> str:
    """PyTorch's transfer-learning tutorial."""
    text = ""
    for r in rows:
        text += (
            f"Epoch {r.number}/{rows[-1].number}\n----------\ntrain Loss: {r.train_loss:.4f} "
            f"Acc: {r.train_top1:.4f}\n"
            f"val Loss: {r.loss:.4f} Acc: {r.top1:.4f}\n\n"
        )
    return f"{text}Training complete in 3m 12s\nBest val Acc: {max(r.top1 for r in rows):.4f}\n"


@dataclass(frozen=True)
class Writer:
    """``holds``: the fields of a Row that the format carries; ``format``: a word of what it is called."""

    write: Callable[[Sequence[Row]], str]
    path: str
    format: str
    holds: frozenset[str]
    numbered: bool = True
    seconds: float | None = 0.5  # how far off the seconds may be; None: not told


def _writer(  # noqa: PLR0913 - a row of the table below
    write: Callable[[Sequence[Row]], str],
    path: str,
    form: str,
    holds: str,
    *,
    numbered: bool = True,
    seconds: float | None = None,
) -> Writer:
    return Writer(write, path, form, frozenset(holds.split()), numbered, seconds)


_ALL = "train_loss loss train_top1 top1"
WRITERS = {
    one.write.__name__: one
    for one in (
        _writer(imagenet, "train.log", "ImageNet example", f"{_ALL} top5", seconds=0.3),
        _writer(imagenet_old, "nohup.out", "ImageNet example", f"{_ALL} top5", seconds=0.3),
        _writer(timm, "log.txt", "timm", "train_loss loss top1 top5", seconds=0.3),
        _writer(keras, "train.log", "Keras", _ALL, seconds=0),
        _writer(keras_backspaced, "train.log", "Keras", _ALL, seconds=0),
        _writer(eva, "session5.txt", "bars", _ALL, seconds=0),
        _writer(eva_unnumbered, "session5.log", "bars", _ALL, numbered=False, seconds=0),
        _writer(homework, "convnet.log", "MNIST example", "train_loss loss top1"),
        _writer(lightning, "lightning_logs/version_0/metrics.csv", "Lightning", f"{_ALL} top5"),
        _writer(summary_csv, "output/summary.csv", "timm", "train_loss loss top1 top5"),
        _writer(german_csv, "ergebnis.csv", "CSV", f"{_ALL} top5", seconds=0),
        _writer(markdown, "README.md", "Markdown", "train_loss loss top1 top5", seconds=0),
        _writer(json_lines, "log.txt", "JSON lines", "train_loss loss top1 top5"),
        _writer(json_array, "history.json", "JSON", _ALL),
        _writer(history, "log.txt", "JSON lines", _ALL, numbered=False),
        _writer(fastai, "log.txt", "fastai", "train_loss loss top1", seconds=0),
        _writer(plain, "train.log", "printed", _ALL, seconds=0),
        _writer(plain_percent, "out.log", "printed", f"{_ALL} top5"),
        _writer(errors, "out.log", "printed", "train_loss loss top1"),
        _writer(transfer, "out.log", "printed", _ALL),
    )
}
