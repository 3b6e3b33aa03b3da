"""Networks and preparations that notebooks leave behind, found and asked for scores."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from autograder.sandbox import vision

vision.install()
torch = pytest.importorskip("torch")
transforms = pytest.importorskip("torchvision").transforms

from autograder.sandbox.kernel.candidates import networks, walk  # noqa: E402
from autograder.sandbox.kernel.predict import Predictor  # noqa: E402
from autograder.sandbox.kernel.preparations import preparations, without_chance  # noqa: E402

nn = torch.nn
COLOUR = np.random.default_rng(1).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
GREY = np.random.default_rng(2).integers(0, 256, (20, 28, 28), dtype=np.uint8)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Predicting sets torch to one thread, as a forked process must."""
    before = torch.get_num_threads()
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


class Held(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]  # torch is imported by importorskip
    """A data set as torchvision's are, without images."""

    def __init__(self, transform: Any, *, train: bool) -> None:
        self.transform, self.train = transform, train

    def __len__(self) -> int:
        return 1

    def __getitem__(self, at: int) -> Any:
        return self.transform(COLOUR[at])


def small() -> Any:
    body = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*body, nn.Dropout(0.5), nn.Linear(4, 10))


def ids(model: Any) -> frozenset[int]:
    return frozenset(id(one) for one in model.parameters())


def answers(namespace: dict[str, Any], images: np.ndarray, *stepped: frozenset[int]) -> list[dict[str, Any]]:
    return Predictor(namespace, stepped).answer(images, (), 60.0)


def scored(namespace: dict[str, Any], images: np.ndarray, *stepped: frozenset[int]) -> list[dict[str, Any]]:
    return [one for one in answers(namespace, images, *stepped) if one["scores"] is not None]


def expected(model: Any, prepare: Callable[[np.ndarray], Any], images: np.ndarray) -> np.ndarray:
    model.eval()
    with torch.no_grad():
        given: np.ndarray = model(torch.stack([prepare(image) for image in images])).numpy()
    return given


def test_the_trained_network_gets_images_through_the_test_sets_transform() -> None:
    from PIL import Image  # noqa: PLC0415

    test = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    train = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()])
    other, model = small(), small()
    namespace = {
        "model": model,
        "other": other,
        "train_loader": torch.utils.data.DataLoader(Held(train, train=True)),
        "test_loader": torch.utils.data.DataLoader(Held(test, train=False)),
    }
    first = scored(namespace, COLOUR, ids(model))[0]
    assert first["network"] == "model (Sequential)"
    assert first["preparation"] == "the transform of test_loader.dataset"
    right = expected(model, lambda image: test(Image.fromarray(image)), COLOUR)
    np.testing.assert_allclose(first["scores"], right, atol=1e-5)


def test_it_is_evaluated_and_not_trained() -> None:
    model = small().train()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    one, two = (scored({"model": model}, COLOUR, ids(model))[0]["scores"] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert all(torch.equal(before[name], one) for name, one in model.state_dict().items())


def test_a_network_that_no_name_leads_to_is_found() -> None:
    def train() -> Callable[[], Any]:
        model = small()
        return lambda: model

    others = [small() for _ in range(8)]  # alive, and not trained
    keep = train()
    gc.collect()  # else the newest objects are the first to be met
    first = scored({}, COLOUR, ids(keep()))[0]
    assert len(others) == 8
    assert first["network"] == "a network of a function's (Sequential)"


@pytest.mark.parametrize(
    "hold",
    [
        pytest.param(lambda model: {"models": {"best": model}}, id="a dict"),
        pytest.param(lambda model: {"results": [1, ("cnn", model)]}, id="a list of tuples"),
        pytest.param(lambda model: {"wrapped": nn.DataParallel(model)}, id="a wrapper"),
    ],
)
def test_a_network_within_something_is_found(hold: Callable[[Any], dict[str, Any]]) -> None:
    model = small()
    assert scored(hold(model), COLOUR, ids(model))


def test_rows_of_pixels_and_images_without_channels() -> None:
    rows = nn.Sequential(nn.Linear(784, 10))
    found = scored({"model": rows}, GREY, ids(rows))[0]
    assert found["preparation"] == "pixels from 0 to 1, each image in one row"
    flat = torch.from_numpy(GREY.reshape(20, -1)).float() / 255
    np.testing.assert_allclose(found["scores"], rows(flat).detach().numpy(), atol=1e-5)
    whole = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    assert scored({"model": whole}, GREY, ids(whole))[0]["preparation"] == "pixels from 0 to 1"
    sequence = nn.Sequential(nn.Conv1d(28, 4, 3), nn.Flatten(), nn.Linear(4 * 26, 10))
    assert "without an axis for channels" in scored({"m": sequence}, GREY, ids(sequence))[0]["preparation"]
    colour = nn.Sequential(nn.Conv2d(3, 10, 28), nn.Flatten())
    assert "in three channels" in scored({"m": colour}, GREY, ids(colour))[0]["preparation"]


def test_a_network_written_by_hand() -> None:
    weights, bias = torch.randn(784, 10), torch.zeros(10)

    def linear1(xb: Any) -> Any:
        return xb @ weights + bias

    def accuracy(xb: Any, yb: Any) -> Any:
        return (xb.argmax(1) == yb).float().mean()

    found = scored({"weights": weights, "linear1": linear1, "accuracy": accuracy}, GREY)
    assert found[0]["network"] == "linear1()"
    assert "each image in one row" in found[0]["preparation"]


def test_constants_of_the_notebooks_normalise() -> None:
    model = small()
    namespace = {"cifar_mean": MEAN, "cifar_std": np.array(STD), "model": model}
    found = scored(namespace, COLOUR, ids(model))[0]
    assert found["preparation"] == "pixels from 0 to 1, normalised with cifar_mean and cifar_std"

    def normalise(image: np.ndarray) -> Any:
        return torch.from_numpy(((image / 255 - MEAN) / STD).transpose(2, 0, 1)).float()

    np.testing.assert_allclose(found["scores"], expected(model, normalise, COLOUR), atol=1e-5)


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda scores: (scores, scores[:, :3]), id="a tuple"),
        pytest.param(lambda scores: {"features": scores[:, :3], "out": scores}, id="a dict"),
        pytest.param(lambda scores: scores[:, :, None, None], id="with axes of one"),
        pytest.param(lambda scores: scores.double(), id="in double precision"),
    ],
)
def test_scores_within_what_a_network_returns(wrap: Callable[[Any], Any]) -> None:
    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = small()

        def forward(self, x: Any) -> Any:
            return wrap(self.inner(x))

    model = Net()
    found = scored({"model": model}, COLOUR, ids(model))
    assert found[0]["scores"].shape == (20, 10)
    assert found[0]["scores"].dtype == np.float32


def test_a_network_of_doubles_gets_doubles() -> None:
    model = small().double()
    assert scored({"model": model}, COLOUR, ids(model))


def test_what_is_no_table_of_scores_is_said() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 7))
    told = answers({"model": model}, COLOUR, ids(model))
    assert all(one["scores"] is None for one in told)
    assert "it gives shape (4, 7), where (4, 10) scores are expected" in told[0]["problem"]


def test_a_network_that_raises_is_said() -> None:
    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(1, 10)

        def forward(self, _: Any) -> Any:
            raise RuntimeError("x" * 1000)

    told = answers({"model": Net()}, COLOUR)
    assert told[0]["problem"].startswith("RuntimeError: xxx")
    assert len(told[0]["problem"]) <= 200


def test_after_its_time_no_further_way_is_begun_and_the_first_gives_what_it_has() -> None:
    model = small()
    many = np.repeat(COLOUR, 30, axis=0)
    (only,) = Predictor({"model": model}, [ids(model)]).answer(many, (), 0.0)
    assert 0 < len(only["scores"]) < len(many)


def test_a_way_that_is_asked_for_by_its_number_is_the_same_again() -> None:
    model = small()
    predictor = Predictor({"model": model}, [ids(model)])
    ways = predictor.answer(COLOUR[:5], (), 60.0)
    chosen = next(one for one in ways if one["scores"] is not None)
    (again,) = predictor.answer(COLOUR, [chosen["number"]], 60.0)
    assert again["preparation"] == chosen["preparation"]
    np.testing.assert_allclose(again["scores"][:5], chosen["scores"], atol=1e-5)


def test_augmentation_is_left_out() -> None:
    from PIL import Image  # noqa: PLC0415

    train = transforms.Compose([
        transforms.RandomResizedCrop(24),
        transforms.RandomApply([transforms.ColorJitter(0.9)], p=1.0),
        transforms.ToTensor(),
        transforms.RandomErasing(p=1.0),
    ])  # fmt: skip
    plain = without_chance(train)
    picture = Image.fromarray(COLOUR[0])
    right = transforms.Compose([transforms.Resize(24), transforms.ToTensor()])(picture)
    assert torch.equal(plain(picture), plain(picture))
    assert torch.equal(plain(picture), right)
    (way, *_) = preparations({"train_set": Held(train, train=True)}, COLOUR)
    assert way.name == "the transform of train_set, without augmentation"


def test_nothing_is_found_where_nothing_is() -> None:
    assert networks({"x": 3, "f": len}, []) == []
    assert answers({"x": 3}, COLOUR) == []


def test_a_namespace_that_leads_in_circles_ends() -> None:
    circle: list[Any] = []
    circle.append({"again": circle})
    assert len(list(walk({"circle": circle}))) == 2
