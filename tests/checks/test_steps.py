"""The steps of a homework are found by the names that students give their notebooks."""

from __future__ import annotations

import pytest

from autograder.checks.steps import find_steps
from autograder.loaders.notebook import Cell, Notebook


def net(tag: str) -> Notebook:
    return Notebook((Cell(1, "code", f"class Net(nn.Module): pass  # {tag}"),))


def found(*paths: str) -> list[str]:
    return [step.path for step in find_steps({path: net(path) for path in paths}, 5).steps]


@pytest.mark.parametrize(
    "paths",
    [
        ("Session5/S5_1.ipynb", "Session5/S5_2.ipynb", "Session5/S5_3.ipynb", "Session5/S5_4.ipynb"),
        ("EVA4S5F1.ipynb", "EVA4S5F2.ipynb", "EVA4S5F3.ipynb", "EVA4S5F4.ipynb"),
        ("Step 1 - Zero.ipynb", "Step 2 - Basic Skeleton.ipynb", "Step 3 - BN.ipynb", "Step 4 - A.ipynb"),
        ("Step1/notebook.ipynb", "Step2/notebook.ipynb", "Step3/notebook.ipynb", "Step4/notebook.ipynb"),
        ("S5/Code_1.ipynb", "S5/Code_2.ipynb", "S5/Code_3.ipynb", "S5/Code_4.ipynb"),
        ("EVA_S5_Step1.ipynb", "EVA_S5_Step2.ipynb", "EVA_S5_Step3.ipynb", "EVA_S5_Final.ipynb"),
        ("1_setup.ipynb", "2_skeleton.ipynb", "3_bn_99.4.ipynb", "4_lr15.ipynb"),
        ("MNIST_first.ipynb", "MNIST_second.ipynb", "MNIST_third.ipynb", "MNIST_fourth.ipynb"),
        ("S5_Schritt1.ipynb", "S5_Schritt2.ipynb", "S5_Schritt3.ipynb", "S5_Schritt4.ipynb"),
        ("Copy of S5_1.ipynb", "S5_2 (1).ipynb", "S5_3.ipynb", "S5_4-Copy1.ipynb"),
        ("S5.1.ipynb", "S5.2.ipynb", "S5.3.ipynb", "S5.4.ipynb"),
        ("5_1.ipynb", "5_2.ipynb", "5_3.ipynb", "5_4.ipynb"),
        ("Session_5_1.ipynb", "Session_5_2.ipynb", "Session_5_3.ipynb", "Session_5_4.ipynb"),
        ("S1.ipynb", "S2.ipynb", "S3.ipynb", "S4.ipynb"),
        ("model9.ipynb", "model10.ipynb", "model11.ipynb", "model12.ipynb"),
        ("Assignment5_v1.ipynb", "Assignment5_v2.ipynb", "Assignment5_v3.ipynb", "Assignment5_v4.ipynb"),
        ("MNIST I.ipynb", "MNIST II.ipynb", "MNIST III.ipynb", "MNIST IV.ipynb"),
        ("Teil_A.ipynb", "Teil_B.ipynb", "Teil_C.ipynb", "Teil_D.ipynb"),
        ("iteration-01.ipynb", "iteration-02.ipynb", "iteration-03.ipynb", "iteration-04.ipynb"),
        ("S5_1_9k.ipynb", "S5_2_8k.ipynb", "S5_3_7k.ipynb", "S5_4_7k.ipynb"),
    ],
)
def test_steps_are_in_order(paths: tuple[str, ...]) -> None:
    steps = find_steps({path: net(path) for path in reversed(paths)}, 5)
    assert tuple(step.path for step in steps.steps) == paths
    assert [step.number for step in steps.steps] == [1, 2, 3, 4]
    assert steps.numbered
    assert steps.others == ()


def test_names_without_an_order_are_taken_as_they_are_sorted() -> None:
    steps = find_steps({path: net(path) for path in ("gap.ipynb", "bn.ipynb", "skeleton.ipynb")}, 5)
    assert [step.path for step in steps.steps] == ["bn.ipynb", "gap.ipynb", "skeleton.ipynb"]
    assert not steps.numbered


def test_other_sessions_of_a_repository_are_left_out() -> None:
    paths = ("S4/S4.ipynb", "Session 6/EVA_S6.ipynb", *(f"S5/S5_Step{n}.ipynb" for n in (1, 2, 3, 4)))
    steps = find_steps({path: net(path) for path in paths}, 5)
    assert [step.name for step in steps.steps] == [f"S5/S5_Step{n}.ipynb" for n in (1, 2, 3, 4)]
    assert {other.why for other in steps.others} == {"it belongs to another session"}


def test_what_is_no_step() -> None:
    notebooks: dict[str, Notebook | None] = {f"S5_{n}.ipynb": net(str(n)) for n in (1, 2, 3, 4)}
    notebooks["Copy of S5_4.ipynb"] = net("4")
    notebooks["Untitled.ipynb"] = Notebook((Cell(1, "code", "import pandas as pd\npd.DataFrame()"),))
    notebooks["empty.ipynb"] = None
    steps = find_steps(notebooks, 5)
    assert len(steps.steps) == 4
    assert {other.path: other.why for other in steps.others} == {
        "Copy of S5_4.ipynb": "its code is the same as that of S5_4.ipynb",
        "Untitled.ipynb": "it has no network and no training",
        "empty.ipynb": "it can't be read",
    }


def test_five_are_five_and_none_is_none() -> None:
    assert len(found(*(f"S5_{n}.ipynb" for n in range(1, 6)))) == 5
    assert found() == []
    assert find_steps({}, 5).last is None


def test_a_step_may_be_ten() -> None:
    paths = [f"Step{n}.ipynb" for n in range(1, 11)]
    assert found(*paths) == paths


def test_the_same_code_is_a_step_of_its_own_where_a_module_differs() -> None:
    code = Cell(1, "code", "from model import Net\ntrain(Net())")
    notebooks = {f"S5_{n}.ipynb": Notebook((code, Cell(2, "markdown", f"Target {n}"))) for n in (1, 2, 3, 4)}
    assert len(find_steps(notebooks, 5).steps) == 4
    notebooks["Copy of S5_4.ipynb"] = Notebook((code, Cell(2, "markdown", "Target 4, and a word more")))
    (copy,) = find_steps(notebooks, 5).others
    assert copy.path == "Copy of S5_4.ipynb"


def test_the_sessions_folder_is_no_steps_number() -> None:
    paths = ["S5/step one.ipynb", "S5/step two.ipynb", "S5/gap.ipynb"]
    steps = find_steps({path: net(path) for path in paths}, 5)
    assert not steps.numbered
    assert {step.said for step in steps.steps} == {None}


def test_a_step_is_named_with_its_folder() -> None:
    steps = find_steps({f"x/Step{n}/EVA.ipynb": net(str(n)) for n in (1, 2)}, 5)
    assert [step.name for step in steps.steps] == ["Step1/EVA.ipynb", "Step2/EVA.ipynb"]
