"""A user's own meter, by the name of its class."""

import math
import sys
import textwrap

import pytest

from nadv2_tf import backbones
from nadv2_tf.resources import MacsMeter
from nadv2_tf.resources.custom import load_meter
from nadv2_tf.search.needs import AdditiveMeter

MODULE = """
  class Energy:
    unit, is_exact = "mJ", True

    def measure(self, spec):
      return 3 * spec.macs()

  class NoUnit:
    is_exact = True
    measure = Energy.measure

  class EmptyUnit(Energy):
    unit = ""

  class NumberUnit(Energy):
    unit = 5

  class NoIsExact:
    unit = "mJ"
    measure = Energy.measure

  class OddIsExact(Energy):
    is_exact = "yes"

  class NoMeasure:
    unit, is_exact = "mJ", True

  class OddMeasure(Energy):
    measure = 5

  class NeedsArguments(Energy):
    def __init__(self, port):
      pass

  class Broken(Energy):
    def __init__(self):
      raise RuntimeError("the wattmeter is off")

  class Returns(Energy):
    value = None

    def measure(self, spec):
      return self.value

  class Blockwise(Energy):
    costs = [1.0, 2.0]

    def block_costs(self, spec):
      return self.costs

  not_a_class = 5
"""
SPEC = backbones.network("mobilenet_v3_demo")


@pytest.fixture(autouse=True)
def user_module(tmp_path, monkeypatch):
  (tmp_path / "my_meters.py").write_text(textwrap.dedent(MODULE))
  (tmp_path / "half_meters.py").write_text("import a_package_that_is_missing\n")
  monkeypatch.syspath_prepend(tmp_path)
  yield
  sys.modules.pop("my_meters", None)


def test_a_meter_of_ones_own_measures():
  meter = load_meter("my_meters:Energy")
  assert (meter.unit, meter.is_exact) == ("mJ", True)
  assert meter.measure(SPEC) == 3 * MacsMeter().measure(SPEC)
  assert isinstance(meter.measure(SPEC), float)


@pytest.mark.parametrize(
  ("name", "message"),
  [
    ("my_meters", "named as package.module:Class, got 'my_meters'"),
    ("my_meters:", "named as package.module:Class"),
    (":Energy", "named as package.module:Class"),
    ("my_meters:Energy()", "named as package.module:Class"),
    ("no_such_module:Energy", "module 'no_such_module' cannot be imported .* PYTHONPATH"),
    ("half_meters:Energy", "'half_meters' cannot be imported .*a_package_that_is_missing"),
    ("my_meters:Power", "'my_meters' has no class 'Power'"),
    ("my_meters:not_a_class", "'my_meters' has no class 'not_a_class'"),
    ("my_meters:NeedsArguments", "without arguments .*'port'"),
    ("my_meters:NoUnit", "NoUnit has no unit: it needs unit .*, is_exact .* and measure"),
    ("my_meters:EmptyUnit", "unit must be a text such as 'mJ', got ''"),
    ("my_meters:NumberUnit", "unit must be a text such as 'mJ', got 5"),
    ("my_meters:NoIsExact", "NoIsExact has no is_exact: it needs"),
    ("my_meters:OddIsExact", "is_exact must be True or False, got 'yes'"),
    ("my_meters:NoMeasure", "NoMeasure has no measure: it needs"),
    ("my_meters:OddMeasure", "measure must be a method, got 5"),
  ],
)
def test_what_is_missing_is_named(name, message):
  with pytest.raises(ValueError, match=message):
    load_meter(name)


def test_errors_of_the_users_code_are_passed_on():
  with pytest.raises(RuntimeError, match="the wattmeter is off"):
    load_meter("my_meters:Broken")


@pytest.mark.parametrize("value", [None, "5", True, -1.0, math.nan, math.inf, 1j])
def test_what_is_no_measurement_is_refused(value):
  meter = load_meter("my_meters:Returns")
  sys.modules["my_meters"].Returns.value = value
  message = "my_meters:Returns: measure must return a finite number of at least 0 mJ, got "
  with pytest.raises(ValueError, match=message) as refusal:
    meter.measure(SPEC)
  assert str(refusal.value).endswith(f"got {value!r} for {SPEC.name!r}.")


def test_a_meter_that_adds_up_over_the_blocks_says_so():
  assert not isinstance(load_meter("my_meters:Energy"), AdditiveMeter)
  meter = load_meter("my_meters:Blockwise")
  assert isinstance(meter, AdditiveMeter)
  message = f"block_costs must return one number for each of the {len(SPEC.blocks)} blocks .* got 2"
  with pytest.raises(ValueError, match=message):
    meter.block_costs(SPEC)
  sys.modules["my_meters"].Blockwise.costs = [0.5] * len(SPEC.blocks)
  assert meter.block_costs(SPEC) == (0.5,) * len(SPEC.blocks)
  sys.modules["my_meters"].Blockwise.costs = [0.5, -1] + [0.5] * (len(SPEC.blocks) - 2)
  with pytest.raises(ValueError, match="block_costs must return a finite number .* got -1"):
    meter.block_costs(SPEC)


@pytest.mark.parametrize("value", [0, 5, 5.5])
def test_any_real_number_is_a_measurement(value):
  meter = load_meter("my_meters:Returns")
  sys.modules["my_meters"].Returns.value = value
  assert meter.measure(SPEC) == value
