"""Trainings in notebooks: what is measured of them, and when they are given up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autograder.sandbox import notebook
from autograder.sandbox.notebook import CellEnd, TooSlow
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.training import falls
from tests.sandbox.boxes import KINDS, Watched, running, why_not
from tests.sandbox.notebooks import PLAN, SPEC, opened_notebook

LIMITS = BoxLimits(wall_s=20.0, memory_mib=1200, disk_mib=8, files=50, output_kib=256, notebook_wall_s=120.0)
DATA = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
inputs = torch.randn(640, 20)
labels = (inputs.sum(1) > 0).long()
loader = DataLoader(TensorDataset(inputs, labels), batch_size=32, shuffle=True, num_workers=2)
model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2)).cuda()
"""
TRAIN = """optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range({epochs}):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x.to('cuda')), y.to('cuda'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        {pause}
    print(f'Epoch {{epoch}} loss {{loss.item():.3f}}')
"""
SCORES = "def scores(x):\n    with torch.no_grad():\n        return model(torch.as_tensor(x)).numpy()"


@pytest.fixture(scope="module")
def privdrop(scratch: Path) -> Iterator[Watched]:
    if why := why_not("privdrop"):
        pytest.skip(why)
    spec = replace(SPEC, limits=LIMITS, preload=(*SPEC.preload, "torch"))
    with running(KINDS["privdrop"], spec, scratch) as watched:
        yield watched


def test_a_training_is_measured_and_its_model_is_called(privdrop: Watched, tmp_path: Path) -> None:
    cells = (DATA, TRAIN.format(epochs=3, pause="pass"), SCORES)
    with opened_notebook(privdrop, tmp_path, *cells, limits=LIMITS) as module:
        run = module.run
        assert run.whole, run.first_problem
        (training,) = run.training.runs
        assert (training.optimizer, training.steps, training.steps_per_epoch) == ("SGD", 60, 20)
        assert (training.lr_first, training.batch, training.epochs) == (0.1, 32, 3)
        assert falls(training)
        assert {use.kind for use in run.uses} >= {"gpu"}
        with module.scene() as scene:
            answer = scene.call("scores", np.ones((4, 20), dtype=np.float32)).fetch()
        assert answer.shape == (4, 2)


def test_the_same_notebook_trains_to_the_same_bits(privdrop: Watched, tmp_path: Path) -> None:
    cells = (DATA, TRAIN.format(epochs=1, pause="pass"), "print(repr(loss.item()))")
    seen = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with opened_notebook(privdrop, tmp_path / name, *cells, limits=LIMITS) as module:
            seen.append(module.run.notebook.cells[2].outputs[0].text)
    assert seen[0] == seen[1]


def test_a_training_that_cannot_end_in_time_is_given_up_early(
    privdrop: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "_JUDGED_AFTER_S", 2.0)
    cells = (DATA, TRAIN.format(epochs=5000, pause="__import__('time').sleep(0.01)"), "print('never')")
    plan = replace(PLAN, cell_wall_s=100.0, wall_s=100.0, epochs=5000, gives_up=True)
    with opened_notebook(privdrop, tmp_path, *cells, limits=LIMITS, plan=plan) as module:
        run = module.run
        assert [cell.end for cell in run.cells] == [CellEnd.RAN, CellEnd.KILLED, CellEnd.NOT_RUN]
        assert isinstance(run.stopped, TooSlow)
        assert run.seconds < 30
        assert "A training of 5000 epochs would take about" in run.stopped.message
        assert "Epoch 0 loss" in run.notebook.cells[1].outputs[0].text


def test_a_training_that_fits_is_not_given_up(
    privdrop: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "_JUDGED_AFTER_S", 1.0)
    cells = (DATA, TRAIN.format(epochs=20, pause="__import__('time').sleep(0.01)"))
    plan = replace(PLAN, cell_wall_s=60.0, wall_s=60.0, epochs=20, gives_up=True)
    with opened_notebook(privdrop, tmp_path, *cells, limits=LIMITS, plan=plan) as module:
        assert module.run.whole, module.run.first_problem
