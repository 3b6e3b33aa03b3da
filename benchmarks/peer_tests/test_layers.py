"""For plain pytest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.peer_tests.given import NAMES, checker


@pytest.fixture(scope="session")
def check() -> Callable[[int], None]:
    return checker()


@pytest.mark.parametrize("which", range(len(NAMES)), ids=NAMES)
def test_layers(check: Callable[[int], None], which: int) -> None:
    check(which)
