"""Whether a training starts from the probe, by its options."""

import pytest

from espnet2_distilmos.bin import starts_from_probe
from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.tokens.probe_start import PREFIX
from espnet2_distilmos.train.options import options_of
from espnet2_distilmos.utils.command import run

CASES = [
    ("predictor_conf: {readout: statistics}\n", [], True),
    ("predictor_conf: {readout: null}\n", [], False),
    ("predictor_conf: {}\n", [], False),
    ("predictor_conf:\n", ["--predictor_conf", "readout=statistics"], True),
    ("predictor_conf: {readout: statistics}\n", ["--init_param", "a.pth"], False),
    ("predictor_conf: {readout: statistics}\n", ["--init_param", "a.pth:b:c"], True),
    (
        "predictor_conf: {readout: statistics}\n",
        ["--init_param", f"a.pth:::token_heads,{PREFIX.rstrip('.')}"],
        True,
    ),
    ("predictor_conf: {readout: statistics}\ninit_param: [a.pth]\n", [], False),
    ("predictor_conf: {readout: statistics}\n", ["--init", "normal"], True),
    (
        "predictor_conf: {readout: statistics}\n",
        ["--predictor_conf", "readout=null"],
        False,
    ),
]


@pytest.mark.parametrize("text, words, expected", CASES)
def test_whether_a_training_starts_there(tmp_path, capsys, text, words, expected):
    (tmp_path / "train.yaml").write_text(text)
    words = ["--config", str(tmp_path / "train.yaml"), *words]
    starts_from_probe.main(["--", *words])
    args = DistilMOSTask.get_parser().parse_args(words)
    others = args.init_param if expected else []
    assert capsys.readouterr().out.split() == [str(expected).lower(), *others]
    assert (args.predictor_conf or {}) == (options_of(words).predictor_conf or {})
    readout = (args.predictor_conf or {}).get("readout")
    kept = [spec for spec in args.init_param if spec == "a.pth"]
    assert (readout == "statistics" and not kept) is expected


@pytest.mark.parametrize(
    "words, message",
    [
        (["--predictor", "sslmos"], "predictor sslmos has no readout"),
        (["--config", "hello.yaml"], "predictor_conf must be a mapping, not 'hello'"),
    ],
)
def test_readouts_that_cannot_be_are_one_line(tmp_path, capsys, words, message):
    (tmp_path / "hello.yaml").write_text("predictor_conf: hello\n")
    words = [w.replace("hello.yaml", str(tmp_path / "hello.yaml")) for w in words]
    if "--config" not in words:
        words += ["--predictor_conf", "readout=statistics"]
    assert run(starts_from_probe.main, ["--", *words]) == 1
    assert message in capsys.readouterr().err
