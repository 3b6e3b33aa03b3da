"""For how many epochs a network was trained, however its training is spread."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autograder.checks.measured_epochs import (
    EpochsJudged,
    TrainedNetwork,
    epochs_of,
    judge_epochs,
    searches_rate,
)
from autograder.checks.statistics import Standing
from autograder.sandbox.training_weights import Beginning, Begun
from tests.checks.trainings import PASS, Metered

FRESH = (
    Beginning("0.weight", (10, 1, 3, 3), 0.0, 0.19, -0.333, 0.333),
    Beginning("3.weight", (20, 10, 3, 3), 0.0, 0.0609, -0.1053, 0.1053),
)


def begun(cell: int, steps: int, model: str = "Net") -> Begun:
    return Begun(cell, steps, model, FRESH)


def only(metered: Metered, *beginnings: Begun, **asked: object) -> TrainedNetwork:
    (found,) = epochs_of(replace(metered.read(), beginnings=beginnings), **asked)  # type: ignore[arg-type]
    return found


def judged(metered: Metered, *beginnings: Begun, allowed: int = 15) -> EpochsJudged:
    return judge_epochs(only(metered, *beginnings), allowed)


@pytest.fixture
def metered() -> Metered:
    return Metered()


@pytest.fixture
def loader(metered: Metered) -> int:
    return metered.loader()


def test_as_many_as_are_allowed(metered: Metered, loader: int) -> None:
    metered.run(4, 15, loader)
    found = judged(metered)
    assert found == EpochsJudged(
        Standing.MET, "The network was trained for 15 epochs (7,035 steps), and 15 are allowed."
    )


def test_sixteen_under_the_name_of_fifteen(metered: Metered, loader: int) -> None:
    metered.run(4, 16, loader)
    found = judged(metered)
    assert found.standing is Standing.NOT_MET
    assert found.told.startswith("The network was trained for 16 epochs (7,504 steps), and 15 are allowed.")


def test_sixteen_epochs_each_left_before_its_end(metered: Metered, loader: int) -> None:
    metered.run(4, 16 * 467 / PASS, loader, complete=0)
    assert judged(metered).standing is Standing.NOT_MET


def test_twice_ten_in_two_cells(metered: Metered, loader: int) -> None:
    metered.run(4, 10, loader)
    metered.run(6, 10, loader, losses=(0.06, 0.02))
    found = only(metered, begun(4, 0))
    assert (found.epochs, found.sure) == (20, True)
    assert found.told == "20 epochs (9,380 steps): 10 in cell 4 and 10 in cell 6"
    assert judge_epochs(found, 15).standing is Standing.NOT_MET


def test_a_network_made_anew_begins_anew(metered: Metered, loader: int) -> None:
    metered.run(4, 10, loader)
    metered.run(4, 10, loader)
    training = replace(metered.read(), beginnings=(begun(4, 0), begun(4, 10 * PASS)))
    first, second = epochs_of(training)
    assert (first.epochs, second.epochs) == (10, 10)
    assert judge_epochs(second, 15).standing is Standing.MET


def test_without_beginnings_the_loss_tells(metered: Metered, loader: int) -> None:
    metered.run(4, 10, loader)
    metered.run(6, 10, loader)  # its loss begins where the first one's began
    assert [one.epochs for one in epochs_of(metered.read())] == [10, 10]
    goes_on = Metered()
    goes_on.run(4, 10, goes_on.loader())
    goes_on.run(6, 10, 1, losses=(0.07, 0.04))
    assert only(goes_on).epochs == 20
    unknown = Metered()
    unknown.run(4, 10, unknown.loader(), losses=None)
    unknown.run(6, 10, 1, losses=None)
    found = only(unknown)
    assert (found.epochs, found.least, found.sure) == (20, 10, False)
    told = judge_epochs(found, 15)
    assert told.standing is Standing.TOO_CLOSE
    assert "may be of several networks" in told.staff


def test_a_copy_that_was_trained_before_is_trained_on(metered: Metered, loader: int) -> None:
    metered.run(4, 10, loader)
    metered.run(6, 10, loader)
    tail = tuple(Beginning(f"{at}.weight", (32, 32, 3, 3), 0.02, 0.05, -0.9, 0.7) for at in range(4)) + tuple(
        one
        for at in range(4, 7)
        for one in (
            Beginning(f"{at}.weight", (32,), 0.8, 0.2, 0.3, 1.4),
            Beginning(f"{at}.running_mean", (32,), 0.1, 0.3, -1, 1),
        )
    )
    found = only(metered, begun(4, 0), Begun(6, 10 * PASS, "Net", tail))
    assert (found.epochs, found.sure) == (20, True)


def test_another_network_is_another_training(metered: Metered, loader: int) -> None:
    metered.run(3, 15, loader, model="Teacher")
    metered.run(4, 15, loader)
    assert [(one.model, one.epochs) for one in epochs_of(metered.read())] == [("Teacher", 15), ("Net", 15)]


def test_a_search_of_the_learning_rate_is_no_epoch(metered: Metered, loader: int) -> None:
    cells = [{"cell": 3, "steps": 100, "passes": 1}, {"cell": 4, "steps": 15 * PASS, "passes": 15}]
    steps = 15 * PASS + 100
    metered.run(3, steps / PASS, loader, cells=cells)
    assert judged(metered).standing is Standing.MET  # a fifth of an epoch, whoever made it
    assert only(metered, search_cells={3}).epochs == pytest.approx(15)
    assert only(metered, search_cells={3}).searched == pytest.approx(100 / PASS)
    assert searches_rate("finder = LRFinder(net, opt, loss)\nfinder.range_test(train)")
    assert searches_rate("learn.lr_find()")
    assert not searches_rate("lr = 0.01\nfor epoch in range(15): train(net)")


def test_a_search_over_large_batches_is_found_by_its_cell(metered: Metered, loader: int) -> None:
    cells = [{"cell": 3, "steps": 2 * PASS, "passes": 2}, {"cell": 4, "steps": 15 * PASS, "passes": 15}]
    metered.run(3, 17, loader, cells=cells)
    assert judged(metered).standing is Standing.NOT_MET
    found = judge_epochs(only(metered, search_cells={3}), 15)
    assert found.standing is Standing.MET
    assert "2 epochs, in a cell that searches" in found.staff
    # But a training isn't a search because its cell says so.
    assert only(metered, search_cells={4}).epochs == 17


def test_between_half_an_epoch_and_a_whole_one_a_human_looks(metered: Metered, loader: int) -> None:
    metered.run(4, 15.75, loader)
    found = judged(metered)
    assert found.standing is Standing.TOO_CLOSE
    assert "15.7 epochs" in found.staff


def test_gathered_gradients_are_no_fewer_epochs(metered: Metered, loader: int) -> None:
    metered.run(4, 16, loader, steps=16 * PASS // 4, batches=16 * PASS)
    metered.runs[0]["steps"] = 16 * PASS // 4
    assert judged(metered).standing is Standing.NOT_MET


def test_two_steps_for_each_batch_are_no_more_epochs(metered: Metered, loader: int) -> None:
    """Sharpness-aware minimisation."""
    metered.run(4, 15, loader, steps=30 * PASS, batches=15 * PASS)
    assert judged(metered).standing is Standing.MET


def test_batches_that_were_kept_and_used_again(metered: Metered, loader: int) -> None:
    metered.run(4, 1, loader)
    metered.runs[0] |= {"steps": 20 * PASS}
    metered.runs[0]["feeds"][0] |= {"after_end": 20 * PASS, "steps": 0, "passes": 1, "complete": 1}
    assert judged(metered).standing is Standing.NOT_MET


def test_two_loaders_at_once_are_not_counted_twice(metered: Metered, loader: int) -> None:
    metered.run(4, 15, [loader, metered.loader()])
    assert only(metered).epochs == 15


def test_a_new_loader_for_each_epoch(metered: Metered, loader: int) -> None:
    numbers = [loader, *(metered.loader() for _ in range(15))]
    metered.run(4, 16, numbers, passes=1, complete=1, batches=PASS)
    for feed in metered.runs[0]["feeds"]:
        feed["steps"] = PASS
    assert only(metered).epochs == pytest.approx(16)


def test_a_loader_without_a_length_and_none_at_all(metered: Metered) -> None:
    metered.run(4, 15, metered.loader(batches=None))
    assert only(metered).epochs == 15
    by_hand = Metered()
    by_hand.run(4, 16, None)
    assert only(by_hand).epochs is None
    assert judge_epochs(only(by_hand), 15).standing is Standing.TOO_CLOSE
    assert only(by_hand, images=60_000).epochs == pytest.approx(16 * PASS * 128 / 60_000)


def test_a_pass_over_more_than_the_training_set_is_for_staff(metered: Metered) -> None:
    metered.run(4, 15, metered.loader(items=120_000, batches=2 * PASS))
    found = judge_epochs(only(metered), 15, images=60_000)
    assert found.standing is Standing.MET
    assert "serves 120,064 images, and the training set has 60,000" in found.staff


def test_what_trains_nothing_is_no_training(metered: Metered, loader: int) -> None:
    metered.run(4, 15, loader, lr_most=0.0)
    assert epochs_of(metered.read()) == ()
    assert judge_epochs(None, 15).standing is Standing.TOO_CLOSE
