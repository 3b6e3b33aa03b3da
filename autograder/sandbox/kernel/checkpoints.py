"""Files of weights, as students save them: what is in one, and why it can't be read.

torch.save's two formats, with a state dict, a checkpoint around one, or a whole network in it; TorchScript;
safetensors; plain pickles. Sizes are looked at before anything is loaded. What torch refuses to load as
weights alone is named, and then unpickled in full: this runs in the student's own box, where their code runs
anyway.
"""

from __future__ import annotations

import pickle
import re
import sys
import types
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.sandbox.kernel.candidates import walk
from autograder.sandbox.kernel.facts import tensors_of
from autograder.sandbox.kernel.pickled import Survey, Unclear, missing_numbers, survey_file, survey_zip
from autograder.sandbox.kernel.problems import first_line

MOST_BYTES = 1 << 30  # of a file, and of the tensors that it says it holds; a VGG-16 has 0.55e9
_DEPTH, _MOST_STATES, _MOST_KEYS = 3, 8, 20_000
_NO_WEIGHTS = re.compile(r"optim|sched|scaler|criterion|loss|rng|^opt$|hyper", re.I)
_KNOWN = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "ema")
# What loads no weights but starts something; a network that needs these to be unpickled is none.
_NEVER = re.compile(
    r"^(os|posix|nt|subprocess|shutil|socket|runpy|importlib|ctypes|pty|sys|webbrowser)\."
    r"|^(builtins|__builtin__)\.(eval|exec|compile|open|__import__|input|breakpoint)$"
)


_NOT_OURS = (
    (b"\x89HDF", "is an HDF5 file, as Keras writes them; hand in what torch.save() writes"),
    (b"version https://git-lfs", "is only a pointer of Git LFS; hand in the file itself"),
)


class Unreadable(Exception):
    """Why nothing comes of a file of weights, in words for who handed it in."""


@dataclass(slots=True)
class Checkpoint:
    """``states`` are the state dicts in a file and ``modules`` its whole networks, by where they stand in it
    ("" is the file itself); ``notes`` is what was remarkable about reading it."""

    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    modules: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read(path: Path, name: str, namespace: Mapping[str, Any]) -> Checkpoint:
    """What is in the file at ``path``, which messages call ``name``. Raises Unreadable."""
    if not path.is_file():
        raise Unreadable(f"there is no file {name}")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise Unreadable(
            f"{name} has {size / 1e9:.1f} GB, and {MOST_BYTES / 1e9:.1f} are taken: save the network's "
            "state_dict alone, without the optimizer's"
        )
    found = Checkpoint()
    held = _File(path, name, namespace, found.notes).load()
    _sort(held, "", found, 0)
    if not found.states and not found.modules:
        raise Unreadable(f"{name} holds no weights: {_told(held)}")
    claimed = sum(_bytes(one) for state in found.states.values() for one in state.values())
    claimed += sum(_bytes(one) for module in found.modules.values() for _, one, _ in tensors_of(module))
    if claimed > 2 * MOST_BYTES:  # a checkpoint may hold the same weights twice
        raise Unreadable(f"the tensors in {name} have {claimed / 1e9:,.0f} GB written out")
    return found


@dataclass(slots=True)
class _File:
    """A file while it is loaded; ``notes`` gets what was remarkable about it."""

    path: Path
    name: str
    namespace: Mapping[str, Any]
    notes: list[str]

    def load(self) -> Any:
        with self.path.open("rb") as file:
            head = file.read(64)
        if head.startswith(b"PK"):
            return self._zip()
        if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < MOST_BYTES:
            return self._safetensors()
        for start, problem in _NOT_OURS:
            if head.startswith(start):
                raise Unreadable(f"{self.name} {problem}")
        if head[:1] not in (b"\x80", b"(", b"c", b"]", b"}"):  # how pickles begin
            raise Unreadable(f"{self.name} is no file that torch.save() wrote")
        try:
            survey = survey_file(self.path)
        except Unclear as error:
            raise Unreadable(
                f"{self.name} is no file that torch.save() wrote, or was cut off ({error})"
            ) from error
        size = self.path.stat().st_size
        return self._unpickled(survey, dict.fromkeys(survey.storages, size))

    def _zip(self) -> Any:
        try:
            with zipfile.ZipFile(self.path) as archive:
                entries = archive.infolist()
                unpacked = sum(entry.file_size for entry in entries)
                if unpacked > MOST_BYTES:
                    taken = f"{MOST_BYTES / 1e9:.1f} are taken"
                    raise Unreadable(f"{self.name} unpacks to {unpacked / 1e9:,.1f} GB, and {taken}")
                scripted = any(entry.filename.endswith("/constants.pkl") for entry in entries)
                records = {entry.filename.rpartition("/")[2]: entry.file_size for entry in entries}
                survey = Survey() if scripted else survey_zip(archive)
        except (
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,
            RuntimeError,
            OSError,
            EOFError,
        ) as error:
            raise Unreadable(f"{self.name} is damaged, or was cut off ({first_line(error)})") from error
        except Unclear as error:
            raise Unreadable(f"{self.name} is no file that torch.save() wrote: {error}") from error
        if not scripted:
            return self._unpickled(survey, records)
        try:
            return sys.modules["torch"].jit.load(str(self.path), map_location="cpu")
        except Exception as error:  # another version's, or made up
            raise Unreadable(
                f"{self.name} is TorchScript that can't be loaded: {first_line(error)}"
            ) from error

    def _safetensors(self) -> Any:
        from safetensors.torch import load_file  # noqa: PLC0415  (needs torch, which few boxes have)

        try:
            return load_file(str(self.path))
        except Exception as error:  # its own SafetensorError, and whatever a dtype of tomorrow's raises
            raise Unreadable(f"{self.name} can't be read as safetensors: {first_line(error)}") from error

    def _unpickled(self, survey: Survey, records: Mapping[str, int]) -> Any:
        """First as weights alone; what that refuses is named, and then loaded in full."""
        if survey.claimed > MOST_BYTES:
            raise Unreadable(f"{self.name} claims tensors of {survey.claimed / 1e9:,.0f} GB")
        if lacking := missing_numbers(survey, records):
            raise Unreadable(f"{self.name} is damaged or made up: {lacking}")
        torch = sys.modules["torch"]
        try:
            return torch.load(str(self.path), map_location="cpu", weights_only=True)
        except Exception as error:  # torch has no class of its own for all that it refuses
            refusal = error
        if bad := next((one for one in survey.names if _NEVER.match(one)), ""):
            raise Unreadable(
                f"{self.name} asks for `{bad}` to be called when it is loaded, which no weights need"
            )
        refused = _refused(refusal)
        needs = f"`{refused}`" if refused else "more than weights"
        held = self._in_full(refusal)
        self.notes.append(
            f"{self.name} needs {needs} to be loaded, which torch.load(weights_only=True) refuses; it was "
            "unpickled in full, inside the sandbox"
        )
        return held

    def _in_full(self, refusal: Exception) -> Any:
        pickles = _pickles(self.namespace)
        try:
            return sys.modules["torch"].load(
                str(self.path), map_location="cpu", weights_only=False, pickle_module=pickles
            )
        except Exception as error:
            problem = error
        if "magic number" in f"{problem} {refusal}" or isinstance(problem, pickle.UnpicklingError):
            try:  # torch says that it never wrote it
                with self.path.open("rb") as file:
                    return pickles.Unpickler(file).load()
            except Exception as error:
                problem = error
        raise Unreadable(f"{self.name} can't be loaded: {first_line(problem)}") from problem


def _refused(error: BaseException) -> str:
    """The global that torch named when it refused."""
    named = re.search(r"(?:GLOBAL|class|function|instance) ([\w.]+\.[\w.]+)", str(error))
    return named[1] if named else ""


def _pickles(namespace: Mapping[str, Any]) -> Any:
    """The module `pickle`, with an eye for classes that were saved under another module's name: a notebook's
    in ``__main__`` that stand in a file here, or the other way round."""

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            try:
                return super().find_class(module, name)
            except (ImportError, AttributeError):
                own = namespace.get(name)
                if own is None:
                    raise
                return own

    made = types.ModuleType("pickle")
    vars(made).update({name: value for name, value in vars(pickle).items() if not name.startswith("__")})
    vars(made)["Unpickler"] = Unpickler
    vars(made)["load"] = lambda file, **keywords: Unpickler(file, **keywords).load()
    return made


# --- what is in it -----------------------------------------------------------------------------------


def _sort(value: Any, where: str, found: Checkpoint, depth: int) -> None:
    """Tell state dicts and networks in what was loaded; the likelier ones first."""
    torch = sys.modules["torch"]
    if isinstance(value, torch.nn.Module):
        found.modules[where] = value
    elif isinstance(value, Mapping) and (state := _state(value)):
        if len(found.states) < _MOST_STATES:
            found.states[where] = state
    elif isinstance(value, Mapping) and depth < _DEPTH:
        named = [(str(key), one) for key, one in list(value.items())[:_MOST_KEYS]]
        known = [pair for pair in named if pair[0] in _KNOWN]
        others = [pair for pair in named if pair[0] not in _KNOWN and not _NO_WEIGHTS.search(pair[0])]
        for key, one in (*known, *others):
            _sort(one, f"{where}[{key!r}]", found, depth + 1)
    elif isinstance(value, (list, tuple)) and depth < _DEPTH:
        for at, one in enumerate(value[:_MOST_STATES]):
            _sort(one, f"{where}[{at}]", found, depth + 1)
    elif depth == 0:
        inside = [(name, one) for name, one in walk({"file": value}) if isinstance(one, torch.nn.Module)]
        found.modules.update({name.removeprefix("file"): one for name, one in inside[:_MOST_STATES]})


def _state(value: Mapping[Any, Any]) -> dict[str, Any]:
    """The tensors of a state dict, empty if it is none. Its other entries are a module's extra state."""
    torch = sys.modules["torch"]
    tensors: dict[str, Any] = {}
    for key, one in list(value.items())[:_MOST_KEYS]:
        if torch.is_tensor(one) and isinstance(key, str):
            tensors[key] = one.detach()
        elif type(one).__module__ == "numpy" and type(one).__name__ == "ndarray" and isinstance(key, str):
            tensors[key] = torch.as_tensor(one)
    return tensors if 2 * len(tensors) > len(value) else {}


def _bytes(tensor: Any) -> int:
    return int(tensor.numel()) * int(tensor.element_size())


def _told(held: Any) -> str:
    if isinstance(held, Mapping):
        keys = ", ".join(repr(str(key)[:40]) for key in list(held)[:5])
        return f"it is a dictionary with the keys {keys}" if keys else "it is an empty dictionary"
    return f"it is a {type(held).__name__}"
