"""tiny_mos: labels, sets and orders; neural voices and the teacher are not run here."""

import numpy as np
import pytest
import soundfile
from made_speech import speech_like
from miniatures import make_miniature

from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, read_floats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.labels import Labels
from mini_mos.bin import prepare_tiny_mos as command
from mini_mos.tiny_mos import neural, prepare, teacher, voices
from mini_mos.tiny_mos.human import to_usual_scale
from mini_mos.tiny_mos.labels import blend
from mini_mos.tiny_mos.prepare import TinySizes, prepare_tiny_mos
from mini_mos.tiny_mos.sentences import JAPANESE, english
from mini_mos.tts_engines.prepare import sentence

SIZES = TinySizes(
    train=24, train_codecs=8, valid=8, test_speaker=8, clean=4, ladder=3,
    systems=8,
)  # fmt: skip


def test_sentences_are_new_and_what_every_engine_takes():
    said = english(60, 1)
    assert len(set(said.values())) == 60
    assert said == english(60, 1) != english(60, 2)
    for text in said.values():
        assert sentence(text) == text
    assert len(set(JAPANESE)) == 16


def test_no_training_voice_is_tested():
    by_share = {
        share: {one.system for one in voices.SPOKEN if one.share == share}
        for share in ("train", "test")
    }
    assert all(by_share.values()) and not by_share["train"] & by_share["test"]
    assert len(voices.SPOKEN) == sum(map(len, by_share.values()))


def test_a_label_keeps_the_order_of_pesq_and_goes_half_way_to_the_teacher():
    rng = np.random.default_rng(0)
    pesq = {f"u{i:03d}": x for i, x in enumerate(np.sort(rng.uniform(1, 4.6, 200)))}
    recording = {u: rng.uniform(-0.5, 0.5) for u in pesq}
    originals = {u: 4.0 + r for u, r in recording.items()}
    heard = {u: 2.5 + 0.3 * x + recording[u] for u, x in pesq.items()}
    labels = blend({**heard, "tts": 2.5, "loud": 5.7}, pesq, originals)
    # How it was recorded is gone.
    for utt, x in pesq.items():
        assert labels[utt] == pytest.approx((x + 0.6 + 2.5 + 0.3 * x) / 2, abs=1e-5)
    assert (labels["tts"], labels["loud"]) == (2.5, 5.0)
    # What the teacher says against PESQ's order is no reason to change it.
    worse = blend({**heard, "u100": heard["u100"] - 1.0}, pesq, originals)
    assert (np.diff([worse[u] for u in pesq]) > 0).all()


def test_scales_are_mapped_end_to_end():
    assert [to_usual_scale(x, (0, 100)) for x in (0, 50, 100)] == [1, 3, 5]
    assert to_usual_scale(2.25, (1, 5)) == 2.25


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Where it is made: stand-ins for engines and teacher; speech of six voices."""
    tmp_path = tmp_path_factory.mktemp("tiny_mos")
    monkeypatch = pytest.MonkeyPatch()
    for speaker in range(6):
        for i in range(12):
            path = tmp_path / f"speech/v{speaker}/p{i:02d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, speech_like(speaker * 20 + i, 1.2), 16000)

    def speak(voice, texts, files, root):
        for i, name in enumerate(texts):
            files[name].parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(files[name], speech_like(500 + i, 1.0), 24000)

    calls = []

    def score(clips):
        calls.extend(utt for utt, _ in clips)
        return {utt: 1 + len(utt) % 40 / 10 for utt, _ in clips}

    monkeypatch.setattr(prepare, "fetch_packages", lambda _: (tmp_path, {"flite": "2"}))
    monkeypatch.setattr(prepare, "teacher_version", lambda: "0.9.1")
    monkeypatch.setattr(teacher, "teacher_version", lambda: "0.9.1")
    monkeypatch.setattr(voices, "_speak", speak)
    monkeypatch.setattr(teacher, "_score", score)
    monkeypatch.chdir(tmp_path)
    yield tmp_path, calls
    monkeypatch.undo()


def make(human=None, labels=None):
    prepare_tiny_mos("data", "audio", human, labels, "speech", SIZES, nj=1)


def load(name):
    return DataDir.load(f"data/{name}")


def test_the_sets(corpus):
    root, calls = corpus
    make()
    train, valid, spoken = map(load, ("train", "valid", "voices"))
    assert not train.wavs.keys() & valid.wavs.keys()
    assert spoken.wavs.keys() < train.wavs.keys()
    assert not [s for s in spoken.systems.values() if s.startswith("sys")]
    assert list(spoken.systems.values()).count("clean") == 4
    heard = {one.system for one in voices.SPOKEN if one.share == "train"}
    others = {one.system for one in voices.SPOKEN if one.share == "test"}
    for data in (train, valid):
        assert heard <= set(data.systems.values())
        assert not others & set(data.systems.values())
        assert all(1 <= mos <= 5 for mos in data.mos.values())
    assert list(train.systems.values()).count("clean") == 4
    assert Labels.beside("data/train").name == "MOS"
    assert not set(load("test_speaker").speakers.values()) & set(
        train.speakers.values()
    )
    # The teacher has heard each clip once (what is undegraded, also as an original),
    # and none of the orders.
    assert len(calls) == len(set(calls)) + 4
    assert not {u for u in calls if "snr" in u or "nezumi" in u}
    before = len(calls)
    make()
    assert len(calls) == before
    (root / "data/voices/wav.scp").unlink()
    make()
    assert len(calls) == before  # its scores are kept
    assert load("voices").mos == spoken.mos


def test_the_orders(corpus):
    make()
    noise = load("order_noise")
    speakers = set(load("test_speaker").speakers.values())
    assert set(noise.speakers.values()) <= speakers
    assert len(noise.wavs) == 4 * SIZES.ladder
    ranks = {s: {noise.mos[u] for u, x in noise.systems.items() if x == s} for s in
             ("clean", "snr20", "snr10", "snr0")}  # fmt: skip
    assert ranks == {"clean": {4.0}, "snr20": {3.0}, "snr10": {2.0}, "snr0": {1.0}}
    levels = {}
    for utt, wav in noise.wavs.items():
        samples, _ = soundfile.read(wav)
        levels.setdefault(noise.systems[utt], []).append(np.mean(samples**2))
    assert np.mean(levels["clean"]) < np.mean(levels["snr0"]) / 1.5
    found = load("order_voices")
    assert set(found.systems.values()) == {
        "human", "kokoro_jf_nezumi", "kokoro_jf_tebukuro", "festival_kal_diphone",
        "espeak-ng_en-gb-x-rp",
    }  # fmt: skip
    assert found.mos[next(u for u in found.wavs if u.startswith("festival"))] == 2.0
    assert Labels.beside("data/order_voices").name == "known order"


def test_human_ratings_come_on_one_scale(corpus):
    root, _ = corpus
    places = {n: make_miniature(n, root / n) for n in ("p835", "codec_mushra")}
    recipes = command.Path(__file__).parents[3] / "egs2"
    labels = {n: recipes / n / "distilmos1/local/labels.yaml" for n in places}
    make(places, labels)
    human = load("human")
    assert {s.split("-")[0] for s in human.systems.values()} == set(places)
    assert all(1 <= mos <= 5 for mos in human.mos.values())
    mushra = DataDir.load("audio/human/codec_mushra/all")
    assert len(mushra.wavs) > 0
    for utt, mos in mushra.mos.items():
        assert human.mos[f"codec_mushra-{utt}"] == pytest.approx(1 + mos / 25, abs=1e-5)
    said = Labels.beside("data/human")
    assert said.corpora == "p835, codec_mushra"
    assert "mapped from 0..100 to 1..5" in said.infos[1].detail


TEACHER_VERSION = teacher.teacher_version  # as it is before any stand-in


def test_what_is_missing_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prepare, "teacher_version", TEACHER_VERSION)
    monkeypatch.setattr(teacher, "NAME", "no-such-package")
    assert run(command.main, []) == 1
    error = capsys.readouterr().err
    assert "no-such-package is not installed; install the recipe's packages" in error
    assert error.count("\n") == 1
    monkeypatch.setitem(__import__("sys").modules, "hibari", None)
    with pytest.raises(UserError, match="hibari-tts cannot be imported"):
        neural.speak_hibari({"a": "One."}, {"a": tmp_path / "a.wav"})


def test_scores_of_the_teacher_go_on_after_an_interruption(tmp_path, monkeypatch):
    monkeypatch.setattr(teacher, "teacher_version", lambda: "0.9.1")
    wavs = {f"u{i:02d}": f"{i}.wav" for i in range(65)}
    asked = []

    def score(clips):
        if len(asked) == 1:
            raise KeyboardInterrupt
        asked.append([utt for utt, _ in clips])
        return {utt: float(utt[1:]) for utt, _ in clips}

    monkeypatch.setattr(teacher, "_score", score)
    with pytest.raises(KeyboardInterrupt):
        teacher.teacher_scores(wavs, tmp_path, nj=1)
    assert list(read_floats(tmp_path / "0000.txt")) == list(wavs)[:30]
    asked.append([])
    assert teacher.teacher_scores(wavs, tmp_path, nj=1) == {
        utt: float(utt[1:]) for utt in wavs
    }
    assert [len(a) for a in asked] == [30, 0, 30, 5]
