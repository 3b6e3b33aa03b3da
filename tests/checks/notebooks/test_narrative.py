"""A narrative is complete when it names a technique, links its paper, gives both gains and compares them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks.notebooks.narrative import Narrative, Source, Technique, read_narrative

TECHNIQUES = (
    Technique("warmup", "learning rate optimizations", ("warm up", "cosine schedule", "cosine annealing")),
    Technique("trivial", "TrivialAugment", ("trivial augment", "TrivialAugmentWide")),
    Technique("long", "long training", ("training for longer",)),
    Technique("erasing", "random erasing", ()),
    Technique("smoothing", "label smoothing", ("smoothed labels",)),
    Technique("mixup", "mixup", ("mix up",)),
    Technique("cutmix", "cutmix", ("cut mix",)),
    Technique("ema", "EMA", ("exponential moving average",)),
)
OWN = ("pytorch.org/blog",)
LINK = "https://arxiv.org/abs/1512.00567"


def read(text: str) -> Narrative:
    return read_narrative(text, TECHNIQUES, OWN)


def gains(text: str) -> list[tuple[float, str, str]]:
    return [(gain.value, gain.unit, gain.source.value) for gain in read(text).gains]


COMPLETE = [
    f"# Label smoothing\nIt softens targets ({LINK}). The authors report an improvement of 0.2 % in top-1. "
    "The article reports that it improves Acc@1 by 0.45 "
    "points. So the article's gain is larger than the paper's.",
    "EMA: the paper (arXiv:2004.10964) went from 76.1 to "
    "76.9 top-1, whereas the blog post reports +0.25 points.",
    "TrivialAugment [1] gained 0.9 percentage points in "
    "the paper. The PyTorch article got 0.4%. Both gains are similar.\n\n"
    "[1] https://arxiv.org/abs/2103.10158",
    "The authors of mix-up (https://arxiv.org/abs/1710.09412) "
    "report a 1.3% gain on ImageNet top-1, while torchvision "
    "saw just 0.1 points.",
    "## CutMix\n\nhttps://doi.org/10.1109/ICCV.2019.00612\n\n### Paper\n"
    "Top-1 accuracy rises by 2.28 %.\n\n### Article\n"
    "It adds 0.18 % accuracy.\n\nThat is much less than the authors found.",
    f"Random erasing ({LINK}).\n\n| source | gain in top-1 |\n|---|---|\n| paper | +0.5 % |\n"
    f"| article | +0.19 % |\n\n"
    "The paper's gain is higher than that of the article.",
    f"Exponential moving averages keep a second set of "
    f"weights ({LINK}). In the original paper the accuracy increased from 75.2% to "
    "75.9%. Vryniotis reports 0.6 percentage points in the article, which is comparable to the paper.",
]


COMPLETE += [
    f"Long training ({LINK}): the authors improve from 86.10% to 92.83% accuracy. "
    "The article reports that Acc@1 goes up by 0.33 with 600 epochs. That is far less than in the paper.",
    f"Label smoothing ({LINK}). Szegedy et al. get +0.2 pp; torchvision's authors +0.3 pp (80.1 → 80.4). "
    "Not far from each other.",
    f'Random erasing ({LINK}): Zhong et al. gain 1.1 points top-1. The article: "+0.17 Acc@1". '
    "Hence about a sixth of what Zhong et al. had.",
    f"CutMix ({LINK}). Yun et al. report 2.28 percentage points. "
    "The authors of the article report 0.2 percentage points. The former is about ten times the latter.",
]


@pytest.mark.parametrize("text", COMPLETE)
def test_a_complete_narrative_misses_nothing(text: str) -> None:
    found = read(text)
    assert found.missing == ()
    assert found.complete
    assert found.gain(Source.PAPER)
    assert found.gain(Source.ARTICLE)
    assert found.technique_sentence
    assert found.comparison in " ".join(text.replace("#", "").split()) or found.comparison


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The paper reports a gain of 0.5 %.", [(0.5, "%", "paper")]),
        ("The authors see +0.45 points.", [(0.45, "points", "paper")]),
        ("The article's accuracy rose from 76.1 to 76.9 Acc@1.", [(0.8, "acc@1", "article")]),
        ("In the paper, top-1 goes from 76.1% → 76.9%.", [(0.8, "%", "paper")]),
        ("The paper improves 1.2 percentage points, the article 0.3 percentage points.",
         [(1.2, "percentage points", "paper"), (0.3, "percentage points", "article")]),
        ("The paper reports 0.6 and the article 0.4 % "
         "improvement.", [(0.6, "%", "paper"), (0.4, "%", "article")]),
        ("The article gains 0.3pp.", [(0.3, "pp", "article")]),
        ("It improves accuracy by 0.4 %.", [(0.4, "%", "unknown")]),
        ("The paper trains for 600 epochs with alpha = 0.2 and a probability of 0.1.", []),
        ("The paper of 2018 uses ResNet-50 [12] and reaches 77.9 % top-1.", []),
        ("The article says it improves the accuracy.", []),
        ("The paper reports a gain of 0.5.", []),
    ],
)  # fmt: skip
def test_gains(text: str, expected: list[tuple[float, str, str]]) -> None:
    assert gains(text) == expected


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", ["the name", "a link", "the gain that the paper", "the gain that the article", "a sentence"]),
        (
            "Mixup is great and helps a lot.",
            ["a link", "the gain that the paper", "the gain that the article", "a sentence"],
        ),
        (COMPLETE[0].replace(LINK, "link"), ["a link"]),
        (COMPLETE[0].replace(LINK, "https://pytorch.org/blog/how-to-train"), ["a link"]),
        (COMPLETE[0].replace("Label smoothing", "A technique"), ["the name"]),
        (COMPLETE[0].replace("0.2 %", "something"), ["the gain that the paper"]),
        (COMPLETE[0].replace("0.45 points", "a bit"), ["the gain that the article"]),
        (COMPLETE[0].replace("So the article's gain is larger than the paper's.", ""), ["a sentence"]),
        (
            f"Mixup ({LINK}) improves accuracy by 0.5 %.",
            ["the gain that the paper", "the gain that the article", "a sentence"],
        ),
    ],
)
def test_what_is_missing_is_named(text: str, missing: list[str]) -> None:
    found = read(text).missing
    assert len(found) == len(missing)
    assert all(one.startswith(start) for one, start in zip(found, missing, strict=True))


def test_a_gain_without_its_source_is_told() -> None:
    assert "not whose it is" in read(f"Mixup ({LINK}) improves accuracy by 0.5 %.").missing[0]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Label-smoothing is", "smoothing"),
        ("Labelsmoothing", "smoothing"),
        ("we use Warm-Up and warmup", "warmup"),
        ("MixUp", "mixup"),
        ("Mix-up, then mixup, then CutMix", "mixup"),
        ("cosine annealing", "warmup"),
        ("Trivial Augment", "trivial"),
        ("an EMA of weights", "ema"),
    ],
)
def test_techniques_are_known_by_their_spellings(text: str, key: str) -> None:
    found = read(text).technique
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize("text", ["the cinema", "a schema", "remixups", "labels and smoothing"])
def test_words_that_only_look_like_one(text: str) -> None:
    assert read(text).technique is None


@pytest.mark.parametrize(
    "text",
    [
        "gain 0.5 % " * 18_000,
        "from 1 to 2 " * 16_000,
        "the paper 0.5% article " * 8_000,
        "mix " * 50_000,
        "+1 " * 66_000,
        "( " * 100_000,
        "paper " * 33_000,
        "paper: 1 % and but while\n" * 8_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    start = time.process_time()
    read(text)
    assert time.process_time() - start < 8


WORDS = "paper article gain 0.5 % points from to 76.1 than mixup EMA . \n | https://a.b/c [1] +".split(" ")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300) | st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join))
def test_no_text_crashes(text: str) -> None:
    found = read(text)
    assert all(abs(gain.value) < 30 for gain in found.gains)
    assert found.complete == (not found.missing)
