"""Top-5 accuracies are told from top-1 accuracies, in whatever form they are printed."""

from __future__ import annotations

import pytest

from autograder.checks.notebooks.accuracy import printed
from autograder.checks.notebooks.claims import Kind, contradictions, read_claims
from autograder.checks.notebooks.prose import markdown_blocks
from autograder.checks.notebooks.run_facts import gather
from autograder.checks.notebooks.series import read_series
from autograder.checks.notebooks.source import read_source
from autograder.loaders.notebook import Output
from tests.checks.notebooks.printed import notebook, result

HELD_OUT = "from torchvision.datasets import MNIST\ntest_ds = MNIST('.', train=False)\n"
OF_K = (
    "def accuracy(scores, labels, k=1):\n"
    "    return (scores.topk(k).indices == labels[:, None]).any(1).float().mean()\n"
)
BOTH = """
def evaluate(model, dl):
    right1 = right5 = n = 0
    for x, y in dl:
        o = model(x)
        right1 += (o.argmax(1) == y).sum().item()
        right5 += (o.topk(5).indices == y[:, None]).sum().item()
        n += len(y)
    return right1 / n, right5 / n
"""
IN_TWO = "a, b = evaluate(model, test_dl)\nprint(f'{a:.2%} {b:.2%}')"


def found(*cells: tuple[str, str | Output | list[Output]]) -> tuple[float | None, float | None]:
    """The test accuracy that counts, and the last top-5 accuracy."""
    series = read_series(notebook(*cells))
    told = printed(series)
    fives = [point.value for one in series if one.quantity == "top5" for point in one.points]
    return told.value if told else None, fives[-1] if fives else None


@pytest.mark.parametrize(
    "text",
    [
        "Test Acc@1 89.31 Acc@5 99.11",
        "test accuracy: 89.31%\nin the top five: 99.11%",
        "test accuracy: 89.31%\naccuracy (top five): 99.11%",
        "test accuracy: 89.31%\ntop five accuracy: 99.11%",
        "test accuracy: 89.31%\ntop-k accuracy (k=5): 99.11%",
        "test accuracy: 89.31%, within the five best: 99.11%",
        "test accuracy: 89.31%\n5-best accuracy: 99.11%",
        "accuracy on test: 89.31% (top 5: 99.11%)",
        "top-1/top-5 accuracy on test: 89.31% / 99.11%",
        "Test accuracy (top-1, top-5): 0.8931, 0.9911",
        "Test accuracy with k=1: 0.8931\nTest accuracy with k=5: 0.9911",
        "1 guess: accuracy 0.8931\n5 guesses: accuracy 0.9911",
        "Accuracy (5 guesses): 0.9911\nAccuracy: 0.8931",
        "k=1: accuracy 0.8931\nk=5: accuracy 0.9911",
    ],
)
def test_printed_with_words(text: str) -> None:
    assert found((HELD_OUT, text)) == pytest.approx((0.8931, 0.9911))


@pytest.mark.parametrize(
    "cells",
    [
        [
            (f"{HELD_OUT}{OF_K}accuracy(out, test_ds.targets)", result("tensor(0.8931)")),
            ("accuracy(out, test_ds.targets, k=5)", result("tensor(0.9911)")),
        ],
        [
            (f"{HELD_OUT}{OF_K}print(accuracy(out, test_ds.targets))", "tensor(0.8931)"),
            ("print(accuracy(out, test_ds.targets, 5))", "tensor(0.9911)"),
        ],
        [(f"{HELD_OUT}{BOTH}evaluate(model, test_dl)", result("(0.8931, 0.9911)"))],
        [(HELD_OUT + BOTH + IN_TWO, "89.31% 99.11%")],
    ],
)
def test_printed_without_words(cells: list[tuple[str, str | Output | list[Output]]]) -> None:
    assert found(*cells) == pytest.approx((0.8931, 0.9911))


def test_of_an_unknown_number_of_guesses_nothing_is_read() -> None:
    source = f"{HELD_OUT}{OF_K}for k in (1, 5):\n    print(accuracy(out, test_ds.targets, k))"
    assert found((source, "0.8931\n0.9911")) == (None, None)


def test_a_share_of_equal_ones_needs_no_name() -> None:
    source = (
        "def evaluate(m, dl):\n"
        "    return sum((m(x).argmax(-1) == y).sum().item() for x, y in dl) / len(dl.dataset)\n"
        "evaluate(net, test_dl)"
    )
    assert found((source, result("0.8931")))[0] == pytest.approx(0.8931)
    kept = source.replace(
        "evaluate(net, test_dl)", "L, A = [], []\nA.append(float(evaluate(net, test_dl)))\n"
    )
    assert found((f"{kept}print(e, A[-1])", "7 0.8931"))[0] == pytest.approx(0.8931)


def test_a_name_that_is_given_different_things_says_nothing() -> None:
    source = "a = []\na.append(accuracy(net, test_dl))\na.append(loss.item())\nprint(a[-1])"
    assert found((source, "0.8931")) == (None, None)


def test_a_claim_of_the_accuracy_isnt_held_against_the_top_5() -> None:
    cells = [
        (HELD_OUT, "epoch 1: test accuracy 91.20, top-5 99.41\nepoch 2: test accuracy 92.10, top-5 99.41")
    ]
    shown = notebook(*cells)
    facts = gather(read_series(shown), read_source(shown))
    assert {round(one.value, 2) for one in facts.top5} == {99.41}

    def doubted(text: str) -> list[tuple[Kind, float]]:
        blocks = markdown_blocks(text, 2)
        return [(one.claim.kind, one.claim.value) for one in contradictions(read_claims(blocks), facts)]

    assert doubted("The test accuracy was 99.41 in epoch 2.") == [(Kind.ACCURACY, 99.41)]
    assert doubted("The test accuracy was 92.10 in epoch 2, and top-5 accuracy was 99.41%.") == []
    assert doubted("We reach 92.1% top-1 accuracy and 99.41% top-5 accuracy.") == []
    assert doubted("The top-5 accuracy reached 97.3%.") == [(Kind.TOP5, 97.3)]
    assert doubted("Top-1 and top-5 accuracy were 92.1% and 99.41% respectively.") == []
