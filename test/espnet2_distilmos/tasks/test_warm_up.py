"""No preset warms up for more than a quarter of its steps, on its corpora."""

import re
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).parents[3]
CONF = REPO / "conf"
RATE = 16000

# Corpus -> clips of its training set, and seconds of a clip on average. The clips are
# those of the recipes' README.md; seconds are of the corpus (mini_mos: measured; somos:
# 23 h of 17,100 clips) or assumed, on the short side, since shorter clips make fewer
# steps. Padding, which makes more, is left out. `own` is the smallest corpus of one's
# own that is spoken of: 60 clips, 48 of them for training.
CORPORA = {
    "mini_mos": (1300, 2.4),
    "tiny_mos": (2382, 2.4),
    "bvcc": (4973, 4.0),
    "bc19": (136, 5.0),
    "somos": (14100, 4.9),
    "nisqa": (11020, 6.0),
    "tmhint_qi": (11644, 2.5),
    "singmos": (2000, 4.0),
    "p835": (84, 4.6),
    "codec_mushra": (64, 2.6),
    "own": (48, 4.0),
}
LARGE = ["bvcc", "somos", "nisqa", "tmhint_qi", "singmos"]
FOR = {
    "train_distilmos": LARGE,
    "train_nodistil": LARGE,
    "train_sslmos": [*LARGE, "bc19"],
    "train_distilmos_own": ["own", "bc19"],
    "train_distilmos_own_mini": ["own"],
    "train_distilmos_own_whisper_tiny": ["p835", "codec_mushra"],
    "train_sslmos_own_whisper_tiny": ["p835", "codec_mushra"],
    "train_distilmos_whisper_tiny": ["mini_mos", "tiny_mos"],
}


def presets():
    found = [*CONF.glob("train_*.yaml"), *CONF.glob("tuning/train_*.yaml")]
    assert len(found) >= 13
    return sorted(found)


def corpora_of(preset):
    """What a preset is for, unless FOR says otherwise."""
    return FOR.get(preset.stem, LARGE if preset.stem.endswith("gb") else ["mini_mos"])


def steps(conf, corpus):
    """Steps of the optimiser in a whole training."""
    clips, seconds = CORPORA[corpus]
    batches = conf.get("num_iters_per_epoch")
    if batches is None:
        assert conf["batch_type"] == "numel"
        batches = clips * seconds * RATE / conf["batch_bins"]
    found = batches / conf.get("accum_grad", 1) * conf["max_epoch"]
    return max(found, conf.get("min_steps") or 0)


def warm_up(conf, corpus):
    """Steps in which the rate rises."""
    of = conf["scheduler_conf"]
    if conf["scheduler"] == "warmuplr":
        return of["warmup_steps"]
    assert conf["scheduler"] == "tristagelr"
    # `auto`: all steps of the training (tasks/from_data.py).
    most = steps(conf, corpus) if of["max_steps"] == "auto" else of["max_steps"]
    return of["warmup_ratio"] * most


@pytest.mark.parametrize(
    "preset, corpus",
    [(p, c) for p in presets() for c in corpora_of(p)],
    ids=lambda value: getattr(value, "stem", value),
)
def test_no_preset_warms_up_for_more_than_a_quarter_of_its_steps(preset, corpus):
    conf = yaml.safe_load(preset.read_text())
    assert warm_up(conf, corpus) <= steps(conf, corpus) / 4


def test_what_is_refused_is_what_stood_there_before():
    """1000 steps of about 240 on BC19; 18 of 30 epochs on BVCC with 80 GB."""
    conf = yaml.safe_load((CONF / "train_distilmos.yaml").read_text())
    conf["scheduler_conf"]["warmup_steps"] = 1000
    assert 180 < steps(conf, "bc19") < 260
    assert warm_up(conf, "bc19") > steps(conf, "bc19")
    conf["batch_bins"] = 6400000
    assert warm_up(conf, "bvcc") > steps(conf, "bvcc") / 2


@pytest.mark.parametrize(
    "recipe", sorted(REPO.glob("egs2/*/distilmos1/run.sh")), ids=str
)
def test_a_recipe_trains_with_a_preset_that_is_for_it(recipe):
    corpus = recipe.parts[-3]
    named = re.findall(r"--train_config conf/(\S+\.yaml)", recipe.read_text())
    assert corpus in CORPORA and named
    assert all(corpus in corpora_of(CONF / name) for name in named)
