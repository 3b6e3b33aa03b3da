"""Mistakes that students make with PyTorch: the code, the exception, and a piece of the hint."""

from __future__ import annotations

TORCH_MISTAKES: list[tuple[str, str, str]] = [
    ("assert torch.cuda.is_available(), 'this needs a GPU'", "AssertionError", "no graphics card"),
    ("torch.tensor(1.0).data[0]", "IndexError", ".item()"),
    ("torch.ones(1, requires_grad=True).numpy()", "RuntimeError", ".detach().numpy()"),
    ("w = torch.ones(1, requires_grad=True)\nw -= 1", "RuntimeError", "torch.no_grad()"),
    (
        "x = torch.ones(1, requires_grad=True)\ny = (x * x).sum()\ny.backward()\ny.backward()",
        "RuntimeError",
        "used up by the first backward()",
    ),
    ("torch.ones(1).sum().backward()", "RuntimeError", "Nothing in this loss depends on a parameter"),
    ("torch.nn.Linear(3, 2)(torch.ones(1, 4))", "RuntimeError", "print x.shape"),
    (
        "torch.nn.functional.nll_loss(torch.zeros(1, 2), torch.zeros(1))",
        "RuntimeError",
        "labels of classes are .long()",
    ),
    ("torch.nn.Linear(3, 2).load_state_dict({})", "RuntimeError", "another network's"),
    ("raise RuntimeError('DataLoader worker (pid 7) exited unexpectedly')", "RuntimeError", "num_workers=0"),
    (
        "import torchvision.transforms as transforms\ntransforms.Scale(32)",
        "AttributeError",
        "look for its new name",
    ),
    (
        "optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1)\n"
        "torch.optim.lr_scheduler.StepLR(optimizer, 1, verbose=True)",
        "TypeError",
        "torch has dropped verbose=",
    ),
]
