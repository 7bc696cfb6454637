"""A browser for the tests of the page, and pages for it."""

import numpy as np
import pytest
from browser import MISSING, Browser, find_chromium

from espnet2_distilmos.page.content import Page, PageClip
from espnet2_distilmos.page.pictures import Wave, picture_of
from espnet2_distilmos.utils.labels import Labels


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A headless Chromium; where there is none, its tests are skipped."""
    program = find_chromium()
    if program is None:
        pytest.skip(MISSING)
    browser = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def made_page():
    """Function: a page of made-up clips, `n` in each of some groups."""

    def make(n, groups=("a", "b"), folder="", **values):
        rng, clips = np.random.default_rng(0), []
        for g, group in enumerate(groups):
            for i in range(n):
                frames = 3 - g / 2 + rng.normal(0, 0.4, 200).astype(np.float32)
                wave = Wave(rng.random(240).astype(np.float32), 4.0)
                clips.append(
                    PageClip(
                        name=f"{group}/{i:04d}.wav",
                        group=group,
                        path=f"{folder}/{group}/{i:04d}.wav",
                        mos=float(frames.mean() + rng.normal(0, 0.3)),
                        key=f"{i:04d}",
                        seconds=4.0,
                        picture=picture_of(wave, frames, 0.02),
                    )
                )
        return Page("Made up", "none", Labels(), clips, **values)

    return make
