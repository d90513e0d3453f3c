import csv
import math
import warnings

import pytest

from aukit.training import read_log
from aukit.training.loggers import RunLog, last_values, read_rows


def test_a_log_that_is_killed_while_it_is_written_keeps_what_it_had(tmp_path, monkeypatch):
    log = RunLog(tmp_path)
    log.log_metrics({"loss": 0.5, "epoch": 0}, step=1)
    log.save()
    assert read_log(tmp_path).to_dict("list") == {"epoch": [0], "step": [1], "loss": [0.5]}

    def killed(*_):
        raise KeyboardInterrupt

    log.log_metrics({"val/f1": 0.25, "epoch": 0}, step=2)  # a new column: every line is written again
    with monkeypatch.context() as patch:
        patch.setattr(csv.DictWriter, "writerows", killed)
        with pytest.raises(KeyboardInterrupt):
            log.save()
    assert read_log(tmp_path)["step"].tolist() == [1]
    again = RunLog(tmp_path)
    for step, metrics in enumerate(({"val/f1": 0.25}, {"loss": 0.75}), start=2):
        again.log_metrics({**metrics, "epoch": 0}, step=step)
        again.save()
    found = read_log(tmp_path)
    assert found["step"].tolist() == [1, 2, 3]
    assert found["loss"].tolist()[::2] == [0.5, 0.75]
    assert found["val/f1"].tolist()[1] == 0.25
    assert [path.name for path in tmp_path.glob("csv/version_0/*")] == ["metrics.csv"]


def test_logs_of_many_metrics_are_joined_without_a_warning(tmp_path):
    names = [f"metric{i:03}" for i in range(150)]
    for attempt, value in enumerate(("1", "2")):
        folder = tmp_path / f"csv/version_{attempt}"
        folder.mkdir(parents=True)
        rows = [",".join(["epoch", "step", *names]), ",".join(["0", str(4 + attempt), *[value] * 150])]
        rows.append(",".join(["0", "5", *[""] * 149, "7"]))
        (folder / "metrics.csv").write_text("\n".join(rows) + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log = read_log(tmp_path)
    assert log.columns.tolist() == ["epoch", "step", *names]
    assert log["step"].tolist() == [4, 5]
    assert log["metric000"].tolist() == [1, 2]
    assert log["metric149"].tolist() == [1, 7]  # the last value of a step


def test_the_last_value_of_a_metric_is_the_last_one_also_where_it_is_not_finite(tmp_path):
    log = RunLog(tmp_path)
    for epoch, (loss, score) in enumerate(((0.1, 0.5), (math.inf, 0.25), (math.nan, math.nan))):
        log.log_metrics({"loss": loss, "epoch": epoch}, step=2 * epoch)
        log.log_metrics({"f1": score, "epoch": epoch} | ({"once": 0.1} if epoch == 0 else {}), 2 * epoch + 1)
    log.log_metrics({"lr": 0.5}, step=3)  # as callbacks of Lightning's do
    log.save()
    last = last_values(read_rows(tmp_path))
    assert math.isnan(last.pop("loss"))
    assert math.isnan(last.pop("f1"))
    assert last == {"once": 0.1, "lr": 0.5}
    assert read_log(tmp_path)["loss"].dropna().tolist() == [0.1, math.inf]
    assert read_log(tmp_path)["step"].tolist() == [0, 1, 2, 3, 4, 5, 3]
