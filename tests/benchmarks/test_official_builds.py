"""Official builds of `benchmark_model`: their addresses, and one content for each version."""

import hashlib
import json
import urllib.error
import urllib.request

import pytest
from elf_programs import SCRIPT

from nadv2_tf.benchmarks.timing.devices import binary, official
from nadv2_tf.benchmarks.timing.errors import BinaryError

TFLITE = (
  "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/"
  "nightly/latest/{}_benchmark_model"
)
LITERT = "https://storage.googleapis.com/litert/binaries/{}/benchmark_model"


@pytest.mark.parametrize(
  ("url", "system", "abi", "expected"),
  [
    (None, "Android", "arm64-v8a", LITERT.format("2.2.0/android_arm64")),
    (None, "Android", "armeabi-v7a", TFLITE.format("android_arm")),
    (None, "Linux", "x86_64", LITERT.format("2.2.0/linux_x86_64")),
    (None, "Linux", "aarch64", LITERT.format("2.2.0/linux_arm64")),
    ("litert", "Android", "arm64-v8a", LITERT.format("2.2.0/android_arm64")),
    ("litert:2.1.6", "Android", "arm64-v8a", LITERT.format("2.1.6/android_arm64")),
    ("tensorflow", "Android", "arm64-v8a", TFLITE.format("android_aarch64")),
    ("tensorflow", "Linux", "x86_64", TFLITE.format("linux_x86-64")),
  ],
)
def test_the_official_build_is_fetched(cache, monkeypatch, url, system, abi, expected):
  asked = []

  def urlopen(url, timeout):
    asked.append(url)
    raise urllib.error.URLError("no network here")

  monkeypatch.setattr(urllib.request, "urlopen", urlopen)
  with pytest.raises(BinaryError, match="no network here"):
    binary.find_binary(url=url, abi=abi, cache=cache, system=system)
  assert asked == [expected]


@pytest.mark.parametrize(
  ("url", "says"),
  [
    ("litert", "no official benchmark_model for Android armeabi-v7a, only for Android arm64-v8a"),
    ("litert:../x", "must be such as litert:2.2.0, got 'litert:../x'"),
  ],
)
def test_a_build_that_there_is_not_is_refused(cache, url, says):
  with pytest.raises(BinaryError, match=says):
    binary.find_binary(url=url, abi="armeabi-v7a", cache=cache)


# --- one version, one content -------------------------------------------------------------------


@pytest.fixture
def versioned(server, monkeypatch):
  """The server stands in for LiteRT's; its address is that of a version."""
  monkeypatch.setattr(official, "LITERT", server.url.rpartition("/")[0] + "/{version}/{tool}")
  return server.url.rpartition("/")[0] + "/2.2.0/benchmark_model"


def test_what_changes_under_a_version_is_refused(server, cache, versioned):
  path = binary.fetch(versioned, cache, "arm64-v8a")
  path.unlink()
  server.content = SCRIPT + b"# another\n"
  digest = hashlib.sha256(SCRIPT).hexdigest()
  with pytest.raises(BinaryError, match=f"should begin with {digest}.*--benchmark_binary=FILE"):
    binary.fetch(versioned, cache, "arm64-v8a")
  assert json.loads((cache / "index.json").read_text()) == {versioned: digest}
  server.content = SCRIPT
  assert binary.fetch(versioned, cache, "arm64-v8a").read_bytes() == SCRIPT


def test_what_changes_every_night_may(server, cache, versioned):
  nightly = versioned.replace("2.2.0", "latest")
  binary.fetch(nightly, cache, "arm64-v8a").unlink()
  server.content = SCRIPT + b"# another\n"
  assert binary.fetch(nightly, cache, "arm64-v8a").read_bytes() == server.content


def test_what_is_not_what_an_address_is_known_for_is_refused(server, cache, monkeypatch):
  monkeypatch.setattr(official, "KNOWN", {server.url: "f3729eaf"})
  with pytest.raises(BinaryError, match="should begin with f3729eaf"):
    binary.fetch(server.url, cache, "arm64-v8a")
  assert list(cache.iterdir()) == []
  monkeypatch.setattr(official, "KNOWN", {server.url: hashlib.sha256(SCRIPT).hexdigest()[:8]})
  assert binary.fetch(server.url, cache, "arm64-v8a").read_bytes() == SCRIPT


@pytest.mark.parametrize("abi", ["x86_64", "x86", "mips"])
def test_where_there_is_no_official_build_the_error_says_where_there_is_one(cache, abi):
  with pytest.raises(BinaryError, match=rf"Android {abi}, only for Android arm64-v8a.*=FILE"):
    binary.find_binary(abi=abi, cache=cache)
