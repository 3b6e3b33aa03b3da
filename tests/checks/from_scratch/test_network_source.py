"""Which file holds the network, which class it is, and how images are prepared for it."""

from __future__ import annotations

import pytest

from autograder.checks.from_scratch.network_source import find_network
from autograder.checks.from_scratch.settings import read_settings
from autograder.checks.from_scratch.viewing import read_ways
from autograder.datasets.imagenet import Evaluated

NET = """
from torch import nn

class Block(nn.Module):
    pass

class Net(nn.Module):
    def __init__(self, num_classes=1000, width=1.0):
        self.blocks = nn.Sequential(Block(), Block())

def net50(**keywords):
    return Net(**keywords)
"""
TRAIN = """
from net import Net

def main():
    model = Net(num_classes=1000, width=0.5)
    loss.backward()

if __name__ == "__main__":
    main()
"""


def test_the_network_is_the_class_that_no_other_is_made_of() -> None:
    network = find_network({"net.py": NET, "train.py": TRAIN}, ["train.py"], read_settings({}, {}))
    assert network.path == "net.py"
    assert network.own == ("Net",)
    assert network.names[0] == "Net"
    assert network.arguments[0] == {"num_classes": 1000, "width": 0.5}


def test_an_option_names_the_factory() -> None:
    settings = read_settings({}, {"run.sh": "python train.py -a net50\n", "x.log": "Namespace(arch='net50')"})
    network = find_network({"net.py": NET, "train.py": TRAIN}, ["train.py"], settings)
    assert network.names[0] == "net50"


def test_blocks_that_are_handed_over_are_no_networks() -> None:
    source = NET.replace("Block(), Block()", "").replace("Net(**", "Net(Block, **")
    network = find_network({"net.py": source}, [], read_settings({}, {}))
    assert network.own == ("Net",)


@pytest.mark.parametrize(
    "line",
    ["for epoch in range(90): pass", "args = parser.parse_args()", "train(model)", "while True: pass"],
)
def test_a_script_that_trains_when_it_is_imported_is_not_loaded(line: str) -> None:
    network = find_network({"train.py": f"{NET}\n{line}\n"}, ["train.py"], read_settings({}, {}))
    assert network.path == ""
    assert network.own == ("Net",)


def test_a_library_s_network_is_named_by_its_option() -> None:
    source = "import torchvision\ndef main():\n    loss.backward()\n"
    settings = read_settings({}, {"train.log": "Namespace(arch='resnet50', lr=0.1)"})
    network = find_network({"train.py": source}, ["train.py"], settings)
    assert network.own == ()
    assert network.names == ("resnet50",)
    assert network.path == "train.py"


VIEW = """
MEAN, other = [0.485, 0.456, 0.406], 1
mean = [0.48, 0.46, 0.41]
transforms.Compose([transforms.Resize(232), transforms.CenterCrop(192), transforms.ToTensor(),
                    transforms.Normalize(mean=mean, std=(0.2, 0.2, 0.2))])
"""


def test_the_source_s_own_way_comes_first() -> None:
    ways = read_ways({"train.py": VIEW}, read_settings({}, {}))
    assert ways[0] == Evaluated(232, 192, (0.48, 0.46, 0.41), (0.2, 0.2, 0.2))
    assert Evaluated() in ways


def test_sizes_by_an_option() -> None:
    source = "transforms.CenterCrop(args.val_crop_size)"
    ways = read_ways({"train.py": source}, read_settings({}, {"train.log": "Namespace(val_crop_size=176)"}))
    assert (ways[0].shorter_side, ways[0].crop) == (201, 176)


@pytest.mark.parametrize(
    "source", ["", "(((", "Normalize(x, y)", "Resize(1e99)", "CenterCrop(10**9)", "Normalize([0],[0])"]
)
def test_without_anything_readable_the_usual_ways_are_tried(source: str) -> None:
    ways = read_ways({"train.py": source}, read_settings({}, {}))
    assert ways[0] == Evaluated()
    assert len(ways) == 3


def test_arguments_by_their_place_and_lists() -> None:
    source = (
        "from torch import nn\nclass Net(nn.Module):\n"
        "    def __init__(self, widths, depth=2, *, num_classes=1000):\n        super().__init__()\n"
        "def main():\n    return Net([32, 64], (1, 2)[0], num_classes=1000)\n"
        "def other():\n    return Net((8, [9]), 3)\n"
    )
    found = find_network({"net.py": source}, (), read_settings({}, {}))
    assert {"widths": [32, 64], "num_classes": 1000} in found.arguments
    assert {"widths": (8, [9]), "depth": 3} in found.arguments
