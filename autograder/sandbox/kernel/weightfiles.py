"""Networks made out of a file of weights that was handed in (see checkpoints.py and fitting.py)."""

from __future__ import annotations

from autograder.sandbox.kernel import checkpoints
from autograder.sandbox.kernel.candidates import Network
from autograder.sandbox.kernel.deadline import OutOfTime, within
from autograder.sandbox.kernel.fitting import Code, Misfit, fit
from autograder.sandbox.kernel.onnxfile import quiet

_MOST_NETWORKS = 3
_READING_S = 60.0


def from_file(name: str, code: Code, give_up: float, notes: list[str]) -> list[Network]:
    """The networks in the file ``name`` of the tree; ``notes`` gets what stood in the way."""
    try:
        with quiet(), within(_READING_S):
            found = checkpoints.read(code.tree / name, name, code.namespace)
    except checkpoints.Unreadable as error:
        notes.append(str(error))
        return []
    except OutOfTime:
        notes.append(f"{name} couldn't be read within {_READING_S:.0f} s")
        return []
    notes.extend(found.notes)
    whole = [Network(f"{name}{where}", one, one) for where, one in found.modules.items()]
    if whole:
        return whole[:_MOST_NETWORKS]
    nearest: list[Misfit] = []
    for where, state in found.states.items():
        fits = fit(state, code, give_up)
        if fits.networks:
            return [
                Network(f"{one.name} with {name}{where}", one.module, one.module) for one in fits.networks
            ]
        nearest += [fits.nearest] if fits.nearest is not None else []
    notes.append(min(nearest, key=lambda one: one.count).describe(name) if nearest else _nothing(name))
    return []


def _nothing(name: str) -> str:
    return (
        f"{name} holds weights and no network, and your code has no class of networks that could be made to "
        "put them into; hand in the file with the class"
    )
