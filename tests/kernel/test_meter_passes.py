"""Which loader a training stepped on, and which it only looked at."""

from __future__ import annotations

import gc
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")


from autograder.sandbox.training import Feed, Training, TrainingRun  # noqa: E402
from tests.kernel.metered import Metered, examples, installed, net  # noqa: E402

F, nn, data = torch.nn.functional, torch.nn, torch.utils.data


@pytest.fixture
def metered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Metered:
    torch.manual_seed(0)
    return installed(monkeypatch, tmp_path)


class Flagged(data.TensorDataset):  # type: ignore[misc, name-defined]
    """As torchvision's, it knows which half it is."""

    def __init__(self, *, train: bool, count: int = 256) -> None:
        super().__init__(*examples(count, seed=1 + train).tensors)
        self.train = train


def serve(*, train: bool, count: int = 256) -> Any:
    return data.DataLoader(Flagged(train=train, count=count), batch_size=32, shuffle=train)


class Student:
    """A network and its optimizer."""

    def __init__(self) -> None:
        self.model = net()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def step(self, points: Any, labels: Any) -> None:
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(points), labels).backward()
        self.optimizer.step()

    def evaluate(self, batches: Any, most: int = 1000, *, mode: bool = False) -> None:
        self.model.train(mode)
        with torch.no_grad():
            for at, (points, _) in enumerate(batches):
                self.model(points)
                if at + 1 == most:
                    break
        self.model.train()


def only_feed(run: TrainingRun) -> Feed:
    (feed,) = run.feeds
    return feed


def test_training_and_testing_are_told_apart(metered: Metered) -> None:
    student, training, testing = Student(), serve(train=True), serve(train=False, count=64)
    with metered.cell(1):
        for _ in range(2):
            for batch in training:
                student.step(*batch)
            student.evaluate(testing)
    told = metered.training()
    (run,) = told.runs
    assert told.loaders[only_feed(run).loader].text == "Flagged train (256)"
    assert told.fed_by(run, "train", proven=True)
    assert told.fed_by(run, "test", proven=False) == ()
    evaluation = told.last_evaluation
    assert evaluation is not None
    assert (evaluation.passes, evaluation.complete, evaluation.batches) == (2, 2, 4)
    assert (evaluation.with_grad, evaluation.eval_mode, evaluation.training_mode) == (0, 2, 0)
    assert evaluation.last_training is False


def test_steps_on_the_test_set_are_proven(metered: Metered) -> None:
    student = Student()
    with metered.cell(1):
        for batch in itertools.chain(serve(train=True), serve(train=False)):
            student.step(*batch)
    told = metered.training()
    assert [one.text for one in told.fed_by(told.runs[0], "test")] == ["Flagged test (256)"]


@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("most", [1, 1000])
def test_an_evaluation_between_backward_and_step_is_no_training(
    metered: Metered, graded: bool, most: int
) -> None:
    student, training, testing = Student(), serve(train=True), serve(train=False)
    with metered.cell(1):
        for points, labels in training:
            scores = student.model(points)
            for at, (others, _) in enumerate(testing):  # with gradients, as many forget
                with torch.set_grad_enabled(graded):
                    student.model(others)
                if at + 1 == most:
                    break
            F.cross_entropy(scores, labels).backward()
            student.optimizer.step()
    told = metered.training()
    assert told.fed_by(told.runs[0], "test", proven=False) == ()
    assert only_feed(told.runs[0]).steps == 8


def test_two_loaders_side_by_side_are_told_apart_by_the_losses_graph(metered: Metered) -> None:
    student, training, testing = Student(), serve(train=True), serve(train=False)
    with metered.cell(1):
        for (points, labels), (others, _) in zip(training, testing, strict=True):
            student.step(points, labels)
            student.model(others)
    told = metered.training()
    assert told.fed_by(told.runs[0], "test", proven=False) == ()
    assert only_feed(told.runs[0]).proven == 8


def test_a_loss_on_two_loaders_at_once_comes_from_both(metered: Metered) -> None:
    student, training, testing = Student(), serve(train=True), serve(train=False)
    with metered.cell(1):
        for (points, labels), (others, truth) in zip(training, testing, strict=True):
            loss = F.cross_entropy(student.model(points), labels)
            (loss + F.cross_entropy(student.model(others), truth)).backward()
            student.optimizer.step()
    told = metered.training()
    assert [feed.steps for feed in told.runs[0].feeds] == [8, 8]
    assert told.fed_by(told.runs[0], "test")


def test_a_look_at_a_test_batch_before_training_on_tensors_proves_nothing(metered: Metered) -> None:
    student, testing = Student(), serve(train=False)
    points, labels = examples().tensors
    with metered.cell(1):
        next(iter(testing))
        for _ in range(4):
            student.step(points, labels)
    told = metered.training()
    assert told.fed_by(told.runs[0], "test") == ()


def test_an_iterator_that_was_left_half_way_and_taken_up_again(metered: Metered) -> None:
    student, batches = Student(), serve(train=True)
    with metered.cell(1):
        iterator = iter(batches)
        for batch in itertools.islice(iterator, 3):
            student.step(*batch)
    with metered.cell(2):
        for batch in iterator:
            student.step(*batch)
        for batch in itertools.islice(batches, 2):
            student.step(*batch)
    feed = only_feed(metered.only_run())
    assert (feed.passes, feed.complete, feed.steps, feed.batches) == (2, 1, 10, 10)


def test_generators_over_a_loader(metered: Metered) -> None:
    def served(batches: Any) -> Iterator[Any]:
        for points, labels in batches:
            yield points * 2 - 1, labels

    student, batches = Student(), serve(train=True)
    with metered.cell(1):
        for batch in served(batches):
            student.step(*batch)
        left = served(batches)
        student.step(*next(left))
        del left
        gc.collect()
    told = metered.training()
    feed = only_feed(told.runs[0])
    assert (feed.passes, feed.complete, feed.steps) == (2, 1, 9)
    assert feed.proven == feed.checked > 0  # the labels came through as they were
    assert told.evaluations == ()


def test_batches_that_are_cycled_or_collected_step_after_the_pass(metered: Metered) -> None:
    student, batches = Student(), serve(train=True)
    with metered.cell(1):
        for batch in itertools.islice(itertools.cycle(batches), 20):
            student.step(*batch)
    with metered.cell(2):
        for batch in list(batches):
            student.step(*batch)
    feed = only_feed(metered.only_run())
    assert (feed.passes, feed.steps, feed.after_end) == (2, 8, 20)


def test_a_new_iterator_for_each_step(metered: Metered) -> None:
    student, batches = Student(), serve(train=True)
    with metered.cell(1):
        for _ in range(100):
            student.step(*next(iter(batches)))
    feed = only_feed(metered.only_run())
    assert (feed.passes, feed.complete, feed.batches, feed.steps) == (100, 0, 100, 100)


def test_many_steps_on_one_batch(metered: Metered) -> None:
    student = Student()
    with metered.cell(1):
        batch = next(iter(serve(train=True)))
        for _ in range(50):
            student.step(*batch)
    feed = only_feed(metered.only_run())
    assert (feed.passes, feed.batches, feed.steps) == (1, 1, 50)


def test_a_wrapper_around_the_loader_is_seen_through(metered: Metered) -> None:
    class DeviceLoader:
        def __init__(self, batches: Any) -> None:
            self.batches = batches

        def __iter__(self) -> Iterator[Any]:
            for batch in self.batches:
                yield [one.to("cpu") for one in batch]

    student = Student()
    with metered.cell(1):
        for batch in DeviceLoader(serve(train=True)):
            student.step(*batch)
    assert metered.only_run().steps_per_epoch == 8


def test_workers_that_persist_begin_a_new_pass_each_time(metered: Metered) -> None:
    student = Student()
    batches = data.DataLoader(Flagged(train=True), batch_size=64, num_workers=1, persistent_workers=True)
    with metered.cell(1):
        for _ in range(2):
            for batch in batches:
                student.step(*batch)
    feed = only_feed(metered.only_run())
    assert (feed.passes, feed.complete, feed.steps) == (2, 2, 8)


def test_an_evaluation_in_training_mode_is_seen(metered: Metered) -> None:
    student, testing = Student(), serve(train=False)
    with metered.cell(1):
        student.evaluate(testing, mode=False)
        student.evaluate(testing, mode=True)
    evaluation = metered.training().last_evaluation
    assert evaluation is not None
    assert evaluation.last_training is True
    assert (evaluation.training_mode, evaluation.eval_mode) == (1, 1)


def test_the_networks_mode_is_asked_past_modules_that_only_transform(metered: Metered) -> None:
    flatten, model = nn.Flatten(), net().eval()
    with metered.cell(1):
        for points, _ in serve(train=False):
            model(flatten(points))
    evaluation = metered.training().last_evaluation
    assert evaluation is not None
    assert (evaluation.last_training, evaluation.model, evaluation.with_grad) == (False, "Sequential", 1)


class Wrapped(data.Dataset):  # type: ignore[misc, name-defined]
    """How students add a transform to a part of a data set."""

    def __init__(self, subset: Any) -> None:
        self.subset = subset

    def __getitem__(self, at: int) -> Any:
        return self.subset[at]

    def __len__(self) -> int:
        return len(self.subset)


def test_subsets_and_wrappers_are_opened(metered: Metered) -> None:
    whole = Flagged(train=True)
    first, second = torch.utils.data.random_split(whole, [200, 56])
    with metered.cell(1):
        for dataset in (Wrapped(first), second, data.Subset(data.Subset(whole, range(50)), range(10))):
            next(iter(data.DataLoader(dataset, batch_size=4)))
        next(iter(data.DataLoader(data.ConcatDataset([first, Flagged(train=False, count=40)]), batch_size=4)))
    assert [one.text for one in metered.training().loaders] == [
        "Flagged train (200 of 256)",
        "Flagged train (56 of 256)",
        "Flagged train (10 of 256)",
        "Flagged train (200 of 256) + Flagged test (40)",
    ]


class Stream(data.IterableDataset):  # type: ignore[misc, name-defined]
    def __iter__(self) -> Iterator[Any]:
        return iter(examples(40))

    def __len__(self) -> int:
        raise AssertionError("torch would hold the stream to what it said")


def test_a_stream_is_not_asked_for_its_length(metered: Metered) -> None:
    student = Student()
    with metered.cell(1):
        for batch in data.DataLoader(Stream(), batch_size=8):
            student.step(*batch)
    told = metered.training()
    assert (told.loaders[0].batches, told.runs[0].steps, told.runs[0].steps_per_epoch) == (None, 5, None)


_TORCHVISION = """
import json, sys
from pathlib import Path
from autograder.sandbox import vision
from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.meter import Meter
vision.install()
context = Context(Path("."))
meter = Meter(context)
meter.install()
context.cell = 1
import torch, torch.nn.functional as F
from torch.utils.data import DataLoader, Subset, TensorDataset, random_split
from torchvision import datasets, transforms
root = sys.argv[1]
made = [datasets.MNIST(root, train=flag, transform=transforms.ToTensor()) for flag in (True, False)]
by_hand = TensorDataset(made[1].data.float().flatten(1), made[1].targets)
sets = (*random_split(made[0], [100, 20]), by_hand)
loaders = [DataLoader(one, batch_size=50, shuffle=True) for one in sets]
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
optimizer = torch.optim.Adam(model.parameters())
for loader in loaders:
    for images, labels in loader:
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
print(json.dumps(meter.snapshot()))
"""


def test_torchvisions_data_sets_are_named_with_their_half(tmp_path: Path) -> None:
    _idx_files(tmp_path / "MNIST" / "raw", {"train": 120, "t10k": 60})
    command = [sys.executable, "-c", _TORCHVISION, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    told = Training.from_json(json.loads(done.stdout))
    assert (told.errors, told.error) == (0, "")
    assert [one.text for one in told.loaders] == [
        "MNIST train (100 of 120)",
        "MNIST train (20 of 120)",
        "MNIST test (60)",  # cut out by hand: known by its labels
    ]
    assert [(one.part.name, one.part.train, one.part.items) for one in told.datasets] == [
        ("MNIST", True, 120),
        ("MNIST", False, 60),
    ]
    assert [one.text for one in told.fed_by(told.runs[0], "test")] == ["MNIST test (60)"]


def _idx_files(folder: Path, counts: dict[str, int]) -> None:
    folder.mkdir(parents=True)
    for name, count in counts.items():
        images = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (count, 28, 28))
        (folder / f"{name}-images-idx3-ubyte").write_bytes(images + bytes(count * 784))
        labels = bytes([0, 0, 8, 1]) + count.to_bytes(4, "big") + bytes(at % 10 for at in range(count))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(labels)
