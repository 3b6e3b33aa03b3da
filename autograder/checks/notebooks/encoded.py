"""Numbers that stand in a notebook's code: a network that was trained elsewhere can be carried in that way.

What leaves the sandbox as a notebook's network is whatever its process sends. So that a network was trained
by what ran can't be verified, and people should see where another one could have come from. Nothing is
decided by it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from autograder.loaders.notebook import Notebook

# Characters without a space, as base64 and hexadecimal have them: 4,000 hold 3,000 bytes, a third of the
# smallest networks here at eight bits a weight. Long addresses have some hundred.
_MOST_ENCODED = 4_000
_MOST_NUMBERS = 500  # of one list
_DENSE = re.compile(r"[A-Za-z0-9+/=_\\~!#$%&@^`|;?<>{}()*-]{60,}")
_FEWEST_LETTERS = 10  # that differ: a line of dashes is no code for anything
_NUMBER = re.compile(r"[\s\[(]*[-+]?[0-9][0-9_.eExX+a-fA-F-]*[\s\])]*")
_NUMBER_CHARS = 40


@dataclass(frozen=True, slots=True)
class Carried:
    """What a cell holds, in words, and the cell's number."""

    what: str
    cell: int


def numbers_in_code(notebook: Notebook) -> Carried | None:
    """The first cell with so much encoded data, or so long a list of numbers."""
    for cell in notebook.cells:
        if cell.kind != "code":
            continue
        runs = _DENSE.findall(cell.source)
        encoded = sum(len(run) for run in runs if len({*run}) >= _FEWEST_LETTERS)
        if encoded > _MOST_ENCODED:
            return Carried(f"{encoded:,} characters of encoded data", cell.number)
        numbers = _longest_list(cell.source)
        if numbers > _MOST_NUMBERS:
            return Carried(f"a list of {numbers:,} numbers", cell.number)
    return None


def _longest_list(source: str) -> int:
    longest = run = 0
    for part in source.split(","):
        run = run + 1 if len(part) <= _NUMBER_CHARS and _NUMBER.fullmatch(part) else 0
        longest = max(longest, run)
    return longest
