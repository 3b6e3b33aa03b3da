"""Counts of parameters, as summaries and students print them."""

from __future__ import annotations

import pytest

from autograder.checks.notebooks.parameter_counts import read_parameter_counts
from tests.checks.notebooks.printed import notebook, result

SUMMARY = """----------------------------------------------------------------
        Layer (type)               Output Shape         Param #
================================================================
            Conv2d-1            [-1, 8, 26, 26]              80
       BatchNorm2d-2            [-1, 8, 26, 26]              16
================================================================
Total params: 7,750
Trainable params: 7,734
Non-trainable params: 16
----------------------------------------------------------------
Input size (MB): 0.00
Forward/backward pass size (MB): 0.67
Params size (MB): 0.03
Estimated Total Size (MB): 0.70
"""


def brief(text: str) -> str:
    found = read_parameter_counts(notebook(("summary(model)", text)))
    return "; ".join(f"{one.kind} {one.value}{'' if one.exact else ' about'}" for one in found)


PRINTED = [
    (SUMMARY, "total 7750; trainable 7734; frozen 16"),
    ("Total params: 7,750 (30.27 KB)\n Trainable params: 7,750 (30.27 KB)", "total 7750; trainable 7750"),
    ("\x1b[1m Total params: \x1b[0m\x1b[38;5;34m93,322\x1b[0m (364.54 KB)", "total 93322"),
    ("Total params: 26,506\nTotal trainable params: 26,506\nTotal non-trainable params: 0",
     "total 26506; trainable 26506; frozen 0"),
    ("7.7 K     Trainable params\n0         Non-trainable params\n7.7 K     Total params\n"
     "0.031     Total estimated model params size (MB)", "trainable 7700 about; frozen 0; total 7700 about"),
    ("Total mult-adds (M): 0.57\nParams size (MB): 0.03", ""),
    ("Total parameters: 9,876", "total 9876"),
    ("Total number of parameters in the model: 9876", "total 9876"),
    ("num params = 9.8K", "total 9800 about"),
    ("Params: 0.27M", "total 270000 about"),
    ("#params: 11_173_962", "total 11173962"),
    ("The model has 9,876 trainable parameters", "trainable 9876"),
    ("Model has 9876 parameters.", "total 9876"),
    ("number of parameters 9876 (limit: 10,000)", "total 9876"),
    ("Number of parameters (trainable): 9876", "trainable 9876"),
    ("parameter count: tensor(9876)", "total 9876"),
    ("{'params': 9876, 'acc': 0.98}", "total 9876"),
    ("Parameters must be fewer than 10,000", ""),
    ("Parameter limit: 10000", ""),
    ("conv1.weight params 72", ""),
    ("Parameter containing:\ntensor([0.1, 0.2])", ""),
    ("hyperparameters: 3", ""),
    ("Parameters: 0.123", ""),
    ("learned parameters: w=3, b=4", ""),
    ("Epoch 3 loss 0.5", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PRINTED, ids=[text[:40] for text, _ in PRINTED])
def test_printed(text: str, expected: str) -> None:
    assert brief(text) == expected


RESULTS = [
    ("sum(p.numel() for p in model.parameters())", "9876", "total 9876"),
    ("sum(p.numel() for p in model.parameters() if p.requires_grad)", "9876", "trainable 9876"),
    ("sum([np.prod(p.size()) for p in net.parameters()])", "np.int64(9876)", "total 9876"),
    ("count_parameters(model)", "9876", "total 9876"),
    ("total_params", "9876", "total 9876"),
    ("num_trainable_params", "9876", "trainable 9876"),
    ("model.count_params()", "9876", "total 9876"),
    ("sum(losses)", "9876", ""),
    ("x", "9876", ""),
]


@pytest.mark.parametrize(("source", "text", "expected"), RESULTS, ids=[source for source, _, _ in RESULTS])
def test_result(source: str, text: str, expected: str) -> None:
    found = read_parameter_counts(notebook((source, result(text))))
    assert "; ".join(f"{one.kind} {one.value}" for one in found) == expected
    assert all(one.by == "result" and one.cell == 1 for one in found)


def test_says_where_from_and_how() -> None:
    found = read_parameter_counts(notebook(("x", ""), ("summary(m)", SUMMARY), ("p", "Total parameters: 5")))
    assert [(one.cell, one.by) for one in found] == [(2, "summary")] * 3 + [(3, "print")]
    assert found[0].line == "Total params: 7,750"
