"""The course's data: the part that submissions get, and the part that stays here to judge them by.

A data set is prepared once, out of whatever the course has of it, into a folder that the sandbox shows to
submissions, read-only and in torchvision's layout. Beside it, closed to everybody else, lie the test images
and labels for our own use, as plain arrays: what a box is shown is never read back by us, and nothing is
unpickled on this side. Of the test set, an assignment may hide a part from the sandbox (datasets/hidden.py).

The folders lie where the environments lie (see scripts/environment). Their names hold a hash of what they
were made from, so that changed sources make a new one; one process at a time makes one, and a folder appears
under its name when it is complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from autograder.assignment import Assignment
from autograder.datasets import cifar, imagenet, mnist
from autograder.datasets.found import Source, Split
from autograder.datasets.hidden import Hiding
from autograder.datasets.imagenet import Validation
from autograder.outcome import EnvironmentFault
from autograder.text import quote

VARIABLE = "AUTOGRADER_DATA"
NAMES = ("mnist", "mnist_png", "fashion_mnist", "cifar10")
_HOME = Path(__file__).resolve().parents[1]
_ROOTS_FOLDER = Path("/opt/autograder")
_FORMAT = 2  # goes into the hash: raise it when what is written changes
_SHOWN, _HELD, _NOTES = "course", "held", "notes.json"
_NOTHING_HIDDEN = Hiding()
_WHERE = {
    "mnist": "the four files in MNIST/raw",
    "mnist_png": "MNIST's four files in MNIST/raw",
    "fashion_mnist": "the four files in FashionMNIST/raw",
    "cifar10": f"the folder {cifar.FOLDER!r}, 'cifar-10-python.tar.gz' or 'cifar-10-binary.tar.gz'",
}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Images (uint8) and labels (int64) that a model is judged by; ``note`` says what they are.

    ``hidden``: which of them no submission was shown.
    """

    images: np.ndarray  # (N, 28, 28), or (N, 32, 32, 3)
    labels: np.ndarray  # (N,)
    name: str
    note: str
    hidden: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))  # (N,)

    def __post_init__(self) -> None:
        if not len(self.hidden):
            object.__setattr__(self, "hidden", np.zeros(len(self.labels), dtype=bool))


def course_data(assignment: Assignment | None) -> Path | None:
    """The folder that the course keeps its data in, as it came; raises EnvironmentFault for a wrong name.

    An ``assignment`` may have a folder ``data`` of its own.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not Path(named).is_dir():
            raise EnvironmentFault(
                f"{VARIABLE} names {quote(named)}, which is no folder.", remedy="Correct it, or unset it."
            )
        return Path(named).absolute()
    # In a Gradescope container the second is /autograder/source/data.
    folders = [*([assignment.folder / "data"] if assignment is not None else []), _HOME / "data"]
    return next((folder for folder in folders if folder.is_dir()), None)


def prepared(assignment: Assignment) -> Path:
    """The folder with the data sets that the manifest's notebooks find, without what it hides of them."""
    spec = assignment.notebook
    assert spec is not None
    hiding = Hiding(spec.hidden_test_images, assignment.seed)
    return prepare(spec.datasets, course_data(assignment), hiding=hiding)


def prepare(
    names: Sequence[str],
    source: Path | None,
    say: Callable[[str], None] | None = None,
    *,
    hiding: Hiding = _NOTHING_HIDDEN,
) -> Path:
    """The folder with these data sets that submissions are shown; made on first use, which may take a minute.

    ``source`` is the folder with the course's own data. Raises EnvironmentFault where a data set isn't in it.
    """
    hiding = hiding if hiding.images else _NOTHING_HIDDEN  # whatever the seed is
    say = say or _say
    try:
        sources = {name: _find(name, source) for name in sorted(set(names))}
        told = repr(
            [
                _FORMAT,
                hiding.images,
                hiding.seed,
                *((name, found.fingerprint()) for name, found in sources.items()),
            ]
        )
    except OSError as error:
        raise EnvironmentFault(
            f"The course's data in {quote(str(source))} can't be read: {error}.",
            remedy="Open it, and grade again.",
        ) from error
    folder = _root() / f"data-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        try:
            folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with _locked(folder, say):
                if not folder.is_dir():  # another process made it while this one waited
                    _make(folder, sources, hiding, say)
        except OSError as error:
            raise EnvironmentFault(
                f"The data sets can't be written to {quote(str(folder))}: {error}.",
                remedy="Make room there, or open that place; then grade again.",
            ) from error
    return folder / _SHOWN


def load_held_out(name: str, folder: Path) -> HeldOut:
    """The test images of "mnist", "fashion_mnist" or "cifar10", for the folder that `prepare` returned."""
    base = _base(name)
    try:
        images, labels, hidden = (
            np.load(folder.parent / _HELD / f"{base}-{what}.npy", allow_pickle=False)
            for what in ("images", "labels", "hidden")
        )
        note = notes(folder)[base]
    except (OSError, ValueError, KeyError) as error:
        raise EnvironmentFault(
            f"{quote(str(folder))} has no held-out images of {quote(name)} ({type(error).__name__}).",
            remedy="Name the data set under [notebook] in the manifest; if it stands there, delete that "
            "folder: it is then made anew.",
        ) from error
    return HeldOut(images, labels, base, note, hidden)


def validation_images(assignment: Assignment | None) -> Validation:
    """The course's ImageNet validation images; raises EnvironmentFault where it has none.

    They are read on this side alone: no submission is shown them.
    """
    source = course_data(assignment)
    found = imagenet.find(source)
    if found is None:
        where = quote(str(source)) if source is not None else "any folder (none was named)"
        raise EnvironmentFault(
            f"ImageNet's validation images were not found in {where}.",
            remedy=f"Put them into {imagenet.WHERE} of a folder, and name that in {VARIABLE}.",
        )
    return found


def notes(folder: Path) -> dict[str, str]:
    """For each data set in a folder that `prepare` returned, what it is: "the canonical images", say."""
    held: dict[str, str] = json.loads((folder.parent / _NOTES).read_text(encoding="utf-8"))
    return held


def describe(folder: Path) -> str:
    """A folder that `prepare` returned, for a person: where it is and what is in it."""
    return "\n".join([str(folder), *(f"  {name}: {note}" for name, note in sorted(notes(folder).items()))])


# --- making it -----------------------------------------------------------------------------------------


def _base(name: str) -> str:
    """The data set whose images these are."""
    return "mnist" if name == "mnist_png" else name


def _find(name: str, source: Path | None) -> Source:
    if name not in NAMES:
        raise EnvironmentFault(
            f"There is no data set {quote(name)}.", remedy=f"Name one of: {', '.join(NAMES)}."
        )
    base = _base(name)
    found = cifar.find(source) if base == "cifar10" else mnist.find(base, source)
    if found is None:
        where = quote(str(source)) if source is not None else "any folder (none was named)"
        raise EnvironmentFault(
            f"The data set {name!r} was not found in {where}.",
            remedy=f"Put {_WHERE[name]} into a folder, and name that in {VARIABLE}.",
        )
    return found


def _make(folder: Path, sources: dict[str, Source], hiding: Hiding, say: Callable[[str], None]) -> None:
    """Make it under another name, and give it its own when it is complete."""
    started = time.monotonic()
    say(f"preparing the data sets {', '.join(sources)} in {str(folder)!r} (once)")
    draft = folder.with_name(f"{folder.name}.partial")
    _remove(draft)  # of one who was killed: the lock is ours
    shown, held = draft / _SHOWN, draft / _HELD
    try:
        for place, mode in ((draft, 0o755), (shown, 0o755), (held, 0o700)):
            place.mkdir()
            place.chmod(mode)  # whatever our umask is
        made = {}
        for name, found in sources.items():
            test, note = _make_one(name, found, shown, hiding, say)
            _hold(held, _base(name), test, hiding)
            made[name] = note + hiding.note(len(test.labels))
        told = {_base(name): note for name, note in made.items()} | made
        (draft / _NOTES).write_text(json.dumps(told), encoding="utf-8")
        _open_to_all(shown)
        draft.rename(folder)
    except BaseException:
        _remove(draft)
        raise
    for name, note in made.items():
        say(f"{name}: {note}")
    say(f"the data is ready after {time.monotonic() - started:.0f} s")


def _make_one(
    name: str, found: Source, shown: Path, hiding: Hiding, say: Callable[[str], None]
) -> tuple[Split, str]:
    """The true test images, and a note on what they are."""
    base = _base(name)
    conceal = partial(hiding.shown, base)
    if base == "cifar10":
        return cifar.make(found, shown / cifar.FOLDER, say, conceal)
    training, test, note = mnist.read(base, found, say)
    if name == "mnist_png":
        mnist.write_pictures(shown / "mnist_png", training, conceal(test))
    else:
        folder = shown / {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[name] / "raw"
        mnist.write(folder, training, conceal(test))
    return test, note


def _hold(held: Path, name: str, test: Split, hiding: Hiding) -> None:
    parts = {
        "images": test.images,
        "labels": test.labels,
        "hidden": hiding.places(name, len(test.labels)),
    }
    for what, values in parts.items():
        np.save(held / f"{name}-{what}.npy", values, allow_pickle=False)


def _open_to_all(folder: Path) -> None:
    """Everybody may read it, and nobody writes it: not even a submission that runs without a sandbox."""
    for parent, folders, files in os.walk(folder):
        for name in folders:
            (Path(parent) / name).chmod(0o755)
        for name in files:
            (Path(parent) / name).chmod(0o444)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _root() -> Path:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return _ROOTS_FOLDER
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "autograder"


@contextlib.contextmanager
def _locked(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    with folder.with_name(f"{folder.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is preparing {str(folder)!r}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    print(f"autograder: {text}", file=sys.stderr, flush=True)
