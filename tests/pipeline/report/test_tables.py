"""The closing table: columns, units, what is not known, and who pays for which seconds."""

import pytest
from report_figures import overview, run_metrics

from nadv2_tf.pipeline.report import tables, titles


def test_numbers_of_a_network(metrics):
  (full, _), (found, columns) = tables.network_rows(overview(metrics))
  assert (full, found) == ("full network", "found network")
  assert columns["test accuracy"] == "87.65%" and columns["in TFLite"] == "87.00%"
  assert columns["latency"] == "1.235 ms" and columns["MACs"] == "0.012 M"
  assert columns["parameters"] == "1,234,567"


def test_a_network_pays_for_the_stages_that_it_needed(metrics):
  (_, full), (_, found) = tables.network_rows(overview(metrics))
  assert (found["full"], found["train"], found["search"]) == ("10 s", "20 s", "31 s")
  assert found["finetune"] == "5 s" and found["export"] == "-"
  assert (full["full"], full["train"], full["search"]) == ("10 s", "-", "-")
  # Without a full network before it, all are cut out of the super-network.
  del metrics["seconds"]["full"]
  (_, full), _ = tables.network_rows(overview(metrics))
  assert (full["full"], full["train"]) == ("-", "20 s")


def test_looking_for_uniformly_scaled_networks_is_paid_for_by_them_alone(metrics):
  metrics["networks"]["uniform"] = {}
  metrics["seconds"]["references"] = 40
  (_, full), (_, found), (_, uniform) = tables.network_rows(overview(metrics))
  assert (full["references"], found["references"], uniform["references"]) == ("-", "-", "40 s")
  # They begin with the full network as well; nothing was searched for them.
  assert (uniform["full"], uniform["train"], uniform["search"]) == ("10 s", "-", "-")


def test_trainings_and_searches_of_halves_count_where_the_whole_ones_do(metrics):
  metrics["seconds"] |= {
    "train later half": 200, "train earlier half": 300, "search later half": 4000,
  }  # fmt: skip
  _, (_, found) = tables.network_rows(overview(metrics))
  assert (found["full"], found["train"], found["search"]) == ("10 s", "520 s", "4031 s")


def test_what_was_not_measured_is_a_dash(metrics):
  _, (_, found) = tables.network_rows(overview(metrics | {"networks": {"full": {}, "found": {}}}))
  assert found["test accuracy"] == found["latency"] == found["MACs"] == found["parameters"] == "-"


def test_other_networks_come_last_by_their_own_name(metrics):
  metrics["networks"] = {"invented": {}, "uniform": {}} | metrics["networks"]
  titles = [title for title, _ in tables.network_rows(overview(metrics))]
  assert titles == ["full network", "found network", "uniformly scaled", "invented"]


def test_measures_and_a_resource_of_ones_own_have_columns(metrics):
  metrics["quality"] = "delta1"
  metrics["metric"] |= {"name": "package.module:Energy", "unit": "mJ", "predicted": 3.0}
  metrics["networks"]["found"] |= {"measures": {"delta1": 0.8, "RMSE (m)": 0.51239}}
  metrics["networks"]["full"]["resource"] = 4321.5
  (_, full), (_, found) = tables.network_rows(overview(metrics))
  assert found["test delta1"] == "87.65%" and "delta1" not in found
  assert found["RMSE (m)"] == "0.5124"
  assert (found["Energy"], full["Energy"]) == ("3 mJ", "4,321.5 mJ")


def test_several_targets_have_a_row_and_a_line_each(targets):
  titles = [title for title, _ in tables.network_rows(overview(targets))]
  expected = [f"found network, target {share}%" for share in (70, 40)]
  assert titles == ["full network", *expected]
  lines = tables.metric_lines(overview(targets))
  assert [line[:26] for line in lines] == [
    "macs: target 1.6e+04 MACs,",
    "macs: target 9000 MACs, pr",
  ]
  assert all("not measured" in line for line in lines)
  assert lines[1].endswith("; 40 samples in 5 iterations") and ";" not in lines[0]


def test_figures_that_a_search_tells_of_itself_have_a_line(metrics):
  metrics["search_notes"] = {"leave_one_out_error": 0.01234567, "steps": 3}
  line, told = tables.metric_lines(overview(metrics))
  assert line.endswith("5 iterations")
  assert told == "the search on itself: leave one out error 0.01235, steps 3"


@pytest.mark.parametrize(
  ("folder", "title"),
  [("target_30pct", "target 30%"), ("target_0.5", "target 0.5"), ("target_3ms", "target 3ms")],
)
def test_titles_of_targets(folder, title):
  assert titles.target_title(folder) == title
  assert titles.network_title(f"{folder}/uniform") == f"uniformly scaled, {title}"
  assert titles.kind_of(f"{folder}/uniform") == titles.kind_of("uniform") == "uniform"


def test_the_resource_of_a_network(targets):
  assert tables.resource_of(overview(targets), "target_40pct/found") == 12000
  timed = {"name": "latency_ms", "unit": "ms", "target": 1.0, "predicted": 0.9}
  networks = {"networks": {"found": {"latency_ms": 1.5, "macs": 7}, "full": {"macs": 9}}}
  assert tables.resource_of(overview(networks | {"metric": timed}), "found") == 1.5
  assert tables.resource_of(overview(networks | {"metric": timed}), "full") is None


def test_the_text_is_a_table(metrics):
  text = tables.text_table(overview(metrics)).splitlines()
  header, full, found = text[:3]
  assert len({len(header), len(full), len(found)}) == 1
  for title, cell in (("test accuracy", "87.65%"), ("parameters", "1,234,567")):
    end = header.index(title) + len(title)
    assert found[:end].endswith(cell), title
  assert text[3] == (
    "macs: target 1.234e+04 MACs, predicted 1.2e+04, measured 1.2e+04; 40 samples in 5 iterations"
  )
  assert text[4].endswith("not asked for (--trust_samples)")


def test_a_target_that_was_missed_says_so_in_numbers(metrics):
  metrics["metric"] |= {"target": 10.0, "predicted": 9.9, "measured": 11.25}
  landed = {"target": 10.0, "predicted": 9.9, "measured": 11.25}
  metrics["rounds"] = [{"round": number} | landed for number in (1, 2, 3)]
  (line,) = tables.metric_lines(overview(metrics))
  assert "target 10 MACs, predicted 9.9, measured 11.25;" in line
  assert line.endswith("5 iterations of 3 rounds")


def test_a_folder_before_its_first_network_has_no_rows():
  assert tables.network_rows(overview({})) == [] and tables.metric_lines(overview({})) == []
  assert tables.text_table(overview({})) == tables.trust_line(run_metrics({}))


def test_trust_in_words():
  trust = {"tau": None, "networks": 2, "epochs": 0.5, "interval": None, "tau_of_resource": None}
  assert "not known, only 2 of its samples" in tables.trust_line(run_metrics({"trust": trust}))
  trust |= {"tau": 0.456, "interval": [0.1, 0.789], "epochs": 0.5, "tau_of_resource": -0.2}
  line = tables.trust_line(run_metrics({"trust": trust, "quality": "delta1"}))
  assert "tau 0.46 (95 %: 0.10 to 0.79) with the test delta1 after 0.5 epochs, over 2" in line
  assert line.endswith("the resource alone has -0.20")
