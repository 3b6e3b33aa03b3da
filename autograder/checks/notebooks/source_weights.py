"""Weights that were not trained here: a library's, a file's or an address's, told from own checkpoints."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from autograder.checks.notebooks import source_library as library
from autograder.checks.notebooks.source_facts import Named, Place, Split
from autograder.checks.notebooks.source_record import Record
from autograder.checks.notebooks.source_values import UNKNOWN, Origin, Value, union

if TYPE_CHECKING:
    from autograder.checks.notebooks.source_calls import Call
    from autograder.checks.notebooks.source_run import Reader

_FASTAI_LEARNERS = frozenset("vision_learner cnn_learner unet_learner text_classifier_learner".split())
_HUB = frozenset("KerasLayer from_pretrained create_model_and_transforms".split())


def note_own_call(run: Reader, call: Call) -> None:
    """A file that the notebook saves, by whatever call: loading it later loads its own work."""
    if call.name not in library.SAVES:
        return
    for node, value in zip(call.node.args, call.args, strict=False):
        _note_saved(run, node, value, call.place)
    for keyword in call.node.keywords:
        if keyword.arg is not None:
            _note_saved(run, keyword.value, call.kwargs.get(keyword.arg, UNKNOWN), call.place)


def _note_saved(run: Reader, node: ast.expr, value: Value, place: Place) -> None:
    if len(run.record.saved) > 200:
        return
    if value.word:
        run.record.saved.setdefault((_file(value.word), place))
    elif isinstance(node, ast.Name | ast.Attribute | ast.BinOp | ast.Subscript) and not value.origins:
        run.record.saved.setdefault((f"={ast.unparse(node)[:200]}", place))


def recognise(run: Reader, call: Call) -> Value | None:
    """Note weights that come with the call, and give a value that remembers the file it was loaded from."""
    name = call.name
    if name in _FASTAI_LEARNERS:
        _flagged(run, call, default=True)
        return None
    if _from_library(run, call):
        return Value(made_by=call.path or name)
    if name in _HUB or (name == "load" and call.path.startswith(("hub.", "tensorflow_hub"))):
        run.record.named(run.record.pretrained, _what(call), call.place)
        return Value(made_by=call.path or name)
    if name in library.WEIGHT_URL:
        return Value(origins=frozenset({_weights(_what(call), call)}), made_by=name)
    if name in ("load_state_dict", "set_weights", "load_params") and call.args:
        _loaded_into(run, call, call.args[0])
        return UNKNOWN
    if name in library.LOADS and (call.path or call.owner is not None):
        return _from_file(run, call)
    return None


def _from_library(run: Reader, call: Call) -> bool:
    """A model made by a library that can bring weights along; whether it is one."""
    path, name = call.path, call.name
    if path.startswith(("torch.hub.load", "hub.load")) and name == "load" and "tensorflow" not in path:
        asked = call.kwargs.get("pretrained") or call.kwargs.get("weights")
        if asked is None:
            run.record.named(run.record.pretrained, _what(call), call.place, certain=False)
        else:
            _flagged(run, call, default=False)
        return True
    keras = "applications" in path or ("keras" in path and library.KERAS_MODELS.fullmatch(name) is not None)
    if (keras and name[:1].isupper()) or (
        library.KERAS_MODELS.fullmatch(name) and "include_top" in call.kwargs
    ):
        weights = call.argument(1, "weights")
        if weights is None or not weights.is_none:
            run.record.named(
                run.record.pretrained, name, call.place, certain=weights is None or bool(weights.known)
            )
        return True
    known = library.TORCHVISION_MODELS.fullmatch(name) is not None
    if known and (
        call.kwargs.get("pretrained") is not None or call.kwargs.get("weights") is not None or call.args
    ):
        _flagged(run, call, default=False, positional=path.startswith(("torchvision", "models")))
        return True
    if "pretrained" in call.kwargs or "weights_backbone" in call.kwargs:
        _flagged(run, call, default=False)
        return name in ("create_model", "get_model")
    if name == "get_model" and "weights" in call.kwargs:
        _flagged(run, call, default=False)
        return True
    return False


def _flagged(run: Reader, call: Call, *, default: bool, positional: bool = False) -> None:
    """``pretrained=`` or ``weights=``, as far as its value can be followed."""
    asked = call.kwargs.get("pretrained") or call.kwargs.get("weights") or call.kwargs.get("weights_backbone")
    if asked is None and positional and call.args:
        asked = call.args[0]
    if asked is None:
        if default:
            run.record.named(run.record.pretrained, _what(call), call.place)
        return
    if asked.is_none or asked.known == (False,):
        return
    sure = (bool(asked.known) and asked.truth is True) or (bool(asked.path) and asked.path != "None")
    run.record.named(run.record.pretrained, _what(call), call.place, certain=sure)


def _weights(name: str, call: Call) -> Origin:
    return Origin(name, Split.UNKNOWN, call.place, weights=True)


def _from_file(run: Reader, call: Call) -> Value | None:
    """Something loaded from a file; only weights that go into a model matter, which is seen later."""
    if call.name == "load_weights":
        _loaded_into(run, call, _of_file(call) or UNKNOWN)
        return UNKNOWN
    loads_model = call.name in ("load_model", "load_learner", "load_from_checkpoint") or call.path.startswith(
        "torch.jit"
    )
    if call.name == "load" and not call.path and call.owner is not None and "earner" in call.owner.made_by:
        loads_model = True
    value = _of_file(call)
    if value is None:
        return None
    if loads_model:
        _loaded_into(run, call, value)
        return Value(made_by=call.path or call.name)
    torch = (
        call.path.startswith(("torch", "safetensors", "joblib", "pickle", "np.", "numpy", "dill"))
        or call.name == "load_file"
    )
    return Value(origins=union((value, *call.args)), made_by=call.path or call.name) if torch else None


def _of_file(call: Call) -> Value | None:
    """The weights of the file that the call's first argument names."""
    if not call.args and not call.kwargs:
        return None
    first = call.args[0] if call.args else next(iter(call.kwargs.values()))
    node = call.node.args[0] if call.node.args else call.node.keywords[0].value
    if first.splits or library.data_file(first.word):
        return None
    if first.word:
        name = _file(first.word)
    elif isinstance(node, ast.Name | ast.Attribute | ast.BinOp | ast.Subscript):
        name = f"={ast.unparse(node)[:200]}"
    else:
        return None
    return Value(origins=frozenset({_weights(name, call)}) | first.origins, made_by="file")


def _loaded_into(run: Reader, call: Call, state: Value) -> None:
    """Weights go into a model: where do they come from?"""
    found = [origin for origin in state.origins if origin.weights]
    for origin in found:
        run.record.loaded.setdefault((origin.name, call.place, True))


def _file(name: str) -> str:
    """A file's name without its folders and without an ending that a library puts there."""
    last = name.rstrip("/").rpartition("/")[2] if not name.startswith(("http:", "https:")) else name
    for ending in (".pth", ".pt", ".h5", ".keras", ".ckpt", ".pkl", ".weights", ".safetensors", ".tar"):
        last = last.removesuffix(ending)
    return last[:200]


def _what(call: Call) -> str:
    words = [value.word for value in (*call.args, *call.kwargs.values()) if value.word]
    return f"{call.name}({', '.join(words[:2])})"


def settle(record: Record) -> tuple[Named, ...]:
    """Tell the own checkpoints from the others, when all is read: the own ones are given back."""
    own: list[Named] = []
    saved = dict(reversed(record.saved))
    for name, place, _ in record.loaded:
        match = _saved_as(name, saved)
        if match is None:
            shown = name.removeprefix("=")
            record.named(record.pretrained, f"weights from {shown}", place, certain=not name.startswith("="))
        else:
            own.append(Named(name.removeprefix("="), place, certain=_before(match, place)))
    return tuple(dict.fromkeys(own))


def _saved_as(name: str, saved: dict[str, Place]) -> Place | None:
    if name in saved:
        return saved[name]
    if "…" in name:  # a name that is put together when it runs: its known beginning has to do
        start = name.partition("…")[0]
        return next((place for other, place in saved.items() if other.partition("…")[0] == start), None)
    for other, place in saved.items():
        start, dots, end = other.partition("…")
        if dots and name.startswith(start) and name.endswith(end.rpartition("…")[2]):
            return place
    return None


def _before(one: Place, other: Place) -> bool:
    return (one.cell, one.line) <= (other.cell, other.line)
