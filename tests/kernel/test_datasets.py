"""Data sets out of the course's folder, whatever root a notebook names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.cells import Ran, make_cifar, make_digits, make_mnist, run_cells

pytestmark = pytest.mark.xdist_group("kernel-datasets")

_HEAD = """
import gzip, os, pickle, subprocess, tarfile, urllib.request, warnings
import numpy as np, torch
from pathlib import Path
from torchvision import datasets, transforms
def read(path):
    with open(path, 'rb') as f: return pickle.load(f, encoding='bytes')
"""
_CELLS = {
    "download": "a = datasets.MNIST('./data', train=True, download=True, transform=transforms.ToTensor())",
    "items": (
        "assert len(a) == 12 and a[3][0].shape == (1, 28, 28) and a[3][1] == 3\n"
        "assert a.data.dtype == torch.uint8 and a.targets.dtype == torch.int64 and int(a.data[7].max()) == 7"
    ),
    "no download": "b = datasets.MNIST(root='/no/such', train=False); assert len(b) == 5 and b[4][1] == 4",
    "path": "assert len(datasets.MNIST(Path('~/x').expanduser(), train=False, download=True)) == 5",
    "own class": "class Mine(datasets.MNIST): pass\nassert len(Mine('.', download=True)) == 12",
    "files": "assert len(os.listdir('data/MNIST/raw')) == 4 and Path('data/MNIST/raw').resolve().is_dir()",
    "fashion": "assert len(datasets.FashionMNIST('data', train=False, download=True)) == 5",
    "cifar": (
        "c = datasets.CIFAR10(root='./data', train=True, download=True)\n"
        "assert len(c) == 10 and c.data.shape == (10, 32, 32, 3) and c.targets[:2] == [0, 9]\n"
        "assert c.classes[3] == 'cat' and c.class_to_idx['truck'] == 9 and c[2][0].size == (32, 32)"
    ),
    "cifar elsewhere": "assert len(datasets.CIFAR10('/no/such', False, None, None, False)) == 2",
    "cifar by hand": (
        "assert read('./data/cifar-10-batches-py/data_batch_2')[b'data'][0, 0] == 1\n"
        "assert os.path.islink('data/cifar-10-batches-py')"
    ),
    "unpacked": (
        "!wget -q https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz -P dl\n"
        "!cd dl && tar xzf cifar-10-python.tar.gz\n"
        "assert read('dl/cifar-10-batches-py/test_batch')[b'labels'] == [5, 9]"
    ),
    "retrieved": (
        "urllib.request.urlretrieve('https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz', 'c.tgz')\n"
        "with tarfile.open('c.tgz') as f: f.extractall('ex')\n"
        "assert read('ex/cifar-10-batches-py/test_batch')[b'labels'] == [5, 9]"
    ),
    "extracted": (
        "from torchvision.datasets.utils import download_and_extract_archive\n"
        "download_and_extract_archive('https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz', 'de')\n"
        "assert len(os.listdir('de/cifar-10-batches-py')) == 6"
    ),
    "idx": (
        "!curl -sLO http://yann.lecun.com/exdb/mnist/train-labels-idx1-ubyte.gz\n"
        "with gzip.open('train-labels-idx1-ubyte.gz') as f: labels = f.read()[8:]\n"
        "assert labels == bytes(range(10)) + b'\\0\\1'"
    ),
    "npz": (
        "urllib.request.urlretrieve('https://storage.example.org/mnist.npz', 'mnist.npz')\n"
        "with np.load('mnist.npz') as f: assert f['x_train'].shape == (12, 28, 28)\n"
        "with np.load('mnist.npz') as f: assert f['y_test'].tolist() == [0, 1, 2, 3, 4]"
    ),
}
_MISSING = {
    "cifar100": ("datasets.CIFAR100('data', download=True)", "CIFAR100"),
    "kmnist": ("datasets.KMNIST('data', download=True)", "KMNIST"),
}


@pytest.fixture(scope="module", params=[True, False], ids=["packed", "unpacked"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    root = tmp_path_factory.mktemp("datasets")
    data, tree = root / "course", root / "tree"
    tree.mkdir()
    make_mnist(data, packed=request.param)
    make_mnist(data, packed=request.param, dataset="FashionMNIST")
    make_cifar(data)
    before = sorted(data.rglob("*"))
    cells = [_HEAD, *_CELLS.values(), *(cell for cell, _ in _MISSING.values())]
    done = run_cells(cells, tree, data=data, preload=("torchvision",) if request.param else ())
    assert sorted(data.rglob("*")) == before  # nobody writes there
    return dict(zip(["head", *_CELLS, *_MISSING], done, strict=True))


@pytest.mark.parametrize("name", _CELLS)
def test_a_data_set_is_served(ran: dict[str, Ran], name: str) -> None:
    assert ran[name].error == ""
    assert ran[name].kinds == (set() if name in ("items", "files", "cifar by hand") else {"data"})


def test_the_split_is_reported(ran: dict[str, Ran]) -> None:
    assert ran["download"].uses == [("data", "MNIST(train=True)")]
    assert ran["cifar elsewhere"].uses == [("data", "CIFAR10(train=False)")]
    assert ran["fashion"].uses == [("data", "FashionMNIST(train=False)")]


@pytest.mark.parametrize("name", _MISSING)
def test_a_missing_one_is_named(ran: dict[str, Ran], name: str) -> None:
    assert ran[name].error.startswith(f"RuntimeError: {_MISSING[name][1]} isn't in the course's data folder")


def test_without_a_data_folder_every_one_is_missing(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    asked, plain = run_cells(
        [
            "from torchvision import datasets\ndatasets.MNIST('data', download=True)",
            "datasets.CIFAR10('data')",
        ],
        tree,
    )
    assert asked.error.startswith("RuntimeError: MNIST isn't")
    assert asked.uses == [("data missing", "MNIST")]
    assert plain.error.startswith("RuntimeError: Dataset not found")


_FASTAI = {
    "fastai/__init__.py": "",
    "fastai/data/__init__.py": "",
    "fastai/data/external.py": "def untar_data(url, **kwargs): raise OSError('network')\n",
    "fastai/vision.py": "from fastai.data.external import untar_data\n",
}
_URL = "https://s3.example.org/fast-ai-imageclas/{}.tgz"


def test_fastais_data_sets_are_links_that_a_notebook_can_write_beside(tmp_path: Path) -> None:
    data, tree = tmp_path / "course", tmp_path / "tree"
    make_digits(data)
    for name, text in _FASTAI.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    whole, sample, tiny, cifar, pets = run_cells(
        [
            f"from fastai.vision import untar_data\npath = untar_data('{_URL.format('mnist_png')}')\n"
            "assert len(list((path / 'training' / '3').iterdir())) == 3\n"
            "assert len(list((path / 'testing' / '9').iterdir())) == 1\n(path / 'models').mkdir()",
            f"path = untar_data('{_URL.format('mnist_sample')}')\n"
            "assert sorted(p.name for p in (path / 'train').iterdir()) == ['3', '7']\n"
            "assert len(list((path / 'valid' / '7').iterdir())) == 1\n"
            "assert (path / 'labels.csv').read_text().splitlines()[:2] == ['name,label', 'train/3/0.png,3']",
            f"assert (untar_data('{_URL.format('mnist_tiny')}') / 'train' / '3').is_dir()",
            f"untar_data('{_URL.format('cifar10')}')",
            f"untar_data('{_URL.format('oxford-iiit-pet')}')",
        ],
        tree,
        data=data,
    )
    assert [whole.error, sample.error, tiny.error] == ["", "", ""]
    assert whole.uses == [("data", "untar_data(mnist_png)")]
    assert tiny.uses == [("data", "untar_data(mnist_tiny): every 3 and 7, not a few")]
    assert cifar.error.startswith("RuntimeError: fastai's data set 'cifar10' isn't")
    assert cifar.uses == [("data missing", "fastai's data set 'cifar10'")]
    assert pets.error.startswith("RuntimeError: fastai's data set 'oxford-iiit-pet' isn't")
