"""Tiny models of all families."""

from pathlib import Path

import pytest
import tiny_ctranslate2 as ct2
import tiny_upstreams as tiny


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """Function: adapter of a family's tiny model, with keys of the configuration."""
    folder = tmp_path_factory.mktemp("families")
    made = {}

    def build(family, style="post", **keys):
        if (family, style) not in made:
            made[family, style] = tiny.make(family, folder, style)
        return tiny.build(made[family, style], **keys)

    return build


@pytest.fixture(scope="module")
def hub_folder(tmp_path_factory):
    """A tiny Whisper as the Hub has it, decoder included."""
    conf = tiny.make(
        "hf_whisper", tmp_path_factory.mktemp("hub"), max_source_positions=100
    )
    return Path(conf["path_or_url"])


@pytest.fixture(scope="module")
def states(hub_folder):
    from transformers import WhisperModel

    return WhisperModel.from_pretrained(hub_folder).encoder.state_dict()


@pytest.fixture(scope="module")
def content(states):
    return ct2.model_bin(ct2.whisper_variables(states, 2), aliases=ct2.ALIASES)
