"""How alike two file names are, in words that can be told to the student.

Names are compared by their *words*: ``MyModel_lossvstrain.PNG`` is mymodel and lossvstrain. A word is
never compared letter by letter with another, so that ``mymodel`` is not "almost" ``convnet``, and
``layer_utils`` not ``layers``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

# What people add to the name of a file that they mean to be the same: a number, a version, a copy.
_ADDITION = re.compile(
    r"\d+|v|ver|version|copy|of|final|new|latest|fixed|updated|submission|submitted|solution|solved|mine|my"
)
_WORDS = re.compile(r"[^\W\d_]+|\d+")  # digits apart, so that predictions84 holds "predictions"
_WILDCARD = re.compile(r"\[[^]]*]|[*?]+")

# Endings that can stand for one another, because the content tells.
_ENDINGS = (
    frozenset({".png", ".jpg", ".jpeg"}),
    frozenset({".md", ".markdown", ".txt", ".rst"}),
    frozenset({".log", ".txt", ".out"}),
    frozenset({".csv", ".tsv", ".txt"}),
)
CODE_ENDINGS = frozenset({".py", ".sh"})


@dataclass(frozen=True, slots=True)
class Name:
    """A path or a glob, taken apart: folders, words of the stem, ending; all folded."""

    path: str
    folders: tuple[str, ...]
    base: str
    words: tuple[str, ...]
    ending: str

    @classmethod
    def of(cls, path: str) -> Name:
        folded = PurePosixPath(path.casefold())
        literal = PurePosixPath(_WILDCARD.sub(" ", folded.name))
        words = tuple(_WORDS.findall(literal.stem))
        return cls(path, folded.parts[:-1], folded.name, words, literal.suffix)

    @property
    def squashed(self) -> str:
        """The stem without what stands between its words: filter-viz, filter_viz and FilterViz are one."""
        return "".join(self.words)

    @property
    def is_code(self) -> bool:
        return self.ending in CODE_ENDINGS


def glob_match(path: str, pattern: str) -> bool:
    """Whether ``path`` matches ``pattern``, where ``*`` stays within a folder and ``**`` is any folders."""
    return _parts_match(path.split("/"), pattern.split("/"))


def is_addition(word: str) -> bool:
    """Whether ``word`` only marks a version or a copy."""
    return _ADDITION.fullmatch(word) is not None


def endings_agree(one: str, other: str) -> bool:
    return one == other or any(one in group and other in group for group in _ENDINGS)


def folder_distance(one: Sequence[str], other: Sequence[str]) -> int:
    """How many folders would have to be taken away or put in to get from one place to the other."""
    same = sum(
        block.size for block in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    )
    return len(one) + len(other) - 2 * same


def _parts_match(path: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_parts_match(path[skip:], pattern[1:]) for skip in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _parts_match(path[1:], pattern[1:])


def has_wildcard(part: str) -> bool:
    return _WILDCARD.search(part) is not None


def same_base(name: Name, pattern: Name) -> bool:
    """Whether the last component alone matches, whatever its case."""
    return fnmatchcase(name.base, pattern.base)
