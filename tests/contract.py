"""Gradescope's contract, written a second time from its published description and without our models."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

FORMATS = {"text", "html", "simple_format", "md", "ansi"}
VISIBILITIES = {"visible", "hidden", "after_due_date", "after_published"}

# key -> the JSON types that it may have
DOCUMENT: dict[str, tuple[type, ...]] = {
    "score": (int, float),
    "execution_time": (int, float),
    "output": (str,),
    "output_format": (str,),
    "test_output_format": (str,),
    "test_name_format": (str,),
    "visibility": (str,),
    "stdout_visibility": (str,),
    "extra_data": (dict,),
    "tests": (list,),
    "leaderboard": (list,),
}
TEST: dict[str, tuple[type, ...]] = {
    "score": (int, float),
    "max_score": (int, float),
    "status": (str,),
    "name": (str,),
    "name_format": (str,),
    "number": (str,),
    "output": (str,),
    "output_format": (str,),
    "tags": (list,),
    "visibility": (str,),
    "extra_data": (dict,),
}
LEADERBOARD: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "value": (int, float, str),
    "order": (str,),
}
ALLOWED: dict[str, set[str]] = {
    "status": {"passed", "failed"},
    "order": {"asc", "desc"},
    **dict.fromkeys(("output_format", "name_format", "test_output_format", "test_name_format"), FORMATS),
    **dict.fromkeys(("visibility", "stdout_visibility"), VISIBILITIES),
}


def problems(data: bytes) -> list[str]:
    """Everything about a ``results.json`` that Gradescope would not accept."""
    document = json.loads(data.decode("utf-8"), parse_constant=_refuse)
    found = list(_object(document, DOCUMENT, "document"))
    for index, test in enumerate(document.get("tests", [])):
        found += _object(test, TEST, f"tests[{index}]")
        found += [f"tests[{index}].tags: {tag!r}" for tag in test.get("tags", []) if not isinstance(tag, str)]
    for index, entry in enumerate(document.get("leaderboard", [])):
        found += _object(entry, LEADERBOARD, f"leaderboard[{index}]")
    if "score" not in document and any("score" not in test for test in document.get("tests", [])):
        found.append("no score, neither for the document nor for every test")
    return found + [f"text that UTF-8 can't hold: {text!r}" for text in _texts(document) if not _holds(text)]


def total(data: bytes) -> float:
    """The sum of all entries' maxima."""
    return math.fsum(test["max_score"] for test in json.loads(data)["tests"])


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _object(value: object, keys: dict[str, tuple[type, ...]], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no object"
        return
    for key, item in value.items():
        if key not in keys:
            yield f"{where}.{key} is not a key"
        elif not _fits(key, item, keys[key]):
            yield f"{where}.{key} is {item!r}"


def _fits(key: str, item: object, types: tuple[type, ...]) -> bool:
    if not isinstance(item, types) or isinstance(item, bool):
        return False
    if isinstance(item, float) and not math.isfinite(item):
        return False
    return key not in ALLOWED or item in ALLOWED[key]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)


def _holds(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" or char == "\0" for char in text)
