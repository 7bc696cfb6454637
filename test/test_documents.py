"""What documents, messages and help texts say of the project, in every file."""

import re
import subprocess
from pathlib import Path

import pytest
import tomllib

from espnet2_distilmos.utils.install import install_line

REPO = Path(__file__).parents[1]
SUFFIXES = {".md", ".py", ".sh", ".yaml", ".toml", ".txt", ".cff"}


def texts():
    """Path and text of every file that people read, or that writes what they read."""
    listed = subprocess.run(
        ["git", "-C", str(REPO), "ls-files", "-z", "-co", "--exclude-standard"],
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        paths = [REPO / name for name in listed.stdout.split("\0") if name]
    else:  # an unpacked archive
        paths = [p for p in REPO.rglob("*") if ".venv" not in p.parts]
    found = {
        p: p.read_text(encoding="utf-8")
        for p in paths
        if p.suffix in SUFFIXES and p.is_file() and not p.is_symlink()
    }
    del found[Path(__file__)]
    assert len(found) > 100
    return found


def test_every_install_line_can_be_followed():
    """The package is on no index: `pip install espnet2-distilmos` finds nothing."""
    by_name = re.compile(
        r"pip install[^\n]{0,40}espnet2-distilmos(?!(\[[\w,]+\])? @ git\+)"
    )
    wrong = [
        f"{path.relative_to(REPO)}: {match.group()}"
        for path, text in texts().items()
        for match in by_name.finditer(text)
    ]
    assert not wrong


@pytest.mark.parametrize("extra", ["", "train"])
def test_the_install_line_is_what_pip_takes(extra):
    from packaging.requirements import Requirement

    line = install_line(extra)
    assert line.startswith('pip install "') and line.endswith('"')
    wanted = Requirement(line.split('"')[1])
    assert wanted.name == "espnet2-distilmos" and wanted.url == "git+REPOSITORY"
    assert wanted.extras == ({extra} if extra else set())


def pages():
    """Path and text of every Markdown page, without its blocks of code."""
    return {
        path: re.sub(r"^ *```.*?^ *```", "", text, flags=re.S | re.M)
        for path, text in texts().items()
        if path.suffix == ".md"
    }


def anchors(text):
    """The names that GitHub gives to a page's headings."""
    names, seen = set(), {}
    for heading in re.findall(r"^#+ +(.*?) *$", text, re.M):
        words = re.sub(r"\]\([^)]*\)", "", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        seen[name] = seen.get(name, -1) + 1
        names.add(f"{name}-{seen[name]}" if seen[name] else name)
    return names


def broken(pages, path, text):
    """Links of a page to files or headings that are not there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists():
            yield target
        elif anchor and anchor not in anchors(pages[file]):
            yield target


def test_links_between_pages_lead_somewhere():
    found = pages()
    wrong = [
        f"{path.relative_to(REPO)}: {target}"
        for path, text in found.items()
        for target in broken(found, path, text)
    ]
    assert not wrong


def test_a_link_that_leads_nowhere_is_seen(tmp_path):
    page = tmp_path / "a.md"
    page.write_text("")
    text = (
        "# One `two`: three\n## One\n## One\n[a](#one-two-three) [b](a.md#one-1)"
        "[c](b.md) [d](#two) [e](https://example.org/x.md) ![f](f.png)"
    )
    assert list(broken({page: text}, page, text)) == ["b.md", "#two", "f.png"]


def test_the_readme_is_for_the_first_minute():
    assert len((REPO / "README.md").read_text().splitlines()) <= 150


def test_options_of_the_stages_on_pages_are_those_of_the_driver():
    """In the template's README, which is their place, and in README.md's `./run.sh`."""
    template = REPO / "egs2/TEMPLATE/distilmos1"
    known = set(re.findall(r"^(\w+)=", (template / "distilmos.sh").read_text(), re.M))
    known |= {"help", "corpus", "csv"}  # of run.sh
    for page in (template / "README.md", REPO / "README.md"):
        text = page.read_text()
        lines = re.findall(r"\./run\.sh(.*)", text)
        if page.parent == template:
            lines += re.findall(r"`(--\w+)`", text)
        given = re.findall(r"(?<!\")--(\w+)", "\n".join(lines))
        assert len(given) >= 5
        assert set(given) <= known, page


def test_every_package_has_a_line_that_says_why():
    from packaging.requirements import Requirement

    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = {
        Requirement(line).name
        for lines in ([*project["dependencies"]], *extras.values())
        if lines is not extras["test"]
        for line in lines
    } - {project["name"]}
    table = (REPO / "doc/dependencies.md").read_text()
    rows = re.findall(r"^\| ([\w, -]+) \| [\w, ]+ \| .+ \|$", table, re.M)
    named = {name for row in rows for name in row.split(", ")} - {"package"}
    assert wanted <= named
