"""What a column, a key or a tag holds, by its name: ``test_acc1``, ``val/loss``, ``top-1 err (%)``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from autograder.checks.notebooks.found import Quantity, Split
from autograder.checks.notebooks.words import word

Kind = Literal["epoch", "step", "value", "seconds", "clock", "rate", "mode", "other"]
_KINDS: dict[Kind, str] = {
    "epoch": "epoch|epochs|ep|epoche|epoch no|epoch number|current epoch|trainer/epoch",
    "step": "step|steps|iter|iters|iteration|batch|global step|global_step|trainer/global_step|_step",
    "seconds": "time|epoch time|train time|training time|epoch_time|seconds|secs|duration|elapsed"
    "|time (s)|time/epoch|time_per_epoch|dauer|dur|zeit|epoch_s",
    "clock": "wall time|wall_time|walltime|timestamp|_timestamp|date",
    "rate": "lr|learning rate|learning_rate|train_lr|lr-sgd|lr-adam|lr-adamw|train/lr|cp|lernrate",
    "mode": "mode|split|phase|set|stage",
}
_NAMES: dict[str, Kind] = {name: kind for kind, names in _KINDS.items() for name in names.split("|")}
_TIDIED = (
    (re.compile(r"\beval(?:uation)?(?=[\s_:/.-]|$)", re.IGNORECASE), "valid"),
    (re.compile(r"(?<![^\W_])eval_", re.IGNORECASE), "valid_"),
    (re.compile(r"(?<=_)eval(?![^\W_])", re.IGNORECASE), "valid"),
    (re.compile(r"\btop[\s_-]?([15])[\s_-]?err(?:or)?(?:[\s_-]rate)?\b", re.IGNORECASE), r"top\1_err"),
    (re.compile(r"(?<![^\W_])err(?:or)?[\s_]?@?[\s_]?([15])(?![.,]?\d)", re.IGNORECASE), r"top\1_err"),
    (re.compile(r"(?<![^\W_])top[\s_-]?(?:five|k)(?![^\W_])", re.IGNORECASE), "top5"),
    (
        re.compile(
            r"(?<![^\W_])(acc|prec|accuracy|precision)\.?(?:[\s_/-]?\(k?5\)|[\s_/-]?k_?5|[-.]5|\.\s5)(?!\d)",
            re.IGNORECASE,
        ),
        r"\g<1>5",
    ),
    (re.compile(r"top[\s_-]?([15])(?!\d)", re.IGNORECASE), r"top\1"),
    (re.compile(r"\b(acc|prec|accuracy|precision)[\s_]?@[\s_]?([15])(?!\d)", re.IGNORECASE), r"\1\2"),
)
_GERMAN = (
    (re.compile(r"\bvalidierung(?:s?daten|smenge)?\b", re.IGNORECASE), "validation"),
    (re.compile(r"\btrainings(?:daten|menge)\b", re.IGNORECASE), "training"),
    (re.compile(r"\bepoche\b", re.IGNORECASE), "epoch"),
)
_OF_LINES = 5  # of these are for printed lines too; the others only for names
_PER_EPOCH = re.compile(r"\b\d{1,7}m?s/epoch\b")  # Keras; it is no epoch's number
_PART = re.compile(r"[^\W_][\w@]*")


@dataclass(frozen=True, slots=True)
class Column:
    """``running``: of a step alone, not of the epoch."""

    kind: Kind
    label: str
    quantity: Quantity | None = None
    split: Split = "unknown"
    percent: bool = False
    running: bool = False


def tidied(text: str) -> str:
    """``text`` with the names that the notebooks' words don't know spelt as they do."""
    text = _PER_EPOCH.sub(" ", text)
    for pattern, plain in (*_TIDIED[:_OF_LINES], *_GERMAN):
        text = pattern.sub(plain, text)
    return text


@lru_cache(maxsize=4096)
def column_of(head: str) -> Column:
    """Whatever ``head`` is; "other" where it is nothing that a log's reader needs."""
    label = " ".join(head.lower().split()).strip("*#:`\"' ")[:80]
    if label in _NAMES:
        return Column(_NAMES[label], label)
    name = label
    for pattern, plain in _TIDIED:
        name = pattern.sub(plain, name)
    meanings = [word(part) for part in _PART.findall(name)[:10]]
    quantities = {one.quantity for one in meanings if one.quantity}
    if not quantities or any(one.spoils or one.other or one.best for one in meanings):
        return Column("other", label)
    if "top5_err" in name or len(quantities - {"top5"}) > 1:
        return Column("other", label)
    quantity: Quantity = "top5" if "top5" in quantities else quantities.pop()
    splits = {one.split for one in meanings if one.split}
    split: Split = splits.pop() or "unknown" if len(splits) == 1 else "unknown"
    percent = "%" in head or any(one.percent for one in meanings)
    if quantity == "error" and not (percent or any(one.rate for one in meanings)):
        return Column("other", label)
    running = name.endswith(("_step", "/step")) or "batch" in name
    return Column("value", label, quantity, split, percent, running)


def columns_of(heads: list[str]) -> tuple[Column, ...]:
    """The columns of one table; ``acc`` beside ``val_acc`` is the training's."""
    columns = [column_of(head) for head in heads]
    said: dict[Quantity | None, set[Split]] = {}
    for column in columns:
        if column.kind == "value":
            said.setdefault(column.quantity, set()).add(column.split)
    losses = said.get("loss", set())
    for at, column in enumerate(columns):
        if column.kind != "value" or column.split != "unknown":
            continue
        beside = said[column.quantity]
        if beside & {"valid", "test"} and "train" not in beside:
            columns[at] = replace(column, split="train")
        elif column.quantity != "loss" and beside <= {"unknown", "train"} and "train" in losses:
            # fastai: train_loss, valid_loss, accuracy
            evaluated = losses & {"valid", "test"}
            if len(evaluated) == 1:
                columns[at] = replace(column, split=evaluated.pop())
    return tuple(columns)


def is_log(columns: tuple[Column, ...]) -> bool:
    """Whether rows under these columns are epochs or steps of a training."""
    kinds = [column.kind for column in columns]
    return "value" in kinds and ("epoch" in kinds or "step" in kinds)
