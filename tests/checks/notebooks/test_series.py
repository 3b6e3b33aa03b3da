"""What is read out of printed lines: every spelling with the exact value that it must give, or none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks.notebooks.parameter_counts import read_parameter_counts
from autograder.checks.notebooks.series import best_accuracy, final_accuracy, read_series
from tests.checks.notebooks.printed import notebook, result, stream
from tests.checks.notebooks.readings import brief, flat, read

LINES = [
    # counts beside the rounded percentage
    (
        "Test set: Average loss: 0.0270, Accuracy: 9909/10000 (99%)",
        "loss test 0.027; accuracy test 0.9909",
    ),
    (
        "Test set: Average loss: 0.0270, Accuracy: 9909/10000 (99.09%)\n",
        "loss test 0.027; accuracy test 0.9909",
    ),
    ("Accuracy: 9,909/10,000", "accuracy unknown 0.9909"),
    ("Test Accuracy (Overall): 98% (9800/10000)", "accuracy test 0.98"),
    ("Got 9876 / 10000 correct (98.76)", "accuracy unknown 0.9876"),
    ("Got 723 / 1000 with accuracy 72.30%", "accuracy unknown 0.723"),
    ("Correct: 9871/10000", "accuracy unknown 0.9871"),
    ("9871 out of 10000 correct on the test set", "accuracy unknown 0.9871"),
    ("Test: correct 9871 of 10000", "accuracy test 0.9871"),
    ("Accuracy: 9909/10000 (12%)", ""),  # they contradict each other
    ("Accuracy: 10001/10000", ""),
    # percent and fraction
    ("Test accuracy = 0.7312", "accuracy test 0.7312"),
    ("Test accuracy: 73.12%", "accuracy test 0.7312"),
    ("Test accuracy: 73.12 %", "accuracy test 0.7312"),
    ("Test Accuracy: 73.12", "accuracy test 0.7312"),
    ("Test Accuracy (%): 73.12", "accuracy test 0.7312"),
    ("test accuracy in percent: 73.12", "accuracy test 0.7312"),
    ("accuracy: 1.0", "accuracy unknown 1"),
    ("accuracy: 1 %", "accuracy unknown 0.01"),
    ("accuracy: 1.00%", "accuracy unknown 0.01"),
    ("accuracy: 100%", "accuracy unknown 1"),
    ("accuracy: 100.0", "accuracy unknown 1"),
    ("test accuracy: 9.8%", "accuracy test 0.098"),
    ("Accuracy: 101%", ""),
    ("Accuracy: -0.5", ""),
    ("Accuracy: nan", ""),
    ("Accuracy: 12345", ""),
    ("val_acc: 1.0\nval_acc: 98.5", "accuracy valid 0.01 0.985"),
    ("val_acc: 1.0\nval_acc: 0.985", "accuracy valid 1 0.985"),
    ("Accuracy: 0,98", ""),
    ("Accuracy: 98,27%", ""),
    ("acc 98.27±0.12%", "accuracy unknown 0.9827"),
    # names and separators
    (
        "Epoch 3/10, Loss: 0.123, Train Acc: 97.2%, Val Acc 96.5",
        "loss unknown 0.123; accuracy train 0.972; accuracy valid 0.965",
    ),
    ("val_acc 0.71", "accuracy valid 0.71"),
    ("valAcc=0.71", "accuracy valid 0.71"),
    ("TestAccuracy: 0.71", "accuracy test 0.71"),
    ("testacc: 0.71", "accuracy test 0.71"),
    ("{'epoch': 3, 'val_acc': 0.71}", "accuracy valid 0.71"),
    ('{"test_loss": 0.5, "test_accuracy": 0.71}', "loss test 0.5; accuracy test 0.71"),
    ("epoch=3 train_loss=0.3 test_acc=0.91", "loss train 0.3; accuracy test 0.91"),
    ("Accuracy of the network on the 10000 test images: 61 %", "accuracy test 0.61"),
    ("Accuracy of the network on the 10000 test images: 61.52%", "accuracy test 0.6152"),
    ("Accuracy of the model on the 10000 test images: 98.97 %", "accuracy test 0.9897"),
    ("Accuracy on test set: 61.5%", "accuracy test 0.615"),
    ("Accuracy on the training data is 0.95", "accuracy train 0.95"),
    ("Final test accuracy is 0.98", "accuracy test 0.98"),
    ("The model achieved 61.2% accuracy on the test set", "accuracy test 0.612"),
    ("Model reaches an accuracy of 61.2% on the test set.", "accuracy test 0.612"),
    ("61.2% test accuracy", "accuracy test 0.612"),
    ("Accuracy: 97.3% (test)", "accuracy test 0.973"),
    ("('test acc', 0.98)", "accuracy test 0.98"),
    ("Test Acc tensor(0.9812)", "accuracy test 0.9812"),
    ("Test Acc: tensor(0.9812, device='cuda:0')", "accuracy test 0.9812"),
    (
        "val_loss: tensor(0.31, grad_fn=<NllLossBackward0>) val_acc: tensor(0.9)",
        "loss valid 0.31; accuracy valid 0.9",
    ),
    ("{'acc': np.float64(0.98)}", "accuracy unknown 0.98"),
    ("acc: <tf.Tensor: shape=(), dtype=float32, numpy=0.98>", "accuracy unknown 0.98"),
    ("Accuracy: tensor([97.5000], device='cuda:0')", "accuracy unknown 0.975"),
    ("测试集准确率: 98.2%", "accuracy test 0.982"),
    ("test accuracy -> 0.97", "accuracy test 0.97"),
    ("wandb: test_acc 0.98", "accuracy test 0.98"),
    ("│         test_acc          │    0.9812999963760376     │", "accuracy test 0.9813"),
    ("        test_acc            0.9812999963760376", "accuracy test 0.9813"),
    ("Classification accuracy: 0.93", "accuracy unknown 0.93"),
    ("Accuracy score: 0.93", "accuracy unknown 0.93"),
    # top-5, errors
    ("Top-1 accuracy: 98.1, top-5 accuracy: 99.9", "accuracy unknown 0.981; top5 unknown 0.999"),
    ("Top1: 98.1% Top5: 99.9%", "accuracy unknown 0.981; top5 unknown 0.999"),
    ("top 5 test accuracy: 0.999", "top5 test 0.999"),
    ("Test Acc@1 98.1 Acc@5 99.9", "accuracy test 0.981; top5 test 0.999"),
    ("prec@1: 98.1 prec@5: 99.9", "accuracy unknown 0.981; top5 unknown 0.999"),
    ("error_rate: 0.012", "error unknown 0.012"),
    ("Test error: 2.3%", "error test 0.023"),
    ("Test error: 0.34", ""),  # it may be a loss
    ("ValueError: 3", ""),
    # the part of the data
    ("train Loss: 0.6231 Acc: 0.6639", "loss train 0.6231; accuracy train 0.6639"),
    ("Training loss: 0.31, accuracy: 0.98", "loss train 0.31; accuracy unknown 0.98"),
    (
        "Train Loss: 0.10, Acc: 0.97, Val Loss: 0.2, Acc: 0.96",
        "loss train 0.1; accuracy train 0.97; loss valid 0.2; accuracy valid 0.96",
    ),
    (
        "[Train] loss 0.3 acc 0.9 | [Val] loss 0.4 acc 0.8",
        "loss train 0.3; accuracy train 0.9; loss valid 0.4; accuracy valid 0.8",
    ),
    ("val_acc=0.9, loss=0.1", "accuracy valid 0.9; loss unknown 0.1"),
    (
        "Validation Results - Epoch: 1  Avg accuracy: 0.97 Avg loss: 0.10",
        "accuracy valid 0.97; loss valid 0.1",
    ),
    ("Test Error: \n Accuracy: 50.9%, Avg loss: 2.153107 \n", "accuracy test 0.509; loss test 2.15311"),
    ("Checking accuracy on test set\nGot 7123 / 10000 correct (71.23)", "accuracy test 0.7123"),
    ("Start training\nEpoch 1 accuracy: 0.97", "accuracy unknown 0.97"),
    ("Training accuracy 99.1% vs test accuracy 98.2%", "accuracy train 0.991; accuracy test 0.982"),
    ("train/acc 0.98 test/acc 0.97", "accuracy train 0.98; accuracy test 0.97"),
    (
        "Train Loss: 0.381 | Train Acc: 88.22%\n\t Val. Loss: 0.150 |  Val. Acc: 95.41%",
        "loss train 0.381; accuracy train 0.8822; loss valid 0.15; accuracy valid 0.9541",
    ),
    (
        "Train: Loss=0.2 Accuracy=91.2 | Test: Loss=0.1 Accuracy=97.1",
        "loss train 0.2; accuracy train 0.912; loss test 0.1; accuracy test 0.971",
    ),
    (
        "epoch 1, loss 0.78, train acc 0.745, test acc 0.791",
        "loss unknown 0.78; accuracy train 0.745; accuracy test 0.791",
    ),
    ("Iteration: 500. Loss: 0.35. Accuracy: 89.5", "loss unknown 0.35; accuracy unknown 0.895"),
    ("Number Of Images Tested = 10000\n\nModel Accuracy = 0.9726", "accuracy unknown 0.9726"),
    (
        "train Loss: 0.5 Acc: 0.77\nval Loss: 0.2 Acc: 0.93",
        "loss train 0.5; accuracy train 0.77; loss valid 0.2; accuracy valid 0.93",
    ),
    ("Accuracy: 98.27% -> target 75% reached", "accuracy unknown 0.9827"),
    ("Test accuracy: 80.2% (required: 75%)", "accuracy test 0.802"),
    ("Accuracy with lr 0.1: 0.97", ""),
    ("Accuracy without augmentation: 0.7, with augmentation: 0.8", ""),
    # what is no accuracy of the whole
    ("target accuracy: 99.4", ""),
    ("Target accuracy 99.4% reached", ""),
    ("accuracy threshold: 0.9", ""),
    ("Accuracy of plane : 77 %", ""),
    ("Accuracy for class: plane is 55.6 %", ""),
    ("Accuracy of class 3: 98%", ""),
    ("Accuracy of 3: 98%", ""),
    ("Class 3 accuracy: 0.98", ""),
    ("Test Accuracy of     0: 99% (976/980)", ""),
    ("Test Accuracy of airplane: 70% (705/1000)", ""),
    ("3: accuracy 98%", ""),
    ("Per-class accuracy: 0.98", ""),
    ("lr: 0.1 time: 3.2 epoch: 5", ""),
    ("Learning rate: 0.1 accuracy 98.2", "accuracy unknown 0.982"),
    ("accuracy computed in 3.2 s", ""),
    ("Accuracy time: 3.2", ""),
    ("Accuracy (k=5): 0.98", "top5 unknown 0.98"),
    ("Loss/Acc: 0.3/0.9", ""),
    ("Loss, Acc: 0.3, 0.9", ""),
    ("val_accuracy improved from 0.97 to 0.98, saving model to best.h5", ""),
    ("Validation loss decreased (0.31 --> 0.25).  Saving model ...", ""),
    ("accuracy 0.97 -> 0.98", ""),
    ("baseline accuracy: 0.1", ""),
    ("precision: 0.98 recall: 0.97 f1: 0.975", ""),
    ("saved to best_acc_0.9812.pth", ""),
    ("Using 10000 test images", ""),
    ("batch size: 64, accuracy in the paper: 0.99", ""),
    ("Accuracy >= 0.99 is needed", ""),
    ("UserWarning: accuracy: 0.5", ""),
    ("loss function: CrossEntropyLoss(), lr 0.1", ""),
]


@pytest.mark.parametrize(("text", "expected"), LINES, ids=[text[:50] for text, _ in LINES])
def test_line(text: str, expected: str) -> None:
    assert flat(text) == expected


STEPS = [
    ("[2,  2000] loss: 1.987", [(2, 2000)], "step"),
    ("Train Epoch: 1 [25600/60000 (43%)]\tLoss: 2.300039", [(1, 25600)], "step"),
    ("Epoch [3/5], Step [100/600], Loss: 0.1234", [(3, 100)], "step"),
    ("loss: 2.303494  [ 6464/60000]", [(None, 6464)], "step"),
    ("Epoch: [3][10/391]\tTime  0.1 (0.2)\tLoss 0.08 (0.07)", [(3, 10)], "step"),
    ("Epoch: 0 | Loss: 0.5", [(0, None)], "epoch"),
    ("epoch 0 loss 0.5\nepoch 1 loss 0.4\nepoch 0 loss 0.3", [(0, None), (1, None), (0, None)], "epoch"),
    ("Epoch 1\n-----\nLoss: 0.5\nEpoch 2\n-----\nLoss: 0.4", [(1, None), (2, None)], "epoch"),
    ("{'epoch': 2.0, 'loss': 0.5}", [(2, None)], "epoch"),
    ("Epochs: 10\nloss: 0.5", [(None, None)], "once"),
    ("Epoch time: 3.2 s, loss: 0.5", [(None, None)], "once"),
    ("iteration 300: loss 0.5", [(None, 300)], "step"),
]


@pytest.mark.parametrize(("text", "marks", "pace"), STEPS, ids=[text[:40] for text, _, _ in STEPS])
def test_epoch_and_step(text: str, marks: list[tuple[int | None, int | None]], pace: str) -> None:
    (series,) = read(text)
    assert series.quantity == "loss"
    assert [(point.epoch, point.step) for point in series.points] == marks
    assert series.pace == pace


def test_an_epoch_after_the_accuracy_s_name() -> None:
    (series,) = read("Test accuracy after epoch 3: 0.98\nTest accuracy after epoch 4: 0.981")
    assert [(point.epoch, point.value) for point in series.points] == [(3, 0.98), (4, 0.981)]


def test_a_bar_counts_in_its_last_state_and_torn_over_outputs() -> None:
    bar = "\rLoss=2.3 Batch_id=0 Accuracy=7.81:   0%|          | 1/938 [00:00<05:01, 3.1it/s]"
    end = "\rLoss=0.03 Batch_id=937 Accuracy=99.12: 100%|██████████| 938/938 [00:20<00:00, 45.6it/s]\n"
    tests = "\nTest set: Average loss: 0.0270, Accuracy: 9909/10000 (99.09%)\n\nEPOCH: 1\n"
    found = read_series(
        notebook(
            ("train()", [stream(bar, "stderr"), stream("EPOCH: 0\n"), stream(end, "stderr"), stream(tests)])
        )
    )
    assert brief(found) == [
        ("loss", "train", [0.03]),
        ("accuracy", "train", [0.9912]),
        ("loss", "test", [0.027]),
        ("accuracy", "test", [0.9909]),
    ]
    assert [one.running for one in found] == [True, True, False, False]
    assert found[3].last.epoch == 0
    assert (found[3].last.right, found[3].last.of) == (9909, 10000)


def test_a_bar_with_its_values_behind_it() -> None:
    text = "Epoch 4: 100%|██| 1875/1875 [00:20<00:00, 91.2it/s, v_num=0, train_loss=0.021, val_acc=0.981]"
    assert flat(text) == "loss train 0.021; accuracy valid 0.981"
    assert read(text)[1].last.epoch == 4


def test_a_bar_that_was_interrupted_still_counts_once() -> None:
    text = "".join(f"\rloss=0.5 acc={k}.0:  {k}%|██| {k}/100 [00:01<00:02, 9it/s]" for k in range(2, 40))
    assert flat(text) == "loss train 0.5; accuracy train 0.39"


def test_lines_drawn_over_each_other_keep_the_last_of_each_epoch() -> None:
    text = (
        "\r".join(f"Epoch {epoch} batch {k} loss {epoch}.{k}" for epoch in (1, 2) for k in (1, 2, 3)) + "\n"
    )
    assert flat(text) == "loss unknown 1.3 2.3"


RESULTS = [
    ("accuracy", "0.9812", "accuracy unknown 0.9812"),
    ("test_acc", "tensor(0.9812, device='cuda:0')", "accuracy test 0.9812"),
    ("test_acc", "np.float64(0.98)", "accuracy test 0.98"),
    ("round(test_acc, 2)", "98.12", "accuracy test 0.9812"),
    ("accuracy_score(y_test, predictions)", "0.97", "accuracy test 0.97"),
    ("classifier.score(X_test, y_test)", "0.97", "accuracy test 0.97"),
    ("compute_accuracy(model, test_loader)", "0.97", "accuracy test 0.97"),
    ("(model(x_valid).argmax(1) == y_valid).float().mean()", "tensor(0.97)", "accuracy valid 0.97"),
    ("correct / total", "0.97", "accuracy unknown 0.97"),
    ("history['val_acc'][-1]", "0.97", "accuracy valid 0.97"),
    ("f'Test accuracy: {x}'", "'Test accuracy: 97.1%'", "accuracy test 0.971"),
    ("loss", "tensor(0.31, grad_fn=<NllLossBackward0>)", "loss unknown 0.31"),
    ("target_accuracy", "0.99", ""),
    ("x", "0.99", ""),
    ("learning_rate", "0.01", ""),
    ("model.fit(x, y)", "<History at 0x7f3>", ""),
]


@pytest.mark.parametrize(("source", "text", "expected"), RESULTS, ids=[source for source, _, _ in RESULTS])
def test_result_named_by_its_source(source: str, text: str, expected: str) -> None:
    found = read_series(notebook((source, result(text))))
    assert "; ".join(f"{q} {s} {' '.join(f'{v:g}' for v in vs)}" for q, s, vs in brief(found)) == expected


HELPERS = """
def validate_epoch(model):
    accs = [batch_accuracy(model(xb), yb) for xb, yb in valid_dl]
    return round(torch.stack(accs).mean().item(), 4)

def train_model(model, epochs):
    for i in range(epochs):
        train_epoch(model)
        print(validate_epoch(model), end=' ')
"""


def test_bare_numbers_of_a_function_of_the_notebook() -> None:
    found = read_series(
        notebook(
            (HELPERS, ""),
            ("validate_epoch(linear1)", result("0.4219")),
            ("train_model(linear1, 3)", "0.4932 0.8613 0.9184 "),
        )
    )
    assert brief(found) == [("accuracy", "valid", [0.4219]), ("accuracy", "valid", [0.4932, 0.8613, 0.9184])]


def test_bare_columns_of_a_print() -> None:
    source = "for epoch in range(2):\n    print(epoch, loss.item(), test_acc)"
    assert flat("0 0.35 0.91\n1 0.25 0.93\n", source) == "loss unknown 0.35 0.25; accuracy test 0.91 0.93"
    unclear = source + "\n    print(epoch, a, b)"
    assert flat("0 0.35 0.91\n", unclear) == ""


def test_fraction_printed_with_a_percent_sign_is_marked() -> None:
    (series,) = read("Test accuracy: 0.98%")
    assert series.last.value == 0.98
    assert series.doubt


def test_the_split_is_taken_from_the_source_only_if_it_names_one() -> None:
    test = "for x, y in test_loader:\n    correct += 1\nprint(acc)"
    assert flat("Accuracy: 0.98", test) == "accuracy test 0.98"
    assert flat("Accuracy: 0.98", test + "\ntrain(train_loader)") == "accuracy unknown 0.98"
    assert flat("Accuracy: 0.98", "train_test_split(x)") == "accuracy unknown 0.98"


def test_final_and_best() -> None:
    found = read_series(
        notebook(
            ("fit()", "Test acc: 97.0%\nTest acc: 98.5%\nTest acc: 98.1%\nBest test acc: 98.5%"),
            ("fit2()", "Train acc: 99.9%\nVal error rate: 0.02"),
        )
    )
    final, best = final_accuracy(found, "test"), best_accuracy(found, "test")
    assert final is not None
    assert best is not None
    assert (final.value, final.point.cell, final.point.line) == (0.981, 1, "Test acc: 98.1%")
    assert best.value == 0.985
    valid = final_accuracy(found, "unknown", "valid")
    assert valid is not None
    assert (valid.value, valid.split) == (0.98, "valid")
    assert final_accuracy(found, "unknown") is None
    assert final_accuracy((), "test") is None


def test_a_running_accuracy_is_final_only_where_nothing_else_is_there() -> None:
    bar = "Accuracy=99.12: 100%|██| 938/938 [00:20<00:00, 45.6it/s]\n"
    only = final_accuracy(read(bar), "train")
    both = final_accuracy(read("Train accuracy: 97%\n" + bar), "train")
    assert only is not None
    assert both is not None
    assert (only.value, both.value) == (0.9912, 0.97)


def test_numbers_torn_by_a_cut_are_not_read() -> None:
    torn = "Test acc: 9\n… (1,234 characters cut out here) …\n1.0 Test acc: 98.1%"
    text = f"Test acc: 97.0%\n{torn}\nTest acc: 99.0%"
    assert flat(text) == "accuracy test 0.97 0.99"


def test_what_is_shown_is_clean() -> None:
    (series,) = read("\x1b[31mTest acc: 97.0%\x1b[0m \u202egpj.exe" + "x" * 1000)
    assert "\x1b" not in series.last.line
    assert "\u202e" not in series.last.line
    assert len(series.last.line) <= 300


WORDS = st.sampled_from(
    "Epoch epoch Train Test acc accuracy: loss= 98.1% 0.97 9909/10000 ( ) [ ] , | : = % / \n \r \b 3 of "
    "images - -> tensor( class val_acc top5 it/s] 100%|██| 1/2 <table> <td> … 1e999 nan inf ２".split(" ")
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS | st.text(max_size=5), max_size=60), st.booleans(), st.booleans())
def test_no_text_is_too_odd(parts: list[str], as_html: bool, spaced: bool) -> None:
    text = (" " if spaced else "").join(parts)
    output = result("<IPython", text) if as_html else stream(text)
    for series in read_series(notebook(("print(acc)", output))):
        for point in series.points:
            assert series.quantity == "loss" or 0 <= point.value <= 1


PIECES = [
    *"9|9,|1,111|acc |acc|Epoch 1 |<|<table|<td|<  |&#|[|(1/|1/2 |1 (2) |1it [|acc: 0.9, ".split("|"),
    *"of |% |-|- |'|params: 1,234 |Test |_|a_|top 1|acc_|é|1.|grad_fn=<|<tf.Tensor:|it/s |1 2 |x.x".split(
        "|"
    ),
    *["|", "100%|", "\r", "\b", "a\b", "\x1b[", "epoch\r", "\n", "Test\n", "acc: 1\n", "| epoch | acc |\n"],
]


@pytest.mark.parametrize("piece", PIECES)
def test_time_grows_with_the_text_and_no_faster(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.process_time()
    read(text, "print(acc)")
    read_series(notebook(("print(acc)", result("<IPython", f"<table>{text}"))))
    read_parameter_counts(notebook(("count_params(model)", result(text))))
    # Measured below 1.5 s for the slowest, 200,000 short lines; quadratic time would take minutes.
    assert time.process_time() - started < 15


def test_a_source_that_calls_in_circles_or_very_deep_ends() -> None:
    chain = "".join(f"def f{k}(x):\n    return f{k + 1}(f{k}(x))\n" for k in range(400))
    deep = "acc" + " + 1" * 800
    started = time.process_time()
    for source in (f"{chain}f0(1)", deep, "x" + ".a()" * 700 + ".mean()", "print(" * 90 + ")" * 90):
        read_series(notebook((source, result("0.5"))))
        read_series(notebook((source, "0.5 0.6\n")))
    assert time.process_time() - started < 15


def test_what_validate_gives_is_named_by_the_metrics_asked_for() -> None:
    found = read_series(
        notebook(
            ("learn = Learner(dls, net, metrics=[accuracy, error_rate])", ""),
            ("learn.validate()", result("(#3) [0.05,0.98,0.02]")),
        )
    )
    assert brief(found) == [
        ("loss", "valid", [0.05]),
        ("accuracy", "valid", [0.98]),
        ("error", "valid", [0.02]),
    ]


def test_keras_evaluate_as_a_result() -> None:
    compiled = ("model.compile(optimizer='sgd', loss='mse', metrics=['accuracy'])", "")
    found = read_series(notebook(compiled, ("model.evaluate(x_test, y_test)", result("[0.0671, 0.9788]"))))
    assert brief(found) == [("loss", "test", [0.0671]), ("accuracy", "test", [0.9788])]
