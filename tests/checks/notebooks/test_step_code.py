"""What a step's code changed since the step before, and the part of it that defines its network."""

from __future__ import annotations

import pytest

from autograder.checks.notebooks.model_alone import model_alone
from autograder.checks.notebooks.source import read_source
from autograder.checks.notebooks.step_changes import changes, features
from autograder.loaders.notebook import Cell, Notebook

NET = (
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.a = nn.Conv2d(1, 8, 3)"
)
TRAIN = (
    "optimizer = optim.SGD(model.parameters(), lr=0.01)\n"
    "for epoch in range(15):\n    train(model, train_loader, optimizer)"
)


def notebook(*sources: str) -> Notebook:
    return Notebook(tuple(Cell(at, "code", source) for at, source in enumerate(sources, 1)))


def used(*sources: str) -> dict[str, str]:
    made = notebook(*sources)
    return features(made, read_source(made, {}))


# --- changes ----------------------------------------------------------------------------------------------


def test_what_was_added_and_taken_out_is_told() -> None:
    before = used("import torch.nn as nn", NET + "\n        self.b = nn.Linear(8, 10)", TRAIN)
    now = used(
        "import torch.nn as nn",
        NET + "\n        self.n = nn.BatchNorm2d(8)\n        self.g = nn.AdaptiveAvgPool2d(1)",
        TRAIN.replace("lr=0.01", "lr=0.1"),
    )
    told = changes(before, now)
    assert "batch norm added" in told
    assert "global average pooling added" in told
    assert "linear layers taken out" in told
    assert "learning rate 0.01 -> 0.1" in told
    assert changes(now, now) == "nothing that the source shows"


def test_a_long_list_of_changes_is_cut() -> None:
    told = changes({}, {f"thing {at}": "" for at in range(40)})
    assert told.endswith("; and 28 more")


# --- the network alone ------------------------------------------------------------------------------------


def alone(*sources: str) -> str:
    return "\n".join(cell.source for cell in model_alone(notebook(*sources)).cells)


def test_definitions_stay_and_trainings_go() -> None:
    kept = alone(
        "import torch\nfrom torch import nn\n!pip install torchsummary",
        "train_loader = torch.utils.data.DataLoader(datasets.MNIST('.', download=True))\nWIDTH = 8",
        NET,
        "model = Net().to(device)\nsummary(model, (1, 28, 28))",
        TRAIN,
        "losses = train(model)",
    )
    assert "import torch" in kept
    assert "WIDTH = 8" in kept
    assert "class Net" in kept
    assert "model = Net().to(device)" in kept
    for gone in ("DataLoader", "MNIST", "summary(", "for epoch", "train(", "pip"):
        assert gone not in kept


def test_a_network_that_only_a_function_makes_is_made() -> None:
    assert "network_of_Net = Net()" in alone("from torch import nn", NET, "def main():\n    train(Net())")
    assert "network_of_" not in alone("from torch import nn", NET, "model = Net()")


def test_one_from_a_module_beside_it_is_kept() -> None:
    kept = alone("from model import Net\nfrom utils import *", "model = Net()", "fit(model)")
    assert kept == "from model import Net\nfrom utils import *\nmodel = Net()"


@pytest.mark.parametrize(
    "source",
    ["x = (", "(" * 500, "while True: pass", "def f(:\n", "open('x').read()", "a = input()", "\0"],
)
def test_what_is_no_definition_is_left_out(source: str) -> None:
    assert alone(source) == ""


def test_a_cell_that_writes_a_module_is_kept() -> None:
    assert "%%writefile model.py" in alone("%%writefile model.py\nimport torch", "from model import Net")
