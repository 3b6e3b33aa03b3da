"""Notebooks as files that attack whoever reads them: no exception but a refusal, and no endless time."""

from __future__ import annotations

import base64
import json
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import nbformat
import pytest

from autograder.assignment import NotebookSpec
from autograder.checks.notebooks.execution import read_execution
from autograder.checks.notebooks.plots import read_plots
from autograder.checks.notebooks.prose import read_prose
from autograder.checks.notebooks.series import final_accuracy, read_series
from autograder.checks.notebooks.source import read_source
from autograder.handed_notebook import NotebookWork
from autograder.intake import Tree
from autograder.loaders.notebook import Notebook, load_notebook
from autograder.loaders.notebook_file import notebook_file
from autograder.loaders.problems import Malformed
from autograder.sandbox.notebook import NotebookModule, RunPlan
from autograder.sandbox.submission import Submission

SECONDS = 12.0  # for all that is read of one notebook; a machine that is busy takes three times its time


def document(*cells: dict[str, Any]) -> bytes:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)}).encode()


def code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": list(outputs)}


def markdown(source: str, **more: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source, "metadata": {}} | more


def printed(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def shown(**data: Any) -> dict[str, Any]:
    named = {name.replace("_", "/"): value for name, value in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": named}


def bomb(width: int, height: int) -> str:
    """A picture of one colour, in base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


def long(piece: str) -> str:
    return piece * (199_000 // len(piece))


DEEP_SOURCES = {
    "sum": "x = 1" + " + 1" * 50_000,
    "minus": "x = " + "-" * 50_000 + "1",
    "attributes": "a" + ".b" * 900,
    "calls": "f" + "()" * 450,
    "lists": "x = " + "[" * 90 + "]" * 90,
    "elifs": "if a: pass\n" + "elif b: pass\n" * 900,
    "choices": "x = " + "1 if a else " * 300 + "2",
    "power": "epochs = 10 ** 10 ** 10\nx = 'a' * 10 ** 10\ny = 1 << 10 ** 10\nlearn.fit(epochs)",
    "doubled": "x = (1, 2)\n" + "x = x + x\n" * 100,
    "calling each other": "\n".join(f"def f{i}():\n f{i + 1}(); f{i + 1}()" for i in range(200)) + "\nf0()",
    "itself": "def f(): f()\nclass A(A): pass\nf()",
    "endless loops": "for i in range(10 ** 15):\n for j in range(10 ** 15):\n  opt.step()",
    "no character": "x = 1\x00",
    "a long line": "!" * 900_000,
    "quotes": '"""' * 300_000,
    "brackets": "[" * 900_000,
    "backslashes": "\\\n" * 400_000,
}
OUTPUTS = {
    "digits": long("0."),
    "rows": long("| 1 | 2 |\n"),
    "epochs": long("epoch 1 loss 1\n"),
    "bars": long("100%|█"),
    "brackets": long("[1/1 ("),
    "table": "<table>" + long("<tr><td>1"),
    "tags": "<table>" + long("<"),
    "carriage returns": long("acc 0.5\r"),
    "escapes": long("\x1b[2K\x1b[1A"),
    "unseen": long("acc\u200b0.5\u202e\n"),
    "control": long("\x00\x08\x0b"),
}


def read_all(notebook: Notebook) -> None:
    """All that a grading reads of a notebook."""
    read_source(notebook)
    final_accuracy(read_series(notebook))
    read_plots(notebook)
    read_execution(notebook)
    read_prose(notebook)
    nbformat.reads(notebook_file(notebook).decode(), as_version=4)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("source", DEEP_SOURCES.values(), ids=DEEP_SOURCES.keys())
def test_sources_that_attack_their_reader(source: str) -> None:
    within(SECONDS, lambda: read_all(load_notebook(document(code(source, printed("acc: 0.9"))), "n.ipynb")))


@pytest.mark.parametrize("text", OUTPUTS.values(), ids=OUTPUTS.keys())
def test_outputs_that_attack_their_reader(text: str) -> None:
    media = shown(text_html=text, text_plain="x", text_markdown=text)
    notebook = load_notebook(document(code("acc", printed(text), media), markdown(text)), "n.ipynb")
    within(SECONDS, lambda: read_all(notebook))


def test_pictures_that_unpack_to_gigabytes() -> None:
    picture = bomb(4000, 4000)
    assert len(picture) < 50_000
    cells = [code("plt.plot(x)", *[shown(image_png=picture)] * 20) for _ in range(10)]
    plots = within(4 * SECONDS, lambda: read_plots(load_notebook(document(*cells), "n.ipynb")))
    assert len(plots) == 200
    assert sum(plot.width * plot.height for plot in plots) <= 220_000_000


def within(seconds: float, act: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = act()
    assert time.perf_counter() - started < seconds
    return result


REFUSED = {
    "deep": b'{"nbformat": 4, "cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep metadata": document(markdown("x", metadata=json.loads("[" * 60 + "]" * 60))),
    "a name twice": b'{"nbformat": 4, "cells": [], "cells": [{"cell_type": "code"}]}',
    "NaN": b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": NaN}]}',
    "infinite": b'{"nbformat": 4, "cells": [], "metadata": {"x": 1e999}}',
    "digits": b'{"nbformat": ' + b"4" * 100_000 + b', "cells": []}',
    "too many cells": document(*[markdown("x")] * 2_001),
    "too many values": document(code("x", *[printed("x")] * 150_000)),
    "a long cell": document(code("x" * 1_000_001)),
    "no list": b'{"nbformat": 4, "cells": {"0": {}}}',
    "attachments": document(markdown("x", attachments=["x"])),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_files_that_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        within(SECONDS, lambda: load_notebook(data, "n.ipynb"))


def test_a_file_of_50_mb_of_little_things() -> None:
    cells = [code("print(1)\n" * 20, *[printed("\\ud800" * 200)] * 40) for _ in range(200)]
    data = document(*cells).replace(b"\\\\ud800", b"\\ud800")
    data += b" " * (50_000_000 - len(data))
    notebook = within(3 * SECONDS, lambda: load_notebook(data, "n.ipynb"))
    assert notebook.cells[0].outputs[0].text == "\ufffd" * 200
    within(SECONDS, lambda: notebook_file(notebook))


def test_the_executed_notebook_holds_nothing_that_acts() -> None:
    script = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    data = shown(
        text_html=script, image_svg=script, application_javascript="alert(1)", text_latex="\\href{x}{y}"
    )
    data["data"] |= {"text/markdown": f"[x](javascript:alert(1)) {script}", "text/plain": "plain"}
    data["data"] |= {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "image/svg+xml": script}
    error = {"output_type": "error", "ename": script, "evalue": script, "traceback": [script]}
    cell = code("1", data, error, printed("\ud800\x1b[2J")) | {"metadata": {"tags": ["x"], "x": script}}
    picture = {"x.png": {"image/svg+xml": script}}
    written = notebook_file(load_notebook(document(cell, markdown("m", attachments=picture)), "n.ipynb"))
    found = nbformat.reads(written.decode(), as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(found)
    forms = {form for output in found.cells[0].outputs for form in output.get("data", {})}
    assert forms == {"text/plain"}
    assert found.cells[0].metadata == {}
    assert "attachments" not in found.cells[1]
    assert "svg" not in written.decode()


class _NotRun:
    """Stands for a sandbox that is asked for the notebook, and tells what plan it was given."""

    plan: RunPlan
    data: tuple[str, ...] = ()

    def notebook(self, _path: str, _notebook: Notebook, plan: RunPlan) -> NotebookModule:
        self.plan = plan
        return cast(NotebookModule, None)


EPOCHS = {"digits": "9" * 3_000, "hexadecimal": "0x" + "f" * 9_000} | {
    said: said for said in ("1e999", "1e400 - 1e400", "-1e999", "1e300", "-5", "0", "True", "20")
}


@pytest.mark.parametrize("epochs", EPOCHS.values(), ids=EPOCHS.keys())
def test_no_number_of_epochs_breaks_the_plan(tmp_path: Path, epochs: str) -> None:
    source = f"epochs = {epochs}\nlearn.fit(epochs)\nfor epoch in range(epochs):\n    opt.step()"
    (tmp_path / "n.ipynb").write_bytes(document(code(source)))
    sandbox = _NotRun()
    work = NotebookWork("n.ipynb", tree_of(tmp_path), NotebookSpec(), cast(Submission, sandbox))
    assert work.module is None
    assert sandbox.plan.epochs is None or 0 < sandbox.plan.epochs <= 10**6


def test_a_folder_may_be_called_as_a_module_is(tmp_path: Path) -> None:
    (tmp_path / "n.ipynb").write_bytes(document(code("import helper")))
    (tmp_path / "helper.py").mkdir()
    (tmp_path / "helper.py" / "inner.py").write_text("x = 1")
    work = NotebookWork("n.ipynb", tree_of(tmp_path), NotebookSpec(), cast(Submission, _NotRun()))
    assert list(work.modules) == ["helper.py/inner.py"]
    assert work.source.notes is not None


def tree_of(root: Path) -> Tree:
    files = tuple(sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()))
    return Tree(root, files, (), (), "")
