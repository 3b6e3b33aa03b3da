"""Notebooks of format 3 (IPython 1 and 2) rearranged as format 4.

Only names and places change; whatever isn't as it should be is handed on for the reader of format 4 to name.
nbformat's own upgrade isn't used: it writes a heading's level as that many "#", so that one number in a file
decides how much memory it takes, and it logs the student's text where it finds fault.
"""

from __future__ import annotations

from typing import Any

_MAX_HEADING = 6
_MEDIA = {
    "text": "text/plain",
    "html": "text/html",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "latex": "text/latex",
}
_OUTPUT_TYPES = {"pyout": "execute_result", "pyerr": "error"}


def upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """The document in the form of format 4, its worksheets (nearly always one) one after the other."""
    sheets = document.get("worksheets")
    cells: Any = None
    if isinstance(sheets, list):
        found = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        cells = [_cell(cell) for some in found if isinstance(some, list) for cell in some]
    return {"nbformat": 4, "metadata": document.get("metadata"), "cells": cells}


def _cell(cell: Any) -> Any:
    if not isinstance(cell, dict):
        return cell
    kind = cell.get("cell_type")
    if kind == "code":
        outputs = cell.get("outputs", [])
        return {
            "cell_type": "code",
            "source": cell.get("input"),
            "execution_count": cell.get("prompt_number"),
            "outputs": [_output(one) for one in outputs] if isinstance(outputs, list) else outputs,
        }
    if kind == "heading":
        return {"cell_type": "markdown", "source": _heading(cell)}
    return {"cell_type": "markdown" if kind == "html" else kind, "source": cell.get("source")}


def _heading(cell: dict[str, Any]) -> Any:
    source, level = cell.get("source"), cell.get("level")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return source
    hashes = "#" * min(max(level, 1), _MAX_HEADING) if type(level) is int else "#"
    return f"{hashes} {' '.join(source.splitlines())}"


def _output(output: Any) -> Any:
    if not isinstance(output, dict):
        return output
    kind = output.get("output_type")
    kind = _OUTPUT_TYPES.get(kind, kind) if isinstance(kind, str) else kind
    if kind == "stream":
        return {"output_type": kind, "name": output.get("stream"), "text": output.get("text")}
    if kind == "error":
        return {**output, "output_type": kind}
    data = {media: output[short] for short, media in _MEDIA.items() if short in output}
    return {"output_type": kind, "data": data}
