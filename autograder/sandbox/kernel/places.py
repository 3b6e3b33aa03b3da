"""Folders of Colab and Kaggle, mapped onto what was handed in.

A path that starts with one of them is looked for in the submission: with the folders that it names, with
fewer of them, by the file's name alone. What isn't found will be written, so it gets a place beside the
notebook.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from autograder.sandbox.kernel.context import Context

KIND = "colab"
_LOOKED_THROUGH = 5_000  # names in the tree; past this a file is not found by its name alone
_LONGEST = 1_000
_DRIVE = r"g?drive/(?:My ?Drive|Shared ?drives/[^/]*|Othercomputers/[^/]*)"
_ELSEWHERE = re.compile(
    rf"(?:(?P<drive>(?:/content/|/|\./|)?{_DRIVE}|/content/g?drive|\.\./input|/kaggle/input)"
    r"|(?P<fresh>/content|/kaggle/working|/kaggle/temp))(?:/+|$)"
)


def is_elsewhere(text: str) -> bool:
    """Whether a string names a place on Colab or Kaggle."""
    return len(text) < _LONGEST and "\n" not in text and _ELSEWHERE.match(text) is not None


class Places:
    def __init__(self, context: Context) -> None:
        self._context, self._tree = context, context.tree
        self.base = Path.cwd()  # the notebook's folder

    def here(self, text: str, *, is_start: bool = False) -> str:
        """The place for a path. ``is_start``: more text follows, so its last part is the start of a name."""
        found = _ELSEWHERE.match(text)
        if found is None:
            return text
        if found["drive"] == "../input" and Path("../input").is_dir():
            return text  # the submission has such a folder
        rest, tail = text[found.end() :], ""
        if is_start:
            rest, _, tail = rest.rpartition("/")
        parts = [part for part in rest.split("/") if part not in ("", ".", "..")]
        wild = next((n for n, part in enumerate(parts) if re.search(r"[*?\[{]", part)), len(parts))
        place = self._place(parts[:wild], on_drive=found["drive"] is not None)
        whole = "/".join((str(place), *parts[wild:]))
        self._context.used(KIND, f"{text} is {os.path.relpath(whole, self._tree)} here")
        if is_start and found[0].endswith("/"):
            return f"{whole}/{tail}"
        return f"{whole}/" if text.endswith("/") else whole

    def _place(self, parts: list[str], *, on_drive: bool) -> Path:
        there = self._existing(parts)
        if there is not None:
            return there
        if Path(parts[-1]).suffix:  # a file to be written
            folder = self._existing(parts[:-1]) or (
                self.base if on_drive else self.base.joinpath(*parts[:-1])
            )
            return folder / parts[-1]
        # A folder of the student's Drive is where the notebook lay; one of a fresh machine is yet to be made.
        return self.base if on_drive else self.base.joinpath(*parts)

    def _existing(self, parts: list[str]) -> Path | None:
        if not parts:
            return self.base
        for root in (self.base, self._tree):
            for start in range(len(parts)):
                place = root.joinpath(*parts[start:])
                if place.exists():
                    return place
        if not Path(parts[-1]).suffix:
            return None
        return next((path for path in self._files() if path.name == parts[-1]), None)

    def _files(self) -> Iterator[Path]:
        """The tree's files, the upper folders first, up to a number."""
        left, folders = _LOOKED_THROUGH, [self._tree]
        while folders:
            folder = folders.pop(0)
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                left -= 1
                if left < 0:
                    return
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    folders.append(Path(entry.path))
                elif entry.is_file():
                    yield Path(entry.path)
