"""Options: one field says all, flags are made of it, and a Python user gets the same checks."""

import dataclasses

import pytest
from absl import flags

from nadv2_tf import backbones
from nadv2_tf.flags import define
from nadv2_tf.option import OptionGroup, check_options, option, options_of
from nadv2_tf.options import (
  CheckpointOptions,
  ExportOptions,
  FinetuneOptions,
  NetworkOptions,
  RunOptions,
  SearchOptions,
  TaskSettings,
  TimingSettings,
  TrainOptions,
  is_how,
)
from nadv2_tf.options.network import begins_trained, is_given
from nadv2_tf.options.run import GROUPS
from nadv2_tf.options.search import optimizer_names, optimizer_options
from nadv2_tf.options.settled import settled
from nadv2_tf.search import OPTIMIZERS

ALL = (*GROUPS.values(), TaskSettings, TimingSettings, RunOptions)


@dataclasses.dataclass(frozen=True)
class Toy(OptionGroup):
  size: int = option(3, "How large.", low=1, high=9)
  kind: str = option("a", "Which.", choices=("a", "b"))
  name: str | None = option(None, "Of what.", check=lambda name: _no_blank(name))
  inner: tuple = ()


def _no_blank(name):
  if " " in name:
    raise ValueError(f"must have no blank, got {name!r}.")


def test_what_a_field_says():
  described = options_of(Toy)
  assert list(described) == ["size", "kind", "name"]
  assert [one.kind for one in described.values()] == [int, str, str]
  assert described["size"].option.high == 9 and described["name"].default is None


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"size": 0}, "--size must be at least 1, got 0."),
    ({"size": 10}, "--size must be at most 9, got 10."),
    ({"size": float("nan")}, "--size must be at least 1, got nan."),
    ({"kind": "c"}, "--kind must be one of a, b, got 'c'."),
    ({"name": "a b"}, "--name must have no blank, got 'a b'."),
  ],
)
def test_a_group_checks_itself(values, message):
  with pytest.raises(ValueError) as error:
    Toy(**values)
  assert str(error.value) == message
  check_options(Toy(size=9, kind="b", name="ab", inner=(1,)))


@pytest.mark.parametrize("group", ALL)
def test_every_option_explains_itself_and_has_a_default_in_its_range(group):
  described = options_of(group)
  assert described or group is RunOptions
  for name, one in described.items():
    assert one.kind in (bool, int, float, str), name
    assert one.option.help.rstrip().endswith((".", ")")), name
    assert len(one.option.help.split()) > 2, name
    one.option.raise_for(name, one.default)
    assert one.default is None or isinstance(one.default, one.kind), name
  group()


def test_no_two_groups_of_a_run_share_a_name():
  names = [name for group in GROUPS.values() for name in options_of(group)]
  names += [*options_of(TaskSettings), *options_of(RunOptions), *optimizer_options()]
  assert len(names) == len(set(names))


@pytest.fixture
def parsed():
  """Function (*arguments) -> nothing: the flags of a whole run, parsed; forgotten afterwards."""
  before = set(flags.FLAGS)

  def parse(*arguments):
    for group in (*GROUPS.values(), RunOptions):
      define.define(group)
    flags.FLAGS(["program", *arguments])

  yield parse
  for name in set(flags.FLAGS) - before:
    delattr(flags.FLAGS, name)


def test_without_flags_a_group_is_what_python_builds(parsed):
  parsed()
  for group in GROUPS.values():
    assert define.read(group) == group()


def test_flags_are_read_into_the_group_that_they_belong_to(parsed):
  parsed(
    "--backbone=fastdepth", "--depth_test=7", "--full_epochs=2.5", "--nomirror", "--race=false",
    "--samples_per_iteration=7", "--population=9", "--quantization=int8", "--keep_checkpoints=1",
  )  # fmt: skip
  network, search = define.read(NetworkOptions), define.read(SearchOptions)
  assert network.backbone == "fastdepth" and network.task_settings == {"depth_test": 7}
  assert define.read(TrainOptions) == TrainOptions(full_epochs=2.5, mirror=False)
  assert search == SearchOptions(
    race=False, optimizer_settings={"samples_per_iteration": 7, "population": 9}
  )
  # What is not given is said as well.
  assert search.optimizer_settings["layers_per_sample"] == 3
  assert define.read(ExportOptions).quantization == "int8"
  assert define.read(CheckpointOptions) == CheckpointOptions(keep_checkpoints=1)


@pytest.mark.parametrize(
  "argument", ["--holdout=0", "--transfer=none", "--metric=watts", "--samples=0", "--decay=2"]
)
def test_a_flag_out_of_range_is_refused(parsed, argument):
  with pytest.raises(flags.IllegalFlagValueError, match=argument[2:].split("=")[0]):
    parsed(argument)


def test_what_is_registered_is_a_choice(tiny_space):
  def invented(input_shape=None, classes=None):
    return tiny_space

  with pytest.raises(ValueError, match="--backbone must be one of fastdepth, "):
    NetworkOptions("invented")
  with backbones.BACKBONES.registered("invented", invented):
    assert "invented" in options_of(NetworkOptions)["backbone"].option.names()
    assert NetworkOptions("invented").backbone == "invented"
  assert "invented" not in backbones.BACKBONES


def test_an_optimizer_brings_its_own_options(parsed):
  @dataclasses.dataclass(frozen=True)
  class Annealing:
    trains_samples = False
    temperature: float = option(2.0, "How warm it begins.", low=0)

  with OPTIMIZERS.registered("annealing", Annealing):
    parsed("--search_optimizer=annealing", "--temperature=3")
    search = define.read(SearchOptions)
    assert search.optimizer_settings["temperature"] == 3.0
    text = flags.FLAGS["temperature"].help
  assert text == "Of annealing: how warm it begins. Default: 2.0."
  assert "annealing" not in optimizer_names()


def test_options_that_do_not_go_together():
  with pytest.raises(ValueError, match="--integer_io needs --quantization=int8 or int8_qat"):
    ExportOptions(integer_io=True)
  with pytest.raises(ValueError, match="--float_layers needs --quantization=int8, not int8_qat"):
    ExportOptions("int8_qat", float_layers=2)
  for given, message in (
    ({}, "--quantization=mixed needs --max_size, --max_latency or both"),
    ({"max_size": "much"}, "--max_size must be a number above 0, such as 2e6 .*; got 'much'"),
    ({"max_latency": "0"}, "--max_latency must be a number above 0, such as 12.5"),
    ({"max_latency": "9"}, "go together; got 9, none and none"),
    ({"max_size": "9", "float_table": "a.csv"}, "go together; got none, a.csv and none"),
    ({"max_size": "40%", "float_layers": 1}, "--float_layers needs --quantization=int8, not mixed"),
    ({"max_size": "40%", "integer_io": True}, "--integer_io needs --quantization=int8"),
  ):
    with pytest.raises(ValueError, match=message):
      ExportOptions("mixed", **given)
  with pytest.raises(ValueError, match="--max_size needs --quantization=mixed, not int8"):
    ExportOptions("int8", max_size="40%")
  with pytest.raises(ValueError, match="precision must be one of float32, int8; got 'int4'"):
    TimingSettings(precision="int4")


def test_what_a_run_may_change_when_it_goes_on():
  assert all(map(is_how, ("strategy", "jit_compile", "input_cache_gib")))
  assert not any(map(is_how, ("seed", "epochs", "target", "samples", "nothing")))


def test_a_given_network_takes_the_place_of_a_backbone():
  assert is_given(NetworkOptions("keras:MobileNetV2")) and is_given(NetworkOptions(network="my.h5"))
  assert not is_given(NetworkOptions()) and not begins_trained(NetworkOptions(weights="a.keras"))
  assert not begins_trained(NetworkOptions("keras:MobileNetV2", weights="none"))
  for given, message in (
    ({"backbone": "mobilenet_v1", "network": "my.keras"}, "leave --backbone=mobilenet_v1 out"),
    ({"backbone": "keras:VGG16", "network": "my.keras"}, "leave --backbone=keras:VGG16 out"),
    ({"backbone": "keras:"}, "--backbone must be one of .* or keras:NAME, got 'keras:'"),
    ({"network": "my.keras", "weights": "other.keras"}, "--network=my.keras has its own"),
    ({"weights": "imagenet"}, "of mobilenet_v3_demo there are none"),
    ({"input_range": "0..1"}, "mobilenet_v3_demo takes -1..1"),
    ({"network": "my.keras", "bypass": 1.5}, "--bypass must be at most 1, got 1.5"),
  ):
    with pytest.raises(ValueError, match=message):
      NetworkOptions(**given)


def test_rates_and_imitation_are_those_of_what_a_run_begins_with():
  def values(network, **given):
    options = settled(RunOptions(network, finetune=FinetuneOptions(**given)))
    finetune = options.finetune
    return (
      options.train.full_learning_rate,
      finetune.finetune_learning_rate,
      finetune.finetune_distillation,
    )

  assert values(NetworkOptions()) == (1e-2, 1e-2, 0.0)
  assert values(NetworkOptions("keras:VGG16", weights="none")) == (1e-2, 1e-2, 0.0)
  assert values(NetworkOptions(network="my.keras")) == (1e-3, 1e-3, 0.5)
  given = {"finetune_learning_rate": 0.2, "finetune_distillation": 0.0}
  assert values(NetworkOptions(network="my.keras"), **given) == (1e-3, 0.2, 0.0)
