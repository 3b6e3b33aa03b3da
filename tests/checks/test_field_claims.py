"""Receptive fields are read out of comments, lines and tables, and held against a network's layers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from autograder.checks.field_claims import (
    FieldTable,
    best_check,
    check,
    claims_in_code,
    claims_in_text,
    fields_in_line,
    read_field_claims,
    shows_pictures,
)
from autograder.loaders.notebook import Cell, Notebook, Output


@dataclass(frozen=True, slots=True)
class Layer:
    layer: str
    size_in: int
    size_out: int
    field_in: int
    field_out: int


# Two convolutions, a max-pooling, a 1 x 1 convolution, three convolutions, global average pooling, 1 x 1.
SIZES = [28, 26, 24, 12, 12, 10, 8, 6, 1, 1]
FIELDS = [1, 3, 5, 6, 6, 10, 14, 18, 28, 28]
NAMES = ["conv1", "conv2", "pool", "conv3", "conv4", "conv5", "conv6", "gap", "conv7"]
ROWS = [Layer(name, SIZES[at], SIZES[at + 1], FIELDS[at], FIELDS[at + 1]) for at, name in enumerate(NAMES)]


def table(*fields: int) -> FieldTable:
    (found,) = claims_in_text(
        "| layer | RF |\n|---|---|\n" + "\n".join(f"| l{n} | {f} |" for n, f in enumerate(fields)), "x"
    )
    return found


@pytest.mark.parametrize(
    ("comment", "fields"),
    [
        ("28 > 26 | RF 3", [3]),
        (" input -28x28x1, output 26x26x8, RF 3x3", [3]),
        ("RF - 5*5", [5]),
        ("output 26, RF=3", [3]),
        ("r_out=5", [5]),
        ("receptive field (5x5)", [5]),
        ("r_in: 1, r_out:3", [3]),
        ("RF: 1 > 3", [3]),
        ("RF=1x1 -> 3x3", [3]),
        ("3x3 RF", [3]),
        ("rezeptives Feld: 14", [14]),
        ("receptive field: 3 -> 5 -> 6 -> 10", [3, 5, 6, 10]),
        ("RF after conv2 = 3 + (3-1)*1 = 5", [5]),
        ("RF = 6 + (3 - 1) * 2 = 10", [10]),
        ("RF: 1 + 2*1 = 3x3", [3]),
        ("output_size = 26, RF = 3", [3]),
        ("input -? OUtput? RF", []),
        ("RF: 14.5", []),
        ("performs 3x3 convolution", []),
        ("RF " + "9" * 3_000, []),
    ],
)
def test_a_line_says(comment: str, fields: list[int]) -> None:
    assert fields_in_line(comment) == fields


@pytest.mark.parametrize(
    "text",
    [
        "| Layer | k | s | n_in | n_out | r_in | r_out |\n|-|-|-|-|-|-|-|\n"
        "| conv1 | 3 | 1 | 28 | 26 | 1 | 3 |\n| conv2 | 3 | 1 | 26 | 24 | 3 | 5 |\n"
        "| MP | 2 | 2 | 24 | 12 | 5 | 6 |",
        "Layer, Kernel, RF in, RF out\nconv1, 3, 1, 3\nconv2, 3, 3, 5\nMP, 2, 5, 6",
        "layer    kernel    size    RF\nconv1    3         26      3x3\nconv2    3         24      5x5\n"
        "pool     2         12      6x6",
        "<table><tr><th>Layer</th><th>Receptive Field</th></tr>\n<tr><td>conv1</td><td>3x3</td></tr>\n"
        "<tr><td>conv2</td><td>5x5</td></tr>\n<tr><td>mp</td><td>6x6</td></tr></table>",
        "Operation;Output;Receptive Field\nconv 3x3;26;3\nconv 3x3;24;5\nmax pool;12;6",
        "- conv1: receptive field 3\n- conv2: receptive field 5\n- max-pool: receptive field 6",
        "n_in p k s n_out j_in j_out r_in r_out\n28 0 3 1 26 1 1 1 3\n26 0 3 1 24 1 1 3 5\n"
        "24 0 2 2 12 1 2 5 6",
    ],
)
def test_a_table_says(text: str) -> None:
    (found,) = claims_in_text(text, "README.md")
    assert found.fields == (3, 5, 6)


def test_a_heading_stands_with_its_table() -> None:
    text = "# Step 1\n| layer | RF |\n|-|-|\n| a | 3 |\n\n# Step 2\n| layer | RF |\n|-|-|\n| a | 5 |\n"
    assert [(one.heading, one.fields) for one in claims_in_text(text, "README.md")] == [
        ("Step 1", (3,)),
        ("Step 2", (5,)),
    ]


def test_a_notebook_is_read() -> None:
    source = (
        "class Old(nn.Module):\n  # self.c = nn.Conv2d(1, 8, 3)  # RF 99\n"
        "  self.a = nn.Conv2d(1, 8, 3)  # RF 4\n"
        "class Net(nn.Module):\n  self.a = nn.Conv2d(1, 8, 3)  # RF 3\n"
        "  self.b = nn.Conv2d(8, 8, 3)  # RF: 5x5\n"
    )
    printed = "layer  k  r_out\nconv1  3  3\nconv2  3  5\n"
    cells = (
        Cell(1, "code", source, outputs=(Output("stream", "stdout", printed),)),
        Cell(2, "markdown", "The RF is 7."),
    )
    assert [one.fields for one in read_field_claims(Notebook(cells))] == [(4,), (3, 5), (3, 5)]


@pytest.mark.parametrize(
    "fields",
    [
        (3, 5, 6, 6, 10, 14, 18, 28, 28),
        (3, 5, 6, 10, 14, 18),
        (1, 3, 5, 6, 6, 10, 14, 18, 28, 28),
        (3, 3, 3, 5, 5, 5, 6, 6, 10, 10, 14, 18),
        (3, 5, 6, 6, 10, 14, 18, 18, 18),
    ],
)
def test_right_ones_are_right(fields: tuple[int, ...]) -> None:
    assert check(table(*fields), ROWS).all_right


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ((3, 5, 6, 8, 10, 12, 14), [8, 12]),  # the jump behind the pooling forgotten
        ((3, 5, 10, 12, 16, 20, 24), [12, 16, 20, 24]),  # the pooling doubles the field
        ((5, 3), [3]),
        ((7, 9, 11), [7, 9, 11]),
    ],
)
def test_wrong_ones_are_named(fields: tuple[int, ...], wrong: list[int]) -> None:
    assert [one.claim.field for one in check(table(*fields), ROWS).wrong] == wrong


def test_one_for_each_layer_is_held_against_its_own() -> None:
    found = check(table(3, 5, 6, 10, 14, 18, 18, 28, 28), ROWS)
    assert [(one.claim.field, one.layer, one.right) for one in found.wrong] == [
        (10, "conv3", 6),
        (14, "conv4", 10),
        (18, "conv5", 14),
    ]
    assert "behind conv3 it is 6" in found.wrong[0].describe()


def test_the_best_table_counts() -> None:
    found = best_check([table(4, 8), table(3, 5, 6), table(3, 5)], ROWS)
    assert found is not None
    assert found.table.fields == (3, 5, 6)
    assert best_check([], ROWS) is None


@pytest.mark.parametrize(
    "text",
    ["|RF" * 20_000, "RF " * 40_000, "RF 3 -> " * 20_000, "|layer|RF|\n" * 20_000, "3x3 " * 50_000],
    ids=lambda text: text[:4],
)
def test_hostile_texts_take_no_time(text: str) -> None:
    claims_in_text(text, "README.md")
    read_field_claims(Notebook((Cell(1, "code", "#" + text),)))


def test_a_module_has_a_table_for_each_class() -> None:
    source = "import torch\n" + "".join(
        f"class Net{n}(nn.Module):\n    def __init__(self):\n"
        f"        self.a = nn.Conv2d(1, 8, 3)  # RF {n}\n        self.b = nn.Conv2d(8, 8, 3)  # RF {n + 2}\n"
        for n in (3, 7)
    )
    assert [one.fields for one in claims_in_code(source, "model.py")] == [(3, 5), (7, 9)]


@pytest.mark.parametrize(
    ("source", "shows"),
    [
        ("![rf](attachment:rf.png)", True),
        ('<img src="rf.png" width="300">', True),
        ("see rf.png!", False),
        ("[a table](rf.md)", False),
    ],
)
def test_pictures_in_markdown(source: str, shows: bool) -> None:
    assert shows_pictures(Notebook((Cell(1, "markdown", source),))) is shows
