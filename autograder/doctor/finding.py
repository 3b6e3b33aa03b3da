"""One line of the examination."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"  # not needed for every grading
    FAILED = "failed"  # no grading can run here until it is mended


_SIGNS = {State.OK: "✓", State.WARNING: "!", State.FAILED: "✗"}


@dataclass(frozen=True, slots=True)
class Finding:
    """``remedy`` says what to do, where anything is to be done."""

    name: str
    state: State
    found: str
    remedy: str = ""

    @classmethod
    def ok(cls, name: str, found: str) -> Finding:
        return cls(name, State.OK, found)

    @classmethod
    def warning(cls, name: str, found: str, remedy: str) -> Finding:
        return cls(name, State.WARNING, found, remedy)

    @classmethod
    def failed(cls, name: str, found: str, remedy: str) -> Finding:
        return cls(name, State.FAILED, found, remedy)

    @property
    def passed(self) -> bool:
        """Whether a grading can run in spite of it."""
        return self.state is not State.FAILED

    def as_text(self) -> str:
        return f"{_SIGNS[self.state]} {self.name}: {self.found}" + (self.remedy and f"\n    {self.remedy}")

    def as_json(self) -> str:
        return json.dumps({name: getattr(self, name) for name in self.__slots__})
