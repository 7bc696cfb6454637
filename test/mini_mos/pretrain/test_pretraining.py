"""Pretraining from speech to an upstream, on made-up speech; no network is needed."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from made_speech import speech_like
from pretrain_work import CONFIG, Work, write_speech

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml
from mini_mos.bin import probe_layers
from mini_mos.corpus.families import FAMILIES
from mini_mos.corpus.plan import SETS, split_prompts
from mini_mos.corpus.speech import find_speech
from mini_mos.corpus.systems import family_names
from mini_mos.pretrain import trainer
from mini_mos.pretrain.config import read_config
from mini_mos.pretrain.corpus import SSLCorpus
from mini_mos.pretrain.model import draw_mask
from mini_mos.pretrain.sources import find_sources
from mini_mos.pretrain.targets import load_targets


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Corpus, both iterations and the export."""
    made = Work(tmp_path_factory.mktemp("ssl"))
    write_speech(made.speech)
    assert made.make_corpus() == 0
    assert made.train(1, "exp_it1") == 0
    assert made.train(2, "exp_it2") == 0
    assert made.export("exp_it2/model.pt", "mini.pt") == 0
    return made


def rows_of(corpus: Path) -> list[dict]:
    with open(corpus / "clips.tsv") as f:
        return list(csv.DictReader(f, delimiter="\t"))


def test_nothing_of_the_test_sets_is_in_the_corpus(work):
    """By name, by the recording's hash, by speaker and by family."""
    prompts, _ = find_speech(work.speech / "mini_mos", long_ones=False)
    pools = split_prompts(prompts, {"it", "ru"}, list(SETS), 0)
    tested = [p for s in SETS if s != "train" for p in pools[s]]
    assert all(pools[s] for s in SETS)
    listed = read_yaml(work.corpus / "exclusion.yaml")
    names = {n for own in listed["prompts"].values() for n in own}
    assert names == {p.name for p in tested}
    unheard = {p.key for p in prompts if p.speaker in ("it", "ru")}
    assert set(listed["audio_keys"]) == {p.key for p in tested} | unheard
    rows = rows_of(work.corpus)
    assert not names & {r["prompt"] for r in rows}
    assert not set(listed["audio_keys"]) & {r["audio_key"] for r in rows}
    assert not {"it", "ru"} & {r["speaker"] for r in rows}
    used = {f for r in rows for f in r["families"].split("+") if f}
    assert used and not used & {n for n, f in FAMILIES.items() if f.held_out}
    assert {p.key for p in pools["train"]} <= {r["audio_key"] for r in rows}


def test_what_is_excluded_is_refused(work):
    speech = find_sources(work.speech)
    tested = speech.held_out[0]
    with pytest.raises(UserError, match=f"{tested.name} is on the exclusion list"):
        speech.exclusion.check([tested], [])
    renamed = replace(tested, speaker="somebody", name="other")
    with pytest.raises(UserError, match="exclusion list"):
        speech.exclusion.check([renamed], [])  # known by its sound
    with pytest.raises(UserError, match="held out"):
        speech.exclusion.check([], family_names(held_out=True)[:1])


def test_a_copied_test_recording_is_found(tmp_path, work, capsys):
    speech = find_sources(work.speech)
    other = Work(tmp_path)
    write_speech(other.speech)
    copy = other.speech / "more/game_cs/m/innocent.wav"
    copy.write_bytes(Path(speech.held_out[0].path).read_bytes())
    assert other.make_corpus() == 1
    assert "exclusion list" in capsys.readouterr().err


def test_parts_share_no_prompt(work):
    rows = rows_of(work.corpus)
    parts = {
        p: {r["prompt"] for r in rows if r["part"] == p} for p in ("train", "valid")
    }
    assert parts["train"] and parts["valid"]
    assert not parts["train"] & parts["valid"]


def test_corpus_is_whole_and_made_once(work):
    corpus = SSLCorpus(work.corpus)
    samples = np.load(work.corpus / "samples.npy", mmap_mode="r")
    assert samples.dtype == np.int16
    assert sum(int(r["samples"]) for r in corpus.rows) == len(samples)
    last = corpus.clip(len(corpus.rows) - 1)
    assert np.array_equal(np.round(last * 32767), samples[-len(last) :])
    before = (work.corpus / "samples.npy").stat().st_mtime_ns
    assert work.make_corpus() == 0
    assert (work.corpus / "samples.npy").stat().st_mtime_ns == before


def test_crops_are_cut_or_repeated(work):
    corpus = SSLCorpus(work.corpus)
    i = corpus.part("train")[0]
    x = corpus.clip(i)
    rng = np.random.default_rng(0)
    long = corpus.crops([i], 2, len(x) + 500, rng)
    assert np.array_equal(long[0, len(x) :], x[:500])
    short = corpus.crops([i], 1, 8000, rng)[0]
    starts = np.lib.stride_tricks.sliding_window_view(x, 8000)
    assert (starts == short).all(axis=1).any()


def test_masks_hide_spans_and_leave_something():
    rng = np.random.default_rng(0)
    mask = draw_mask(rng, 64, 200, 0.06, 10)
    # 1 - 0.94 ** 10 of the frames, less at the beginning.
    assert 0.40 < mask.float().mean() < 0.48
    for start in (0.0, 1.0):
        mask = draw_mask(rng, 2, 12, start, 10)
        assert mask.any() and not mask.all()


def test_both_iterations_learn_their_targets(work):
    one, two = (load_targets(work.folder / f"exp_it{i}/targets.pt") for i in (1, 2))
    assert one.sizes == [6] * 4 and one.teacher is None
    assert two.sizes == [6] * 4 + [5] * 2 and two.layers == [1, 2]
    assert math.isclose(sum(two.weights(0.5)), 1) and two.weights(0.5)[-1] == 0.25
    x = torch.from_numpy(np.stack([speech_like(1, 1.2), speech_like(2, 1.2)])).float()
    labels = two(x)
    frames = (x.shape[1] - 400) // 320 + 1
    assert labels.shape == (2, frames, 6)
    # The level does not count, where there is no digital silence.
    x = x + 0.01 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(two(x)[..., :4], one(0.5 * x))
    assert all(labels[..., j].unique().numel() > 1 for j in range(6))
    with open(work.folder / "exp_it2/curve.tsv") as f:
        curve = list(csv.DictReader(f, delimiter="\t"))
    assert [row["step"] for row in curve] == ["5", "10"]
    for i in (1, 2):
        assert (work.folder / f"exp_it{i}/curve.png").stat().st_size > 1000


def test_the_loss_falls(tmp_path, work):
    conf = {**CONFIG, "iterations": [{"steps": 60, "lr": 0.01, "save_steps": 20}]}
    longer = Work(tmp_path, conf)
    longer.corpus = work.corpus
    assert longer.train(1, "exp_it1") == 0
    with open(tmp_path / "exp_it1/curve.tsv") as f:
        losses = [float(r["valid_loss"]) for r in csv.DictReader(f, delimiter="\t")]
    assert losses[-1] < losses[0] - 0.1


def test_a_stopped_run_goes_on_to_the_same_weights(work, tmp_path, monkeypatch):
    again = Work(tmp_path)
    again.corpus = work.corpus
    update = trainer.Pretrainer.update

    def stop_at_8(self):
        if self.step == 8:
            raise KeyboardInterrupt
        return update(self)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Pretrainer, "update", stop_at_8)
        assert again.train(1, "exp_it1") == 130
    assert (tmp_path / "exp_it1/checkpoint.pt").exists()
    assert not (tmp_path / "exp_it1/model.pt").exists()
    assert again.train(1, "exp_it1") == 0
    for name in ("model.pt", "curve.tsv"):
        whole = (work.folder / "exp_it1" / name).read_bytes()
        if name == "curve.tsv":
            assert (tmp_path / "exp_it1" / name).read_bytes() == whole
            continue
        a, b = (
            torch.load(f / "exp_it1" / name, weights_only=True)["model"]
            for f in (work.folder, tmp_path)
        )
        assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_iteration_2_starts_from_iteration_1(work):
    start = torch.load(work.folder / "exp_it1/model.pt", weights_only=True)
    job = trainer.Pretrainer(
        SSLCorpus(work.corpus),
        load_targets(work.folder / "exp_it2/targets.pt"),
        read_config(work.config),
        2,
        start,
    )
    weights = job.model.wavlm.state_dict()
    assert all(torch.equal(weights[k], v) for k, v in start["model"].items())


def test_the_export_is_the_trained_model_in_half_precision(work):
    path = work.folder / "mini.pt"
    content = torch.load(path, weights_only=True)
    assert set(content) == {"cfg", "model"}
    assert {v.dtype for v in content["model"].values()} == {torch.float16}
    assert content["cfg"]["dropout"] == 0.0  # of `finetune`
    conf = UpstreamConfig("wavlm_local", str(path))
    exact = UpstreamConfig("wavlm_local", str(work.folder / "exp_it2/model.pt"))
    x = torch.from_numpy(np.stack([speech_like(7, 1.2), speech_like(8, 1.2)])).float()
    lengths = torch.tensor([x.shape[1], 12000])
    with torch.no_grad():
        half, _ = build_upstream(conf).eval()(x, lengths)
        full, _ = build_upstream(exact).eval()(x, lengths)
    assert len(half) == 2 and half[0].dtype == torch.float32
    for a, b in zip(half, full):
        assert torch.allclose(a, b, atol=0.02) and not torch.equal(a, b)
    card = path.with_suffix(".md").read_text()
    from espnet2_distilmos.utils.files import sha256_file

    assert sha256_file(path) in card and "GPL-2" in card and "CC BY-SA" in card
    assert "| 2 | 10 |" in card


def test_the_same_model_gives_the_same_bytes(work):
    assert work.export("exp_it2/model.pt", "again.pt") == 0
    again = (work.folder / "again.pt").read_bytes()
    assert again == (work.folder / "mini.pt").read_bytes()


def test_weights_too_large_for_half_precision_are_refused(work, tmp_path, capsys):
    content = torch.load(work.folder / "exp_it2/model.pt", weights_only=True)
    content["model"]["mask_emb"][0] = 1e6
    (tmp_path / "exp_it2").mkdir()
    torch.save(content, tmp_path / "exp_it2/model.pt")
    other = Work(tmp_path)
    other.corpus = work.corpus
    assert other.export("exp_it2/model.pt", "big.pt") == 1
    assert "mask_emb does not fit" in capsys.readouterr().err
    assert not (tmp_path / "big.pt").exists()


def test_stages_out_of_order_name_what_is_missing(tmp_path, work, capsys):
    empty = Work(tmp_path)
    assert empty.train(1, "exp_it1") == 1
    assert "run stage 1 first" in capsys.readouterr().err
    empty.corpus = work.corpus
    assert empty.train(2, "exp_it2") == 1
    assert "train the iteration before first" in capsys.readouterr().err
    assert empty.export("exp_it2/model.pt", "mini.pt") == 1
    assert "run the training stages first" in capsys.readouterr().err


def test_probes_of_layers_report_every_model(work, tmp_path):
    random = UpstreamConfig(
        "wavlm_local",
        str(tmp_path / "random.pt"),
        random_init={"seed": 1, "config": CONFIG["model"]},
    )
    (tmp_path / "random.yaml").write_text(yaml.safe_dump(random.to_dict()))
    options = ["--pretrain_config", str(work.config), "--speech_dir", str(work.speech)]
    options += ["--upstreams", f"trained={work.folder}/mini.pt"]
    options += [f"random={tmp_path}/random.yaml", "--output_dir", str(tmp_path / "out")]
    assert run(probe_layers.main, [*options, "--nj", "1", "--versions", "2"]) == 0
    results = yaml.safe_load((tmp_path / "out/probes.json").read_text())
    assert set(results["figures"]) == {"log-mel", "trained", "random"}
    assert set(results["figures"]["trained"]) == {"layer 1", "layer 2"}
    assert results["chance"]["speaker"] == pytest.approx(1 / 3)  # en and es are one
    for model in results["figures"].values():
        for figures in model.values():
            assert 0 <= figures["token purity"] <= 1
            assert 0 <= figures["speaker"] <= 1
    table = (tmp_path / "out/probes.md").read_text()
    assert table.count("| random ") == 2 and "token purity" in table
    assert (tmp_path / "out/probes.png").stat().st_size > 5000
