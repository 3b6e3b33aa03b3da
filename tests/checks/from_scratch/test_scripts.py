"""Sources that begin with ready weights, and sources that only could."""

from __future__ import annotations

import pytest

from autograder.checks.from_scratch.scripts import read_scripts, require_random
from autograder.outcome import CheckFailed

EXAMPLE = """
import argparse, torch, torchvision.models as models
parser = argparse.ArgumentParser()
parser.add_argument("-a", "--arch", default="resnet18")
parser.add_argument("--resume", default="", type=str)
parser.add_argument("--pretrained", dest="pretrained", action="store_true", help="ready weights")

def main():
    args = parser.parse_args()
    if args.pretrained:
        model = models.__dict__[args.arch](pretrained=True)
    else:
        model = models.__dict__[args.arch]()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    if args.resume:
        model.load_state_dict(torch.load(args.resume)["state_dict"])
    loss.backward()
    torch.save({"state_dict": model.state_dict()}, "checkpoint.pth.tar")

if __name__ == "__main__":
    main()
"""
COPIED = """
from torch.hub import load_state_dict_from_url
urls = {"resnet50": "https://download.pytorch.org/models/resnet50-0676ba61.pth"}

def _resnet(arch, layers, pretrained, **kw):
    model = ResNet(layers, **kw)
    if pretrained:
        model.load_state_dict(load_state_dict_from_url(urls[arch]))
    return model

def resnet50(pretrained=False, **kw):
    return _resnet("resnet50", [3, 4, 6, 3], pretrained, **kw)
"""
WEIGHTS_OPTION = """
import argparse, torchvision
p = argparse.ArgumentParser()
p.add_argument("--weights", default=None)
args = p.parse_args()
model = torchvision.models.get_model(args.model, weights=args.weights, num_classes=1000)
loss.backward()
"""


RUN = "python main.py -a resnet50"
PRETRAINED = "from resnet import resnet50\nmodel = resnet50(pretrained=True)"
HELP = "usage: main.py [--pretrained]\n  --pretrained  ready weights\n"


def train(line: str) -> dict[str, str]:
    return {"train.py": f"import torch, timm, torchvision\n{line}\nloss.backward()\n"}


READY = {
    "a name": (train('model = torchvision.models.resnet50(weights="IMAGENET1K_V1")'), {}),
    "an enum": (
        train("model = torchvision.models.resnet50(weights=torchvision.models.ResNet50_Weights.DEFAULT)"),
        {},
    ),
    "the old flag": (train("model = torchvision.models.resnet50(pretrained=True)"), {}),
    "timm": (train('model = timm.create_model("resnet50", pretrained=True)'), {}),
    "a library's file": (train('model.load_state_dict(torch.load("resnet50-0676ba61.pth"))'), {}),
    "a constant": (train("PRE = True\nmodel = torchvision.models.resnet50(pretrained=PRE)"), {}),
    "the script that started it": ({"main.py": EXAMPLE}, {"run.sh": f"{RUN} --pretrained /data\n"}),
    "the log's arguments": ({"main.py": EXAMPLE}, {"train.log": "Namespace(lr=0.1, pretrained=True)\n"}),
    "the log": ({"main.py": EXAMPLE}, {"train.log": "=> using pre-trained model 'resnet50'\n"}),
    "a configuration": ({"main.py": EXAMPLE}, {"config.yaml": "arch: resnet50\npretrained: true\n"}),
    "weights by an option": (
        {"train.py": WEIGHTS_OPTION},
        {"run.sh": "torchrun --nproc_per_node=8 train.py --model resnet50 --weights IMAGENET1K_V2\n"},
    ),
    "a copy of the library": ({"resnet.py": COPIED, **train(PRETRAINED)}, {}),
}  # fmt: skip

RANDOM = {
    "both branches": ({"main.py": EXAMPLE}, {}),
    "its help": ({"main.py": EXAMPLE}, {"README.md": HELP}),
    "the log says no": ({"main.py": EXAMPLE}, {"train.log": "Namespace(lr=0.1, pretrained=False)\n"}),
    "resumed": ({"main.py": EXAMPLE}, {"run.sh": f"{RUN} --resume checkpoint.pth.tar\n"}),
    "None": (train("model = torchvision.models.resnet50(weights=None)"), {}),
    "False": (train('model = timm.create_model("resnet50", pretrained=False)'), {}),
    "an option that is off": ({"train.py": WEIGHTS_OPTION}, {}),
    "a copy of the library": ({"resnet.py": COPIED, **train(PRETRAINED.replace("True", "False"))}, {}),
    "a checkpoint of its own": (train('model.load_state_dict(torch.load("checkpoint_60.pth"))'), {}),
    "a script that evaluates": (
        {**train(""), "evaluate.py": 'import torch\nmodel.load_state_dict(torch.load("weights.pt"))\n'},
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READY)
def test_ready_weights_are_seen(name: str) -> None:
    sources, texts = READY[name]
    with pytest.raises(CheckFailed):
        require_random(read_scripts(sources, texts))


@pytest.mark.parametrize("name", RANDOM)
def test_what_could_be_is_not_held_against_anybody(name: str) -> None:
    sources, texts = RANDOM[name]
    found = read_scripts(sources, texts)
    assert [start for start in found.starts if start.certain] == []
    assert "seen to load" in require_random(found)


def test_what_only_a_readme_says_is_for_a_human() -> None:
    text = "For transfer learning:\n\n    python main.py -a resnet50 --pretrained\n"
    found = read_scripts({"main.py": EXAMPLE}, {"README.md": text})
    assert [start.certain for start in found.starts] == [False]


def test_unknown_weights_are_for_a_human() -> None:
    found = read_scripts(train('model.load_state_dict(torch.load("backbone.pt"))'), {})
    assert [start.certain for start in found.starts] == [False]
    assert "backbone" in found.starts[0].text


def test_no_source_is_no_evidence() -> None:
    with pytest.raises(CheckFailed, match="trains a network"):
        require_random(read_scripts({"model.py": "class Net: pass\n"}, {}))


@pytest.mark.parametrize("source", ["", "if (", "\x00", "(" * 5_000, "x = " + "1 + " * 3_000 + "1", "ä" * 10])
def test_any_text_is_read(source: str) -> None:
    read_scripts({"train.py": source}, {"train.log": source, "run.sh": source, "a.yaml": source})


TRAINS = (
    "import torch, torchvision\n{}\nfor x, y in loader:\n    loss = f(model(x), y)\n    loss.backward()\n"
)


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        (EXAMPLE, {"run.sh": "python main.py --resume resnet18-f37072fd.pth /data\n"}),
        (EXAMPLE, {"args.yaml": "resume: https://somewhere.org/resnet50.pth\n"}),
        (
            TRAINS.format(
                "model = torchvision.models.resnet18(weights='DEFAULT' if args.pretrained else None)"
            ),
            {"hparams.yaml": "pretrained: true\n"},
        ),
        (
            TRAINS.format(
                "class Trainer:\n    def make(self, arch, pretrained):\n"
                "        return getattr(models, arch)(pretrained=pretrained)"
            ),
            {"conf.yaml": "pretrained: 1\n"},
        ),
    ],
)
def test_ready_weights_by_an_option(source: str, texts: dict[str, str]) -> None:
    scripts = read_scripts({"main.py": source}, texts)
    with pytest.raises(CheckFailed):
        require_random(scripts)


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        (EXAMPLE, {"run.sh": "python main.py --resume checkpoint.pth.tar /data\n"}),
        (EXAMPLE, {"train.log": "Loading pretrained weights: None\npretrained: False\n"}),
        (
            TRAINS.format(
                "model = torchvision.models.resnet18(weights='DEFAULT' if args.pretrained else None)"
            ),
            {"hparams.yaml": "pretrained: false\n"},
        ),
        ("from fastai.vision.all import *\nlearn.fit_one_cycle(90)\n", {}),
        (TRAINS.format("teacher = torchvision.models.resnet50(weights='DEFAULT')\nmodel = Own()"), {}),
    ],
)
def test_random_weights_by_an_option(source: str, texts: dict[str, str]) -> None:
    assert require_random(read_scripts({"main.py": source}, texts))


def test_a_teacher_is_for_a_human() -> None:
    source = TRAINS.format("teacher = torchvision.models.resnet50(weights='DEFAULT')\nmodel = Own()")
    assert [one.certain for one in read_scripts({"main.py": source}, {}).starts] == [False]


def test_a_librarys_script_that_is_told_by_its_options() -> None:
    yaml = {"output/args.yaml": "model: resnet34\npretrained: false\nresume: ''\n"}
    assert "without ready weights" in require_random(read_scripts({}, yaml))
    with pytest.raises(CheckFailed, match="trains a network"):
        require_random(read_scripts({}, {"README.md": "python train.py --pretrained 0\n"}))
