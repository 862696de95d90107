"""Where `benchmark_model` comes from: fetched once, never a damaged or wrong one; no network."""

import hashlib
import json
import pathlib
import urllib.error
import urllib.request

import pytest
from elf_programs import SCRIPT, elf

from nadv2_tf.benchmarks.timing.devices import binary
from nadv2_tf.benchmarks.timing.errors import BinaryError


def leftovers(cache):
  """What lies in the cache besides the index and files under their own hash."""
  return [
    path.name
    for path in cache.iterdir()
    if path.name != "index.json" and path.name != hashlib.sha256(path.read_bytes()).hexdigest()
  ]


# --- fetching -----------------------------------------------------------------------------------


def test_a_url_is_fetched_once_and_kept_under_its_hash(server, cache):
  first = binary.fetch(server.url, cache, "arm64-v8a")
  assert binary.fetch(server.url, cache, "arm64-v8a") == first
  assert server.asked == 1
  digest = hashlib.sha256(SCRIPT).hexdigest()
  assert first == cache / digest
  assert first.read_bytes() == SCRIPT
  assert first.stat().st_mode & 0o777 == 0o755
  assert json.loads((cache / "index.json").read_text()) == {server.url: digest}
  assert leftovers(cache) == []


def test_a_file_url_is_fetched(tmp_path, cache):
  source = tmp_path / "my tool"
  source.write_bytes(elf(183))
  assert binary.fetch(source.as_uri(), cache, "arm64-v8a").read_bytes() == elf(183)
  source.unlink()
  assert binary.fetch(source.as_uri(), cache, "arm64-v8a").read_bytes() == elf(183)


def test_every_url_has_its_own_file(tmp_path, cache):
  contents = {}
  for name in ("a", "b"):
    (tmp_path / name).write_bytes(SCRIPT + name.encode())
    contents[(tmp_path / name).as_uri()] = SCRIPT + name.encode()
  for _ in range(2):
    for url, content in contents.items():
      assert binary.fetch(url, cache, "x86").read_bytes() == content
  assert set(json.loads((cache / "index.json").read_text())) == set(contents)


def test_a_damaged_cached_file_is_fetched_again(server, cache):
  path = binary.fetch(server.url, cache, "arm64-v8a")
  path.write_bytes(SCRIPT[:-1])
  assert binary.fetch(server.url, cache, "arm64-v8a").read_bytes() == SCRIPT
  path.unlink()
  assert binary.fetch(server.url, cache, "arm64-v8a").read_bytes() == SCRIPT
  assert server.asked == 3
  assert leftovers(cache) == []


@pytest.mark.parametrize(
  "index", ["", "{", "[]", "3", '{"URL": 3}', '{"URL": ""}', '{"URL": "../index.json"}', "\udcff"]
)
def test_a_damaged_index_costs_one_more_fetching(server, cache, index):
  binary.fetch(server.url, cache, "arm64-v8a")
  text = index.replace("URL", server.url)
  (cache / "index.json").write_text(text, encoding="utf-8", errors="surrogateescape")
  for _ in range(2):
    assert binary.fetch(server.url, cache, "arm64-v8a").read_bytes() == SCRIPT
  assert server.asked == 2


def test_a_fetched_program_for_another_abi_is_refused_and_not_kept(server, cache):
  server.content = elf(62)
  with pytest.raises(BinaryError, match="for x86_64, and the device is arm64-v8a"):
    binary.fetch(server.url, cache, "arm64-v8a")
  assert list(cache.iterdir()) == []


def test_a_cached_program_for_another_abi_is_refused(server, cache):
  server.content = elf(183)
  binary.fetch(server.url, cache, "arm64-v8a")
  with pytest.raises(BinaryError, match="arm64-v8a/aarch64, and the device is x86"):
    binary.fetch(server.url, cache, "x86")
  assert server.asked == 1


@pytest.mark.parametrize("content", [b"<html>Please log in</html>", b"", b"\x7fEL", b"PK\x03\x04"])
def test_what_is_no_program_is_refused_and_not_kept(server, cache, content):
  server.content = content
  with pytest.raises(BinaryError, match="is no program"):
    binary.fetch(server.url, cache, "arm64-v8a")
  assert list(cache.iterdir()) == []


def test_an_answer_that_is_cut_short_is_refused_and_not_kept(server, cache):
  server.length = len(SCRIPT) + 1
  with pytest.raises(BinaryError, match=r"--benchmark_binary=FILE"):
    binary.fetch(server.url, cache, "arm64-v8a")
  assert list(cache.iterdir()) == []


def test_what_is_too_large_is_refused_and_not_kept(server, cache, monkeypatch):
  monkeypatch.setattr(binary, "MAX_BYTES", len(SCRIPT) - 1)
  with pytest.raises(BinaryError, match=f"larger than {len(SCRIPT) - 1} bytes"):
    binary.fetch(server.url, cache, "arm64-v8a")
  assert list(cache.iterdir()) == []
  monkeypatch.setattr(binary, "MAX_BYTES", len(SCRIPT))
  assert binary.fetch(server.url, cache, "arm64-v8a").read_bytes() == SCRIPT


def test_an_answer_that_takes_for_ever_is_given_up(server, cache, monkeypatch):
  monkeypatch.setattr(binary, "FETCHING", -1)
  with pytest.raises(BinaryError, match="longer than"):
    binary.fetch(server.url, cache, "arm64-v8a")
  assert list(cache.iterdir()) == []


def test_silence_is_not_waited_for(cache, monkeypatch):
  waits = []

  def urlopen(url, timeout):
    waits.append(timeout)
    raise TimeoutError("timed out")

  monkeypatch.setattr(urllib.request, "urlopen", urlopen)
  with pytest.raises(BinaryError, match="timed out"):
    binary.fetch("https://example.org/benchmark_model", cache, "arm64-v8a")
  assert waits == [binary.SILENCE]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_an_answer_that_refuses_is_told(server, cache, status):
  server.status = status
  with pytest.raises(BinaryError, match=str(status)) as raised:
    binary.fetch(server.url, cache, "arm64-v8a")
  assert server.url in raised.value.problem


def test_without_a_network_the_error_says_which_flag_to_give(cache, monkeypatch):
  def urlopen(url, timeout):
    raise urllib.error.URLError("[Errno -2] Name or service not known")

  monkeypatch.setattr(urllib.request, "urlopen", urlopen)
  with pytest.raises(BinaryError, match=r"Name or service.*--benchmark_binary=FILE"):
    binary.find_binary(abi="arm64-v8a", cache=cache)


@pytest.mark.parametrize(
  "url", ["ftp://h/x", "data:,x", "benchmark_model", "", "http://[", "http://h:port/", "file:///no"]
)
def test_an_address_that_cannot_be_fetched_is_refused(cache, url):
  with pytest.raises(BinaryError, match=r"cannot be fetched .*--benchmark_binary=FILE"):
    binary.fetch(url, cache, "arm64-v8a")


def test_a_cache_that_cannot_be_written_is_told(tmp_path, server):
  (tmp_path / "file").write_text("")
  with pytest.raises(BinaryError, match=r"--benchmark_binary=FILE"):
    binary.fetch(server.url, tmp_path / "file" / "cache", "arm64-v8a")


# --- finding ------------------------------------------------------------------------------------


def test_a_file_that_is_given_is_taken_and_nothing_fetched(tmp_path, server):
  own = tmp_path / "benchmark_model"
  own.write_bytes(SCRIPT)
  found = binary.find_binary(str(own), server.url, "arm64-v8a", tmp_path / "cache")
  assert found == own
  assert server.asked == 0
  assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("content", [None, b"", elf(40, 32)])
def test_a_file_that_is_given_and_cannot_run_is_refused(tmp_path, content):
  own = tmp_path / "benchmark_model"
  if content is not None:
    own.write_bytes(content)
  with pytest.raises(BinaryError, match="--benchmark_binary"):
    binary.find_binary(own, abi="arm64-v8a")


def test_a_folder_is_no_binary(tmp_path):
  with pytest.raises(BinaryError, match="There is no file"):
    binary.find_binary(tmp_path)


def test_an_address_that_is_given_is_fetched(tmp_path, server):
  found = binary.find_binary(url=server.url, abi="armeabi-v7a", cache=tmp_path / "cache")
  assert found.read_bytes() == SCRIPT
  assert found.parent == tmp_path / "cache"


@pytest.mark.parametrize(
  ("value", "expected"),
  [("/var/x", "/var/x"), (None, "/home/u/.cache"), ("", "/home/u/.cache"), ("x", "/home/u/.cache")],
)
def test_the_cache_lies_where_the_environment_says(monkeypatch, value, expected):
  monkeypatch.setenv("HOME", "/home/u")
  monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
  if value is not None:
    monkeypatch.setenv("XDG_CACHE_HOME", value)
  assert binary.default_cache() == pathlib.Path(expected) / "nadv2_tf" / "benchmark_model"


def test_the_default_cache_is_used(tmp_path, monkeypatch, server):
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
  found = binary.find_binary(url=server.url)
  assert found.parent == tmp_path / "nadv2_tf" / "benchmark_model"
