"""Markdown that attacks whoever counts its words."""

from __future__ import annotations

import pytest

from autograder.checks.notebooks.quality import read_explanations
from autograder.loaders.notebook import load_notebook
from tests.hostile.test_notebook_files import SECONDS, document, markdown, within

SENTENCES = [
    " ".join(f"Word number {i} is unlike {i * 7 + cell}." for i in range(20)) for cell in range(1_000)
]
MARKS = [mark * 19_000 for mark in ("[", "(", "<", "*", "_[")]


@pytest.mark.parametrize("cells", [SENTENCES, MARKS * 4], ids=["sentences", "marks"])
def test_explanations_are_read_in_time(cells: list[str]) -> None:
    notebook = load_notebook(document(*[markdown(cell) for cell in cells]), "n.ipynb")
    explained = within(SECONDS, lambda: read_explanations(notebook))
    assert explained.repeated >= 0
