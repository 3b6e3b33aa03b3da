"""Spellings that libraries have given up."""

from __future__ import annotations

import pytest

from tests.kernel.cells import Ran, make_cifar, run_cells

pytestmark = pytest.mark.xdist_group("kernel-oldtorch")

_HEAD = """
import warnings; warnings.simplefilter('ignore')
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from torch.autograd import Variable
from torchvision import datasets, transforms
x, y, m = torch.ones(4, 3), torch.zeros(4).long(), nn.Linear(3, 2)
opt = torch.optim.SGD(m.parameters(), 0.1)
"""
_MADE_TO_WORK = {
    "variable": "v = Variable(x, requires_grad=True); v.sum().backward(); assert v.grad is not None",
    "volatile": "assert not Variable(x, volatile=True).requires_grad and isinstance(x, Variable)",
    "data": "loss = F.cross_entropy(m(x), y); assert loss.data[0] == loss.item()",
    "data of attribute": "class A: pass\na = A(); a.loss = x.sum(); assert a.loss.data[0] == 12",
    "next": "l = torch.utils.data.DataLoader(x, 2); assert iter(l).next().shape == (2, 3)",
    "verbose": "torch.optim.lr_scheduler.ReduceLROnPlateau(opt, 'min', patience=2, verbose=True).step(1.)",
    "verbose step": "torch.optim.lr_scheduler.StepLR(opt, step_size=3, verbose=True)",
    "numpy types": "assert np.zeros(2, dtype=np.int).dtype == int and np.object is object",
    "numpy names": "assert np.Inf == np.inf and np.product([2, 3]) == 6 and np.trapz([1, 1]) == 1",
    "scale": "assert isinstance(transforms.Scale(3), transforms.Resize)",
    "crop": "assert isinstance(transforms.RandomSizedCrop(3), transforms.RandomResizedCrop)",
    "cifar": "c = datasets.CIFAR10('.'); assert c.train_data is c.data and c.test_labels is c.targets",
    "pil": "from PIL import Image\nassert Image.ANTIALIAS == Image.LANCZOS",
    "style": "import matplotlib.pyplot as plt\nplt.style.use('seaborn-whitegrid')",
}
# torch itself still takes these; ours must not get in the way.
_STILL_THERE = {
    "size_average": "nn.CrossEntropyLoss(size_average=False)(m(x), y)",
    "reduce": "assert F.cross_entropy(m(x), y, reduce=False).shape == (4,)",
    "softmax": "assert F.softmax(x).shape == (4, 3) and F.log_softmax(x).shape == (4, 3)",
    "upsample": "assert nn.Upsample(scale_factor=2)(torch.ones(1, 1, 2, 2)).shape == (1, 1, 4, 4)",
    "scheduler": "torch.optim.lr_scheduler._LRScheduler",
    "new scheduler": "torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.1, total_steps=9).step()",
    "data rows": "assert x.data[0].shape == (3,) and {'data': [1]}['data'][0] == 1",
    "data of lists": "class B: data = [7, 8]\nassert B.data[0] == 7",
    "data is set": "m.weight.data[0] = 5; assert m.weight[0, 0] == 5",
    "numpy": "assert np.bool_ and np.float64 and np.inf",
    "new style": "plt.style.use('ggplot')",
}
_ERRORS = {
    "no such name": ("np.nonsense", "AttributeError: module 'numpy' has no attribute 'nonsense'"),
    "no such transform": ("transforms.Nonsense", "AttributeError: module 'torchvision.transforms' has no"),
    "no such argument": ("torch.optim.lr_scheduler.StepLR(opt, 1, nonsense=1)", "TypeError"),
    "no such style": ("plt.style.use('seaborn-nonsense')", "OSError"),
    "data of nothing": ("None.data[0]", "AttributeError"),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    root = tmp_path_factory.mktemp("old")
    tree = root / "tree"
    tree.mkdir()
    make_cifar(root / "course")
    errors = [cell for cell, _ in _ERRORS.values()]
    done = run_cells(
        [_HEAD, *_MADE_TO_WORK.values(), *_STILL_THERE.values(), *errors], tree, data=root / "course"
    )
    return dict(zip(["head", *_MADE_TO_WORK, *_STILL_THERE, *_ERRORS], done, strict=True))


@pytest.mark.parametrize("name", _MADE_TO_WORK)
def test_an_old_spelling_works_and_is_reported(ran: dict[str, Ran], name: str) -> None:
    assert ran[name].error == ""
    assert "old spelling" in ran[name].kinds
    assert ran[name].kinds <= {"old spelling", "data"}


@pytest.mark.parametrize("name", _STILL_THERE)
def test_what_the_library_takes_is_left_to_it(ran: dict[str, Ran], name: str) -> None:
    assert (ran[name].error, ran[name].uses) == ("", [])


@pytest.mark.parametrize("name", _ERRORS)
def test_a_mistake_keeps_its_own_error(ran: dict[str, Ran], name: str) -> None:
    assert ran[name].error.startswith(_ERRORS[name][1])
    assert ran[name].uses == []


def test_a_library_that_asks_for_an_old_name_gets_the_usual_answer(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """As pandas and others do, to learn which NumPy they have."""
    cell = (
        "import numpy, statistics\n"
        "code = compile('import numpy\\nfound = hasattr(numpy, \"int\")', statistics.__file__, 'exec')\n"
        "names = {}; exec(code, names); assert names['found'] is False"
    )
    (one,) = run_cells([cell], tmp_path_factory.mktemp("library"))
    assert (one.error, one.uses) == ("", [])
