"""Weights that somebody else trained are named and refused; a model without them is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.cells import Ran, run_cells

pytestmark = pytest.mark.xdist_group("kernel-pretrained")

_HEAD = "import warnings; warnings.simplefilter('ignore')\nimport torch\nfrom torchvision import models"
_ASKED = {
    "old": ("models.resnet18(pretrained=True)", "ResNet18_Weights.IMAGENET1K_V1"),
    "place": ("models.resnet18(True)", "ResNet18_Weights.IMAGENET1K_V1"),
    "text": ("models.resnet18(weights='DEFAULT')", "ResNet18_Weights.IMAGENET1K_V1"),
    "name": ("models.vgg11(weights=models.VGG11_Weights.IMAGENET1K_V1)", "VGG11_Weights.IMAGENET1K_V1"),
    "get_model": ("models.get_model('resnet18', weights='IMAGENET1K_V1')", "ResNet18_Weights"),
    "hub": ("torch.hub.load('pytorch/vision', 'resnet18')", "torch.hub.load('pytorch/vision', 'resnet18')"),
    "url": ("torch.hub.load_state_dict_from_url('https://x.example/a-1.pth')", "the weights a-1.pth"),
    "zoo": ("from torch.utils import model_zoo\nmodel_zoo.load_url('https://x.example/b.pth')", "b.pth"),
    "timm": ("import timm.models._builder as b\nb.load_pretrained(torch.nn.Linear(1, 1))", "timm's Linear"),
    "hugging": ("from huggingface_hub import hf_hub_download\nhf_hub_download('who/what')", "'who/what'"),
}
_PLAIN = (
    "models.resnet18()",
    "models.resnet18(pretrained=False)",
    "models.resnet18(weights=None, num_classes=10)",
    "models.resnet18(False)",
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> list[Ran]:
    tree = tmp_path_factory.mktemp("pretrained") / "tree"
    for name in (
        "timm/__init__.py",
        "timm/models/__init__.py",
        "timm/models/_builder.py",
        "huggingface_hub.py",
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("def load_pretrained(m): return m\ndef hf_hub_download(r): return r\n")
    return run_cells([_HEAD, *(cell for cell, _ in _ASKED.values()), *_PLAIN], tree)[1:]


@pytest.mark.parametrize("name", _ASKED)
def test_what_was_asked_for_is_named_and_refused(ran: list[Ran], name: str) -> None:
    one = ran[list(_ASKED).index(name)]
    assert one.error.startswith("RuntimeError: ")
    assert "to train from scratch" in one.error.lower()
    assert _ASKED[name][1] in one.error
    assert one.kinds == {"pretrained"}
    assert _ASKED[name][1] in one.uses[0][1]


def test_a_model_without_weights_is_made(ran: list[Ran]) -> None:
    for one in ran[len(_ASKED) :]:
        assert (one.error, one.uses) == ("", [])


def test_a_model_of_the_students_own_is_loaded_from_a_folder(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "hubconf.py").write_text("def net(): return 'a net'\n")
    (one,) = run_cells(["import torch\nassert torch.hub.load('.', 'net', source='local') == 'a net'"], tree)
    assert (one.error, one.uses) == ("", [])
