"""A crowd of submissions: half of them a class's, right and wrong, and half of them hostile.

Each comes with the score that it must get, whatever is graded beside it.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from autograder.assignment import MANIFEST
from benchmarks.machine import ASSIGNMENT, ROOT
from fixtures import build as homework
from fixtures import hostile

# Of the homework's own fixtures: what cheats, runs into a limit, or ends its process.
_HOSTILE = ("cheat_*", "limit_*", "ends_*")
RUN_WALL = 12  # times the limit for one set of cases: what loops in every test ends well before it


@dataclass(frozen=True, slots=True)
class Kind:
    """One fixture: the score that it must get, and how it is written down."""

    name: str
    score: float
    hostile: bool
    write: Callable[[Path], Path]


@dataclass(frozen=True, slots=True)
class Entry:
    """One submission, and where it lies."""

    kind: Kind
    source: Path


def draw(count: int, backend: str, *, only: Sequence[str] = ("*",), seed: int = 0) -> list[Kind]:
    """So many kinds, an honest and a hostile one in turns; none comes again before all of its side have come.

    ``only`` are patterns of names; the same seed draws the same. An attack that is known to get through
    ``backend`` is left out: it has no score to rely on.
    """
    chance = random.Random(seed)  # noqa: S311  (nobody gains by guessing it)
    kinds = [kind for kind in _all(backend) if any(fnmatchcase(kind.name, pattern) for pattern in only)]
    sides = [[kind for kind in kinds if kind.hostile is hostile] for hostile in (False, True)]
    sides = [side for side in sides if side]
    if not sides:
        raise SystemExit(f"No submission is called {' or '.join(only)!r}; see fixtures/.")
    for side in sides:
        chance.shuffle(side)
    return [sides[k % len(sides)][k // len(sides) % len(sides[k % len(sides)])] for k in range(count)]


def hand_in(kind: Kind, folder: Path, number: int) -> Entry:
    """Written under a name of its own, since one command takes no two submissions of the same name."""
    own = folder / f"{number:04}"
    built = kind.write(own)
    return Entry(kind, built.rename(own / f"{number:04}_{built.name}"))


def quicker_grader(folder: Path, wall_s: float) -> Path:
    """A copy of the homework's grader in which a loop that never ends takes ``wall_s`` seconds, not 60."""
    copied = folder / ASSIGNMENT
    shutil.copytree(ROOT / "graders" / ASSIGNMENT, copied, ignore=shutil.ignore_patterns("__pycache__"))
    manifest = copied / MANIFEST
    text = manifest.read_text(encoding="utf-8")
    # Notebooks are not run in this homework, but their time limits must fit the run's.
    for name, value in (("wall_s", wall_s), ("cell_wall_s", wall_s), ("run_wall_s", RUN_WALL * wall_s)):
        text, found = re.subn(rf"(?m)^{name} = \d+", f"{name} = {value:g}", text)
        assert found >= 1, f"{manifest} has no line for {name}"
    manifest.write_text(text, encoding="utf-8")
    return copied


def _all(backend: str) -> list[Kind]:
    attacks = [attack for attack in map(hostile.load, hostile.names()) if not attack.open_on(backend)]
    return [*map(_of_homework, homework.names(ASSIGNMENT)), *map(_of_corpus, attacks)]


def _of_homework(name: str) -> Kind:
    is_hostile = any(fnmatchcase(name, pattern) for pattern in _HOSTILE)
    score = homework.load(name, ASSIGNMENT).expected.score
    return Kind(name, score, is_hostile, lambda dest: homework.build(name, dest, ASSIGNMENT))


def _of_corpus(attack: hostile.Attack) -> Kind:
    return Kind(f"hostile/{attack.name}", 0.0, True, lambda dest: hostile.build(attack, dest))
