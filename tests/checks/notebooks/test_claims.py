"""Claims are held to their own digits, against what the run shows; other people's numbers are not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks.notebooks.claims import (
    Claim,
    Contradiction,
    Hedge,
    Kind,
    Known,
    RunFacts,
    contradictions,
    read_claims,
)
from autograder.checks.notebooks.prose import Block, markdown_blocks

FACTS = RunFacts(
    accuracies=(
        Known(97.1, "cell 5", "test", 1),
        Known(98.24, "cell 5", "test", 2),
        Known(98.93, "cell 5", "test", 3),
        Known(99.6, "cell 5", "train", 3),
    ),
    losses=(Known(0.0451, "cell 5", "test", 3), Known(0.31, "cell 5", "test", 1)),
    epochs=(Known(3, "cell 4"),),
    parameters=(Known(7690, "cell 4"),),
    learning_rates=(Known(0.01, "cell 3"),),
    batch_sizes=(Known(64, "cell 2"), Known(1000, "cell 2")),
)


def claims(text: str) -> tuple[Claim, ...]:
    return read_claims(markdown_blocks(text, 7))


def against(text: str, facts: RunFacts = FACTS) -> tuple[Contradiction, ...]:
    return contradictions(claims(text), facts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A learning rate of 0.5 works.", [(Kind.LEARNING_RATE, 0.5)]),
        ("learning rate 0.5 works", [(Kind.LEARNING_RATE, 0.5)]),
        ("lr=1e-3", [(Kind.LEARNING_RATE, 1e-3)]),
        ("I used 0.01 as learning rate.", [(Kind.LEARNING_RATE, 0.01)]),
        ("The learning rate is 1 x 10^-3.", [(Kind.LEARNING_RATE, 1e-3)]),
        ("We got 99.41 in epoch 9.", [(Kind.ACCURACY, 99.41)]),
        ("It reached 98 % after 3 epochs.", [(Kind.ACCURACY, 98)]),
        ("Test accuracy: 0.9893", [(Kind.ACCURACY, 98.93)]),
        ("98.9% of the test images are classified correctly", [(Kind.ACCURACY, 98.9)]),
        ("It has about 7.7k parameters.", [(Kind.PARAMETERS, 7700)]),
        ("It has 7,690 trainable parameters.", [(Kind.PARAMETERS, 7690)]),
        ("1.2 million weights", [(Kind.PARAMETERS, 1.2e6)]),
        ("The number of parameters is 7690.", [(Kind.PARAMETERS, 7690)]),
        ("The loss fell to 0.045.", [(Kind.LOSS, 0.045)]),
        ("I trained for 5 epochs with batch size 128.", [(Kind.BATCH_SIZE, 128), (Kind.EPOCHS, 5)]),
        ("mini-batches of 64 images", [(Kind.BATCH_SIZE, 64)]),
        ("Dropout of 25 % and 20% of the data for validation.", []),
        ("Accuracy improved by 5 %.", []),
        ("# 99 % accuracy", []),
        ("Is 99 % accuracy enough?", []),
        ("```\naccuracy 99 %\n```", []),
        ("It took 30 seconds on 2 cores.", []),
        ("We use 3 layers and 10 classes.", []),
    ],
)
def test_what_a_text_claims(text: str, expected: list[tuple[Kind, float]]) -> None:
    assert [(claim.kind, claim.value) for claim in claims(text)] == expected


TRUE = [
    "A learning rate of 0.01 works.",
    "A learning rate of 1e-2 works.",
    "98.2 % in epoch 2",
    "It reached 98 % after 2 epochs.",
    "It reached 97 % in the first epoch 1.",
    "The test accuracy is 98.93 %.",
    "Final accuracy was 0.9893.",
    "Final test accuracy: 98.9%",
    "Final test accuracy: 99%",
    "98% on the test set in epoch 3",
    "More than 98 % of the test images are classified correctly.",
    "Accuracy is around 98.5 % on the test set.",
    "Nearly 99 % accuracy.",
    "The training accuracy is 99.6 %.",
    "It has about 7.7k parameters.",
    "It has 7,690 parameters.",
    "It has fewer than 8,000 parameters.",
    "The loss went down to 0.045.",
    "We trained for 3 epochs with a batch size of 64.",
    "The batch size is 1000 for testing.",
    # Not about this run:
    "The paper reports 99.7 % accuracy.",
    "State of the art is 99.8 % accuracy.",
    "The target is 99 % accuracy on the test set.",
    "It should reach 99.5 % accuracy after 20 epochs.",
    "With a learning rate of 10 it would diverge.",
    "At first I used a learning rate of 0.5.",
    "Random guessing gives 10 % accuracy.",
    "LeNet by LeCun et al. has 60,000 parameters.",
]


@pytest.mark.parametrize("text", TRUE)
def test_what_agrees_is_not_listed(text: str) -> None:
    assert against(text) == ()


FALSE = [
    "A learning rate of 0.5 works.",
    "learning rate 10 was best",
    "We got 99.41 in epoch 9.",
    "98.93 % in epoch 2",
    "The test accuracy is 98.94 %.",
    "The test accuracy is 99.6 %.",
    "The training accuracy is 98.93 %.",
    "Final accuracy was 0.95.",
    "More than 99 % of the test images are classified correctly.",
    "The test accuracy is about 95 %.",
    "It has 7,960 parameters.",
    "It has about 50k parameters.",
    "It has fewer than 7,000 parameters.",
    "The loss went down to 0.012.",
    "We trained for 20 epochs.",
    "We used a batch size of 128.",
]


@pytest.mark.parametrize("text", FALSE)
def test_what_disagrees_is_listed_with_both_quotations(text: str) -> None:
    [found] = against(text)
    assert found.claim.cell == 7
    assert found.claim.sentence == text
    assert text in found.describe()
    assert "cell " in found.describe()


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert all(against(text, RunFacts()) == () for text in FALSE)


def test_a_log_that_counts_from_0() -> None:
    facts = RunFacts(
        accuracies=tuple(Known(value, "log", "test", epoch) for epoch, value in enumerate([90.0, 95.0, 97.0]))
    )
    assert against("95 % accuracy in epoch 2", facts) == ()
    assert against("95 % accuracy in epoch 1", facts) == ()
    assert len(against("95 % accuracy in epoch 3", facts)) == 1


def test_a_claim_says_its_split_epoch_and_hedge() -> None:
    [claim] = claims("The validation accuracy was roughly 97.5 % in epoch 4.")
    assert (claim.split, claim.epoch, claim.hedge, claim.step, claim.cell) == ("test", 4, Hedge.ABOUT, 0.1, 7)


@given(st.floats(0.1, 99.9), st.integers(0, 4))
def test_a_number_rounded_or_cut_off_agrees(value: float, digits: int) -> None:
    facts = RunFacts(accuracies=(Known(value, "log"),))
    assert against(f"The accuracy is {value:.{digits}f} %.", facts) == ()


@pytest.mark.parametrize(
    "text",
    [
        "accuracy of " + "of " * 60_000,
        "loss " * 40_000,
        "lr is " * 33_000,
        "5% " * 66_000,
        "accuracy 5% in epoch 5 " * 8_000,
        "5 epochs. " * 18_000,
        "epoch 5 " * 25_000,
        "test " * 40_000 + "5% accuracy",
        "1e" * 100_000,
        "1," * 100_000,
        "a\nb " * 50_000,
        "1" * 200_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    start = time.process_time()
    contradictions(read_claims([Block("paragraph", text, 1, raw=text)]), FACTS)
    assert time.process_time() - start < 10


WORDS = (
    "accuracy loss lr learning rate batch size epoch "
    "5 0.5 99.4 % 1e400 1e-99 1e99 of in after about over . , = ~ parameters k × 10^-3"
).split()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300) | st.lists(st.sampled_from(WORDS), max_size=50).map(" ".join))
def test_no_text_crashes(text: str) -> None:
    found = claims(text)
    for contradiction in contradictions(found, FACTS):
        assert contradiction.describe()
        assert contradiction.claim in found
