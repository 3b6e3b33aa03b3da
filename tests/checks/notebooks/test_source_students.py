"""fastai's ways to choose images, and a print that calls training images a test."""

from __future__ import annotations

import pytest

from autograder.checks.notebooks.source import read_source
from autograder.checks.notebooks.source_facts import LeakKind
from autograder.loaders.notebook import Cell, Notebook

FASTAI = "from fastai.vision.all import *\npath = untar_data(URLs.MNIST)\n"
FITS = "\nlearn = Learner(dls, net, metrics=accuracy)\nlearn.fit(1)"
BLOCK = "dls = DataBlock((ImageBlock, CategoryBlock), get_y=parent_label, {}).dataloaders({})"
BY_PATH = "dls = ImageDataLoaders.from_path_func(path, {}, parent_label, valid_pct=0.2)"


def certain(*cells: str, kind: LeakKind) -> list[bool]:
    made = tuple(Cell(at, "code", source) for at, source in enumerate(cells, start=1))
    return [leak.certain for leak in read_source(Notebook(made)).leaks if leak.kind is kind]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (BY_PATH.format("get_image_files(path/'training')"), []),
        (BY_PATH.format("get_image_files(path)"), [True]),
        ("dls = ImageDataLoaders.from_folder(path, train='training', valid='testing')", []),
        ("dls = ImageDataLoaders.from_folder(path, valid_pct=0.2)", [True]),
        (BLOCK.format("get_items=get_image_files, splitter=RandomSplitter()", "path"), [True]),
        (BLOCK.format("get_items=get_image_files", "path"), [True]),
        (BLOCK.format("get_items=get_image_files, splitter=RandomSplitter()", "path/'training'"), []),
        (
            BLOCK.format(
                "get_items=get_image_files, splitter=GrandparentSplitter('training', 'testing')", "path"
            ),
            [],
        ),
        (BLOCK.format("get_items=get_image_files, splitter=FuncSplitter(is_test)", "path"), [False]),
        (
            "files = get_image_files(path/'training')\n" + BLOCK.format("get_items=lambda p: files", "path"),
            [],
        ),
        (
            "def items(p):\n    return get_image_files(p/'training')\n"
            + BLOCK.format("get_items=items, splitter=RandomSplitter()", "path"),
            [],
        ),
        (BLOCK.format("get_items=partial(get_image_files, folders='training')", "path"), []),
    ],
)
def test_which_images_fastai_trains_on(source: str, expected: list[bool]) -> None:
    found = certain("from functools import partial\n" + FASTAI + source + FITS, kind=LeakKind.TRAINED_ON_TEST)
    assert found == expected


SETS = """
from torchvision import datasets
from torch.utils.data import DataLoader, Subset
train_loader = DataLoader(datasets.CIFAR10('d', train=True), 64)
test_loader = DataLoader(datasets.CIFAR10('d', train=False), 64)
part = DataLoader(Subset(datasets.CIFAR10('d', train=True), range(900)), 64)
def accuracy(model, loader):
    correct = 0
    for x, y in loader:
        correct += (model(x).argmax(1) == y).sum().item()
    return correct / len(loader.dataset)
def report(loader):
    print(f"Test accuracy: {accuracy(net, loader)}")
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("print(f'Test accuracy: {accuracy(net, train_loader):.2%}')", [True]),
        ("print('Test accuracy: %.2f' % (100 * accuracy(net, train_loader)))", [True]),
        ("print('Test acc', accuracy(net, train_loader))", [True]),
        ("acc = accuracy(net, train_loader)\nprint('Accuracy on the test set: {:.3f}'.format(acc))", [True]),
        ("print(f'Test accuracy: {accuracy(net, test_loader):.2%}')", []),
        ("print(f'Train accuracy: {accuracy(net, train_loader):.2%}')", []),
        ("print(f'train {accuracy(net, train_loader):.2%}, test accuracy {accuracy(net, test_loader)}')", []),
        ("print(f'Accuracy of the tested network: {accuracy(net, train_loader)}')", []),
        ("print(f'Test accuracy: {accuracy(net, part):.2%}')", []),  # a part may be held out
        ("report(train_loader)\nreport(test_loader)", []),  # the same function for both
    ],
)
def test_training_images_that_are_printed_as_a_test(source: str, expected: list[bool]) -> None:
    assert certain(SETS, source, kind=LeakKind.TEST_IS_TRAIN) == expected
