"""Test data that reaches training is found by following it, and honest notebooks are left in peace."""

from __future__ import annotations

from textwrap import dedent

import pytest

from autograder.checks.notebooks.source import read_source
from autograder.checks.notebooks.source_facts import Leak, LeakKind, SourceFacts, Split
from autograder.loaders.notebook import Cell, Notebook

HEAD = """
    import torch
    from torch import nn, optim
    import torch.nn.functional as F
    from torchvision import datasets, transforms
    from torch.utils.data import DataLoader, ConcatDataset, Subset, random_split
    train_set = datasets.CIFAR10("data", train=True, download=True, transform=transforms.ToTensor())
    test_set = datasets.CIFAR10("data", train=False, transform=transforms.ToTensor())
    train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=64)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss()
"""
LOOP = """
    for epoch in range(3):
        for x, y in LOADER:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
"""
PHASES = """
    loaders = {"train": train_loader, "val": test_loader}
    def fit(model, loaders, epochs=5):
        for epoch in range(epochs):
            for phase in ["train", "val"]:
                if phase == "train":
                    model.train()
                else:
                    model.eval()
                for inputs, labels in loaders[phase]:
                    optimizer.zero_grad()
                    with torch.set_grad_enabled(phase == "train"):
                        loss = criterion(model(inputs), labels)
                        if phase == CONDITION:
                            loss.backward()
                            optimizer.step()
    fit(model, loaders)
"""
BATCHES = """
    def loss_batch(model, xb, yb, opt=None):
        loss = criterion(model(xb), yb)
        if opt is not None:
            loss.backward()
            opt.step()
            opt.zero_grad()
        return loss.item(), len(xb)
    def fit(epochs, model, opt, train_dl, valid_dl):
        for epoch in range(epochs):
            model.train()
            for xb, yb in train_dl:
                loss_batch(model, xb, yb, opt)
            model.eval()
            losses, nums = zip(*[loss_batch(model, xb, yb, OPT) for xb, yb in valid_dl])
            val_loss = sum(losses) / sum(nums)
    fit(4, model, optimizer, train_loader, test_loader)
"""
RUN_EPOCH = """
    def run_epoch(model, loader, train=False):
        correct = 0
        for x, y in loader:
            out = model(x)
            loss = criterion(out, y)
            if train:
                optimizer.zero_grad(); loss.backward(); optimizer.step()
            correct += (out.argmax(1) == y).sum().item()
        return correct / len(loader.dataset)
    for e in range(2):
        run_epoch(model, train_loader, train=True)
        run_epoch(model, test_loader{})
"""
TRAINER = """
    class Trainer:
        def __init__(self, model, train_loader, test_loader, lr=0.05):
            self.model, self.train_loader, self.test_loader = model, train_loader, test_loader
            self.opt = optim.Adam(model.parameters(), lr=lr)
        def step(self, x, y):
            loss = F.cross_entropy(self.model(x), y)
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
        def fit(self, n):
            for epoch in range(n):
                for x, y in self.train_loader:
                    self.step(x, y)
        def evaluate(self):
            return sum((self.model(x).argmax(1) == y).sum() for x, y in self.test_loader)
    t = Trainer(model, {}, test_loader)
    t.fit(7)
    t.evaluate()
"""
KERAS = """
    import tensorflow as tf
    from tensorflow.keras.datasets import cifar10
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    x_train, x_test = x_train / 255.0, x_test / 255.0
    model = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(10)])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
"""
FASTAI = """
    from fastai.vision.all import *
    path = untar_data(URLs.MNIST)
"""


def facts(*cells: str) -> SourceFacts:
    made = (Cell(at, "code", dedent(cell)) for at, cell in enumerate(cells, start=1))
    return read_source(Notebook(tuple(made)))


def leaks(kind: LeakKind, *cells: str) -> list[Leak]:
    return [leak for leak in facts(*cells).leaks if leak.kind is kind]


def trained_on_test(*cells: str) -> list[bool]:
    """For each finding that test data is trained on: is it certain?"""
    return [leak.certain for leak in leaks(LeakKind.TRAINED_ON_TEST, *cells)]


HONEST = {
    "phases over a dict that a comprehension makes": (
        "from torchvision import datasets\nfrom torch.utils.data import DataLoader",
        "sets = {x: datasets.CIFAR10('d', train=(x == 'train')) for x in ['train', 'val']}\n"
        "train_loader, test_loader = (DataLoader(sets[x], batch_size=4) for x in ['train', 'val'])",
        PHASES.replace("CONDITION", '"train"'),
    ),
    "a plain loop": (HEAD, LOOP.replace("LOADER", "train_loader")),
    "phases": (HEAD, PHASES.replace("CONDITION", '"train"')),
    "an optimizer that is None": (HEAD, BATCHES.replace("OPT", "None")),
    "an optimizer left out": (HEAD, BATCHES.replace(", OPT)", ")")),
    "one function for both": (HEAD, RUN_EPOCH.replace("{}", "")),
    "one function for both, said": (HEAD, RUN_EPOCH.replace("{}", ", train=False")),
    "a trainer": (HEAD, TRAINER.replace("{}", "train_loader")),
    "keras": (KERAS, "model.fit(x_train, y_train, epochs=5, validation_data=(x_test, y_test))"),
    "a scaler that sees the test set": (
        "from sklearn.preprocessing import StandardScaler",
        KERAS,
        "s = StandardScaler()\ns.fit(x_test)\nmodel.fit(x_train, y_train)",
    ),
    "statistics of all images": (
        KERAS,
        "import numpy as np\nmean = np.concatenate([x_train, x_test]).mean()",
        "x_train = x_train - mean\nx_test = x_test - mean\nmodel.fit(x_train, y_train, epochs=2)",
    ),
    "a saliency map": (
        HEAD,
        "x, y = next(iter(test_loader))\nx.requires_grad_()\nmodel(x).max().backward()\n"
        "plt.imshow(x.grad[0])",
        LOOP.replace("LOADER", "train_loader"),
    ),
    "an attack after the training": (
        HEAD,
        LOOP.replace("LOADER", "train_loader"),
        "for x, y in test_loader:\n    x.requires_grad = True\n    loss = criterion(model(x), y)\n"
        "    model.zero_grad()\n"
        "    loss.backward()\n    adversarial = x + 0.1 * x.grad.sign()",
    ),
    "classes counted on the test set": (
        HEAD,
        "n = len(test_set.classes)\nmodel = nn.Linear(3072, n)",
        LOOP.replace("LOADER", "train_loader"),
    ),
    "a part of the training set held out": (
        HEAD,
        "train_part, test_part = random_split(train_set, [45000, 5000])\nloader = DataLoader(train_part, 32)",
        LOOP.replace("LOADER", "loader"),
    ),
    "both in one loop, one without gradients": (
        HEAD,
        "def go(loader, training):\n    for x, y in loader:\n        loss = criterion(model(x), y)\n"
        "        if training:\n            loss.backward()\n            optimizer.step()\n"
        "for name, loader in [('train', train_loader), ('test', test_loader)]:\n"
        "    go(loader, name == 'train')",
    ),
    "fastai's folders": (
        FASTAI,
        "dls = ImageDataLoaders.from_folder(path, train='training', valid='testing')",
        "learn = vision_learner(dls, resnet18, pretrained=False)\nlearn.fit_one_cycle(1, 0.1)",
    ),
    "fastai's block": (
        FASTAI,
        "block = DataBlock(blocks=(ImageBlock, CategoryBlock), "
        "get_items=get_image_files, get_y=parent_label,\n"
        "    splitter=GrandparentSplitter(train_name='training', valid_name='testing'))",
        "learn = Learner(block.dataloaders(path), model)\nlearn.fit(2, .1)",
    ),
    "fastai by hand": (
        FASTAI,
        "train_files = (path/'training').ls()\ntest_files = (path/'testing').ls()",
        "def load(files): return torch.stack([tensor(Image.open(o)) for o in files])",
        "train_x = load(train_files)\ntest_x = load(test_files)\n"
        "dl = DataLoader(list(zip(train_x, train_y)), 256)\n"
        "valid_dl = DataLoader(list(zip(test_x, test_y)), 256)",
        "def calc_grad(xb, yb, model):\n    loss = mnist_loss(model(xb), yb)\n    loss.backward()\n"
        "def train_epoch(model, lr, params):\n    for xb, yb in dl:\n        calc_grad(xb, yb, model)\n"
        "        for p in params:\n            p.data -= p.grad*lr\n            p.grad.zero_()\n"
        "for i in range(20):\n    train_epoch(model, 1., params)\n    print(validate_epoch(model))",
    ),
    "an own checkpoint chosen on the test set": (
        HEAD,
        "best = 0\nfor epoch in range(2):\n    for x, y in train_loader:\n"
        "        criterion(model(x), y).backward()\n"
        "        optimizer.step()\n    acc = sum((model(x).argmax(1) == y).sum() for x, y in test_loader)\n"
        "    if acc > best:\n        best = acc\n        torch.save(model.state_dict(), 'b.pt')",
    ),
    "own files": (
        "import numpy as np, gzip",
        "def read(name):\n    with gzip.open('MNIST/raw/' + name) as f:\n"
        "        return np.frombuffer(f.read(), np.uint8)",
        "X, Y = read('train-images-idx3-ubyte.gz'), read('train-labels-idx1-ubyte.gz')\n"
        "Xt, Yt = read('t10k-images-idx3-ubyte.gz'), read('t10k-labels-idx1-ubyte.gz')",
        "for i in range(1000):\n    idx = np.random.randint(0, 60000, 128)\n    x, y = X[idx], Y[idx]\n"
        "    dW = x.T @ (x @ W - y)\n    W -= lr * dW\nprint(((Xt @ W).argmax(1) == Yt).mean())",
    ),
    "lightning": (
        HEAD,
        "import pytorch_lightning as pl\ntrainer = pl.Trainer(max_epochs=5)\n"
        "trainer.fit(model, train_loader, test_loader)",
    ),
}


@pytest.mark.parametrize("cells", HONEST.values(), ids=HONEST.keys())
def test_honest_training_is_left_in_peace(cells: tuple[str, ...]) -> None:
    found = facts(*cells)
    assert [leak for leak in found.leaks if leak.kind is LeakKind.TRAINED_ON_TEST] == []
    assert found.certain_leaks() == ()
    assert found.trained_on
    assert {use.split for use in found.trained_on} == {Split.TRAIN}


CHEATING = {
    "a plain loop": (HEAD, LOOP.replace("LOADER", "test_loader")),
    "through a name": (HEAD, "loader = test_loader", LOOP.replace("LOADER", "loader")),
    "through tqdm and enumerate": (
        HEAD,
        LOOP.replace("x, y in LOADER", "i, (x, y) in enumerate(tqdm(test_loader))"),
    ),
    "phases": (HEAD, PHASES.replace('(phase == "train")', "(True)").replace("CONDITION", '"val"')),
    "phases, in either": (
        HEAD,
        PHASES.replace('(phase == "train")', "(True)").replace("phase == CONDITION", "True"),
    ),
    "the optimizer for both": (HEAD, BATCHES.replace("OPT", "opt")),
    "one function, train=True": (HEAD, RUN_EPOCH.replace("{}", ", train=True")),
    "a trainer": (HEAD, TRAINER.replace("{}", "test_loader")),
    "put together": (
        HEAD,
        "both = ConcatDataset([train_set, test_set])\nloader = DataLoader(both, 64)",
        LOOP.replace("LOADER", "loader"),
    ),
    "added": (HEAD, "loader = DataLoader(train_set + test_set, 64)", LOOP.replace("LOADER", "loader")),
    "put together, then split": (
        HEAD,
        "a, b = random_split(ConcatDataset((train_set, test_set)), [55000, 5000])\nloader = DataLoader(a)",
        LOOP.replace("LOADER", "loader"),
    ),
    "one after the other": (
        HEAD,
        "for loader in (train_loader, test_loader):\n    for x, y in loader:\n        optimizer.zero_grad()\n"
        "        criterion(model(x), y).backward()\n        optimizer.step()",
    ),
    "with a scaler": (
        HEAD,
        "scaler = torch.cuda.amp.GradScaler()\nfor x, y in test_loader:\n    optimizer.zero_grad()\n"
        "    scaler.scale(criterion(model(x), y)).backward()\n    scaler.step(optimizer)\n"
        "    scaler.update()",
    ),
    "with LBFGS's closure": (
        HEAD,
        "opt = optim.LBFGS(model.parameters())\nfor x, y in test_loader:\n    def closure():\n"
        "        opt.zero_grad()\n        loss = criterion(model(x), y)\n        loss.backward()\n"
        "        return loss\n"
        "    opt.step(closure)",
    ),
    "keras": (KERAS, "model.fit(x_test, y_test, epochs=5)"),
    "keras, by names": (KERAS, "model.fit(x=x_test, y=y_test, epochs=5)"),
    "keras, all": (
        KERAS,
        "import numpy as np\nx = np.concatenate((x_train, x_test))\ny = np.concatenate((y_train, y_test))",
        "model.fit(x, y, epochs=5)",
    ),
    "tf.data": (
        KERAS,
        "ds = tf.data.Dataset.from_tensor_slices((x_test, y_test)).shuffle(100).batch(64)\n"
        "model.fit(ds, epochs=1)",
    ),
    "the tape": (
        KERAS,
        "for i in range(100):\n    with tf.GradientTape() as tape:\n"
        "        loss = loss_fn(y_test, model(x_test))\n"
        "    grads = tape.gradient(loss, model.trainable_variables)\n"
        "    optimizer.apply_gradients(zip(grads, model.trainable_variables))",
    ),
    "fastai, all folders": (
        FASTAI,
        "dls = ImageDataLoaders.from_folder(path, valid_pct=0.2)\nlearn = Learner(dls, net)\nlearn.fit(3)",
    ),
    "fastai, swapped": (
        FASTAI,
        "dls = ImageDataLoaders.from_folder(path, train='testing', valid='training')\n"
        "Learner(dls, net).fit(3)",
    ),
    "in main": (
        HEAD,
        "def main():\n    for x, y in test_loader:\n        optimizer.zero_grad()\n"
        "        criterion(model(x), y).backward()\n"
        "        optimizer.step()\nif __name__ == '__main__':\n    main()",
    ),
    "by hand": (
        HEAD,
        "for x, y in test_loader:\n    loss = criterion(x @ w + b, y)\n    loss.backward()\n"
        "    with torch.no_grad():\n        w -= 0.1 * w.grad\n        b -= 0.1 * b.grad\n"
        "        w.grad.zero_()",
    ),
    "with numpy": (
        "import numpy as np",
        "X = np.load('t10k-images.npy')\nfor i in range(10):\n    dW = X.T @ (X @ W - Y)\n    W -= 0.1 * dW",
    ),
    "a loader with the flag in a variable": (
        HEAD,
        "is_train = False\nloader = DataLoader(datasets.CIFAR10('d', is_train))",
        LOOP.replace("LOADER", "loader"),
    ),
}


@pytest.mark.parametrize("cells", CHEATING.values(), ids=CHEATING.keys())
def test_training_on_the_test_set_is_certain(cells: tuple[str, ...]) -> None:
    assert True in trained_on_test(*cells)


DOUBTFUL = {
    "a mode that can't be followed": (
        HEAD,
        "def go(loader):\n    for x, y in loader:\n        loss = criterion(model(x), y)\n"
        "        if model.training:\n"
        "            loss.backward()\n            optimizer.step()\ngo(train_loader)\ngo(test_loader)",
    ),
    "a function that isn't there": (
        HEAD,
        "from helpers import train_model\ntrain_model(model, test_loader)",
    ),
}


@pytest.mark.parametrize("cells", DOUBTFUL.values(), ids=DOUBTFUL.keys())
def test_what_cannot_be_followed_is_listed_in_doubt(cells: tuple[str, ...]) -> None:
    assert trained_on_test(*cells) == [False]


def test_a_finding_quotes_its_line_and_names_its_origin() -> None:
    [leak] = leaks(LeakKind.TRAINED_ON_TEST, HEAD, LOOP.replace("LOADER", "test_loader"))
    assert (leak.place.cell, leak.place.line, leak.place.quoted) == (2, 6, "loss.backward()")
    assert "'CIFAR10' made in cell 1, line 8" in leak.why


@pytest.mark.parametrize(
    ("source", "certain"),
    [
        ("test_loader = DataLoader(datasets.MNIST('d', train=True), 64)", [True]),
        ("testset = datasets.MNIST('d', True)", [True]),
        ("test_ds = datasets.MNIST('d')", [True]),
        ("d = {'train': datasets.MNIST('d', train=True), 'test': datasets.MNIST('d', train=True)}", [True]),
        ("ds = datasets.MNIST('d', train=True)\ntest_dl = DataLoader(ds)", [True]),
        ("test_loader = DataLoader(datasets.MNIST('d', train=False), 64)", []),
        ("tr, test = random_split(datasets.MNIST('d', train=True), [50000, 10000])", []),
        ("test_loader = DataLoader(datasets.MNIST('d'), 64, sampler=SubsetRandomSampler(idx))", []),
        ("latest = datasets.MNIST('d', train=True)", []),
        ("test_acc = evaluate(model, datasets.MNIST('d', train=True))", []),
        ("valid_loader = DataLoader(datasets.MNIST('d', train=True))", []),
        ("test_set = datasets.MNIST('d', train=flag)", []),
    ],
)
def test_a_test_set_made_of_training_images(source: str, certain: list[bool]) -> None:
    head = "from torchvision import datasets\nfrom torch.utils.data import *\n"
    assert [leak.certain for leak in leaks(LeakKind.TEST_IS_TRAIN, head + source)] == certain


@pytest.mark.parametrize(
    ("source", "certain"),
    [
        ("train_loader = DataLoader(datasets.MNIST('d', train=False), 64)", [True]),
        ("self_train = 1\ntrainset = datasets.MNIST('d', False)", [True]),
        ("(x_test, y_test), (x_train, y_train) = mnist.load_data()", [True, True, True, True]),
        ("(x_train, y_train), (x_test, y_test) = mnist.load_data()", []),
        ("train_loader = DataLoader(datasets.MNIST('d', train=True), 64)", []),
        ("trained = datasets.MNIST('d', train=False)", []),
    ],
)
def test_sets_that_are_swapped(source: str, certain: list[bool]) -> None:
    head = (
        "from torchvision import datasets\nfrom torch.utils.data import *\nfrom keras.datasets import mnist\n"
    )
    kinds = (LeakKind.TRAIN_IS_TEST, LeakKind.TEST_IS_TRAIN)
    assert [leak.certain for leak in facts(head + source).leaks if leak.kind in kinds] == certain


@pytest.mark.parametrize(
    "source",
    [
        "if evaluate(test_loader) > best:\n    torch.save(model.state_dict(), 'b.pt')",
        "loss = evaluate(test_loader)\nscheduler.step(loss)",
        "for e in range(9):\n    if evaluate(test_loader) > 0.99:\n        break",
        "acc = evaluate(test_loader)\nif acc > best:\n   "
        " best, weights = acc, copy.deepcopy(model.state_dict())",
    ],
)
def test_choosing_by_the_test_set_is_a_note(source: str) -> None:
    assert [leak.certain for leak in leaks(LeakKind.SELECTED_ON_TEST, HEAD, source)] == [False]


@pytest.mark.parametrize(
    "source",
    [
        "for i, (x, y) in enumerate(test_loader):\n    show(x)\n    if i == 5:\n        break",
        "if evaluate(train_loader) > best:\n    torch.save(model.state_dict(), 'b.pt')",
        "scheduler.step()",
        "if evaluate(test_loader) > 0.9:\n    print('good')",
    ],
)
def test_other_looks_at_the_test_set_are_none(source: str) -> None:
    assert leaks(LeakKind.SELECTED_ON_TEST, HEAD, source) == []


def test_a_keras_callback_that_stops_on_the_test_set_is_a_note() -> None:
    stop = "callbacks=[EarlyStopping(patience=2)]"
    fit = f"model.fit(x_train, y_train, epochs=9, validation_data=(x_test, y_test), {stop})"
    assert [leak.kind for leak in facts(KERAS, fit).leaks] == [LeakKind.SELECTED_ON_TEST]
