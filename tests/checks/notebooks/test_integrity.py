"""What breaks the rule of the training set alone, and what is only a doubt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autograder.checks.notebooks.integrity import Finding, of_run, of_source, require_training_set_alone
from autograder.checks.notebooks.source import read_source
from autograder.checks.notebooks.source_facts import SourceFacts
from autograder.loaders.notebook import Cell, Notebook
from autograder.outcome import CheckFailed
from autograder.sandbox.notebook import CellEnd, CellRun, NotebookRun
from autograder.sandbox.training import Training

TORCH = SourceFacts(frameworks=("torch",))
HEAD = "import torch, torchvision\nfrom torchvision import datasets, models\n"


def sure(source: str) -> list[str]:
    cell = Cell(1, "code", HEAD + source)
    return [one.text for one in of_source(read_source(Notebook((cell,))), "CIFAR10") if one.certain]


@pytest.mark.parametrize(
    "source",
    [
        "model = models.resnet18(pretrained=True)",
        'model = models.resnet18(weights="DEFAULT")',
        "model = models.vgg16(weights=models.VGG16_Weights.IMAGENET1K_V1)",
    ],
)
def test_weights_that_came_ready(source: str) -> None:
    assert "weights that were not trained here" in sure(source)[0]


@pytest.mark.parametrize(
    "source",
    [
        "model = models.resnet18()",
        "model = models.resnet18(pretrained=False)",
        "model = models.resnet18(weights=None, num_classes=10)",
        "torch.save(model.state_dict(), 'best.pt')\nmodel.load_state_dict(torch.load('best.pt'))",
        "train = datasets.CIFAR10('.', train=True)\ntest = datasets.CIFAR10('.', train=False)",
    ],
)
def test_what_is_allowed(source: str) -> None:
    assert sure(source) == []


def run(training: dict[str, object], *, broke: bool = False, stopped: bool = False) -> NotebookRun:
    problem = CheckFailed("it broke") if broke else None
    end = CellEnd.RAISED if broke else CellEnd.RAN
    return NotebookRun(
        Notebook(()),
        (CellRun(1, end, 1.0, problem),),
        (),
        Training.from_json(training),
        0,
        1.0,
        CheckFailed("it was killed") if stopped else None,
    )


def trained_on(
    train: bool | None, *, name: str = "CIFAR10", proven: int = 2, lr: float = 0.1
) -> dict[str, object]:
    part = {
        "name": name,
        "module": "torchvision",
        "items": 100,
        "of": 100,
        "train": train,
        "split": "",
        "like": "",
    }
    feed = dict.fromkeys("passes complete batches steps checked after_end".split(), 1)
    losses = [[step, 2.0 - step / 50] for step in range(1, 40)]
    run = {"number": 0, "cell": 4, "steps": 40, "backwards": 40, "lr_most": lr, "losses": losses}
    return {
        "runs": [run | {"feeds": [feed | {"loader": 0, "proven": proven}]}],
        "loaders": [{"number": 0, "cell": 3, "kind": "torch", "parts": [part | {"folders": []}]}],
    }


def found(training: dict[str, object], **how: bool) -> list[Finding]:
    return list(of_run(run(training, **how), TORCH, "CIFAR10"))


def test_a_training_that_was_seen_on_the_training_set_is_no_finding() -> None:
    assert found(trained_on(True)) == []


def test_a_training_that_was_seen_on_the_test_set_is_sure() -> None:
    (one,) = found(trained_on(False))
    assert one.certain
    assert "CIFAR10 test" in one.text
    assert one.where == "cell 4"


def test_a_loader_whose_batches_were_in_no_loss_proves_nothing() -> None:
    assert found(trained_on(False, proven=0)) == []


def test_another_data_set_is_sure_where_it_was_seen() -> None:
    (one,) = found(trained_on(True, name="CIFAR100"))
    assert one.certain
    assert "CIFAR100" in one.text


def test_no_training_at_all_is_sure_where_everything_ran() -> None:
    (one,) = found({})
    assert one.certain
    assert "no training step" in one.text
    (kept,) = found(trained_on(True, lr=0.0))
    assert kept.certain  # steps at a learning rate of 0 train nothing
    for how in ({"broke": True}, {"stopped": True, "broke": True}):
        (doubt,) = found({}, **how)
        assert not doubt.certain
        assert doubt.uncounted


def test_only_what_is_sure_fails_unless_a_count_of_ours_hangs_on_it() -> None:
    (doubt,) = found({}, broke=True)
    require_training_set_alone([doubt])
    with pytest.raises(CheckFailed, match="no training step"):
        require_training_set_alone([doubt], counted=True)
    with pytest.raises(CheckFailed, match="no training step"):
        require_training_set_alone([replace(doubt, certain=True)])
