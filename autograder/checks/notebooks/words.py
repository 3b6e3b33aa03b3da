"""What the words around a printed number say about it: which quantity, of which part of the data.

A number is taken for an accuracy only if every word between the name and the number is one that may stand
there. A name nobody foresaw ("accuracy of plane", "accuracy threshold") leaves the number unread, which is
better than reading it wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from autograder.checks.notebooks.found import Quantity, Split

_PARTS = re.compile(r"@?\d+|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")

_ACCURACY = frozenset(
    "acc accs accu accur accuracy accuracies acuracy accurracy accruacy genauigkeit exactitud precisión "
    "exactitude acurácia accuratezza nauwkeurigheid".split()
)
_LOSS = frozenset("loss losses nll cost perplexity verlust verluste pérdida perdida perte".split())
_ERROR = frozenset("err error errors".split())
_OTHER = frozenset(
    "f1 fscore precision recall auc auroc mse mae rmse iou dice kappa specificity sensitivity support map "
    "time eta lr speed throughput params parameters memory flops momentum decay norm grad gradient "
    "temperature gamma alpha beta epsilon eps dropout patience confidence probability prob".split()
)
_SPLIT_WORDS: tuple[tuple[Split, str], ...] = (
    ("train", "train training trn trained trainset trainloader traindl entrenamiento 训练 训练集"),
    ("test", "test testing tst tests testset testloader testdl heldout unseen prueba testdaten 测试 测试集"),
    ("valid", "val valid validation vld validate validating dev valset valloader validloader validset"),
    ("valid", "验证 验证集"),
)
_SPLITS: dict[str, Split] = {one: split for split, words in _SPLIT_WORDS for one in words.split()}
# Words that make the number beside an accuracy something else than an accuracy of the whole.
_NOT_THIS = frozenset(
    "target goal threshold thresh required require requires need needed desired expected expect minimum min "
    "baseline chance random guess guessing human previous prev prior improved improve improves improvement "
    "increased increase increases decreased decrease gain diff difference delta drop dropped gap std stdev "
    "deviation variance var weight weights scale scaling scaler factor penalty coefficient regularization "
    "function fn criterion class classes classwise perclass label labels category categories digit per each "
    "balanced adversarial attack attacked under robust sota paper article state tier point points "
    "bonus grade above below least exceed exceeds beat beats than unless until if should must expected "
    "worst lowest pretrained imagenet published reported authors benchmark leaderboard change changed "
    "index rank position number no num id count size length len limit tolerance tol interval margin "
    "step_size every smoothing smoothed".split()
)
_BEST = frozenset("best max maximum highest peak top".split())
# What may stand between the quantity's name and its number.
_BETWEEN = frozenset(
    "of is was are be the a an our my this that it on in for over at with by from to network net nn cnn mlp "
    "ann dnn resnet vgg vit lenet mobilenet densenet alexnet efficientnet model models classifier convnet "
    "neural best final whole entire full complete all set sets data dataset datasets images image samples "
    "sample examples example mnist cifar cifar10 fashionmnist fashion batch batches epoch epochs end after "
    "during so far now current currently score value rate percentage percent pct reached reaches achieved "
    "obtained got equals equal approx approximately about around mean avg average averaged total overall "
    "tensor array numpy np float float16 float32 float64 double torch device tensorbase item validation "
    "correct correctly classified predictions predicted prediction unseen new held out using our fastai "
    "stochastic gradient descent sgd adam metric metrics result results top1 here loader ema swa tta "
    "fraction ratio running cumulative single en del conjunto de auf dem im der den".split()
)
_GLUED = re.compile(
    r"(train|training|trn|test|testing|tst|valid|validation|val|dev|avg|mean|running|epoch|batch|best|final"
    r"|total|overall|last|cur|current|max)(?:set)?"
    r"(acc|accs|accuracy|loss|losses|err|error)"
)
_GERMAN = re.compile(r"(test|trainings?|validierungs)(genauigkeit|verlust)")
_IN_ENGLISH = {"trainings": "train", "training": "train", "validierungs": "valid"}
_CHINESE = (("准确率", "acc"), ("精度", "acc"), ("损失", "loss"))
_CHINESE_SPLITS: tuple[tuple[str, Split], ...] = (("测试", "test"), ("训练", "train"), ("验证", "valid"))


@dataclass(frozen=True, slots=True)
class Word:
    """What one word, or one identifier such as ``val_acc``, can say."""

    quantity: Quantity | None = None
    split: Split | None = None
    spoils: bool = False  # the number is no accuracy or loss of the whole
    other: bool = False  # the name of another quantity
    best: bool = False
    percent: bool = False
    may_follow: bool = False  # may stand between a quantity and its number
    correct: bool = False
    running: bool = False
    rate: bool = False  # makes an error a rate of errors


@lru_cache(maxsize=8192)
def word(text: str) -> Word:
    """What ``text`` says; at most 60 characters of it are looked at."""
    text = text[:60]
    parts = [part.lower() for part in _PARTS.findall(text)]
    if len(parts) == 1 and (glued := _GLUED.fullmatch(parts[0])):
        parts = [glued[1], glued[2]]
    if len(parts) == 1 and (glued := _GERMAN.fullmatch(parts[0])):
        parts = [_IN_ENGLISH.get(glued[1], glued[1]), glued[2]]
    for chinese, meant in _CHINESE:
        if chinese in text:
            parts.append(meant)
    known = set(parts) | {text.lower()}
    split = next((_SPLITS[part] for part in (*parts, text.lower()) if part in _SPLITS), None)
    if split is None:
        split = next((meant for chinese, meant in _CHINESE_SPLITS if chinese in text), None)
    quantity = _quantity(parts, known)
    return Word(
        quantity=quantity,
        split=split,
        spoils=bool(known & _NOT_THIS),
        other=quantity is None and bool(known & _OTHER),
        best=bool(known & _BEST) and "top" not in known,
        percent=bool(known & {"percent", "percentage", "pct"}),
        may_follow=quantity is None and (split is not None or _may_follow(text.lower(), known)),
        correct=bool(known & {"correct", "correctly", "corrects"}) and "incorrect" not in known,
        running=bool(known & {"running", "batch", "minibatch", "mini"}),
        rate=bool(known & {"rate", "top", "prec", "misclassification", "classification"}),
    )


def _may_follow(lower: str, known: set[str]) -> bool:
    return bool(known & _BETWEEN) or lower.endswith(("net", "model")) or "net" in known


def _quantity(parts: list[str], known: set[str]) -> Quantity | None:
    five = bool(known & {"5", "@5"})
    ranked = bool(known & {"top", "prec", "precision"}) and bool(known & {"1", "@1", "5", "@5"})
    if known & _ERROR:
        return None if five and ranked else "error"
    if known & _LOSS:
        return "loss"
    if known & _ACCURACY:
        near = any(a in _ACCURACY and b in ("5", "@5") for a, b in pairwise(parts))
        of_k = "topk" in known or known >= {"top", "k"}  # 5 where nothing else is said
        return "top5" if (five and (near or ranked)) or of_k else "accuracy"
    return ("top5" if five else "accuracy") if ranked else None
