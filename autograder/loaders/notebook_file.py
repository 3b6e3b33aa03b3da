"""Writes a notebook as a file that every notebook program opens, with nothing that a page would act on."""

from __future__ import annotations

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from autograder.loaders.notebook import Cell, Notebook, Output

_SAFE_MEDIA = ("text/plain", "image/png", "image/jpeg")  # HTML, SVG and LaTeX can carry scripts and links
_NEW = {"markdown": new_markdown_cell, "raw": new_raw_cell}


def notebook_file(notebook: Notebook) -> bytes:
    """The notebook in format 4, as UTF-8 JSON, with texts and pictures for outputs."""
    document = new_notebook(cells=[_cell(cell) for cell in notebook.cells])
    document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return str(nbformat.writes(document)).encode("utf-8", "replace")


def _cell(cell: Cell) -> nbformat.NotebookNode:
    if cell.kind == "code":
        written = new_code_cell(cell.source, execution_count=cell.execution_count)
        written.outputs = [_output(output) for output in cell.outputs]
    else:
        written = _NEW[cell.kind](cell.source)
    written["id"] = f"cell-{cell.number}"  # the same file for the same notebook, not a random one
    return written


def _output(output: Output) -> nbformat.NotebookNode:
    if output.kind == "stream":
        return new_output("stream", name=output.name or "stdout", text=output.text)
    if output.kind == "error":
        return new_output(
            "error", ename=output.name, evalue="", traceback=output.text.splitlines() or [output.name]
        )
    data = {media: output.data[media] for media in _SAFE_MEDIA if media in output.data}
    if output.text:
        data["text/plain"] = output.text
    if output.kind == "result":
        return new_output("execute_result", data=data, execution_count=None)
    return new_output("display_data", data=data)
