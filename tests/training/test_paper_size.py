"""The papers' sizes as a whole: two steps, a validation, a checkpoint, test and predict, by the commands.

Corpora are rendered with few frames, large enough for the papers' crops; published weights are random values
under their published keys. Batches are as small as a laptop's memory asks; all else is the experiment's size
`paper`. With `-s` every command says its time and its largest memory.
"""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from torchvision.models import vgg16

from aukit.models.fgnet import FGNet
from aukit.models.niinuma2021 import Pool, SynthesizerModule, real_resampling, semantic_resampling, synthesize
from aukit.simulation import (
    BP4DSimulationConfig,
    BP4DStandin,
    DISFASimulationConfig,
    DISFAStandin,
    FERA2017SimulationConfig,
    FERA2017Standin,
    GFTSimulationConfig,
    GFTStandin,
)
from aukit.store import BalancedSet, PreparedStore
from aukit.training import Record
from tests.standins import written

FRAMES = 512  # pixels; the largest crops of the papers have 256

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(7200)]


def aukit(*words, status=0):
    """Run the command in a process of its own, whose memory the next one gets back; return what it said."""
    began = time.monotonic()
    command = [sys.executable, "-m", "aukit.cli", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = process.stdout.read()
        _, ended, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(ended)
    gigabytes = usage.ru_maxrss / 2**20 if sys.platform != "darwin" else usage.ru_maxrss / 2**30
    print(f"{time.monotonic() - began:6.0f} s {gigabytes:5.1f} GB  aukit {' '.join(map(str, words))}")
    assert process.returncode == status, said[-4000:]
    assert "Traceback" not in said
    return said


class Experiment:
    """An experiment in the size `paper`, two steps long."""

    def __init__(self, name, folder, *overrides):
        self.folder = folder / "runs"
        self.words = ["-c", name, "--profile", "paper", "--runs", self.folder]
        self.words += ["trainer.max_epochs=1", "data.steps_per_epoch=2", "trainer.accelerator=cpu"]
        self.words += ["data.num_workers=0", "trainer.log_every_n_steps=1", "logging.wandb=false"]
        self.words += overrides

    def fit(self):
        """Train one step, stop at the time limit, go on; return the record."""
        before = set(self.folder.glob("*/record.json"))
        assert "repeat the command to resume" in aukit("fit", *self.words, "run.time_limit=0", status=2)
        said = aukit("fit", *self.words)
        (made,) = set(self.folder.glob("*/record.json")) - before
        record = Record.read(made.parent)
        checkpoint = torch.load(record.checkpoint, map_location="meta", weights_only=True)
        assert checkpoint["state_dict"]
        assert checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["completed"] == 2
        assert any(name.startswith("val/") for name in record.metrics)
        assert aukit("fit", *self.words).splitlines()[-1] == said.splitlines()[-1]  # reused, not repeated
        return record

    def fit_once(self):
        """Train without a stop; return the record."""
        before = set(self.folder.glob("*/record.json"))
        aukit("fit", *self.words)
        (made,) = set(self.folder.glob("*/record.json")) - before
        record = Record.read(made.parent)
        shutil.rmtree(made.parent / "checkpoints")
        return record

    def fit_test_and_predict(self, columns=("score",)):
        """Train, then apply the checkpoint again; return the record and the predictions of every frame."""
        record = self.fit()
        tested = pd.read_parquet(record.predictions)
        aukit("test", *self.words)
        again = pd.read_parquet(record.folder / "predictions-test.parquet")
        pd.testing.assert_frame_equal(again, tested)
        aukit("predict", *self.words)
        table = pd.read_parquet(record.folder / "predictions-predict.parquet")
        for predictions in (tested, table):
            assert len(predictions)
            assert predictions["row"].is_unique
            names = [n for n in predictions.columns if n.startswith("AU") and n.endswith(columns)]
            assert names
            assert np.isfinite(predictions[names].to_numpy()).all()
        assert set(tested["row"]) <= set(table["row"])
        return record, table


@pytest.fixture
def room(tmp_path):
    """A folder that is emptied at once: the checkpoints of one experiment have up to 5 GB."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="module")
def bp4d(tmp_path_factory):
    config = replace(BP4DSimulationConfig.smoke(), size=FRAMES, frames=3, tasks=1)
    return written(tmp_path_factory, BP4DStandin, config).root


@pytest.fixture(scope="module")
def disfa(tmp_path_factory):
    config = replace(DISFASimulationConfig.smoke(), size=FRAMES, frames=3, cameras=("left",))
    return written(tmp_path_factory, DISFAStandin, config).root


@pytest.fixture(scope="module")
def gft(tmp_path_factory):
    config = replace(GFTSimulationConfig.smoke(), size=FRAMES, frames=3)
    return written(tmp_path_factory, GFTStandin, config).root


@pytest.fixture(scope="module")
def fera2017(tmp_path_factory):
    config = replace(FERA2017SimulationConfig.smoke(), size=FRAMES, frames=6, tasks=(1, 1, 1))
    return written(tmp_path_factory, FERA2017Standin, config).root


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return tmp_path_factory.mktemp("stores")


@pytest.fixture(scope="module")
def fgnet_start(tmp_path_factory):
    """Random values in the published containers of StyleGAN2 and pSp, imported: what FG-Net starts from."""
    folder = tmp_path_factory.mktemp("published")
    torch.manual_seed(0)
    network = FGNet()
    generator = network.g_all.state_dict()
    encoder = {f"encoder.{k}": v for k, v in network.pspencoder.state_dict().items()}
    decoder = {f"decoder.{k}": v for k, v in generator.items()}
    torch.save({"g_ema": generator, "latent_avg": torch.randn(512)}, folder / "stylegan2.pt")
    psp = {"state_dict": encoder | decoder, "latent_avg": torch.randn(18, 512), "opts": {"output_size": 1024}}
    torch.save(psp, folder / "psp.pt")
    del network, generator, encoder, decoder, psp
    for kind in ("stylegan2", "psp"):
        aukit("weights", "import", kind, folder / f"{kind}.pt", "--out", folder / f"{kind}.safetensors")
        (folder / f"{kind}.pt").unlink()
    yield f"[{folder}/stylegan2.safetensors,{folder}/psp.safetensors]"
    shutil.rmtree(folder)


@pytest.mark.parametrize("corpus", ["bp4d", "disfa"])
def test_fgnet(corpus, room, stores, fgnet_start, request):
    root = request.getfixturevalue(corpus)
    where = [f"data.root={root}", f"data.cache={stores}", f"model.weights={fgnet_start}"]
    run = Experiment("fgnet", room, f"corpus={corpus}", "data.batch_size=2", *where)
    _, table = run.fit_test_and_predict()
    store = PreparedStore.open(next(stores.glob(f"{corpus}-ffhq-256-*")))
    assert store.size == 256
    assert len(table) == len(store)


@pytest.mark.parametrize("backbone", ["resnet50", "swin_base_patch4_window7_224", "vit_base_patch16_224"])
def test_baselines(backbone, room, stores, bp4d):
    torch.save(timm.create_model(backbone).state_dict(), room / "imagenet.pth")
    where = [f"data.root={bp4d}", f"data.cache={stores}", f"model.weights={room / 'imagenet.pth'}"]
    if backbone != "resnet50":
        where += [f"model.backbone={backbone}", "model.options={img_size: 256}"]
    Experiment("baselines", room, "data.batch_size=4", *where).fit_test_and_predict()


@pytest.fixture(scope="module")
def pairs(bp4d, tmp_path_factory):
    """Avatars driven by the training people of fold 0, in the size of the paper's table."""
    out = tmp_path_factory.mktemp("avatars") / "pairs"
    words = ["--driving-corpus", "bp4d", "--driving-root", bp4d, "--partitions", "P2", "P3", "--size", 256]
    aukit("avatars", "pairs", *words, "--out", out)
    return out


@pytest.mark.parametrize("target", ["disfa", "gft"])
def test_pm2_and_its_rivals(target, room, stores, bp4d, pairs, request):
    torch.save(timm.create_model("resnet50").state_dict(), room / "imagenet.pth")
    roots = {"source": bp4d, "target": request.getfixturevalue(target), "avatars": pairs}
    where = [f"data.{name}.root={root}" for name, root in roots.items()]
    where += [f"data.{name}.cache={stores}" for name in roots]
    common = ("pm2", room, f"target={target}", "data.batch_size=2", *where)
    source = ["model.method=source", "model.streams=[real]", "data.pairs=none"]
    start = Experiment(*common, *source, f"model.weights={room / 'imagenet.pth'}").fit()
    begun = (*common, f"model.start={start.checkpoint}", "model.weights=null")
    record, _ = Experiment(*begun, "model.method=pm2").fit_test_and_predict()
    assert np.isfinite(record.metrics["train/alignment"])
    if target == "disfa":
        for method in ("source", "dann", "mmd", "coral", "mcd", "m3sda", "m3sda_beta"):
            record = Experiment(*begun, f"model.method={method}").fit_once()
            assert np.isfinite(record.metrics["train/source"])


AUS = (1, 4, 6, 10, 12, 14, 17)


def fera2017_store(root, stores):
    """The store that the experiments ask for, by the command's own defaults."""
    aukit("prepare", "fera2017", "--root", root, "--out", stores)
    store = PreparedStore.open(next(stores.glob("fera2017-frontal3d-224-*")))
    train = np.flatnonzero(store.table.frame["partition"] == "train")
    return store, train


def test_synthesis(room, stores, fera2017):
    common = ["synthesis", room, f"data.corpus.root={fera2017}", f"data.corpus.cache={stores}"]
    common += [
        "data.batch_size=2",
        "data.val_pairs=4",
        "model.reader_steps=10",
    ]  # else validation takes minutes
    gan, _ = Experiment(*common).fit_test_and_predict()
    for column in ("model.lambda_ids=1", "model.variant=stargan"):
        Experiment(*common, column).fit_once()

    store, train = fera2017_store(fera2017, stores)
    module = SynthesizerModule.load_from_checkpoint(gan.checkpoint, map_location="cpu", weights_only=True)
    pool = Pool.of(store, AUS, train)
    plan = semantic_resampling(pool, pool, 1, seed=0)
    plan = plan[plan["au"] == 12].reset_index(drop=True)
    made = synthesize(module.generator, store, plan, room / "set", AUS, batch_size=2, progress=False)
    assert made.images_at(np.arange(1)).shape == (1, 224, 224, 3)


def test_intensity(room, stores, fera2017):
    store, train = fera2017_store(fera2017, stores)
    two = (6, 12)  # seven networks take 15 GB
    made = BalancedSet.write(room / "set", real_resampling(Pool.of(store, two, train), 4, 0), store)
    torch.save(vgg16().state_dict(), room / "vgg16.pth")
    where = [f"data.corpus.root={fera2017}", f"data.corpus.cache={stores}", f"data.training_set={made.path}"]
    where += ["data.corpus.aus=[6,12]", "model.aus=[6,12]", f"model.weights={room / 'vgg16.pth'}"]
    where += ["data.batch_size=4", "data.eval_batch_size=4"]
    Experiment("intensity", room, *where).fit_test_and_predict()


@pytest.mark.parametrize("training", ["backbone", "gan", "inversion"])
def test_pretraining(training, room, tmp_path_factory):
    faces = tmp_path_factory.getbasetemp() / "faces-256"  # shared: rendered by the first that needs them
    where = [f"data.root={faces}", "data.identities=3", "data.frames=8", "data.batch_size=2"]
    if training != "gan":
        where.append("model.components=8")  # fewer than there are faces
    if training == "inversion":
        where.append("model.least_dimensions=1")  # two steps and one avatar do not fill more
    record = Experiment(f"pretrain_{training}", room, *where).fit()
    assert record.predictions is None
    if training != "gan":
        aukit("weights", "import", training, record.checkpoint, "--out", room / "mine.safetensors")
