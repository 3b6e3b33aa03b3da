"""What is a mess stands in a homework's rules, and costs what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.checks.steps import find_steps
from autograder.checks.tidiness import Mess, find_mess, load_rules, share_left
from autograder.loaders.notebook import Cell, Notebook
from autograder.outcome import ManifestFault

RULES = load_rules(Path(__file__).parents[2] / "graders" / "eva_session5" / "order.toml")
STEPS = [f"S5/S5_{n}.ipynb" for n in (1, 2, 3, 4)]


def mess(*paths: str) -> tuple[Mess, ...]:
    notebooks: dict[str, Notebook | None] = {
        path: Notebook((Cell(1, "code", f"class Net(nn.Module): pass  # {path.rpartition('Copy of ')[2]}"),))
        for path in paths
        if path.endswith(".ipynb")
    }
    return find_mess(paths, find_steps(notebooks, 5), RULES)


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("README.md", "S5/utils.py", "S5/images/rf.png", "requirements.txt"),
        tuple(f"S5/model_{n}.pt" for n in range(8)),
        ("S5/copyright.txt", "S5/untitled.md"),
    ],
)
def test_what_is_in_order(more: tuple[str, ...]) -> None:
    assert mess(*STEPS, *more) == ()


@pytest.mark.parametrize(
    ("paths", "left"),
    [
        (("b.ipynb", "c_net.ipynb", "gap.ipynb", "lr.ipynb"), 0.0),
        (("S5_1.ipynb", "S5/S5_2.ipynb", "old/x/S5_3.ipynb", "S5_4.ipynb"), 0.0),
        ((*STEPS, "S5/Untitled.ipynb"), 0.0),  # and it has no number
        ((*STEPS, "S5/data/MNIST/raw/t10k-labels-idx1-ubyte"), 0.5),
        ((*STEPS, "S5/Copy of notes.md"), 0.5),
        ((*STEPS, "S5/S5 (1).txt", "nohup.out"), 0.0),
        ((*STEPS, *(f"S5/model_{n}.pt" for n in range(9))), 0.5),
    ],
)
def test_what_is_a_mess(paths: tuple[str, ...], left: float) -> None:
    found = mess(*paths)
    assert found
    assert share_left(found) == left


def test_a_mess_is_named_with_what_to_do() -> None:
    (one,) = mess(*STEPS, *(f"S5/m{n}.pth" for n in range(9)))
    assert one.describe().startswith("Many files that are no part of the four steps: S5/m0.pth, ")
    assert "and 5 more" in one.describe()
    assert one.describe().endswith(one.rule.hint)


def test_no_more_than_all_is_taken() -> None:
    assert share_left(mess("a.ipynb", "b/c.ipynb", "nohup.out", "Copy of x.md", "data.zip")) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "[[rule]]\nsays = 'x'\nshare = 2.0\nhint = 'y'",
        "[[rule]]\nsays = 'x'\nshare = 0.5\nhint = 'y'\nfact = 'unknown'",
        "[[rule]]\nsays = 'x'\nshare = 0.5",
        "rule = ",
    ],
)
def test_a_rule_that_is_none_is_the_staffs_fault(text: str, tmp_path: Path) -> None:
    path = tmp_path / "order.toml"
    path.write_text(text)
    with pytest.raises(ManifestFault):
        load_rules(path)
