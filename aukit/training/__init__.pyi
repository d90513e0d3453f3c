# What the package exports, each from where it is defined; read by type checkers and by its lazy loader.
from .callbacks import RunInterrupted as RunInterrupted
from .config import load_config as load_config
from .evaluation import evaluate as evaluate
from .fairness import GroupScores as GroupScores
from .fairness import score_groups as score_groups
from .loggers import is_rank_zero as is_rank_zero
from .loggers import read_log as read_log
from .options import LoggingOptions as LoggingOptions
from .options import RunOptions as RunOptions
from .predictions import PredictionWriter as PredictionWriter
from .record import Record as Record
from .run import execute as execute
from .run_config import RunConfig as RunConfig
from .run_config import build_datamodule as build_datamodule
from .run_config import resolve as resolve
from .run_folder import RunFolder as RunFolder
from .run_identity import identity as identity
