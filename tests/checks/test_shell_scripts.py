"""Shell scripts are read as a shell would read them, whatever is in them, and none is run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks.script_settings import Settings, read_options
from autograder.checks.shell_scripts import Command, read_commands
from tests.sandbox.boxes import calm

TRAIN = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument('--epochs', '-e', type=int, default=10)
parser.add_argument('--lr', type=float, default=1e-3)
parser.add_argument('--batch-size', type=int)
parser.add_argument('--no-cuda', action='store_true', default=False)
parser.add_argument('--seed', default=-1)
"""


def only(text: str) -> Command:
    (command,) = read_commands(text)
    return command


@pytest.mark.parametrize(
    ("text", "arguments", "log"),
    [
        ("python train.py --lr 0.1", ("--lr", "0.1"), ""),
        ("python -u train.py --lr=0.1 | tee -a run.log", ("--lr=0.1",), "run.log"),
        ("python3.9 train.py --lr 0.1 2>&1 > run.log &", ("--lr", "0.1"), "run.log"),
        ("python train.py --epochs 2 > run.log", ("--epochs", "2"), "run.log"),
        ("!python train.py --lr 0.1", ("--lr", "0.1"), ""),
        ("python train.py \\ \n --lr 0.1", ("--lr", "0.1"), ""),
        ('A=(\n --lr 0.1 # once\n "--e=2"\n)\npython train.py "${A[@]}"', ("--lr", "0.1", "--e=2"), ""),
        ("(cd x; python train.py --lr 0.1)", ("--lr", "0.1"), ""),
        ("python train.py --epochs 2 &> run.log", ("--epochs", "2"), "run.log"),
        ("nohup srun --gres=gpu:1 python train.py --lr 0.1 &", ("--lr", "0.1"), ""),
        ("CUDA_VISIBLE_DEVICES=0 time python train.py --lr 0.1", ("--lr", "0.1"), ""),
        ("LR=0.1\nlr2=$LR\npython train.py --lr ${lr2}", ("--lr", "0.1"), ""),
        ("export A='--lr 0.1'; python train.py $A \"$A\" '$A'", ("--lr", "0.1", "--lr 0.1", "$A"), ""),
        ("python train.py \\\n  --lr 0.1 \\\r\n  # the end", ("--lr", "0.1"), ""),
        ('python train.py --lr ${LR:-0.1} "$@"', ("--lr", "0.1"), ""),
        ("if true; then python -W ignore -m train --lr 0.1; fi", ("--lr", "0.1"), ""),
        ("./train.py --lr 0.1", ("--lr", "0.1"), ""),
        ("python train.py --name a\\ b'c d'\"e\"", ("--name", "a bc de"), ""),
    ],
)
def test_a_command_in_many_spellings(text: str, arguments: tuple[str, ...], log: str) -> None:
    command = only(text)
    assert command.name == "train.py"
    assert (command.arguments, command.log, command.unclear) == (arguments, log, ())


def test_what_is_no_python_script_is_left_out() -> None:
    text = "# python train.py\necho python\npython -c 'print(1)'\nmkdir -p logs\nwget x.py\n"
    assert read_commands(text) == ()


def test_what_only_a_shell_could_know_is_named() -> None:
    command = only("for lr in 1 2; do\npython train.py --lr $lr --name $(date +%s)\ndone")
    assert command.unclear == ("$lr", "$(date +%s)")
    assert Settings(command, read_options(TRAIN)).text("lr") is None


def test_a_variable_of_a_pipeline_is_another_process() -> None:
    assert only("LR=1 | true\npython train.py --lr $LR").unclear == ("$LR",)


@pytest.mark.parametrize(
    ("line", "epochs"),
    [
        ("python train.py", 10),
        ("python train.py --epochs 3", 3),
        ("python train.py --epochs=3 --epochs 4", 4),
        ("python train.py --epoch 3", 3),  # argparse takes the beginning of a name
        ("python train.py --e 3", 3),
        ("python train.py -e 3", 3),
        ("python train.py -e3", 3),
        ("python train.py --epochs many", None),
        ("python train.py --epochs", None),
        ("python train.py --epochs nan", None),
    ],
)
def test_settings_are_the_commands_or_the_scripts(line: str, epochs: float | None) -> None:
    assert Settings(only(line), read_options(TRAIN)).number("epochs") == epochs


def test_defaults_of_a_script() -> None:
    run = Settings(only("python train.py"), read_options(TRAIN))
    assert (run.number("lr"), run.number("seed"), run.number("batch-size")) == (0.001, -1, None)
    assert run.text("momentum") is None
    assert read_options("print 'Python 2'") == ()
    assert Settings(only("python train.py --batch_size 7")).number("batch-size") == 7


@calm
@given(st.text(st.sampled_from("$(){}'\"`\\|&;<>#= \n\tapy.train-0"), max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    for command in read_commands(f"A=1 {text}\npython train.py {text}"):
        command.value("--lr")
        Settings(command).number("lr")
