"""Classes of frames, and probes that find them."""

import numpy as np
import scipy.signal

from mini_mos.pretrain.frame_classes import BANDS, frame_classes
from mini_mos.pretrain.probes import folds_of, probe
from mini_mos.pretrain.targets import LogMel


def test_frame_classes_tell_silence_voice_and_bands():
    t = np.arange(16000) / 16000
    tone = (np.sin(2 * np.pi * 150 * t) * (t < 0.4)).astype(np.float32)
    noise = np.random.default_rng(0).standard_normal(16000) * (t >= 0.6)
    b, a = scipy.signal.butter(6, 5000, "high", fs=16000)
    hiss = scipy.signal.lfilter(b, a, noise).astype(np.float32)
    classes = frame_classes(tone + hiss, LogMel())
    assert classes.shape == (49,)
    assert set(classes[2:18]) == {1 + BANDS}  # voiced, lowest band
    assert set(classes[21:28]) == {0}
    assert set(classes[32:48]) <= {BANDS, BANDS - 1}  # not voiced, high


def test_a_probe_finds_what_is_there_and_nothing_else():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 6))
    folds = folds_of([f"p{i // 2}" for i in range(200)], 0)
    assert (folds[::2] == folds[1::2]).all() and set(folds) == set(range(5))
    label = ["yes" if v > 0 else "no" for v in x[:, 2]]
    assert probe(x, label, folds) > 0.9
    assert probe(x, list(2 * x[:, 1] + 1), folds) > 0.99
    chance = probe(x, list(rng.permutation(label)), folds)
    assert 0.35 < chance < 0.65
    some = [v if i % 2 else None for i, v in enumerate(label)]
    assert probe(x, some, folds) > 0.8
    assert probe(x, ["one"] * 200, folds) is None
