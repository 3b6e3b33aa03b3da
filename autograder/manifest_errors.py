"""What is wrong with a manifest, in sentences that name the line, the table and the key.

pydantic knows where in the tree a value is wrong, not where in the file. The line is found by reading the
TOML text again, loosely: enough to point at a key, and where it isn't, the line is left out.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

_SHOWN_CHARS = 80  # of a wrong value: enough to know it again

Place = tuple[str | int, ...]  # such as ("questions", 2, "points")

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-.\"']+)\s*=")
_FENCE = re.compile(r'"""|\'\'\'')


def wrong(at: Place, message: str) -> PydanticCustomError:
    """An error that pydantic itself can't place, since it takes two parts of the manifest to see it."""
    return PydanticCustomError("manifest", "{message}", {"message": message, "at": at})


def meant(name: str, known: Sequence[str]) -> str:
    """The end of a sentence about a name that isn't there: a guess at what was meant, or a full stop."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else "."


def explain(
    error: ValidationError, model: type[BaseModel], fields: Mapping[str, Any], text: str, shown: str
) -> str:
    """One sentence for each thing that is wrong, one on a line."""
    lines = _line_numbers(text)
    return "\n".join(_sentence(each, model, fields, lines, shown) for each in error.errors())


def _sentence(
    error: ErrorDetails,
    model: type[BaseModel],
    fields: Mapping[str, Any],
    lines: dict[Place, int],
    shown: str,
) -> str:
    at: Place = error.get("ctx", {}).get("at", error["loc"])
    line = next((lines[at[:size]] for size in range(len(at), 0, -1) if at[:size] in lines), None)
    table = _table(at, fields)
    what = _what(error, at, model)
    return f"{shown}{f', line {line}' if line else ''}: {f'{table} ' if table else ''}{what}"


def _what(error: ErrorDetails, at: Place, model: type[BaseModel]) -> str:
    key = str(at[-1]) if at else ""
    if error["type"] == "extra_forbidden":
        known = list(_model_at(model, at[:-1]).model_fields)
        guess = meant(key, known)
        return f"{key} is not a key" + (guess if guess != "." else f"; the keys are: {', '.join(known)}.")
    if error["type"] == "missing":
        return f"lacks the key {key!r}." if len(at) > 1 else f"the key {key!r} is missing."
    if error["type"] == "manifest":
        return error["msg"]
    if error["type"] == "model_type":
        return f"{_dotted(at)} should be a table: keys below a line [{_dotted(at)}]."
    message = error["msg"].removeprefix("Value error, ").replace("Input should", "should")
    if isinstance(error["input"], BaseModel | Mapping) or not at:  # it takes several keys to see it
        return f"{message}."
    return f"{_dotted(at)} is {_short(error['input'])}, but {message}."


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_CHARS else f"{shown[:_SHOWN_CHARS]}…"


def _table(at: Place, fields: Mapping[str, Any]) -> str:
    """The table that a place lies in, as its header is written, with the name that its author gave it."""
    if len(at) < 2 and not (at and isinstance(fields.get(str(at[0])), dict)):
        return ""
    name = str(at[0])
    if not isinstance(at[1] if len(at) > 1 else None, int):
        return f"[{name}]"
    index = int(at[1])
    try:
        entry = fields[name][index]
        called = entry.get("number") or entry["key"]
    except (KeyError, IndexError, TypeError, AttributeError):
        called = f"no. {index + 1}"
    return f"[[{name}]] {called}:"


def _dotted(at: Place) -> str:
    """The key within its table: 'points', 'tiers.contract', or 'patterns' for an item of that list."""
    inner = at[2:] if len(at) > 2 and isinstance(at[1], int) else at[1:] or at
    return ".".join(str(part) for part in inner if isinstance(part, str)) or str(at[0])


def _model_at(model: type[BaseModel], at: Sequence[str | int]) -> type[BaseModel]:
    """The model that describes the table at this place."""
    for part in at:
        if isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            inner = [each for each in (annotation, *get_args(annotation)) if _is_model(each)]
            model = inner[0] if inner else model
    return model


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _line_numbers(text: str) -> dict[Place, int]:
    """The line that each table and key begins on."""
    found: dict[Place, int] = {}
    table: Place = ()
    counts: dict[str, int] = {}
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        was_fenced, fenced = fenced, fenced ^ (len(_FENCE.findall(line)) % 2 == 1)
        if was_fenced:
            continue
        if header := _HEADER.match(line):
            table = _header_place(header[1] == "[[", header[2], counts)
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, *_parts(key[1])), number)
    return found


def _header_place(is_list: bool, name: str, counts: dict[str, int]) -> Place:
    parts = _parts(name)
    if is_list:
        counts[parts[0]] = counts.get(parts[0], -1) + 1
    if parts[0] in counts:
        return (parts[0], counts[parts[0]], *parts[1:])
    return tuple(parts)


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]
