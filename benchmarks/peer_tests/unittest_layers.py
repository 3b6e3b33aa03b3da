"""For gradescope-utils: `python -m benchmarks.peer_tests.unittest_layers RESULTS.json`."""

from __future__ import annotations

import sys
import unittest
from collections.abc import Callable
from pathlib import Path

from gradescope_utils.autograder_utils.decorators import number, weight
from gradescope_utils.autograder_utils.json_test_runner import JSONTestRunner

from benchmarks.peer_tests.given import NAMES, checker


class TestLayers(unittest.TestCase):
    check: Callable[[int], None]

    @classmethod
    def setUpClass(cls) -> None:
        cls.check = staticmethod(checker())


def _method(which: int) -> Callable[[TestLayers], None]:
    def test(self: TestLayers) -> None:
        self.check(which)

    marked: Callable[[TestLayers], None] = number(f"9.1.{which}")(weight(1)(test))
    return marked


for _which, _name in enumerate(NAMES):
    setattr(TestLayers, f"test_{_name}", _method(_which))


if __name__ == "__main__":
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(TestLayers)
    with Path(sys.argv[1]).open("w", encoding="utf-8") as results:
        JSONTestRunner(stream=results).run(suite)
