"""Whether the scripts begin with random weights: what the source asks for, under which condition.

`read_source` finds the calls. A script of this kind has them in branches that nobody took, so each one's
conditions are looked up in the options that were given (settings.py). What is surely asked for breaks the
rule; what can't be followed is for a human.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

from autograder.checks.from_scratch.settings import Settings, parsed, read_settings, written
from autograder.checks.logs.hints import NOT_PRETRAINED
from autograder.checks.notebooks.source import read_source
from autograder.checks.notebooks.source_facts import Named, SourceFacts
from autograder.loaders.notebook import Cell, Notebook
from autograder.outcome import CheckFailed
from autograder.text import clean, quote

_MOST_SCRIPTS = 12  # that are followed from their first line
_MOST_FILES = 300
_MOST_STARTS = 20  # of one file that are looked into
_MAKES_MODEL = re.compile(
    r"\bmodels?\b|_model$|(?:res|dense|mobile|google|alex|efficient|squeeze|shuffle)\w*net|vgg|vit_|swin|convnext"
)
_OTHER_NETWORK = re.compile(
    r"^\s*[\w.]{0,40}(?:teacher|perceptual|lpips|reference|baseline)\w{0,20}\s*[=(:,]", re.I
)
_GUARD = re.compile(r"^if\s+__name__\s*==", re.MULTILINE)
_TRAINS = re.compile(
    r"\.backward\s*\(|\.fit(?:_\w{1,20})?\s*\(|\.fine_tune\s*\(|\btraining_step\b|\b\w{0,20}Trainer\s*\("
    r"|\b(?:runner|trainer|learner)\.train\s*\(|\bLightningCLI\s*\(|\bGradientTape\s*\(|\.train_on_batch\s*\("
    r"|\bvalue_and_grad\s*\("
)
# A checkpoint of one's own, by its name: a resumed run loads one, and so does a script that evaluates.
_OWN_NAME = re.compile(
    r"check_?point|ckpt|resume|latest|last|model_best|best|epoch|snapshot|final|trained|run|exp|output|save",
    re.IGNORECASE,
)
_LIBRARY_FILE = re.compile(
    r"https?://|-[0-9a-f]{8}(?:$|\.)|imagenet1k|_v1\b|_v2\b|pre_?trained", re.IGNORECASE
)
_LIBRARY_WEIGHTS = re.compile(r"https?://|-[0-9a-f]{8}\.(?:pth|pt|safetensors|bin)\b", re.IGNORECASE)
_FILE_OPTIONS = (
    "resume",
    "initial_checkpoint",
    "finetune",
    "checkpoint",
    "ckpt",
    "load",
    "pretrained_path",
    "weights_path",
    "init_weights",
    "load_from",
)
_LOG_SAYS = (
    re.compile(r"=>\s*using pre-?trained model[^\n]{0,100}", re.IGNORECASE),
    re.compile(r"Downloading:?\s[^\n]{0,200}\.(?:pth|pt|safetensors|bin)\b[^\n]{0,60}", re.IGNORECASE),
    re.compile(r"Loading (?:the )?pre-?trained weights[^\n]{0,100}", re.IGNORECASE),
)


@dataclass(frozen=True, slots=True)
class Start:
    """Something that says that the network began with ready weights; ``where`` names a line."""

    text: str
    where: str
    certain: bool
    log: str = ""  # the log that says so, if one does


@dataclass(frozen=True, slots=True)
class Scripts:
    """The submission's Python files, and what they say of the weights that the training begins with."""

    sources: Mapping[str, str]
    training: tuple[str, ...]  # the files that train
    starts: tuple[Start, ...]
    settings: Settings
    notes: tuple[str, ...] = ()

    def against(self, log: str = "") -> tuple[Start, ...]:
        """What is sure; of what logs say only that of ``log``, the one that counts."""
        return tuple(one for one in self.starts if one.certain and one.log in ("", log or one.log))


def read_scripts(
    sources: Mapping[str, str], texts: Mapping[str, str], notebooks: Mapping[str, Notebook] | None = None
) -> Scripts:
    """``sources`` are the .py files; ``texts`` logs, shell scripts, README, configuration; by their paths."""
    sources = dict(list(sources.items())[:_MOST_FILES])
    settings = read_settings(sources, texts)
    starts: dict[Start, None] = {}
    notes: list[str] = []
    for path in _entries(sources):
        facts = _facts_of(path, sources)
        notes += facts.notes
        starts |= dict.fromkeys(_starts(facts, path, sources, settings))
    for path, notebook in (notebooks or {}).items():
        facts = read_source(notebook, sources)
        starts |= dict.fromkeys(_of_notebook(facts, path))
    starts |= dict.fromkeys(_asked_for(sources, settings))
    starts |= dict.fromkeys(_given_files(settings))
    starts |= dict.fromkeys(_of_texts(texts))
    training = tuple(path for path, source in sources.items() if _TRAINS.search(source))
    ordered = sorted(starts, key=lambda one: not one.certain)
    return Scripts(sources, training, tuple(ordered), settings, tuple(dict.fromkeys(notes)))


def require_random(scripts: Scripts, log: str = "", *, notebooks: bool = False) -> str:
    """What to note; raises CheckFailed where the source is missing, or begins with ready weights."""
    told = scripts.settings.told("pretrained")
    if not scripts.training and not notebooks and told is not None and not told.truth:
        return f"{quote(told.file)} says that the training began without ready weights."
    if not scripts.training and not notebooks:
        raise CheckFailed(
            "No file of your submission trains a network, so what it begins with can't be seen.",
            hint="Hand in the script that trained it, such as train.py, with the model's own file.",
        )
    for start in scripts.against(log):
        raise CheckFailed(f"{start.text} ({start.where})", hint=HINT)
    read = ", ".join(quote(path) for path in scripts.training[:4]) or "the notebook"
    return f"Nothing in {read} is seen to load weights that were trained elsewhere."


_READY = "The network begins with weights that were trained elsewhere."
HINT = "Begin with random weights, for example with weights=None, and train from epoch 0."


def _entries(sources: Mapping[str, str]) -> list[str]:
    """The files that somebody starts: with a main guard, or imported by no other."""
    text = "\n".join(sources.values())
    found = []
    for path, source in sources.items():
        stem = PurePosixPath(path).stem
        imported = re.search(rf"^\s*(?:from|import)\s[^\n]*\b{re.escape(stem)}\b", text, re.MULTILINE)
        if _GUARD.search(source) or imported is None:
            found.append(path)
    found.sort(key=lambda path: (not _TRAINS.search(sources[path]), path.count("/"), path))
    return found[:_MOST_SCRIPTS]


def _facts_of(path: str, sources: Mapping[str, str]) -> SourceFacts:
    """What the script asks for when it is started, the other files beside it for its imports."""
    others = {other: source for other, source in sources.items() if other != path}
    return read_source(Notebook((Cell(1, "code", sources[path]),)), others)


def _starts(
    facts: SourceFacts, script: str, sources: Mapping[str, str], settings: Settings
) -> Iterator[Start]:
    for named in facts.pretrained[:_MOST_STARTS]:
        path = named.place.file or script
        if named.name.startswith("weights from "):
            start = _of_file(named, path, sources)
        else:
            start = Start(_READY, _where(path, named), named.certain)
        if start is None:
            continue
        source = sources.get(path, "")
        held = _holds(source, named.place.line, settings)
        asked = _asked(named, source, settings)
        beside = _is_teacher(_line(source, named.place.line))
        if held is not False and asked is not False:
            certain = held is True and not beside and (start.certain or asked is True)
            yield Start(start.text, start.where, certain)


def _line(source: str, number: int) -> str:
    lines = source.split("\n")
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _is_teacher(line: str) -> bool:
    """Another network beside the one that is trained: distillation, a loss, a comparison. For a human."""
    return _OTHER_NETWORK.search(line) is not None


_FLAGS = ("pretrained", "weights", "weights_backbone")
_ALSO_OTHERS = frozenset(_FLAGS[1:])  # keywords that mean something else in other calls


def _asked_for(sources: Mapping[str, str], settings: Settings) -> Iterator[Start]:
    """Calls with ``pretrained=`` or ``weights=`` that a given option, or the source itself, turns on."""
    text = "\n".join(sources.values())
    for path, source in sources.items():
        lines = source.split("\n")
        tree = parsed(source)
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        asking = (node for node in calls if _turned_on(node, settings, source))
        for node in islice(asking, _MOST_STARTS):
            if _holds(source, node.lineno, settings) is not True:
                continue
            around = [one.name for one in functions if _spans(one, node.lineno)]
            used = not _is_teacher(lines[node.lineno - 1]) and all(
                len(re.findall(rf"\b{re.escape(name)}\b", text)) > 1 for name in around
            )
            said = clean(lines[node.lineno - 1].strip()[:800], 200)
            yield Start(_READY, f"{path}, line {node.lineno}: {said}", used)


def _turned_on(call: ast.Call, settings: Settings, source: str) -> bool:
    maker = written(call.func)
    for keyword in call.keywords:
        if keyword.arg not in _FLAGS or (keyword.arg in _ALSO_OTHERS and not _MAKES_MODEL.search(maker)):
            continue
        if isinstance(keyword.value, ast.Constant | ast.Attribute | ast.Subscript | ast.IfExp):
            return _truth(keyword.value, settings, source) is True
    return False


def _of_file(named: Named, path: str, sources: Mapping[str, str]) -> Start | None:
    """Weights from a file: surely ready ones where it is a library's, and nothing where it is one's own."""
    name = named.name.removeprefix("weights from ")
    if not _TRAINS.search(sources.get(path, "")) and not _LIBRARY_FILE.search(name):
        return None  # a script that evaluates loads what was trained
    library = _LIBRARY_FILE.search(name) is not None
    if not library and _OWN_NAME.search(name):
        return None
    text = f"Weights are loaded from a file that the training doesn't save: {quote(name)}."
    return Start(text, _where(path, named), library and named.certain)


def _given_files(settings: Settings) -> Iterator[Start]:
    """An option that names a library's weights: ``--resume resnet50-0676ba61.pth``."""
    for name in _FILE_OPTIONS:
        option = settings.option(name)
        if option is not None and option.strength > 0 and _LIBRARY_WEIGHTS.search(option.value):
            text = f"{quote(option.file)} begins with a library's weights: {name} {quote(option.value, 100)}."
            yield Start(text, option.file, True)


def _of_notebook(facts: SourceFacts, path: str) -> Iterator[Start]:
    for named in facts.pretrained:
        if named.name.startswith("weights from ") and not _LIBRARY_FILE.search(named.name):
            continue
        yield Start(_READY, f"{path}, {named.place.describe()}", named.certain and bool(facts.trained_on))


def _of_texts(texts: Mapping[str, str]) -> Iterator[Start]:
    for path, log in texts.items():
        if path.casefold().endswith((".md", ".rst", ".py", ".yaml", ".yml", ".json", ".sh")):
            continue
        for pattern in _LOG_SAYS:
            found = next((one for one in pattern.finditer(log) if not _denied(log, one)), None)
            if found is not None:
                line = log.count("\n", 0, found.start()) + 1
                said = clean(found[0].strip(), 160)
                text = f"The log says that ready weights were taken: “{said}”."
                yield Start(text, f"{path}, line {line}", True, path)


def _denied(log: str, found: re.Match[str]) -> bool:
    """The line says that there are none: "Loading pretrained weights: None"."""
    start, end = log.rfind("\n", 0, found.start()) + 1, log.find("\n", found.end())
    return NOT_PRETRAINED.search(log[start : end if end >= 0 else len(log)][:1_000]) is not None


def _where(path: str, named: Named) -> str:
    place = f"{path}, line {named.place.line}"
    return f"{place}: {named.place.quoted}" if named.place.quoted else place


# --- conditions --------------------------------------------------------------------------------------


def _conditions(source: str, line: int) -> list[tuple[ast.expr, bool]]:
    """The tests of the ``if`` statements around a line, and whether it lies in the first branch of each."""
    found: list[tuple[ast.expr, bool]] = []
    waiting: list[ast.AST] = [parsed(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If | ast.IfExp):
            body = node.body if isinstance(node.body, list) else [node.body]
            orelse = node.orelse if isinstance(node.orelse, list) else [node.orelse]
            if any(_spans(one, line) for one in body):
                found.append((node.test, True))
            elif any(_spans(one, line) for one in orelse):
                found.append((node.test, False))
        waiting += [one for one in ast.iter_child_nodes(node) if _spans(one, line)]
    return found


def _spans(node: ast.AST, line: int) -> bool:
    start, end = getattr(node, "lineno", None), getattr(node, "end_lineno", None)
    if start is None:  # such as an argument list: its parts have lines
        return any(_spans(one, line) for one in ast.iter_child_nodes(node))
    return bool(start <= line <= (end or start))


def _is_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _holds(source: str, line: int, settings: Settings) -> bool | None:
    """Whether the line was reached, as far as the options tell; True also where nothing is around it."""
    known: bool | None = True
    for test, polarity in _conditions(source, line):
        if _is_guard(test):
            continue
        try:
            truth = _truth(test, settings, source)
        except RecursionError:
            truth = None
        if truth is None:
            known = None
        elif truth is not polarity:
            return False
    return known


def _truth(node: ast.expr, settings: Settings, source: str) -> bool | None:
    match node:
        case ast.Constant(value=value):
            return bool(value)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            truth = _truth(inner, settings, source)
            return None if truth is None else not truth
        case ast.BoolOp(op=op, values=values):
            stops = isinstance(op, ast.Or)
            truths = [_truth(value, settings, source) for value in values]
            if stops in truths:
                return stops
            return None if None in truths else not stops
        case ast.Attribute(attr=name):
            return settings.truth(name)
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return settings.truth(name)
        case ast.Name(id=name):
            held = _constant(name, source)
            return settings.truth(name) if held is None and name in settings.given else held
        case ast.IfExp(test=test, body=body, orelse=orelse):
            truth = _truth(test, settings, source)
            return None if truth is None else _truth(body if truth else orelse, settings, source)
        case ast.Compare(
            left=left, ops=[op], comparators=[ast.Constant(value=None | "" | True | False as value)]
        ):
            truth = _truth(left, settings, source)
            same = isinstance(op, ast.Is | ast.Eq)
            wanted = same if value is True else not same
            return None if truth is None else truth is wanted
    return None


def _constant(name: str, source: str) -> bool | None:
    """What a name holds that is only ever given constants of one truth."""
    truths: set[bool | None] = set()
    for node in ast.walk(parsed(source)):
        targets = node.targets if isinstance(node, ast.Assign) else ()
        if any(isinstance(one, ast.Name) and one.id == name for one in targets):
            value = node.value if isinstance(node, ast.Assign) else None
            truths.add(bool(value.value) if isinstance(value, ast.Constant) else None)
        elif isinstance(node, ast.arg) and node.arg == name:
            truths.add(None)
    return truths.pop() if len(truths) == 1 else None


def _asked(named: Named, source: str, settings: Settings) -> bool | None:
    """What the options make of ``pretrained=args.pretrained``; None where there is nothing to follow."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call) and node.lineno == named.place.line:
            for keyword in node.keywords:
                if keyword.arg in ("pretrained", "weights", "weights_backbone"):
                    return _truth(keyword.value, settings, source)
    return None
