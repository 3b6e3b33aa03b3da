"""What is read out of tables and of Keras' and fastai's logs, with the exact values that they must give."""

from __future__ import annotations

import pytest

from autograder.checks.notebooks.series import read_series
from tests.checks.notebooks.printed import notebook, result
from tests.checks.notebooks.readings import brief, flat, read

KERAS = (
    "Epoch 1/2\n1875/1875 [==============================] - 8s 4ms/step - loss: 0.2951 - accuracy: 0.9139"
    " - val_loss: 0.1424 - val_accuracy: 0.9570\nEpoch 2/2\n"
    "\x1b[1m1875/1875\x1b[0m \x1b[32m━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m7s\x1b[0m 4ms/step"
    " - accuracy: 0.9712 - loss: 0.0931 - val_accuracy: 0.9610 - val_loss: 0.1\n"
)


def test_keras() -> None:
    assert flat(KERAS) == (
        "loss train 0.2951 0.0931; accuracy train 0.9139 0.9712; "
        "loss valid 0.1424 0.1; accuracy valid 0.957 0.961"
    )
    assert [point.epoch for point in read(KERAS)[1].points] == [1, 2]


def test_keras_with_backspaces() -> None:
    state = "  32/1875 [....] - ETA: 5:00 - loss: 2.3 - accuracy: 0.1"
    text = state + "\b" * len(state) + "1875/1875 [====] - 8s - loss: 0.3 - accuracy: 0.91\n"
    assert flat("Epoch 1/1\n" + text) == "loss unknown 0.3; accuracy unknown 0.91"


def test_keras_evaluate_takes_the_test_s_name_from_the_source() -> None:
    text = "313/313 - 1s - loss: 0.03 - accuracy: 0.99\n"
    assert flat(text, "model.evaluate(x_test, y_test, verbose=2)") == "loss test 0.03; accuracy test 0.99"
    (_, accuracy) = read(text, "model.evaluate(x_test, y_test)")
    assert accuracy.split_from == "source"


FASTAI = """<style>progress { border: none }</style><table border="1" class="dataframe"><thead>
<tr style="text-align: left;"><th>epoch</th><th>train_loss</th><th>valid_loss</th><th>accuracy</th>
<th>top_k_accuracy</th><th>error_rate</th><th>time</th></tr></thead><tbody>
<tr><td>0</td><td>0.25</td><td>0.12</td><td>0.9641</td><td>0.999</td><td>0.0359</td><td>00:31</td></tr>
<tr><td>1</td><td>0.10</td><td>0.05</td><td>0.9841</td><td>1.000000</td><td>0.0159</td><td>00:31</td></tr>
</tbody></table>"""


def test_fastai_s_table() -> None:
    found = read_series(notebook(("learn.fit(2)", result("<IPython.core.display.HTML object>", FASTAI))))
    assert brief(found) == [
        ("loss", "train", [0.25, 0.1]),
        ("loss", "valid", [0.12, 0.05]),
        ("accuracy", "valid", [0.9641, 0.9841]),
        ("top5", "valid", [0.999, 1.0]),
        ("error", "valid", [0.0359, 0.0159]),
    ]
    assert [point.epoch for point in found[0].points] == [0, 1]


def test_top_k_of_another_k_is_left_out() -> None:
    source = "learn = Learner(dls, model, metrics=[accuracy, partial(top_k_accuracy, k=2)])"
    found = read_series(notebook((source, ""), ("learn.fit(2)", result("<IPython", FASTAI))))
    assert "top5" not in {one.quantity for one in found}


FRAME = """<div><table border="1" class="dataframe"><thead><tr style="text-align: right;"><th></th><th>{}</th>
<th>{}</th></tr></thead><tbody><tr><th>0</th><td>0.9</td><td>0.8</td></tr><tr><th>1</th><td>0.95</td><td>0.85</td>
</tr></tbody></table></div>"""


def test_a_frame_of_a_history_is_read_and_one_of_trials_is_not() -> None:
    def of(*heads: str) -> list[tuple[str, str, list[float]]]:
        return brief(read_series(notebook(("df", result("  frame", FRAME.format(*heads))))))

    assert of("accuracy", "val_accuracy") == [
        ("accuracy", "train", [0.9, 0.95]),
        ("accuracy", "valid", [0.8, 0.85]),
    ]
    assert of("lr", "test_acc") == []
    assert of("class", "accuracy") == []
    assert of("hidden units", "accuracy") == []


TABLES = [
    ("epoch train_loss valid_loss accuracy time\n0 0.3 0.2 0.95 00:10\n1 0.2 0.1 0.97 00:10\n", "0.95 0.97"),
    (
        "| Epoch | Loss | Test Accuracy (%) |\n|---|:---:|---|\n| 1 | 0.5 | 95.0 |\n| 2 | 0.4 | 97.0 |",
        "0.95 0.97",
    ),
    ("+---+---+\n| epoch | accuracy |\n+===+===+\n| 1/2 | 95.0% |\n| 2/2 | 97.0% |\n", "0.95 0.97"),
    (
        "  epoch  train_loss  valid_acc   dur\n-------  -----\n   1   0.69  0.95  0.04\n  2 0.6 0.97 0.1",
        "0.95 0.97",
    ),
    ("   loss  accuracy\n0  0.5   0.95\n1  0.4   0.97\n", ""),
    ("| Model | Accuracy |\n|---|---|\n| CNN | 0.95 |\n| MLP | 0.97 |", ""),
    ("Class | Accuracy\n0 | 0.95\n1 | 0.97", ""),
]


@pytest.mark.parametrize(("text", "expected"), TABLES, ids=[text[:30] for text, _ in TABLES])
def test_table_of_text(text: str, expected: str) -> None:
    found = [one for one in read(text) if one.quantity == "accuracy"]
    assert " ".join(f"{point.value:g}" for one in found for point in one.points) == expected
    assert all(one.pace == "epoch" and one.last.epoch in (1, 2) for one in found)


def test_a_report_of_classes_gives_the_accuracy_alone() -> None:
    text = (
        "              precision    recall  f1-score   support\n\n"
        "           0       0.99      0.99      0.99       980\n\n"
        "    accuracy                           0.98     10000\n"
        "   macro avg       0.98      0.98      0.98     10000\n"
    )
    assert flat(text, "print(classification_report(y_test, predictions))") == "accuracy test 0.98"


def test_a_summary_in_two_columns() -> None:
    html = "<table><tr><td>epoch</td><td>5</td></tr><tr><td>test_acc</td><td>0.98</td></tr></table>"
    assert brief(read_series(notebook(("run.finish()", result("<IPython", html))))) == [
        ("accuracy", "test", [0.98])
    ]
