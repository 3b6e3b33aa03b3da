"""The answers of a challenge, their split into a public and a private part, and the staff's predictions.

They lie in one file, ``challenge/answers.npz`` of the assignment's folder, that only its owner can read. It
is made once (`prepare`), goes into the zip for Gradescope and never into the students'.

The split is drawn with 32 random bytes that stand in the same file: within each class the images are ordered
by an HMAC of their ids, and the first ones are the public part. So it is stratified, it stays the same for as
long as the file does, whatever is added to it, and nothing that students see lets them derive it.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import secrets
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder.atomic import write_file
from autograder.challenge.prepared import STAFF, STANDINGS, answers_path
from autograder.outcome import EnvironmentFault, UsageError
from autograder.text import one_line, quote

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.predictions.form import Form

SECRET_BYTES = 32  # as many as SHA-256 gives
_FORMAT = 1
_MOST_NAME_CHARS = 60


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What an entry is judged by; all arrays are in the order of the form's ids."""

    labels: np.ndarray  # (N,) int64
    public: np.ndarray  # (N,) bool: the part whose score everybody sees
    secret: bytes = field(repr=False)
    staff: Mapping[str, np.ndarray] = field(default_factory=dict)  # name of a model -> (N,) int64

    @property
    def private(self) -> np.ndarray:
        return ~self.public


def split(labels: np.ndarray, ids: tuple[str, ...], share: float, secret: bytes) -> np.ndarray:
    """The public part, (N,) bool: ``share`` of each class, rounded so that the whole has its share too.

    The rounding gives what is left over to the classes with the largest remainders (Hamilton's method).
    """
    order = {text: hmac.digest(secret, b"split:" + text.encode(), "sha256") for text in ids}
    classes, counts = np.unique(labels, return_counts=True)
    exact = counts * share
    taken = np.floor(exact).astype(int)
    left = round(len(labels) * share) - int(taken.sum())
    for index in np.argsort(taken - exact, kind="stable")[: max(0, left)]:
        taken[index] += 1
    public = np.zeros(len(labels), dtype=bool)
    for number, many in zip(classes, taken, strict=True):
        places = sorted(np.flatnonzero(labels == number), key=lambda place: order[ids[place]])
        public[places[:many]] = True
    return public


def load_answers(assignment: Assignment, form: Form) -> Answers:
    """The prepared answers; raises EnvironmentFault where they are not there, or are not this challenge's."""
    path = answers_path(assignment.folder)
    try:
        answers, fingerprint = _read(path.read_bytes())
    except _UNREADABLE as error:
        prepare_it = _REMEDY.format(assignment.name)
        raise EnvironmentFault(
            f"The challenge's answers can't be read from {quote(str(path))}: {error!r}.",
            remedy=prepare_it if isinstance(error, FileNotFoundError) else f"{_PUT_BACK} {prepare_it}",
        ) from error
    fits = fingerprint == _fingerprint(form) and _are_of(answers, len(form.ids), len(form.classes))
    if not fits:
        raise EnvironmentFault(
            f"{quote(str(path))} holds the answers to other images or classes than the manifest names.",
            remedy="Correct [challenge] in the manifest, or delete that file. "
            + _REMEDY.format(assignment.name),
        )
    return answers


def _read(data: bytes) -> tuple[Answers, bytes]:
    """The answers in a file, and the fingerprint of the form that they are for."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        damaged = archive.testzip()  # NumPy reads no further than an array's end, where the check would be
    if damaged is not None:
        raise zipfile.BadZipFile(f"{damaged} is damaged")
    with np.load(io.BytesIO(data), allow_pickle=False) as kept:
        arrays = {name: kept[name] for name in kept.files}
    staff = {name.removeprefix(STAFF): arrays[name] for name in arrays if name.startswith(STAFF)}
    answers = Answers(arrays["labels"], arrays["public"], arrays["secret"].tobytes(), staff)
    return answers, arrays["form"].tobytes()


def _are_of(answers: Answers, images: int, classes: int) -> bool:
    """Whether all of it is what `prepare` would have written."""
    labels = (answers.labels, *answers.staff.values())
    return (
        all(one.shape == (images,) and one.dtype == np.int64 for one in labels)
        and all(one.min() >= 0 and one.max() < classes for one in labels)
        and answers.public.shape == (images,)
        and answers.public.dtype == np.bool_
        and bool(answers.public.any() and answers.private.any())
        and len(answers.secret) == SECRET_BYTES
    )


# Whatever a file that was cut, changed or swapped makes zipfile, zlib and NumPy raise.
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    AttributeError,
    TypeError,
    RuntimeError,
    MemoryError,
    zlib.error,
    zipfile.BadZipFile,
)
_PUT_BACK = (
    "Let the user who grades read it, or put a copy of it back; the zip for Gradescope holds one. Without "
    "any, move it away; the split will be another then."
)
_REMEDY = "Prepare the challenge: `run_autograder challenge {} --answers FILE`."


def prepare(
    assignment: Assignment, form: Form, labels: np.ndarray | None, staff: Mapping[str, np.ndarray]
) -> Answers:
    """Write the answers, or add the staff's models to those that are there; the split is drawn only once.

    Raises UsageError where the answers would be others than those that entries were scored by before.
    """
    spec = assignment.challenge
    assert spec is not None
    for name in staff:
        if not name or len(name) > _MOST_NAME_CHARS or name != one_line(name) or "/" in name:
            raise UsageError(f"{quote(name)} is no name for a model of the staff's: use letters and digits.")
    path = answers_path(assignment.folder)
    if path.exists():
        earlier = load_answers(assignment, form)
        if labels is not None and not np.array_equal(labels, earlier.labels):
            raise UsageError(
                "The challenge has other answers already, by which entries may have been scored. To begin "
                f"anew, move {quote(str(path))} away first, and the standings with it."
            )
        answers = replace(earlier, staff={**earlier.staff, **staff})
    elif labels is None:
        raise UsageError("Say what the answers are: --answers FILE, a CSV in the form of a submission.")
    elif (path.parent / STANDINGS).exists():
        raise UsageError(
            f"{quote(str(path.parent / STANDINGS))} holds entries that were scored by other answers, or by "
            "another split of them: move it away first, or put back the answers that belong to it."
        )
    else:
        secret = secrets.token_bytes(SECRET_BYTES)
        answers = Answers(labels, split(labels, tuple(form.ids), spec.public_share, secret), secret, staff)
        if not answers.public.any() or not answers.private.any():
            raise UsageError(f"A public share of {spec.public_share:g} leaves one part of the images empty.")
    _write(path, answers, form)
    return answers


def _write(path: Path, answers: Answers, form: Form) -> None:
    file = io.BytesIO()
    arrays: dict[str, Any] = {
        "labels": answers.labels.astype(np.int64),
        "public": answers.public,
        "secret": np.frombuffer(answers.secret, dtype=np.uint8),
        "form": np.frombuffer(_fingerprint(form), dtype=np.uint8),
        **{f"{STAFF}{name}": labels.astype(np.int64) for name, labels in answers.staff.items()},
    }
    np.savez_compressed(file, **arrays)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.parent.chmod(0o700)
        write_file(path.parent, path.name, file.getvalue())
        path.chmod(0o600)
    except OSError as error:
        raise EnvironmentFault(
            f"The challenge's answers can't be written to {quote(str(path))}: {error.strerror}.",
            remedy="Make that place writable, or prepare the challenge where it is.",
        ) from error


def _fingerprint(form: Form) -> bytes:
    """What the answers belong to: the ids and how many classes there are."""
    told = hashlib.sha256(repr((_FORMAT, len(form.classes))).encode())
    for text in form.ids:
        told.update(text.encode() + b"\n")
    return told.digest()
