"""extra.md as people write it: all four things are found in every form, asked for where they aren't."""

from __future__ import annotations

import time
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks.extra_accuracy import Claim
from autograder.checks.extra_held import Shown, held_against, shown_by_log
from autograder.checks.extra_notes import read_extra, require_extra
from autograder.checks.script_logs import read_log
from autograder.outcome import CheckFailed
from fixtures.build import ROOT

ANN, MAIL = "Ann Lee", "alee3@gatech.edu"
HEAD = f"Name: {ANN}\nEmail: {MAIL}\n"
BASE = ROOT / "gatech_convnet" / "base" / "2_pytorch"


class Case(NamedTuple):
    """A file, and what is in it; ``tried``: at least so many points."""

    text: str
    share: float
    split: str = ""
    tried: int = 1
    name: str = ANN
    email: str = MAIL


LABELS = [
    Case(
        f"**Name**: {ANN}\n**E-mail**: {MAIL}\n**Best accuracy**: 72.3 %\n\n- dropout\n- batch norm\n",
        0.723,
        "",
        2,
    ),
    Case(
        f"**Name:** {ANN}  \n**E-mail:** <{MAIL}>  \n**Best accuracy:** 0.723  \n\n1. dropout\n2. flips\n",
        0.723,
        "",
        2,
    ),
    Case(
        f"# Name\n{ANN}\n# Email\n{MAIL}\n# Best Accuracy\n72.3%\n# Tried\n"
        "A deeper network with batch norm.\n",
        0.723,
    ),
    Case(
        f"Name\n----\n{ANN}\n\nE-mail\n------\nalee3 [at] gatech [dot] edu\n\n"
        "Best accuracy (validation)\n---\n723/1000\n\n"
        "Tried\n---\nWider layers; it overfits.\n",
        0.723,
        "valid",
    ),
    Case(
        f"| Name | {ANN} |\n|---|---|\n| E-mail | {MAIL} |\n| Best accuracy | 72.3% |\n\n"
        "I tried dropout and flips.\n",
        0.723,
    ),
    Case(
        f"| Name | E-mail | Best accuracy |\n|---|---|---|\n| {ANN} | {MAIL} | 72.3% |\n\n"
        "* dropout 0.5: worse\n* flips: 3% more\n",
        0.723,
        "",
        2,
    ),
    Case(
        f"First name: Ann\nLast name: Lee\nEmail address: {MAIL}\nBest Accuracy = 72.30\n"
        "What I tried:\n\t- ResNet-18\n",
        0.723,
    ),
    Case(
        f"First and Last Name: {ANN}\nGT Email: {MAIL}\nAccuracy on test set: 72% \n"
        "List of what I tried: Adam, SGD\n",
        0.72,
        "test",
    ),
    Case(f"name: {ANN}\nmail: {MAIL}\naccuracy: 72\n- more filters\n", 0.72),
    Case(f"Name - {ANN}\nEmail - {MAIL}\nBest accuracy - 72%\nApproach - VGG with batch norm\n", 0.72),
    Case(f"name = {ANN}\nemail = {MAIL}\nbest_accuracy = 0.723\ntried = flips, dropout, resnet\n", 0.723),
    Case(f"1. Name: {ANN}\n2. Email: {MAIL}\n3. Best accuracy: 84%\n4. What I tried: dropout\n", 0.84),
    Case(
        f"a) Name: {ANN}\nb) Email: {MAIL}\nc) Best accuracy: 84%\nd) What I tried: dropout and flips\n", 0.84
    ),
    Case(f"Name: {ANN} | Email: {MAIL} | Best accuracy: 72.3%\n\nTried: wide resnet\n", 0.723),
    Case(f"Name: {ANN}  Email: {MAIL}  Accuracy: 72.3%\n\nTried: wide resnet\n", 0.723),
    Case(f"Name: {ANN}<br>Email: {MAIL}<br/>Best accuracy: 72%<br>Tried flips and more.\n", 0.72),
    Case(f"<b>Name</b>: {ANN}<br>\nEmail: {MAIL}<br>\nBest accuracy: 72%<br>\n- flips\n", 0.72),
    Case(
        f"```\nName: {ANN}\nEmail: {MAIL}\nBest accuracy: 72.3%\nTried: dropout, flips, resnet\n```\n", 0.723
    ),
    Case(f"Name:{ANN}\r\nE-mail:{MAIL}\r\nBestAccuracy:72.3%\r\n\r\nTried: flips and crops\r\n", 0.723),
    Case(
        f"Name: {ANN}\nEmail: [{MAIL}](mailto:{MAIL})\nBest accuracy: 72.3\\%\nTried: flips and crops\n",
        0.723,
    ),
    Case(
        f"<!-- Name: x -->\n{HEAD}<!-- Best accuracy: 99% -->\nBest accuracy: **72.3%**\n"
        "Dropout helped a lot here\n",
        0.723,
    ),
    Case(f"Name: 李明\nEmail: {MAIL}\n最佳准确率: 81.2%\n- 数据增强\n", 0.812, name="李明"),
    Case(
        f"Team members: {ANN}, Bob Ray\nEmails: {MAIL}, bray@x.edu\nTest accuracy: 0.8123\n- mixup\n",
        0.8123,
        "test",
        1,
        f"{ANN}, Bob Ray",
    ),
]
OTHERWISE = [  # as people of many places and habits write
    Case(f"{HEAD}Accuracy: 79.4%\n- Label Smoothing\n- Cosine Annealing\n• Random Erasing\n", 0.794, "", 3),
    Case(
        f"# Name\n{ANN}\n# Email\n{MAIL}\n# Best accuracy\nVal: 80.7%, Test: 79.4%\n# Tried\n- lr decay\n",
        0.794,
        "test",
    ),
    Case(
        f"**Name**\n* {ANN}\n\n**Email**\n* {MAIL}\n\n**Best Accuracy**\n* Val: 80.7%\n\n* dropout\n",
        0.807,
        "valid",
    ),
    Case(f"Best: 79.4\n\n{ANN}\n{MAIL}\n\nA net like a ResNet.\n", 0.794),
    Case(f"- {ANN}\n- {MAIL}\n- 79.4%\n- Tried BN, dropout, cosine rate\n", 0.794),
    Case(f"{HEAD}Accuracy: 79.4/100\n- dropout\n", 0.794),
    Case(f"{HEAD}Accuracy: 79.4 out of 100\n- dropout\n", 0.794),
    Case(
        f"Q: Your name?\nA: {ANN}\nQ: Your email?\nA: {MAIL}\nQ: What is your best accuracy?\nA: 79.4%\n"
        "Q: Tried?\nA: Deeper networks helped.\n",
        0.794,
    ),
    Case(
        f"1. What is your name?\n{ANN}\n2. What is your e-mail address?\n{MAIL}\n"
        "3. What was your best accuracy?\n79.4%\n4. I tried VGG.\n",
        0.794,
    ),
    Case(
        f"{ANN}, {MAIL}. I used VGG16 with BN and it reached 79.4% on test. Tried SGD and Adam.\n",
        0.794,
        "test",
    ),
    Case(
        f"\N{ROCKET} **{ANN}** \N{E-MAIL SYMBOL} {MAIL}\n\n79.4% test acc!!\n\nBN, dropout, cutout\n",
        0.794,
        "test",
    ),
    Case(
        f"<h1>Extra</h1><p><b>Name:</b> {ANN}</p><p><b>Email:</b> {MAIL}</p>"
        "<p><b>Accuracy:</b> 79.4%</p><ul><li>Dropout</li><li>Batch norm</li></ul>",
        0.794,
        "",
        2,
    ),
    Case(
        f'{{"name": "{ANN}", "email": "{MAIL}", "best_accuracy": 0.794, "tried": ["adam", "dropout"]}}', 0.794
    ),
    Case(f"name: {ANN}\nemail: {MAIL}\nbest_accuracy: 0.794\ntried: [adam, sgd, dropout]\n", 0.794),
    Case(
        f"Name: {ANN}\nE-Mail: {MAIL}\nBeste Testgenauigkeit: 79,4 %\n\nMehr Schichten und Dropout.\n", 0.794
    ),
    Case(f"Nom : {ANN}\nCourriel : {MAIL}\nMeilleure précision : 79,4 %\n- plus de couches\n", 0.794),
    Case(f"Nombre: {ANN}\nCorreo: {MAIL}\nMejor exactitud (test): 79,4%\n- más capas\n", 0.794, "test"),
    Case(f"이름: 김민지\n이메일: {MAIL}\n최고 정확도: 79.4%\n- 배치 정규화\n", 0.794, name="김민지"),
    Case(f"Naam: {ANN}\nEmail id: {MAIL}\nAcc.: 79.4 %\n-> deeper nets\n", 0.794),
    Case(f"Name: A. Smith\nEmail: {MAIL}\nBest accuracy: 79.4%\n- wider\n", 0.794, name="A. Smith"),
]
LETTERS = [
    Case(
        f"{ANN}\n{MAIL}\n\nMy best test accuracy is 72.3%.\n\nThings tried: dropout, flips, one-cycle rate\n",
        0.723,
        "test",
    ),
    Case(f"{ANN} ({MAIL})\n\nBest accuracy 72,3 %\n\nTried dropout, flips, one-cycle learning rate\n", 0.723),
    Case(
        f"# Extra credit writeup\n\nJosé María de la Cruz, {MAIL}\n\nFinal accuracy: 72.3%\n\n"
        "Tried flips and crops\n",
        0.723,
        name="José María de la Cruz",
    ),
    Case(
        f"My name is {ANN} and my email is {MAIL}. My best model got 72.3% accuracy on the "
        "test set. I tried VGG with "
        "dropout of 50% first, which reached 68%.\n",
        0.723,
        "test",
    ),
    Case(
        f"# CIFAR-10 Challenge\n## Student\n{ANN}\n## E-Mail\n{MAIL}\n## Accuracy\n"
        "Best accuracy: 72.3%\n## Experiments\nflips and crops\n",
        0.723,
    ),
    # after real ones, in other words
    Case(
        "Name: Li Wei, ID: lwei44\nBest Accuracy: 58%\nStructure:\n"
        "[Conv - ReLU - Pool] * 3 + Affine * 1\nOptimizer: Adam\n",
        0.58,
        "",
        1,
        "Li Wei",
        "",
    ),
    Case(
        "My laptop is slow, so nothing fancy.\nI made two convolutional layers with ReLU.\n\n"
        "I got 56% of accuracy in the "
        "validation set.\nAnd 51% of accuracy in the test set (So i beat the chance).\n\n"
        f"Email : {MAIL}\nName: {ANN}\nGTID: 903000000",
        0.51,
        "test",
        2,
    ),
    Case(
        f"{HEAD}Email ID: alee3\nAccuracy: 0.53\n\n"
        "Adam was better, with learning rate = 0.0005.\n\n"
        "My validation accuracy with 15 epochs was roughly 0.74.\n",
        0.53,
        "",
        2,
    ),
    Case(
        f"{HEAD}Best accuracy on eval ai - 84%\n\nArchitecture:\n(conv-bn-relu)*3 - linear\n\n"
        "Data augmentation - random crop\n",
        0.84,
        "test",
        2,
    ),
    Case(
        "# Intro\n**\nFor the challenge, I\n"
        "(1) began with a very deep network, which reached 77% validation accuracy,\n"
        "(2) removed the last block\n**\n#Results\nBatchsize = 512\n\n"
        "||***deep***|***shallow***|\n| ---|---|---|\n"
        "| val accuracy | 78%   |   76%     |\n| train loss | 0.21 | 0.43 |\n"
        "I used the shallow net, and reached 76% on the test.",
        0.78,
        "valid",
        2,
        "",
        "",
    ),
]
ACCURACIES = [  # below a name and an e-mail
    ("Best accuracy on validation 72%", 0.72, "valid"),
    ("Accuracy : .723", 0.723, ""),
    ("Best accuracy: 7936/10,000", 0.7936, ""),
    ("Accuracy of the model is 7936 out of 10000", 0.7936, ""),
    ("Best acc.: 72%", 0.72, ""),
    ("Best accuracy: 72.3±0.4%", 0.723, ""),
    ("Best accuracy: 80-82%", 0.82, ""),
    ("Best accuracy: around 80 percent", 0.80, ""),
    ("Best accuracy achieved on CIFAR-10 test set (10,000 images): 79.36%", 0.7936, "test"),
    ("Best model: 5 layer CNN, accuracy 79.36%", 0.7936, ""),
    ("Best accuracy: train 99.1%, val 80.7%, test 79.4%", 0.794, "test"),
    ("accuracy = 79.36 (test), 81.0 (val)", 0.7936, "test"),
    ("Val Acc 81.3 Test Acc 80.2", 0.802, "test"),
    ("Validation accuracy of about 80% and test accuracy of about 78%", 0.78, "test"),
    ("I improved the accuracy by 5% to 72%.", 0.72, ""),
    ("The accuracy went from 60% to 72.3% after batch norm on the validation set.", 0.723, "valid"),
    ("10% accuracy is chance; with ResNet I obtained 91% on the test set", 0.91, "test"),
    ("EvalAI score: 0.84", 0.84, "test"),
    ("Best performance: 84% (val)", 0.84, "valid"),
    ("Best accuracy: 98.5\nTop-5 accuracy 99.9%", 0.985, ""),
    ("Training accuracy: 99 %\nTest accuracy: 0.72", 0.72, "test"),
    (
        "| Model | Val acc | Test acc |\n|---|---|---|\n| VGG | 80.1 | 79.2 |\n| ResNet18 | 90.3 | 89.9 |",
        0.899,
        "test",
    ),
    ("Accuracy: 55%\nWith ResNet-50 accuracy could be 90%", 0.55, ""),
]
NO_ACCURACIES = [
    "I tried flips and dropout 0.5 with lr 0.01 for 72 epochs.",
    "Error rate: 21.3%\nBest loss: 0.53\n- dropout 20% for accuracy",
    "Best accuracy: good",
    "Best accuracy: 120%",
    "Best accuracy: xx.x %",
    "Training accuracy: 99 %",
    "The accuracy improved by 5%.",
    "Accuracy after epochs 3/10",
    "Best: dropout 0.5",
    "Best learning rate: 0.01",
    "Precision: 0.72",
    "Tried batch sizes 64/100",
]
UNFILLED = [
    "Name: <your name>\nEmail: <your email>\nBest accuracy: <xx.x %>\n\nWhat I tried:\n- ...\n",
    "Name:\nEmail:\nBest accuracy:\nWhat I tried:\n",
    "# Name\n[Your Name]\n# E-mail\nyour.name@gatech.edu\n# Best accuracy\nTODO\n",
    "Name: Your Name\nEmail: your@email\nAccuracy: 0.0%\n",
    "First name: ___\nLast name: ___\nE-mail: name@gatech.edu\nBest accuracy: XX%\n",
    "Name: N/A\nEmail: N/A\nAccuracy: N/A\nTried: N/A\n",
    "Name: Your Name\nEmail: youremail@gatech.edu\nAccuracy: XX%\nTried: Describe what you tried here\n",
]


@pytest.mark.parametrize("case", [*LABELS, *OTHERWISE, *LETTERS])
def test_all_is_found(case: Case) -> None:
    notes = read_extra(case.text)
    assert (notes.name, notes.email) == (case.name, case.email)
    assert notes.accuracy is not None
    assert notes.accuracy.share == pytest.approx(case.share)
    assert notes.accuracy.split == case.split
    assert len(notes.tried) >= case.tried
    assert not notes.template
    missing = (not case.name) + (not case.email)
    assert len(notes.problems) == missing, notes.problems


@pytest.mark.parametrize(("said", "share", "split"), ACCURACIES)
def test_an_accuracy_is_found(said: str, share: float, split: str) -> None:
    notes = read_extra(f"{HEAD}{said}\n\n- flips and crops\n")
    assert notes.accuracy is not None
    assert notes.accuracy.share == pytest.approx(share)
    assert notes.accuracy.split == split
    assert notes.problems == ()


@pytest.mark.parametrize("said", NO_ACCURACIES)
def test_other_numbers_are_no_accuracy(said: str) -> None:
    notes = read_extra(f"{HEAD}{said}\n\n- flips and crops\n")
    assert notes.accuracy is None, notes.accuracy
    assert len(notes.problems) == 1
    assert "accuracy" in notes.problems[0]


@pytest.mark.parametrize("text", UNFILLED)
def test_a_template_is_no_answer(text: str) -> None:
    notes = read_extra(text)
    assert notes.template, notes
    assert len(notes.problems) == 1
    assert "as it was given out" in notes.problems[0]
    with pytest.raises(CheckFailed, match="fill in your name"):
        require_extra(notes)


def test_what_is_missing_is_asked_for_in_a_sentence_each() -> None:
    assert read_extra(" \n\n").problems[0].startswith("extra.md is empty")
    notes = read_extra("Email: alee3\n\n# What I tried\n\n", "2_pytorch/extra.md")
    assert len(notes.problems) == 4
    assert "doesn't say your name" in notes.problems[0]
    assert "'alee3' is no e-mail address" in notes.problems[1]
    assert "doesn't say your best accuracy" in notes.problems[2]
    assert "what you tried" in notes.problems[3]


def test_the_best_answer_of_the_fixtures_has_all() -> None:
    notes = read_extra((BASE / "extra.md").read_text(encoding="utf-8"))
    assert require_extra(notes).startswith("Found: name Jane Doe, e-mail jane.doe@example.edu")
    assert notes.accuracy is not None
    assert notes.accuracy.share == 0.794
    assert len(notes.tried) >= 5


def test_what_a_student_writes_is_made_safe() -> None:
    notes = read_extra(
        f"Name: Ann\x1b[31m \u202eLee\nEmail: {MAIL}\nBest accuracy: 7\x002%\n- \x1b]0;x\x07flips\n"
    )
    shown = " ".join([notes.name, notes.describe(), *notes.tried, *notes.problems])
    assert not {"\x1b", "\u202e", "\x00", "\x07"} & set(shown)
    assert notes.name == ANN
    assert len(read_extra(f"Name: {'A' * 10_000}").name) <= 100


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=300)
    | st.lists(
        st.sampled_from("Name: |Email|@x.edu|Best accuracy|0.72|72 %|\n|#| - |of|7/9|\t|".split("|"))
    ).map("".join)
)
def test_any_text_is_read(text: str) -> None:
    notes = read_extra(text)
    assert bool(notes.problems) == (not (notes.name and notes.email and notes.accuracy and notes.tried))
    if notes.accuracy is not None:
        assert 0 < notes.accuracy.share <= 1
        assert notes.accuracy.line <= text.count("\n") + text.count("\r") + 1 + text.count("\x0b") + len(text)


@pytest.mark.parametrize(
    "part",
    [
        "accuracy ",
        "1 ",
        "a@",
        "Aa ",
        "|",
        "accuracy: 0.7\n",
        "|a|b\n",
        "aa at bb dot ",
        "[(",
        "and & / , my ",
    ],
)
def test_no_text_takes_long(part: str) -> None:
    start = time.monotonic()
    read_extra(part * (150_000 // len(part)))
    assert time.monotonic() - start < 10  # 0.8 s here at most


# --- held against what else there is -------------------------------------------------------------------


def claim(share: float, split: str = "", step: float = 0.001) -> Claim:
    named: dict[str, Claim] = {
        "": Claim(share, step, "said", 3),
        "test": Claim(share, step, "said", 3, "test"),
        "valid": Claim(share, step, "said", 3, "valid"),
    }
    return named[split]


def base_log() -> tuple[Shown, ...]:
    data = (BASE / "mymodel.log").read_bytes()
    return shown_by_log(data, read_log(data, "mymodel.log"))


@pytest.mark.parametrize(
    ("said", "part", "fits"), [("test", 0.85, True), ("test", 0.88, False), ("", 0.84, True)]
)
def test_the_best_of_many_epochs_flatters(said: str, part: float, fits: bool) -> None:
    """0.79 on the test set is no lie where the log has the validation set alone, and a little more of it."""
    log = (Shown(part, "mymodel.log", "valid", 1_000),)
    assert (held_against(claim(0.79, said), log=log) == ()) is fits


def test_a_claim_of_the_validation_set_may_be_of_few_images() -> None:
    public = Shown(0.75, "the public part of predictions.csv", images=1_000)
    assert held_against(claim(0.82, "valid"), public_score=public) == ()
    assert held_against(claim(0.82, "test"), public_score=public) != ()
    assert held_against(claim(0.90, "valid"), public_score=public) != ()


def test_two_accuracies_of_one_log_are_told_in_one_sentence() -> None:
    (found,) = held_against(claim(0.53), log=base_log())
    assert "mymodel.log shows 79.4 % on the test set and 80.7 % on the validation set (1,000" in found.told
    assert found.told.count("mymodel.log") == 1


@pytest.mark.parametrize(
    ("share", "split", "step"),
    [
        (0.794, "test", 0.001),  # the log's last line
        (0.807, "valid", 0.001),  # its last epoch
        (0.807, "", 0.001),
        (0.79, "", 0.01),
        (0.80, "test", 0.01),
        (0.785, "test", 0.001),  # on other images of the same kind, that can be chance
    ],
)
def test_a_claim_that_fits_the_log_is_not_spoken_of(share: float, split: str, step: float) -> None:
    assert held_against(claim(share, split, step), log=base_log()) == ()


@pytest.mark.parametrize(
    ("share", "split"), [(0.53, ""), (0.53, "test"), (0.92, ""), (0.83, "test"), (0.72, "test")]
)
def test_a_claim_that_does_not_is_told_to_the_student_and_to_staff(share: float, split: str) -> None:
    (found,) = held_against(claim(share, split), log=base_log())
    assert f"extra.md claims {100 * share:.1f} %" in found.told
    assert "mymodel.log shows 79.4 % on the test set" in found.told
    assert "line 3" in found.told
    assert "Correct the one that is wrong" in found.told
    assert "mymodel.log" in found.staff


def test_the_predictions_are_told_to_staff_alone() -> None:
    score = Shown(0.104, "predictions.csv", "test", 1_000)
    (found,) = held_against(claim(0.794, "test"), log=base_log(), public_score=score)
    assert found.told == ""
    assert "predictions.csv shows 10.4 %" in found.staff
    assert held_against(claim(0.794), public_score=Shown(0.781, "predictions.csv", "test", 1_000)) == ()


def test_a_notebook_is_held_against_it_too() -> None:
    (found,) = held_against(claim(0.9), notebook=[Shown(0.7, "mymodel.ipynb", "valid", 1_000)])
    assert "mymodel.ipynb shows 70.0 %" in found.told
    assert held_against(claim(0.9)) == ()


def test_a_log_of_counts_in_per_cent_is_read() -> None:
    text = (
        b"Train Epoch: 1 [0/49000 (0%)]\tTrain Loss: 2.3\tVal Loss: 2.2\tVal Acc: 72.0\n\n"
        b"test set: Average loss: 0.9, Accuracy: 7180/10000 (72%)\n"
    )
    shown = shown_by_log(text, read_log(text, "mymodel.log"))
    assert {round(one.share, 3) for one in shown if one.split == "test"} == {0.718}
    (found,) = held_against(claim(0.53, step=0.01), log=shown)
    assert "shows 71.8 % on the test set" in found.told
    assert shown_by_log(b"\x00\xff\x00", read_log(b"nothing", "mymodel.log")) == ()
