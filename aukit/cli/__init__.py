"""The `aukit` command: arguments in, one call out. Each subcommand imports what it needs when it runs."""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
from collections.abc import Sequence

from aukit import __version__
from aukit.cli.avatars import add_avatars
from aukit.cli.complete import add_complete
from aukit.cli.corpora import add_check, add_standin
from aukit.cli.detect import add_detect, add_register, add_score
from aukit.cli.doctor import add_doctor
from aukit.cli.fairness import add_fairness
from aukit.cli.grammar import Parser, Run, add_group
from aukit.cli.runs import add_runs
from aukit.cli.sweep import add_sweep
from aukit.cli.tables import add_tables
from aukit.cli.weights import add_weights
from aukit.errors import ConfigError, explained
from aukit.utils.signals import Ending, termination_interrupts
from aukit.utils.slurm import in_job, requeue_own

DEBUG_VARIABLE = "AUKIT_DEBUG"
"""Set to 1, errors that a user can act on are shown with their traceback too."""

_CLOSED_PIPE = 141  # 128 + SIGPIPE, as of any program whose reader is gone

_EXAMPLES = """\
examples:
  aukit reproduce fgnet --profile smoke           published tables on rendered stand-ins, in minutes
  aukit fit -c fgnet --profile mini fold=1        train, select, test; prints F1 per action unit and gender
  aukit detect clip.mp4 photo.jpg --out results   faces and action units of your own pictures

aukit COMMAND --help says more. Set AUKIT_DEBUG=1 to see where an error was raised."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words after `aukit`; None for those of the command line.

    Returns:
        Exit status: 0, also when SLURM asked for the end and the job is back in its queue; 2 after an error
        that the user can act on; 1 if a check ends with findings; 130 after Ctrl-C and 143 after SIGTERM.

    Raises:
        SystemExit: With status 2 for words that are no command, 0 after a help text.
        Exception: Whatever nobody foresaw, so that its traceback is shown.
    """
    with termination_interrupts() as ending:
        status = _status(arguments, ending)
        return _put_back(ending, status) if status and ending.came and in_job() else status


def _status(arguments: Sequence[str] | None, ending: Ending) -> int:
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("aukit: interrupted; repeat the command to go on", file=sys.stderr)
        return 128 + (ending.came or signal.SIGINT)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _leave_closed_pipe():
            return _CLOSED_PIPE
        message = explained(error)
        if message is None or os.environ.get(DEBUG_VARIABLE, "0") not in ("", "0"):
            raise
        print(f"aukit: {message}", file=sys.stderr)
        return 2


def _put_back(ending: Ending, status: int) -> int:
    """Exit status of a process that SLURM asked to end, and whose job it is to start again."""
    if ending.agreed and os.environ.get("SLURM_PROCID", "0") != "0":
        return 0  # the first one does it

    def announce() -> None:
        print("aukit: the job goes back into the queue, and on from there", file=sys.stderr)

    try:
        return 0 if requeue_own(announce) else status
    except ConfigError as error:
        print(f"aukit: {error}\nthe job does not go on by itself: submit it again", file=sys.stderr)
        return status


def _run(arguments: Sequence[str] | None) -> int:
    try:
        parsed = parser().parse_args(arguments)
        parsed.words = list(sys.argv[1:] if arguments is None else arguments)
        run: Run = parsed.run
        return int(run(parsed) or 0)  # type: ignore[call-overload,no-any-return]
    finally:
        sys.stdout.flush()  # whether the reader of a pipe is gone is known here, not at exit


def parser() -> Parser:
    """The command's grammar; options of a corpus are those of its reader, added once its name is known."""
    root = Parser(
        prog="aukit",
        usage="aukit [--version] COMMAND ...",
        description="Facial action unit research, from corpus to table.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"aukit {__version__}")
    commands = root.add_subparsers(required=True, prog="aukit", metavar="COMMAND ...", title="commands")
    add_runs(commands)
    add_tables(commands)
    add_sweep(commands)
    add_detect(commands)
    add_register(commands)
    add_score(commands)
    add_fairness(commands)
    add_standin(commands)
    add_check(add_group(commands, "corpora", "check: is a release read rightly?"))
    add_avatars(add_group(commands, "avatars", "sheet, render, faces, labelled, pairs, dataset, import-ict"))
    add_doctor(commands)
    add_complete(commands, parser)
    add_weights(add_group(commands, "weights", "import, check, export: weights of others and yours"))
    return root


def _leave_closed_pipe() -> bool:
    """Whether nobody reads what is printed any more; if so, the rest is dropped without a word."""
    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):  # a test's, or closed
        return False
    pipe = select.poll()
    pipe.register(output, 0)  # of the end of its reader it tells unasked
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in pipe.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True
