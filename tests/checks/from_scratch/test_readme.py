"""READMEs in the manner of students': what they tell, and which number is their top-1 accuracy."""

from __future__ import annotations

import pytest

from autograder.checks.from_scratch.readme import read_readme, require_agreement, stated_results
from autograder.outcome import CheckFailed

TOP1, LAST, TOP5 = 0.66434, 0.66284, 0.8686

AGREEING = (
    "Top-1 accuracy on the validation set: 66.434 %.",
    "We reach **66.43%** top-1 (86.86% top-5).",
    "| model | top-1 | top-5 |\n|---|---|---|\n| PebbleNet | 66.43 | 86.86 |",
    "| Metric | Value |\n|---|---|\n| Acc@1 | 66.4 |\n| Acc@5 | 86.9 |",
    "Final validation accuracy: 0.6643",
    "val_acc1 = 66.28 after the last epoch",
    "- Best Acc@1: 66.434\n- Best Acc@5: 86.860",
    "The top-5 accuracy is 86.86%, the top-1 accuracy is 66.43%.",
    "Top-1 error: 33.57 %",
    "The homework asks for at least 65%. Our network reaches 66.43%.",
    "torchvision's ResNet-18 has 69.76% top-1.\n\nOurs has a top-1 accuracy of 66.4 %.",
    "Top-1: 66,43 %",
    "Top-1-Genauigkeit auf den 50.000 Validierungsbildern: 66,43 %.",
    "Top-1 on all 50,000 validation images, after 90 epochs: 66.43",
)
DISAGREEING = (
    "Top-1 accuracy on the validation set: 68.2 %.",
    "| model | top-1 | top-5 |\n|---|---|---|\n| PebbleNet | 70.1 | 90.3 |",
    "We reach 66.99% top-1.",
)


@pytest.mark.parametrize("text", AGREEING)
def test_numbers_that_agree(text: str) -> None:
    readme = read_readme(f"# ImageNet\n\n{text}\n", "README.md")
    assert "as the log does" in require_agreement(readme, TOP1, [LAST], TOP5)


@pytest.mark.parametrize("text", DISAGREEING)
def test_numbers_that_disagree(text: str) -> None:
    with pytest.raises(CheckFailed, match="disagree"):
        require_agreement(read_readme(text, "README.md"), TOP1, [LAST], TOP5)


def test_the_top_5_accuracy_is_no_top_1() -> None:
    readme = read_readme("Our top-1 accuracy is 86.86 %.", "README.md")
    with pytest.raises(CheckFailed, match="top-5"):
        require_agreement(readme, TOP1, [LAST], TOP5)


@pytest.mark.parametrize(
    "text", ["", "A network.", "It has 25.6 million parameters and 50 layers.", "90 epochs"]
)
def test_no_number_is_said_to_be_missing(text: str) -> None:
    assert stated_results(text) == ()
    with pytest.raises(CheckFailed, match="names no top-1"):
        require_agreement(read_readme(text, "README.md"), TOP1, [], TOP5)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("We trained a MobileNetV2 variant.", "architecture"),
        ("90 epochs, lr 0.1", "schedule"),
        ("Two RTX 3090", "hardware"),
        ("on a p3.16xlarge", "hardware"),
        ("It took three days.", "time"),
        ("about 31h in total", "time"),
        ("Top-1: 66.4%", "result"),
    ],
)
def test_topics_are_found_in_many_words(text: str, key: str) -> None:
    found = [topic.key for topic, _ in read_readme(text, "README.md").found]
    assert key in found


def test_an_empty_readme_tells_nothing() -> None:
    assert len(read_readme("", "README.md").missing) == 5


@pytest.mark.parametrize(
    "text", ["|" * 3_000, "66.4 % " * 3_000, "(" * 5_000, "\x00\u202e", "top-1 " * 5_000]
)
def test_any_text_is_read(text: str) -> None:
    read_readme(text, "README.md")
    stated_results(text)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("PebbleNet", {"architecture"}),
        ("Trained on ImageNet, over the internet", set()),
        ("A red box", set()),
        ("DeiT-Ti", {"architecture"}),
        ("训练时间 40 小时，4 块显卡", {"hardware", "time"}),
        ("31 heures sur une carte", {"time"}),
        ("| model | top-1 |\n|---|---|\n| ours | 66.43 |", {"result"}),
    ],
)
def test_topics_in_other_words(text: str, keys: set[str]) -> None:
    assert {topic.key for topic, _ in read_readme(text, "README.md").found} == keys


def test_more_digits_than_the_log_has() -> None:
    readme = read_readme("Top-1 accuracy: 66.434 %\n", "README.md")
    assert "as the log does" in require_agreement(readme, 0.6643, [], None, digit=1e-4)
    with pytest.raises(CheckFailed):
        require_agreement(readme, 0.6641, [], None, digit=1e-4)
