"""How many images the sequential test takes, and how often it errs, by simulation.

`python -m benchmarks.sequential` prints the table of the README; half a minute. ``--seed`` draws others.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autograder.checks.sequential import SequentialTest, drawn_order
from autograder.checks.statistics import Standing
from benchmarks.figures import spread, table
from benchmarks.machine import provenance

IMAGES, THRESHOLD, ERROR = 50_000, 0.65, 0.01
SHARES = (0.50, 0.60, 0.64, 0.65, 0.66, 0.68, 0.70, 0.76)
IMAGES_A_SECOND = 10.0  # a ResNet-50 on two cores: 7 to 12
BUDGET_S = 1_500  # of a grading's 40 minutes
_EVERY = 10  # images from look to look; later a hundredth of those that were seen


@dataclass(frozen=True, slots=True)
class Ran:
    """Where one simulated evaluation ended."""

    seen: int
    standing: Standing
    within_budget: Standing


def simulate(share: float, runs: int, seed: int) -> list[Ran]:
    """Evaluations of networks that have this share of the population right."""
    test = SequentialTest(IMAGES, THRESHOLD, ERROR)
    right = np.zeros(IMAGES, dtype=bool)
    right[: round(share * IMAGES)] = True
    return [_run(test, np.cumsum(right[drawn_order(IMAGES, seed + run)])) for run in range(runs)]


def _run(test: SequentialTest, counts: np.ndarray) -> Ran:
    budget = round(IMAGES_A_SECOND * BUDGET_S)
    then = test.finish(int(counts[budget - 1]), budget).standing
    seen = 0
    while seen < IMAGES:
        seen = min(IMAGES, seen + max(_EVERY, seen // 100))
        found = test.look(int(counts[seen - 1]), seen)
        if found is not None:
            return Ran(seen, found.standing, found.standing if seen <= budget else then)
    raise AssertionError("all images were seen, and nothing was decided")


def row(share: float, ran: Sequence[Ran]) -> list[str]:
    right = Standing.MET if share >= THRESHOLD else Standing.NOT_MET
    seen = [float(one.seen) for one in ran]
    open_yet = sum(one.within_budget is Standing.TOO_CLOSE for one in ran)
    return [
        f"{100 * share:.0f} %",
        f"{np.mean(seen):,.0f}",
        spread(seen),
        f"{np.mean(seen) / IMAGES_A_SECOND:,.0f}",
        f"{100 * sum(one.standing is not right for one in ran) / len(ran):.1f}",
        f"{100 * open_yet / len(ran):.0f}",
    ]


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(
        provenance(
            f"Images until top-1 >= {THRESHOLD:.0%} of {IMAGES:,} is decided, at an error of {ERROR:.0%}",
            {"seconds": f"at {IMAGES_A_SECOND:.0f} images a second; the budget is {BUDGET_S:,} s"},
            simulated_evaluations_of_each=options.runs,
        )
    )
    head = (
        "true share",
        "images, mean",
        "median (range)",
        "seconds",
        "wrong, %",
        "undecided in the budget, %",
    )
    print(table(head, [row(share, simulate(share, options.runs, options.seed)) for share in SHARES]))


if __name__ == "__main__":
    main()
