"""The data card of a release: metadata of the data in the format Croissant 1.0, as JSON-LD.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slipway.schema.fields import RowField
    from slipway.settings.training import CardSection

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
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
DATA_TYPES = {"integer": "sc:Integer", "number": "sc:Float", "boolean": "sc:Boolean", "string": "sc:Text"}
PARQUET = "application/x-parquet"


@dataclass(frozen=True)
class DataFile:
    """A file of the data, by its path in the repository."""

    path: str
    sha256: str
    description: str
    encoding: str = PARQUET


@dataclass(frozen=True)
class DataSet:
    """What the data card is written from."""

    name: str
    description: str
    version: str
    """Of the release, such as `v0.1.0`."""
    published: str
    """Time of the commit in ISO 8601."""
    files: Sequence[DataFile]
    """Files of the data as they arrived."""
    tables: Sequence[DataFile]
    """Tables that the pipeline makes of them, with the columns `fields` and `target`."""
    fields: Mapping[str, RowField]
    target: str
    is_number: bool
    """Whether the target is a number; else it is a label."""
    stated: CardSection


def render(data: DataSet) -> dict[str, Any]:
    """Return the JSON-LD document; what is not stated has no key."""
    document = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": data.name,
        "description": data.description,
        "license": data.stated.data_license,
        "url": data.stated.data_source,
        "version": data.version.removeprefix("v"),
        "datePublished": data.published,
        "distribution": [_file(file) for file in (*data.files, *data.tables)],
        "recordSet": [_records(table, data) for table in data.tables],
    }
    return {key: value for key, value in document.items() if value}


def _file(file: DataFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "description": file.description,
        "contentUrl": file.path,
        "encodingFormat": file.encoding,
        "sha256": file.sha256,
    }


def _records(table: DataFile, data: DataSet) -> dict[str, Any]:
    name = table.path.rsplit("/", 1)[-1].split(".")[0]
    described = {field: (_description(row), DATA_TYPES[row.type]) for field, row in data.fields.items()}
    described[data.target] = ("The target", "sc:Float" if data.is_number else "sc:Text")
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": column,
            "description": description,
            "dataType": data_type,
            "source": {"fileObject": {"@id": table.path}, "extract": {"column": column}},
        }
        for column, (description, data_type) in described.items()
    ]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": table.description, "field": fields}


def _description(field: RowField) -> str:
    """Return description, unit and closed list of a column."""
    unit = f", in {field.unit}" if field.unit else ""
    allowed = f"; one of {', '.join(map(str, field.categories))}" if field.categories else ""
    return f"{field.description or field.name}{unit}{allowed}"
