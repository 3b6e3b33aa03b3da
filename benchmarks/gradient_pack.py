"""What it costs to check hand-written layers: by the reference, and by a numerical gradient.

`python -m benchmarks.gradient_pack [--rounds 5]`. Everything runs in this process, on one thread; the
student is the excellent fixture, whose loops are the plain ones (four of them, with NumPy inside a window).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.checks.cases import CasePack
from benchmarks.direct import PACKS, Functions, judge_all, load_functions, play
from benchmarks.figures import median, ratios, spread, table
from benchmarks.machine import provenance
from benchmarks.numerical import calls, gradients_of_all, worst_error
from benchmarks.submissions import make_students
from reference.conv_cases import build_pack, conv_arguments, pool_arguments
from reference.layers import conv_backward, conv_forward, max_pool_backward, max_pool_forward

SEED = 231
AIM_REFERENCE, AIM_CHEAPER = 0.25, 250
_AT_LEAST_S = 0.05  # what is quicker is repeated until it took this long


@dataclass(slots=True)
class Costs:
    """Seconds of processor time for one pass over some cases; one value a round."""

    name: str
    calls: int = 0  # of the forward pass, for the numerical gradient
    student: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)
    comparing: list[float] = field(default_factory=list)
    numerical: list[float] = field(default_factory=list)
    error: float = 0.0  # of the numerical gradient

    def sums(self, *parts: str) -> list[float]:
        """Of the named parts, round by round."""
        return [sum(values) for values in zip(*(getattr(self, part) for part in parts), strict=True)]


def run_reference(pack: CasePack) -> None:
    """Forward for every case, backward for those that judge gradients: as much as the student does."""
    for case in pack.cases:
        if pack.layer == "conv":
            conv_forward(*conv_arguments(case))
            if "dx" in case.outputs:
                conv_backward(case.dout, *conv_arguments(case))
        else:
            max_pool_forward(*pool_arguments(case))
            if "dx" in case.outputs:
                max_pool_backward(case.dout, *pool_arguments(case))


def seconds(body: Callable[[], object]) -> float:
    """Processor time of one call, from as many as make it measurable."""
    repeats, start = 0, time.process_time()
    while not repeats or time.process_time() - start < _AT_LEAST_S:
        body()
        repeats += 1
    return (time.process_time() - start) / repeats


def measure_round(costs: Costs, pack: CasePack, functions: Functions) -> None:
    """Each way once; the rounds alternate them."""
    costs.student.append(seconds(lambda: play(functions, pack)))
    costs.reference.append(seconds(lambda: run_reference(pack)))
    played = play(functions, pack)
    costs.comparing.append(seconds(lambda: judge_all(played, pack)))
    start = time.process_time()
    found = gradients_of_all(functions, pack) if costs.calls else None
    costs.numerical.append(time.process_time() - start)
    if found is not None:
        costs.error = max(costs.error, worst_error(found, pack))


def measure(rounds: int, functions: Functions) -> list[Costs]:
    packs = [build_pack(layer, tier, SEED) for layer, tier in PACKS]
    # Where maxima tie there is no derivative: central differences give neither side's.
    everything = [
        Costs(
            f"{pack.layer}, {pack.tier} ({len(pack.cases)} cases)", 0 if pack.tier == "ties" else calls(pack)
        )
        for pack in packs
    ]
    for pack in packs:  # a warm-up
        run_reference(pack)
        judge_all(play(functions, pack), pack)
    for number in range(rounds):
        for costs, pack in zip(everything, packs, strict=True):
            measure_round(costs, pack, functions)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return everything


def together(name: str, everything: Sequence[Costs]) -> Costs:
    """Several tiers as one, round by round."""
    result = Costs(name, sum(one.calls for one in everything), error=max(one.error for one in everything))
    for part in ("student", "reference", "comparing", "numerical"):
        columns = [getattr(one, part) for one in everything]
        setattr(result, part, [sum(values) for values in zip(*columns, strict=True)])
    return result


def reference_table(everything: Sequence[Costs]) -> str:
    rows = [
        [
            costs.name,
            _ms(costs.student),
            _ms(costs.reference),
            _ms(costs.comparing),
            spread(ratios(costs.reference, costs.student)),
        ]
        for costs in [*everything, together("all together", everything)]
    ]
    head = ["cases", "student", "reference", "comparison", "reference / student"]
    return table(head, rows)


def numerical_table(everything: Sequence[Costs]) -> str:
    """Both ways need the student's own forward and backward pass once, and compare; so each ratio twice."""
    checked = [costs for costs in everything if costs.calls]
    rows = []
    for costs in [*checked, together("all of these", checked)]:
        whole = ratios(
            costs.sums("student", "numerical", "comparing"), costs.sums("student", "reference", "comparing")
        )
        own = ratios(costs.sums("numerical", "comparing"), costs.sums("reference", "comparing"))
        error = f"{costs.error:.0e}"
        rows.append([costs.name, f"{costs.calls}", _ms(costs.numerical), spread(whole), spread(own), error])
    head = [
        "cases",
        "forward calls",
        "numerical gradient",
        "times cheaper, the student's passes counted on both sides",
        "times cheaper, the checking alone",
        "the numerical gradient's error",
    ]
    return table(head, rows)


def verdicts(everything: Sequence[Costs]) -> str:
    """Which aims hold, in words."""
    checked = together("", [costs for costs in everything if costs.calls])
    whole = together("", everything)
    share = median(ratios(whole.reference, whole.student))
    parts = {
        "with the student's own passes counted on both sides": ("student", "comparing"),
        "for the checking alone (reference and comparison)": ("comparing",),
    }
    lines = [f"- reference / student ≤ {AIM_REFERENCE:g}: {_holds(share <= AIM_REFERENCE)} ({share:.3f})"]
    for words, both in parts.items():
        times = median(ratios(checked.sums("numerical", *both), checked.sums("reference", *both)))
        lines.append(f"- {AIM_CHEAPER} times cheaper {words}: {_holds(times >= AIM_CHEAPER)} ({times:.0f})")
    return "\n".join(lines)


def _holds(it: bool) -> str:
    return "holds" if it else "does not hold"


def _ms(values: Sequence[float]) -> str:
    return spread(values, "ms", scale=1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.gradient_pack")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(provenance("Gradient pack", rounds=options.rounds))
    with tempfile.TemporaryDirectory(prefix="autograder-benchmark-") as folder:
        functions = load_functions(make_students(1, Path(folder))[0].layers)
    everything = measure(options.rounds, functions)
    print(reference_table(everything), numerical_table(everything), verdicts(everything), sep="\n\n")


if __name__ == "__main__":
    main()
