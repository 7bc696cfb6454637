"""How the page looks in a real browser: width, contrast, motion, paper."""

import json

import pytest

from espnet2_distilmos.page.write import write_page

PLAYING = "!document.getElementById('audio').paused"
TIME = "document.getElementById('audio').currentTime"


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
