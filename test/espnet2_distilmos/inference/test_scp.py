"""Scoring the clips of a wav.scp, through the command."""

import kaldiio
import numpy as np
import pytest
import soxr
import torch
from random_models import write_random_model

from espnet2_distilmos.bin.distilmos_inference import main
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.utils.datadir import read_floats
from espnet2_distilmos.utils.errors import UserError

LENGTHS = [9000, 24000, 4000, 16000]


@pytest.fixture(scope="module")
def exp(tmp_path_factory, wavlm_conf, make_set, noise):
    """A model of random weights and four clips at 24 kHz."""
    folder = tmp_path_factory.mktemp("exp")
    write_random_model(folder, wavlm_conf())
    clips = {f"u{i}": noise(i, n) for i, n in enumerate(LENGTHS)}
    make_set(folder / "test", clips, rate=24000)
    return folder


def options(exp, output_dir, *more):
    data = f"{exp / 'test/wav.scp'},speech,sound"
    model = str(exp / "model.pth")
    return [
        *("--data_path_and_name_and_type", data),
        *("--model_file", model, "--output_dir", str(output_dir)),
        *more,
    ]


@pytest.fixture(scope="module")
def scored(exp, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    main(options(exp, folder))
    return folder


def test_scores_are_those_of_single_clips_to_the_bit(exp, scored, noise):
    model = DistilMOSInference(None, exp / "model.pth")
    scores = read_floats(scored / "utt2mos")
    frames = kaldiio.load_scp(str(scored / "frame_mos.scp"))
    assert list(scores) == list(frames) == ["u0", "u1", "u2", "u3"]
    for i, n in enumerate(LENGTHS):
        expected = model(soxr.resample(noise(i, n), 24000, 16000))
        # To the bit: what a job scores must not depend on which clips it shares with.
        assert scores[f"u{i}"] == float(f"{expected['mos']:.6f}")
        assert np.array_equal(frames[f"u{i}"], expected["frame_mos"])
    assert len(set(scores.values())) == 4


def test_key_files_choose_clips_and_change_no_score(exp, scored, tmp_path):
    """As the jobs of stage 6, in any order."""
    keys = tmp_path / "keys.scp"
    keys.write_text("u3 x.wav\nu1 y.wav\n")
    main(options(exp, tmp_path / "out", "--key_file", str(keys)))
    found = read_floats(tmp_path / "out/utt2mos")
    every = read_floats(scored / "utt2mos")
    assert found == {"u1": every["u1"], "u3": every["u3"]}
    keys.write_text("u9\n")
    with pytest.raises(UserError, match="keys.scp: u9 is not in .*wav.scp"):
        main(options(exp, tmp_path / "out", "--key_file", str(keys)))


def test_whole_results_are_not_made_again(exp, scored):
    before = (scored / "utt2mos").stat().st_mtime_ns
    main(options(exp, scored))
    assert (scored / "utt2mos").stat().st_mtime_ns == before


def test_another_model_scores_again(exp, scored, tmp_path):
    for name in ("config.yaml", "test"):
        (tmp_path / name).symlink_to(exp / name)
    states = torch.load(exp / "model.pth", weights_only=True)
    states["network.predictor.decoder.output.bias"] += 1
    torch.save(states, tmp_path / "model.pth")
    main(options(exp, tmp_path / "out"))
    main(options(tmp_path, tmp_path / "out"))
    found, old = (read_floats(f / "utt2mos") for f in (tmp_path / "out", scored))
    assert all(found[u] == pytest.approx(old[u] + 1, abs=1e-5) for u in old)


def test_a_broken_clip_is_named_and_leaves_no_scores(exp, tmp_path):
    (tmp_path / "test").mkdir()
    wavs = (exp / "test/wav.scp").read_text()
    (tmp_path / "test/wav.scp").write_text(wavs + "zoe /nowhere/zoe.wav\n")
    for name in ("config.yaml", "model.pth"):
        (tmp_path / name).symlink_to(exp / name)
    with pytest.raises(UserError, match="^zoe: /nowhere/zoe.wav: no such file"):
        main(options(tmp_path, tmp_path / "out"))
    assert [p.name for p in (tmp_path / "out").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    "more, message",
    [
        (["--model_file", "absent.pth"], "absent.pth: no such file"),
        (["--key_file", "absent.scp"], "absent.scp: no such file"),
        (["--train_config", "absent.yaml"], "absent.yaml: no such file"),
    ],
)
def test_missing_files_are_one_line(exp, tmp_path, more, message):
    with pytest.raises(UserError, match=message):
        main(options(exp, tmp_path, *more))


def test_other_data_types_are_refused(exp, tmp_path, capsys):
    wrong = ["--data_path_and_name_and_type", "wav.scp,text,sound"]
    with pytest.raises(SystemExit) as end:
        main(options(exp, tmp_path, *wrong))
    assert end.value.code == 2
    assert "PATH,speech,sound was expected" in capsys.readouterr().err
