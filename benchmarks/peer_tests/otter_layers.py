"""For otter-grader, as one of its exception-based test files: it is executed with no module of its own."""

from collections.abc import Callable
from typing import Any

from otter.test_files import test_case  # type: ignore[import-not-found]  # only in the peers' environment

from benchmarks.peer_tests.given import NAMES, checker

OK_FORMAT = False
name = "layers"
points = len(NAMES)
_check: list[Callable[[int], None]] = []


def _test(which: int) -> Callable[[dict[str, Any]], None]:
    def test(env: dict[str, Any]) -> None:
        if not _check:
            _check.append(checker(env))  # the functions lie in the notebook's own namespace
        _check[0](which)

    return test


for _which, _name in enumerate(NAMES):
    globals()[f"case_{_name}"] = test_case(name=_name)(_test(_which))
