"""Official builds: where they lie, and what their content must be."""

from __future__ import annotations

import re

from nadv2_tf.benchmarks.timing.errors import BinaryError

LITERT = "https://storage.googleapis.com/litert/binaries/{version}/{system}/{tool}"
#: The LiteRT whose builds are fetched. A version's files do not change: one that does is refused.
LITERT_VERSION = "2.2.0"
#: Folders of LiteRT's builds, by system and ABI; see "Benchmark CompiledModel API" in its guide.
LITERT_SYSTEMS = {
  ("Android", "arm64-v8a"): "android_arm64",
  ("Linux", "x86_64"): "linux_x86_64",
  ("Linux", "aarch64"): "linux_arm64",
}
_NIGHTLY = (
  "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/"
  "nightly/latest/{}_benchmark_model"
)
#: TensorFlow Lite's older builds; see "Performance measurement" in TensorFlow's guide. They change
#: every night. There is none for Android on x86.
TFLITE_SYSTEMS = {
  ("Android", "arm64-v8a"): "android_aarch64",
  ("Android", "armeabi-v7a"): "android_arm",
  ("Linux", "x86_64"): "linux_x86-64",
  ("Linux", "aarch64"): "linux_aarch64",
  ("Linux", "armv7l"): "linux_arm",
}
#: name for --benchmark_url -> which builds it means; LiteRT's may have a version: litert:2.1.6
SOURCES = ("litert", "tensorflow")
#: address -> how the SHA-256 of what lies there begins. LiteRT publishes no hashes; these digits
#: are in the tests of LiteRT's own command-line program. What no hash is known of is trusted once:
#: the cache's index keeps its hash, and other content at the same version's address is refused.
KNOWN = {LITERT.format(version="2.2.0", system="android_arm64", tool="benchmark_model"): "f3729eaf"}
_CHANGING = re.compile(r"/(?:latest|nightly)/")


def address(
  url: str | None, abi: str, system: str = "Android", tool: str = "benchmark_model"
) -> str:
  """Where a program is fetched from.

  Args:
    url: an address, which is taken as it is; "litert", "litert:VERSION" or "tensorflow"; None:
      LiteRT's where it has a build for the device, else TensorFlow's.
    abi, system: of the device.
    tool: of LiteRT's builds; TensorFlow's are only of benchmark_model.

  Raises:
    BinaryError: if there is no such build.
  """
  source, _, version = (url or "").partition(":")
  if url and source not in SOURCES:
    return url
  if version and not re.fullmatch(r"[\w.-]+", version):
    raise BinaryError(f"--benchmark_url must be such as litert:{LITERT_VERSION}, got {url!r}.")
  place = system, abi
  if source != "tensorflow" and place in LITERT_SYSTEMS:
    return LITERT.format(version=version or LITERT_VERSION, system=LITERT_SYSTEMS[place], tool=tool)
  if source != "litert" and place in TFLITE_SYSTEMS and tool == "benchmark_model":
    return _NIGHTLY.format(TFLITE_SYSTEMS[place])
  known = {"litert": LITERT_SYSTEMS, "tensorflow": TFLITE_SYSTEMS}.get(
    source, LITERT_SYSTEMS | TFLITE_SYSTEMS
  )
  names = ", ".join(f"{name} {other}" for name, other in known)
  raise BinaryError(
    f"There is no official {tool} for {system} {abi}, only for {names}: give one with "
    "--benchmark_binary=FILE."
  )


def check_hash(url: str, digest: str, before: str | None) -> None:
  """Refuses content that is not what an address is known for, or had when it was fetched first."""
  expected = KNOWN.get(url)
  if expected is None and _is_of_a_version(url) and re.fullmatch(r"[0-9a-f]{64}", before or ""):
    expected = before
  if expected and not digest.startswith(expected):
    raise BinaryError(
      f"What is at {url} has the SHA-256 {digest}, and it should begin with {expected}: something "
      "changed it. If you trust it, download it and give it with --benchmark_binary=FILE."
    )


def _is_of_a_version(url: str) -> bool:
  return url.startswith(LITERT.partition("{")[0]) and not _CHANGING.search(url)
