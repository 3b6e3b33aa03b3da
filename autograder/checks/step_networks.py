"""The network of a step: taken from its run, or from the cells that define it alone, and weighed.

A count of parameters and the receptive fields need no training. So of a notebook that isn't run only the
cells that define the network are (checks/notebooks/model_alone.py), which takes seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from autograder.checks.models.fields import FieldRow, receptive_fields
from autograder.checks.models.structure import Structure, read_structure
from autograder.checks.models.weigh import Weighed, weigh
from autograder.checks.notebooks.model_alone import model_alone
from autograder.handed_in import HandedIn
from autograder.loaders.notebook import Notebook
from autograder.outcome import CheckFailed, SubmissionProblem
from autograder.sandbox.exported import Export, Exports
from autograder.sandbox.submission import Scene
from autograder.text import cut_line

ALONE_S = 60.0  # for the cells that define a network: imports are most of it
EXPORT_S = 60.0
_WHY = 300  # characters of a reason
_USUAL = ("model", "net", "network", "cnn")
_NOT_KEPT = "no training over the batches of a torch DataLoader, to the end of an epoch, was seen here"


@dataclass(frozen=True, slots=True)
class Network:
    """A network that was weighed, and what is known of its layers; or why there is none.

    ``alone``: only the cells that define it were run. ``others`` are more networks that were left behind.
    """

    weighed: Weighed | None = None
    structure: Structure | None = None
    rows: tuple[FieldRow, ...] = ()
    why: str = ""
    alone: bool = False
    others: int = 0

    @property
    def field(self) -> int | None:
        """The receptive field at its end."""
        return max((row.field_out for row in self.rows), default=None)


def network_alone(
    submission: HandedIn, path: str, stored: Notebook, probes: np.ndarray, printed: Collection[int]
) -> Network:
    """The network that the notebook's own cells define, untrained."""
    cells = submission.some_cells(path, model_alone(stored), ALONE_S)
    try:
        with cells.scene() as scene:
            return network_in(scene, probes, printed, alone=True)
    except SubmissionProblem as problem:
        return Network(why=cut_line(problem.message, _WHY), alone=True)
    finally:
        cells.close()  # a box with torch in it takes 500 MB, and each step has one


@dataclass(frozen=True, slots=True)
class LastEpochs:
    """A run's network as its last epochs left it: the last epoch's first, then the one before.

    ``kept``: their weights are those that the run kept; else there is one, as the run left it behind at its
    end. ``why`` says why there aren't more.
    """

    exports: tuple[Exports, ...] = ()
    kept: bool = False
    why: str = ""

    @property
    def final(self) -> Exports:
        return self.exports[0]


def last_epochs(scene: Scene, probes: np.ndarray, count: int) -> LastEpochs:
    """The networks of the last ``count`` epochs that weights were kept of."""
    found: list[Exports] = []
    try:
        for back in range(1, count + 1):
            exports = scene.export(probes, snapshot=-back, budget_s=EXPORT_S)
            if not any(one.onnx is not None for one in exports.networks):
                why = "; ".join([one.problem for one in exports.networks if one.problem] or exports.notes)
                # One that can't be exported may still be asked for its scores, as it is at the run's end.
                left = tuple(found) or ((exports,) if exports.networks else ())
                return LastEpochs(left, bool(found), cut_line(why or "it could not be exported", _WHY))
            found.append(exports)
        if found:
            return LastEpochs(tuple(found), kept=True)
        return LastEpochs((scene.export(probes, budget_s=EXPORT_S),), why=_NOT_KEPT)
    except SubmissionProblem as problem:
        return LastEpochs(tuple(found), bool(found), cut_line(problem.message, _WHY))


def network_in(scene: Scene, probes: np.ndarray, printed: Collection[int], *, alone: bool = False) -> Network:
    """The network that a run left; of several the one with as many parameters as were ``printed``."""
    try:
        exports = scene.export(probes, budget_s=EXPORT_S)
    except SubmissionProblem as problem:
        return Network(why=cut_line(problem.message, _WHY), alone=alone)
    return chosen(exports, printed, alone=alone)


def chosen(exports: Exports, printed: Collection[int], *, alone: bool = False) -> Network:
    """The one of the networks that is meant, weighed."""
    found: list[tuple[Export, Weighed]] = []
    why = "no network was found among what the cells left behind"
    for export in exports.networks:
        try:
            found.append((export, weigh(export)))
        except CheckFailed as problem:
            why = cut_line(problem.message, _WHY)
    if not found:
        notes = "; ".join(exports.notes[:2])
        return Network(why=cut_line(f"{why}{f' ({notes})' if notes else ''}", _WHY), alone=alone)
    _, weighed = min(found, key=lambda pair: _rank(pair[0], pair[1], printed))
    structure = read_structure(weighed)
    return Network(weighed, structure, tuple(receptive_fields(structure)), "", alone, len(found) - 1)


def _rank(export: Export, weighed: Weighed, printed: Collection[int]) -> tuple[bool, int, int]:
    """Those first that have a count that was printed, then those with a usual name, then the largest."""
    name = export.name.lower()
    usual = next((at for at, word in enumerate(_USUAL) if word in name), len(_USUAL))
    return weighed.counted not in printed and weighed.said not in printed, usual, -weighed.counted


def in_words(network: Network) -> str:
    """What it is built of: "8 convolutions, 7 batch norms, global average pooling, depth 8"."""
    structure = network.structure
    if structure is None:
        return ""
    last = structure.last_kernel
    parts: Sequence[str] = [
        f"{len(structure.convolutions)} convolutions",
        f"{len(structure.batch_norms)} batch norms" if structure.batch_norms else "no batch norm",
        f"{len(structure.dropouts)} dropouts" if structure.dropouts else "no dropout",
        *(f"max-pooling at a receptive field of {pool.sees}" for pool in structure.max_pools[:3]),
        "global average pooling" if structure.global_average_pooling else "no global average pooling",
        f"last kernel {'x'.join(map(str, last))}" if last else "",
        f"{len(structure.linear)} linear layers" if structure.linear else "",
    ]
    return ", ".join(part for part in parts if part)
