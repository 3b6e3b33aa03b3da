"""The files of a submission, by what they are good for here: source, logs, other text, notebooks, weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from autograder.checks.from_scratch.readme import Told, read_readme
from autograder.checks.from_scratch.weights import find_weights
from autograder.checks.logs.choose import find_logs, unread
from autograder.checks.logs.found import TrainingLog
from autograder.checks.logs.reading import LogFiles, survey
from autograder.intake import Tree
from autograder.loaders.notebook import Notebook, load_notebook
from autograder.loaders.problems import Malformed
from autograder.text import quote

_MOST_FILES = 400  # of one kind that are read
_MOST_BYTES = 64 << 20  # of one file that is read as text
_MOST_IN_ALL = 256 << 20  # of logs
_TEXTS = (".sh", ".bash", ".slurm", ".sbatch", ".yaml", ".yml", ".json", ".cfg", ".ini", ".toml", ".bat")
_PROSE = (".md", ".rst", ".markdown")
_SHOWN = 3
_NEVER = ("requirements", "package-lock", "imagenet_class", "synset")


@dataclass(frozen=True)
class Files:
    """``texts`` are logs, scripts, configuration and prose by their paths: what may tell the options."""

    tree: Tree
    sources: Mapping[str, str]
    texts: Mapping[str, str]
    notebooks: Mapping[str, Notebook]
    weights: tuple[str, ...]

    @cached_property
    def _surveyed(self) -> LogFiles:
        found: dict[str, bytes] = {}
        room = _MOST_IN_ALL
        for path in find_logs(self.tree.files):
            size = (self.tree.root / path).stat().st_size
            if path not in self.weights and size <= room:
                found[path] = _bytes(self.tree, path)
                room -= len(found[path])
        return survey(found)

    @property
    def logs(self) -> tuple[TrainingLog, ...]:
        """Every training that the files tell of."""
        return self._surveyed.logs

    @property
    def refused(self) -> tuple[str, ...]:
        """Why a file that looked like a log was not read."""
        return tuple(f"{one.path}: {one.why}" for one in self._surveyed.refused)

    @property
    def beside_logs(self) -> tuple[str, ...]:
        """Sentences about files that may have been meant as logs, for who handed in none."""
        told = [f"{quote(path)} was not read: hand in its text." for path in unread(self.tree.files)[:_SHOWN]]
        told += [f"{quote(one.path)} could not be read." for one in self._surveyed.refused[:_SHOWN]]
        told += [
            f"{quote(one.path)} has a single evaluation ({100 * one.top1:.3f} %), and no training."
            for one in self._surveyed.evaluations[:_SHOWN]
        ]
        return tuple(told)

    @property
    def prose(self) -> Told | None:
        """Some other Markdown file, where none is called README: the one that tells most."""
        told = [read_readme(text, path) for path, text in self.texts.items() if _ends(path, _PROSE)]
        return max(told, key=lambda one: len(one.found), default=None)


def read_files(tree: Tree) -> Files:
    """Sort the submission's files; nothing is run."""
    sources: dict[str, str] = {}
    texts: dict[str, str] = {}
    notebooks: dict[str, Notebook] = {}
    logs = set(find_logs(tree.files))
    for path in tree.files:
        if _ends(path, (".py",)) and len(sources) < _MOST_FILES:
            sources[path] = _text(tree, path)
        elif _ends(path, (".ipynb",)) and len(notebooks) < _MOST_FILES:
            notebook = _notebook(tree, path)
            notebooks |= {path: notebook} if notebook is not None else {}
        elif (_is_text(path) or path in logs) and len(texts) < _MOST_FILES:
            texts[path] = _text(tree, path)
    return Files(tree, sources, texts, notebooks, find_weights(tree.files))


def _is_text(path: str) -> bool:
    name = PurePosixPath(path).name.casefold()
    return name.endswith((*_TEXTS, *_PROSE)) and not any(never in name for never in _NEVER)


def _ends(path: str, endings: tuple[str, ...]) -> bool:
    return path.casefold().endswith(endings)


def _bytes(tree: Tree, path: str) -> bytes:
    with (tree.root / path).open("rb") as file:
        return file.read(_MOST_BYTES)


def _text(tree: Tree, path: str) -> str:
    return _bytes(tree, path)[: 8 << 20].decode("utf-8-sig", errors="replace")


def _notebook(tree: Tree, path: str) -> Notebook | None:
    try:
        return load_notebook(_bytes(tree, path), quote(path))
    except Malformed:
        return None
