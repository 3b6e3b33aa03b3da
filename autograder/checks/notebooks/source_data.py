"""Data, as a source makes it: sets, parts of them, loaders, and what is put together."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from autograder.checks.notebooks import source_library as library
from autograder.checks.notebooks.source_facts import LeakKind, Split
from autograder.checks.notebooks.source_functions import ClassRef, Partial
from autograder.checks.notebooks.source_values import UNKNOWN, Value, as_part, sequence, union, with_split

if TYPE_CHECKING:
    from autograder.checks.notebooks.source_calls import Call
    from autograder.checks.notebooks.source_run import Reader

_NEUTRAL = frozenset(
    "shape size ndim dtype device batch_size classes class_to_idx num_classes c vocab n".split()
)
_SPLIT_PARAMETERS = ("train", "is_train", "training", "split", "mode", "phase", "subset", "kind", "dataset")

# Data -----------------------------------------------------------------------------------------------------


def torch_data(run: Reader, call: Call) -> Value | None:
    if call.name in library.WITH_TRAIN_FLAG:
        position = 2 if call.name == "EMNIST" else 1
        flag = call.argument(position, "train")
        if call.name == "QMNIST" and "what" in call.kwargs:
            split = library.split_word(call.kwargs["what"].word)
        else:
            split = _split_by_flag(flag)
        return Value(
            origins=frozenset({run.record.use(call.name, split, call.place)}),
            data="dataset",
            made_by=call.path,
        )
    if call.name in library.WITH_SPLIT:
        asked = call.argument(1, "split")
        split = (
            library.split_word(asked.word)
            if asked and asked.word
            else Split.TRAIN
            if asked is None
            else Split.UNKNOWN
        )
        return Value(
            origins=frozenset({run.record.use(call.name, split, call.place)}),
            data="dataset",
            made_by=call.path,
        )
    if call.name in library.FOLDERS:
        where = call.argument(0, "root", "directory")
        found = library.folder_split(where.word) if where else None
        if where is not None and where.origins and found is None:
            return replace(where, data="dataset", made_by=call.path, known=(), path="")
        origin = run.record.use(call.name, found or Split.ALL, call.place)
        return Value(origins=frozenset({replace(origin, certain=False)}), data="dataset", made_by=call.path)
    return None


def _split_by_flag(flag: Value | None) -> Split:
    if flag is None:
        return Split.TRAIN  # torchvision's default
    truths = {bool(one) for one in flag.known if isinstance(one, bool | int)}
    if len(truths) != 1 or flag.word:
        return Split.UNKNOWN
    return Split.TRAIN if truths.pop() else Split.TEST


def other_data(run: Reader, call: Call) -> Value | None:
    parts = call.path.split(".")
    if call.name == "load_data" and len(parts) > 1 and parts[-2] in library.KERAS_DATA:
        return _halves(run, library.KERAS_DATA[parts[-2]], call)
    if call.name in library.WHOLE_DATA:
        origin = run.record.use(library.WHOLE_DATA[call.name], Split.ALL, call.place)
        whole = Value(origins=frozenset({origin}), data="array", made_by=call.path)
        given = call.kwargs.get("return_X_y")
        return (
            sequence([whole, whole])
            if (given is not None and given.truth) or call.name == "mnist_data"
            else whole
        )
    first = call.argument(0, "name", "path")
    if call.name in library.BY_NAME and first is not None and first.word.casefold() in library.KNOWN_NAMES:
        return _by_name(run, library.KNOWN_NAMES[first.word.casefold()], call)
    if call.name == "untar_data":
        return _untarred(run, call)
    return None


def _halves(run: Reader, name: str, call: Call) -> Value:
    halves = []
    for split in (Split.TRAIN, Split.TEST):
        value = Value(origins=frozenset({run.record.use(name, split, call.place)}), data="array")
        halves.append(sequence([value, value]))
    return sequence(halves)


def _by_name(run: Reader, name: str, call: Call) -> Value:
    """tfds.load, load_dataset, fetch_openml: all splits, or those that are asked for."""

    def part(split: Split) -> Value:
        origin = run.record.use(name, split, call.place)
        return Value(origins=frozenset({origin}), data="dataset", made_by=call.path)

    asked = call.kwargs.get("split")
    if call.name.startswith("fetch"):
        whole = replace(part(Split.ALL), data="array")
        return sequence([whole, whole]) if call.kwargs.get("return_X_y", UNKNOWN).truth else whole
    if asked is not None and asked.word:
        found = part(library.split_word(asked.word))
    elif asked is not None and asked.items is not None:
        found = sequence([part(library.split_word(one.word)) for one in asked.items])
    else:
        halves = {"train": part(Split.TRAIN), "test": part(Split.TEST)}
        found = Value(origins=union(halves.values()), entries=halves)
    return sequence([found, UNKNOWN]) if call.kwargs.get("with_info", UNKNOWN).truth else found


def _untarred(run: Reader, call: Call) -> Value:
    url = call.argument(0, "url")
    name = url.path.rpartition(".")[2] if url else ""
    title = library.FASTAI_WITH_TEST.get(name, name or "an archive")
    origin = run.record.use(title, Split.ALL, call.place)
    return Value(origins=frozenset({origin}), made_by="untar_data")


def data_file(run: Reader, call: Call) -> Value | None:
    """An own reader: a usual file of a data set is named in a call."""
    if call.name in ("print", "input", "exists", "isfile", "remove") or call.name in library.DOWNLOADS:
        return None
    for value in call.values:
        found = library.data_file(value.word) if value.word else None
        if found:
            origin = run.record.use(found[0], found[1], call.place)
            values = [*([call.owner] if call.owner else []), *call.values]
            origins = {o for o in union(values) if o.split is not Split.ALL} | {origin}
            return Value(origins=frozenset(origins), data="array", made_by=call.path or call.name)
    return None


def instance_of_library(
    run: Reader, made: ClassRef, args: list[Value], kwargs: dict[str, Value]
) -> Value | None:
    """What an instance of an own class is because of its bases: a subclass of MNIST is MNIST."""
    for path in made.libraries():
        name = path.rpartition(".")[2]
        if name in library.WITH_TRAIN_FLAG:
            split = _split_by_flag(kwargs.get("train") or (args[1] if len(args) > 1 else None))
            origin = run.record.use(name, split, run.place(run.unit.tree))
            return Value(origins=frozenset({origin}), data="dataset", made_by=path)
    if not made.is_data or union([*args, *kwargs.values()]):
        return None
    for name, value in kwargs.items():
        if name in _SPLIT_PARAMETERS and value.known:
            split = library.split_word(value.word) if value.word else _split_by_flag(value)
            origin = replace(run.record.use(made.name, split, run.unit.place(0)), certain=False)
            return Value(origins=frozenset({origin}), data="dataset", made_by=made.name)
    return None


# Parts and wholes -----------------------------------------------------------------------------------------


def halved(_run: Reader, call: Call) -> Value | None:
    if call.name == "random_split" and call.args:
        sizes = call.argument(1, "lengths")
        count = len(sizes.items) if sizes is not None and sizes.items else 2
        return sequence([as_part(call.args[0])] * count)
    if call.name == "train_test_split" and call.args:
        return sequence([half for one in call.args for half in _train_and_test(one)])
    if call.name in ("Subset", "SubsetRandomSampler", "take", "skip", "shard", "select") and (
        call.args or call.owner
    ):
        source = (
            call.owner if call.owner is not None and call.owner.data else call.args[0] if call.args else None
        )
        return replace(as_part(source), data=source.data or "dataset") if source is not None else None
    return None


def _train_and_test(value: Value) -> list[Value]:
    """Of data in one piece, the parts become train and test; a part of the training set is neither."""
    if value.splits == {Split.ALL}:
        return [with_split(value, Split.TRAIN), with_split(value, Split.TEST)]
    return [as_part(value), as_part(value)]


def loader(run: Reader, call: Call) -> Value | None:
    if call.name == "TensorDataset" or call.name in ("from_tensor_slices", "NumpyDataset", "ArrayDataset"):
        return Value(origins=union(call.values), data="dataset", made_by=call.path)
    if (
        call.name == "dataloaders"
        or call.name.endswith("DataLoaders")
        or (call.owner and call.name.startswith("from_"))
    ):
        return _fastai_loaders(run, call)
    if call.name not in library.LOADERS:
        return None
    source = call.argument(0, "dataset")
    if source is None:
        return None
    run.record.setting(run.record.batch_sizes, call.argument(1, "batch_size", "bs"), call.place, call.name)
    sampled = call.argument(3, "sampler") or call.argument(4, "batch_sampler")
    if sampled is not None and sampled.is_none:
        sampled = None
    part = as_part(source) if sampled is not None else source
    return Value(origins=part.origins, data="loader", made_by=call.path)


def _fastai_loaders(run: Reader, call: Call) -> Value | None:
    """fastai's pairs of loaders: what they train on, and what they only look at."""
    known = "DataLoaders" in call.path or "DataBlock" in (call.owner.made_by if call.owner else "")
    if not known and call.name != "dataloaders":
        return None
    size = call.kwargs.get("bs") or call.kwargs.get("batch_size")
    run.record.setting(run.record.batch_sizes, size, call.place, call.name)
    if call.name == "DataLoaders" or call.name in ("from_dsets", "from_dblock_dsets"):
        train = call.args[0] if call.args else UNKNOWN
        valid = call.args[1] if len(call.args) > 1 else UNKNOWN
    elif call.name == "from_folder":
        train, valid = _from_folder(call)
    else:
        train, valid = _from_block(run, call)
    train, valid = replace(train, data="loader"), replace(valid, data="loader")
    entries = {
        "train": train,
        "valid": valid,
        "train_dl": train,
        "valid_dl": valid,
        "train_ds": train,
        "valid_ds": valid,
    }
    return Value(origins=union((train, valid)), entries=entries, made_by="DataLoaders")


def _from_folder(call: Call) -> tuple[Value, Value]:
    path = call.argument(0, "path") or UNKNOWN
    if _given(call, "valid_pct", 3):
        return _both(path), _both(path)
    train, valid = call.argument(1, "train"), call.argument(2, "valid")
    return (
        with_split(
            path, library.folder_split(train.word) or Split.TRAIN if train else Split.TRAIN, part=False
        ),
        with_split(
            path, library.folder_split(valid.word) or Split.VALID if valid else Split.VALID, part=False
        ),
    )


def _from_block(run: Reader, call: Call) -> tuple[Value, Value]:
    """Of a DataBlock, or from a list of files: the splitter says which images are trained on."""
    source = _items(run, call)
    block = call.owner.entries if call.owner else {}
    splitter = block.get("splitter") or call.kwargs.get("splitter")
    made = splitter.made_by.rpartition(".")[2] if splitter is not None else ""
    if splitter is not None and made == "GrandparentSplitter":
        names = splitter.entries
        train = library.folder_split(names["train_name"].word) if "train_name" in names else Split.TRAIN
        valid = library.folder_split(names["valid_name"].word) if "valid_name" in names else Split.VALID
        return with_split(source, train or Split.TRAIN, part=False), with_split(
            source, valid or Split.VALID, part=False
        )
    # A splitter of one's own, or a table, may well keep the test images apart.
    told = splitter is not None and not splitter.is_none and made != "RandomSplitter"
    sure = not told and call.name not in ("from_df", "from_csv")
    return _both(source, certain=sure), _both(source, certain=sure)


def _items(run: Reader, call: Call) -> Value:
    """What the loaders' items come from: a list of files says more than the folder that it lies in."""
    files = call.argument(1, "fnames") if call.name in _FROM_FILES else None
    if files is not None and files.origins:
        return files
    source = Value(origins=union(call.values))
    getter = call.owner.entries.get("get_items") if call.owner else None
    if getter is not None and isinstance(getter.target, Partial):  # partial(get_image_files, folders=…)
        split = library.folder_split(getter.target.kwargs.get("folders", UNKNOWN).word)
        return with_split(source, split, part=False) if split is not None else source
    if getter is not None and getter.target is not None:
        given = run.call(getter, [source], {})
        return Value(origins=given.origins) if given.origins else source
    return source


_FROM_FILES = frozenset("from_path_func from_path_re from_name_func from_name_re from_lists".split())


def _both(path: Value, *, certain: bool = True) -> Value:
    """All of an archive that holds the test images as well is train and test together."""
    origins = {
        replace(o, split=Split.BOTH, certain=o.certain and certain)
        if o.split is Split.ALL and not o.weights and o.name in library.FASTAI_WITH_TEST.values()
        else o
        for o in path.origins
    }
    return replace(path, origins=frozenset(origins), items=None)


def _given(call: Call, name: str, position: int) -> bool:
    value = call.argument(position, name)
    return value is not None and not value.is_none


def concatenated(run: Reader, values: Sequence[Value], node: ast.AST) -> Value:
    """Data put together: train and test together are something of their own."""
    origins = union(values)
    splits = {o.split for o in origins if not o.weights}
    kinds = [value.data for value in values if value.data]
    if Split.TRAIN in splits and Split.TEST in splits:
        names = " and ".join(sorted({o.name for o in origins if o.split in (Split.TRAIN, Split.TEST)}))
        run.record.leak(
            LeakKind.MIXED,
            run.place(node),
            False,
            f"The training and the test images of {names} are put together.",
        )
        origins = frozenset(
            replace(o, split=Split.BOTH) if o.split in (Split.TRAIN, Split.TEST) else o for o in origins
        )
    return Value(origins=origins, data=kinds[0] if kinds else "", made_by="concatenated")


def concatenation(run: Reader, call: Call) -> Value | None:
    mixes = call.name in library.CONCATENATES or call.name in ("concatenate", "extend", "zip_longest")
    if not mixes or call.name in ("append", "extend"):
        return None
    parts = [item for value in call.args for item in (value.items or (value,))]
    if call.owner is not None and call.owner.data:
        parts = [call.owner, *parts]
    if not any(part.data for part in parts):
        return None
    return concatenated(run, parts, call.node)


def grown(run: Reader, call: Call) -> Value | None:
    """A list that data is appended to holds that data."""
    if call.name not in ("append", "extend", "add", "update", "insert", "appendleft") or call.owner is None:
        return None
    holder = call.node.func.value if isinstance(call.node.func, ast.Attribute) else None
    given = call.args[-1] if call.args else UNKNOWN
    if call.owner.path:
        return None
    if isinstance(holder, ast.Name) and (given.origins or call.owner.items is not None):
        if call.owner.data and given.data:
            grown = concatenated(run, [call.owner, given], call.node)
        else:
            grown = Value(origins=union((call.owner, given)), data=given.data, made_by="list")
        run.scope.bind(holder.id, replace(grown, items=None, length=None))
    return UNKNOWN


def sliced(owner: Value, lower: Value, upper: Value) -> Value:
    """A slice; MNIST in one piece has its training images first."""
    if owner.splits == {Split.ALL}:
        if upper.only in (60_000, -10_000) and lower.only in (None, 0):
            return with_split(owner, Split.TRAIN, part=False)
        if lower.only in (60_000, -10_000) and not upper.known:
            return with_split(owner, Split.TEST, part=False)
    if owner.known and not owner.origins:
        return UNKNOWN
    return replace(
        as_part(owner), data="array" if owner.data else "", entries={}, length=None, made_by=owner.made_by
    )


def subfolder(path: Value, name: str) -> Value:
    """``path / "training"``: where the archive holds all, the folder says which part."""
    split = library.folder_split(name)
    if path.splits == {Split.ALL} and split is not None:
        return with_split(path, split, part=False)
    word = f"{path.word}/{name}" if path.word else name
    return Value(known=(word[:300],), origins=path.origins, made_by=path.made_by)


def attribute_of_data(owner: Value, attr: str) -> Value:
    if attr in _NEUTRAL or attr in library.SHAPES:
        return UNKNOWN
    if attr == "model":
        return Value(made_by=owner.made_by)
    data = owner.data
    if data in ("dataset", "loader") and attr in (
        "data",
        "targets",
        "train_data",
        "test_data",
        "labels",
        "images",
    ):
        data = "array"
    if attr == "dataset" and data == "loader":
        data = "dataset"
    return Value(origins=owner.origins, data=data, made_by=owner.made_by if data else "")
