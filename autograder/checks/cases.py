"""A case pack: what is put to a student's function, what is right, and what each known slip would answer.

A pack is data and nothing else, so the same file serves the grading of hidden cases and the public bundle,
where students get the same messages without the reference. It is stored as one safetensors file: arrays as
tensors, and the rest as JSON in its metadata. Nothing is pickled.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from autograder.outcome import GraderFault

Array: TypeAlias = NDArray[np.float64]
Answer: TypeAlias = NDArray[Any] | None

_FORMAT = 1
_KEY = "case_pack"


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One call: ``inputs`` are the arrays and ``params`` the numbers of conv_param or pool_param.

    ``traits`` are what a message may say of the case ("pad 0", "non-square image"); ``dout`` is the fresh
    random gradient that comes from above; ``outputs`` are those that this case judges.
    """

    name: str
    traits: tuple[str, ...]
    inputs: Mapping[str, Array]
    params: Mapping[str, int]
    dout: Array
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SlipAnswers:
    """What a known slip answers to each case that judges ``output``; None where it raises.

    ``sentence`` is what the student reads.
    """

    id: str
    output: str
    sentence: str
    answers: Sequence[Answer]


@dataclass(frozen=True, slots=True, eq=False)
class CasePack:
    """Cases with their right answers: ``expected[output]`` runs along ``cases_for(output)``."""

    layer: str
    tier: str
    seed: int
    cases: tuple[Case, ...]
    expected: Mapping[str, tuple[Array, ...]]
    slips: tuple[SlipAnswers, ...]

    def __post_init__(self) -> None:
        rows = {output: len(arrays) for output, arrays in self.expected.items()}
        wrong = [output for output, count in rows.items() if count != len(self.cases_for(output))]
        wrong += [slip.id for slip in self.slips if len(slip.answers) != rows.get(slip.output)]
        if wrong:
            raise GraderFault(
                f"the case pack {self.layer}/{self.tier} has too few or too many answers for {wrong!r}",
                remedy="Build the pack again; every answer belongs to exactly one case.",
            )

    def cases_for(self, output: str) -> tuple[Case, ...]:
        """The cases that judge this output, in the order of ``expected[output]``."""
        return tuple(case for case in self.cases if output in case.outputs)

    def slips_for(self, output: str) -> tuple[SlipAnswers, ...]:
        return tuple(slip for slip in self.slips if slip.output == output)


def save_pack(pack: CasePack, path: Path) -> None:
    """Write the pack atomically; the same pack always gives the same bytes."""
    tensors = {key: np.asarray(array, order="C") for key, array in _tensors(pack).items()}
    content = save(tensors, metadata={_KEY: _index(pack).model_dump_json()})
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_pack(path: Path) -> CasePack:
    """Read a pack that save_pack wrote; raises GraderFault where the file is not one."""
    try:
        with safe_open(path, framework="numpy") as file:
            index = _Index.model_validate_json((file.metadata() or {}).get(_KEY, ""))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # not a dict
        if index.format != _FORMAT:
            raise _unreadable(path, f"it has format {index.format!r}, and {_FORMAT!r} is understood")
        return _assemble(index, tensors)
    except (OSError, SafetensorError, ValidationError, KeyError) as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}") from error


def _unreadable(path: Path, why: str) -> GraderFault:
    return GraderFault(
        f"the case pack {str(path)!r} can't be read: {why}",
        remedy="Write the pack again (the bundle command does), with this same version.",
    )


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _CaseIndex(_Strict):
    name: str
    traits: list[str]
    inputs: list[str]
    params: dict[str, int]
    outputs: list[str]


class _SlipIndex(_Strict):
    id: str
    output: str
    sentence: str
    raised: list[bool]


class _Index(_Strict):
    format: int
    layer: str
    tier: str
    seed: int
    cases: list[_CaseIndex]
    expected: dict[str, int]
    slips: list[_SlipIndex]


def _index(pack: CasePack) -> _Index:
    return _Index(
        format=_FORMAT,
        layer=pack.layer,
        tier=pack.tier,
        seed=pack.seed,
        cases=[
            _CaseIndex(
                name=case.name,
                traits=list(case.traits),
                inputs=list(case.inputs),
                params=dict(case.params),
                outputs=list(case.outputs),
            )
            for case in pack.cases
        ],
        expected={output: len(arrays) for output, arrays in pack.expected.items()},
        slips=[
            _SlipIndex(
                id=slip.id,
                output=slip.output,
                sentence=slip.sentence,
                raised=[answer is None for answer in slip.answers],
            )
            for slip in pack.slips
        ],
    )


def _tensors(pack: CasePack) -> dict[str, NDArray[Any]]:
    tensors: dict[str, NDArray[Any]] = {}
    for i, case in enumerate(pack.cases):
        tensors[f"case/{i}/dout"] = case.dout
        tensors |= {f"case/{i}/input/{name}": array for name, array in case.inputs.items()}
    for output, arrays in pack.expected.items():
        tensors |= {f"expected/{output}/{i}": array for i, array in enumerate(arrays)}
    for s, slip in enumerate(pack.slips):
        tensors |= {f"slip/{s}/{i}": answer for i, answer in enumerate(slip.answers) if answer is not None}
    return tensors


def _assemble(index: _Index, tensors: Mapping[str, NDArray[Any]]) -> CasePack:
    return CasePack(
        layer=index.layer,
        tier=index.tier,
        seed=index.seed,
        cases=tuple(
            Case(
                name=case.name,
                traits=tuple(case.traits),
                inputs={name: tensors[f"case/{i}/input/{name}"] for name in case.inputs},
                params=case.params,
                dout=tensors[f"case/{i}/dout"],
                outputs=tuple(case.outputs),
            )
            for i, case in enumerate(index.cases)
        ),
        expected={
            output: tuple(tensors[f"expected/{output}/{i}"] for i in range(count))
            for output, count in index.expected.items()
        },
        slips=tuple(
            SlipAnswers(
                slip.id,
                slip.output,
                slip.sentence,
                tuple(None if raised else tensors[f"slip/{s}/{i}"] for i, raised in enumerate(slip.raised)),
            )
            for s, slip in enumerate(index.slips)
        ),
    )
