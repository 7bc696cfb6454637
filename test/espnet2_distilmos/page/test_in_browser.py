"""The page in a real browser: what it shows, sorts, plays, and what it refuses."""

import pytest
from browser import EVIL

from espnet2_distilmos.page.content import Page, PageClip
from espnet2_distilmos.page.write import write_page
from espnet2_distilmos.utils.labels import Labels

ROWS = "#table tbody tr"
SCORES = f"{ROWS} strong"
CURRENT = "document.getElementById('now').textContent"
PLAYING = "!document.getElementById('audio').paused"
TIME = "document.getElementById('audio').currentTime"


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
    assert page.texts("#here")[0].startswith("· here 2.")
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


def test_plays_what_is_in_the_page_alone(browser, sounds, tmp_path):
    path = str(sounds / "clean" / "clip 0 é#?.wav")
    clips = [PageClip(n, n, path, 3.0, "x", seconds=2.0) for n in ("a", "b")]
    page = Page("t", "m", Labels(), clips)
    write_page(tmp_path / "made.html", page, embed_audio=1)
    alone = tmp_path / "stick" / "report.html"
    alone.parent.mkdir()
    (tmp_path / "made.html").rename(alone)
    page = browser.open(alone)
    page.click("#worst button")
    page.wait(f"{TIME} > 0.3")
    page.key("b", 66)
    page.wait(f"{CURRENT} === 'b' && {TIME} > 0.4")
    assert not [x for x in page.requests() if x.startswith("file:")][1:]
    assert page.complaints() == []
    page.close()


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
