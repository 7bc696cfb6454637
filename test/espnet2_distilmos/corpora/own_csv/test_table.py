"""A CSV of one's own: what is read, and what is named."""

import numpy as np
import pytest
import soundfile
from made_audio import noise, with_total, written
from own_csv import table, write

from espnet2_distilmos.corpora.own_csv.table import check_audio, read_table
from espnet2_distilmos.utils.errors import UserError


def read(path):
    """(line, file name, mos, system, split) of all rows; no problems."""
    found = read_table(path)
    assert found.problems == []
    return [(r.line, r.wav.name, r.mos, r.system, r.split) for r in found.rows]


@pytest.mark.parametrize(
    "text, encoding",
    [
        ("wav,mos,system\na.wav,3.5,s 1\nb.wav,4,s2\n", "utf-8"),
        ("wav,mos,system\na.wav,3.5,s 1\nb.wav,4,s2", "utf-8-sig"),
        ("wav,mos,system\r\na.wav,3.5,s 1\r\nb.wav,4,s2\r\n", "utf-8-sig"),
        ("WAV;Mos;System\na.wav;3.5;s 1\nb.wav;4;s2\n", "utf-8"),
        ("wav\tmos\tsystem\na.wav\t3.5\ts 1\nb.wav\t 4\ts2\n", "utf-8"),
        ('"wav", "mos", "system"\n"a.wav", "3.5", "s 1"\n"b.wav", 4 ,s2,,\n', "utf-8"),
        ("mos,system,wav\n3.5,s 1,a.wav\n4,s2,b.wav\n", "utf-8"),
    ],
)  # fmt: skip
def test_the_same_table_written_in_many_ways(tmp_path, text, encoding):
    rows = read(write(tmp_path, text, encoding))
    assert rows == [(2, "a.wav", 3.5, "s 1", None), (3, "b.wav", 4.0, "s2", None)]


def test_lines_are_counted_as_an_editor_does(tmp_path):
    """Blank lines before, between and after; a quoted comma; rows of nothing."""
    text = '\nwav,mos\n\n"a,b.wav",3\n,\n   \nc.wav,2\n\n\n'
    rows = read(write(tmp_path, text))
    assert [r[:2] for r in rows] == [(4, "a,b.wav"), (7, "c.wav")]


def test_splits_have_many_names(tmp_path):
    names = "Train,dev,VALID,val,validation,test,eval,training".split(",")
    lines = [f"{i}.wav,3,{name}" for i, name in enumerate(names)]
    rows = read(write(tmp_path, "\n".join(["wav,mos,split", *lines])))
    assert [r[4] for r in rows] == (
        ["train", "valid", "valid", "valid", "valid", "test", "test", "train"]
    )


def test_every_bad_line_is_named(tmp_path):
    text = """\
wav,mos,system,split
a.wav,n/a,s,train
b.wav,"3,5",s,train
c.wav,3,5,s,train
d.wav,6,s,train
e.wav,0.9,s,train
f.wav,,s,train
,3,s,train
g.wav,3,,train
h.wav,3,s,holdout
i.wav,3,s
j.wav,nan,s,train
k.wav,3,s,train
./k.wav,3,s,train
"""
    found = read_table(write(tmp_path, text))
    assert [r.wav.name for r in found.rows] == ["k.wav"]
    expected = {
        2: "'n/a' is not a number",
        3: "'3,5' is not a number",
        4: "5 fields, the header has 4; 3,5 is written 3.5",
        5: "score 6 is outside the scale, 1 to 5",
        6: "score 0.9 is outside the scale",
        7: "no mos",
        8: "no wav",
        9: "no system",
        10: "split 'holdout' is none of train, valid, test",
        11: "3 fields, the header has 4",
        12: "'nan' is not a finite number",
        14: "k.wav is on line 13 already",
    }
    assert [line for line, _ in found.problems] == list(expected)
    for line, text in found.problems:
        assert expected[line] in text


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "wav and mos not found in: an empty file"),
        ("a.wav,3.2\n", "the first line must name the columns.*not found in: a.wav"),
        ("file,mos\na.wav,3\n", "wav not found in: file, mos"),
        ("wav,mos,MOS\na.wav,3,3\n", "two columns are called mos"),
        ("wav,mos\n\n", "has a header and no clips"),
        ('wav,mos\na.wav,3\n"b.wav,3\nc.wav,3\n', "scores.csv:3: .*a quote left open"),
    ],
)
def test_what_is_no_such_table(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read_table(write(tmp_path, text))


def test_other_encodings_and_no_file(tmp_path):
    with pytest.raises(UserError, match="scores.csv:2: not UTF-8 text; save it as"):
        read_table(write(tmp_path, "wav,mos\ncafé.wav,3\n", "latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        read_table(write(tmp_path, "wav,mos\na.wav,3\n", "utf-16"))
    with pytest.raises(UserError, match="none.csv: cannot be read"):
        read_table(tmp_path / "none.csv")


def test_audio_is_read(folder):
    (folder / "wavs/1.wav").write_text("no audio")
    soundfile.write(folder / "wavs/2.wav", np.zeros(0), 16000)
    soundfile.write(folder / "wavs/3.wav", np.zeros(100), 16000)
    (folder / "wavs/4.wav").unlink()
    found = read_table(table(folder, 6))
    seconds = check_audio(found)
    assert [r.wav.name for r in found.rows] == ["0.wav", "5.wav"]
    assert seconds[found.rows[0].wav] == pytest.approx(0.1)
    problems = dict(found.problems)
    assert "1.wav: cannot be read as audio" in problems[3]
    assert "2.wav: holds no samples" in problems[4]
    assert "3.wav: 0.006 s is too short" in problems[5]
    assert "4.wav: no such file" in problems[6]


def test_audio_is_read_to_its_end(folder):
    """Unknown lengths, joined sounds, channels that cancel; a rate of 1 Hz is bad."""
    noisy = noise(0.5)
    flac = written(folder / "wavs/0.wav", noisy, format="FLAC")
    (folder / "wavs/0.wav").write_bytes(with_total(flac, 0))
    (folder / "wavs/1.wav").write_bytes(flac * 2)
    written(folder / "wavs/2.wav", noisy * np.float32([1, -1]))
    wav = bytearray(written(folder / "wavs/3.wav", noisy))
    wav[24:28] = (1).to_bytes(4, "little")
    (folder / "wavs/3.wav").write_bytes(wav)
    found = read_table(table(folder, 6))
    seconds = check_audio(found)
    assert [seconds[row.wav] for row in found.rows[:3]] == [0.5, 1.0, 0.5]
    # The fixture's own clips are of one value.
    (line, text), (other, silent), *constant = found.odd
    assert (line, other) == (3, 4)
    assert text.endswith("1.wav: 2 sounds joined in one file, read one by one")
    assert "the channels cancel each other" in silent
    assert [line for line, text in constant if "a constant value" in text] == [6, 7]
    assert "3.wav: a sampling rate of 1 Hz" in dict(found.problems)[5]
