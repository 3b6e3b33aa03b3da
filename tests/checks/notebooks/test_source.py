"""What a source asks for is read in its many spellings; weights from elsewhere are told from own ones."""

from __future__ import annotations

import time
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks.notebooks.source import read_source
from autograder.checks.notebooks.source_facts import SourceFacts, Split
from autograder.loaders.notebook import Cell, Notebook

LOADERS = """
    import torch, torchvision
    from torchvision import datasets, transforms
    from torch.utils.data import DataLoader
    train_set = datasets.MNIST("d", train=True)
    train_loader = DataLoader(train_set, batch_size=64)
"""
STEP = "optimizer.zero_grad(); loss_fn(model(x), y).backward(); optimizer.step()"


def facts(*cells: str, modules: dict[str, str] | None = None) -> SourceFacts:
    made = (Cell(at, "code", dedent(cell)) for at, cell in enumerate(cells, start=1))
    return read_source(Notebook(tuple(made)), modules or {})


@pytest.mark.parametrize(
    ("source", "name", "split"),
    [
        ("from torchvision import datasets\ndatasets.MNIST('d', train=True)", "MNIST", Split.TRAIN),
        ("import torchvision\ntorchvision.datasets.CIFAR10(root='d', train=False)", "CIFAR10", Split.TEST),
        ("import torchvision.datasets as dset\ndset.FashionMNIST('d', False)", "FashionMNIST", Split.TEST),
        ("from torchvision.datasets import CIFAR10\nCIFAR10('d')", "CIFAR10", Split.TRAIN),
        ("from torchvision.datasets import *\nMNIST('d', train=False)", "MNIST", Split.TEST),
        ("from torchvision.datasets import MNIST as M\nflag = not True\nM('d', flag)", "MNIST", Split.TEST),
        (
            "from torchvision.datasets import MNIST\nargs = dict(train=False)\nMNIST('d', **args)",
            "MNIST",
            Split.TEST,
        ),
        ("from torchvision.datasets import MNIST\nMNIST('d', train=mode())", "MNIST", Split.UNKNOWN),
        ("from torchvision.datasets import SVHN\nSVHN('d', split='extra')", "SVHN", Split.TRAIN),
        ("from torchvision.datasets import ImageFolder\nImageFolder('data/val')", "ImageFolder", Split.VALID),
        (
            "from sklearn.datasets import load_digits\nX, y = load_digits(return_X_y=True)",
            "digits",
            Split.ALL,
        ),
        ("from datasets import load_dataset\nload_dataset('cifar10', split='test')", "CIFAR10", Split.TEST),
        ("import tensorflow_datasets as tfds\ntfds.load('mnist', split='train[:90%]')", "MNIST", Split.TRAIN),
        ("from fastai.vision.all import *\nuntar_data(URLs.CIFAR)", "CIFAR10", Split.ALL),
        ("import gzip\ngzip.open('raw/t10k-images-idx3-ubyte.gz')", "MNIST", Split.TEST),
        (
            "import os\nunpickle(os.path.join(root, 'cifar-10-batches-py', 'test_batch'))",
            "CIFAR10",
            Split.TEST,
        ),
        ("for i in range(1, 6):\n    unpickle(f'cifar/data_batch_{i}')", "CIFAR10", Split.TRAIN),
        ("import pandas as pd\npd.read_csv('sample_data/mnist_train_small.csv')", "MNIST", Split.TRAIN),
        ("class My(datasets.MNIST):\n    pass\nMy('d', train=False)", "MNIST", Split.TEST),
    ],
)
def test_data_sets_and_their_split(source: str, name: str, split: Split) -> None:
    assert {(use.name, use.split) for use in facts(source).data} == {(name, split)}


@pytest.mark.parametrize(
    ("source", "epochs"),
    [
        (f"for epoch in range(10):\n    for x, y in train_loader:\n        {STEP}", [10]),
        (f"for epoch in range(1, 13):\n    for x, y in train_loader:\n        {STEP}", [12]),
        (f"n_epochs = 3 * 2\nfor e in tqdm(range(n_epochs)):\n    for x, y in tqdm(train_loader):\n"
         f"        {STEP}", [6]),
        (f"for i in trange(4):\n    for x, y in train_loader:\n        {STEP}", [4]),
        (f"def train(n=7):\n    for i in range(n):\n        for x, y in train_loader:\n"
         f"            {STEP}\ntrain()", [7]),
        (f"def train(n=7):\n    for i in range(n):\n        for x, y in train_loader:\n"
         f"            {STEP}\ntrain(n=2)", [2]),
        (f"def one():\n    for x, y in train_loader:\n        {STEP}\nfor t in range(5):\n    one()", [5]),
        (f"for t in range(start, start + 5):\n    for x, y in train_loader:\n        {STEP}", [5]),
        (f"for x, y in train_loader:\n    {STEP}", [1]),
        (f"cfg = {{'epochs': 8}}\nfor e in range(cfg['epochs']):\n    for x, y in train_loader:\n"
         f"        {STEP}", [8]),
        (f"class C:\n    epochs = 9\nfor e in range(C.epochs):\n    for x, y in train_loader:\n"
         f"        {STEP}", [9]),
        (f"for lr in [1, 2]:\n    for e in range(3):\n        for x, y in train_loader:\n"
         f"            {STEP}", [3]),
        (f"for trial in range(2):\n    for e in range(3):\n        for x, y in train_loader:\n"
         f"            {STEP}", [3]),
        (f"for e in range(6):\n    for i in range(938):\n        x, y = X[i:], Y[i:]\n        {STEP}", [6]),
        (f"for e in range(int(input())):\n    for x, y in train_loader:\n        {STEP}", [None]),
        ("def unused(n):\n    for e in range(3):\n        for x in train_loader:\n            " + STEP, [3]),
        ("from fastai.vision.all import *\nlearn = Learner(dls, m)\nlearn.fit(3, .1)", [3]),
        ("from fastai.vision.all import *\nlearn = vision_learner(dls, r)\n"
         "learn.fit_one_cycle(n_epoch=4)", [4]),
        ("import tensorflow as tf\nE = 12\nmodel.fit(x, y, epochs=E)", [12]),
        ("import pytorch_lightning as pl\npl.Trainer(max_epochs=20).fit(m, train_loader)", [20]),
        ("import argparse\np = argparse.ArgumentParser()\n"
         "p.add_argument('--num-epochs', type=int, default=14)\n"
         f"a = p.parse_args([])\nfor e in range(a.num_epochs):\n    for x, y in train_loader:\n"
         f"        {STEP}", [14]),
    ],
)  # fmt: skip
def test_epochs_asked_for(source: str, epochs: list[float | None]) -> None:
    assert [setting.value for setting in facts(LOADERS, source).epochs] == epochs


def test_steps_without_epochs_are_steps() -> None:
    found = facts(LOADERS, f"for i in range(1000):\n    x, y = next(it)\n    {STEP}")
    assert ([one.value for one in found.steps], found.epochs) == ([1000], ())


@pytest.mark.parametrize(
    ("source", "optimizers", "rates"),
    [
        ("o = torch.optim.SGD(m.parameters(), lr=0.1)", ["SGD"], [0.1]),
        ("from torch import optim\nlr = 1e-3\no = optim.AdamW(m.parameters(), lr)", ["AdamW"], [1e-3, 1e-3]),
        ("o = torch.optim.Adam([{'params': a, 'lr': 0.2}, {'params': b}], lr=.01)", ["Adam"], [0.01, 0.2]),
        ("o = torch.optim.Adam(m.parameters())", ["Adam"], []),
        ("o = torch.optim.Adam(m.parameters(), lr=find())", ["Adam"], [None]),
        (
            "def make(opt, lr=0.3):\n    return opt(m.parameters(), lr=lr)\nmake(torch.optim.SGD)",
            ["SGD"],
            [0.3],
        ),
        ("from keras.optimizers import RMSprop\nm.compile(RMSprop(learning_rate=0.01))", ["RMSprop"], [0.01]),
        ("m.compile(optimizer='adam', loss='mse')", ["Adam"], []),
        ("import optax\no = optax.adam(1e-2)", ["adam"], [0.01]),
        ("for x, y in train_loader:\n    l(x).backward()\n    w.data -= 0.5 * w.grad", ["by hand"], [0.5]),
        ("for x, y in train_loader:\n    l(x).backward()\n    w = w - eta0 * dw", ["by hand"], []),
        ("from fastai.vision.all import *\nLearner(dls, m, opt_func=SGD).fit(3, .1)", ["SGD"], [0.1]),
    ],
)
def test_optimizers_and_learning_rates(source: str, optimizers: list[str], rates: list[float | None]) -> None:
    found = facts(LOADERS, source)
    assert [one.name for one in found.optimizers] == optimizers
    assert [one.value for one in found.learning_rates] == rates


def test_batch_sizes_schedules_transforms_and_frameworks() -> None:
    found = facts(
        LOADERS,
        "bs = 32\nloader = DataLoader(train_set, bs)\ns = torch.optim.lr_scheduler.OneCycleLR(o, 0.1)",
        "t = transforms.Compose([transforms.RandomCrop(32), "
        "transforms.RandomHorizontalFlip(), transforms.ToTensor()])",
    )
    assert {one.value for one in found.batch_sizes} == {64, 32}
    assert [one.name for one in found.schedulers] == ["OneCycleLR"]
    assert [one.name for one in found.augmentations] == ["RandomCrop", "RandomHorizontalFlip"]
    assert found.frameworks == ("torch",)
    assert facts("import tensorflow.keras as k", "from fastai.vision.all import *").frameworks == (
        "tensorflow",
        "fastai",
    )


CERTAIN, DOUBT = [True], [False]


@pytest.mark.parametrize(
    ("source", "certain"),
    [
        ("m = torchvision.models.resnet18(pretrained=True)", CERTAIN),
        ("m = torchvision.models.resnet18(True)", CERTAIN),
        ("from torchvision.models import resnet50, ResNet50_Weights\n"
         "resnet50(weights=ResNet50_Weights.DEFAULT)", CERTAIN),
        ("torchvision.models.vit_b_16(weights='IMAGENET1K_V1')", CERTAIN),
        ("from torchvision import models\nuse = True\nmodels.vgg16(pretrained=use)", CERTAIN),
        ("getattr(torchvision.models, name)(pretrained=True)", CERTAIN),
        ("import timm\ntimm.create_model('resnet18', pretrained=True, num_classes=10)", CERTAIN),
        ("torch.hub.load('pytorch/vision', 'resnet18', pretrained=True)", CERTAIN),
        ("torch.hub.load('chenyaofo/pytorch-cifar-models', 'cifar10_resnet20')", DOUBT),
        ("from torch.hub import load_state_dict_from_url\n"
         "m.load_state_dict(load_state_dict_from_url(URL))", CERTAIN),
        ("from torch.hub import load_state_dict_from_url\n"
         "m.load_state_dict(load_state_dict_from_url('https://x/y.pth'))",
         CERTAIN),
        ("m.load_state_dict(torch.load('resnet.pth'))", CERTAIN),
        ("state = torch.load('drive/net.pth')['model']\nm.load_state_dict(state)", CERTAIN),
        ("from transformers import ViTModel\nViTModel.from_pretrained('google/vit')", CERTAIN),
        ("from tensorflow.keras.applications import VGG16\nVGG16(include_top=False)", CERTAIN),
        ("import tensorflow as tf\ntf.keras.applications.ResNet50(weights='imagenet')", CERTAIN),
        ("import tensorflow as tf\ntf.keras.models.load_model('other.h5')", CERTAIN),
        ("from fastai.vision.all import *\nvision_learner(dls, resnet18)", CERTAIN),
        ("from efficientnet_pytorch import EfficientNet\n"
         "EfficientNet.from_pretrained('efficientnet-b0')", CERTAIN),
        ("torchvision.models.resnet18(pretrained=flag())", DOUBT),
    ],
)  # fmt: skip
def test_weights_from_elsewhere(source: str, certain: list[bool]) -> None:
    assert [one.certain for one in facts(LOADERS, source).pretrained] == certain


@pytest.mark.parametrize(
    "source",
    [
        "m = torchvision.models.resnet18(pretrained=False)",
        "m = torchvision.models.resnet18(num_classes=10)",
        "m = torchvision.models.resnet18(weights=None)",
        "m = torchvision.models.resnet18()",
        "import timm\ntimm.create_model('resnet18', num_classes=10)",
        "import timm\ntimm.create_model('resnet18', pretrained=False)",
        "from tensorflow.keras.applications import VGG16\nVGG16(weights=None)",
        "from fastai.vision.all import *\nvision_learner(dls, resnet18, pretrained=False)",
        "torch.save(m.state_dict(), 'best.pth')\nm.load_state_dict(torch.load('best.pth'))",
        "PATH = './net.pth'\ntorch.save(m, PATH)\nm2 = torch.load(PATH)\n"
        "m.load_state_dict(torch.load('net.pth'))",
        "torch.save({'m': m.state_dict()}, path)\nc = torch.load(path, map_location='cpu')\n"
        "m.load_state_dict(c['m'])",
        "torch.save(m.state_dict(), f'net_{epoch}.pt')\nm.load_state_dict(torch.load('net_9.pt'))",
        "import copy\nbest = copy.deepcopy(m.state_dict())\nm.load_state_dict(best)",
        "m.load_state_dict(other.state_dict())",
        "m.save('net.h5')\nimport tensorflow as tf\ntf.keras.models.load_model('net.h5')",
        "cb = ModelCheckpoint('w.keras', save_best_only=True)\nm.load_weights('w.keras')",
        "from fastai.vision.all import *\nlearn = Learner(dls, m)\nlearn.save('one')\nlearn.load('one')",
        "def save(m, path): torch.save(m.state_dict(), path)\n"
        "def load(m, path): m.load_state_dict(torch.load(path))\n"
        "save(m, 'a.pt')\nload(m, 'a.pt')",
        "images = torch.load('images.pt')",
    ],
)  # fmt: skip
def test_own_weights_are_no_others(source: str) -> None:
    assert facts(LOADERS, source).pretrained == ()


def test_own_checkpoints_are_named() -> None:
    found = facts(
        LOADERS, "torch.save(m.state_dict(), 'best.pth')", "m.load_state_dict(torch.load('best.pth'))"
    )
    assert [(one.name, one.place.cell) for one in found.own_checkpoints] == [("best", 3)]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("!wget -q https://example.org/cifar.zip", "wget -q https://example.org/cifar.zip"),
        ("%%bash\nset -e\ncurl -O https://example.org/x", "curl -O https://example.org/x"),
        ("!git clone https://example.org/repo.git", "git clone https://example.org/repo.git"),
        (
            "import urllib.request\nurllib.request.urlretrieve('https://example.org/a', 'a')",
            "https://example.org/a",
        ),
        ("import gdown\n!gdown 1x2y3z", "gdown 1x2y3z"),
    ],
)
def test_downloads_are_listed(source: str, what: str) -> None:
    assert [one.name for one in facts(source).downloads] == [what]


@pytest.mark.parametrize(
    "source",
    ["!pip install wget", "!nvidia-smi", "%cd data", "print('wget https://example.org')"],
)
def test_other_commands_are_no_downloads(source: str) -> None:
    assert facts(source).downloads == ()


def test_lines_of_ipython_keep_their_numbers_and_their_place() -> None:
    found = facts(
        "%matplotlib inline\nif True:\n    !pip install x\n%time lr = 0.25\nfiles = !ls\ntext = '''\n"
        "% not magic\n'''\n"
        "y = (10\n  % 3)\nnp.argmax?\nbatch_size = 16"
    )
    assert [(one.value, one.place.line) for one in found.learning_rates] == [(0.25, 4)]
    assert [(one.value, one.place.line) for one in found.batch_sizes] == [(16, 12)]
    assert found.notes == ()


def test_a_cell_that_is_not_python_is_noted_and_the_rest_goes_on() -> None:
    found = facts("print 'hello'\nbatch_size = 8", "def f(:\n", "%%html\n<b>x</b>", "lr = 0.5")
    assert [one.value for one in found.batch_sizes] == [8]
    assert [one.value for one in found.learning_rates] == [0.5]
    assert found.notes == (
        "Cell 1 is not Python 3 in line 1; the rest was read.",
        "Cell 2 is not Python 3 in line 1; the rest was read.",
    )


def test_modules_beside_the_notebook_are_followed() -> None:
    modules = {
        "lib/train.py": "import torch\ndef fit(m, loader, n):\n    o = torch.optim.SGD(m, 0.1)\n"
        "    for e in range(n):\n"
        "        for x, y in loader:\n            l(m(x), y).backward()\n            o.step()\n",
        "data.py": "from torchvision.datasets import MNIST\ndef test_data():\n"
        "    return MNIST('d', train=False)\n",
    }
    found = facts("from lib.train import *\nimport data\nfit(m, data.test_data(), 4)", modules=modules)
    [leak] = found.leaks
    assert (leak.certain, leak.place.file, leak.place.line) == (True, "lib/train.py", 6)
    assert [one.value for one in found.epochs] == [4]
    assert facts(
        "%%writefile cfg.py\nlr = 0.125\n", "import cfg\no = torch.optim.SGD(p, cfg.lr)"
    ).learning_rates


@pytest.mark.parametrize(
    "source",
    [
        "def test(m, loader):\n    ok = 0\n    for x, y in loader:\n        pred = m(x).argmax(1)\n"
        "        ok += (pred == y).sum().item()\n"
        "    return ok / len(loader.dataset)",
        "def acc(out, y):\n    _, p = torch.max(out, 1)\n    return torch.eq(p, y).float().mean()",
        "def acc(p, y): return (p.argmax(dim=1) == y).float().mean()",
        "def top(out, y):\n    _, pred = out.topk(5, 1)\n    return pred.t().eq(y.view(1, -1)).sum()",
        "def check(x, y):\n    return accuracy_score(y, m.predict(x))",
        "def batch_accuracy(xb, yb):\n    correct = (xb.sigmoid() > 0.5) == yb\n"
        "    return correct.float().mean()",
        "class T:\n    def evaluate(self, dl):\n        n = 0\n        for x, y in dl:\n"
        "            n += (self.m(x).argmax(-1) == y).sum()\n        return n",
    ],
)
def test_functions_that_compute_accuracy(source: str) -> None:
    assert len(facts(source).accuracy_functions) == 1


@pytest.mark.parametrize(
    "source",
    [
        "def train(m):\n    for x, y in dl:\n        F.cross_entropy(m(x), y).backward()",
        "def show(x):\n    print('accuracy 99 %')",
        "def mode(phase):\n    if phase == 'train':\n        return max(1, 2) + sum([1])",
        "def test(): return 99.1",
    ],
)
def test_functions_that_do_not(source: str) -> None:
    assert facts(source).accuracy_functions == ()


def test_the_function_that_reads_the_test_set_comes_first() -> None:
    body = "(dl):\n    return sum((m(x).argmax(1) == y).sum() for x, y in dl)\n"
    found = facts(
        LOADERS, f"def a{body}", f"def b{body}", "a(train_loader)\nb(datasets.MNIST('d', train=False))"
    )
    assert [one.name for one in found.accuracy_functions] == ["b", "a"]


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("print('Test accuracy: 98.5%')", 1),
        ("acc = 0.985\nprint(f'accuracy {acc}')", 1),
        ("print('Accuracy:', 97.25)", 1),
        ("acc = evaluate()\nprint(f'accuracy {acc}')", 0),
        ("best = 0.0\nfor x in dl:\n    best = max(best, f(x))\nprint('accuracy', best)", 0),
        ("print('Goal: 60% accuracy')", 0),
        ("print('using 10% of the data')", 0),
        ("print('accuracy so far')", 0),
    ],
)
def test_results_that_stand_in_the_source(source: str, count: int) -> None:
    assert len(facts(source).hard_coded) == count


BOMBS = {
    "calls that double": "def f0(): return 1\n" + "".join(f"def f{n}(): return f{n - 1}() "
                                                          f"+ f{n - 1}()\n" for n in range(1, 40)) + "f39()",
    "tuples that double": "x = (1, 1)\n" + "x = (x, x)\n" * 3_000 + "if a:\n    x = (x, x)\nelse:\n"
                                                                    "    x = (x, 1)\n" * 50,
    "a long sum": "x = " + " + ".join(["y"] * 20_000),
    "nested lists": "x = " + "[" * 150 + "]" * 150,
    "huge powers": "lr = 10 ** 10 ** 10\nbs = 'a' * 10**9\nepochs = 2 ** 63 ** 2",
    "many branches": "if a:\n    b = 1\n" * 3_000,
    "many names": "".join(f"n{n} = {n}\n" for n in range(5_000)) + "if a:\n    b = 1\n" * 2_000,
    "recursion": "def f(x): return f(f(x))\nf(1)",
    "lambdas": "f = lambda g: g(g)\nf(f)",
    "loops in loops": "\n".join(" " * n + f"for x{n} in range(2):" for n in range(18)) + "y = 1",
    "a class that is its own base": "class A: pass\nclass B(A): pass\nA.x = B\nclass A(B): pass\nA().x.y.z()",
    "bad lines": "print 'x'\n" * 5_000,
    "brackets": "(" * 100_000,
    "percent": "%" * 100_000 + "\n" + "! \\\n" * 20_000,
    "assigned": "a, " * 30_000 + "= !",
    "quotes": "'''" * 30_000,
    "dots": "a" + ".b" * 40_000,
}  # fmt: skip


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS.keys())
def test_no_source_takes_long(source: str) -> None:
    start = time.process_time()
    facts(source)
    assert time.process_time() - start < 8


WORDS = st.sampled_from(
    "x y train_loader test_loader model optimizer for in "
    "if else def class return with as import from torch datasets MNIST "
    "( ) [ ] { } : = == += -= . , * ** + / % ! ? \n \n\n"
    "    # ' \" ''' lambda True False None 0 1e9 train= backward() step() "
    "fit( epochs= range( lr= @ not and try: except: while global x yield".split(" ")
)


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, max_size=60).map(" ".join) | st.text(max_size=300))
def test_no_source_crashes(source: str) -> None:
    facts(source, source)


STATEMENTS = st.sampled_from(
    [
        "x, y = next(iter(test_loader))",
        "for x, y in train_loader:\n    loss = model(x)",
        "loss.backward()",
        "optimizer.step()",
        "model = Net(x, *y, **z)",
        "class Net(Net):\n    def __call__(self): return self(self)\n"
        "    def __init__(self, *a, **k): self.a = a[0]; self.a.b = k",
        "def f(a, *b, c=1, **d):\n    return f(*b, **d)",
        "f(f, c=f)",
        "x = [x for x in x if x] + {**x}",
        "(x := x)[x].y = x",
        "del x",
        "match x:\n    case 1: y = 2\n    case _: pass",
        "global x\nx += 1",
        "test_set = datasets.MNIST('d', train=x)",
        "random_split(test_set, [x])",
        "train_set += test_set",
        "with torch.no_grad() as x, open('f') as y: model.fit(x, y)",
        "try:\n    x = 1\nexcept* E as e:\n    x = 2\nfinally:\n    pass",
        "async def g():\n    async for a in b: await a\n    yield 1",
        "x = lambda *a, **k: x(*a, **k)\nx(x)",
        "torch.save(x, y[x:y]); model.load_state_dict(torch.load(y[x:y]))",
        "DataLoader(); random_split(); Learner().fit(); zip(); enumerate(); range(); range(1, 2, 0); tqdm()",
        "x.append(x); y['a'] = y; y[0].append(test_set)",
        "untar_data(); DataLoaders(); DataBlock().dataloaders(); "
        "print(); torch.load(); load_weights(); from_folder()",
        "partial(f, 1)(2); x.items(); {'a': 1}.get('a'); {'a': 1}.items()",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STATEMENTS, max_size=12))
def test_no_program_crashes(statements: list[str]) -> None:
    facts(*statements, "\n".join(statements))


def test_an_empty_notebook_says_nothing() -> None:
    assert facts() == SourceFacts() == facts("", "# nothing")
