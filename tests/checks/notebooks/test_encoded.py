"""Weights in a notebook's code are seen; what honest notebooks hold isn't taken for them."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from autograder.checks.notebooks.encoded import numbers_in_code
from autograder.loaders.notebook import load_notebook
from tests.sandbox.notebooks import written

_DRAWN = np.random.default_rng(2)
_BYTES = _DRAWN.bytes(8_000)
CARRYING = {
    "base64": f"w = '{base64.b64encode(_BYTES).decode()}'",
    "base64 in lines": f"w = '''{base64.encodebytes(_BYTES).decode()}'''",
    "hexadecimal": f"w = bytes.fromhex('{_BYTES.hex()}')",
    "escapes": "w = b'" + "".join(f"\\x{one:02x}" for one in _BYTES) + "'",
    "base85 in pieces": "w = (" + "\n".join(f"'{base64.b85encode(_BYTES[at : at + 80]).decode()}'"
                                            for at in range(0, 8_000, 80)) + ")",
    "a list": "w = " + str(_DRAWN.normal(size=800).round(4).tolist()),
    "rows": "w = np.array([" + ",\n".join(str(_DRAWN.random(9).tolist()) for _ in range(90)) + "])",
}  # fmt: skip
HONEST = {
    "lines of dashes": ("# " + "-" * 100 + "\n# " + "=" * 90 + "\n") * 60,
    "an address": f"!wget 'https://example.org/data.zip?token={base64.b64encode(_BYTES[:900]).decode()}'",
    "names": "classes = " + str([f"class number {at}" for at in range(1_000)]),
    "a confusion table": "m = " + str([[at] * 10 for at in range(10)]),
    "code": "model = nn.Sequential(\n" + "    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),\n" * 200 + ")",
}


@pytest.mark.parametrize("name", CARRYING)
def test_numbers_that_are_carried_in(name: str) -> None:
    found = numbers_in_code(load_notebook(written("x = 1", CARRYING[name]), "n.ipynb"))
    assert found is not None
    assert found.cell == 2


@pytest.mark.parametrize("name", HONEST)
def test_what_honest_notebooks_hold(name: str) -> None:
    notebook = load_notebook(written(HONEST[name], "# markdown\n" + CARRYING["base64"]), "n.ipynb")
    assert numbers_in_code(notebook) is None
