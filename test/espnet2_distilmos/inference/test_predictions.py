"""Predictions of whole sets, shared out over jobs, through the command."""

import kaldiio
import numpy as np
import pytest
from random_models import write_random_model

from espnet2_distilmos.bin.distilmos_inference import main
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import read_floats, write_lines
from espnet2_distilmos.utils.files import folder_lock

LENGTHS = {"test": [9000, 24000, 4000, 16000, 7000], "more/test": [5000, 12000]}


@pytest.fixture(scope="module")
def exp(tmp_path_factory, wavlm_conf, make_set, noise):
    """A model of random weights and two formatted sets."""
    folder = tmp_path_factory.mktemp("exp")
    write_random_model(folder, wavlm_conf())
    for name, lengths in LENGTHS.items():
        clips = {f"u{i}": noise(i + len(name), n) for i, n in enumerate(lengths)}
        mos = dict.fromkeys(clips, 3.0)
        make_set(folder / "raw" / name, clips, mos=mos)
        samples = {utt: len(clip) for utt, clip in clips.items()}
        write_lines(folder / "raw" / name / "utt2num_samples", samples)
    return folder


def options(exp, output_dir, *more):
    sets = [str(exp / "raw" / name) for name in LENGTHS]
    return [
        *("--data_dirs", *sets, "--root", str(exp / "raw")),
        *("--model_file", str(exp / "model.pth"), "--output_dir", str(output_dir)),
        *("--shard_seconds", "1.0"),
        *more,
    ]


def read(folder):
    return {
        name: (
            (folder / name / "utt2mos").read_bytes(),
            {
                utt: frames.tobytes()
                for utt, frames in kaldiio.load_scp(
                    str(folder / name / "frame_mos.scp")
                ).items()
            },
        )
        for name in LENGTHS
    }


def test_scores_are_those_of_single_clips_with_any_number_of_jobs(exp, tmp_path, noise):
    main(options(exp, tmp_path / "one"))
    for job in ("3", "1", "2"):
        main(options(exp, tmp_path / "three", "--nj", "3", "--job", job))
    assert not list((tmp_path / "three").glob("**/inference.yaml"))
    main(options(exp, tmp_path / "three", "--nj", "3", "--combine"))
    assert read(tmp_path / "one") == read(tmp_path / "three")
    model = DistilMOSInference(None, exp / "model.pth")
    for name, lengths in LENGTHS.items():
        scores = read_floats(tmp_path / "one" / name / "utt2mos")
        frames = kaldiio.load_scp(str(tmp_path / "one" / name / "frame_mos.scp"))
        assert list(scores) == [f"u{i}" for i in range(len(lengths))]
        for i, n in enumerate(lengths):
            expected = model(noise(i + len(name), n), 16000)
            assert scores[f"u{i}"] == float(f"{expected['mos']:.6f}")
            assert np.array_equal(frames[f"u{i}"], expected["frame_mos"])
    assert not list(tmp_path.rglob("shards"))


def test_what_is_whole_is_not_made_again(exp, tmp_path, monkeypatch):
    """Nor is the model loaded, or what a killed job had made of a set."""
    main(options(exp, tmp_path, "--nj", "2", "--job", "1"))
    loaded = []
    import espnet2_distilmos.bin.distilmos_inference as command

    load = command._load_model
    monkeypatch.setattr(command, "_load_model", lambda a: loaded.append(1) or load(a))
    parts = list(tmp_path.rglob("shard.yaml"))
    before = {p: p.stat().st_mtime_ns for p in parts}
    main(options(exp, tmp_path, "--nj", "2", "--job", "1"))
    assert loaded == [] and len(parts) > 1
    main(options(exp, tmp_path, "--nj", "2", "--job", "2"))
    assert loaded == [1]
    assert before == {p: p.stat().st_mtime_ns for p in parts}
    main(options(exp, tmp_path, "--nj", "2", "--combine"))
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("utt2mos")}
    main(options(exp, tmp_path))
    assert loaded == [1]
    assert times == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("utt2mos")}


def test_two_runs_in_one_folder(exp, tmp_path, capsys):
    """The second is told so before it loads a model; jobs of one run are not."""
    with folder_lock(tmp_path):
        assert run(main, options(exp, tmp_path)) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {tmp_path}: another process is writing here")
        main(options(exp, tmp_path, "--nj", "2", "--job", "1"))
    assert list(tmp_path.rglob("shard.yaml"))


def test_joining_needs_every_part(exp, tmp_path, capsys):
    main(options(exp, tmp_path, "--nj", "2", "--job", "1"))
    assert run(main, options(exp, tmp_path, "--nj", "2", "--combine")) == 1
    assert "not whole, with" in capsys.readouterr().err
    assert not list(tmp_path.rglob("inference.yaml"))


@pytest.mark.parametrize(
    "more, message",
    [
        (["--key_file", "keys"], "--key_file goes with --data_path_and_name_and_type"),
        (
            ["--data_path_and_name_and_type", "wav.scp,speech,sound"],
            "not allowed with argument --data_dirs",
        ),
    ],
)
def test_options_that_do_not_go_together(exp, tmp_path, more, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(options(exp, tmp_path, *more))
    assert end.value.code == 2 and message in capsys.readouterr().err


def test_a_set_is_not_written_over(exp, capsys):
    assert run(main, options(exp, exp / "raw")) == 1
    assert "is read here and would be written over" in capsys.readouterr().err
    assert set(read_floats(exp / "raw/test/utt2mos").values()) == {3.0}


def test_two_sets_of_one_name_are_refused(exp, tmp_path, capsys):
    """One would take the place of the other, and nobody would be told."""
    call = options(exp, tmp_path)
    root = call.index("--root")
    assert run(main, call[:root] + call[root + 2 :]) == 1
    err = capsys.readouterr().err
    assert "are both called test; name the folder that both are in (--root)" in err
    assert not list(tmp_path.iterdir())
