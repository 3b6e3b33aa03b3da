"""Which tensor of a graph is which of the module's, by what the box reported; never how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import nsmallest
from itertools import islice

from autograder.checks.models.graph import Graph, Source
from autograder.sandbox.exported import Reported, ReportedTensor

_MOST_PREFIXES = 50  # that are tried: a file may have a thousand times as many that end alike
_SHOWN = 4  # names of a tensor that has several


class Names:
    """The reported names, found again in a graph, whose names may have one prefix more ("model.").

    Names and ties are a student's, thousands of each: nothing here may take the square of that.
    """

    def __init__(self, reported: Reported, graph: Graph) -> None:
        held = {source.name for source in graph.sources.values() if source.initializer}
        self._prefix = _prefix({tensor.name for tensor in reported.tensors}, held)
        self._groups: dict[str, set[str]] = {}  # by each name in one
        self._digests: dict[int, set[bytes]] = {}  # what the tensors of a group hold, by its id
        for tie in reported.ties:
            self._join(tie)
        groups = {id(group): group for group in self._groups.values()}
        self._first = {key: min(group) for key, group in groups.items()}
        self._tensors: dict[str, ReportedTensor] = {}  # by the first name of a group
        for tensor in reported.tensors:
            name = self._one(self._prefix + tensor.name)
            known = self._tensors.get(name)
            if known is None or (tensor.parameter and not known.parameter):
                self._tensors[name] = tensor

    def _join(self, tie: Sequence[str]) -> None:
        """One group of these names and of all that they were tied to before."""
        group: set[str] = set()
        for name in (self._prefix + one for one in tie):
            other = self._groups.get(name, {name})
            if other is not group:
                less, group = sorted((group, other), key=len)
                group |= less
                self._groups |= dict.fromkeys((*less, name), group)

    def _one(self, name: str) -> str:
        """The name that stands for all names of a tensor."""
        group = self._groups.get(name)
        return name if group is None else self._first[id(group)]

    @property
    def any(self) -> bool:
        """Whether anything was reported at all."""
        return bool(self._tensors)

    def is_parameter(self, name: str, shape: tuple[int, ...]) -> bool:
        tensor = self._tensors.get(self._one(name))
        return tensor is not None and tensor.parameter and tensor.shape == shape

    def is_buffer(self, name: str) -> bool:
        tensor = self._tensors.get(self._one(name))
        return tensor is not None and not tensor.parameter

    def is_frozen(self, name: str) -> bool:
        tensor = self._tensors.get(self._one(name))
        return tensor is not None and tensor.parameter and not tensor.trainable

    def parameters(self) -> Iterator[ReportedTensor]:
        """Each once, however many names it has."""
        return (tensor for tensor in self._tensors.values() if tensor.parameter)

    def aliases(self, name: str) -> set[str]:
        """All names in the graph that a reported tensor may have there."""
        name = self._prefix + name
        return self._groups.get(name, {name})

    def copies(self, sources: Sequence[Source]) -> list[Source]:
        """Those that are another's double: said to be tied, and holding the same numbers."""
        found = []
        for source in sources:
            group = self._groups.get(source.name)
            if group is not None:
                seen, told = self._digests.setdefault(id(group), set()), source.digest()
                if told in seen:
                    found.append(source)
                seen.add(told)
        return found

    def tie(self, source: Source) -> str:
        """What there is to say of a tensor that has several names, or nothing; after `copies`."""
        group = self._groups.get(source.name)
        if group is None or len(group) < 2:
            return ""
        if len(self._digests.get(id(group), ())) > 1:
            return "said to be tied, and other numbers than its double: counted on its own"
        few = nsmallest(_SHOWN, islice(group, 1_000))
        return f"the same as {', '.join([one for one in few if one != source.name][:3])}, counted once"


def _prefix(reported: set[str], held: set[str]) -> str:
    """What stands before every reported name in the graph; "" where they are as they are."""
    if not reported or reported & held:
        return ""
    first = min(reported)
    ends = (name for name in sorted(held) if name.endswith("." + first))
    for name in islice(ends, _MOST_PREFIXES):
        prefix = name.removesuffix(first)
        if sum(prefix + one in held for one in reported) * 2 > len(reported):
            return prefix
    return ""
