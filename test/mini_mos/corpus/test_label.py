"""Families of degradations, and the label that PESQ gives."""

import numpy as np
import pytest
from made_speech import speech_like

from mini_mos.corpus.families import FAMILIES
from mini_mos.corpus.label import pesq_mos
from mini_mos.corpus.signal import (
    Unusable,
    add_at_snr,
    align,
    generator,
    set_level,
)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_family_keeps_length_and_gets_worse(name):
    family = FAMILIES[name]
    x = set_level(speech_like(7, 1.3))
    marks = []
    for severity in (0.0, 0.5, 1.0):
        parameters = {**family.character(generator(name)), **family.at(severity)}
        y = family.apply(x, generator(severity), **parameters)
        again = family.apply(x, generator(severity), **parameters)
        assert y.shape == x.shape and np.all(np.isfinite(y))
        np.testing.assert_array_equal(y, again)
        marks.append(pesq_mos(x, y))
    assert marks[0] > 3.3
    assert marks[2] < marks[0] - 0.3


def test_label_falls_with_noise():
    x = set_level(speech_like(3, 1.5))
    noise = np.random.default_rng(0).standard_normal(len(x))
    marks = [pesq_mos(x, add_at_snr(x, noise, db)) for db in (50, 35, 20, 5)]
    assert marks == sorted(marks, reverse=True)
    assert marks[0] - marks[-1] > 1.5
    assert pesq_mos(x, x) > 4.5


def test_unlabelled_clip_has_a_reason():
    with pytest.raises(Unusable, match="PESQ"):
        pesq_mos(np.zeros(16000), np.zeros(16000))


@pytest.mark.parametrize("lag", (-312, 0, 1105))
def test_align_takes_delay_out(lag):
    x = speech_like(1, 1.0)
    moved = np.concatenate([np.zeros(lag), x]) if lag > 0 else x[-lag:]
    inner = slice(400, len(x) - 400)
    np.testing.assert_allclose(align(x, moved)[inner], x[inner])
    assert len(align(x, moved)) == len(x)
