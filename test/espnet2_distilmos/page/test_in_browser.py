"""The page in a real browser: what it shows, sorts, plays, and what it refuses."""

import json

import numpy as np
import pytest
import soundfile

from espnet2_distilmos.page.content import Page, PageClip
from espnet2_distilmos.page.pictures import picture_of, wave_of
from espnet2_distilmos.page.write import write_page
from espnet2_distilmos.utils.labels import Labels

ROWS = "#table tbody tr"
SCORES = f"{ROWS} strong"
EVIL = (
    "<script>document.title='taken'<\u2215script><img src=x onerror=document.title=2>"
)
CURRENT = "document.getElementById('now').textContent"
PLAYING = "!document.getElementById('audio').paused"
TIME = "document.getElementById('audio').currentTime"


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A page of two folders with sounds, one of an evil name, one broken, one gone."""
    root = tmp_path_factory.mktemp("sounds")
    clips, rng = [], np.random.default_rng(0)
    for g, folder in enumerate(("clean", "noisy")):
        for i in range(6):
            name = f"{EVIL}.wav" if i == 2 else f"clip {i} é#?.wav"
            path = root / folder / name
            path.parent.mkdir(exist_ok=True)
            x = np.sin(np.arange(32000) * 0.1) * np.linspace(0.1, 0.9, 32000)
            soundfile.write(path, x, 16000)
            frames = np.linspace(2, 4 - g, 100) + rng.normal(0, 0.05, 100)
            clips.append(
                PageClip(
                    name=f"{folder}/{name}",
                    group=folder,
                    path=str(path),
                    mos=4 - g - i / 10,
                    key=name,
                    seconds=2.0,
                    warnings=[f"clipped <b>{i}</b>"] if i == 4 else [],
                    numbers={"label": float(i)},
                    picture=picture_of(wave_of(path), frames, 0.02),
                )
            )
    (root / "noisy" / "clip 5 é#?.wav").unlink()
    bad = clips[0].path.replace("clip 0", "bad")
    clips.append(PageClip(f"clean/{EVIL}", "clean", bad, None, error=f"bad {EVIL}"))
    write_page(root / "report.html", Page(f"Scores {EVIL}", "m", Labels(), clips))
    return root


@pytest.fixture
def page(browser, sounds):
    page = browser.open(sounds / "report.html")
    yield page
    assert page.complaints() == []
    page.close()


def test_names_are_shown_and_never_run(page, sounds):
    assert page.run("document.title") == f"Scores {EVIL}"
    assert page.texts("#title") == [f"Scores {EVIL}"]
    assert page.run("document.querySelectorAll('img, b').length") == 0
    assert page.run("document.scripts.length") == 2  # the data, and its own
    assert f"{EVIL}.wav" in page.texts(f"{ROWS} .title")
    assert page.texts("#failures li") == [f"clean/{EVIL} bad {EVIL}"]
    # Nothing is asked of any network, or of any file but the page and its sounds.
    assert all(address.startswith(sounds.as_uri()) for address in page.requests())


def test_the_policy_is_enforced(browser, sounds):
    page = browser.open(sounds / "report.html")
    page.run(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.taken = 1'}))"
    )
    assert page.run("window.taken") is None
    assert page.run("fetch('http://127.0.0.1:9/').then(() => 1, () => 0)") == 0
    assert any("Content Security Policy" in text for text in page.complaints())
    page.close()


def test_sorts_both_ways(page):
    scores = page.texts(SCORES)
    assert scores == sorted(scores) and scores[0] == "2.50" and len(scores) == 12
    header = "#table th:nth-child({})"
    assert page.run(f"document.querySelector('{header.format(4)}').ariaSort") == (
        "ascending"
    )
    page.click(f"{header.format(4)} button")
    assert page.texts(SCORES) == scores[::-1]
    assert page.run(f"document.querySelector('{header.format(4)}').ariaSort") == (
        "descending"
    )
    page.click(f"{header.format(5)} button")  # the label
    assert page.texts(f"{ROWS} td:nth-child(5)")[:3] == ["0.00", "0.00", "1.00"]
    page.click(f"{header.format(7)} button")  # warnings: what has none comes last
    assert [bool(t) for t in page.texts(f"{ROWS} td:nth-child(7)")][:3] == [1, 1, 0]


def test_filters(page):
    page.write("#words", "CLIP 3 noisy")
    assert page.texts(f"{ROWS} .title") == ["clip 3 é#?.wav"]
    assert page.texts("#count") == ["1 of 12 clips"]
    page.write("#words", "<B>4")  # in a warning
    assert len(page.texts(ROWS)) == 2
    page.write("#words", "")
    page.write("#least", "3.65")
    assert page.texts(SCORES) == ["3.70", "3.80", "3.90", "4.00"]
    page.write("#least", "")
    page.click("#odd")
    assert len(page.texts(ROWS)) == 2
    page.click("#odd")
    page.click("#groups .group:nth-child(2) button")  # a click on a folder
    assert page.texts("#count") == ["6 of 12 clips"]
    page.write("#words", "nothing like it")
    assert page.texts(ROWS) == []


def test_plays_with_the_playhead_over_the_frame_scores(page):
    page.click("#worst li:nth-child(2) button")
    page.wait(f"{TIME} > 0.3")
    assert page.run(PLAYING) and page.run(CURRENT) == "noisy/clip 4 é#?.wav"
    where = "parseFloat(document.getElementById('head').style.left)"
    page.wait(f"Math.abs({where} - {TIME} * 50) < 10 && {where} > 10")
    assert page.texts("#here")[0].startswith("here 2.")
    assert (
        page.run("document.querySelectorAll('[data-clip][aria-current]').length") == 3
    )
    drawn = (
        "new Set(document.getElementById('picture').getContext('2d')"
        ".getImageData(0, 0, 400, 100).data).size > 10"
    )
    assert page.run(drawn)
    page.click("#play")
    page.wait(f"!({PLAYING})")
    # A click into the picture goes there.
    page.click("#seek")
    assert page.run(TIME) == pytest.approx(1.0, abs=0.05)
    assert page.run("document.getElementById('seek').ariaValueNow") == "1.00"


def test_a_sound_that_is_gone_is_told(browser, sounds):
    page = browser.open(sounds / "report.html")
    page.click("#worst li:nth-child(1) button")
    page.wait("!document.getElementById('problem').hidden")
    (told,) = page.texts("#problem")
    assert "no such file" in told and told.endswith(" noisy/clip 5 é#?.wav")
    assert not page.run(f"({TIME}) > 0")
    page.click("#next")
    page.wait("document.getElementById('problem').hidden")
    page.close()


def test_keys(page):
    page.click("#table th:nth-child(4) button")  # the best first
    page.run("document.activeElement.blur()")
    page.key(" ", 32)  # nothing chosen yet: the first of the list
    page.wait(PLAYING)
    assert page.run(CURRENT) == "clean/clip 0 é#?.wav"
    page.key("n", 78)
    assert page.run(CURRENT) == "clean/clip 1 é#?.wav"
    page.key("n", 78)
    page.key("p", 80)
    assert page.run(CURRENT) == "clean/clip 1 é#?.wav"
    page.key("p", 80)
    page.key("p", 80)  # there is none before the first
    assert page.run(CURRENT) == "clean/clip 0 é#?.wav"
    page.wait(PLAYING)
    page.wait(f"{TIME} > 0.1")
    page.key("b", 66)  # the same clip of the other folder, from the same place on
    assert page.run(CURRENT) == "noisy/clip 0 é#?.wav"
    page.wait(f"{PLAYING} && {TIME} > 0.1")
    page.key(" ", 32)
    page.wait(f"!({PLAYING})")
    before = page.run(TIME)
    page.key("ArrowRight", 39)
    assert page.run(TIME) == pytest.approx(min(before + 1, 2), abs=0.02)
    page.run("document.getElementById('words').focus()")
    page.key("n", 78)  # typing is typing
    assert page.run(CURRENT) == "noisy/clip 0 é#?.wav"
    page.run("document.getElementById('words').blur()")
    page.key("Escape", 27)
    assert page.run("document.getElementById('player').hidden")


def test_two_folders_side_by_side(page):
    assert "noisy minus clean: −1.00" in page.texts("#pair-result")[0]
    assert "6 shared clips" in page.texts("#pair-result")[0]
    differences = page.texts("#pair-table td:nth-child(4)")
    assert differences == ["−1.00"] * 6
    page.click("#pair-table tbody tr:nth-child(2) td:nth-child(2) button")
    page.wait(PLAYING)
    assert page.run(CURRENT).startswith("clean/")
    assert page.texts("#twins button") == ["clean", "noisy"]
    page.click("#twins button:nth-child(2)")
    assert page.run(CURRENT).startswith("noisy/")
    page.wait(PLAYING)


def test_two_thousand_clips_open_in_three_seconds(browser, made_page, tmp_path):
    write_page(tmp_path / "x.html", made_page(1000))
    page = browser.open(tmp_path / "x.html", wait="#table tbody tr:nth-child(100)")
    assert page.opened_in < 3, page.opened_in
    assert page.texts("#count") == ["2000 of 2000 clips"]
    # Rows are made as one scrolls, and all of them can be reached.
    page.run("document.querySelector('#table .more').scrollIntoView()")
    page.wait(f"document.querySelectorAll('{ROWS}').length >= 200")
    page.run("document.querySelector('#table .more').click()")
    assert len(page.texts(ROWS)) >= 300
    page.write("#words", "b/0999")
    assert len(page.texts(ROWS)) == 1
    assert page.complaints() == []
    page.close()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1200])
def test_is_legible(browser, sounds, width, dark):
    """No sideways scrolling, and enough contrast (WCAG 2.2 AA, 4.5) of all text."""
    page = browser.open(sounds / "report.html", width=width, dark=dark)
    page.click("#worst li:nth-child(2) button")
    page.wait(PLAYING)
    assert page.run("document.documentElement.scrollWidth") == width
    assert page.run(CONTRAST) == []
    assert page.complaints() == []
    page.close()


# Texts whose colour is too near to that behind them.
CONTRAST = """
(() => {
  const values = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => {
    const part = c.slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = values(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.getClientRects().length || e.closest('script, noscript')) continue;
    const style = getComputedStyle(e);
    const a = light(values(e instanceof SVGElement ? style.fill : style.color));
    const b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(`${e.tagName} ${e.className} ${ratio.toFixed(2)}`);
  }
  return bad;
})()
"""


def test_reduced_motion_moves_the_playhead_now_and_then(browser, sounds):
    page = browser.open(sounds / "report.html")
    page.media(still=True)
    page.run(
        "window.asked = 0; const f = requestAnimationFrame;"
        "window.requestAnimationFrame = (g) => { asked += 1; return f(g); }"
    )
    page.click("#worst li:nth-child(2) button")
    page.wait(f"{TIME} > 0.6")
    assert page.run("asked") == 0
    assert page.run("parseFloat(document.getElementById('head').style.left)") > 0
    page.close()


def test_prints(browser, made_page, tmp_path):
    write_page(tmp_path / "x.html", made_page(60))
    page = browser.open(tmp_path / "x.html", dark=True)
    page.run(
        "window.seen = null; addEventListener('beforeprint', () => {"
        " seen = document.querySelectorAll('#table tbody tr').length; })"
    )
    page.pdf(tmp_path / "x.pdf")
    assert page.run("seen") == 120  # rows that nobody has scrolled to
    page.media(dark=True, medium="print")
    for selector in ("#player", "#filters", "td.press"):
        shown = f"getComputedStyle(document.querySelector({json.dumps(selector)}))"
        assert page.run(f"{shown}.display") == "none"
    back = page.run("getComputedStyle(document.body).backgroundColor")
    assert back == "rgb(255, 255, 255)"
    page.close()
