"""What decides the weights of a training, and what does not."""

import copy
import os
import shutil

import pytest
import yaml

from espnet2_distilmos.train.identity import (
    NOT_DECIDING,
    request_differences,
    training_request,
)
from espnet2_distilmos.train.quick import asked, quick_request
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import sha256_file


class Training:
    """A recipe folder with the files that a training reads, and its options."""

    def __init__(self, root):
        self.root = root
        files = {
            "conf/train.yaml": "optim_conf:\n    lr: 0.001\n",
            "conf/up.yaml": "upstream: wavlm_local\npath_or_url: up.pt\n",
            "up.pt": "weights",
            "init.pth": "more weights",
            "tok/provenance.yaml": "n_clusters: 8\nlayers: [1, 2]\nmade: 2026-11-01\n",
        }
        for part, utts in (("train", "ab"), ("valid", "c")):
            files[f"raw/{part}/wav.scp"] = "".join(
                f"{u} {root}/{u}.wav\n" for u in utts
            )
            files[f"raw/{part}/format.yaml"] = f"audio_sha256: audio-{part}\n"
            files[f"raw/{part}/utt2mos"] = "".join(f"{u} 3.5\n" for u in utts)
            files[f"raw/{part}/utt2sys_id"] = "".join(f"{u} 0\n" for u in utts)
            files[f"stats/{part}/speech_shape"] = "".join(f"{u} 160\n" for u in utts)
            files[f"tok/{part}/tokens.ark"] = f"tokens of {utts}"
            files[f"tok/{part}/tokens.scp"] = "".join(
                f"{u} {root}/tok/{part}/tokens.ark:{i}\n" for i, u in enumerate(utts)
            )
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)

    def data(self, part):
        raw, tokens = self.root / "raw" / part, self.root / "tok" / part
        return [
            (f"{raw}/wav.scp", "speech", "sound"),
            (f"{raw}/utt2mos", "mos", "text_float"),
            (f"{raw}/utt2sys_id", "system", "text_int"),
            (f"{tokens}/tokens.scp", "tokens", "kaldi_ark"),
        ]

    def request(self, processes=1, **more):
        """As :func:`training_request` makes it, `more` options changed."""
        args = {
            **{f"{p}_data_path_and_name_and_type": self.data(p) for p in PARTS},
            **{
                f"{p}_shape_file": [f"{self.root}/stats/{p}/speech_shape"]
                for p in PARTS
            },
            "upstream_config": f"{self.root}/conf/up.yaml",
            "upstream_conf": {},
            "token_provenance": f"{self.root}/tok/provenance.yaml",
            "token_conf": {},
            "output_dir": f"{self.root}/exp",
            "init_param": [],
            "ngpu": 0,
            "num_threads": 1,
            "num_workers": 2,
            "max_epoch": 3,
            "seed": 0,
            "optim_conf": {"lr": 0.001},
            "predictor_conf": {"strides": [1]},
            "best_model_criterion": [("valid", "srcc", "max")],
            **more,
        }
        return training_request(args, processes)

    def words(self):
        """A command line with these files."""
        words = ["--config", f"{self.root}/conf/train.yaml"]
        words += ["--upstream_config", f"{self.root}/conf/up.yaml"]
        for part in PARTS:
            for triple in self.data(part):
                words += [f"--{part}_data_path_and_name_and_type", ",".join(triple)]
            shape = f"{self.root}/stats/{part}/speech_shape"
            words += [f"--{part}_shape_file", shape]
        return [*words, "--output_dir", f"{self.root}/exp", "--seed", "0"]


PARTS = ("train", "valid")


@pytest.fixture
def training(tmp_path):
    return Training(tmp_path / "here")


def difference(old, new):
    # As YAML keeps it.
    return request_differences(yaml.safe_load(yaml.safe_dump(old)), new, {})


def test_a_record_with_the_older_name_of_a_frozen_cnn_is_of_the_same_training(training):
    for now, before in ((None, False), (0.0, True)):
        request = training.request(upstream_conf={"feature_grad_mult": now})
        old = {**request["upstream"], "freeze_cnn": before, "feature_grad_mult": None}
        assert difference({**request, "upstream": old}, request) == []
    assert difference({**request, "upstream": {**old, "freeze_cnn": False}}, request)


def test_a_record_from_before_frozen_layers_is_of_the_same_training(training):
    request = training.request()
    old = {k: v for k, v in request["upstream"].items() if k != "frozen_layers"}
    assert difference({**request, "upstream": old}, request) == []
    now = training.request(upstream_conf={"frozen_layers": 2})
    (told,) = difference({**request, "upstream": old}, now)
    assert "frozen_layers" in told


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("raw/train/utt2mos", "a 2.5\nb 3.5\n", ["labels of train"]),
        ("raw/valid/utt2mos", "c 1\n", ["labels of valid"]),
        ("raw/train/format.yaml", "audio_sha256: other\n", ["audio of train"]),
        ("raw/train/utt2sys_id", "a 0\nb 1\n", ["systems of train"]),
        ("stats/train/speech_shape", "a 160\nb 170\n", ["clips of train"]),
        ("tok/train/tokens.ark", "other tokens", ["tokens of train"]),
        (
            "tok/provenance.yaml",
            "n_clusters: 9\nlayers: [1, 2]\n",
            ["tokens n_clusters 8 -> 9"],
        ),
        ("up.pt", "other weights", ["upstream weights"]),
        (
            "conf/up.yaml",
            "upstream: wavlm_local\npath_or_url: up.pt\nfreeze: true\n",
            ["upstream freeze False -> True"],
        ),
        ("raw/train/utt2category", "a x\nb y\n", ["utt2category of train"]),
    ],
)
def test_other_content_is_another_training(training, monkeypatch, name, text, told):
    monkeypatch.chdir(training.root)
    before, quick = training.request(), quick_request(training.words())
    (training.root / name).write_text(text)
    assert difference(before, training.request()) == told
    # What a first look reads is enough to see it, but for the tokens' provenance.
    if name != "tok/provenance.yaml":
        assert quick_request(training.words()) != quick


@pytest.mark.parametrize(
    "options, told",
    [
        ({"optim_conf": {"lr": 0.01}}, ["optim_conf lr 0.001 -> 0.01"]),
        ({"optim_conf": {"lr": 0.001, "eps": 1}}, ["optim_conf eps none -> 1"]),
        ({"seed": 1, "new": True}, ["seed 0 -> 1", "new none -> True"]),
        ({"ngpu": 1}, ["device cpu -> gpu", "num_threads 1 -> None"]),
        ({"num_threads": 4}, ["num_threads 1 -> 4"]),
        ({"processes": 2}, ["processes 1 -> 2"]),
        ({"best_model_criterion": [("valid", "loss", "min")]}, None),
        ({"init_param": ["init.pth:a:b"]}, None),
        ({"upstream_conf": {"layers": [1]}}, ["upstream layers None -> [1]"]),
    ],
)
def test_other_options_are_another_training(training, monkeypatch, options, told):
    monkeypatch.chdir(training.root)
    found = difference(training.request(), training.request(**options))
    if told is None:
        assert len(found) == 1 and found[0].startswith(next(iter(options)))
    else:
        assert sorted(found) == sorted(told)


def test_what_does_not_decide_the_weights(training, monkeypatch):
    monkeypatch.chdir(training.root)
    before = training.request()
    assert before == training.request(
        num_workers=0,
        max_epoch=9,
        patience=3,
        output_dir="other",
        log_interval=1,
        resume=True,
        dist_rank=1,
    )
    # 1 and 1.0, a list of one and that one, tuples and lists are the same.
    assert not difference(
        before,
        training.request(
            best_model_criterion=["valid", "srcc", "max"],
            seed=0.0,
            optim_conf={"lr": 1.0e-3},
        ),
    )
    # Labels as numbers, tables with other blanks.
    (training.root / "raw/train/utt2mos").write_text("a 3.50\nb  3.5\n")
    provenance = training.root / "tok/provenance.yaml"
    provenance.write_text(provenance.read_text().replace("2026-11-01", "2027-01-01"))
    assert training.request() == before


def test_files_of_init_param_count_by_content(training, monkeypatch):
    monkeypatch.chdir(training.root)
    before = training.request(init_param=["init.pth:a:b"])
    shutil.copy("init.pth", "moved.pth")
    assert training.request(init_param=["moved.pth:a:b"]) == before
    (training.root / "init.pth").write_text("others")
    assert difference(before, training.request(init_param=["init.pth:a:b"])) == [
        "init_param 1 a b"
    ]
    with pytest.raises(UserError, match="gone.pth: cannot be read"):
        training.request(init_param=["gone.pth"])


def test_a_copied_corpus_is_the_same(training, tmp_path, monkeypatch):
    """Other places, other dates; wav.scp and tokens.scp name other paths."""
    monkeypatch.chdir(training.root)
    before, words = training.request(), asked(training.words())
    quick = quick_request(training.words())
    there = Training(tmp_path / "there")
    for path in there.root.rglob("*"):
        os.utime(path, (1, 1))
    monkeypatch.chdir(there.root)
    shutil.rmtree(training.root)
    assert there.request() == before
    assert quick_request(there.words()) == quick and asked(there.words()) == words


def test_audio_that_stage_1_has_not_noted_is_read(training, monkeypatch):
    monkeypatch.chdir(training.root)
    for part in PARTS:
        (training.root / f"raw/{part}/format.yaml").unlink()
    (training.root / "a.wav").write_text("sound")
    before = training.request()
    (training.root / "a.wav").write_text("another")
    assert difference(before, training.request()) == ["audio of train"]


def test_an_edited_list_is_noticed(training, monkeypatch):
    """What stage 1 has noted is of the list that it wrote."""
    monkeypatch.chdir(training.root)
    scp, stamp = (training.root / f"raw/train/{x}" for x in ("wav.scp", "format.yaml"))
    before = training.request()
    stamp.write_text(f"{stamp.read_text()}wav_scp_sha256: {sha256_file(scp)}\n")
    assert training.request() == before
    scp.write_text(scp.read_text().replace("a.wav", "b.wav"))
    assert difference(before, training.request()) == ["audio of train"]


def test_a_levelled_set_is_another(training, monkeypatch):
    monkeypatch.chdir(training.root)
    before = training.request()
    stamp = training.root / "raw/train/format.yaml"
    stamp.write_text(f"{stamp.read_text()}request: {{level_db: -26.0}}\n")
    assert difference(before, training.request()) == ["audio of train"]


def test_an_option_that_is_new_in_a_later_version_has_its_default(
    training, monkeypatch
):
    monkeypatch.chdir(training.root)
    old = training.request()
    new = copy.deepcopy(old)
    new["options"]["added"] = 5
    assert request_differences(old, new, {"added": 5}) == []
    assert request_differences(old, new, {"added": 6}) == ["added 6 -> 5"]


def test_a_comment_is_not_asked_for(training):
    config = training.root / "conf/train.yaml"
    before = asked(training.words())
    config.write_text(f"# tried: 0.1\n{config.read_text()}")
    assert asked(training.words()) == before
    config.write_text("optim_conf:\n    lr: 0.002\n")
    assert asked(training.words()) != before


def test_other_words_and_files_that_they_name_are_asked_for(training, monkeypatch):
    monkeypatch.chdir(training.root)
    before = asked(training.words())
    # What launchers add is not.
    more = ["--ngpu", "0", "--multiprocessing_distributed", "true", "--dist_rank=1"]
    assert asked([*training.words(), *more]) == before
    assert asked([*training.words(), "--seed", "1"]) != before
    for words in (["--init_param", "init.pth:a"], ["--init_param=init.pth"]):
        with_file = asked([*training.words(), *words])
        (training.root / "init.pth").write_text(f"other {words}")
        assert asked([*training.words(), *words]) != with_file


def test_every_option_that_decides_nothing_is_one_of_the_task():
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask

    known = vars(DistilMOSTask.get_parser().parse_args([]))
    own = {"required", "version", "distributed"}  # which ESPnet adds to them
    assert set(NOT_DECIDING) - own <= set(known)
    assert len(set(NOT_DECIDING)) == len(NOT_DECIDING)
