"""A browser for the tests of the page, and pages for it."""

import numpy as np
import pytest
import soundfile
from browser import EVIL, MISSING, Browser, find_chromium

from espnet2_distilmos.page.content import Page, PageClip
from espnet2_distilmos.page.pictures import Wave, picture_of, wave_of
from espnet2_distilmos.page.write import write_page
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


@pytest.fixture(scope="session")
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
