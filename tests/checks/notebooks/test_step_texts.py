"""Target, Results and Analysis are found in the spellings of real notebooks, and nowhere else."""

from __future__ import annotations

import pytest

from autograder.checks.notebooks.step_texts import Place, Where, read_plain_texts, read_step_texts
from autograder.checks.notebooks.step_words import Part, headed
from autograder.loaders.notebook import Cell, Notebook

T, R, A = Part.TARGET, Part.RESULTS, Part.ANALYSIS
NET = "class Net(nn.Module):\n    pass\nmodel = Net()"
TRAIN = "for epoch in range(15):\n    train(model)"


def notebook(*cells: tuple[str, str]) -> Notebook:
    return Notebook(tuple(Cell(at, kind, source) for at, (kind, source) in enumerate(cells, 1)))


@pytest.mark.parametrize(
    ("line", "parts", "rest"),
    [
        ("Target:", (T,), ""),
        ("## Targets", (T,), ""),
        ("**Result**", (R,), ""),
        ("Analysis -", (A,), ""),
        ("Observations", (A,), ""),
        ("Target - 99.4", (T,), "99.4"),
        ("Target is 99.4 % in 15 epochs", (T,), "is 99.4 % in 15 epochs"),
        ("1. Target :", (T,), ""),
        ("### 🎯 Target", (T,), ""),
        ("Results & Analysis:", (R, A), ""),
        ("Step 1: Target", (T,), ""),
        ("Our targets for step 2 (first try)", (T,), ""),
        ("Analysis of results:", (A,), ""),
        ("Result Analysis:", (A,), ""),
        ("Anaylsis:", (A,), ""),
        ("Zielsetzung:", (T,), ""),
        ("**Ergebnisse**: 7.764 Parameter", (R,), "7.764 Parameter"),
        ("Target Accuracy: 99.4", (T,), "99.4"),
        ("Results:-", (R,), ""),
        ("* **Results**:", (R,), ""),
        ("Targets, Results and Analysis", (T, R, A), ""),
    ],
)
def test_a_heading_is_read(line: str, parts: tuple[Part, ...], rest: str) -> None:
    found = headed(line)
    assert found is not None
    assert (found.parts, found.rest) == (parts, rest)


@pytest.mark.parametrize(
    "line",
    [
        "Target accuracy of 99.4 was reached",
        "target, data = batch",
        "results-driven work",
        "The goal is reached: 99.4 % in each epoch",
        "Results are better than before",
        "The results show that it learns",
        "Target for next step: add dropout",
        "Best Train Accuracy: 98.9",
        "Learning rate: 0.1",
        "learning rate scheduler added",
        "",
        "*" * 5_000,
        "Target" * 2_000,
    ],
)
def test_what_is_no_heading(line: str) -> None:
    assert headed(line) is None


THREE = {
    "a heading each": "## Target\nreach 99.4\n\n## Result\n* 7,764 parameters\n* 99.41 %\n\n"
    "## Analysis\nIt works.",
    "colons": "Target: reach 99.4\nResults: 7,764 parameters, 99.41 %\nAnalysis: It works.",
    "bold, on one line": "**Target:** reach 99.4 **Results:** 7,764 parameters, 99.41 % **Analysis:** "
    "It works.",
    "a table by columns": "| Target | Result | Analysis |\n|---|---|---|\n"
    "| reach 99.4 | 7,764 parameters, 99.41 % | It works. |",
    "a table by rows": "| | |\n|---|---|\n| **Target** | reach 99.4 |\n"
    "| **Results** | 7,764, 99.41 % |\n| Analysis | It works. |",
    "HTML": "<h3>Target</h3><p>reach 99.4</p><b>Results:</b><br>7,764, 99.41 %<h3>Analysis</h3>It works.",
    "numbered": "1. Target\n   - reach 99.4\n2. Results\n   - 7,764, 99.41 %\n3. Analysis\n   - It works.",
    "German": "**Ziel:** reach 99.4\n\n**Ergebnis:** 7.764, 99,41 %\n\n**Auswertung:** It works.",
    "other words": "Goals:\nreach 99.4\n\nOutcome:\n7,764, 99.41 %\n\nObservations:\nIt works.",
}


@pytest.mark.parametrize("text", THREE.values(), ids=THREE)
def test_three_parts_are_found(text: str) -> None:
    found = read_plain_texts(text)
    assert found.missing == ()
    said = {one.part: one.text for one in found.texts}
    assert "99.4" in said[T]
    assert "41" not in said[T]
    assert "41" in said[R]
    assert said[A] == "It works."


@pytest.mark.parametrize(
    "source",
    [
        '"""\nTarget: reach 99.4\nResults: 99.41 %\nAnalysis: It works.\n"""',
        "# Target: reach 99.4\n# Results: 99.41 %\n# Analysis: It works.",
        "'''Target\n  reach 99.4\nResult\n  99.41 %\nAnalysis\n  It works.'''\nimport torch",
        'print("Target: reach 99.4")\nprint("Results: 99.41 %")\nprint("Analysis: It works.")',
        'text = f"""Target: reach 99.4\nResults: {best:.2f} 99.41\nAnalysis: It works."""\nprint(text)',
        "Target: reach 99.4 in 15 epochs\nResults: 99.41 % it is\nAnalysis: It works.",
        "%%markdown\nTarget: reach 99.4\n\nResults: 99.41 %\n\nAnalysis: It works.",
    ],
)
def test_code_cells_hold_them_too(source: str) -> None:
    found = read_step_texts(notebook(("code", source), ("code", NET), ("code", TRAIN)))
    assert found.missing == ()
    assert {one.place for one in found.texts} == {Place.START}


def test_code_says_target_in_other_ways_too() -> None:
    found = read_step_texts(
        notebook(
            (
                "code",
                "def train(data, target):\n    '''Target: a tensor\n    Results: a loss'''\n"
                "    return target",
            ),
            ("code", "plt.title('Target')\nresults = []\nfor data, target in loader:\n    results.append(1)"),
        )
    )
    assert found.missing == (T, R, A)


def test_places_are_told() -> None:
    found = read_step_texts(
        notebook(
            ("markdown", "# Step 1\n## Target\nA skeleton"),
            ("code", "import torch"),
            ("code", NET),
            ("markdown", "Analysis: of the data"),
            ("code", TRAIN),
            ("code", "plt.plot(losses)"),
            ("markdown", "## Results\n99.1 %"),
        )
    )
    assert [(one.part, one.place) for one in found.texts] == [
        (T, Place.START),
        (R, Place.END),
        (A, Place.MIDDLE),
    ]


def test_a_heading_alone_opens_the_next_cell() -> None:
    found = read_step_texts(notebook(("markdown", "# Target"), ("markdown", "* reach 99.4"), ("code", NET)))
    assert [one.text for one in found.texts] == ["* reach 99.4"]


def test_headings_without_a_text_are_empty() -> None:
    found = read_step_texts(
        notebook(("markdown", "## Target\n\n## Results\nTODO\n## Analysis\n..."), ("code", NET))
    )
    assert found.texts == ()
    assert set(found.empty) == {T, R, A}


def test_another_heading_ends_a_text() -> None:
    found = read_plain_texts("## Target\nreach 99.4\n## Import libraries\nWe import torch.")
    assert [one.text for one in found.texts] == ["reach 99.4"]


def test_markdown_goes_before_comments() -> None:
    found = read_step_texts(
        notebook(("code", "# Target: labels of the batch\nx = 1"), ("markdown", "Target: reach 99.4"))
    )
    assert [(one.text, one.where) for one in found.texts] == [("reach 99.4", Where.MARKDOWN)]


@pytest.mark.parametrize(
    "text",
    ["|" * 50_000, "Target:" * 8_000, "<" * 60_000, "**" * 30_000, "Target: \u202e\x1b[31mred"],
    ids=lambda text: text[:4],
)
def test_hostile_texts_are_read_and_tamed(text: str) -> None:
    found = read_plain_texts(text)
    assert all("\x1b" not in one.text and "\u202e" not in one.text for one in found.texts)
