"""Table 3 of Niinuma et al. (WACV 2021): corpus → registration → GAN → balanced sets → estimators → ICC(3,1)."""

import hashlib
import json
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

import aukit
from aukit.reproduce.setting import Setting
from aukit.reproduce.stages import Stages
from aukit.reproduce.table import Table
from aukit.runs import load_config

EXPERIMENTS = Path(aukit.__file__).parents[1] / "experiments"
SPEC = EXPERIMENTS / "tables" / "table3.yaml"
ROOT_VARIABLE = "AUKIT_FERA2017_ROOT"


class Table3:
    """The table as a chain of stages; every stage finds what is done and makes what is missing.

    Args:
        setting: Source and size.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        spec = OmegaConf.to_container(OmegaConf.load(SPEC))
        assert isinstance(spec, dict)
        self.spec: dict[str, Any] = {str(k): v for k, v in spec.items()}
        self.size: dict[str, Any] = self.spec["profiles"][setting.profile]
        self.aus: list[int] = self.spec["aus"]
        self.folder = setting.logs / "tables" / "table3" / setting.name

    # ----------------------------------------------------------------- configurations

    def corpus_root(self) -> Path:
        """Root of the licensed release, or of the stand-in that this size uses."""
        if self.setting.licensed_root is not None:
            return self.setting.licensed_root
        return self.setting.logs / "standins" / f"fera2017-{self.setting.profile}-seed{self.setting.seed}"

    def config(self, experiment: str, *overrides: str) -> dict[str, Any]:
        """A run's resolved configuration: the experiment in this size, on this corpus, with this seed."""
        corpus = [
            f"data.corpus.root={self.corpus_root()}",
            f"data.corpus.cache={self.setting.logs / 'stores'}",
            f"data.corpus.seed={self.setting.seed}",
            f"seed={self.setting.seed}",
        ]
        path = EXPERIMENTS / experiment / "fera2017.yaml"
        return load_config(path, profile=self.setting.profile, overrides=[*corpus, *overrides])

    def signature(self) -> str:
        """Hash of everything that the table depends on besides the code and the corpus' content."""
        parts = [
            self.spec,
            self.setting.name,
            str(self.corpus_root()),
            self.config("synthesis"),
            self.config("intensity"),
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]

    # ----------------------------------------------------------------- the chain

    def run(self) -> Table | None:
        """Make the table; None when the one on disk is already this one."""
        stored = self.folder / "table.json"
        if (
            stored.exists()
            and json.loads(stored.read_text())["provenance"].get("signature") == self.signature()
        ):
            return None
        stages = Stages(self.folder / "stages.json")
        with stages.stage("corpus"):
            self.make_corpus()
        with stages.stage("registration"):
            corpus = self.prepare()
        with stages.stage("GAN"):
            generator = self.train_generator()
        with stages.stage("synthesis"):
            sets = self.make_sets(corpus, generator)
        with stages.stage("estimators"):
            records = self.train_estimators(sets)
        with stages.stage("scores"):
            table = self.tabulate(corpus, generator, records, stages)
        table.provenance["seconds"] = stages.seconds
        table.write(self.folder)
        return table
