"""training.yaml beside weights: the same goes on, another is refused."""

import pytest

from espnet2_distilmos.bin.training_stamp import n_processes
from espnet2_distilmos.train import record
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml

REQUEST = {
    "data": {"labels of train": "0" * 64},
    "tokens": {},
    "upstream": {"upstream": "fbank"},
    "options": {"seed": 0, "loss_conf": {"token_weight": 0.3}},
}
OTHER = {
    **REQUEST,
    "data": {"labels of train": "1" * 64},
    "options": {"seed": 0, "loss_conf": {"token_weight": 3.0}},
}


def begin(folder, request=REQUEST, max_epoch=3, patience=None, before=None):
    record.begin(folder, request, max_epoch, patience, "words", before)


@pytest.fixture
def trained(tmp_path):
    """A folder after three epochs."""
    folder = tmp_path / "exp"
    begin(folder)
    (folder / "config.yaml").write_text("a: 1\n")
    (folder / "checkpoint.pth").write_text("state")
    (folder / "3epoch.pth").write_text("weights")
    (folder / "latest.pth").symlink_to("3epoch.pth")
    (folder / "valid.acc.best.pth").symlink_to("1epoch.pth")  # which is gone
    record.end(folder, 3)
    return folder


def test_another_training_is_refused_in_one_line(trained):
    with pytest.raises(UserError) as error:
        record.require_same(trained, OTHER, {})
    assert str(error.value) == (
        f"{trained}: holds weights of another training, which differs in labels of "
        "train; loss_conf token_weight 0.3 -> 3.0; train under another --tag "
        f"(distilmos train: another --output_dir), or remove {trained}"
    )


def test_epochs_of_an_earlier_versions_record_are_its_length(trained):
    """Its request had them nowhere, and their default is not what it was asked."""
    request = {**REQUEST, "options": {**REQUEST["options"], "max_epoch": 3}}
    record.require_same(trained, request, {"max_epoch": 40})
    request["options"]["max_epoch"] = 40
    with pytest.raises(UserError, match="differs in max_epoch 3 -> 40;"):
        record.require_same(trained, request, {"max_epoch": 40})


def test_only_the_first_differences_are_named(trained):
    many = {**REQUEST, "options": {f"option{i}": i for i in range(10)}}
    with pytest.raises(UserError, match="option3 none -> 3; and 6 more; train under"):
        record.require_same(trained, many, {})


def test_the_same_training_goes_on(trained):
    found = record.require_same(trained, dict(REQUEST), {})
    assert found["epochs"] == 3
    assert found["length"] == {"max_epoch": 3, "patience": None}
    assert set(found["models"]) == {"3epoch.pth", "latest.pth"}


def test_a_record_without_weights_is_replaced(tmp_path):
    begin(tmp_path)
    assert record.require_same(tmp_path, OTHER, {}) is None


def test_weights_without_a_record_are_refused(trained):
    (trained / record.RECORD).unlink()
    (trained / ".trained").write_text("a digest of an earlier version")
    with pytest.raises(UserError, match="holds weights but no training.yaml.*--tag"):
        record.require_same(trained, REQUEST, {})
    for path in trained.glob("*.pth"):
        path.unlink()
    assert record.require_same(trained, REQUEST, {}) is None


@pytest.mark.parametrize("text", ["[", "a: 1\n", "request: 3\n"])
def test_a_broken_record_is_named(trained, text):
    (trained / record.RECORD).write_text(text)
    with pytest.raises(UserError, match="training.yaml: not"):
        record.require_same(trained, REQUEST, {})


@pytest.mark.parametrize(
    "reached, before, now, goes_on",
    [
        (3, (3, None), (3, None), False),
        (3, (3, None), (2, None), False),  # fewer
        (3, (3, None), (4, None), True),  # more
        (3, (9, 2), (9, 2), False),  # ended early
        (3, (9, 2), (20, 1), False),
        (3, (9, 2), (9, 3), True),  # more patience
        (3, (9, 2), (9, None), True),
        (3, (9, 2), (3, None), False),
        (3, (3, 2), (9, 2), True),
    ],
)
def test_more_epochs_or_patience_go_on(trained, reached, before, now, goes_on):
    length = dict(zip(("max_epoch", "patience"), before))
    record.change(trained, epochs=reached, length=length)
    told = record.whole(trained, read_yaml(trained / record.RECORD), *now)
    assert (told is None) == goes_on


@pytest.mark.parametrize("gone", ["config.yaml", "3epoch.pth"])
def test_what_is_gone_is_not_whole(trained, gone):
    (trained / gone).unlink()
    assert record.whole(trained, read_yaml(trained / record.RECORD), 3, None) is None


def test_a_killed_training_is_not_whole(trained):
    begin(trained, max_epoch=9, before=read_yaml(trained / record.RECORD))
    assert record.whole(trained, read_yaml(trained / record.RECORD), 9, None) is None


def test_other_pretrained_weights_are_refused_when_they_are_loaded(trained):
    record.confirm_weights(trained, "a" * 64, first=False)
    assert "upstream_weights_sha256" not in read_yaml(trained / record.RECORD)
    record.confirm_weights(trained, "a" * 64, first=True)
    begin(trained, before=read_yaml(trained / record.RECORD))
    record.confirm_weights(trained, "a" * 64, first=True)
    with pytest.raises(UserError, match="the pretrained weights of the upstream; "):
        record.confirm_weights(trained, "b" * 64, first=True)
    assert read_yaml(trained / record.RECORD)["upstream_weights_sha256"] == "a" * 64


@pytest.mark.parametrize(
    "ngpu, num_nodes, host, cpu_nproc, expected",
    [
        (0, 1, "", 1, 1),
        (0, 1, "", 3, 3),
        (4, 1, "", 3, 4),
        (2, 3, "", 1, 6),
        (1, 1, "a:0:1,b:0", 1, 3),
        (2, 1, "a,b", 1, 4),
        (0, 1, "a,b", 1, 2),
    ],
)
def test_number_of_processes(ngpu, num_nodes, host, cpu_nproc, expected):
    assert n_processes(ngpu, num_nodes, host, cpu_nproc) == expected
