"""Code that was written for a graphics card."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kernel.cells import Ran, run_cells

_HEAD = """
import copy, io, os, pickle, warnings
import torch, torch.nn as nn
warnings.simplefilter("ignore")
device, x, m = torch.device("cuda"), torch.ones(3, 4), nn.Linear(4, 2)
"""
# Each cell must run; what it asserts is the test. The second part is the kinds of what it must report.
_CELLS = {
    "tensor": 'assert x.cuda().device.type == x.cuda(0).device.type == "cpu"',
    "module": "assert m.cuda() is m and next(m.parameters()).device.type == 'cpu'",
    "to by name": 'assert x.to("cuda").device.type == x.to("cuda:0", non_blocking=True).device.type == "cpu"',
    "to device": "assert x.to(device).device.type == x.to(device=device).device.type == 'cpu'",
    "to number": "assert x.to(0).device.type == 'cpu'",
    "to with type": "assert x.to(device, torch.float64).dtype == x.to(device, dtype=torch.float64).dtype",
    "to apple": 'assert m.to("mps") is m and x.to("mps").device.type == "cpu"',
    "module to": "assert m.to(device) is m and m.to('cuda:1') is m",
    "module to type": "n = nn.Linear(2, 2).to('cuda', torch.half); assert n.weight.dtype == torch.half",
    "factories": (
        "for f in (torch.zeros, torch.ones, torch.rand, torch.randn, torch.empty):\n"
        "    assert f(2, device='cuda').device.type == f(2, device=device).device.type == 'cpu'"
    ),
    "more factories": (
        "torch.arange(3, device=0); torch.tensor([1.], device='cuda'); torch.eye(2, device=device)\n"
        "torch.full((2,), 1., device='cuda'); torch.linspace(0, 1, 3, device='cuda')\n"
        "torch.randint(3, (2,), device='cuda'); torch.randperm(3, device='cuda')\n"
        "torch.as_tensor([1], device='cuda'); torch.zeros_like(x, device='cuda')\n"
        "x.new_zeros(3, device='cuda'); x.new_tensor([1.], device=device)"
    ),
    "layer": "assert nn.Linear(2, 2, device='cuda').weight.device.type == 'cpu'",
    "types": (
        "assert x.type('torch.cuda.FloatTensor').dtype == x.type(torch.cuda.FloatTensor).dtype == x.dtype\n"
        "from torch.cuda import LongTensor\nassert LongTensor([1]).dtype == torch.int64"
    ),
    "default device": "torch.set_default_device('cuda'); assert torch.zeros(1).device.type == 'cpu'",
    "default type": "torch.set_default_tensor_type('torch.cuda.FloatTensor')",
    "generator": (
        "g = torch.Generator(device='cuda').manual_seed(0)\nassert isinstance(g, torch.Generator)\n"
        "assert isinstance(torch.default_generator, torch.Generator)\n"
        "torch.rand(2, generator=g, device='cuda')"
    ),
    "autocast": (
        "with torch.autocast('cuda', dtype=torch.float16): assert m(x).dtype == torch.float32\n"
        "with torch.autocast(device_type='cuda'): assert m(x).dtype == torch.float32\n"
        "with torch.autocast(device_type=device.type, enabled=True): assert m(x).dtype == torch.float32\n"
        "with torch.amp.autocast('mps'): assert m(x).dtype == torch.float32\n"
        "with torch.cuda.amp.autocast(): assert m(x).dtype == torch.float32"
    ),
    "scaler": (
        "o = torch.optim.SGD(m.parameters(), 0.1)\n"
        "for s in (torch.cuda.amp.GradScaler(), torch.amp.GradScaler('cuda'), torch.amp.GradScaler('mps')):\n"
        "    o.zero_grad(); before = m.weight.detach().clone()\n"
        "    s.scale(m(x).sum()).backward(); s.unscale_(o); s.step(o); s.update()\n"
        "    assert torch.allclose(before - m.weight, torch.full((2, 4), 0.3))"
    ),
    "parallel": "assert nn.DataParallel(m, device_ids=[0, 1])(x).shape == (3, 2)",
    "pinned": "assert x.pin_memory() is x",
    "queries": (
        "torch.cuda.synchronize(); torch.cuda.empty_cache(); torch.cuda.reset_peak_memory_stats()\n"
        "assert torch.cuda.current_device() == torch.cuda.memory_allocated() == 0\n"
        "print(torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory / 1e9)\n"
        "print(torch.cuda.memory_summary(), torch.cuda.mem_get_info()); torch.cuda.set_device(0)"
    ),
    "clock": (
        "a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)\n"
        "a.record(); b.record(); torch.cuda.synchronize(); assert a.elapsed_time(b) >= 0"
    ),
    "streams": (
        "with torch.cuda.device(0), torch.cuda.stream(torch.cuda.Stream()): x + 1\n"
        "torch.cuda.current_stream().synchronize()"
    ),
    "apple": "torch.mps.synchronize(); torch.mps.empty_cache()",
    "load": (
        "torch.save(m.state_dict(), 'm.pt')\n"
        "for where in ('cuda', 'cuda:0', device, {'cuda:0': 'cuda:1'}, lambda s, _: s.cuda(0)):\n"
        "    m.load_state_dict(torch.load('m.pt', map_location=where))"
    ),
    "child": (
        "pid = os.fork()\nif pid == 0:\n"
        "    os._exit(0 if torch.zeros(2, device='cuda').cuda().device.type == 'cpu' else 1)\n"
        "assert os.waitpid(pid, 0)[1] == 0; x.cuda()"
    ),
}
# What must go on as it always did, with nothing reported.
_USUAL = {
    "asked first": (
        "chosen = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\nm.to(chosen)(x.to(chosen))"
    ),
    "no card": "assert not torch.cuda.is_available() and torch.cuda.device_count() == 0",
    "seeds": "torch.cuda.manual_seed(1); torch.cuda.manual_seed_all(1)",
    "types": "assert isinstance(device, torch.device) and device.type == 'cuda' and str(device) == 'cuda'",
    "pickle": (
        "assert pickle.loads(pickle.dumps(device)) == device\n"
        "assert pickle.loads(pickle.dumps(torch.zeros)) is torch.zeros\n"
        "assert copy.deepcopy(m).weight.equal(m.weight)"
    ),
    "saved device": "b = io.BytesIO(); torch.save(device, b); b.seek(0); assert torch.load(b) == device",
    "to without device": "assert x.to(torch.int64).dtype == torch.int64 and x.to(x).device == x.device",
    "type": "assert x.type() == 'torch.FloatTensor' and x.type(torch.int64).dtype == torch.int64",
    "no such type": "try: torch.cuda.Nonsense\nexcept AttributeError: pass\nelse: assert False",
    "other device": "assert torch.zeros(2, device='meta').device.type == 'meta'",
    "context": "with torch.device('meta'): assert torch.zeros(3).is_meta and nn.Linear(2, 2).weight.is_meta",
    "script": "assert torch.jit.script(nn.Sequential(nn.Linear(4, 2)))(x).shape == (3, 2)",
    "trace": "assert torch.fx.symbolic_trace(nn.Sequential(m, nn.ReLU()))(x).shape == (3, 2)",
    "vmap": "assert torch.func.vmap(lambda a: a + torch.zeros(4))(x).equal(x)",
    "cpu autocast": "with torch.autocast('cpu'): assert m(x).dtype == torch.bfloat16",
    "wrong arguments": "try: x.to('nonsense')\nexcept RuntimeError: pass\nelse: assert False",
    "compile": (
        "def f(a): return a.to('cpu') + torch.zeros(4) + torch.ones_like(a)\n"
        "assert torch.compile(f, backend='eager', fullgraph=True)(x).equal(x + 1)"
    ),
    "export": "assert torch.export.export(m, (x,)).module()(x).shape == (3, 2)",
}


def _run_all(tree: Path, *preload: str) -> dict[str, Ran]:
    cells = [_HEAD, *_CELLS.values(), *_USUAL.values()]
    ran = run_cells(cells, tree, preload=preload)
    return dict(zip(["head", *_CELLS, *(f"usual {name}" for name in _USUAL)], ran, strict=True))


@pytest.fixture(scope="module", params=[(), ("torch",)], ids=["imported late", "preloaded"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    return _run_all(tmp_path_factory.mktemp("gpu"), *request.param)


pytestmark = pytest.mark.xdist_group("kernel-gpu")


@pytest.mark.parametrize("name", _CELLS)
def test_what_needs_a_card_runs_without_one_and_is_reported(ran: dict[str, Ran], name: str) -> None:
    assert ran[name].error == ""
    assert ran[name].kinds == {"gpu"}


@pytest.mark.parametrize("name", _USUAL)
def test_what_needs_no_card_is_as_ever(ran: dict[str, Ran], name: str) -> None:
    assert ran[f"usual {name}"].error == ""
    assert ran[f"usual {name}"].uses == []


def test_a_use_is_named(ran: dict[str, Ran]) -> None:
    assert ("gpu", "device cuda:0") in ran["to by name"].uses
    assert ("gpu", "map_location=cuda:0") in ran["load"].uses
    assert any(re.fullmatch(r"GradScaler on mps", detail) for _, detail in ran["scaler"].uses)
