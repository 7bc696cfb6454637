"""Files of exported models: written with a CRC of their weights, refused if damaged."""

from dataclasses import replace

import numpy as np
import pytest

from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs.embedded import embedded_model
from espnet2_distilmos.packs.onnx_file import write_record
from espnet2_distilmos.packs.onnx_record import read_record
from espnet2_distilmos.utils.errors import UserError

CLIP = np.random.default_rng(0).standard_normal(8000).astype(np.float32) / 10


@pytest.fixture
def written(tmp_path):
    """A copy of the model in the package, with a CRC."""
    path = tmp_path / "model.onnx"
    source = embedded_model()[1]
    write_record(source, read_record(source), path)
    return path


def test_a_record_changes_no_score_and_no_crc(written, tmp_path):
    record = read_record(written)
    assert record.graph_crc32 is not None
    again = tmp_path / "again.onnx"
    write_record(written, replace(record, licence="another"), again)
    assert read_record(again) == replace(record, licence="another")
    scores = [
        DistilMOSInference(model_file=path)(CLIP)["mos"]
        for path in (embedded_model()[1], written, again)
    ]
    assert scores[0] == scores[1] == scores[2]


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_flipped_bit_is_noticed(written, part, tmp_path):
    data = bytearray(written.read_bytes())
    data[int(part * len(data))] ^= 4
    written.write_bytes(data)
    record = read_record(written)  # the graph is whole, its weights are others
    with pytest.raises(UserError, match="damaged, its weights are not those"):
        DistilMOSInference(model_file=written)
    with pytest.raises(UserError, match="damaged"):
        write_record(written, record, tmp_path / "other.onnx")
    assert not (tmp_path / "other.onnx").exists()


def test_files_without_a_crc_load(tmp_path):
    source = embedded_model()[1]
    assert read_record(source).graph_crc32 is None
    assert '"graph_crc32"' not in read_record(source).to_text()
    assert np.isfinite(DistilMOSInference(model_file=source)(CLIP)["mos"])
