"""What the fuzzer runs, run here on its seeds, on mutations of them, and on what it once found."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.loaders.problems import Malformed
from tests.fuzz.targets import TARGETS
from tests.loaders.refusals import frugal

SEEDS = [(name, data) for name, target in TARGETS.items() for data in target.inputs()]
FOUND = {
    "picture": [
        # A JPEG whose size stands in a segment that only Pillow sees: 65,535 x 65,535 pixels.
        b"\x00\xff\xd8\xff\xd0\x00\x15\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03"
        + bytes(9)
        + b"\xff\xda\x00\x02",
    ],
    "network": [
        # An operator's domain that is no UTF-8: protobuf hands it out as bytes.
        b"\x00\x3a\x09\x0a\x07\x22\x01g\x3a\x02\x91o",
        # A sparse tensor whose raw data is there and empty: the checker raises another exception.
        bytes.fromhex(
            "00080e3a580a0c0a0178120179220452656c751201675a0f0a0178120a0a08080112040a020801620f0a0179120a0a08"
            "080112040a0208017a230a110802100122080000803f00000040420173120a080210073a0200054a001803180442040a001012"
        ),
    ],
}
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_a_seed_that_loads(name: str) -> None:
    assert TARGETS[name].check(TARGETS[name].seeds[0]) is not None


@pytest.mark.parametrize("name", TARGETS)
def test_putting_a_seed_into_order_does_it_no_harm(name: str) -> None:
    """Or the ordered half of the inputs would never get anywhere."""
    target = TARGETS[name]
    assert any(loads(name, target.ordered(seed)) for seed in target.seeds)


def loads(name: str, data: bytes) -> bool:
    try:
        return TARGETS[name].check(data) is not None
    except Malformed:
        return False


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_stays_mended(name: str) -> None:
    for data in FOUND[name]:
        TARGETS[name].try_input(data)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """A seed with a few bytes changed, put in or cut out, or a piece of another seed in it."""
    name, data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(start + draw(st.sampled_from([0, 1, 1, 4, 100])), len(data))))
        _, other = draw(st.sampled_from(SEEDS))
        at = draw(st.integers(0, len(other)))
        new = st.binary(max_size=8) | st.sampled_from([b"\xff" * 4, b"\0" * 8, other[at : at + 20]])
        data = data[:start] + draw(new) + data[stop:]
    return name, data


@settings(calm, max_examples=400)
@given(mutated())
def test_any_mutation_gives_a_value_within_the_limits_or_one_sentence(made: tuple[str, bytes]) -> None:
    name, data = made
    with frugal(16, seconds=5):  # each limit on a file is 64 KiB here
        TARGETS[name].try_input(data)


@settings(calm, max_examples=300)
@given(st.sampled_from(sorted(TARGETS)), st.binary(max_size=200))
def test_any_bytes_give_a_value_within_the_limits_or_one_sentence(name: str, data: bytes) -> None:
    with frugal(16, seconds=5):
        TARGETS[name].try_input(data)
