import warnings

from aukit.training import read_log


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
