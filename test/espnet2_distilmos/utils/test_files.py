"""Files that are whole or not there, and one writer a folder."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    atomic_path,
    folder_lock,
    read_yaml,
    sha256_file,
    write_json,
    write_text,
    write_yaml,
)


def test_new_file_has_the_usual_mode_and_no_company(tmp_path):
    umask = os.umask(0o027)
    try:
        write_text(tmp_path / "new/folder/x.txt", "ä")
    finally:
        os.umask(umask)
    path = tmp_path / "new/folder/x.txt"
    assert path.read_bytes() == "ä".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(path.parent) == ["x.txt"]


def test_the_temporary_name_keeps_the_suffix_and_hides(tmp_path):
    with atomic_path(tmp_path / "a.b.wav") as tmp:
        assert tmp.suffix == ".wav" and tmp.name.startswith(".a.b.tmp")
        assert not (tmp_path / "a.b.wav").exists()
        tmp.write_text("x")


def test_an_exception_keeps_the_old_file(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        with atomic_path(path) as tmp:
            tmp.write_text("half of the n")
            raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.txt"]


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with atomic_path(path) as tmp, open(tmp, "w") as f:
        f.write("new")
        f.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_yaml_and_json(tmp_path):
    content = {"b": [1, 2.5], "a": {"ä": None, "x": True}}
    write_yaml(tmp_path / "x.yaml", content)
    assert read_yaml(tmp_path / "x.yaml") == content
    assert (tmp_path / "x.yaml").read_text().startswith("b:")
    write_json(tmp_path / "x.json", {"a": 1})
    assert (tmp_path / "x.json").read_text() == '{\n  "a": 1\n}\n'
    with pytest.raises(ValueError):
        write_json(tmp_path / "y.json", {"a": float("nan")})
    assert not (tmp_path / "y.json").exists()


# Nine lines of nine aliases each: 400 million values in 400 bytes.
BOMB = b"a0: &a0 [x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9))
    for i in range(1, 10)
)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"a: [1", "not valid YAML"),
        (b"- 1\n", "a YAML mapping"),
        (b"", "a YAML mapping"),
        (b"a: \xff", "not valid YAML"),
        (b"a: !!python/object/apply:os.getcwd []", "not valid YAML"),
        (BOMB, r"its aliases \(\*name\) expand to more than 10000000 values"),
        (b"a: &a [1, *a]\n", "its aliases .* without end"),
    ],
)
def test_bad_yaml_is_one_line(tmp_path, content, message):
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(UserError, match=f"x.yaml: {message}") as caught:
        read_yaml(tmp_path / "x.yaml")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="y.yaml: cannot be read"):
        read_yaml(tmp_path / "y.yaml")


def test_a_few_aliases_are_fine(tmp_path):
    (tmp_path / "x.yaml").write_text("a: &a {b: 1}\nc: [*a, *a]\n")
    assert read_yaml(tmp_path / "x.yaml") == {"a": {"b": 1}, "c": [{"b": 1}] * 2}


def test_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_file(tmp_path / "x").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_a_second_process_is_kept_out_until_the_first_ends(tmp_path):
    code = (
        "import sys\n"
        "from espnet2_distilmos.utils.files import folder_lock\n"
        "with folder_lock(sys.argv[1]):\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    folder = tmp_path / "new"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match="new: another process is writing here"):
            with folder_lock(folder):
                pass
    finally:
        other.send_signal(signal.SIGKILL)  # the lock dies with it
        other.communicate()
    with folder_lock(folder):
        pass
    with folder_lock(folder):
        pass
