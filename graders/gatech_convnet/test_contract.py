"""The contract of Q9.1: shapes such as the course's own notebook tries. Students have this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number

from autograder.checks.byhand import require_by_hand
from autograder.checks.layers import FUNCTIONS_OF

if TYPE_CHECKING:
    from autograder.assignment import Assignment
    from autograder.checks.layers import Judge, Layer
    from autograder.handed_in import HandedIn

pytestmark = pytest.mark.evidence("verified")


@number("9.1")
def test_by_hand(submission: HandedIn, assignment: Assignment, layers_path: Callable[[Layer], str]) -> None:
    """The four functions call no library for what is asked for"""
    forbidden, reason = assignment.sandbox.unavailable, assignment.sandbox.unavailable_reason
    for layer, functions in FUNCTIONS_OF.items():
        path = layers_path(layer)
        require_by_hand(path, submission.read(path), functions, forbidden, reason)


@number("9.1.1")
@pytest.mark.tier("contract")
def test_conv_forward(judge: Judge) -> None:
    """conv_forward_naive gives the right out"""
    judge("conv", "contract", "out")


@number("9.1.2")
@pytest.mark.tier("contract")
def test_conv_backward_dx(judge: Judge) -> None:
    """conv_backward_naive gives the right dx"""
    judge("conv", "contract", "dx")


@number("9.1.2")
@pytest.mark.tier("contract")
def test_conv_backward_dw(judge: Judge) -> None:
    """conv_backward_naive gives the right dw"""
    judge("conv", "contract", "dw")


@number("9.1.2")
@pytest.mark.tier("contract")
def test_conv_backward_db(judge: Judge) -> None:
    """conv_backward_naive gives the right db"""
    judge("conv", "contract", "db")


@number("9.1.3")
@pytest.mark.tier("contract")
def test_pool_forward(judge: Judge) -> None:
    """max_pool_forward_naive gives the right out"""
    judge("pool", "contract", "out")


@number("9.1.4")
@pytest.mark.tier("contract")
def test_pool_backward(judge: Judge) -> None:
    """max_pool_backward_naive gives the right dx"""
    judge("pool", "contract", "dx")
