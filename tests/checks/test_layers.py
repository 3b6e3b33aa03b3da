"""Running a student's layer over a case pack: which cache counts, what is called again, what is told.

The module and its scenes are fakes that call plain Python functions in this process.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import pytest

from autograder.checks.cases import CasePack
from autograder.checks.layers import FUNCTIONS, LayerRun, judge_layer, run_layer
from autograder.outcome import (
    CheckFailed,
    LimitExceeded,
    NotRun,
    Outcome,
    ProcessEnded,
    StudentException,
    SubmissionProblem,
)
from autograder.sandbox.wire import Opaque
from reference.conv_cases import build_pack
from tests.checks.packs import TOLERANCES
from tests.naive import SCALAR, SLICED, edited

Value = TypeVar("Value")
CONV, POOL = ("out", "dx", "dw", "db"), ("out", "dx")


# --- the fakes ----------------------------------------------------------------------------------------


class Handle:
    def __init__(self, value: Any) -> None:
        self.value = value
        self.length = len(value) if isinstance(value, (tuple, list, dict)) else None
        words = {np.ndarray: "array", tuple: "tuple", list: "list", dict: "dict", type(None): "none"}
        self.kind = words.get(type(value), f"object: {type(value).__name__}")

    def __getitem__(self, key: Any) -> Handle:
        return Handle(self.value[key])


class Scene:
    """Ends for good with the first call, or the first value, that raises one of the sandbox's problems."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._ended: SubmissionProblem | None = None

    def put(self, value: Any) -> Handle:
        return self.put_all(value)[0]

    def put_all(self, *values: Any) -> tuple[Handle, ...]:
        return self._do(lambda: tuple(Handle(copy.deepcopy(value)) for value in values))

    def call(self, name: str, *arguments: Any) -> Handle:
        self._module.calls.append(name)
        function = self._module.functions[name]
        return self._do(lambda: Handle(function(*map(_received, arguments))))

    def fetch_all(self, *handles: Handle) -> tuple[Any, ...]:
        return self._do(lambda: tuple(_sent(handle.value) for handle in handles))

    def _do(self, body: Callable[[], Value]) -> Value:
        if self._ended is not None:
            raise self._ended
        try:
            return body()
        except (LimitExceeded, ProcessEnded) as problem:
            self._ended = problem
            raise
        except Exception as error:
            name = type(error).__name__
            raise StudentException("It raised.", exception=name, detail=f"<{error}>") from error

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *_: object) -> None: ...


class Module:
    def __init__(self, source: str, **functions: Callable[..., Any]) -> None:
        self.functions: dict[str, Callable[..., Any]] = {}
        exec(source, self.functions)  # noqa: S102  (the text of tests/naive.py)
        self.functions |= functions
        self.scenes, self.calls = 0, list[str]()

    def scene(self) -> Scene:
        self.scenes += 1
        return Scene(self)


def _received(argument: Any) -> Any:
    """An argument as the sandbox gets it: what a handle names, or a copy."""
    if isinstance(argument, tuple):
        return tuple(map(_received, argument))
    return argument.value if isinstance(argument, Handle) else copy.deepcopy(argument)


def _sent(value: Any) -> Any:
    """A value as it leaves the sandbox."""
    if isinstance(value, Enormous):
        raise LimitExceeded("message_mib", 16)
    return Opaque(type(value).__name__) if isinstance(value, Odd) else copy.deepcopy(value)


class Enormous: ...


class Odd: ...


# --- helpers ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def conv() -> CasePack:
    return build_pack("conv", "contract", 11)


@pytest.fixture(scope="module")
def pool() -> CasePack:
    return build_pack("pool", "contract", 11)


def run(module: Module, pack: CasePack, before: LayerRun | None = None, *, public: bool = False) -> LayerRun:
    fake: Any = module
    return run_layer(fake, pack, TOLERANCES, before=before, public=public)


def problem(
    result: LayerRun, pack: CasePack, output: str, *, public: bool = False
) -> SubmissionProblem | None:
    try:
        judge_layer(result, pack, output, TOLERANCES, public=public)
    except SubmissionProblem as found:
        return found
    return None


def text(result: LayerRun, pack: CasePack, output: str) -> str:
    found = problem(result, pack, output)
    assert found is not None, f"{output} was judged right"
    return found.student_text


def wrong(result: LayerRun, pack: CasePack, outputs: Sequence[str] = CONV) -> list[str]:
    """The outputs that are not right."""
    return [output for output in outputs if problem(result, pack, output) is not None]


def edit(function: str, *edits: tuple[str, str], source: str = SLICED) -> Module:
    return Module(edited(source, function, edits))


def returning(value: Any) -> Callable[..., Any]:
    return lambda *_: value


def ending(error: SubmissionProblem) -> Callable[..., Any]:
    def end(*_: Any) -> Any:
        raise error

    return end


BIAS_LEFT_OUT = ("np.sum(window * w[f]) + b[f]", "np.sum(window * w[f])")
RETURN = "return out, (x, w, b, conv_param)"
UNPACK = "x, w, b, conv_param = cache"
ENDLESS = LimitExceeded("wall_s", 20.0, doing="conv_forward_naive()")
DIED = ProcessEnded("The process ended.")


# --- what is right ------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [SLICED, SCALAR])
@pytest.mark.parametrize("tier", ["contract", "extended"])
def test_a_right_layer_is_right_in_everything_and_needs_one_scene(source: str, tier: Any) -> None:
    pack = build_pack("conv", tier, 3)
    module = Module(source)
    assert wrong(run(module, pack), pack) == []
    assert module.scenes == 1
    assert module.calls.count("conv_forward_naive") == len(pack.cases)
    assert module.calls.count("conv_backward_naive") <= len(pack.cases)


@pytest.mark.parametrize("tier", ["contract", "extended", "ties"])
def test_right_pooling(tier: Any) -> None:
    pack = build_pack("pool", tier, 3)
    outputs = [output for output in POOL if output in pack.expected]
    assert wrong(run(Module(SLICED), pack), pack, outputs) == []


def test_a_list_is_as_good_as_a_tuple(conv: CasePack) -> None:
    module = edit("conv_forward_naive", (RETURN, "return [out, [x, w, b, conv_param]]"))
    module.functions["conv_backward_naive"] = lambda dout, cache, f=module.functions["conv_backward_naive"]: (
        list(f(dout, cache))
    )
    assert wrong(run(module, conv), conv) == []


# --- which cache counts -------------------------------------------------------------------------------


def test_the_students_own_cache_is_handed_to_backward(conv: CasePack) -> None:
    module = Module(
        edited(
            edited(SLICED, "conv_forward_naive", [(RETURN, 'return out, {"all": (x, w, b, conv_param)}')]),
            "conv_backward_naive",
            [(UNPACK, 'x, w, b, conv_param = cache["all"]')],
        )
    )
    result = run(module, conv)
    assert wrong(result, conv) == []
    assert module.calls.count("conv_backward_naive") == len(
        [case for case in conv.cases if "dx" in case.outputs]
    )


def test_a_cache_that_the_students_forward_spoils_is_their_own_fault(conv: CasePack) -> None:
    module = edit("conv_forward_naive", (RETURN, "return out, (0 * x, w, b, conv_param)"))
    assert wrong(run(module, conv), conv) == ["dw"]  # dx and db don't need x


def test_a_wrong_forward_does_not_make_a_right_backward_wrong(conv: CasePack) -> None:
    module = edit("conv_forward_naive", BIAS_LEFT_OUT, (RETURN, "return out, (0 * x, 0 * w, b, conv_param)"))
    assert wrong(run(module, conv), conv) == ["out"]


def test_nor_one_that_only_its_own_cache_suits(conv: CasePack) -> None:
    module = Module(
        edited(
            edited(
                SLICED, "conv_forward_naive", [BIAS_LEFT_OUT, (RETURN, "return out, (conv_param, b, w, x)")]
            ),
            "conv_backward_naive",
            [(UNPACK, "conv_param, b, w, x = cache")],
        )
    )
    assert wrong(run(module, conv), conv) == ["out"]


def test_nor_one_that_the_standard_cache_leads_astray(conv: CasePack) -> None:
    module = Module(
        edited(
            edited(
                SLICED, "conv_forward_naive", [BIAS_LEFT_OUT, (RETURN, "return out, (x, -w, b, conv_param)")]
            ),
            "conv_backward_naive",
            [(UNPACK, f"{UNPACK}\n    w = -w")],
        )
    )
    assert wrong(run(module, conv), conv) == ["out"]


def test_where_both_caches_fail_the_standard_ones_answer_is_judged(conv: CasePack) -> None:
    module = Module(
        edited(
            edited(SLICED, "conv_forward_naive", [BIAS_LEFT_OUT, (RETURN, "return out, None")]),
            "conv_backward_naive",
            [("db[f] += np.sum(dout[n, f])", "db[f] = np.sum(dout[n, f])")],
        )
    )
    result = run(module, conv)
    assert wrong(result, conv) == ["out", "db"]
    assert isinstance(problem(result, conv, "db"), CheckFailed)  # and not the None that it can't unpack


def test_forward_that_returns_nothing_leaves_backward_the_standard_cache(conv: CasePack) -> None:
    result = run(Module(SLICED, conv_forward_naive=returning(None)), conv)
    assert wrong(result, conv) == ["out"]
    assert "None" in text(result, conv, "out")


def test_a_forward_that_raises_leaves_backward_the_standard_cache(conv: CasePack) -> None:
    result = run(Module(SLICED, conv_forward_naive=lambda: None), conv)
    assert wrong(result, conv) == ["out"]
    found = problem(result, conv, "out")
    assert isinstance(found, StudentException)
    assert found.exception == "TypeError"


# --- what was returned --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.zeros(3), "conv_forward_naive returned one array, where (out, cache) is asked for."),
        ((np.zeros(3),), "returned a tuple of 1,"),
        ((np.zeros(3), 1, 2), "returned a tuple of 3,"),
        ([], "returned a list of 0,"),
        ({"out": 1, "cache": 2}, "returned a dict of 2,"),
        (Odd(), "returned an object of type 'Odd',"),
    ],
)
def test_a_forward_that_returns_something_else(conv: CasePack, value: Any, said: str) -> None:
    result = run(Module(SLICED, conv_forward_naive=returning(value)), conv)
    assert said in text(result, conv, "out")
    assert "return out, cache" in text(result, conv, "out")
    assert wrong(result, conv) == ["out"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.zeros(3), "conv_backward_naive returned one array, where (dx, dw, db) is asked for."),
        ((np.zeros(3), np.zeros(3)), "returned a tuple of 2,"),
        ({"dx": 1, "dw": 2, "db": 3}, "returned a dict of 3,"),
        (Odd(), "returned an object of type 'Odd',"),
    ],
)
def test_a_backward_that_returns_something_else(conv: CasePack, value: Any, said: str) -> None:
    result = run(Module(SLICED, conv_backward_naive=returning(value)), conv)
    assert wrong(result, conv) == ["dx", "dw", "db"]
    for output in ("dx", "dw", "db"):
        assert said in text(result, conv, output)
        assert "return dx, dw, db" in text(result, conv, output)


def test_a_backward_that_returns_nothing_or_lacks_one(conv: CasePack, pool: CasePack) -> None:
    result = run(Module(SLICED, conv_backward_naive=returning(None)), conv)
    assert wrong(result, conv) == ["dx", "dw", "db"]
    assert "None" in text(result, conv, "dw")
    module = edit("conv_backward_naive", ("return dx, dw, db", "return dx, None, db"))
    assert wrong(run(module, conv), conv) == ["dw"]
    result = run(Module(SLICED, max_pool_backward_naive=returning(None)), pool)
    assert wrong(result, pool, POOL) == ["dx"]


@pytest.mark.parametrize("value", [3.0, (np.zeros(3),), "dx", Odd(), np.zeros(3, dtype=object)])
def test_a_gradient_that_is_no_array_of_numbers(pool: CasePack, value: Any) -> None:
    result = run(Module(SLICED, max_pool_backward_naive=returning(value)), pool)
    assert wrong(result, pool, POOL) == ["dx"]
    assert isinstance(problem(result, pool, "dx"), CheckFailed)


def test_each_gradient_is_judged_by_itself(conv: CasePack) -> None:
    for output, spoilt in (("dx", "0 * dx, dw, db"), ("dw", "dx, 0 * dw, db"), ("db", "dx, dw, 0 * db")):
        module = edit("conv_backward_naive", ("return dx, dw, db", f"return {spoilt}"))
        assert wrong(run(module, conv), conv) == [output]


# --- inputs that are changed --------------------------------------------------------------------------


def test_a_forward_that_changes_its_input_is_told_so_once(conv: CasePack) -> None:
    module = edit(
        "conv_forward_naive", (RETURN, f"kept = x.copy()\n    x *= 0\n    {RETURN.replace('(x', '(kept')}")
    )
    result = run(module, conv)
    assert wrong(result, conv) == ["out"]
    assert "conv_forward_naive changes its input: x " in text(result, conv, "out")


def test_a_backward_that_changes_dout(conv: CasePack) -> None:
    module = edit("conv_backward_naive", ("return dx, dw, db", "dout += 1\n    return dx, dw, db"))
    result = run(module, conv)
    assert wrong(result, conv) == ["dx", "dw", "db"]
    assert "conv_backward_naive changes its input: dout " in text(result, conv, "db")


# --- what does not come to its end --------------------------------------------------------------------


@pytest.mark.parametrize("error", [ENDLESS, DIED], ids=["endless", "died"])
def test_a_forward_that_ends_its_scene_is_called_once_and_backward_is_judged(
    conv: CasePack, error: SubmissionProblem
) -> None:
    module = Module(SLICED, conv_forward_naive=ending(error))
    result = run(module, conv)
    assert wrong(result, conv) == ["out"]
    assert problem(result, conv, "out") is error
    assert module.calls.count("conv_forward_naive") == 1
    assert module.scenes == 2

    extended = build_pack("conv", "extended", 11)
    later = run(module, extended, before=result)
    assert module.calls.count("conv_forward_naive") == 1
    assert wrong(later, extended) == ["out"]
    found = problem(later, extended, "out")
    assert isinstance(found, NotRun)
    assert found.outcome is Outcome.SKIPPED
    assert "conv_forward_naive was not called again" in found.student_text


def test_a_forward_that_ends_in_a_later_case_keeps_what_it_gave(conv: CasePack) -> None:
    module = Module(SLICED)
    right = module.functions["conv_forward_naive"]

    def second_time(*arguments: Any) -> Any:
        if module.calls.count("conv_forward_naive") == 2:
            raise ENDLESS
        return right(*arguments)

    module.functions["conv_forward_naive"] = second_time
    result = run(module, conv)
    assert module.calls.count("conv_forward_naive") == 2
    assert result.observed["out"][0].problem is None
    assert wrong(result, conv) == ["out"]


@pytest.mark.parametrize("error", [ENDLESS, DIED], ids=["endless", "died"])
def test_a_backward_that_ends_its_scene_is_called_once(conv: CasePack, error: SubmissionProblem) -> None:
    module = Module(SLICED, conv_backward_naive=ending(error))
    result = run(module, conv)
    assert wrong(result, conv) == ["dx", "dw", "db"]
    assert problem(result, conv, "dw") is error
    assert module.calls.count("conv_backward_naive") == 1

    extended = build_pack("conv", "extended", 11)
    later = run(module, extended, before=result)
    assert module.calls.count("conv_backward_naive") == 1
    assert wrong(later, extended) == ["dx", "dw", "db"]
    assert isinstance(problem(later, extended, "db"), NotRun)


@pytest.mark.parametrize("name", FUNCTIONS[:2])
def test_a_value_too_large_to_fetch_bars_its_function_alone(conv: CasePack, name: str) -> None:
    value = (Enormous(), None) if "forward" in name else (Enormous(), 0, 0)
    module = Module(SLICED, **{name: returning(value)})
    result = run(module, conv)
    assert wrong(result, conv) == (["out"] if "forward" in name else ["dx", "dw", "db"])
    assert isinstance(problem(result, conv, "out" if "forward" in name else "db"), LimitExceeded)
    assert module.calls.count(name) == 1


def test_an_exception_is_no_reason_not_to_be_called_again(conv: CasePack) -> None:
    module = Module(SLICED, conv_forward_naive=lambda *_: 1 / 0)
    result = run(module, conv)
    assert module.calls.count("conv_forward_naive") == len(conv.cases)
    assert result.stopped == {}
    assert module.scenes == 1


def test_what_an_exception_said_is_told_for_public_cases_alone(conv: CasePack) -> None:
    for public in (False, True):
        module = Module(SLICED, conv_forward_naive=lambda *_: 1 / 0)
        found = problem(run(module, conv, public=public), conv, "out", public=public)
        assert found is not None
        assert ("<division by zero>" in found.student_text) is public
