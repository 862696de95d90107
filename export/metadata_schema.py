"""Tables of TFLite's metadata, and the part of a TFLite file that leads to them, as data.

Names, order and types are those of metadata_schema.fbs (version 1.5.0, namespace tflite, identifier
M001) of github.com/tensorflow/tflite-support, and of schema.fbs of TensorFlow Lite (identifier
TFL3). The order of the fields is their number in the file; a union takes two numbers, the first of
them for its type.

A kind is a scalar ("int", "uint", "float"), "string", "bytes" (seen, not copied), the name of an
enumeration, a union or a table, or any of these in brackets for a vector. None: not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Mapping

METADATA, METADATA_IDENTIFIER = "ModelMetadata", b"M001"
MODEL, MODEL_IDENTIFIER = "Model", b"TFL3"
#: name of the entry of a TFLite file's metadata that is `METADATA`
ENTRY = "TFLITE_METADATA"
#: A reader must know the version of the schema that brought the newest thing in a file. All that
#: `metadata.document` writes was in the first; 1.0.1 brought a type of file, 1.1.0 to 1.2.1
#: tokenizers, process units and groups of a graph, 1.3.0 sound, 1.4.x search indices and versions
#: of files, 1.5.0 data of one's own.
MIN_PARSER_VERSION = "1.0.0"

#: struct's letter of every scalar; an enumeration is one signed byte, the type of a union one byte
SCALARS = {"int": "i", "uint": "I", "ubyte": "B", "float": "f"}

#: value -> name; the value is the place
ENUMERATIONS = {
  "AssociatedFileType": (
    "UNKNOWN",
    "DESCRIPTIONS",
    "TENSOR_AXIS_LABELS",
    "TENSOR_VALUE_LABELS",
    "TENSOR_AXIS_SCORE_CALIBRATION",
    "VOCABULARY",
    "SCANN_INDEX_FILE",
  ),
  "ColorSpaceType": ("UNKNOWN", "RGB", "GRAYSCALE"),
  "BoundingBoxType": ("UNKNOWN", "BOUNDARIES", "UPPER_LEFT", "CENTER"),
  "CoordinateType": ("RATIO", "PIXEL"),
  "ScoreTransformationType": ("IDENTITY", "LOG", "INVERSE_LOGISTIC"),
}

#: type -> table; the type is the place
UNIONS = {
  "ContentProperties": (
    "NONE",
    "FeatureProperties",
    "ImageProperties",
    "BoundingBoxProperties",
    "AudioProperties",
  ),
  "ProcessUnitOptions": (
    "NONE",
    "NormalizationOptions",
    "ScoreCalibrationOptions",
    "ScoreThresholdingOptions",
    "BertTokenizerOptions",
    "SentencePieceTokenizerOptions",
    "RegexTokenizerOptions",
  ),
}

_TABLES: dict[str, dict[str, str | None]] = {
  "AssociatedFile": {
    "name": "string",
    "description": "string",
    "type": "AssociatedFileType",
    "locale": "string",
    "version": "string",
  },
  "FeatureProperties": {},
  "ImageSize": {"width": "uint", "height": "uint"},
  "ImageProperties": {"color_space": "ColorSpaceType", "default_size": "ImageSize"},
  "AudioProperties": {"sample_rate": "uint", "channels": "uint"},
  "BoundingBoxProperties": {
    "index": "[uint]",
    "type": "BoundingBoxType",
    "coordinate_type": "CoordinateType",
  },
  "ValueRange": {"min": "int", "max": "int"},
  "Content": {"content_properties": "ContentProperties", "range": "ValueRange"},
  "NormalizationOptions": {"mean": "[float]", "std": "[float]"},
  "ScoreCalibrationOptions": {
    "score_transformation": "ScoreTransformationType",
    "default_score": "float",
  },
  "ScoreThresholdingOptions": {"global_score_threshold": "float"},
  "BertTokenizerOptions": {"vocab_file": "[AssociatedFile]"},
  "SentencePieceTokenizerOptions": {
    "sentencePiece_model": "[AssociatedFile]",
    "vocab_file": "[AssociatedFile]",
  },
  "RegexTokenizerOptions": {"delim_regex_pattern": "string", "vocab_file": "[AssociatedFile]"},
  "ProcessUnit": {"options": "ProcessUnitOptions"},
  "Stats": {"max": "[float]", "min": "[float]"},
  "TensorGroup": {"name": "string", "tensor_names": "[string]"},
  "TensorMetadata": {
    "name": "string",
    "description": "string",
    "dimension_names": "[string]",
    "content": "Content",
    "process_units": "[ProcessUnit]",
    "stats": "Stats",
    "associated_files": "[AssociatedFile]",
  },
  "CustomMetadata": {"name": "string", "data": "[ubyte]"},
  "SubGraphMetadata": {
    "name": "string",
    "description": "string",
    "input_tensor_metadata": "[TensorMetadata]",
    "output_tensor_metadata": "[TensorMetadata]",
    "associated_files": "[AssociatedFile]",
    "input_process_units": "[ProcessUnit]",
    "output_process_units": "[ProcessUnit]",
    "input_tensor_groups": "[TensorGroup]",
    "output_tensor_groups": "[TensorGroup]",
    "custom_metadata": "[CustomMetadata]",
  },
  "ModelMetadata": {
    "name": "string",
    "description": "string",
    "version": "string",
    "subgraph_metadata": "[SubGraphMetadata]",
    "author": "string",
    "license": "string",
    "associated_files": "[AssociatedFile]",
    "min_parser_version": "string",
  },
  "Model": {
    "version": None,
    "operator_codes": None,
    "subgraphs": None,
    "description": None,
    "buffers": "[Buffer]",
    "metadata_buffer": None,
    "metadata": "[Metadata]",
  },
  "Buffer": {"data": "bytes"},
  "Metadata": {"name": "string", "buffer": "uint"},
}


def _numbered(fields: Mapping[str, str | None]) -> tuple[tuple[str, str | None], ...]:
  """(name, kind) by number; the type of a union stands before it, its kind is "type of" it."""
  made: list[tuple[str, str | None]] = []
  for name, kind in fields.items():
    if kind in UNIONS:
      made.append((f"{name}_type", f"type of {kind}"))
    made.append((name, kind))
  return tuple(made)


TABLES = {name: _numbered(fields) for name, fields in _TABLES.items()}
