"""Scores held against labels: what is right, how often, and what is taken for what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_TOP = 5


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """``predicted`` is -1 where a network gave no answer: a NaN among its scores."""

    predicted: np.ndarray  # (n,) int64
    correct: np.ndarray  # (n,) bool
    correct5: np.ndarray  # (n,) bool: the label is among the five highest scores


def judge_scores(scores: np.ndarray, labels: np.ndarray) -> Judged:
    """Of equal scores the first counts as the highest, as for torch's and NumPy's argmax: a network that says
    the same of every class has said class 0. A NaN is no answer; an infinity is a score, since a logarithm of
    a probability of nought is one."""
    answered = ~np.isnan(scores).any(axis=1)
    order = np.argsort(-np.nan_to_num(scores, nan=0.0, posinf=np.inf, neginf=-np.inf), axis=1, kind="stable")
    predicted = np.where(answered, order[:, 0], -1)
    correct5 = answered & (order[:, :_TOP] == labels[:, None]).any(axis=1)
    return Judged(predicted.astype(np.int64), predicted == labels, correct5)


def confusion_of(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes): how many images of a row's class were taken for a column's."""
    inside = (predicted >= 0) & (predicted < classes)
    counts = np.bincount(labels[inside] * classes + predicted[inside], minlength=classes**2)
    return counts.reshape(classes, classes)


def shares(correct: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(classes,): the share that is right of each class; NaN where there is no image."""
    of_each = np.bincount(labels, minlength=classes)
    right = np.bincount(labels[correct], minlength=classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        made: np.ndarray = np.where(of_each > 0, right / of_each, np.nan)
    return made
