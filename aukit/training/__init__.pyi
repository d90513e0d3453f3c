# What the package exports, each from where it is defined; read by type checkers and by its lazy loader.
from .callbacks import RunInterrupted as RunInterrupted
from .config import LoggingOptions as LoggingOptions
from .config import RunOptions as RunOptions
from .config import load_config as load_config
from .fairness import GroupScores as GroupScores
from .fairness import score_groups as score_groups
from .instantiate import resolve as resolve
from .loggers import read_log as read_log
from .predictions import PredictionWriter as PredictionWriter
from .rank import is_rank_zero as is_rank_zero
from .record import Record as Record
from .run import RunFolder as RunFolder
from .run import evaluate as evaluate
from .run import execute as execute
from .run_identity import identity as identity
