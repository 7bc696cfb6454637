"""A recipe of this repository that stands in an ESPnet checkout, with Slurm."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from espnet_tree import LAYOUTS, make_espnet, make_fbank_model, state

REPO = Path(__file__).parents[2]
INTO = REPO / "egs2/TEMPLATE/distilmos1/into_espnet.sh"
# Without MAIN_ROOT: where the recipe stands must be enough.
ENV = {k: v for k, v in os.environ.items() if k not in ("MAIN_ROOT", "KALDI_ROOT")}
ENV["DISTILMOS_PYTHON"] = sys.executable


def into(*arguments):
    return subprocess.run([INTO, *arguments], capture_output=True, text=True)


@pytest.fixture
def espnet(tmp_path, request):
    layout = getattr(request, "param", LAYOUTS[0])
    return make_espnet(tmp_path / "espnet", layout).parents[2]


# Where the cluster scripts of each layout are.
SCRIPTS = {
    "202611": "egs2/TEMPLATE/asr1/utils",
    "kaldi": "tools/kaldi/egs/wsj/s5/utils/parallel",
}
both_layouts = pytest.mark.parametrize(
    "espnet, scripts", SCRIPTS.items(), indirect=["espnet"], ids=SCRIPTS
)
SHOW = '. ./path.sh && . ./cmd.sh && echo "$train_cmd $cuda_cmd $decode_cmd"'


def run(recipe, command, **env):
    return subprocess.run(
        ["bash", "-euc", command],
        cwd=recipe,
        env={**ENV, **env},
        capture_output=True,
        text=True,
    )


def test_scoring_goes_through_the_checkouts_slurm(espnet, tmp_path):
    before = state(espnet)
    assert into("mini_mos", espnet).returncode == 0
    recipe = espnet / "egs2/mini_mos/distilmos1"
    added = {k for k in state(espnet) if k not in before}
    assert {k.split("/")[1] for k in added} == {"mini_mos"}
    assert {k: v for k, v in state(espnet).items() if k in before} == before
    assert not (recipe / "cmd.sh").is_symlink() and not (recipe / "conf").is_symlink()

    model = make_fbank_model(tmp_path / "model")
    data = recipe / "dump/raw/test"
    (data / "wav").mkdir(parents=True)
    for i in range(4):
        samples = 0.1 * np.random.default_rng(i).standard_normal(8000)
        soundfile.write(data / f"wav/u{i}.wav", samples, 16000)
    clips = [f"u{i} {data}/wav/u{i}.wav\n" for i in range(4)]
    (data / "wav.scp").write_text("".join(clips))
    (data / "utt2num_samples").write_text("".join(f"u{i} 8000\n" for i in range(4)))
    (data / "utt2mos").write_text("".join(f"u{i} {i + 1}\n" for i in range(4)))
    calls = tmp_path / "calls"
    done = run(
        recipe,
        f"./run.sh --stage 6 --stop_stage 6 --download_model {model} --test_sets test"
        " --reference_rows false --set_notes ''",
        cmd_backend="slurm",
        RUN_PL_CALLS=str(calls),
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (call,) = calls.read_text().splitlines()
    assert call.startswith("slurm.pl --gpu 0 JOB=1:2 exp/mos_model/")
    scores = recipe / "exp/mos_model/inference_model/test/utt2mos"
    assert len(scores.read_text().splitlines()) == 4
    assert (recipe / "exp/RESULTS.md").exists()


@both_layouts
def test_jobs_are_local_unless_asked_and_slurm_is_that_of_the_checkout(espnet, scripts):
    assert into("mini_mos", espnet).returncode == 0
    recipe = espnet / "egs2/mini_mos/distilmos1"
    assert run(recipe, SHOW).stdout.split() == ["utils/run_local.py"] * 3
    slurm = espnet / scripts / "slurm.pl"
    assert run(recipe, SHOW, cmd_backend="slurm").stdout.split() == [str(slurm)] * 3
    # Also where the corpus' whole folder is a link.
    (espnet / "egs2/linked").symlink_to(REPO / "egs2/mini_mos")
    linked = espnet / "egs2/linked/distilmos1"
    command = f"cd {linked} && {SHOW}"
    # No settings of the scheduler are in it: then the checkout's own.
    conf = espnet / "egs2/TEMPLATE/asr1/conf/slurm.conf"
    with_conf = [str(slurm), "--config", str(conf)] * 3
    found = run(espnet, command, cmd_backend="slurm")
    assert found.stdout.split() == with_conf
    conf.rename(conf.with_suffix(".other"))
    found = run(espnet, command, cmd_backend="slurm")
    assert found.stdout.split() == [str(slurm)] * 3
    conf.with_suffix(".other").rename(conf)
    # Standing alone there is no Slurm to be found, unless MAIN_ROOT says where.
    mini_mos = REPO / "egs2/mini_mos/distilmos1"
    alone = run(mini_mos, SHOW, cmd_backend="slurm")
    assert alone.returncode != 0 and "needs slurm.pl" in alone.stderr
    found = run(mini_mos, SHOW, cmd_backend="slurm", MAIN_ROOT=str(espnet))
    assert found.stdout.split() == with_conf


@both_layouts
@pytest.mark.parametrize("backend", ["sge", "pbs", "ssh"])
def test_every_backend_that_the_checkout_has(espnet, scripts, backend):
    assert into("mini_mos", espnet).returncode == 0
    recipe = espnet / "egs2/mini_mos/distilmos1"
    script = {"sge": "queue.pl"}.get(backend, f"{backend}.pl")
    done = run(recipe, SHOW, cmd_backend=backend)
    if (espnet / scripts / script).exists():
        assert done.stdout.split() == [str(espnet / scripts / script)] * 3
        return
    # What was set is not asked for again; a hint that helps instead.
    assert (backend, done.returncode, done.stdout) == ("ssh", 1, "")
    assert done.stderr == (
        "cmd.sh: error: cmd_backend=ssh: needs ssh.pl: not on the PATH, not in ESPnet "
        f"or its tools/kaldi (MAIN_ROOT={espnet}); only Kaldi has it: set KALDI_ROOT "
        "to a checkout of Kaldi\n"
    )
    kaldi = espnet / "kaldi"
    ssh = kaldi / "egs/wsj/s5/utils/parallel/ssh.pl"
    ssh.parent.mkdir(parents=True)
    ssh.touch(0o755)
    done = run(recipe, SHOW, cmd_backend=backend, KALDI_ROOT=str(kaldi))
    assert done.stdout.split() == [str(ssh)] * 3


def test_a_recipe_gets_the_checkouts_settings_of_the_schedulers(espnet):
    mine = "# slurm.conf\ncommand mine\n"
    (espnet / "egs2/TEMPLATE/asr1/conf/slurm.conf").write_text(mine)
    assert into("mini_mos", espnet).returncode == 0
    conf = espnet / "egs2/mini_mos/distilmos1/conf"
    assert (conf / "slurm.conf").read_text() == mine
    assert (conf / "queue.conf").read_text() == "# queue.conf\ncommand x\n"
    assert (conf / "pbs.conf").exists() and not (conf / "fbank.conf").exists()
    assert not list((REPO / "conf").glob("*.conf"))


def test_a_folder_with_a_blank_is_refused_before_a_job_fails_in_it(tmp_path):
    espnet = make_espnet(tmp_path / "my espnet").parents[2]
    assert into("mini_mos", espnet).returncode == 0
    recipe = espnet / "egs2/mini_mos/distilmos1"
    assert run(recipe, SHOW).returncode == 0
    done = run(recipe, SHOW, cmd_backend="slurm")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "slurm.pl: the cluster scripts cannot work in a folder" in done.stderr


def test_nothing_is_overwritten_and_mistakes_are_named(espnet, tmp_path):
    assert into("mini_mos", espnet).returncode == 0
    before = state(espnet)
    done = into("mini_mos", espnet)
    assert done.returncode == 1 and "is there already" in done.stderr
    assert state(espnet) == before
    for arguments, message in (
        (["none", espnet], "none: no recipe of this corpus"),
        (["TEMPLATE", espnet], "TEMPLATE: no recipe"),
        (["mini_mos", tmp_path], "not an ESPnet checkout"),
        (["mini_mos"], "usage: "),
    ):
        done = into(*arguments)
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
