"""Notebooks made of a cell's source and what it put out."""

from __future__ import annotations

from autograder.loaders.notebook import Cell, Notebook, Output


def stream(text: str, name: str = "stdout") -> Output:
    return Output("stream", name, text)


def result(text: str, html: str = "") -> Output:
    return Output("result", "", text, {"text/html": html} if html else {})


def notebook(*cells: tuple[str, str | Output | list[Output]]) -> Notebook:
    """Code cells: each a source, and an output, or the text that it printed."""
    made = []
    for number, (source, given) in enumerate(cells, start=1):
        outputs = given if isinstance(given, list) else [stream(given) if isinstance(given, str) else given]
        made.append(
            Cell(number, "code", source, outputs=tuple(one for one in outputs if one.text or one.data))
        )
    return Notebook(tuple(made))
