"""What a pickle says that it holds, found out without making any of it.

A file of 1.6 kB can claim 1e12 numbers: as a storage that isn't there, as a view that repeats one number, or
deflated. So a file is walked through first with stand-ins for everything that it names: no code of its own
runs, nothing is allocated, and what is left is a list of names and of sizes.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MOST_NAMES = 200
_MOST_PICKLE_BYTES = 64 << 20  # of the pickle alone, without the numbers that lie beside it
_LEGACY_PICKLES = 4  # magic number, protocol, machine, and then the object itself
_ITEM_BYTES = {
    "DoubleStorage": 8,
    "LongStorage": 8,
    "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "ShortStorage": 2,
    "ByteStorage": 1,
    "CharStorage": 1,
    "BoolStorage": 1,
    "UntypedStorage": 1,
}
_USUAL_ITEM_BYTES = 4


@dataclass(slots=True)
class Survey:
    """``names`` are the globals that it asks for, ``claimed`` the bytes of all its tensors written out, and
    ``storages`` the bytes of each storage by its key."""

    names: list[str] = field(default_factory=list)
    claimed: int = 0
    storages: dict[str, int] = field(default_factory=dict)


class Unclear(Exception):
    """It is no pickle that could be walked through."""


def survey_zip(archive: zipfile.ZipFile) -> Survey:
    """Of the format that torch.save writes today."""
    found = [info for info in archive.infolist() if info.filename.endswith("data.pkl")]
    if not found:
        raise Unclear("there is no data.pkl in it")
    if found[0].file_size > _MOST_PICKLE_BYTES:
        raise Unclear("its data.pkl is too large")
    survey = Survey()
    _walk(io.BytesIO(archive.read(found[0])), survey, 1)
    return survey


def survey_file(path: Path) -> Survey:
    """Of a plain pickle, or of the format that torch.save wrote before its version 1.6."""
    survey = Survey()
    with path.open("rb") as file:
        _walk(file, survey, _LEGACY_PICKLES)
    return survey


def _walk(file: Any, survey: Survey, pickles: int) -> None:
    try:
        for number in range(pickles):
            made = _Surveyor(file, survey).load()
            if number == 0 and pickles > 1 and type(made) is not int:
                return  # no magic number: a pickle of somebody else's
    except Exception as error:  # a pickle may be cut off, or ask stand-ins for what they don't do
        raise Unclear(f"{type(error).__name__}: {error}") from error


class _Surveyor(pickle.Unpickler):
    def __init__(self, file: Any, survey: Survey) -> None:
        super().__init__(file, encoding="latin1")
        self._survey = survey

    def find_class(self, module: str, name: str) -> Any:
        whole = f"{module}.{name}"
        if whole not in self._survey.names and len(self._survey.names) < _MOST_NAMES:
            self._survey.names.append(whole)
        return type("StandIn", (_StandIn,), {"survey": self._survey, "stands_for": whole})

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("module", kind, *_):  # a class with its source, in files of before version 1.6
                return kind
            case ("storage", kind, str(key), _, int(count), *_) if count >= 0:
                name = str(getattr(kind, "stands_for", "")).rpartition(".")[2]
                size = _ITEM_BYTES.get(name, _USUAL_ITEM_BYTES)
                self._survey.storages[key] = max(count * size, self._survey.storages.get(key, 0))
                return _Storage(size)
        raise Unclear("it asks for something that is neither a storage nor a class")


@dataclass(slots=True)
class _Storage:
    item_bytes: int


class _StandIn(dict[Any, Any]):
    """Whatever a pickle wants to make: it takes all that is done to it."""

    survey: Survey
    stands_for = ""

    def __new__(cls, *args: Any, **keywords: Any) -> _StandIn:
        made = super().__new__(cls)
        cls._weigh(args)
        del keywords
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    @classmethod
    def _weigh(cls, args: tuple[Any, ...]) -> None:
        """A call that makes a tensor: its storage, where it begins, its shape."""
        match args:
            case (_Storage(), int(), tuple(shape), *_) if all(type(one) is int for one in shape):
                count = 1
                for length in shape:
                    count *= abs(length)
                cls.survey.claimed += count * args[0].item_bytes
            case (_, _, tuple(inner), _) if cls.stands_for.endswith("_rebuild_from_type_v2"):
                cls._weigh(inner)

    def __setstate__(self, _: Any) -> None:
        """Nothing is kept."""

    def append(self, _: Any) -> None:
        """As above."""

    extend = add = append

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def __hash__(self) -> int:  # type: ignore[override]  # a key of a dict, perhaps
        return id(self)


def missing_numbers(survey: Survey, records: Mapping[str, int]) -> str:
    """The first storage that claims more bytes than its record in the file has, in words; "" if none does."""
    for key, claimed in survey.storages.items():
        there = records.get(key)
        if there is None or claimed > there:
            held = "none" if there is None else f"{there:,}"
            return f"a tensor in it claims {claimed:,} bytes of numbers, and the file holds {held}"
    return ""
