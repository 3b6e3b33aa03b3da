"""Notebooks: what Jupyter writes comes back, outputs are capped and say so, damage is told by its cell."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.loaders.notebook import Cell, NotebookLimits, Output, load_notebook
from autograder.loaders.problems import MIB, Malformed, TooLarge
from tests.loaders.refusals import frugal, in_little_memory, refused
from tests.loaders.samples import code, error, markdown, notebook, notebook_3, result, stream


def cells(*made: object, limits: NotebookLimits | None = None) -> tuple[Cell, ...]:
    return load_notebook(notebook(*made), "x.ipynb", limits).cells


def test_a_notebook_is_read() -> None:
    attached = {"p.png": {"image/png": "aGk=\n", "application/x-evil": "x"}}
    plot = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": ["aG\n", "k="], "text/plain": "F"},
    }
    got = load_notebook(
        notebook(
            markdown("# T\n", attachments=attached),
            code(
                "x = 1\nx",
                stream("a\n"),
                stream("b", "stderr"),
                result(text_plain=["1", "2"], text_html="<b>"),
            ),
            code("plot()", plot, error(), count=None),
            {"cell_type": "raw", "source": "raw", "metadata": {}},
        ),
        "x.ipynb",
    )
    assert got.cells == (
        Cell(1, "markdown", "# T\n", attachments={"p.png": {"image/png": "aGk="}}),
        Cell(
            2,
            "code",
            "x = 1\nx",
            1,
            (
                Output("stream", "stdout", "a\n"),
                Output("stream", "stderr", "b"),
                Output("result", "", "12", {"text/html": "<b>"}),
            ),
        ),
        Cell(
            3,
            "code",
            "plot()",
            None,
            (
                Output("display", "", "F", {"image/png": "aGk="}),
                Output("error", "ValueError", "ValueError: bad\nline 1\nline 2"),
            ),
        ),
        Cell(4, "raw", "raw"),
    )
    assert (got.language, got.kernel, got.notes) == ("python", "python3", ())


def test_one_written_by_colab_says_so() -> None:
    got = load_notebook(
        notebook(code(), metadata={"colab": {"provenance": []}, "kernelspec": {"name": "python3"}}), "x"
    )
    assert (got.kernel, got.language) == ("colab", "")


def test_metadata_steers_nothing() -> None:
    """A tag that lets an exception pass, a kernel to start, a script to run: none of it is there any more."""
    evil = code("x")
    evil["metadata"] = {"tags": ["raises-exception"], "evil": "MARK"}
    data = notebook(
        evil, metadata={"kernelspec": {"name": "x" * 5000, "argv": ["MARK"]}, "widgets": {"MARK": 1}}
    )
    got = load_notebook(data, "x")
    assert "MARK" not in repr(got)
    assert len(got.kernel) == 100


def test_scripts_are_not_among_the_outputs() -> None:
    data = {
        "application/javascript": "alert(1)",
        "application/vnd.jupyter.widget-view+json": {"model_id": "1"},
        "text/plain": "shown",
        "application/json": {"a": 1},
    }
    (cell,) = cells(code("x", {"output_type": "display_data", "data": data}))
    assert cell.outputs == (Output("display", "", "shown"),)


SOURCES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), SOURCES, SOURCES), max_size=5))
def test_what_nbformat_writes_is_read_back(made: list[tuple[bool, str, str]]) -> None:
    book = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    for is_code, source, printed in made:
        if is_code:
            outputs = [nbformat.v4.new_output("stream", text=printed)]  # type: ignore[no-untyped-call]
            book.cells.append(nbformat.v4.new_code_cell(source, outputs=outputs))  # type: ignore[no-untyped-call]
        else:
            book.cells.append(nbformat.v4.new_markdown_cell(source))  # type: ignore[no-untyped-call]
    got = load_notebook(nbformat.writes(book).encode(), "x.ipynb").cells  # type: ignore[no-untyped-call]
    assert [(cell.kind == "code", cell.source) for cell in got] == [one[:2] for one in made]
    assert [cell.outputs[0].text for cell in got if cell.outputs] == [one[2] for one in made if one[0]]


def test_format_3_is_read_with_a_note() -> None:
    got = load_notebook(notebook_3(), "x.ipynb")
    assert got.notes == ("The notebook is of the older format 3 and was read as format 4.",)
    assert got.cells == (
        Cell(1, "markdown", "## A title"),
        Cell(2, "markdown", "text"),
        Cell(
            3,
            "code",
            "x = 1\nx",
            3,
            (
                Output("stream", "stdout", "printed"),
                Output("result", "", "1", {"image/png": "aGk=", "text/html": "<b>1</b>"}),
                Output("error", "E", "E: v\nt"),
            ),
        ),
    )


@pytest.mark.parametrize("level", [0, -5, 10**18, 10**300, "x", None, [], True])
def test_a_heading_of_any_level_costs_nothing(level: Any) -> None:
    """nbformat's own upgrade writes that many "#"."""
    heading = {"cell_type": "heading", "level": level, "source": "T"}
    data = json.dumps({"nbformat": 3, "worksheets": [{"cells": [heading]}]}).encode()
    with frugal(1):
        got = load_notebook(data, "x").cells[0].source
    assert got.strip("#") == " T"
    assert 1 <= got.count("#") <= 6


def broken(**more: Any) -> bytes:
    return json.dumps({"nbformat": 4, "metadata": {}, "cells": [], **more}).encode()


BAD: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"# A script\n", "is not valid JSON: Expecting value (line 1, column 1)"),
    "cut off": (
        notebook(code())[:-10],
        "is not valid JSON: Unterminated string starting at (line 1, column 279)",
    ),
    "a list": (b"[]", "is JSON, but not a notebook: it doesn't say its nbformat"),
    "another document": (b'{"a": 1}', "is JSON, but not a notebook: it doesn't say its nbformat"),
    "format as text": (broken(nbformat="4"), "is JSON, but not a notebook: it doesn't say its nbformat"),
    "format true": (broken(nbformat=True), "is JSON, but not a notebook: it doesn't say its nbformat"),
    "format 2": (broken(nbformat=2), "is a notebook of format 2, where 4 is expected"),
    "format 5": (broken(nbformat=5), "is a notebook of format 5, where 4 is expected"),
    "no cells": (broken(cells=None), "is not a valid notebook: 'cells' is nothing where a list is expected"),
    "no worksheets": (
        broken(nbformat=3),
        "is not a valid notebook: 'cells' is nothing where a list is expected",
    ),
    "a cell of text": (
        notebook(code(), "x"),
        "is not a valid notebook: 'the cell' is a str where an object is expected (cell 2)",
    ),
    "a cell of another type": (
        notebook(code(), {"cell_type": "\x1b[31mevil"}),
        "has a cell of the type 'evil' (cell 2)",
    ),
    "a cell without a type": (notebook({"source": ""}), "has a cell of the type NoneType (cell 1)"),
    "a type that can't be one": (notebook({"cell_type": []}), "has a cell of the type list (cell 1)"),
    "no source": (
        notebook({"cell_type": "code"}),
        "is not a valid notebook: 'source' is nothing where text is expected (cell 1)",
    ),
    "source of numbers": (
        notebook(markdown(source=[1])),  # type: ignore[arg-type]
        "is not a valid notebook: 'source' is a list where text is expected (cell 1)",
    ),
    "outputs of text": (
        notebook({**code(), "outputs": "x"}),
        "is not a valid notebook: 'outputs' is a str where a list is expected (cell 1)",
    ),
    "an output of text": (
        notebook(code("x", "y")),
        "is not a valid notebook: 'an output' is a str where an object is expected (cell 1)",
    ),
    "an output of another type": (
        notebook(code("x", {"output_type": "evil"})),
        "has an output of the type 'evil' (cell 1)",
    ),
    "an output's type that can't be one": (
        notebook(code("x", {"output_type": {}})),
        "has an output of the type dict (cell 1)",
    ),
    "printed numbers": (
        notebook(code("x", {"output_type": "stream", "text": 1})),
        "is not a valid notebook: 'text' is a int where text is expected (cell 1)",
    ),
    "a picture of numbers": (
        notebook(code("x", result(image_png=5))),
        "is not a valid notebook: 'image/png' is a int where text is expected (cell 1)",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_notebook(what: str) -> None:
    data, said = BAD[what]
    assert refused(load_notebook, data) == said


def test_what_is_missing_and_does_no_harm_is_let_be() -> None:
    bare: dict[str, Any] = {"cell_type": "code", "source": "x", "execution_count": "7"}
    said = {"output_type": "error"}
    bare["outputs"] = [said, {"output_type": "stream", "text": "t"}, {"output_type": "execute_result"}]
    got = load_notebook(json.dumps({"nbformat": 4, "cells": [bare]}).encode(), "x")
    assert got.cells[0].execution_count is None
    assert [output.text for output in got.cells[0].outputs] == [": ", "t", ""]


SMALL = NotebookLimits(
    max_cells=3,
    max_source_chars=10,
    max_outputs=2,
    max_output_chars=10,
    max_picture_chars=8,
    max_kept_chars=30,
)


def test_limits_on_cells_are_met_exactly() -> None:
    assert len(cells(*[markdown("0123456789")] * 3, limits=SMALL)) == 3
    said = refused(load_notebook, notebook(*[markdown("x")] * 4), SMALL, kind=TooLarge)
    assert said == "has 4 cells, where 3 are allowed"
    said = refused(load_notebook, notebook(markdown("x"), code("0123456789x")), SMALL, kind=TooLarge)
    assert said == "has a cell of 11 characters (cell 2)"


def test_a_long_output_keeps_its_ends_and_says_what_was_cut() -> None:
    book = load_notebook(
        notebook(code("x", stream("0123456789")), code("y", stream("abcdefghijklmn"))), "x", SMALL
    )
    assert book.cells[0].outputs == (Output("stream", "stdout", "0123456789"),)
    cut = "abcde\n… (4 characters cut out here) …\njklmn"
    assert book.cells[1].outputs == (Output("stream", "stdout", cut, cut_chars=4),)
    assert book.notes == ("An output was long; its middle was cut out (in cell 2).",)


def test_all_outputs_together_are_bounded() -> None:
    ten = stream("0123456789")
    book = load_notebook(notebook(code("x", ten, ten), code("y", ten, ten)), "x", SMALL)
    assert [output.cut_chars for cell in book.cells for output in cell.outputs] == [0, 0, 0, 10]
    assert book.cells[1].outputs[1].text == "\n… (10 characters cut out here) …\n"
    pictures = result(image_png="12345678"), result(image_png="123456789")
    book = load_notebook(notebook(code("x", *pictures), code("y", *pictures)), "x", SMALL)
    assert [dict(output.data) for cell in book.cells for output in cell.outputs] == [
        {"image/png": "12345678"},
        {},
        {"image/png": "12345678"},
        {},
    ]
    assert book.notes == ("A picture was too large and was left out (in cells 1, 2).",)


def test_the_number_of_outputs_is_bounded() -> None:
    book = load_notebook(notebook(code("x", *[stream("1")] * 3), code("x", *[stream("1")] * 2)), "x", SMALL)
    assert [len(cell.outputs) for cell in book.cells] == [2, 2]
    assert book.notes == ("Only the first 2 outputs of a cell were kept (in cell 1).",)


def test_a_note_names_a_few_cells_only() -> None:
    limits = NotebookLimits(max_output_chars=1)
    book = load_notebook(notebook(*[code("x", stream("123"))] * 9), "x", limits)
    assert book.notes == ("An output was long; its middle was cut out (in cells 1, 2, 3, 4, 5, …).",)


def test_a_notebook_of_50_mb_is_read_in_bounded_memory() -> None:
    data = notebook(*[code("x", stream("line\n" * 10**6)) for _ in range(10)])
    assert len(data) > 50 * MIB
    imports = "from autograder.loaders.notebook import load_notebook"
    assert in_little_memory(imports, "load_notebook(data, 'x')", data, 400) == "loaded"
    kept = load_notebook(data, "x")
    assert all(len(cell.outputs[0].text) < 200_100 for cell in kept.cells)
    assert kept.cells[0].outputs[0].cut_chars == 5 * 10**6 - 200_000


@settings(deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-3, 5)
        | st.sampled_from(["", "code", "stream", "pyout", "text"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    "nbformat cells worksheets cell_type source input outputs output_type text data level "
                    "metadata attachments traceback ename kernelspec name text/plain image/png".split()
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    ),
    st.sampled_from([3, 4]),
)
def test_any_document_is_a_notebook_or_one_sentence(inner: Any, version: int) -> None:
    document = {"nbformat": version, "cells": inner, "worksheets": [{"cells": inner}], "metadata": inner}
    for made in (document, inner):
        try:
            book = load_notebook(json.dumps(made).encode(), "x")
        except Malformed:
            continue
        assert all(isinstance(cell.source, str) for cell in book.cells)
