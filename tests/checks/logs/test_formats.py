"""Every format gives the history back that was written in it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from autograder.checks.logs.found import LoggedEpoch, TrainingLog
from autograder.checks.logs.reading import parse_log
from autograder.checks.logs.turned import as_accuracies
from tests.checks.logs.writers import WRITERS, Row, Writer, histories

FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def assert_read(logs: tuple[TrainingLog, ...], rows: list[Row], writer: Writer) -> None:
    assert len(logs) == 1, [log.epochs for log in logs]
    log = logs[0]
    assert writer.format in log.format
    assert [one.number for one in log.epochs] == [
        row.number if writer.numbered else place for place, row in enumerate(rows, start=1)
    ]
    for row, one in zip(rows, log.epochs, strict=True):
        for name in ("train_loss", "loss", "train_top1", "top1", "top5"):
            if name in writer.holds:
                assert getattr(one, name) == pytest.approx(getattr(row, name), abs=2e-6), (name, one, row)
        if writer.seconds is not None:
            assert one.seconds == pytest.approx(row.seconds, abs=writer.seconds)


@pytest.mark.parametrize("name", WRITERS)
@given(data=st.data())
@FEW
def test_a_history_comes_back(name: str, data: st.DataObject) -> None:
    writer = WRITERS[name]
    rows = data.draw(histories())
    # A loss that stands where a guess's does says per cent, and a curve that falls is one of errors.
    assume(min(row.train_loss for row in rows) < 4.5 and min(row.loss for row in rows) < 4.5)
    drawn = tuple(LoggedEpoch(row.number, 0, top1=row.top1, top5=row.top5) for row in rows)
    assume(not as_accuracies(drawn)[1])
    assert_read(parse_log(writer.write(rows), writer.path), rows, writer)
