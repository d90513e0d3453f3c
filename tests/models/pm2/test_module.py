from itertools import islice

import pandas as pd
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import CSVLogger

from aukit.errors import ConfigError, WeightsError
from aukit.models.pm2 import METHODS, PM2Module, gradient_norms, losses
from aukit.training import execute
from aukit.training.predictions import PredictionWriter
from tests.fakes import AUS
from tests.models.pm2.pairs import GROUPNORM, SMALL, FakePairs
from tests.trainers import configuration, quiet_trainer


@pytest.fixture
def data(tmp_path):
    data = FakePairs(cache=str(tmp_path / "stores"))
    data.setup()
    return data


def model(seed=0, **changes):
    torch.manual_seed(seed)
    return PM2Module(**{**SMALL, "lr": 1e-3, **changes})


def trainer(tmp_path, callbacks=(), **options):
    quiet = {"num_sanity_val_steps": 0, "use_distributed_sampler": False}
    return quiet_trainer(tmp_path, callbacks, **quiet, **options)


def weights(module, part=""):
    return {k: v.clone() for k, v in module.state_dict().items() if k.startswith(part)}


def moved(before, after):
    return {key for key in before if not torch.equal(before[key], after[key])}


# --------------------------------------------------------------------- all methods


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_and_is_tested(tmp_path, data, method):
    writer = PredictionWriter(tmp_path / "predictions.parquet")
    run, module = trainer(tmp_path, [writer]), model(method=method)
    before = weights(module)
    run.fit(module, data)
    logged = run.callback_metrics
    adapts, twice = METHODS[method].alignment != "none", METHODS[method].discrepancy
    assert ("train/alignment" in logged) == adapts
    assert ("train/discrepancy" in logged) == twice
    assert {"val/source_f1", "val/source_f1_AU1", "val/source_f1_gap", "val/information", "val/snd"} <= set(
        logged
    )
    assert "val/oracle_f1" not in logged
    assert all(value.isfinite() for key, value in logged.items() if key.startswith("train"))
    still = {key for key in before if key not in moved(before, weights(module))}
    assert not [key for key in still if key.endswith("weight")]
    pair = twice or method == "source"  # from which the others start
    assert len(module.network.heads) == (3 if METHODS[method].head_per_stream else 1) * (2 if pair else 1)

    run.test(module, data, verbose=False)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert sorted(table["row"]) == data.test_rows.tolist()
    assert table.attrs == {"label": "occurrence", "threshold": 0.5}
    scores = table[[f"AU{au:02d}_score" for au in AUS]].to_numpy()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_labels_are_learnt(tmp_path, data):
    data.steps_per_epoch, data.batch_size = 150, 16
    run, wider = trainer(tmp_path), {"channels": [8, 16, 16, 16], "stem_width": 8}
    options = {"streams": ("real",), "backbone_options": wider, "lr": 1e-2, "schedule": "cosine"}
    run.fit(model(method="source", **options), data)
    assert float(run.callback_metrics["val/source_f1"]) > 0.9  # the colour of a fake frame tells its labels


def test_what_needs_no_target_never_looks_at_it(tmp_path, data):
    class NoTarget(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            del batch["target"]

    for changes in ({"method": "source"}, {"method": "pm2", "discrepancy": False}):
        trainer(tmp_path, [NoTarget()]).fit(model(**changes), data)
    with pytest.raises(KeyError, match="target"):
        trainer(tmp_path, [NoTarget()]).fit(model(method="mmd"), data)


def test_terms_are_logged_of_the_steps_that_loggers_record(tmp_path, data, monkeypatch):
    computed, terms = [], PM2Module.terms
    monkeypatch.setattr(PM2Module, "terms", lambda *given: computed.append(terms(*given)) or computed[-1])
    logger = CSVLogger(str(tmp_path))  # every fifth step of a run with epochs of three
    trainer(tmp_path, max_epochs=4, log_every_n_steps=5, logger=logger).fit(model(method="source"), data)
    logged = pd.read_csv(f"{logger.log_dir}/metrics.csv").dropna(subset="train/source")
    assert logged["step"].tolist() == [4, 9]
    assert logged["train/source"].tolist() == pytest.approx([float(computed[at]["source"]) for at in (4, 9)])


def test_an_oracle_has_a_name_of_its_own(tmp_path, data):
    data.oracle = True
    run = trainer(tmp_path)
    run.fit(model(), data)
    assert {"val/source_f1", "val/oracle_f1", "val/oracle_f1_female"} <= set(run.callback_metrics)


# --------------------------------------------------------------------- the three steps


class Steps(Callback):
    """What changed between one optimiser step and the next."""

    def __init__(self):
        self.optimizers, self.states = [], []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.optimizers.append(trainer.optimizers.index(optimizer))
        self.states.append(weights(pl_module))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.states.append(weights(pl_module))


@pytest.mark.parametrize("method", ["mcd", "m3sda_beta", "pm2"])
def test_each_step_touches_only_what_it_should(tmp_path, data, method):
    data.steps_per_epoch, steps = 1, Steps()
    module = model(method=method, generator_steps=2)
    before = weights(module)
    trainer(tmp_path, [steps], limit_val_batches=0).fit(module, data)
    assert steps.optimizers == [0, 1, 1, 0, 0]  # A: features, heads; B: heads; C twice: features
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    first = moved(before, steps.states[0])
    assert first
    assert all(key.endswith(statistics) for key in first)  # moved by A's forward pass
    parts = [
        "network.backbone.",
        "network.heads.",
        "network.heads.",
        "network.backbone.",
        "network.backbone.",
    ]
    for part, state, later in zip(parts, steps.states[:-1], steps.states[1:], strict=True):
        changed = moved(state, later)
        assert changed
        assert all(key.startswith(part) and not key.endswith(statistics) for key in changed)
    for name in ("network.heads.0.", "network.heads.1."):  # both heads of a pair learn
        assert any(key.startswith(name) for key in moved(steps.states[2], steps.states[3]))


def test_batch_norms_never_train_on_their_running_statistics(tmp_path, data):
    """Else the features collapse: step C shrinks what the batch norm of step A stretches again."""
    data.steps_per_epoch, trained = 1, []
    for shift in (0.0, 3.0):
        module = model(method="pm2")
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.add_(shift)
        trainer(tmp_path / str(shift), limit_val_batches=0).fit(module, data)
        trained.append(dict(module.named_parameters()))
    assert all(torch.equal(value, trained[1][name]) for name, value in trained[0].items())


def test_heads_raise_the_discrepancy_and_features_lower_it(tmp_path, data, monkeypatch):
    seen = []

    def spy(first, second, compute=losses.classifier_discrepancy):
        seen.append(compute(first, second).item())
        return compute(first, second)

    class Unlabelled(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            batch["occurrences"].fill_(torch.nan)

    monkeypatch.setattr(losses, "classifier_discrepancy", spy)
    data.steps_per_epoch = 1
    module = model(method="mcd", generator_steps=5, balance_weight=0.0, weight_decay=0.0)
    trainer(tmp_path, [Unlabelled()], limit_val_batches=0).fit(module, data)
    at_b, *at_c = seen
    assert 0 < at_b < at_c[0]
    assert at_c == sorted(at_c, reverse=True)


def test_ablations_change_what_they_name(tmp_path, data, monkeypatch):
    calls = []

    def spy(real, female, male, order, pairs, paired_orders, central):
        calls.append((real, female, male, order, pairs, paired_orders, central))
        return real.sum() * 0

    monkeypatch.setattr(losses, "paired_moment_distance", spy)
    data.steps_per_epoch = 1

    def fit(**changes):
        calls.clear()
        trainer(tmp_path, limit_val_batches=0).fit(model(**changes), data)
        return calls[-1]

    both, shuffled = fit(), fit(shuffle_pairs=True)
    assert both[3:] == (2, ["real-female", "real-male"], 1, False)
    assert torch.equal(shuffled[0], both[0])
    for name, shift in ((1, 1), (2, -1)):
        assert torch.equal(shuffled[name], both[name].roll(shift, 0))
        assert not torch.equal(shuffled[name], both[name])
    only = fit(streams=("real", "male"), order=5, paired_orders=0, female_male=True)
    assert only[1] is None
    assert only[3:] == (5, ["real-male"], 0, False)
    assert fit(female_male=True)[4] == ["real-female", "real-male", "female-male"]


def test_an_alignment_counts_as_much_as_its_weight(tmp_path, data):
    data.steps_per_epoch = 2

    def trained(part="network.", **changes):
        module = model(**changes)
        trainer(tmp_path, limit_val_batches=0).fit(module, data)
        return weights(module, part)

    without, backbone = trained(method="mcd"), "network.backbone."
    assert not moved(without, trained(method="pm2", alignment_weight=0.0))
    assert moved(without, trained(method="pm2", alignment_weight=0.1))
    without = trained(backbone, method="mmd", alignment_weight=0.0)
    for method in ("coral", "dann"):
        assert not moved(without, trained(backbone, method=method, alignment_weight=0.0))
        assert moved(without, trained(backbone, method=method, alignment_weight=5.0))
    # The domain classifier learns, whatever comes back to the features.
    begun = weights(model(method="dann"), "domain.")
    assert moved(begun, trained("domain.", method="dann", alignment_weight=0.0))


# --------------------------------------------------------------------- the rule for the weight


def training_batches(data, number=2):
    return [data.on_after_batch_transfer(b, 0) for b in islice(data.train_dataloader(), number)]


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.alignment != "none"])
def test_gradients_of_source_loss_and_alignment_are_compared(data, method):
    given, module = training_batches(data), model(method=method)
    before = {name: value.clone() for name, value in module.network.named_parameters()}
    source, alignment = gradient_norms(module, given)
    assert not moved(before, dict(module.network.named_parameters()))
    expected = {"source": 0.0, "alignment": 0.0}
    for batch in given:
        for name in expected:
            module.zero_grad()
            module.terms(batch)[name].backward()
            each = [p.grad.flatten() for p in module.network.backbone.parameters() if p.grad is not None]
            expected[name] += float(torch.cat(each).norm()) / len(given)
    assert source == pytest.approx(expected["source"], rel=1e-4)
    assert alignment == pytest.approx(expected["alignment"], rel=1e-4)
    assert min(source, alignment) > 0


def test_a_domain_classifier_is_measured_after_it_has_learnt(data):
    given, module = training_batches(data), model(method="dann", head_width=64)
    begun = module.terms(given[0])["alignment"].item()
    gradient_norms(module, given)
    assert module.terms(given[0])["alignment"].item() < 0.9 * begun


def test_there_is_nothing_to_compare_without_alignment_or_batches(data):
    with pytest.raises(ValueError, match="aligns nothing"):
        gradient_norms(model(method="mcd"), training_batches(data))
    with pytest.raises(ValueError, match="need a batch"):
        gradient_norms(model(), [])


# --------------------------------------------------------------------- heads and start


def test_per_stream_heads_learn_from_their_stream_alone(tmp_path, data, monkeypatch):
    class NoWomen(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            batch["female"].zero_()

    monkeypatch.setattr(losses, "moment_distance", lambda sources, *_: sources[0].sum() * 0)
    data.steps_per_epoch = 1
    states = []
    for callbacks in ([], [NoWomen()]):
        module = model(method="m3sda", streams=("real", "male", "female"), **GROUPNORM)
        trainer(tmp_path, callbacks, limit_val_batches=0).fit(module, data)
        states.append(weights(module, "network.heads"))
    assert {key.split(".")[2] for key in moved(*states)} == {"2"}


# --------------------------------------------------------------------- start, several processes, runs


def config(tmp_path, **changes):
    model = {"class_path": "aukit.models.pm2.PM2Module", "init_args": {**SMALL, "lr": 1e-3, **changes}}
    stores = {"cache": str(tmp_path / "stores")}
    data = {"class_path": "tests.models.pm2.pairs.FakePairs", "init_args": stores}
    return configuration(model, data, epochs=2, monitor="val/source_f1", selection="best")


def test_methods_share_a_source_trained_start(tmp_path):
    source = execute(config(tmp_path, method="source", streams=["real"]), tmp_path / "runs")
    state = torch.load(source.checkpoint, weights_only=True)["state_dict"]
    for method, origin in (
        ("source", [0, 1]),
        ("coral", [0]),
        ("pm2", [0, 1]),
        ("m3sda", [0, 0, 0]),
        ("m3sda_beta", [0, 1, 0, 1, 0, 1]),
    ):
        module = model(seed=5, method=method, start=source.checkpoint)
        for key, value in module.network.state_dict().items():
            part, index, rest = [*key.split(".", 2), "", ""][:3]
            if part == "backbone":
                assert torch.equal(value, state[f"network.{key}"])
            else:
                assert torch.equal(value, state[f"network.heads.{origin[int(index)]}.{rest}"])
    record = execute(config(tmp_path, start=source.checkpoint), tmp_path / "runs")
    assert {"train/discrepancy", "val/source_f1", "val/snd", "test/f1", "test/f1_gap"} <= set(record.metrics)
    assert record.notes["selection"] == "best val/source_f1 (max) on validation people"
    # A checkpoint needs no start, and no file of weights.
    again = PM2Module.load_from_checkpoint(record.checkpoint, weights_only=True)
    assert again.hparams["method"] == "pm2"

    with pytest.raises(WeightsError, match=r"method pm2 for AUs \[1, 4, 12\]; a start is of method source"):
        model(start=record.checkpoint)
    with pytest.raises(WeightsError, match="does not fit this backbone"):
        model(start=source.checkpoint, head_width=9)
    with pytest.raises(WeightsError, match="no such file; make it by"):
        model(start=str(tmp_path / "none.ckpt"))
    (tmp_path / "text.ckpt").write_text("nothing")
    with pytest.raises(WeightsError, match=r"text\.ckpt: is text"):
        model(start=str(tmp_path / "text.ckpt"))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["pm2", "m3sda_beta", "mmd", "coral"])
def test_two_processes_take_the_steps_of_one(tmp_path, data, monkeypatch, method):
    """Losses that are no means over rows: moments, kernels, covariances, class balance."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    results = []
    for processes in (1, 2):
        module = model(method=method, generator_steps=2, **GROUPNORM)
        strategy = "auto" if processes == 1 else "ddp_fork_find_unused_parameters_true"
        run = trainer(tmp_path, devices=processes, strategy=strategy)
        run.fit(module, data)
        results.append((weights(module), run.callback_metrics))
    for key, value in results[0][0].items():
        torch.testing.assert_close(results[1][0][key], value, rtol=1e-3, atol=2e-6, msg=key)
    for key, value in results[0][1].items():
        torch.testing.assert_close(results[1][1][key], value, rtol=1e-4, atol=1e-6, equal_nan=True, msg=key)


def test_data_and_model_must_mean_the_same(tmp_path, data):
    with pytest.raises(ConfigError, match=r"the data have AUs \[1, 4, 12\], the model \[1, 2\]"):
        trainer(tmp_path).fit(model(aus=[1, 2]), data)
    data.streams = ("real", "male")
    with pytest.raises(ConfigError, match=r"needs \['female'\], which the batches lack"):
        trainer(tmp_path).fit(model(), data)
    with pytest.raises(ConfigError, match="real once"):
        model(streams=("female", "male"))
    with pytest.raises(ConfigError, match="add one to model"):
        model(streams=("real",))
    with pytest.raises(ConfigError, match=r"set trainer\.max_epochs"):
        trainer(tmp_path, max_epochs=-1).fit(model(method="dann"), data)
