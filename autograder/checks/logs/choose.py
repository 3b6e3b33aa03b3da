"""Which of the files that were handed in may be a training's log, the likeliest first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

MOST_FILES = 300
EVENTS = re.compile(r"events\.out\.tfevents\.")
_NEVER_IN = frozenset(
    "__macosx .ipynb_checkpoints node_modules .git site-packages __pycache__ venv .venv".split()
)
_NEVER = re.compile(
    r"requirements|constraints|environment|licen[cs]e|pip[-_]?(?:log|freeze|list)|install|predictions?\b"
    r"|submission|synset|wnids|words|labels|classes|class_index|package(?:-lock)?\.json|hparams|setup|readme\.txt"
    r"|\bmanifest\b|annotations|val_annotations|tokenizer|vocab|config",
    re.IGNORECASE,
)
_LOG_NAME = re.compile(
    r"log|train|nohup|slurm|stdout|stderr|output|out\b|history|metrics|summary|results?|progress|epoch|run|console"
    r"|screen|scalars|accura|curve|loss|record|state|report|eval|val|imagenet|resnet|stats|tag",
    re.IGNORECASE,
)
_LOGS = frozenset({".log", ".out", ".err"})
_TABLES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
_PERHAPS = frozenset({".txt", ".json", ".dat", ".text", ""})
_PROSE = frozenset({".md", ".markdown", ".rst"})
_LAST = 6  # nothing speaks for it but that it may be text
_NO_LOG = re.compile(
    r"makefile|dockerfile|readme|authors|codeowners|notice|procfile|checkpoint|model|weights", re.IGNORECASE
)
_UNREAD = frozenset(
    "gz bz2 xz zst 7z rar docx doc odt xlsx xls ods pdf png jpg jpeg webp pkl npy mat rtf".split()
)
_LIKELY = re.compile(r"log|output|stdout|history|metrics|console|screen|terminal|training", re.IGNORECASE)


def find_logs(paths: Iterable[str]) -> tuple[str, ...]:
    """Candidates among ``paths`` (a mapping of files will do), by name alone."""
    ranked = sorted((rank, path) for path in paths if (rank := _rank(path)) is not None)
    return tuple(path for _, path in ranked[:MOST_FILES])


def _rank(path: str) -> int | None:
    pure = PurePosixPath(path)
    folders = [part.lower() for part in pure.parts[:-1]]
    name, suffix = pure.name, pure.suffix.lower()
    if any(part in _NEVER_IN for part in folders) or name.startswith("._"):
        return None
    if EVENTS.search(name):
        return 0
    if re.fullmatch(r"\.\d{1,3}", suffix):  # train.log.1
        suffix = PurePosixPath(pure.stem).suffix.lower()
    if suffix in _PROSE:
        return 4
    if _NEVER.search(name) or (not suffix and (name.startswith(".") or _NO_LOG.search(name))):
        return None
    in_logs = any("log" in part or "run" in part for part in folders)
    if suffix in _LOGS:
        return 0
    if suffix in _TABLES:
        return 1
    if suffix in _PERHAPS:
        return 2 if _LOG_NAME.search(name) or in_logs else 3 if suffix == ".txt" else _LAST
    if re.search(r"\.o\d{3,}$|\.e\d{3,}$", name):  # a batch system's
        return 1
    return 5 if suffix == ".ipynb" else None


def is_likely(path: str) -> bool:
    """Whether the file's name says that it is a log, and not only that it may be text."""
    return _rank(path) not in (None, _LAST)


def unread(paths: Iterable[str]) -> tuple[str, ...]:
    """Files that are called like a log and can't be read: packed, or a document, or a picture."""
    found = []
    for path in paths:
        name = PurePosixPath(path).name
        stem, _, ending = name.lower().rpartition(".")
        if ending in _UNREAD and (_LIKELY.search(stem) or stem.endswith((".log", ".txt", ".csv"))):
            found.append(path)
    return tuple(sorted(found)[:MOST_FILES])
