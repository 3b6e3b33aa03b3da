"""How a file of predictions has to look: which ids, which classes, which columns.

Nothing here knows an answer: students get this module, to try their file before they hand it in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from autograder.loaders.problems import MIB
from autograder.outcome import ManifestFault
from autograder.text import quote

Indices = NDArray[np.int64]

UNKNOWN = -1
MOST_SPELLINGS = 10_000  # of labels are remembered, so that a file of nonsense takes no memory
BLANKS = " \t\r\n\v\f\xa0\u200b\ufeff"
_QUOTES = "'\"`‘’“”"
_WHOLE = re.compile(r"[0-9]+")
_BETWEEN_WORDS = re.compile(r"[\s_\-]+")


class Asked(Protocol):
    """What of a manifest's ``[challenge]`` decides how predictions have to look."""

    @property
    def images(self) -> int: ...
    @property
    def ids(self) -> str: ...
    @property
    def id_column(self) -> str: ...
    @property
    def label_column(self) -> str: ...
    @property
    def classes(self) -> Sequence[Sequence[str]]: ...
    @property
    def accepts(self) -> Sequence[str]: ...
    @property
    def max_mib(self) -> float: ...


class Ids:
    """The ids that are asked for, in their order: numbers from 0, or texts of a list."""

    __slots__ = ("_count", "_exact", "_loose", "_texts")

    def __init__(self, texts: Sequence[str] = (), *, count: int | None = None) -> None:
        self._texts = tuple(texts)
        self._count = len(self._texts) if count is None else count
        self._exact = {text: index for index, text in enumerate(self._texts)}
        self._loose: dict[str, int] | None = None
        if len(self._exact) != len(self._texts):
            raise ManifestFault("The list of ids holds an id twice.", remedy="Name each image once.")
        if self._count < 1:
            raise ManifestFault("No id is asked for.", remedy="Set images, or list the ids, one a line.")

    @classmethod
    def numbered(cls, count: int) -> Ids:
        """0, 1, 2 ... ``count`` - 1."""
        return cls(count=count)

    @classmethod
    def listed(cls, texts: Iterable[str]) -> Ids:
        return cls(tuple(texts))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts) if self._texts else map(str, range(self._count))

    @property
    def are_listed(self) -> bool:
        return bool(self._texts)

    def text(self, index: int) -> str:
        return self._texts[index] if self._texts else str(index)

    def index(self, text: str) -> int:
        """Which id ``text`` is, or `UNKNOWN`. Blanks and quotes around it and zeros before it don't count.

        In a list upper and lower case don't either, where no two ids of the list differ in them alone.
        """
        text = stripped(text)
        if not self._texts:
            return self._within(text)
        found = self._exact.get(text)
        return found if found is not None else self._loosely().get(_loose(text), UNKNOWN)

    def indices(self, texts: Sequence[str]) -> Indices | None:
        """The same for many, fast, where each is written as it should be; else None."""
        if self._texts:
            found = np.fromiter(map(self._exact.get, texts, repeat(UNKNOWN)), np.int64, len(texts))
            return found if (found >= 0).all() else None
        together = "".join(texts)
        if not (together.isascii() and together.isdecimal()):
            return None
        try:
            found = np.fromiter(map(int, texts), np.int64, len(texts))
        except (ValueError, OverflowError):  # an empty one, or one of a thousand digits
            return None
        return found if (found < self._count).all() else None

    def told(self) -> str:
        """What is asked for, in a message."""
        if not self._texts:
            return f"the numbers 0 to {self._count - 1}"
        return f"the {self._count:,} of the list, such as {quote(self._texts[0], 40)}"

    def _within(self, text: str) -> int:
        digits = text.lstrip("0") or text[-1:]
        if not _WHOLE.fullmatch(text) or len(digits) > len(str(self._count)):
            return UNKNOWN
        return int(digits) if int(digits) < self._count else UNKNOWN

    def _loosely(self) -> dict[str, int]:
        if self._loose is None:
            self._loose = {}
            for index, text in enumerate(self._texts):
                key = _loose(text)
                self._loose[key] = UNKNOWN if key in self._loose else index
        return self._loose


def _loose(text: str) -> str:
    folded = text.casefold()
    return (folded.lstrip("0") or "0") if _WHOLE.fullmatch(folded) else folded


@dataclass(frozen=True, slots=True)
class Form:
    """How a file of predictions has to look.

    A class has its number by its place; of its names the first is the one that is shown.
    """

    ids: Ids
    classes: tuple[tuple[str, ...], ...]
    id_column: str = "image_id"
    label_column: str = "label"
    labels: bool = True  # whether a file of labels alone is taken, and ...
    probabilities: bool = False  # ... one of probabilities, a column for each class
    max_bytes: int = 8 * MIB

    def __post_init__(self) -> None:
        seen: dict[str, int] = {}
        for number, names in enumerate(self.classes):
            for name in names:
                if seen.setdefault(class_key(name), number) != number:
                    raise ManifestFault(
                        f"The name {quote(name)} stands for two classes of the challenge.",
                        remedy="Give each class names of its own in [challenge] classes.",
                    )
        if len(self.classes) < 2 or not all(self.classes):
            raise ManifestFault(
                "A challenge needs two classes at least, each with a name.",
                remedy='Write classes = [["airplane", "plane"], ["bird"], ...] under [challenge].',
            )

    @classmethod
    def of(cls, asked: Asked, folder: Path) -> Form:
        """As the manifest of the assignment in ``folder`` has it."""
        return cls(
            ids=_listed_in(folder / asked.ids) if asked.ids else Ids.numbered(asked.images),
            classes=tuple(tuple(names) for names in asked.classes),
            id_column=asked.id_column,
            label_column=asked.label_column,
            labels="labels" in asked.accepts,
            probabilities="probabilities" in asked.accepts,
            max_bytes=int(asked.max_mib * MIB),
        )

    @property
    def has_numbers(self) -> bool:
        """Whether a class may be given by its number; not where the classes are called by other numbers."""
        named = [(stripped(name), number) for number, names in enumerate(self.classes) for name in names]
        return all(int(name) == number for name, number in named if _WHOLE.fullmatch(name) and len(name) < 10)

    def labels_told(self) -> str:
        """Which labels there are, in a message."""
        last = len(self.classes) - 1
        names = [quote(names[0], 40)[1:-1] for names in self.classes]
        if not self.has_numbers:
            return f"the names {_some(names)}"
        shown = _some([f"{number} {name}" for number, name in enumerate(names)])
        return f"the numbers 0 to {last}, or the classes' names: {shown}"


class Labels(dict[str, int]):
    """Which class a label is, for each way of writing it that was met, or `UNKNOWN`."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._count = len(form.classes) if form.has_numbers else 0
        self._names = {class_key(name): number for number, ns in enumerate(form.classes) for name in ns}

    def __missing__(self, text: str) -> int:
        found = self._find(text)
        if len(self) < MOST_SPELLINGS:
            self[text] = found
        return found

    def many(self, texts: Sequence[str]) -> Indices:
        return np.fromiter(map(self.__getitem__, texts), np.int64, len(texts))

    def _find(self, text: str) -> int:
        plain = stripped(text)
        named = self._names.get(class_key(plain))
        if named is not None:
            return named
        digits = plain.lstrip("0") or plain[-1:]
        if _WHOLE.fullmatch(plain) and len(digits) < 10 and int(digits) < self._count:
            return int(digits)
        return UNKNOWN


def stripped(text: str) -> str:
    """A field without blanks and quotation marks around it."""
    return text.strip(BLANKS).strip(_QUOTES).strip(BLANKS)


def class_key(name: str) -> str:
    """The same for all ways of writing one class's name."""
    return _BETWEEN_WORDS.sub(" ", stripped(name)).strip().casefold()


def _some(items: Sequence[str], most: int = 12) -> str:
    return ", ".join(items) if len(items) <= most else f"{', '.join(items[: most - 2])} … {items[-1]}"


def _listed_in(file: Path) -> Ids:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestFault(
            f"The challenge's ids can't be read from {quote(str(file))}: {error}.",
            remedy="Write them into that file as UTF-8 text, one id a line.",
        ) from error
    return Ids.listed(line.strip() for line in lines if line.strip())
