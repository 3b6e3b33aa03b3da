"""What no text of a student's may still hold when it reaches a reader, worked out without autograder.text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

# Format characters that draw something, as Arabic and Syriac number signs do, and the two joiners.
ALLOWED_FORMAT = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\u200c\u200d"
)
# Unicode's DerivedCoreProperties, Default_Ignorable_Code_Point, without the joiners and U+FE0E and U+FE0F.
IGNORABLE = (
    (0xAD, 0xAD),
    (0x34F, 0x34F),
    (0x61C, 0x61C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200B),
    (0x200E, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0D),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x13430, 0x1343F),  # not ignorable, but all of them are format characters from Unicode 15 on
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)


def is_forbidden(char: str) -> bool:
    """Whether a character may steer a terminal or a reader, or can't be seen."""
    code, category = ord(char), unicodedata.category(char)
    if category in ("Cc", "Cs", "Zl", "Zp"):
        return char not in "\n\t"
    if category == "Cf":
        return char not in ALLOWED_FORMAT
    is_nothing = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF  # noncharacters
    return is_nothing or any(first <= code <= last for first, last in IGNORABLE)


def forbidden_in(text: str) -> list[str]:
    """The code points that should not be there, and runs of marks that cover the lines around."""
    found = [f"U+{ord(char):04X}" for char in dict.fromkeys(text) if is_forbidden(char)]
    return found + (["a pile of marks"] if _highest_pile(text) > 4 else [])


def _highest_pile(text: Iterable[str]) -> int:
    highest = marks = 0
    for char in text:
        if unicodedata.category(char) in ("Mn", "Me"):
            marks += 1
        elif char not in "\u200c\u200d":
            marks = 0
        highest = max(highest, marks)
    return highest
