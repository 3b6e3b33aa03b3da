"""How well a file fits a deliverable: the rules, and the words in which they are told.

Students rename, move and copy. So a file is taken for a deliverable when its name says so clearly enough,
the clearest first over all deliverables, and every decision but an exact one is told. The rules err on the
side of "missing": a wrong guess grades the wrong file, while "missing" names the file to rename.

1. The path is as asked for.                             2_pytorch/predictions.csv
2. Upper and lower case differ.                          2_pytorch/Predictions.CSV
3. The name is right and the folder another.             results/predictions.csv
4. The words of the name are right.                      2_pytorch/filter_viz.ipynb for filter-viz.ipynb
5. There are further words, which no other deliverable   2_pytorch/predictions_84.csv
   has; for code only such as mark a version or a copy,  (but not fast_layers.py for layers.py)
   because code comes with files of the course's.
6. The same, with another ending.                        2_pytorch/extra.txt for extra.md
7. One word that no other deliverable has is right, and  2_pytorch/MyModel_lossvstrain.png
   the rest are words of this homework.                  for convnet_lossvstrain.png

From 3 on, a file deep inside the folder of other deliverables is left to those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from autograder.checks.names import (
    Name,
    endings_agree,
    folder_distance,
    glob_match,
    has_wildcard,
    is_addition,
    same_base,
)

if TYPE_CHECKING:
    from autograder.assignment import Deliverable

MAX_FOREIGN_FOLDERS = 1  # how deep a file may lie in a folder that belongs to other deliverables


class Rank(IntEnum):
    """The rule by which a file was taken, clearest first."""

    EXACT = 1
    CASE = 2
    FOLDER = 3
    SPELLING = 4
    ADDED = 5
    ENDING = 6
    PART = 7


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """How well a file fits a deliverable; the smaller, the better."""

    rank: Rank
    preference: int  # the pattern's place in the manifest
    folders: int  # to take away or put in
    words: int  # to take away
    path: str
    wanted: str  # the pattern
    why: str


class Homework:
    """The deliverables' patterns taken apart, and which words and folders belong to which of them."""

    def __init__(self, deliverables: Sequence[Deliverable]) -> None:
        self._patterns = {item.key: [Name.of(pattern) for pattern in item.patterns] for item in deliverables}
        self._words = {key: frozenset(w for p in ps for w in p.words) for key, ps in self._patterns.items()}
        self._folders = {
            key: frozenset(f for p in ps for f in p.folders) for key, ps in self._patterns.items()
        }
        self._uses = Counter(word for words in self._words.values() for word in words)
        self._all_folders = frozenset[str]().union(*self._folders.values())
        self.endings = frozenset(p.ending for patterns in self._patterns.values() for p in patterns)

    def best_match(self, name: Name, key: str) -> Match | None:
        """How ``name`` fits the deliverable best, if it does at all."""
        fits = (self._match(name, index, pattern, key) for index, pattern in enumerate(self._patterns[key]))
        return min((fit for fit in fits if fit is not None), default=None)

    def _match(self, name: Name, index: int, pattern: Name, key: str) -> Match | None:
        decided = self._decide(name, pattern, key)
        if decided is None:
            return None
        rank, why = decided
        distance = folder_distance(name.folders, pattern.folders)
        if rank > Rank.FOLDER and distance:
            why += ", in another folder"
        extra = len(set(name.words) - set(pattern.words))
        # A pattern with wildcards tells the student nothing; the preferred name does.
        wanted = self._patterns[key][0] if has_wildcard(pattern.path) else pattern
        return Match(rank, index, distance, extra, name.path, wanted.path, why)

    def _decide(self, name: Name, pattern: Name, key: str) -> tuple[Rank, str] | None:
        same = same_base(name, pattern)
        if same and glob_match(name.path, pattern.path):
            return Rank.EXACT, "as asked for"
        if same and glob_match(name.path.casefold(), pattern.path.casefold()):
            return Rank.CASE, "upper and lower case differ"
        if not (same or endings_agree(name.ending, pattern.ending)) or self.is_elsewhere(name, pattern, key):
            return None
        if same:
            return Rank.FOLDER, "the same name in another folder"
        return self._decide_by_words(name, pattern, key)

    def _decide_by_words(self, name: Name, pattern: Name, key: str) -> tuple[Rank, str] | None:
        words, wanted = set(name.words), set(pattern.words)
        added = sorted(words - wanted, key=name.words.index)
        same_ending = name.ending == pattern.ending
        if not words or not wanted or (name.is_code and not same_ending):
            return None
        if name.squashed == pattern.squashed or words == wanted:
            return (
                (Rank.SPELLING, "the same name, spelt differently")
                if same_ending
                else (Rank.ENDING, f"the same name with another ending, {name.ending}")
            )
        if wanted <= words and not self._are_rivals(added, name, key):
            why = f"the same name with {_words(added)} added"
            return (
                (Rank.ADDED, why)
                if same_ending
                else (Rank.ENDING, f"{why} and another ending, {name.ending}")
            )
        telling = [word for word in pattern.words if word in words and self._uses[word] == 1]
        known = all(word in self._uses or is_addition(word) for word in added)
        if telling and known and same_ending and not name.is_code:
            return Rank.PART, f"{_words(telling)} is in its name, and no other file should have that"
        return None

    def _are_rivals(self, added: Sequence[str], name: Name, key: str) -> bool:
        """Whether the words ``added`` to a deliverable's name make it the name of something else."""
        if name.is_code:
            return not all(map(is_addition, added))
        return any(
            word in self._words[other]
            for other, patterns in self._patterns.items()
            if other != key and any(endings_agree(name.ending, pattern.ending) for pattern in patterns)
            for word in set(added) - self._words[key]
        )

    def is_elsewhere(self, name: Name, pattern: Name, key: str) -> bool:
        """Whether the file lies deep in a folder that belongs to other deliverables.

        The course's own 1_cs231n/cs231n/classifiers/convnet.py is not a misplaced models/convnet.py; but a
        conv_layers.py among the files of 2_pytorch is one that was thrown together with the rest.
        """
        if not set(name.folders) & (self._all_folders - self._folders[key]):
            return False
        ends = (pattern.folders[start:] for start in range(len(pattern.folders) + 1))
        return min(folder_distance(name.folders, end) for end in ends) > MAX_FOREIGN_FOLDERS


def _words(words: Sequence[str]) -> str:
    return " and ".join(f"“{word}”" for word in words)
