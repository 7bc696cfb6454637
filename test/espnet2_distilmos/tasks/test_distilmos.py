"""The task: its options, models and optimisers."""

import io

import pytest
import torch
import yaml

from espnet2_distilmos.model.predictor import DistilMOSPredictor
from espnet2_distilmos.model.sslmos import SSLMOSPredictor
from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels

NODISTIL = ["--loss_conf", "token_weight=0"]
SSLMOS = [*NODISTIL, "--predictor", "sslmos"]


@pytest.fixture(scope="module")
def parse(corpus):
    """Function: options to arguments, of the corpus' upstream and tokens."""
    parser = DistilMOSTask.get_parser()
    given = ["--upstream_config", str(corpus.upstream), "--output_dir", "unused"]
    tokens = ["--token_provenance", str(corpus.provenance)]

    def parse(*options, tokens=tokens, given=given):
        return parser.parse_args([*given, *tokens, *options])

    return parse


def build(args):
    torch.manual_seed(0)
    return DistilMOSTask.build_model(args)


def batch_for(model, batch_of):
    speech, lengths = batch_of([8000, 4000])
    frames = [model.network.upstream.frame_count(n) for n in lengths.tolist()]
    tokens = torch.full((2, max(frames), 3), -1)
    for row, n in zip(tokens, frames):
        row[:n] = torch.arange(n).unsqueeze(1) % 8
    return {
        "speech": speech,
        "speech_lengths": lengths,
        "mos": torch.tensor([[2.0], [4.5]]),
        "tokens": tokens,
        "tokens_lengths": torch.tensor(frames),
    }


def test_distilmos(parse, batch_of):
    model = build(parse("--predictor_conf", "hidden_size=8"))
    assert isinstance(model.network.predictor, DistilMOSPredictor)
    assert model.n_tokens == 8 and model.token_columns == [0, 1, 2]
    assert len(model.network.predictor.token_heads.heads) == 3
    retval = model.train()(**batch_for(model, batch_of))
    assert retval["stats"].keys() == {"loss", "mos_loss", "token_loss", "token_acc"}
    retval["loss"].backward()
    missing = [
        n for n, p in model.named_parameters() if p.requires_grad and p.grad is None
    ]
    assert missing == []


@pytest.mark.parametrize("options", [NODISTIL, SSLMOS], ids=["nodistil", "sslmos"])
def test_baselines_need_no_tokens(parse, batch_of, options):
    model = build(parse(*options, tokens=[]))
    assert isinstance(model.network.predictor, SSLMOSPredictor) == (options is SSLMOS)
    assert not any("token_heads" in name for name in model.state_dict())
    batch = batch_for(model, batch_of)
    del batch["tokens"], batch["tokens_lengths"]
    retval = model.train()(**batch)
    assert retval["stats"].keys() == {"loss", "mos_loss"}
    retval["loss"].backward()
    missing = [
        n for n, p in model.named_parameters() if p.requires_grad and p.grad is None
    ]
    assert missing == []


def test_the_seed_starts_all_but_the_heads_alike(parse):
    """The comparison with and without distillation starts from the same network."""
    full = build(parse("--predictor_conf", "hidden_size=8")).state_dict()
    plain = build(parse("--predictor_conf", "hidden_size=8", *NODISTIL)).state_dict()
    extra = {k for k in full if k not in plain}
    assert extra and all("token_heads" in k for k in extra)
    assert all(torch.equal(full[k], plain[k]) for k in plain)


def test_an_initialisation_leaves_the_readout_as_it_is(parse):
    conf = ("--predictor_conf", "readout=statistics", "--upstream_conf", "freeze=true")
    network = build(parse(*conf, "--init", "normal")).network
    assert (network.predictor.readout.output.weight == 0).all()
    assert (network.predictor.decoder.output.weight != 0).any()


def test_target_layers_choose_the_token_columns(parse):
    conf = ["--predictor_conf", "target_layers=[1, 3]"]
    model = build(parse(*conf))
    assert model.token_columns == [0, 2]
    assert len(model.network.predictor.token_heads.heads) == 2


def test_codebooks_of_a_layer_stand_together(parse, corpus, tmp_path):
    provenance = yaml.safe_load(corpus.provenance.read_text())
    path = tmp_path / "provenance.yaml"
    path.write_text(yaml.safe_dump({**provenance, "n_codebooks": 2}))
    tokens = ["--token_provenance", str(path)]
    model = build(parse("--predictor_conf", "target_layers=[1, 3]", tokens=tokens))
    assert model.token_columns == [0, 1, 4, 5] and model.token_width == 6
    assert len(model.network.predictor.token_heads.heads) == 4
    path.write_text(yaml.safe_dump({**provenance, "n_codebooks": "2"}))
    with pytest.raises(UserError, match="not a k-means provenance"):
        build(parse(tokens=tokens))


def test_arguments_become_portable(parse, corpus):
    args = parse("--upstream_conf", "layerdrop=0.1")
    build(args)
    assert args.upstream_conf == {**corpus.conf, "layerdrop": 0.1}
    assert args.upstream_config is None and args.token_provenance is None
    assert args.token_conf["n_clusters"] == 8
    dumped = yaml.safe_load(yaml.safe_dump(vars(args)["token_conf"]))
    assert dumped == args.token_conf


def test_what_the_labels_are_is_copied_and_decides_no_weight(parse, tmp_path):
    labels = Labels((LabelInfo("a", "objective", "PESQ"), LabelInfo("b")))
    labels.write(tmp_path / "labels.yaml")
    args = parse("--label_conf", str(tmp_path / "labels.yaml"))
    model = build(args).state_dict()
    assert args.label_conf == labels.as_list()
    assert yaml.safe_load(yaml.safe_dump(args.label_conf)) == args.label_conf
    args.label_conf = yaml.safe_load(yaml.safe_dump(args.label_conf))
    build(args)  # of a saved configuration
    assert args.label_conf == labels.as_list()
    plain = build(parse()).state_dict()
    assert all(torch.equal(model[k], plain[k]) for k in plain)
    (tmp_path / "labels.yaml").write_text("labels: [{corpus: a, kind: MOS}]")
    with pytest.raises(UserError, match="labels.yaml: labels: kind: 'MOS' is none of"):
        build(parse("--label_conf", str(tmp_path / "labels.yaml")))


def test_a_saved_configuration_builds_the_same_model(parse):
    """As ESPnet's build_model_from_file and resumed trainings do."""
    args = parse("--predictor_conf", "hidden_size=8")
    first = build(args).state_dict()
    second = build(args).state_dict()
    assert all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize(
    "options, tokens, message",
    [
        ([], [], "needs --token_provenance .* or set loss_conf token_weight to 0"),
        (["--upstream_conf", "layers=[4]"], None, "layer 4 .* has 3 layers"),
        (["--upstream_conf", "lay=1"], None, "tiny.yaml: unknown key lay"),
        ([], ["--token_provenance", "absent.yaml"], "absent.yaml: cannot be read"),
    ],
)
def test_mistakes(parse, options, tokens, message):
    args = parse(*options) if tokens is None else parse(*options, tokens=tokens)
    with pytest.raises(UserError, match=message):
        build(args)


def test_tokens_that_lack_a_layer_are_refused(parse, corpus, tmp_path):
    provenance = yaml.safe_load(corpus.provenance.read_text())
    provenance["layers"] = [1, 2]
    path = tmp_path / "provenance.yaml"
    path.write_text(yaml.safe_dump(provenance))
    with pytest.raises(UserError, match=r"hold layers \[1, 2\], but \[3\]"):
        build(parse(tokens=["--token_provenance", str(path)]))
    path.write_text("n_clusters: 8\n")
    with pytest.raises(UserError, match="not a k-means provenance"):
        build(parse(tokens=["--token_provenance", str(path)]))


def test_no_upstream_is_one_line(parse):
    with pytest.raises(UserError, match="--upstream_config .* is needed"):
        build(parse(given=[]))


def test_optimizer_groups(parse):
    args = parse(
        *[
            "--optim",
            "adamw",
            "--optim_conf",
            "lr=0.01",
            "--optim_conf",
            "weight_decay=0.1",
        ],
        *["--upstream_lr", "0.0001", "--layer_logits_lr", "0.05"],
    )
    model = build(args)
    (optimizer,) = DistilMOSTask.build_optimizers(args, model)
    group_of = {
        id(p): group for group in optimizer.param_groups for p in group["params"]
    }
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    # Every trained parameter once, and nothing else.
    assert sum(len(g["params"]) for g in optimizer.param_groups) == len(trained)
    assert set(group_of) == {id(p) for p in trained.values()}
    for name, parameter in trained.items():
        group = group_of[id(parameter)]
        lr = 0.01
        if name.startswith("network.upstream."):
            lr = 0.0001
        elif name == "network.predictor.weighting.logits":
            lr = 0.05
        assert group["lr"] == lr, name
        assert group["weight_decay"] == (0.1 if parameter.dim() > 1 else 0.0), name
    assert {0.05} < {g["lr"] for g in optimizer.param_groups}


def test_rates_are_those_of_optim_conf_unless_given(parse):
    args = parse("--optim", "adam", "--optim_conf", "lr=0.01")
    (optimizer,) = DistilMOSTask.build_optimizers(args, build(args))
    assert {g["lr"] for g in optimizer.param_groups} == {0.01}


def test_the_cnn_has_a_rate_of_its_own(parse):
    args = parse("--optim", "adam", "--upstream_lr", "0.002", "--cnn_lr", "0.003")
    model = build(args)
    (optimizer,) = DistilMOSTask.build_optimizers(args, model)
    rate = {id(p): g["lr"] for g in optimizer.param_groups for p in g["params"]}
    upstream = model.network.upstream
    cnn = {id(p) for p in upstream.cnn.parameters()}
    for parameter in filter(lambda p: p.requires_grad, upstream.parameters()):
        expected = 0.003 if id(parameter) in cnn else 0.002
        assert rate[id(parameter)] == expected


def test_the_upstream_stays_for_the_first_steps_also_when_resumed(parse):
    args = parse("--optim", "adamw", "--freeze_upstream_steps", "2")
    model = build(args)
    (optimizer,) = DistilMOSTask.build_optimizers(args, model)
    upstream = [p for p in model.network.upstream.parameters() if p.requires_grad]
    head = model.network.predictor.decoder.output.weight
    moved = []
    for step in range(4):
        if step == 1:  # a resumed training has an optimiser of its own
            state = optimizer.state_dict()
            (optimizer,) = DistilMOSTask.build_optimizers(args, model)
            optimizer.load_state_dict(state)
        before = [p.detach().clone() for p in [*upstream, head]]
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        changed = [bool((p != b).any()) for p, b in zip([*upstream, head], before)]
        assert changed[-1]
        moved.append(set(changed[:-1]))
    assert moved == [{False}, {False}, {True}, {True}]


def test_print_config_works_without_data():
    text = io.StringIO()
    DistilMOSTask.print_config(text)
    config = yaml.safe_load(text.getvalue())
    assert config["predictor"] == "distilmos"
    assert config["predictor_conf"]["kernels"] == [5, 3, 3]
    assert config["loss_conf"]["regression"] == "l1"
    with pytest.raises(SystemExit) as end:
        DistilMOSTask.main(cmd=["--print_config"])
    assert end.value.code == 0
