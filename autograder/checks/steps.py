"""Which of the notebooks that were handed in are the homework's steps, and in which order.

Names vary: "S5_1.ipynb", "EVA4S5F1.ipynb", "Step 1 - Skeleton.ipynb", "Step1/notebook.ipynb", "final.ipynb".
What all names have in common says nothing; what differs between them is the step's number. A notebook without
any network or training is no step, nor is a copy of another one, nor what belongs to another session.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from autograder.loaders.notebook import Notebook
from autograder.text import one_line

LAST = 99  # the number of a notebook whose name says that it is the final one


@dataclass(frozen=True, slots=True)
class Step:
    """A notebook that is a step: its ``number`` in the order, and what its own name ``said``."""

    number: int
    path: str
    said: int | None = None

    @property
    def name(self) -> str:
        """For people: with its folder, since each step may lie in one of its own under the same name."""
        return one_line("/".join(PurePosixPath(self.path).parts[-2:]), 80)


@dataclass(frozen=True, slots=True)
class OtherNotebook:
    """A notebook that is no step, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps in their order; ``numbered`` says whether the names tell it."""

    steps: tuple[Step, ...]
    others: tuple[OtherNotebook, ...] = ()
    numbered: bool = True

    @property
    def last(self) -> Step | None:
        return self.steps[-1] if self.steps else None


def find_steps(notebooks: Mapping[str, Notebook | None], session: int) -> Steps:
    """The steps among the notebooks, by path; None stands for one that can't be read.

    ``session`` is the homework's number: it stands in many names, and is no step's.
    """
    others: list[OtherNotebook] = []
    readable: dict[str, Notebook] = {}
    for path in sorted(notebooks, key=_natural):
        notebook = notebooks[path]
        if notebook is None:
            others.append(OtherNotebook(path, "it can't be read"))
        elif not any(
            _WORKS.search(cell.source[:_MAX_SOURCE]) for cell in notebook.cells if cell.kind == "code"
        ):
            others.append(OtherNotebook(path, "it has no network and no training"))
        else:
            readable[path] = notebook
    here, elsewhere = _of_session(list(readable), session)
    others += [OtherNotebook(path, "it belongs to another session") for path in elsewhere]
    kept, copies = _without_copies({path: readable[path] for path in here})
    others += [
        OtherNotebook(path, f"its code is the same as that of {first}") for path, first in copies.items()
    ]
    said = _numbers(kept, session)
    if said is None:
        ordered = [Step(at, path) for at, path in enumerate(sorted(kept, key=_natural), 1)]
        return Steps(tuple(ordered), tuple(others), numbered=len(kept) < 2)
    by_number = sorted(kept, key=lambda path: said[path])
    return Steps(tuple(Step(at, path, said[path]) for at, path in enumerate(by_number, 1)), tuple(others))


_MAX_SOURCE = 200_000
_WORKS = re.compile(
    r"\bnn\.Module\b|\bSequential\(|\.backward\(|\.fit\(|\bkeras\b|\boptim\w*\.\w+\(|\btrain\w*\s?\(|\bLearner\(|"
    r"\bfrom\s+(?:model|network|net)s?\w*\s+import|\bNet\w*\("
)


def _without_copies(notebooks: Mapping[str, Notebook]) -> tuple[list[str], dict[str, str]]:
    """The paths of those that differ, and for each copy the one that it is a copy of.

    Two steps may have the same code where a module beside them differs: then their texts do.
    """
    first: dict[tuple[str, ...], str] = {}
    texts: dict[str, tuple[str, ...]] = {}
    copies: dict[str, str] = {}
    for path in sorted(
        notebooks, key=lambda path: (bool(_COPY.search(path)), path.count("/"), len(path), path)
    ):
        cells = notebooks[path].cells
        code = tuple(cell.source.strip() for cell in cells if cell.kind == "code")
        texts[path] = tuple(cell.source.strip() for cell in cells if cell.kind != "code")
        known = first.setdefault(code, path)
        if known != path and (texts[known] == texts[path] or _COPY.search(path)):
            copies[path] = known
    return sorted(set(texts) - set(copies), key=_natural), copies


_COPY = re.compile(r"\bcopy\b|\bkopie\b|-copy\d*\b|\(\d{1,2}\)\.ipynb$", re.IGNORECASE)


# --- sessions --------------------------------------------------------------------------------------------

_SESSION = re.compile(
    r"(?<![a-z])(?:eva|tsai|era|v)?\s?\d?[ _-]?"
    r"(?:session|sess|assignment|week|lesson|lecture|s)[ _-]{0,3}0?(\d{1,2})(?!\d)",
    re.IGNORECASE,
)


def _of_session(paths: Sequence[str], session: int) -> tuple[list[str], list[str]]:
    """Those that belong to the session, and those that say that they belong to another one."""
    said = {path: _sessions(path) for path in paths}
    here = [path for path in paths if session in said[path]]
    if len(here) < 2:  # names such as S1 to S4 are the steps' own
        return list(paths), []
    others = [path for path in paths if said[path] and session not in said[path]]
    return [path for path in paths if path not in others], others


def _sessions(path: str) -> set[int]:
    found = (_SESSION.search(part) for part in PurePosixPath(path).with_suffix("").parts)
    return {int(match[1]) for match in found if match is not None}


# --- numbers ---------------------------------------------------------------------------------------------


def _numbers(paths: Sequence[str], session: int) -> dict[str, int] | None:
    """A number for each path that tells them apart, by the first rule that gives all of them one."""
    names = {path: _cleaned(path, session) for path in paths}
    for rule in _rules(session):
        found = {path: rule(name) for path, name in names.items()}
        told = {path: number for path, number in found.items() if number is not None}
        if len(told) == len(paths) and len(set(told.values())) == len(paths):
            return told
    mixed = {path: _first(name, session) for path, name in names.items()}
    known = {path: number for path, number in mixed.items() if number is not None}
    return known if len(known) == len(paths) and len(set(known.values())) == len(paths) else None


def _first(name: str, session: int) -> int | None:
    return next((number for rule in _rules(session) if (number := rule(name)) is not None), None)


def _cleaned(path: str, session: int) -> str:
    """The path without its ending and without what a browser or Colab adds, its folders behind the name.

    A folder that is called after the session says nothing about the step.
    """
    pure = PurePosixPath(path)
    folders = [part for part in reversed(pure.parent.parts) if session not in _sessions(part)]
    parts = [pure.stem, *folders]
    return " / ".join(_ADDED.sub("", part) for part in parts)


_ADDED = re.compile(r"^(?:copy of|kopie von)\s+|\s*\(\d{1,2}\)$|-copy\d*$", re.IGNORECASE)


def _rules(session: int) -> list[Callable[[str], int | None]]:
    """Ways to read a number out of a name, the surest first."""
    end = r"(?![\d])"
    at = rf"(?:(?:session|sess|assignment|week|s)[ _-]{{0,3}}0?{session}|(?<![\d.]){session})"
    patterns = [
        r"(?:steps?|schritt|iteration|iter|attempt|trial|phase|stage|experiment|exp|versuch)"
        r"[ _.#-]{0,3}0*(\d{1,2})" + end,
        rf"(?<![a-z]){at}[ _.-]{{1,3}}(?:[a-z]{{1,12}}[ _.-]{{0,3}})?0*(\d{{1,2}}){end}",
        rf"{at}[a-z]{{1,4}}[ _.-]?0*(\d{{1,2}}){end}",
        r"(?:model|modell|file|datei|part|teil|code|version|notebook|network|net|solution|v|f|n|m)"
        r"[ _.#-]{0,3}0*(\d{1,2})" + end,
        r"^0*(\d{1,2})(?=[ _.\-)]|$)",
        r"(?<!\d)0*(\d{1,2})(?=\s*(?:$|/))",
        r"^s[ _-]?0*(\d{1,2})" + end,
    ]
    rules: list[Callable[[str], int | None]] = [_by_pattern(pattern) for pattern in patterns]
    return [*rules, _by_word]


def _by_pattern(pattern: str) -> Callable[[str], int | None]:
    compiled = re.compile(pattern, re.IGNORECASE)

    def number(name: str) -> int | None:
        found = compiled.search(name)
        return int(found[1]) if found else _by_word(name, last_alone=True)

    return number


_ORDINALS = (
    ("first", "one", "erste", "erster", "erstes", "eins", "i", "a"),
    ("second", "two", "zweite", "zweiter", "zweites", "zwei", "ii", "b"),
    ("third", "three", "dritte", "dritter", "drittes", "drei", "iii", "c"),
    ("fourth", "four", "vierte", "vierter", "viertes", "vier", "iv", "d"),
    ("fifth", "five", "fünfte", "v", "e"),
    ("sixth", "six", "vi", "f"),
    ("seventh", "seven", "vii", "g"),
)
_BY_ORDINAL = {word: at for at, words in enumerate(_ORDINALS, 1) for word in words}
_FINAL = frozenset(("final", "last", "letzter", "letzte", "finale", "final_step"))
_PARTS = re.compile(r"[^\W\d_]+")


def _by_word(name: str, *, last_alone: bool = False) -> int | None:
    words = _PARTS.findall(name.lower())
    if any(word in _FINAL for word in words):
        return LAST
    if last_alone:
        return None
    return next((_BY_ORDINAL[word] for word in words if word in _BY_ORDINAL), None)


def _natural(path: str) -> tuple[object, ...]:
    """Sorts "Step 10" behind "Step 9"."""
    return tuple(
        (1, int(part), "") if part.isdigit() else (0, 0, part)
        for part in re.split(r"(\d{1,9})", path.lower().removesuffix(".ipynb"))
    )
