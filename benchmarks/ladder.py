"""What resubmitting gains whoever learns from scores alone, by simulation.

`python -m benchmarks.ladder` prints the tables of docs/challenge.md; some four minutes. ``--seed`` draws
others, ``--runs`` more or fewer.

The attack is Blum and Hardt's ("The ladder: a reliable leaderboard for machine learning competitions", 2015):
hand in many random variants, keep what went with higher scores, and let them vote. Ours is given more than a
student would have: a network that knows how sure it is of each image and of its second choice, and the best
vote there is for that knowledge (each image's posterior). Nobody knows which images are public.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autograder.checks.predictions.beating import beats_chance, beats_staff
from autograder.checks.predictions.rounding import rounded, step_of
from benchmarks.figures import table
from benchmarks.machine import provenance

IMAGES, CLASSES, PUBLIC = 10_000, 10, 1_000
SUBMISSIONS = {"14 days": 42, "30 days": 90, "no limit": 1_000}  # 3 a day
SURE, SURE_RIGHT = 0.55, 0.95  # the share of images of which the network is sure, and how often rightly
FIRST_RIGHT, SECOND_RIGHT = 0.44, 0.28  # its first and its second choice for the others: 72 % in all
AGREEMENT = 0.57  # correlation of being right between two trainings that differ in the seed alone
POINTS = 100.0
_CLARITY_OF_A_BIT = np.sqrt(2 / np.pi)  # correlation of a normal number with whether it is above its mean

Floats = NDArray[np.float64]
Release = Callable[[Floats], Floats]
"""Makes of the exact public shares of successive submissions what the leaderboard shows."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What the last submission has more right than the network by itself, in points."""

    public: float
    private: float


def exactly(shares: Floats) -> Floats:
    return shares


def by_steps(shares: Floats) -> Floats:
    return np.array([rounded(float(share), PUBLIC) for share in shares])


RELEASES: dict[str, Release] = {"in full": exactly, "rounded": by_steps}


@dataclass(frozen=True, slots=True)
class Network:
    """Which images' first and second choice is right; the first ``unsure`` are those that may be changed.

    ``called`` is the class of the first choice. That of the second is the next one.
    """

    called: NDArray[np.int64]
    first: NDArray[np.bool_]
    second: NDArray[np.bool_]
    public: NDArray[np.bool_]
    unsure: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Network:
        unsure = round((1 - SURE) * IMAGES)
        chance = rng.random(IMAGES)
        first_right = np.where(np.arange(IMAGES) < unsure, FIRST_RIGHT, SURE_RIGHT)
        first = chance < first_right
        second = ~first & (chance < first_right + SECOND_RIGHT) & (np.arange(IMAGES) < unsure)
        public = np.zeros(IMAGES, dtype=bool)
        public[rng.choice(IMAGES, PUBLIC, replace=False)] = True
        return cls(rng.integers(0, CLASSES, IMAGES), first, second, public, unsure)

    @property
    def truth(self) -> NDArray[np.int64]:
        """The images' classes."""
        beyond = np.where(self.first, 0, np.where(self.second, 1, 5))
        return np.asarray((self.called + beyond) % CLASSES)

    @property
    def change(self) -> NDArray[np.int64]:
        """What each unsure image adds to the count of right answers if its second choice is taken."""
        return self.second[: self.unsure].astype(np.int64) - self.first[: self.unsure]

    def gain(self, taken: NDArray[np.bool_]) -> Gain:
        change, public = self.change * taken, self.public[: self.unsure]
        return Gain(
            POINTS * change[public].sum() / PUBLIC, POINTS * change[~public].sum() / (IMAGES - PUBLIC)
        )


def boosting(network: Network, submissions: int, release: Release, rng: np.random.Generator) -> Gain:
    """The attack, with a network to start from; the last submission is the vote of all before it.

    It is after the public score alone, so each image is changed as if it were public.
    """
    asked = rng.integers(0, 2, (submissions - 1, network.unsure), dtype=np.int8)
    public = network.public[: network.unsure]
    base = network.first[network.public].sum()
    shares = (base + asked[:, public] @ network.change[public]) / PUBLIC
    return network.gain(_vote(asked, release(shares), int(public.sum())))


def probing(network: Network, submissions: int, rng: np.random.Generator, *, once: bool) -> Gain:
    """The same with the verdict on the private part as the only answer, its threshold where it says most.

    ``once``: what was earned stays earned, so nothing is learned after the first yes.
    """
    asked = rng.integers(0, 2, (submissions - 1, network.unsure), dtype=np.int8)
    private = ~network.public[: network.unsure]
    counts = asked[:, private] @ network.change[private]
    told = counts > network.change[private].sum() / 2
    if once:
        asked, told = asked[: told.argmax() + 1], told[: told.argmax() + 1]
    return network.gain(_vote(asked, told.astype(float), int(private.sum()), _CLARITY_OF_A_BIT))


def boosting_by_class(network: Network, submissions: int, rng: np.random.Generator) -> Gain:
    """The attack where each class's accuracy is shown too, rounded by the class's number of images."""
    asked = rng.integers(0, 2, (submissions - 1, network.unsure), dtype=np.int8)
    called, truth, public = network.called[: network.unsure], network.truth, network.public
    pull = np.sqrt(submissions / (public[: network.unsure].sum() / CLASSES * (FIRST_RIGHT + SECOND_RIGHT)))
    votes = np.zeros(network.unsure)
    for number in range(CLASSES):
        images = public & (truth == number)
        size, mine = int(images.sum()), images[: network.unsure]
        counts = network.first[images].sum() + asked[:, mine] @ network.change[mine]
        answers = np.array([rounded(float(count) / size, size) for count in counts])
        concerned = (called == number) | ((called + 1) % CLASSES == number)
        votes[concerned] += _votes(asked[:, concerned], answers)
    return network.gain(np.asarray(pull * votes > np.log(FIRST_RIGHT / SECOND_RIGHT)))


def _votes(asked: NDArray[np.int8], answers: Floats) -> Floats:
    """How the answers go with each image's variants; standard deviation 1 where they know nothing."""
    spread = max(float(answers.std()), 1e-9)
    return np.asarray((answers - answers.mean()) @ (asked - 0.5) / (spread * 0.5 * np.sqrt(len(asked))))


def _vote(asked: NDArray[np.int8], answers: Floats, seen: int, clarity: float = 1.0) -> NDArray[np.bool_]:
    """Which second choices to take: those more probably right than the first, by prior and by answers.

    The answers are about ``seen`` of the unsure images. Their sum with an image's own variants is normal,
    with a mean in proportion to what the image changes; ``clarity`` is how closely they go with the counts.
    """
    pull = clarity * np.sqrt(len(asked) / (seen * (FIRST_RIGHT + SECOND_RIGHT)))
    return np.asarray(2 * pull * _votes(asked, answers) > np.log(FIRST_RIGHT / SECOND_RIGHT))


def from_nothing(submissions: int, release: Release, rng: np.random.Generator) -> Gain:
    """The attack with no network at all: random labels, and for each image the label that went best."""
    truth = rng.integers(0, CLASSES, IMAGES)
    asked = rng.integers(0, CLASSES, (submissions - 1, IMAGES))
    answers = release((asked[:, :PUBLIC] == truth[:PUBLIC]).mean(axis=1))
    votes = np.zeros((IMAGES, CLASSES))
    for labels, answer in zip(asked, answers - answers.mean(), strict=True):
        votes[np.arange(IMAGES), labels] += answer
    right = (votes + 1e-9 * rng.random(votes.shape)).argmax(axis=1) == truth
    return Gain(
        POINTS * (right[:PUBLIC].mean() - 1 / CLASSES), POINTS * (right[PUBLIC:].mean() - 1 / CLASSES)
    )


def picking(submissions: int, release: Release, rng: np.random.Generator) -> Gain:
    """No attack: as many networks as good as each other, of which the one with the best score is taken."""
    easy = _easiness(rng, 0.72)
    public = np.arange(IMAGES) < PUBLIC
    right = rng.random((submissions, IMAGES), dtype=np.float32) < easy
    best = int(release(right[:, public].mean(axis=1)).argmax())
    shares = right.mean(axis=0)
    return Gain(
        POINTS * float(right[best, public].mean() - shares[public].mean()),
        POINTS * float(right[best, ~public].mean() - shares[~public].mean()),
    )


def _easiness(rng: np.random.Generator, accuracy: float) -> NDArray[np.float32]:
    """How probably each image is right in a training, so that two trainings agree as real ones do."""
    weight = 1 / AGREEMENT - 1
    return rng.beta(accuracy * weight, (1 - accuracy) * weight, IMAGES).astype(np.float32)


def no_better(submissions: int, runs: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """Trainings as good as the staff's own, each with another seed, held against the staff's one.

    For each run and training the p-value, and whether more answers were right.
    """
    p_values, more = np.ones((runs, submissions)), np.zeros((runs, submissions), dtype=bool)
    for run in range(runs):
        easy = _easiness(rng, 0.72)[PUBLIC:]
        staff = rng.random(easy.size, dtype=np.float32) < easy
        for training in range(submissions):
            ours = rng.random(easy.size, dtype=np.float32) < easy
            p_values[run, training] = beats_staff(ours, staff, 0.05).p_value
            more[run, training] = ours.sum() > staff.sum()
    return p_values, more


def guessers(submissions: int, level: float) -> float:
    """The chance that one of so many files of random labels beats guessing, at a level."""
    hidden = IMAGES - PUBLIC
    enough = next(
        k for k in range(hidden // CLASSES, hidden) if beats_chance(k, hidden, 1 / CLASSES, level).beaten
    )
    once = beats_chance(enough, hidden, 1 / CLASSES, level).p_value
    return 1.0 - float((1 - once) ** submissions)


def _row(name: str, gains: Sequence[Gain]) -> list[str]:
    public, private = np.array([g.public for g in gains]), np.array([g.private for g in gains])
    return [name, _spread(public), _spread(private)]


def _spread(values: Floats) -> str:
    low, middle, high = np.percentile(values, [5, 50, 95])
    return f"{middle:+.1f} ({low:+.1f} to {high:+.1f})"


def attacks(runs: int, seed: int) -> str:
    """The table of what each attack gains."""
    rows = []
    for release_name, release in RELEASES.items():
        for limit, submissions in SUBMISSIONS.items():
            rng = np.random.default_rng(seed)
            gains = [boosting(Network.draw(rng), submissions, release, rng) for _ in range(runs)]
            rows.append(_row(f"a network of 72 %, {limit} ({submissions}), scores {release_name}", gains))
    for limit, submissions in SUBMISSIONS.items():
        rng = np.random.default_rng(seed)
        gains = [boosting_by_class(Network.draw(rng), submissions, rng) for _ in range(runs)]
        rows.append(_row(f"a network of 72 %, {limit} ({submissions}), each class's score rounded", gains))
    for release_name, release in RELEASES.items():
        for limit, submissions in SUBMISSIONS.items():
            rng = np.random.default_rng(seed)
            gains = [from_nothing(submissions, release, rng) for _ in range(runs)]
            rows.append(_row(f"random labels, {limit} ({submissions}), scores {release_name}", gains))
    for limit, submissions in list(SUBMISSIONS.items())[:2]:
        rng = np.random.default_rng(seed)
        gains = [picking(submissions, by_steps, rng) for _ in range(runs)]
        rows.append(
            _row(f"no attack: the best of as many trainings, {limit} ({submissions}), rounded", gains)
        )
    head = ("attack", "gain on the public part, points", "gain on the private part, points")
    return table(head, rows)


def probes(runs: int, seed: int) -> str:
    """The table of what the verdict alone gives away."""
    rows = []
    for once in (False, True):
        for limit, submissions in SUBMISSIONS.items():
            rng = np.random.default_rng(seed)
            gains = [probing(Network.draw(rng), submissions, rng, once=once) for _ in range(runs)]
            told = "earned once is earned" if once else "a verdict each time"
            rows.append(_row(f"{told}, {limit} ({submissions})", gains))
    return table(("verdicts on the private part", "gain, public", "gain, private, points"), rows)


def luck(runs: int, seed: int) -> str:
    """The table of points that are earned without being better."""
    limits = list(SUBMISSIONS.values())[:2]
    p_values, more = no_better(max(limits), runs, np.random.default_rng(seed))
    rules = {f"McNemar at {level:g}": p_values <= level for level in (0.05, 0.01, 0.001)} | {"plain": more}
    rows = [
        [name, _percent(passed), *(_percent(np.any(passed[:, :k], axis=1)) for k in limits)]
        for name, passed in rules.items()
    ]
    head = ("a training as good as the staff's passes", "once", *(f"ever, of {k} trainings" for k in limits))
    return table(head, rows)


def _percent(passed: NDArray[np.bool_]) -> str:
    return f"{POINTS * passed.mean():.1f} %"


def guessing() -> str:
    """The table of random files that beat guessing."""
    rows = [
        [f"{level:g}", *(f"{POINTS * guessers(k, level):.4f} %" for k in (1, 42, 90))]
        for level in (0.001, 0.00001, 0.000001)
    ]
    return table(("chance_level", "1 file", "42 files", "90 files"), rows)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    notes = {
        "figures": "median (5th to 95th percentile), in points of accuracy",
        "challenge": f"{IMAGES:,} images, {CLASSES} classes, {PUBLIC:,} public, step {step_of(PUBLIC):g}",
    }
    print(provenance("Resubmitting against the leaderboard", notes, simulated_attacks_of_each=options.runs))
    for part in (attacks, probes, luck):
        print(part(options.runs, options.seed), end="\n\n")
    print(guessing())


if __name__ == "__main__":
    main()
