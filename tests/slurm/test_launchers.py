"""Jobs as they are submitted and shown, with commands of SLURM that only note what they are asked."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from aukit.cli import main
from aukit.errors import ConfigError, TrainingError
from aukit.training.launchers import Jobs, Site, read_site
from aukit.utils.experiments import experiments_folder

SBATCH = """\
#!/bin/sh
env | grep ^SLURM_ >> asked
cp "$2" submitted-$(( $(cat number) + 1 ))
echo $(( $(cat number) + 1 )) > number
cat number
"""
SQUEUE = """\
#!/bin/sh
cat queue
set -- next-*
[ ! -f "$1" ] || mv "$1" queue
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder with sbatch, which counts, and squeue, which shows `queue`; files `next-…` follow it."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"sbatch": SBATCH, "squeue": SQUEUE}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (tmp_path / "number").write_text("0")
    (tmp_path / "queue").write_text("")
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr("aukit.training.launchers._SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def queue(slurm: Path, *rows: str) -> None:
    (slurm / "queue").write_text("\n".join(rows) + "\n")


def test_the_site_s_files_are_read_and_the_command_line_counts_more():
    for file in (experiments_folder() / "slurm").glob("*.yaml"):
        assert isinstance(read_site(file.stem), Site)
    assert read_site("cpu").processes == 1
    assert read_site().time == "4:00:00"
    site = read_site(None, time="1-00:00:00", gpus=2, partition=None)
    assert (site.time, site.processes, site.partition) == ("1-00:00:00", 2, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpu: 2", "'gpu'.*\n.*the keys are time, partition"),
        ("gpus: two", "'two'.*\n"),
        ("gpus: -1", "gpus=-1: give 0 or more"),
        ("time: soon", "time=soon: write minutes, H:MM:SS or D-HH:MM:SS"),
        ("- gpus", "the keys are"),
        ("gpus: [", "the keys are"),
    ],
)
def test_a_wrong_site_names_the_file_the_key_and_the_remedy(tmp_path, text, message):
    file = tmp_path / "site.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_site(file)
    assert str(caught.value).startswith(str(file))
    assert re.search(message, str(caught.value))


def test_a_site_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(ConfigError, match=r"--site gpu: no such file; give one, or a name: cpu, default"):
        read_site("gpu")


def test_a_job_is_told_before_its_limit_goes_on_and_waits_for_others(slurm, monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")  # of the job that submits
    monkeypatch.setenv("SLURM_CONF", "/somewhere/slurm.conf")
    site = Site(time="2:00:00", gpus=2, cores=4, partition="a100", notice=120, options=["--exclusive"])
    jobs = Jobs(slurm / "jobs", Site(**{**vars(site), "setup": ["module load cuda"]}))
    assert jobs.submit("GAN/a b", ["fit", "-c", "it's"]) == "1"
    assert jobs.submit("table", ["reproduce"], after=["1", "7"], site=site.alone()) == "2"
    script = (slurm / "submitted-1").read_text()
    for option in ("time=2:00:00", "partition=a100", "nodes=1", "ntasks-per-node=2", "gpus-per-node=2"):
        assert f"#SBATCH --{option}\n" in script
    for option in ("cpus-per-task=4", "signal=USR1@120", "requeue", "open-mode=append", "exclusive"):
        assert f"#SBATCH --{option}\n" in script
    assert "\nmodule load cuda\nsrun --kill-on-bad-exit=1 --cpus-per-task=4 sh -c" in script
    assert script.endswith("-m aukit.cli fit -c 'it'\"'\"'s'\n")
    assert subprocess.run(["bash", "-n", slurm / "submitted-1"], check=False).returncode == 0
    later = (slurm / "submitted-2").read_text()
    assert "#SBATCH --dependency=afterok:1:7\n#SBATCH --kill-on-invalid-dep=yes\n" in later
    assert "#SBATCH --ntasks-per-node=1\n" in later
    assert (slurm / "asked").read_text().split() == ["SLURM_CONF=/somewhere/slurm.conf"] * 2
    assert jobs.newest() == {"GAN/a b": "1", "table": "2"}


def test_a_name_with_spaces_is_one_word_of_the_script(slurm):
    """As a sweep's, whose file may be called so; sbatch refuses a directive with a word behind it."""
    jobs = Jobs(slurm / "jobs of # mine", Site())
    jobs.submit("rates of B's/point-0", ["fit"])
    lines = (slurm / "submitted-1").read_text().splitlines()
    words = [word for line in lines if line.startswith("#SBATCH") for word in shlex.split(line[8:])]
    assert "--job-name=rates of B's/point-0" in words
    assert f"--output={slurm.resolve()}/jobs of # mine/rates-of-B-s-point-0-%j.out" in words
    assert all(word.startswith("--") for word in words)


def test_an_array_shares_the_work(slurm):
    jobs = Jobs(slurm / "jobs", Site(gpus=0))
    jobs.submit("pairs", ["avatars", "pairs"], shards=4)
    script = (slurm / "submitted-1").read_text()
    assert "#SBATCH --array=0-3\n" in script
    assert script.endswith('avatars pairs --shard "$SLURM_ARRAY_TASK_ID/4"\n')
    assert "gpus" not in script
    queue(slurm, "1|COMPLETED|None", "1|RUNNING|None", "1|PENDING|Resources", "1|PENDING|Resources")
    assert jobs.states() == {"pairs": "RUNNING, 1 of 4 done"}
    queue(slurm, *["1|COMPLETED|None"] * 4)
    assert jobs.states() == {"pairs": "COMPLETED, 4 of 4 done"}
    queue(slurm, *["1|COMPLETED|None"] * 3, "1|FAILED|NonZeroExitCode")
    assert jobs.states() == {"pairs": "FAILED, 3 of 4 done"}
    assert not jobs.are_alive()


def test_what_changes_is_shown_until_the_work_is_done(slurm, capsys):
    jobs = Jobs(slurm / "jobs", Site())
    jobs.submit("a", ["fit"])
    jobs.submit("b", ["fit"])
    looks = [
        ["1|RUNNING|None", "2|PENDING|Dependency"],
        ["1|RUNNING|None", "2|PENDING|Dependency"],
        ["1|COMPLETED|None", "2|RUNNING|None"],
        ["1|COMPLETED|None", "2|COMPLETED|None"],
    ]

    def done(states):
        is_done = not looks
        if looks:
            queue(slurm, *looks.pop(0))
        return is_done

    queue(slurm, "1|PENDING|Resources", "2|PENDING|Dependency")
    jobs.follow(done)
    shown = [line.split(maxsplit=1)[1].strip() for line in capsys.readouterr().out.splitlines()[1:]]
    assert shown == [
        *("1 a: pending (resources)", "2 b: pending (dependency)", "1 a: running"),
        *("1 a: completed", "2 b: running", "2 b: completed"),
    ]


def test_a_failure_is_told_with_what_the_job_said_last(slurm):
    jobs = Jobs(slurm / "jobs", Site())
    jobs.submit("GAN/a", ["fit"])
    jobs.submit("table", ["reproduce"], after=["1"])
    queue(slurm, "1|FAILED|NonZeroExitCode", "2|CANCELLED|DependencyNeverSatisfied")
    (slurm / "jobs/GAN-a-1.out").write_text("training\naukit: the disk is full\n")
    with pytest.raises(TrainingError, match=r"GAN/a: failed: aukit: the disk is full \(.*a-1.out\)\nmend"):
        jobs.follow(lambda states: False)


def test_a_command_is_submitted_once_and_looked_at_again(slurm, capsys):
    command = ["avatars", "faces", "--out", "faces", "--launcher", "slurm", "--shards", "2", "--site=cpu"]
    queue(slurm, *["1|COMPLETED|None"] * 2)
    assert main(command) == 0
    assert (slurm / "number").read_text().strip() == "1"
    script = (slurm / "submitted-1").read_text()
    assert script.endswith('-m aukit.cli avatars faces --out faces --shard "$SLURM_ARRAY_TASK_ID/2"\n')
    queue(slurm, "1|RUNNING|None")
    (slurm / "next-1").write_text("1|RUNNING|None\n")
    (slurm / "next-2").write_text("1|COMPLETED|None\n")
    assert main(command) == 0
    assert (slurm / "number").read_text().strip() == "1"
    assert "1 avatars-faces: running" in capsys.readouterr().out


@pytest.mark.parametrize("words", ["standin bp4d --root a", "prepare bp4d --root a", "fit -c fgnet"])
def test_every_long_command_can_be_a_job(slurm, words):
    queue(slurm, "1|COMPLETED|None")
    assert main([*words.split(), "--launcher", "slurm", "--time", "30", "--site", "cpu"]) == 0
    script = (slurm / "submitted-1").read_text()
    assert script.endswith(f"-m aukit.cli {words}\n")
    assert "#SBATCH --time=30\n" in script


def test_options_of_jobs_without_a_launcher_are_refused(capsys):
    assert main(["fit", "-c", "fgnet", "--partition", "a100"]) == 2
    assert "want --launcher slurm" in capsys.readouterr().err


def test_a_machine_without_slurm_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "-c", "fgnet", "--launcher", "slurm"]) == 2
    assert "sbatch: not found; this is no machine of a SLURM cluster" in capsys.readouterr().err
