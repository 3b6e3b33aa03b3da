"""Where a model is updated, and with what: gradient steps, ``fit``, by hand; and choices by test results."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from autograder.checks.notebooks import source_library as library
from autograder.checks.notebooks.source_facts import LeakKind, Place, Split
from autograder.checks.notebooks.source_record import Loop
from autograder.checks.notebooks.source_values import UNKNOWN, Origin, Value, union

if TYPE_CHECKING:
    from autograder.checks.notebooks.source_calls import Call
    from autograder.checks.notebooks.source_run import Reader

_KEEPS_BEST = frozenset("save state_dict deepcopy save_weights save_model save_checkpoint copy".split())
_GRADIENT = re.compile(r"grad|^d[wb]\d?$|^d[_]?(?:w|b|weights?|bias(?:es)?|theta)\d?$|delta", re.IGNORECASE)
_STOPPERS = re.compile(r"EarlyStopping|ModelCheckpoint|SaveModelCallback|ReduceLROnPlateau")
_RATE_NAME = re.compile(r"lr|learning_?rate|eta|step_?size|base_lr|max_lr|init_lr|lr_max|lr0", re.IGNORECASE)
_BATCH_NAME = re.compile(r"(?:train_?|mini_?)?(?:batch_?size|bs|bsz|batchsize)(?:_?train)?", re.IGNORECASE)
_FITS = frozenset(
    "fit fit_one_cycle fine_tune fit_flat_cos fit_sgdr fit_generator partial_fit train_on_batch".split()
)
_TRAIN_CALL = re.compile(r"(?:train|fit)(?:_?(?:model|epoch|loop|net|network|one_epoch|step|val|and_\w+))*")


def turns_gradients_off(context: Value) -> bool:
    name = (context.made_by or context.path).rpartition(".")[2]
    return name in ("no_grad", "inference_mode")


def recognise(run: Reader, call: Call) -> Value | None:
    """Note a training step if the call is one."""
    name = call.name
    if name in ("no_grad", "inference_mode", "set_grad_enabled"):
        off = name != "set_grad_enabled" or (call.args and call.args[0].known == (False,))
        return Value(made_by="no_grad" if off else name)
    if name == "backward":
        _backward(run, call)
        return UNKNOWN
    if name == "zero_grad":
        run.pending.clear()
        return UNKNOWN
    if name == "step" and call.owner is not None:
        _stepped(run, call)
        return UNKNOWN
    if name in ("apply_gradients", "apply_updates", "minimize"):
        event(run, union(call.values), call.place)
        return None
    if name in ("sub_", "add_", "copy_") and call.owner is not None and _mentions_gradient(call.node):
        by_hand(run, call.node, union(call.values), call.place)
        return UNKNOWN
    if name in _FITS and call.owner is not None:
        return _fitted(run, call)
    return _frameworks_own(run, call)


def _frameworks_own(run: Reader, call: Call) -> Value | None:
    """What holds a training loop of its own: fastai's Learner, Trainers, functions from elsewhere."""
    name = call.name
    if name == "Learner" or name.endswith("_learner"):
        return _learner(run, call)
    if name.endswith("Trainer"):
        _asked(run, call.kwargs.get("max_epochs"), call)
        return Value(made_by=name, entries=dict(call.kwargs))
    if name == "TrainingArguments":
        _asked(run, call.kwargs.get("num_train_epochs"), call)
        _rated(run, call.kwargs.get("learning_rate"), call)
        return Value(made_by=name)
    if name == "train" and call.owner is not None and call.owner.made_by.endswith("Trainer"):
        event(run, call.owner.entries.get("train_dataset", UNKNOWN).origins, call.place)
        return UNKNOWN
    if call.owner is None and _TRAIN_CALL.fullmatch(name):
        _unknown_training(run, call)
    return None


def _backward(run: Reader, call: Call) -> None:
    if run.no_grad:
        return
    values = [*([call.owner] if call.owner is not None else []), *call.args]
    if len(run.pending) < 100:
        run.pending.append((union(values), call.place, run.doubt > 0))


def _stepped(run: Reader, call: Call) -> None:
    owner = call.owner or UNKNOWN
    holder = call.node.func.value if isinstance(call.node.func, ast.Attribute) else None
    name = (
        holder.id
        if isinstance(holder, ast.Name)
        else holder.attr
        if isinstance(holder, ast.Attribute)
        else ""
    )
    scheduler = "sched" in name.casefold() or owner.made_by.rpartition(".")[2] in library.SCHEDULERS
    if scheduler:
        if Split.TEST in Value(origins=union(call.args)).splits:
            _chose(run, call.place, "the learning rate follows a result on the test set")
        return
    if call.args and isinstance(call.args[0].target, object) and call.args[0].target is not None:
        run.call(call.args[0], [], {})  # a closure, as LBFGS takes one
    flush(run, call.place)


def flush(run: Reader, place: Place) -> None:
    """The gradients that were worked out since the last step go into the model."""
    if not run.pending:
        if not run.no_grad:
            event(run, frozenset(), place)
        return
    for origins, at, doubt in run.pending:
        event(run, origins, at, doubt=doubt)
    run.pending.clear()


def event(
    run: Reader, origins: frozenset[Origin], place: Place, *, doubt: bool = False, loops: bool = True
) -> None:
    """A step of training with what comes from ``origins``."""
    for function in run.stack:
        function.trains = True
    run.record.trained(origins, place, doubt=doubt or run.doubt > 0)
    if loops:
        run.record.asked_by(run.loops)


def _mentions_gradient(node: ast.AST) -> bool:
    for part in ast.walk(node):
        name = part.attr if isinstance(part, ast.Attribute) else part.id if isinstance(part, ast.Name) else ""
        if name and _GRADIENT.search(name) and name not in ("no_grad", "zero_grad", "requires_grad"):
            return True
    return False


def updated_by_hand(
    run: Reader, node: ast.Assign | ast.AugAssign, expression: ast.expr, value: Value
) -> None:
    """``w -= lr * w.grad``, ``w = w - lr * dw``: parameters updated without an optimizer."""
    run.step()
    if isinstance(node, ast.AugAssign):
        updates = isinstance(node.op, ast.Sub) and _mentions_gradient(expression)
    else:
        updates = (
            isinstance(expression, ast.BinOp)
            and isinstance(expression.op, ast.Sub)
            and isinstance(expression.right, ast.BinOp)
            and _mentions_gradient(expression.right)
        )
    if updates:
        by_hand(run, expression, value.origins, run.place(node))


def by_hand(run: Reader, node: ast.AST, origins: frozenset[Origin], place: Place) -> None:
    record = run.record
    record.named(record.optimizers, "by hand", place)
    for part in ast.walk(node):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult):
            for one, other in ((part.left, part.right), (part.right, part.left)):
                if _mentions_gradient(one) and not _mentions_gradient(other):
                    record.setting(record.learning_rates, run.value(other), place, "update by hand")
    if run.pending:
        flush(run, place)
    elif run.loops or origins:
        event(run, origins, place)


def noted_by_name(run: Reader, name: str, value: Value, target: ast.AST) -> None:
    """``lr = 0.1`` and ``batch_size = 64`` say what they are."""
    if (
        value.number is None
        or value.made_by not in ("", "arithmetic")
        or isinstance(run.unit.tree, ast.Expression)
    ):
        return
    record = run.record
    if _BATCH_NAME.fullmatch(name):
        record.setting(record.batch_sizes, value, run.place(target), name)
    elif _RATE_NAME.fullmatch(name):
        record.setting(record.learning_rates, value, run.place(target), name)


def chosen_by_test(run: Reader, node: ast.If, test: Value) -> None:
    """``if test_acc > best: save``: the test set chooses the model. A note, for many homeworks allow it."""
    if Split.TEST not in test.splits or not any(
        isinstance(part, ast.Compare) for part in ast.walk(node.test)
    ):
        return
    for statement in node.body:
        for part in ast.walk(statement):
            name = (
                part.func.attr if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) else ""
            )
            if isinstance(part, ast.Break) or name in _KEEPS_BEST:
                what = "training stops" if isinstance(part, ast.Break) else "the best model is kept"
                _chose(run, run.place(node), f"{what} by a result on the test set")
                return


def _chose(run: Reader, place: Place, what: str) -> None:
    run.record.leak(LeakKind.SELECTED_ON_TEST, place, False, f"Here {what}.")


def _asked(run: Reader, value: Value | None, call: Call) -> None:
    run.record.setting(run.record.epochs, value, call.place, call.name, unknown=value is not None)


def _rated(run: Reader, value: Value | None, call: Call) -> None:
    run.record.setting(run.record.learning_rates, value, call.place, call.name)


def _learner(run: Reader, call: Call) -> Value:
    """fastai's Learner: it holds its loaders, and trains on the first of them."""
    loaders = call.args[0] if call.args else call.kwargs.get("dls", UNKNOWN)
    _rated(run, call.kwargs.get("lr"), call)
    optimizer = call.kwargs.get("opt_func")
    if optimizer is not None and optimizer.path:
        run.record.named(run.record.optimizers, optimizer.path.rpartition(".")[2], call.place)
    entries = {"dls": loaders, **loaders.entries}
    return Value(made_by="Learner", entries=entries)


def _fitted(run: Reader, call: Call) -> Value:
    owner = call.owner or UNKNOWN
    made = owner.made_by.rpartition(".")[2]
    result = Value(made_by=f"{made or 'model'}.fit")
    if library.PREPARES.search(made):
        return result
    if made == "Learner" or call.name in ("fit_one_cycle", "fine_tune", "fit_flat_cos", "fit_sgdr"):
        return _fitted_by_fastai(run, call, owner, result)
    if made.endswith("Trainer"):
        train = call.argument(1, "train_dataloaders", "train_dataloader", "datamodule") or UNKNOWN
        _fit(run, call, train.origins)
        return result
    given = call.args[:2] or [
        value for name, value in call.kwargs.items() if name in ("x", "X", "y", "generator")
    ]
    _fit(run, call, union(given))
    if call.name in ("fit", "fit_generator") and ("epochs" in call.kwargs or _is_keras(run, call)):
        epochs = call.kwargs.get("epochs") or call.kwargs.get("nb_epoch")
        _asked(run, epochs if epochs is not None else replace(UNKNOWN, known=(1,)), call)
        run.record.setting(run.record.batch_sizes, call.kwargs.get("batch_size"), call.place, call.name)
    held_out = call.kwargs.get("validation_data")
    stoppers = [one for one in _flat(call.kwargs.get("callbacks")) if _STOPPERS.search(one.made_by)]
    if held_out is not None and Split.TEST in held_out.splits and stoppers:
        _chose(run, call.place, "a callback chooses by a result on the test set")
    return result


def _fit(run: Reader, call: Call, origins: frozenset[Origin]) -> None:
    event(run, origins, call.place, loops=False)


def _is_keras(run: Reader, call: Call) -> bool:
    return "tensorflow" in run.frameworks and (
        "validation_data" in call.kwargs or "sklearn" not in run.frameworks
    )


def _flat(value: Value | None) -> tuple[Value, ...]:
    if value is None:
        return ()
    return value.items or (value,)


def _fitted_by_fastai(run: Reader, call: Call, owner: Value, result: Value) -> Value:
    train = owner.entries.get("train", UNKNOWN)
    held_out = owner.entries.get("valid", UNKNOWN)
    _asked(run, call.argument(0, "n_epoch", "n_epochs", "epochs"), call)
    _rated(run, call.argument(1, "lr", "lr_max", "base_lr"), call)
    if call.name in ("fit_one_cycle", "fine_tune", "fit_flat_cos", "fit_sgdr"):
        run.record.named(run.record.schedulers, call.name, call.place)
    run.loops.append(Loop("other", None, "", call.place))
    _fit(run, call, train.origins)
    run.loops.pop()
    stoppers = [one for one in _flat(call.kwargs.get("cbs")) if _STOPPERS.search(one.made_by)]
    if Split.TEST in held_out.splits and stoppers:
        _chose(run, call.place, "a callback chooses by a result on the test set")
    return result


def _unknown_training(run: Reader, call: Call) -> None:
    """A training function that isn't there to be read gets the test set and nothing to train on."""
    given = [value for value in call.values if value.data]
    splits = {split for value in given for split in value.splits}
    if Split.TEST in splits and Split.TRAIN not in splits and Split.ALL not in splits:
        why = f"{call.name}() is given the test set and no training set; its source isn't here."
        run.record.leak(LeakKind.TRAINED_ON_TEST, call.place, False, why)
