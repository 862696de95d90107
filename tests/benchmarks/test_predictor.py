"""Training a latency predictor on a device that costs a known sum."""

import random

import pytest
from form_tables import NETWORK, table

from nadv2_tf.benchmarks.tables import measurement as latency_table
from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
from nadv2_tf.benchmarks.tables.predictor import Amounts, describe, train_predictor
from nadv2_tf.benchmarks.timing.errors import DeviceLost
from nadv2_tf.options import TimingSettings
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

SPACE = space_of(
  NetworkSpec(
    "few",
    (16, 16, 1),
    (Conv(8, 3, 2), InvertedResidual(16, 16, 8, 5), InvertedResidual(16, 16, 8, 3), Head(4)),
  ),
  levels=4,
)
AMOUNTS = Amounts(summed=1500, timed=20, held_out=12)


class Table:
  """Stands for a latency table, and has all 30 % too low."""

  facts = {"date": "2026-01-02"}

  def measure(self, spec):
    return 0.7 * true_ms(spec)

  def as_it_is(self):
    return self


def true_ms(spec):
  return 1e-5 * spec.macs() + 0.1


@pytest.fixture(autouse=True)
def cheap_files(monkeypatch):
  monkeypatch.setattr(latency_table, "network_file", lambda spec: spec.to_json().encode())


def milliseconds(content):
  return true_ms(NetworkSpec.from_json(content.decode()))


def trained(device, path=None, seed=0):
  measurement = TableMeasurement(SPACE, device, TimingSettings(), path, seed)
  return train_predictor(SPACE, Table(), measurement, AMOUNTS, seed)


def test_it_predicts_networks_that_it_never_saw_and_says_how_well(make_device):
  device = make_device(milliseconds)
  predictor = trained(device)
  facts = predictor.facts
  assert (facts["backbone"], facts["delegate"]) == ("few", "cpu")
  assert (facts["summed_networks"], facts["timed_networks"]) == ("1500", "20")
  assert facts["held_out_networks"] == "12" and facts["table_date"] == "2026-01-02"
  # What was timed is 32 different networks; the table's error on them is 30 % by construction.
  assert len(set(device.contents)) == 32
  assert float(facts["table_error_mean"]) == pytest.approx(0.3, abs=1e-3)
  assert float(facts["held_out_error_mean"]) < 0.1
  rng = random.Random(5)
  for _ in range(20):
    spec = SPACE.sample(rng)
    assert predictor.measure(spec) == pytest.approx(true_ms(spec), rel=0.4)
  assert describe(facts).startswith("on 12 whole networks that it never saw mean error")
  assert describe({}) == "not checked on whole networks"


def test_killed_it_goes_on_and_the_seed_decides(make_device, tmp_path):
  whole = trained(make_device(milliseconds)).to_json()
  path = tmp_path / "predictor.json"
  with pytest.raises(DeviceLost):
    trained(make_device(milliseconds, 15), path)
  fresh = make_device(milliseconds)
  assert trained(fresh, path).to_json() == whole
  assert len(fresh.contents) == 32 - 12  # two batches of six were kept


def test_it_learns_networks_as_they_are_because_they_are_timed_and_exported_so(make_device):
  network = NETWORK.with_block(0, filters=8).with_block(1, filters=8, bypass_cap=8)
  # A step down saves 0.02 ms and a bypass takes 0.05: filters in its place are quicker.
  space, forming = space_of(network, 4), table(bypass=0.05)
  plain = forming.as_it_is()
  assert any(
    forming.measure(spec) < plain.measure(spec) for spec in map(space.decode, ([8, 6], [8, 4]))
  )
  device = make_device(lambda text: plain.measure(NetworkSpec.from_json(text.decode())))
  measurement = TableMeasurement(space, device, TimingSettings())
  facts = train_predictor(space, forming, measurement, Amounts(200, 4, 8)).facts
  assert float(facts["table_error_max"]) == pytest.approx(0, abs=1e-9)
