"""What a page holds, and that nothing in it is taken for markup."""

import base64
import hashlib
import html.parser
import io
import json
import re
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
import soundfile

from espnet2_distilmos.page.content import Page, PageClip, link_to
from espnet2_distilmos.page.embed import as_opus
from espnet2_distilmos.page.pictures import (
    COLUMNS,
    frames_as_data,
    picture_of,
    wave_of,
)
from espnet2_distilmos.page.write import write_page
from espnet2_distilmos.scoring.significance import holm, paired_difference
from espnet2_distilmos.scoring.student import student_interval
from espnet2_distilmos.utils.labels import Labels

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "<!--<script>",
    "{{audio}}{{data}}",
    "line\u2028separator & \"quotes\" 'too' \\u003c",
    "javascript:alert(3)//.wav",
    "\u202egnp.exe\x1b[31m",
)


class Elements(html.parser.HTMLParser):
    """Tags of a page, and the text of its scripts and styles."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts, self.policy = [], {}, None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.inside = attrs.get("id", tag)
        if attrs.get("http-equiv"):
            self.policy = attrs["content"]

    def handle_data(self, data):
        if self.tags and self.tags[-1] in ("script", "style") and data.strip():
            self.texts.setdefault(self.inside, data)


def written(path, page, **more):
    write_page(path, page, **more)
    found = Elements()
    found.feed(path.read_text(encoding="utf-8"))
    return found, json.loads(found.texts["data"])


def clip(name, group="g", mos=3.0, key=None, **more):
    return PageClip(name, group, f"/audio/{name}", mos, key, **more)


def test_names_are_data(tmp_path, made_page):
    plain, _ = written(tmp_path / "plain.html", made_page(3))
    clips = [
        clip(name, group=name, warnings=[name], error=name, numbers={name: 1.0})
        for name in HOSTILE
    ]
    page = Page(HOSTILE[0], HOSTILE[1], Labels(), clips, notes=HOSTILE)
    found, data = written(tmp_path / "x.html", page)
    # Not one element more than in a page of harmless names, and no second policy.
    assert found.tags == plain.tags
    assert [row["name"] for row in data["clips"]][:4] == list(HOSTILE[:4])
    assert data["title"] == HOSTILE[0] and data["notes"][3] == HOSTILE[3]
    # What would turn the line around or command a terminal is an escape.
    assert data["clips"][-1]["name"] == "\\u202egnp.exe\\x1b[31m"
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert not set("<>&\u2028") & set(
        text[text.index('id="data">') + 10 :].split("<")[0]
    )


def test_the_policy_allows_the_own_script_alone(tmp_path, made_page):
    found, _ = written(tmp_path / "x.html", made_page(1))
    rules = dict(rule.split(" ", 1) for rule in found.policy.split("; "))
    assert rules["default-src"] == "'none'"
    for rule, tag in (("script-src", "script"), ("style-src", "style")):
        digest = hashlib.sha256(found.texts[tag].encode()).digest()
        assert rules[rule] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert not {"connect-src", "img-src", "frame-src"} & set(rules)
    assert not re.search(r"https?:(?!//www\.w3\.org/2000/svg)", found.texts["script"])
    # Ways to turn text into markup or code.
    assert not re.search(
        r"innerHTML|outerHTML|insertAdj|\beval\b", found.texts["script"]
    )


@pytest.mark.parametrize(
    "name", [b"a b.wav", b"a%20b#c?d.wav", b"x:y.wav", b"\xe9t\xff.wav", b"'\"<>.wav"]
)
def test_links_keep_every_byte(tmp_path, name):
    path = bytes(tmp_path / "audio") + b"/" + name
    link = link_to(path.decode("utf-8", "surrogateescape"), tmp_path / "pages/new")
    assert unquote_to_bytes(link) == b"../../audio/" + name
    assert re.fullmatch(r"[\w./%~-]+", link, re.ASCII)


def test_a_link_in_the_own_folder_has_no_scheme(tmp_path):
    assert link_to(tmp_path / "javascript:alert(1).wav", tmp_path).startswith(
        "javascript%3A"
    )


def levels(text):
    return np.frombuffer(base64.b64decode(text), np.uint8)


def test_the_envelope_of_a_file(tmp_path):
    """Loudness doubles in the second half; both channels count; 24.5 s in blocks."""
    rate = 8000
    x = np.sin(np.arange(int(24.5 * rate)) * 0.3)
    x *= np.where(np.arange(len(x)) < len(x) // 2, 0.25, 0.5)
    soundfile.write(tmp_path / "x.flac", np.stack([x, x], 1), rate)
    wave = wave_of(tmp_path / "x.flac")
    assert wave.seconds == pytest.approx(24.5)
    assert len(wave.peaks) == COLUMNS
    data = picture_of(wave, None, 0.02)
    assert data["peak"] == pytest.approx(0.5, abs=0.01)
    values = levels(data["wave"])
    assert abs(values[:119].astype(int) - 128).max() <= 4 and values[121:].min() >= 251
    soundfile.write(tmp_path / "short.wav", x[:50], rate)
    assert len(wave_of(tmp_path / "short.wav").peaks) == 1


@pytest.mark.parametrize("n", [1, 7, 240, 241, 5000])
def test_thinned_frame_scores_keep_their_means(n):
    frames = np.random.default_rng(n).normal(3, 1, n).astype(np.float32)
    data = frames_as_data(frames, 0.02)
    values = data["from"] + levels(data["frames"]) / 255 * (data["to"] - data["from"])
    assert len(values) == min(n, COLUMNS) and data["span"] == round(n * 0.02, 4)
    means = [part.mean() for part in np.array_split(frames, len(values))]
    if n % len(values) == 0:
        assert np.abs(values - means).max() < (data["to"] - data["from"]) / 255 + 1e-4
    weights = np.diff([*(np.arange(len(values)) * n // len(values)), n])
    assert np.average(values, weights=weights) == pytest.approx(frames.mean(), abs=0.02)


def test_a_constant_clip_has_a_picture():
    data = frames_as_data(np.full(500, 2.5), 0.02)
    assert data["from"] == data["to"] == 2.5 and not levels(data["frames"]).any()


def test_groups_and_pairs_are_those_of_the_statistics(tmp_path):
    rng = np.random.default_rng(0)
    scores = {g: 3 + i / 4 + rng.normal(0, 0.3, 12) for i, g in enumerate("abc")}
    clips = [
        clip(f"{g}{i}", g, float(v), f"{i}")
        for g, values in scores.items()
        for i, v in enumerate(values)
    ]
    clips.append(clip("alone", "a", 1.0, "only here"))
    clips.append(clip("bad", "b", None, "11b", error="cannot be read"))
    # Which of the two is meant nobody can say: neither is paired.
    clips += [
        clip("twice", "c", 2.0, "only here"),
        clip("again", "c", 2.0, "only here"),
    ]
    _, data = written(tmp_path / "x.html", Page("t", "m", Labels(), clips))
    deviation, low, high = student_interval([*scores["b"]])
    group = data["groups"][1]
    assert (group["name"], group["n"], group["failed"]) == ("b", 12, 1)
    assert group["mean"] == pytest.approx(scores["b"].mean(), abs=1e-4)
    assert group["interval"] == pytest.approx([low, high], abs=1e-4)
    assert group["deviation"] == pytest.approx(deviation, abs=1e-4)
    assert [(p["a"], p["b"], p["n"]) for p in data["pairs"]] == [
        (0, 1, 12),
        (0, 2, 12),
        (1, 2, 12),
    ]
    tests = [
        paired_difference(scores[b], scores[a], 2000)
        for a, b in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    for pair, (difference, low, high, p) in zip(data["pairs"], tests):
        assert pair["difference"] == pytest.approx(difference, abs=1e-4)
        assert pair["interval"] == pytest.approx([low, high], abs=1e-4)
        assert pair["p"] == p
    assert [p["p_holm"] for p in data["pairs"]] == holm([t[3] for t in tests])
    assert "key" not in data["clips"][-1]
    assert data["clips"][-3]["error"] == "cannot be read"


def test_many_groups_are_compared_with_the_first(tmp_path, made_page):
    _, data = written(tmp_path / "x.html", made_page(2, groups=list("abcdefgh")))
    assert [(p["a"], p["b"]) for p in data["pairs"]] == [(0, i) for i in range(1, 8)]


def test_numbers_that_are_none_and_further_columns(tmp_path):
    clips = [
        clip("x", numbers={"label": 2.0}),
        clip("y", numbers={"noise": float("nan")}, interval=(2.5, 3.25)),
    ]
    _, data = written(tmp_path / "x.html", Page("t", "m", Labels(), clips))
    assert data["columns"] == ["label", "noise"]
    assert [row["numbers"] for row in data["clips"]] == [[2.0, None], [None, None]]
    assert data["clips"][1]["interval"] == [2.5, 3.25]


def test_two_thousand_clips_are_two_megabytes(tmp_path, made_page):
    write_page(tmp_path / "x.html", made_page(1000))
    assert (tmp_path / "x.html").stat().st_size < 2.2e6


def sounds(folder, lengths, rate=16000):
    folder.mkdir(exist_ok=True)
    for i, seconds in enumerate(lengths):
        t = np.arange(int(seconds * rate)) / rate
        x = 0.3 * np.sin(2 * np.pi * 300 * t)
        soundfile.write(folder / f"{i}.wav", np.stack([x, x], 1), rate)
    return [
        PageClip(f"{i}", "g", str(folder / f"{i}.wav"), 5.0 - i)
        for i in range(len(lengths))
    ]


@pytest.mark.parametrize("rate", [8000, 44100])
def test_opus_sounds_like_the_file(tmp_path, rate):
    sounds(tmp_path, [12.0], rate)
    sound = as_opus(tmp_path / "0.wav", 10**7)
    x, found = soundfile.read(io.BytesIO(sound))
    assert len(x) / found == pytest.approx(12.0, abs=0.05) and x.ndim == 1
    spectrum = np.abs(np.fft.rfft(x[found : 2 * found]))
    assert abs(spectrum.argmax() - 300) <= 1
    assert np.abs(x[found:-found]).max() == pytest.approx(0.3, abs=0.05)
    assert len(as_opus(tmp_path / "0.wav", len(sound))) == len(sound)
    assert as_opus(tmp_path / "0.wav", len(sound) - 1) is None


def test_audio_goes_in_up_to_the_size_lowest_scores_first(tmp_path, caplog):
    caplog.set_level("INFO")
    clips = sounds(tmp_path, [1.0, 1.0, 30.0, 1.0, 1.0])
    clips.append(PageClip("bad", "g", None, None, error="bad"))
    clips.append(PageClip("text", "g", __file__, 4.5))
    one = len(base64.b64encode(as_opus(clips[0].path, 10**6)))
    page = Page("t", "m", Labels(), clips)
    found, data = written(tmp_path / "x.html", page, embed_audio=3.5 * one / 1e6)
    inside = [i for i, row in enumerate(data["clips"]) if row.get("embedded")]
    assert inside == [1, 3, 4]  # 4 and 3 are the lowest; 2 is too long
    assert "audio of 3 of 6 clips is in the page" in caplog.text
    assert "text: not embedded: " in caplog.text
    text = json.loads(found.texts["audio-4"])
    heard, expected = base64.b64decode(text), as_opus(clips[4].path, 10**6)
    for sound in (heard, expected):
        assert len(soundfile.read(io.BytesIO(sound))[0]) == 16000
    assert len(heard) == len(expected)
