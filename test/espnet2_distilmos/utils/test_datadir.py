"""Data directories: what is read, what is refused, and in which words."""

import pytest

from espnet2_distilmos.utils.datadir import (
    DataDir,
    read_floats,
    read_lines,
    read_ratings,
    read_scores,
    read_wav_scp,
    read_words,
    require_same_ids,
    write_lines,
)
from espnet2_distilmos.utils.errors import UserError


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "utt2x"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_values_keep_order_and_blanks(file):
    path = file("Z /a b/c.wav\na  x.wav \nä\t/d.wav")
    assert list(read_wav_scp(path).items()) == [
        ("Z", "/a b/c.wav"),
        ("a", "x.wav"),
        ("ä", "/d.wav"),
    ]


def test_numbers_and_words(file):
    assert read_floats(file("a 1\nb -2.5e-1\n")) == {"a": 1.0, "b": -0.25}
    assert read_words(file("a s1\nb s2\n")) == {"a": "s1", "b": "s2"}


@pytest.mark.parametrize(
    "content, message",
    [
        ("\ufeffa 1\nb 2\n", ":1: byte order mark; save as UTF-8 without BOM$"),
        ("a 1\r\nb 2\n", ":1: Windows line end; convert with `sed"),
        ("a 1\nb 2\na 3\n", ":3: duplicate ID a$"),
        ("b 1\na 2\n", ":2: ID a out of order; sort with LC_ALL=C$"),
        ("a 1\nB 2\n", ":2: ID B out of order"),
        ("a 1\nb\n", ":2: `ID VALUE` was expected, found 'b'$"),
        ("a 1\n\nb 2\n", ":2: `ID VALUE` was expected, found ''$"),
        (" a 1\n", ":1: `ID VALUE` was expected, found ' a 1'$"),
        ("a 1,5\n", ":1: ID a: '1,5' is not a number"),
        ("a inf\n", ":1: ID a: 'inf' is not a finite number$"),
        ("a nan\n", ":1: ID a: 'nan' is not a finite number$"),
        ("", ": is empty; one `ID VALUE` line"),
        (b"a 1\nb \xff\n", r": not UTF-8 text \(byte 6\)$"),
    ],
)
def test_mistakes_name_file_and_line(file, content, message):
    with pytest.raises(UserError, match=f"/utt2x{message}"):
        read_floats(file(content))


def test_what_only_training_needs_is_asked_for_only_there(file):
    content = "\ufeffb 1\r\na 2\r\nä 3\n"
    with pytest.raises(UserError, match="byte order mark"):
        read_floats(file(content))
    # Sorted, since no figure may depend on the order of a file; a list keeps its own.
    assert list(read_floats(file(content), strict=False).items()) == [
        ("a", 2.0),
        ("b", 1.0),
        ("ä", 3.0),
    ]
    wavs = read_wav_scp(file("b x y.wav\r\na z.wav"), strict=False)
    assert list(wavs.items()) == [("b", "x y.wav"), ("a", "z.wav")]
    for content, message in (("a 1\na 2\n", "duplicate ID a"), ("a x\n", "number")):
        with pytest.raises(UserError, match=message):
            read_floats(file(content), strict=False)


def test_several_mistakes_are_one_line(file):
    lines = ["a 1", "b", "a 2", "c x", "d 4\r", "e", "f", "g"]
    with pytest.raises(UserError) as caught:
        read_floats(file("\n".join(lines)))
    text = str(caught.value)
    assert "\n" not in text
    for n in (2, 3, 4, 5, 6):
        assert f"utt2x:{n}: " in text
    assert text.endswith(" and 2 more")


def test_other_mistakes(file, tmp_path):
    with pytest.raises(UserError, match="absent: cannot be read .No such file"):
        read_lines(tmp_path / "absent", str)
    with pytest.raises(UserError, match="ID a: one word was expected, found 's 1'"):
        read_words(file("a s 1\n"))
    with pytest.raises(UserError, match="ID a: pipes are not supported"):
        read_wav_scp(file("a sox x.wav -t wav - |\n"))


def test_written_lines_are_sorted_by_bytes_and_read_back(tmp_path):
    path = tmp_path / "new/utt2mos"
    write_lines(path, {"b": 2.0, "ä": 3.123456789, "B": 1.5, "a-1": 4.0, "a": 5.0})
    assert path.read_text() == (
        "B 1.500000\na 5.000000\na-1 4.000000\nb 2.000000\nä 3.123457\n"
    )
    assert read_floats(path)["ä"] == 3.123457


def test_same_ids_in_both_directions():
    a, b, c = {"u1": 0, "u2": 0}, {"u2": 0, "u1": 0}, {"u1": 0, "u3": 0}
    require_same_ids({"A": a, "B": b})
    with pytest.raises(UserError) as caught:
        require_same_ids({"A": a, "B": b, "C": c})
    assert str(caught.value) == (
        "1 ID of A is missing in C: u2; 1 ID of C is missing in A: u3"
    )
    with pytest.raises(UserError, match="^9 IDs of A are missing in B: u0, .* 4 more$"):
        require_same_ids({"A": {f"u{i}": 0 for i in range(10)}, "B": {"u9": 0}})


def data():
    ids = ("a", "b", "c")
    return DataDir(
        {u: f"/x/{u}.wav" for u in ids},
        {u: 1.5 + i for i, u in enumerate(ids)},
        dict(zip(ids, ("s1", "s2", "s1"))),
        dict(zip(ids, ("p2", "p1", "p2"))),
    )


def test_folder_round_trip(tmp_path):
    data().save(tmp_path)
    assert DataDir.load(tmp_path) == data()
    assert (tmp_path / "spk2utt").read_text() == "p1 b\np2 a c\n"


def test_only_wav_scp_is_needed(tmp_path):
    DataDir({"b": "b.wav", "a": "a.wav"}).save(tmp_path)
    loaded = DataDir.load(tmp_path)
    assert list(loaded.wavs) == ["a", "b"]
    assert loaded.mos is None and loaded.systems is None
    # Every clip is its own speaker.
    assert (tmp_path / "spk2utt").read_text() == "a a\nb b\n"
    (tmp_path / "wav.scp").unlink()
    with pytest.raises(UserError, match="wav.scp: cannot be read"):
        DataDir.load(tmp_path)


def test_files_that_do_not_agree(tmp_path):
    data().save(tmp_path)
    (tmp_path / "utt2mos").write_text("a 1\nc 2\n")
    with pytest.raises(UserError, match="wav.scp is missing in .*utt2mos: b$"):
        DataDir.load(tmp_path)


def test_subset():
    part = data().subset(["c", "a"])
    assert list(part.wavs) == ["c", "a"]
    assert part.mos == {"c": 3.5, "a": 1.5} and part.systems == {"c": "s1", "a": "s1"}
    assert DataDir({"a": "x"}).subset(["a"]).mos is None


def test_ratings_of_single_listeners(file, tmp_path):
    path = file("a L1:3 L:2:4.5\nb -\n")
    found = {"a": [("L1", 3.0), ("L:2", 4.5)], "b": []}
    assert read_ratings(path) == found
    wavs = dict.fromkeys("abc", "x.wav")
    ratings = {**found, "c": [("L1", 0.25)]}
    DataDir(wavs, ratings=ratings, corpora=dict.fromkeys("abc", "bvcc")).save(tmp_path)
    text = (tmp_path / "utt2ratings").read_text()
    assert text == "a L1:3 L:2:4.5\nb -\nc L1:0.25\n"
    loaded = DataDir.load(tmp_path)
    assert loaded.ratings == ratings
    assert loaded.corpora == dict.fromkeys("abc", "bvcc")
    assert loaded.subset(["b"]).ratings == {"b": []}


def test_clips_that_are_not_rated_may_be_left_out_but_none_made_up(tmp_path):
    DataDir(dict.fromkeys("ab", "x.wav")).save(tmp_path)
    (tmp_path / "utt2ratings").write_text("b L1:3\n")
    assert DataDir.load(tmp_path).ratings == {"a": [], "b": [("L1", 3.0)]}
    (tmp_path / "utt2ratings").write_text("b L1:3\nc L1:3\n")
    with pytest.raises(UserError, match="1 ID of .*utt2ratings is missing in .*: c"):
        DataDir.load(tmp_path)


@pytest.mark.parametrize("value", ["L1", ":3", "L1:", "L1:x", "L1:3 L2", "L1:nan"])
def test_bad_ratings_name_file_and_line(file, value):
    with pytest.raises(UserError, match="/utt2x:1: ID a: .*(listener:score|number)"):
        read_ratings(file(f"a {value}\n"))


def test_labels_on_further_scales(file, tmp_path):
    path = file("a SIG:3.25 BAK:4\nb -\n")
    found = {"a": {"SIG": 3.25, "BAK": 4.0}, "b": {}}
    assert read_scores(path) == found
    DataDir(dict.fromkeys("ab", "x.wav"), scores=found).save(tmp_path)
    text = (tmp_path / "utt2scores").read_text()
    assert text == "a SIG:3.250000 BAK:4.000000\nb -\n"
    assert DataDir.load(tmp_path).scores == found
    assert DataDir.load(tmp_path).subset(["b"]).scores == {"b": {}}
    # Clips may be left out, but none made up.
    (tmp_path / "utt2scores").write_text("b SIG:3\n")
    assert DataDir.load(tmp_path).scores == {"a": {}, "b": {"SIG": 3.0}}
    (tmp_path / "utt2scores").write_text("c SIG:3\n")
    with pytest.raises(UserError, match="1 ID of .*utt2scores is missing in .*: c"):
        DataDir.load(tmp_path)
    # An earlier version's do not stay.
    DataDir(dict.fromkeys("ab", "x.wav")).save(tmp_path)
    assert not (tmp_path / "utt2scores").exists()


@pytest.mark.parametrize(
    "value, reason",
    [
        ("SIG", "'SIG' is not SCALE:label"),
        (":3", "':3' is not SCALE:label"),
        ("SIG:", "'' is not a number"),
        ("SIG:x", "'x' is not a number"),
        ("SIG:nan", "'nan' is not a finite number"),
        ("SIG:1e999", "'1e999' is not a finite number"),
        ("SIG:3 SIG:4", "SIG stands there twice"),
        ("SIG:3 sig:4", "sig stands there twice"),
        ("MOS:3", "utt2mos holds the MOS"),
        ("../x:3", "no name of a scale"),
        ("S\u202eG:3", "no name of a scale"),
        (f"{17 * 'x'}:3", "no name of a scale"),
    ],
)
def test_bad_labels_on_scales_name_file_and_line(file, value, reason):
    with pytest.raises(UserError) as error:
        read_scores(file(f"a SIG:3\nb {value}\n"))
    assert "/utt2x:2: ID b: " in str(error.value) and reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_set_that_has_lost_its_systems_and_corpora_keeps_none(tmp_path):
    wavs = {"a": "x.wav"}
    DataDir(wavs, {"a": 3.0}, {"a": "s"}, corpora={"a": "c"}).save(tmp_path)
    DataDir(wavs).save(tmp_path)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"wav.scp", "utt2spk", "spk2utt"}
