"""Croissant metadata (JSON-LD, http://mlcommons.org/croissant/1.0) of an exported repository. Pure.

Written beside the Parquet files of `--format huggingface`: what the files are, and each column.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dataset_tools.manifest import UNITS, Manifest

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {"int64": "sc:Integer", "uint32": "sc:Integer", "uint8": "sc:Integer",
          "bool": "sc:Boolean",
          "double": "sc:Float", "float": "sc:Float", "string": "sc:Text"}  # fmt: skip
_LICENCES = {
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
}


_SIMULATED = {False: ".", True: ", all or part of it simulated."}


def croissant(
    manifest: Manifest,
    name: str,
    licences: Sequence[str],
    configurations: Mapping[str, Sequence[str]],
    schemas: Mapping[str, Mapping[str, str]],
    date: str,
) -> dict[str, Any]:
    """The contents of `croissant.json`.

    Args:
        configurations: `rows`, … → parts with files of it. schemas: `rows`, … → column → Arrow
            type, a list's as `list<float>`. date: of publication, ISO 8601.
    """
    told: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": "Face IMUs and the ARKit blendshapes that were seen at the same time, at "
        "native rate and at 60 Hz" + _SIMULATED[manifest.simulated],
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "datePublished": date,
        "version": f"{len(manifest.releases)}.0.0",
        "url": "https://huggingface.co/datasets",
        "license": [_LICENCES.get(each, each) for each in licences] or ["not told"],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "repository",
                "name": "repository",
                "description": "The folder that holds this file.",
                "contentUrl": ".",
                "encodingFormat": "git+https",
                "sha256": "https://github.com/mlcommons/croissant/issues/80",
            }
        ],
        "recordSet": [],
    }
    for configuration, parts in configurations.items():
        told["distribution"].append(_files(configuration, parts))
        told["recordSet"].append(_records(configuration, schemas[configuration]))
    return told


def _files(configuration: str, parts: Sequence[str]) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{configuration}-files",
        "name": f"{configuration}-files",
        "containedIn": {"@id": "repository"},
        "encodingFormat": "application/x-parquet",
        "includes": f"{configuration}/*/*.parquet",
        "description": f"Parts: {', '.join(parts)}.",
    }


def _records(configuration: str, schema: Mapping[str, str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": configuration,
        "name": configuration,
        "field": [
            _field(configuration, column, kind)
            for column, kind in schema.items()
            if _type(kind) is not None
        ],
    }


def _type(kind: str) -> str | None:
    inner = kind.removeprefix("list<").removesuffix(">")
    return _TYPES.get(inner)


def _field(configuration: str, column: str, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{configuration}/{column}",
        "name": column,
        "dataType": _type(kind),
        "source": {
            "fileSet": {"@id": f"{configuration}-files"},
            "extract": {"column": column},
        },
    }
    if column in UNITS:
        found["description"] = UNITS[column]
    if kind.startswith("list<"):
        found["repeated"] = True
    return found
