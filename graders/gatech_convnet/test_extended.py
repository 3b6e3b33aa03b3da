"""Q9.1 beyond the notebook's shapes: everything else that the homework's statement promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gradescope_utils.autograder_utils.decorators import number

if TYPE_CHECKING:
    from autograder.checks.layers import Judge

pytestmark = pytest.mark.evidence("verified")


@number("9.1.1")
@pytest.mark.tier("extended")
def test_conv_forward(judge: Judge) -> None:
    """conv_forward_naive is right for other strides, pads and shapes"""
    judge("conv", "extended", "out")


@number("9.1.2")
@pytest.mark.tier("extended")
def test_conv_backward_dx(judge: Judge) -> None:
    """conv_backward_naive's dx is right for other strides, pads and shapes"""
    judge("conv", "extended", "dx")


@number("9.1.2")
@pytest.mark.tier("extended")
def test_conv_backward_dw(judge: Judge) -> None:
    """conv_backward_naive's dw is right for other strides, pads and shapes"""
    judge("conv", "extended", "dw")


@number("9.1.2")
@pytest.mark.tier("extended")
def test_conv_backward_db(judge: Judge) -> None:
    """conv_backward_naive's db is right for other strides, pads and shapes"""
    judge("conv", "extended", "db")


@number("9.1.3")
@pytest.mark.tier("extended")
def test_pool_forward(judge: Judge) -> None:
    """max_pool_forward_naive is right for other windows, strides and shapes"""
    judge("pool", "extended", "out")


@number("9.1.4")
@pytest.mark.tier("extended")
def test_pool_backward(judge: Judge) -> None:
    """max_pool_backward_naive is right for other windows, strides and shapes"""
    judge("pool", "extended", "dx")


@number("9.1.4")
@pytest.mark.tier("extended")
def test_pool_ties(judge: Judge) -> None:
    """max_pool_backward_naive is right where a window has several equal maxima"""
    judge("pool", "ties", "dx")
