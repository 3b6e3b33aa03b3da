"""Runs a student's hand-written layer, forward and backward, over a case pack.

What comes out is, for each output, one `Observed` a case, ready for `gradients.judge`. Nothing is judged
here but one thing: which cache the backward pass deserves. A course's notebook hands ``backward`` the cache
that the student's own ``forward`` made, so that is the one that counts, with whatever it holds. Only where
the forward pass itself isn't right does the standard cache of the homework's statement count as well: a
wrong forward must not make a right backward wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from autograder.checks.arrays import compare, rtol_for
from autograder.checks.cases import Case, CasePack
from autograder.checks.diagnosis import Observed, Opaque
from autograder.checks.gradients import judge, judge_ties, judge_unmodified
from autograder.outcome import (
    CheckFailed,
    LimitExceeded,
    NotRun,
    ProcessEnded,
    StudentException,
    SubmissionProblem,
)
from autograder.sandbox import wire
from autograder.sandbox.submission import Handle, Module, Scene

Layer: TypeAlias = Literal["conv", "pool"]
Tier: TypeAlias = Literal["contract", "extended", "ties"]
Judge: TypeAlias = Callable[[Layer, Tier, str], None]  # layer, tier, output: raises unless it is right


@dataclass(frozen=True, slots=True)
class _Signature:
    """How the homework calls a layer: the order of the inputs, and what its gradients are called."""

    forward: str
    backward: str
    inputs: tuple[str, ...]
    gradients: tuple[str, ...]


_SIGNATURES: dict[str, _Signature] = {
    "conv": _Signature("conv_forward_naive", "conv_backward_naive", ("x", "w", "b"), ("dx", "dw", "db")),
    "pool": _Signature("max_pool_forward_naive", "max_pool_backward_naive", ("x",), ("dx",)),
}
FUNCTIONS = tuple(name for one in _SIGNATURES.values() for name in (one.forward, one.backward))
FUNCTIONS_OF: Mapping[Layer, tuple[str, str]] = {
    layer: (_SIGNATURES[layer].forward, _SIGNATURES[layer].backward) for layer in get_args(Layer)
}


@dataclass(slots=True)
class LayerRun:
    """What a layer gave for a pack: ``observed[output]`` runs along ``pack.cases_for(output)``.

    ``changed`` holds the complaint about a function that changed its inputs; ``stopped`` the problem after
    which a function was not called again.
    """

    observed: dict[str, list[Observed]] = field(default_factory=dict)
    changed: dict[str, CheckFailed] = field(default_factory=dict)
    stopped: dict[str, SubmissionProblem] = field(default_factory=dict)


def judge_layer(
    run: LayerRun, pack: CasePack, output: str, tolerances: Mapping[str, float], *, public: bool
) -> None:
    """Raise unless the function that gives ``output`` gave it right in every case, and changed no input."""
    signature = _SIGNATURES[pack.layer]
    function = signature.forward if output == "out" else signature.backward
    observed = run.observed[output]
    if pack.tier == "ties":
        judge_ties(function, observed, pack, tolerances, public=public)
    else:
        judge(function, output, observed, pack, tolerances, public=public)
    if function in run.changed:
        raise run.changed[function]


def run_layer(
    module: Module,
    pack: CasePack,
    tolerances: Mapping[str, float],
    *,
    before: LayerRun | None = None,
    public: bool = False,
) -> LayerRun:
    """Call the layer's two functions for every case of ``pack``.

    A function that was ``before`` ended by a limit, or that ended its process, is not called again.
    """
    return _Runner(module, pack, tolerances, before, public).run()


@dataclass(slots=True)
class _Forward:
    """One case's forward pass; ``cache`` lives as long as the scene that it was made in."""

    out: Observed
    cache: Handle | None = None


class _Runner:
    def __init__(
        self,
        module: Module,
        pack: CasePack,
        tolerances: Mapping[str, float],
        before: LayerRun | None,
        public: bool,
    ) -> None:
        self._module, self._pack, self._tolerances, self._public = module, pack, tolerances, public
        self._signature = _SIGNATURES[pack.layer]
        self._result = LayerRun(stopped=dict(before.stopped) if before else {})
        self._barred: dict[str, SubmissionProblem] = {
            name: _not_again(name, why) for name, why in self._result.stopped.items()
        }

    def run(self) -> LayerRun:
        with self._module.scene() as scene:
            forwards = [self._forward(scene, case) for case in self._pack.cases]
            self._keep("out", [forward.out for forward in forwards])
            right = self._which_are_right(forwards)
            if self._signature.forward not in self._result.stopped:
                self._backward_all(scene, forwards, right)
                return self._result
        # The forward pass took its scene, and every cache in it, down: go on without them.
        with self._module.scene() as scene:
            self._backward_all(scene, [_Forward(forward.out) for forward in forwards], right)
        return self._result

    def _keep(self, output: str, observed: Sequence[Observed]) -> None:
        """Keep the answers of those cases that judge this output."""
        if output in self._pack.expected:
            pairs = zip(self._pack.cases, observed, strict=True)
            self._result.observed[output] = [seen for case, seen in pairs if output in case.outputs]

    def _which_are_right(self, forwards: Sequence[_Forward]) -> list[bool]:
        """Whether the forward pass can be trusted, for each case; judged by the others where it can't be."""
        expected = iter(self._pack.expected.get("out", ()))
        known = [
            self._is_right(forward.out, next(expected)) if "out" in case.outputs else None
            for case, forward in zip(self._pack.cases, forwards, strict=True)
        ]
        otherwise = all(verdict is not False for verdict in known)
        return [otherwise if verdict is None else verdict for verdict in known]

    def _is_right(self, seen: Observed, expected: Any) -> bool:
        if seen.problem is not None or isinstance(seen.value, Opaque):
            return False
        return compare(seen.value, expected, rtol_for(seen.value, self._tolerances)) is None

    def _call(
        self, scene: Scene, name: str, arguments: Sequence[Any]
    ) -> tuple[Handle | None, SubmissionProblem | None]:
        """Call a function, unless it is barred; what it gave, or the problem in place of that."""
        if name in self._barred:
            return None, self._barred[name]
        try:
            return scene.call(name, *arguments), None
        except SubmissionProblem as problem:
            return None, self._noted(name, problem)

    def _noted(self, name: str, problem: SubmissionProblem) -> SubmissionProblem:
        """A problem that ended the process bars its function from being called again."""
        if isinstance(problem, (LimitExceeded, ProcessEnded)):
            self._result.stopped[name] = self._barred[name] = problem
        return _told(problem, public=self._public)

    def _forward(self, scene: Scene, case: Case) -> _Forward:
        name = self._signature.forward
        if name in self._barred:
            return _Forward(Observed(problem=self._barred[name]))
        before = {key: case.inputs[key] for key in self._signature.inputs}
        inputs = scene.put_all(*before.values())
        result, problem = self._call(scene, name, [*inputs, dict(case.params)])
        if result is None:
            return _Forward(Observed(problem=problem))
        if result.kind == "none":
            return _Forward(Observed(value=None))
        if result.kind not in ("tuple", "list") or result.length != 2:
            wanted = CheckFailed(
                f"{name} returned {_shown(result)}, where (out, cache) is asked for.",
                hint="End it with: return out, cache",
            )
            return _Forward(Observed(problem=wanted))
        try:
            out, *after = scene.fetch_all(result[0], *inputs)
            self._look_for_changes(name, case, before, after)
            return _Forward(Observed(value=_plain(out)), result[1])
        except SubmissionProblem as broken:
            return _Forward(Observed(problem=self._noted(name, broken)))

    def _look_for_changes(
        self, name: str, case: Case, before: Mapping[str, Any], after: Sequence[Any]
    ) -> None:
        for (key, value), now in zip(before.items(), after, strict=True):
            try:
                judge_unmodified(name, key, value, now, case)
            except CheckFailed as complaint:
                self._result.changed.setdefault(name, complaint)

    def _backward_all(self, scene: Scene, forwards: Sequence[_Forward], right: Sequence[bool]) -> None:
        answers = [
            self._backward(scene, case, forward, trusted=trusted)
            for case, forward, trusted in zip(self._pack.cases, forwards, right, strict=True)
        ]
        for output in self._signature.gradients:
            self._keep(output, [answer[output] for answer in answers])

    def _backward(self, scene: Scene, case: Case, forward: _Forward, *, trusted: bool) -> dict[str, Observed]:
        """The gradients of one case, by the student's own cache or, failing that, by the standard one."""
        judged = [output for output in self._signature.gradients if output in case.outputs]
        if not judged:
            return dict.fromkeys(self._signature.gradients, Observed())
        own = self._gradients(scene, case, forward.cache) if forward.cache is not None else None
        if own is not None and (trusted or self._all_right(case, own, judged)):
            return own
        standard = (*(case.inputs[key] for key in self._signature.inputs), dict(case.params))
        answer = self._gradients(scene, case, standard)
        maker = self._signature.forward
        if own is None:
            names = ", ".join((*self._signature.inputs, f"{self._pack.layer}_param"))
            aside = (
                f"But {maker} gave no cache, so this function was given the one of the homework's text, "
                f"({names}): if yours is another, mend the forward pass first."
            )
            return {output: _adding(seen, aside) for output, seen in answer.items()}
        if all(seen.problem is None for seen in answer.values()):
            return answer
        # A cache of the student's own design: what backward makes of the standard one shows nothing.
        aside = f"But {maker} is not right here either, and this function gets its cache: mend it first."
        return {output: _adding(seen, aside) for output, seen in own.items()}

    def _all_right(self, case: Case, answer: Mapping[str, Observed], judged: Sequence[str]) -> bool:
        return all(
            self._is_right(answer[output], self._pack.expected[output][self._position(case, output)])
            for output in judged
        )

    def _position(self, case: Case, output: str) -> int:
        return next(k for k, other in enumerate(self._pack.cases_for(output)) if other is case)

    def _gradients(self, scene: Scene, case: Case, cache: Any) -> dict[str, Observed]:
        name, outputs = self._signature.backward, self._signature.gradients
        if name in self._barred:
            return dict.fromkeys(outputs, Observed(problem=self._barred[name]))
        dout = scene.put(case.dout)
        result, problem = self._call(scene, name, [dout, cache])
        if result is None:
            return dict.fromkeys(outputs, Observed(problem=problem))
        try:
            *values, after = scene.fetch_all(*self._parts(name, result, outputs), dout)
            self._look_for_changes(name, case, {"dout": case.dout}, [after])
            return {
                output: Observed(value=_plain(value)) for output, value in zip(outputs, values, strict=True)
            }
        except SubmissionProblem as broken:
            return dict.fromkeys(outputs, Observed(problem=self._noted(name, broken)))

    def _parts(self, name: str, result: Handle, outputs: tuple[str, ...]) -> list[Handle]:
        """The handles of what a backward pass returned, one for each gradient."""
        if result.kind == "none" or len(outputs) == 1:
            return [result] * len(outputs)  # None stands for each of them
        if result.kind not in ("tuple", "list") or result.length != len(outputs):
            listed = ", ".join(outputs)
            raise CheckFailed(
                f"{name} returned {_shown(result)}, where ({listed}) is asked for.",
                hint=f"End it with: return {listed}",
            )
        return [result[k] for k in range(len(outputs))]


_OF_THE_CACHE = ("ValueError", "TypeError", "IndexError", "KeyError")


def _adding(seen: Observed, aside: str) -> Observed:
    """What was seen, with a hint more where the cache that the function was given may be the reason."""
    problem = seen.problem
    if not isinstance(problem, StudentException) or problem.exception not in _OF_THE_CACHE:
        return seen
    told = type(problem).__new__(type(problem))  # constructors differ from class to class
    told.__dict__.update(problem.__dict__)
    told.args, told.hint = problem.args, f"{problem.hint} {aside}".lstrip()
    return Observed(problem=told)


def _plain(value: Any) -> Any:
    return Opaque(value.type_name) if isinstance(value, wire.Opaque) else value


def _shown(result: Handle) -> str:
    """A returned value in words."""
    if result.length is not None:
        return f"a {result.kind} of {result.length}"
    words = {"array": "one array", "number": "one number"}
    return words.get(result.kind, f"an object of type {result.kind.removeprefix('object: ')!r}")


def _told(problem: SubmissionProblem, *, public: bool) -> SubmissionProblem:
    """For public cases, what the exception itself said: there is nothing in it that students don't have."""
    if public and isinstance(problem, StudentException) and problem.detail not in problem.message:
        problem.message = f"{problem.message}\nIt said: {problem.detail}"
    return problem


def _not_again(name: str, why: SubmissionProblem) -> NotRun:
    return NotRun(
        f"{name} was not called again, because it did not come to an end in an earlier test.",
        hint="See that test for what happened.",
        staff=why.message,
    )
