"""What a loader serves, and one pass over it."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

_MOST_PARTS = 8  # data sets within one, and how deep they are looked for
_MOST_FOLDERS = 4
_SAMPLED_ITEMS = 48
_NAME_CHARS = 60
_MOST_KNOWN = 64


@dataclass(frozen=True, slots=True)
class Part:
    """A data set at the bottom of what a loader serves: how many of its items are used, out of how many.

    ``train`` is its flag of that name, ``split`` another word for the same (SVHN's, fastai's), ``folders``
    the names that its files lie under, ``like`` the known data set whose labels it has.
    """

    name: str
    module: str
    items: int | None
    of: int | None
    train: bool | None = None
    split: str = ""
    folders: tuple[str, ...] = ()
    like: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "module": self.module,
            "items": self.items,
            "of": self.of,
            "train": self.train,
            "split": self.split,
            "folders": list(self.folders),
            "like": self.like,
        }


@dataclass(slots=True)
class LoaderUse:
    """One loader object, described when it was first iterated."""

    number: int
    cell: int
    kind: str
    parts: tuple[Part, ...]
    batches: int | None
    batch: int | None
    sampler: str

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "cell": self.cell,
            "kind": self.kind,
            "parts": [part.as_json() for part in self.parts],
            "batches": self.batches,
            "batch": self.batch,
            "sampler": self.sampler,
        }


@dataclass(slots=True, eq=False, weakref_slot=True)
class Pass:
    """One iteration over a loader, from its first batch to its end or to where it was left.

    ``batch`` is the batch that it gave last. It is held as long as a loss may be traced back to it, because
    its memory could else be given to another tensor. ``credited`` are the feeds of runs that stepped in it.
    """

    loader: LoaderUse
    cell: int
    order: int
    gave_in: int = 0  # the cell that took its last batch
    alive: weakref.ref[Any] | None = None
    batches: int = 0
    complete: bool = False
    batch: Any = None
    grad: bool = True
    training: bool | None = None
    model: str = ""
    credited: list[Any] = field(default_factory=list)
    network: Callable[[], Any] | None = None  # a weak reference: what its first batch was given to
    checks: int = 0

    @property
    def left(self) -> bool:
        """Whether nobody can take another batch out of it."""
        return self.complete or (self.alive is not None and self.alive() is None)


class Known:
    """The image data sets made so far, to tell where tensors that were cut out of one came from."""

    def __init__(self) -> None:
        self.made: list[tuple[int, Part]] = []
        self._refs: list[tuple[weakref.ref[Any], Part]] = []

    def add(self, dataset: Any, cell: int) -> None:
        if len(self.made) < _MOST_KNOWN:
            part = _leaf(dataset, length(dataset), None)
            self.made.append((cell, part))
            self._refs.append((weakref.ref(dataset), part))

    def whose_labels(self, labels: Any) -> str:
        """The known data set that has exactly these labels, as "MNIST train" or "CIFAR10 test"."""
        torch = sys.modules["torch"]
        for ref, part in self._refs:
            dataset = ref()
            theirs = attribute(dataset, "targets")
            if theirs is None or len(theirs) != len(labels) or len(labels) == 0:
                continue
            if torch.equal(torch.as_tensor(theirs).long().cpu(), labels.detach().long().cpu()):
                which = {True: "train", False: "test", None: part.split}[part.train]
                return f"{part.name} {which}".strip()
        return ""


def attribute(value: Any, name: str) -> Any:
    """An attribute that may be missing, or a property that raises; then None."""
    try:
        return getattr(value, name, None)
    except Exception:
        return None


def length(value: Any) -> int | None:
    """``len`` of what may have none, or a broken one."""
    try:
        return len(value)
    except Exception:
        return None


def describe(loader: Any, number: int, cell: int, known: Known) -> LoaderUse:
    """What a loader serves. Called once for each loader: a student's ``__len__`` may be slow, or print."""
    dataset = attribute(loader, "dataset")
    kind = "fastai" if type(loader).__module__.startswith("fastai") else "torch"
    # The length of a loader over a stream is a promise that torch then holds it to with warnings.
    stream = getattr(sys.modules.get("torch.utils.data"), "IterableDataset", ())
    streamed = isinstance(dataset, stream)
    batch = attribute(loader, "batch_size") or attribute(loader, "bs")
    if batch is None:
        batch = attribute(attribute(loader, "batch_sampler"), "batch_size")
    sampler = attribute(loader, "sampler")
    return LoaderUse(
        number=number,
        cell=cell,
        kind=kind,
        parts=tuple(_parts(dataset, known, loader)),
        batches=None if streamed else length(loader),
        batch=batch if type(batch) is int else None,
        sampler=_name(sampler) if sampler is not None else ("random" if _shuffles(loader) else ""),
    )


def _shuffles(loader: Any) -> bool:
    return attribute(loader, "shuffle") is True


def _parts(dataset: Any, known: Known, loader: Any) -> Iterator[Part]:
    waiting: list[tuple[Any, int | None]] = [(dataset, length(dataset))]
    seen: set[int] = set()
    made = 0
    while waiting and made < _MOST_PARTS and len(seen) < 4 * _MOST_PARTS:
        current, items = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        within = list(_within(current))
        if within:
            # A subset has its own length; what is put together of several, or renamed, has theirs.
            waiting = [(one, items if len(within) == 1 else length(one)) for one in within] + waiting
            continue
        made += 1
        part = _leaf(current, items, loader)
        yield _with_kin(current, part, known) if part.train is None and not part.split else part


def _within(dataset: Any) -> Iterator[Any]:
    """The data sets that this one is made of: a Subset, a ConcatDataset, or a class of the student's."""
    base = getattr(sys.modules.get("torch.utils.data"), "Dataset", None)
    if base is None or not isinstance(dataset, base) or type(dataset).__module__.startswith("fastai"):
        return
    for value in list(vars(dataset).values())[:40]:
        if isinstance(value, base):
            yield value
        elif isinstance(value, (list, tuple)) and value and all(isinstance(v, base) for v in value[:8]):
            yield from value[:_MOST_PARTS]


def _leaf(dataset: Any, items: int | None, loader: Any) -> Part:
    train, split = attribute(dataset, "train"), attribute(dataset, "split")
    if loader is not None and type(loader).__module__.startswith("fastai"):  # its `train` is another data set
        at = attribute(loader, "split_idx")
        at = attribute(dataset, "split_idx") if at is None else at
        split = {0: "train", 1: "valid"}.get(at) if type(at) is int else None
        train = None
    return Part(
        name=_name(dataset),
        module=str(type(dataset).__module__).partition(".")[0][:_NAME_CHARS],
        items=items,
        of=length(dataset),
        train=train if type(train) is bool else None,
        split=str(split)[:_NAME_CHARS] if isinstance(split, str) else "",
        folders=_folders(dataset),
    )


def _with_kin(dataset: Any, part: Part, known: Known) -> Part:
    """A data set of tensors that has the labels of a known one: cut out of it by hand."""
    held = attribute(dataset, "tensors")
    labels = held[-1] if isinstance(held, (list, tuple)) and held else attribute(dataset, "targets")
    if labels is None or not hasattr(labels, "untyped_storage") or labels.dim() != 1:
        return part
    return Part(part.name, part.module, part.items, part.of, like=known.whose_labels(labels))


def _folders(dataset: Any) -> tuple[str, ...]:
    """The names two levels above the files that a data set reads: `training` and `testing`, say."""
    items = attribute(dataset, "samples")
    items = attribute(dataset, "items") if items is None else items
    count = length(items)
    if items is None or not count or callable(items):
        return ()
    names: dict[str, None] = {}
    for at in range(0, count, max(1, count // _SAMPLED_ITEMS)):
        item = items[at]
        path = item[0] if isinstance(item, tuple) and item else item
        above = str(path).replace("\\", "/").split("/") if hasattr(path, "__fspath__") else None
        if above is None and isinstance(path, str) and len(path) < 1000:
            above = path.replace("\\", "/").split("/")
        if above is not None and len(above) >= 3:
            names.setdefault(above[-3][:_NAME_CHARS])
    return tuple(names)[:_MOST_FOLDERS]


def _name(value: Any) -> str:
    return type(value).__name__[:_NAME_CHARS]
