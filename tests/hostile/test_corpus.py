"""Every attack against every backend: no point, no secret, nothing left, and the results in time."""

from __future__ import annotations

import pytest

from fixtures.hostile import BACKENDS, load, names
from tests.hostile.record import HELD, OPEN, REFUSED, Records, Shot
from tests.hostile.shooting import Outcome, Range


@pytest.mark.parametrize(
    "shooting",
    [pytest.param(name, marks=pytest.mark.xdist_group(f"hostile-{name}")) for name in BACKENDS],
    indirect=True,
    scope="module",
)
@pytest.mark.parametrize("name", names())
def test_it_gets_nothing(name: str, shooting: Range, records: Records) -> None:
    attack = load(name)
    backend = shooting.backend.name
    outcome = shooting.shoot(attack)
    known = attack.open_on(backend)
    if not attack.silent and not attack.refused:
        if not ran(outcome, shooting) and not outcome.findings:
            outcome = shooting.shoot(attack)  # a machine that is busy may have used up its time before it ran
        assert ran(outcome, shooting), "an attack that does not run shows nothing"
        assert "MISTAKE" not in outcome.printed, (
            outcome.printed
        )  # nor does one that fails by a slip of its own
    why = known if outcome.findings and known else "; ".join(outcome.findings)
    verdict = OPEN if outcome.findings else REFUSED if attack.refused else HELD
    records.keep(Shot(name, backend, verdict, why, round(outcome.seconds, 1)))
    if known:
        assert outcome.findings, f"it is listed as open, and was held; take `open` out of {name}.toml"
        pytest.xfail(f"open: {known}")
    assert outcome.findings == []


def ran(outcome: Outcome, shooting: Range) -> bool:
    return f"[{shooting.planted.known.mark}] ran" in outcome.printed
