"""The four functions of the five-cell notebook, called in the sandbox."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from gradescope_utils.autograder_utils.decorators import number, weight

from autograder.handed_in import HandedIn
from autograder.sandbox.submission import Scene
from benchmarks.notebook_checks import FUNCTIONS, check


def _called(scene: Scene, name: str, *arguments: Any) -> Any:
    return scene.call(name, *arguments).fetch()


@number("1")  # type: ignore[untyped-decorator]
@weight(1)  # type: ignore[untyped-decorator]
@pytest.mark.evidence("measured")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str, submission: HandedIn, seed: int) -> None:
    """the function is right"""
    with submission.notebook("notebook").scene() as scene:
        check(name, partial(_called, scene, name), seed)
