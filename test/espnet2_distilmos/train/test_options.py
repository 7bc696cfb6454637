"""Whether a training uses tokens: said before it starts, as it will see it itself."""

import inspect
import subprocess
import sys

import pytest

from espnet2_distilmos.bin.uses_tokens import main
from espnet2_distilmos.train.options import TOKEN_WEIGHT, loss_conf_of, uses_tokens
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.errors import UserError

CASES = [
    ("loss_conf:\n    token_weight: 0\n", [], False),
    ("loss_conf:\n    token_weight: 0.0   # none\n", [], False),
    ("loss_conf:\n    token_weight: 0.3\n", [], True),
    ("loss_conf: {regression: l1, token_weight: 0}\n", [], False),
    ("loss_conf: {token_weight: 0.00}\n", [], False),
    ("loss_conf:\n    # token_weight: 0\n    margin: 0.1\n", [], True),
    ("# token_weight: 0\noptim_conf: {lr: 0.1}\n", [], True),
    ("loss_conf:\n", [], True),
    ("loss_conf: {token_weight: 0.3}\n", ["--loss_conf", "token_weight=0"], False),
    ("loss_conf: {token_weight: 0.3}\n", ["--loss_conf=token_weight=0.0"], False),
    ("loss_conf: {token_weight: 0.3}\n", ["--loss_c", "{token_weight: 0}"], False),
    ("loss_conf: {token_weight: 0}\n", ["--loss_conf", "token_weight=0.1"], True),
    ("loss_conf: {token_weight: 0}\n", ["--loss_conf", "margin=0.1"], False),
    ("loss_conf: {token_weight: 0}\n", ["--loss", "distilmos"], False),
    # Another option's value that looks like it.
    ("model_conf: {token_weight: 0}\n", ["--predictor_conf", "token_weight=0"], True),
]  # fmt: skip


@pytest.mark.parametrize("text, words, expected", CASES)
def test_the_answer_is_what_the_training_does(tmp_path, capsys, text, words, expected):
    from espnet2_distilmos.model.loss import DistilMOSLoss
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask

    (tmp_path / "train.yaml").write_text(text)
    words = ["--config", str(tmp_path / "train.yaml"), *words]
    main(["--", *words])
    assert capsys.readouterr().out == f"{str(expected).lower()}\n"
    args = DistilMOSTask.get_parser().parse_args(words)
    assert (DistilMOSLoss(**(args.loss_conf or {})).token_weight > 0) is expected
    assert loss_conf_of(words) == args.loss_conf or not args.loss_conf


def test_the_last_file_counts(tmp_path):
    for name, weight in (("a", 0), ("b", 1)):
        (tmp_path / name).write_text(f"loss_conf: {{token_weight: {weight}}}\n")
    a, b = (["--config", str(tmp_path / name)] for name in "ab")
    assert uses_tokens(loss_conf_of([*a, *b]))
    assert not uses_tokens(loss_conf_of([*b, *a]))


def test_a_weight_that_is_not_named_is_that_of_the_loss():
    from espnet2_distilmos.model.loss import DistilMOSLoss

    default = inspect.signature(DistilMOSLoss).parameters["token_weight"].default
    assert default == TOKEN_WEIGHT and uses_tokens({}) and uses_tokens(None)


@pytest.mark.parametrize(
    "conf, message",
    [
        ({"token_weight": "1e-3"}, "token_weight: '1e-3' is text to YAML"),
        ({"token_weight": None}, "token_weight must be a number, not None"),
        ({"token_weight": [1]}, r"token_weight must be a number, not \[1\]"),
        ([0], "loss_conf must be a mapping"),
    ],
)
def test_what_is_no_weight_is_refused(conf, message):
    with pytest.raises(UserError, match=message):
        uses_tokens(conf)


def test_the_question_loads_nothing_heavy(tmp_path):
    (tmp_path / "train.yaml").write_text("loss_conf: {token_weight: 0}\n")
    code = (
        "import sys; from espnet2_distilmos.bin.uses_tokens import main; "
        f"main(['--', '--config', {str(tmp_path / 'train.yaml')!r}]); "
        "print(sorted({'torch', 'numpy', 'espnet2.tasks'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "false\n[]\n", done.stderr


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["token_weight"],
            "argument --loss_conf: key=value was expected, not ",
        ),
        (["token_weight={a"], "not valid YAML: while parsing"),
        (["{a"], "not valid YAML: while parsing"),
        ([], "argument --loss_conf: expected one argument"),
    ],
)
def test_options_without_a_value_are_one_line(capsys, words, message):
    """Not ESPnet's usage, which has a hundred."""
    assert run(main, ["--", "--loss_conf", *words]) == 1
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert not out and line.startswith(f"error: options of the training: {message}")
