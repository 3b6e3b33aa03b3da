"""Which validation accuracy counts: the lines of the homework's solver, on the homework's layers."""

from __future__ import annotations

import json

import pytest

from autograder.checks.notebooks.solver_lines import read_solver_lines
from autograder.checks.notebooks.validation import (
    Validation,
    count_stored,
    read_validation,
    require_validation,
)
from autograder.loaders.notebook import Notebook, load_notebook
from autograder.outcome import CheckFailed

MODULES = {
    "hw/cs231n/solver.py": "class Solver(object):\n    def train(self):\n        pass\n",
    "hw/cs231n/layers.py": "def conv_forward(x, w):\n    return x\n",
    "hw/cs231n/classifiers/cnn.py": (
        "from cs231n.layers import *\n"
        "class ConvNet(object):\n    def loss(self, X, y=None):\n        return conv_forward(X, 1)\n"
    ),
    "hw/cs231n/classifiers/fc.py": "class Dense(object):\n    def loss(self, X, y=None):\n        return X\n",
}
IMPORTS = "from cs231n.solver import Solver\nfrom cs231n.classifiers.cnn import *\n"
TRAINS = "s = Solver(ConvNet(), data, num_epochs=2)\ns.train()"
LINE = "(Epoch 2 / 2) train acc: 0.600000; val_acc: {}\n"


def notebook(*cells: tuple[str, str]) -> Notebook:
    written: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "metadata": {},
            "execution_count": None,
            "source": source,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": text}] if text else [],
        }
        for source, text in cells
    ]
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": written}
    return load_notebook(json.dumps(document).encode(), "convnet.ipynb")


def read(*cells: tuple[str, str]) -> Validation:
    return read_validation(notebook((IMPORTS, ""), *cells), MODULES)


def best(*cells: tuple[str, str]) -> float | None:
    found = read(*cells).best
    return found.value if found is not None else None


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("(Epoch 3 / 10) train acc: 0.610000; val_acc: 0.530000", (3, 10, 0.61, 0.53)),
        ("Finished epoch 3 / 10: cost 1.2, train: 0.61, val 0.53, lr 9.0e-05", (3, 10, 0.61, 0.53)),
        ("epoch 3 of 10, train accuracy = 61.0%, validation accuracy = 53%", (3, 10, 0.61, 0.53)),
        ("Epoch 3/10: train acc 1.0, val acc .5", (3, 10, 1.0, 0.5)),
    ],
)
def test_the_solvers_lines(line: str, values: tuple[int, int, float, float]) -> None:
    (found,) = read_solver_lines(notebook(("s.train()", f"starting\n{line}\n")))
    assert (found.epoch, found.epochs, found.train, found.valid) == values


@pytest.mark.parametrize(
    "line",
    [
        "Train Epoch: 1 [0/49000 (0%)] Train Loss: 2.3 Val Loss: 2.2 Val Acc: 12",
        "(Iteration 1 / 10) loss: 2.3",
        "(Epoch 1 / 2) train acc: 0.5; val_acc: nan",
        "(Epoch 1 / 2) train acc: 0.5; val_acc: 535",
    ],
)
def test_other_lines_are_none(line: str) -> None:
    assert read_solver_lines(notebook(("s.train()", line))) == ()


def test_the_best_of_all_trainings_counts() -> None:
    other = ("s2 = Solver(ConvNet(), small)\ns2.train()", LINE.format("0.120000"))
    assert best((TRAINS, LINE.format("0.535000")), other) == 0.535


@pytest.mark.parametrize(
    "source",
    [
        "def run(rate):\n    s = Solver(ConvNet(), data)\n    s.train()\nfor rate in (1, 2):\n    run(rate)",
        "import cs231n.solver as so\nm = ConvNet()\nso.Solver(m, data).train()",
        "import cs231n.solver\ncs231n.solver.Solver(model=ConvNet(), data=data).train()",
        "%time Solver(ConvNet(), data).train()",
    ],
)
def test_other_ways_to_call_it(source: str) -> None:
    assert best((source, LINE.format("0.535000"))) == 0.535


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("from cs231n.classifiers.fc import Dense\ns = Solver(Dense(), data)\ns.train()", "no convolution"),
        ("d = {'X_train': X, 'X_val': X}\ns = Solver(ConvNet(), d)\ns.train()", "that it trains on"),
        ("import keras\nnet = keras.wrap(ConvNet())\ns = Solver(net, data)\ns.train()", "uses tensorflow"),
    ],
)
def test_what_does_not_count(source: str, why: str) -> None:
    found = read((source, LINE.format("0.635000")))
    assert found.best is None
    assert why in found.left_out[0]


def test_lines_without_a_training_do_not_count() -> None:
    assert best(("print(text)", LINE.format("0.9")), (TRAINS, LINE.format("0.3"))) == 0.3


@pytest.mark.parametrize("source", ["from cs231n.data import load", "from cs231n.solver import Solver"])
def test_without_the_solver(source: str) -> None:
    found = read_validation(notebook((source, ""), ("fit()", LINE.format("0.9"))), MODULES)
    with pytest.raises(CheckFailed, match="solver"):
        require_validation(found, 0.5)


def test_a_solver_that_was_not_handed_in_is_a_doubt() -> None:
    found = read_validation(notebook((IMPORTS, ""), (TRAINS, LINE.format("0.6"))), {})
    assert found.best is not None
    assert any("was not handed in" in doubt for doubt in found.doubts)


def test_outputs_of_another_number_of_epochs_are_a_doubt() -> None:
    found = read((TRAINS.replace("2", "9"), LINE.format("0.6")))
    assert any("asks for 9 epochs" in doubt for doubt in found.doubts)


def test_the_threshold_is_met_by_the_number_itself() -> None:
    assert "50.0 %" in require_validation(read((TRAINS, LINE.format("0.500000"))), 0.5)
    with pytest.raises(CheckFailed, match=r"49\.9 %"):
        require_validation(read((TRAINS, LINE.format("0.499000"))), 0.5)


def test_an_accuracy_computed_on_the_spot_counts() -> None:
    check = (
        "print('Validation accuracy:', np.mean(s.predict(X_val) == y_val))",
        "Validation accuracy: 0.52\n",
    )
    assert best((TRAINS, LINE.format("0.490000")), check) == 0.52
    told = ("print('best validation accuracy:', max(s.val_acc_history))", "best validation accuracy: 0.52\n")
    assert best((TRAINS, LINE.format("0.490000")), told) == 0.49
    assert best((TRAINS, ""), told) == 0.52


@pytest.mark.parametrize(
    ("shown", "text", "value"),
    [
        ("s.best_val_acc", "0.56", 0.56),
        ("print(s.best_val_acc)", "0.56", 0.56),
        ("print(s.val_acc_history)", "[0.1, np.float64(0.52), 0.51]", 0.52),
        ("print(max(s.val_acc_history))", "0.52", 0.52),
        ("print(s.train_acc_history)", "[0.1, 0.9]", None),
        ("print(s.val_acc_history, s.train_acc_history)", "[0.1, 0.5] [0.1, 0.9]", None),
        ("print(s.val_acc_history)", "[10, 52]", None),
    ],
)
def test_what_a_silent_solver_remembers(shown: str, text: str, value: float | None) -> None:
    assert best((TRAINS, ""), (shown, text)) == value


def test_trainings_without_outputs_are_named() -> None:
    small = TRAINS.replace("data", "small_data")
    found = read((small, LINE.format("0.22")), (TRAINS, ""))
    with pytest.raises(CheckFailed, match="Cell 3 trains, and its outputs show no"):
        require_validation(found, 0.5)
    cut = read((TRAINS, LINE.format("0.22").replace("Epoch 2", "Epoch 1")))
    with pytest.raises(CheckFailed, match="ends at epoch 1 of 2"):
        require_validation(cut, 0.5)


def test_what_a_notebook_runs_and_imports_is_read_too() -> None:
    script = f"{IMPORTS}def main():\n    {TRAINS.replace(chr(10), chr(10) + '    ')}\nmain()\n"
    modules = {**MODULES, "hw/go.py": script}
    for cell in ("%run go.py", "!python -u go.py", "import numpy\nfrom go import main\nmain()"):
        found = read_validation(notebook((cell, LINE.format("0.61"))), modules)
        assert found.best is not None, cell
        assert found.best.value == 0.61


def test_a_class_of_its_own_made_of_the_solver() -> None:
    mine = "class Mine(Solver):\n    pass\n"
    assert best((f"{mine}{TRAINS.replace('Solver', 'Mine')}", LINE.format("0.61"))) == 0.61
    assert best((f"{mine.replace('Solver', 'dict')}{TRAINS.replace('Solver', 'Mine')}", "x")) is None


@pytest.mark.parametrize(
    ("ran", "stored", "counts"),
    [("0.49", "0.51", True), ("0.44", "0.51", False), ("0.49", "0.49", False), ("0.55", "0.51", False)],
)
def test_a_run_that_just_misses_is_no_proof(ran: str, stored: str, counts: bool) -> None:
    found, before = (read((TRAINS, LINE.format(value))) for value in (ran, stored))
    assert bool(count_stored(found, before, 0.5, 0.03)) is counts
    assert bool(count_stored(read((TRAINS, "")), before, 0.5, 0.03)) is (stored == "0.51")
