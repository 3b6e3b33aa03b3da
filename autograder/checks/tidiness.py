"""Whether folders and file names are in order, by rules that stand in the assignment's data and not here.

    [[rule]]
    says = "a notebook without a name"           # what is found
    patterns = ["Untitled*.ipynb"]                # over file names, or over paths where there is a slash
    share = 0.5                                  # of the question's points that it costs, once
    hint = "Name each notebook after its step."

A rule may have a ``fact`` in the place of patterns: something about the steps that no pattern can say.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autograder.checks.steps import Steps
from autograder.outcome import ManifestFault
from autograder.text import one_line

SHOWN = 4  # paths named in one finding

Fact = Literal["unnumbered", "copies", "scattered", "strangers", "unreadable"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Rule(_Strict):
    """One thing that makes a mess; see above."""

    says: str
    share: Annotated[float, Field(gt=0, le=1)]
    hint: str
    patterns: list[str] = []
    fact: Fact | None = None
    most: Annotated[int, Field(ge=0)] = 0  # so many such files are no mess yet


class _Rules(_Strict):
    rule: list[Rule]


@dataclass(frozen=True, slots=True)
class Mess:
    """A rule that was broken, and by which files."""

    rule: Rule
    paths: tuple[str, ...]

    def describe(self) -> str:
        named = ", ".join(one_line(path) for path in self.paths[:SHOWN])
        more = f" and {len(self.paths) - SHOWN} more" if len(self.paths) > SHOWN else ""
        return f"{self.rule.says}{f': {named}{more}' if named else ''}. {self.rule.hint}"


def load_rules(path: Path) -> tuple[Rule, ...]:
    """The rules in a file of the assignment's; raises ManifestFault."""
    try:
        return tuple(_Rules.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).rule)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise ManifestFault(f"{path.name} can't be read: {error}", remedy=f"Correct {path.name}.") from error


def find_mess(files: Sequence[str], steps: Steps, rules: Sequence[Rule]) -> tuple[Mess, ...]:
    """The rules that are broken, in their order."""
    facts = _facts(steps)
    found = []
    for rule in rules:
        paths = facts[rule.fact] if rule.fact is not None else _matching(files, rule.patterns)
        if len(paths) > rule.most:
            found.append(Mess(rule, tuple(paths)))
    return tuple(found)


def share_left(found: Sequence[Mess]) -> float:
    """What is left of the question's points: none, where the shares of what is broken add up to all."""
    return max(0.0, 1.0 - sum(mess.rule.share for mess in found))


def _matching(files: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [
        path
        for path in files
        if any(
            fnmatchcase((path if "/" in pattern else PurePosixPath(path).name).lower(), pattern.lower())
            for pattern in patterns
        )
    ]


def _facts(steps: Steps) -> Mapping[Fact, list[str]]:
    paths = [step.path for step in steps.steps]
    why = {other.path: other.why for other in steps.others}
    return {
        "unnumbered": [] if steps.numbered else paths,
        "copies": [path for path, reason in why.items() if "the same as" in reason],
        "scattered": _scattered(paths),
        "strangers": [path for path, reason in why.items() if "no network" in reason],
        "unreadable": [path for path, reason in why.items() if "can't be read" in reason],
    }


def _scattered(paths: Sequence[str]) -> list[str]:
    """The notebooks, where they lie neither in one folder nor each in one of its own beside the others'."""
    folders = [PurePosixPath(path).parent for path in paths]
    if len(set(folders)) < 2:
        return []
    beside = len({folder.parent for folder in folders}) == 1 and len(set(folders)) == len(folders)
    return [] if beside else list(paths)
