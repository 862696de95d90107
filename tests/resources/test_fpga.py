"""Engines of layers by hand, and the fastest pipeline against all pipelines of a small network."""

import itertools
import json
import random
import re

import pytest

from nadv2_tf import backbones
from nadv2_tf.resources.fpga import FPGAS, Engine, Fpga, computed, engine, engines, load
from nadv2_tf.resources.fpga_pipeline import FpgaMeter, Pipeline
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head, Upsample

ZU3EG = FPGAS["zu3eg"]
SMALL = NetworkSpec("small", (8, 8, 4), (Conv(8, 3, 2), DepthwiseSeparable(8, 12, 3), Head(6)))


def of(spec):
  return [layer for block in spec.layers() for layer in computed(block)]


LAYERS = of(SMALL)


def best_pipeline(spec, device):
  return FpgaMeter(device).pipeline(spec)


def test_the_example_is_the_published_device():
  assert (ZU3EG.dsp, ZU3EG.bram36, ZU3EG.lut) == (360, 216, 70560)


def test_cycles_and_resources_of_a_convolution_by_hand():
  # 3x3 of 4 inputs to 8 outputs at 4x4 positions, 2 x 4 multipliers: 2 x 2 steps of 9 x 16 cycles.
  conv = LAYERS[0]
  assert engine(conv, 2, 4, ZU3EG) == Engine(2, 4, cycles=4 * 9 * 16, dsp=4, bram36=0)
  assert engine(conv, 4, 8, ZU3EG).cycles == 9 * 16
  # 3 does not divide 4: two steps all the same.
  assert engine(conv, 3, 8, ZU3EG).cycles == 2 * 9 * 16
  # One multiplication a DSP: as many DSPs as multipliers.
  assert engine(conv, 2, 4, Fpga("one", 9, 9, 9, macs_per_dsp=1.0)).dsp == 8


# Two products of 8 bits fit into a DSP's multiplier, two of 16 do not; what is given stays.
@pytest.mark.parametrize(
  ("settings", "dsp"),
  [
    ({}, 4),
    ({"bits": 4}, 4),
    ({"bits": 9}, 8),
    ({"bits": 16}, 8),
    ({"bits": 16, "macs_per_dsp": 2.0}, 4),
    ({"bits": 32, "macs_per_dsp": 0.5}, 16),
  ],
)
def test_how_many_multiplications_a_dsp_does_follows_from_the_bits(settings, dsp, tmp_path):
  device = Fpga("n", 9, 9, 9, **settings)
  assert engine(LAYERS[0], 2, 4, device).dsp == dsp
  path = tmp_path / "n.json"
  path.write_text(json.dumps({"name": "n", "dsp": 9, "bram36": 9, "lut": 9, **settings}))
  assert load(str(path)) == device
  assert Fpga.from_json(device.to_json(), "n") == device


def test_a_depthwise_layer_has_one_output_for_each_input():
  depthwise = LAYERS[1]
  assert engine(depthwise, 4, 1, ZU3EG) == Engine(4, 1, cycles=2 * 9 * 16, dsp=2, bram36=0)
  assert {one.outputs for one in engines(depthwise, ZU3EG)} == {1}


def test_rows_of_the_input_fill_memories_by_hand():
  # Three rows of 112 pixels of 64 channels, 8 bits: 172032, in two memories of 86016, each 5 halves
  # of a BRAM (18432 bits): 10 halves are 5 BRAMs. 4 x 8 bits of weights need none.
  (conv,) = of(NetworkSpec("n", (112, 112, 64), (Conv(32, 3),)))
  found = engine(conv, 2, 4, ZU3EG)
  assert found.bram36 == 5
  assert found.cycles == 32 * 8 * 9 * 112**2


def test_engines_that_are_worse_in_everything_are_left_out():
  for layer in LAYERS:
    found = engines(layer, ZU3EG)
    for one, other in itertools.permutations(found, 2):
      assert not (
        one.cycles <= other.cycles and one.dsp <= other.dsp and one.bram36 <= other.bram36
      )


@pytest.mark.parametrize("dsp", [5, 8, 13, 30, 1000])
@pytest.mark.parametrize("bram36", [1, 4, 216])
def test_it_is_the_best_of_all_pipelines(dsp, bram36):
  device = Fpga("tight", dsp, bram36, 1000, bits=64, macs_per_dsp=1.0)
  spec = NetworkSpec("tiny", (8, 8, 3), (Conv(4, 3, 2), DepthwiseSeparable(4, 6, 3), Head(2)))
  options = [engines(layer, device) for layer in of(spec)]
  fitting = [
    max(one.cycles for one in chosen)
    for chosen in itertools.product(*options)
    if sum(one.dsp for one in chosen) <= dsp and sum(one.bram36 for one in chosen) <= bram36
  ]
  if not fitting:
    with pytest.raises(ValueError, match="does not fit into tight"):
      best_pipeline(spec, device)
    return
  found = best_pipeline(spec, device)
  assert found.dsp <= dsp and found.bram36 <= bram36
  assert found.interval_ms == pytest.approx(min(fitting) / 200e3)
  assert found.latency_ms == pytest.approx(sum(one.cycles for one in found.engines) / 200e3)


def test_a_network_for_imagenet_fits_and_more_of_a_device_is_faster():
  spec = backbones.network("netadaptv2_51ms")
  found = best_pipeline(spec, ZU3EG)
  assert isinstance(found, Pipeline) and found.dsp <= 360 and found.bram36 <= 216
  # Two multiplications a DSP and cycle are the most that there is.
  macs = sum(layer.macs() for layer in of(spec))
  assert found.interval_ms >= macs / (2 * 360 * 200e3)
  half = best_pipeline(spec, Fpga("half", 180, 216, 70560))
  assert half.interval_ms > found.interval_ms


def test_engines_of_one_multiplier_must_fit():
  layers = len(LAYERS)
  message = f"'small' does not fit into tiny as a pipeline: {layers} engines take {layers} DSPs"
  with pytest.raises(ValueError, match=message):
    best_pipeline(SMALL, Fpga("tiny", layers - 1, 216, 1000))


def test_a_network_that_multiplies_nothing_has_no_engines():
  with pytest.raises(ValueError, match="'none' has no layer that an engine would be for"):
    best_pipeline(NetworkSpec("none", (8, 8, 3), (Upsample(2),)), ZU3EG)


def test_multipliers_need_not_divide_the_channels():
  # 12 filters: 12, 6, 4, 3 or 2 side by side take 1, 2, 3, 4 or 6 steps; 5 take as many as 4.
  assert {one.outputs for one in engines(LAYERS[2], ZU3EG)} <= {1, 2, 3, 4, 6, 12}
  # 11 filters take the same steps with the same multipliers, and so no cycle more.
  narrower = of(NetworkSpec("n", (8, 8, 4), (Conv(8, 3, 2), DepthwiseSeparable(8, 11, 3))))[2]
  for one in engines(LAYERS[2], ZU3EG):
    assert any(
      other.cycles <= one.cycles and other.dsp <= one.dsp and other.bram36 <= one.bram36
      for other in engines(narrower, ZU3EG)
    )


@pytest.mark.parametrize("device", [ZU3EG, Fpga("small", 20, 7, 1000, bits=16)], ids=str)
def test_fewer_channels_never_take_longer(device):
  space, rng = space_of(SMALL, 1), random.Random(0)
  meter = FpgaMeter(device)
  assert (meter.unit, meter.is_exact) == ("ms", True)
  for _ in range(20):
    wide = [rng.choice(decision.choices) for decision in space.decisions]
    narrow = [
      rng.choice([value for value in decision.choices if value <= most])
      for decision, most in zip(space.decisions, wide, strict=True)
    ]
    assert meter.measure(space.decode(narrow)) <= meter.measure(space.decode(wide))


def test_a_device_of_a_file(tmp_path):
  path = tmp_path / "mine.json"
  path.write_text(json.dumps({"name": "mine", "dsp": 90, "bram36": 50, "lut": 1000, "bits": 4}))
  assert load(str(path)) == Fpga("mine", 90, 50, 1000, bits=4)
  assert load("zu3eg") is ZU3EG


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("{", "is no JSON file"),
    ('{"name": "n", "dsp": 3, "bram36": 3}', "lut"),
    ('{"name": "n", "dsp": 0, "bram36": 3, "lut": 3}', "dsp of an FPGA must be above 0, got 0"),
    ('{"name": "n", "dsp": "x", "bram36": 3, "lut": 3}', "dsp"),
  ],
)
def test_a_file_that_is_no_device_is_one_line(tmp_path, text, message):
  path = tmp_path / "mine.json"
  path.write_text(text)
  with pytest.raises(ValueError, match=message) as error:
    load(str(path))
  assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
  ("name", "message"),
  [("zu9", "is one of zu3eg or a .json file, got 'zu9'"), ("no.json", "There is no file no.json")],
)
def test_an_unknown_device(name, message):
  with pytest.raises(ValueError, match=re.escape(message)):
    load(name)
