"""The name and first bytes of a file -> its table format, or what it is if not text, and what to do with it.

No content is executed. Knows no columns.
"""

from __future__ import annotations

import re
import zipfile
from contextlib import suppress
from pathlib import Path

from ulmus.corpus.packing import plain_suffix, read_error

__all__ = ["TABLES", "not_text", "table_format"]

# suffix before any compression suffix -> format
TABLES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".parq": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_PARQUET, _ARROW = b"PAR1\x15", b"ARROW1\0\0"
_ARROW_STREAM = b"\xff\xff\xff\xff"  # then the length of a message; what `datasets` writes
_AS_TABLE = "Save it as csv, jsonl or parquet with the program that created it"
_UNPACK = "Decompress it first"
_SIGNATURES: tuple[tuple[re.Pattern[bytes], str, str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), what, advice)
    for pattern, what, advice in (
        (
            rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "an old Office file (.xls, .doc)",
            "Save it as csv or as text",
        ),
        (rb"%PDF-", "a PDF document", "Extract its text first, e.g. with pdftotext"),
        (rb"\{\\rtf", "an RTF document", "Save it as text"),
        (
            rb"\x80[\x02-\x05]|ccopy_reg\n_reconstructor\n",
            "a Python pickle, which cannot be opened safely",
            _AS_TABLE,
        ),
        (rb"\x93NUMPY", "a numpy array", _AS_TABLE),
        (rb"\x89HDF\r\n", "an HDF5 file", _AS_TABLE),
        (
            rb"SQLite format 3\0",
            "an SQLite database",
            "Export the table as csv, e.g. with sqlite3 -csv -header",
        ),
        (rb"FEA1", "a Feather version 1 file", "Save it as version 2 or as parquet"),
        (rb"Obj\x01", "an Avro file", _AS_TABLE),
        (rb"ORC.{,60}\0", "an ORC file", _AS_TABLE),
        (rb"PAR1\x15", "a parquet file", "Rename it to .parquet"),
        (rb"ARROW1\0\0", "an Arrow (Feather) file", "Rename it to .arrow"),
        (rb"\x1f\x8b|BZh[1-9]1AY&SY|\xfd7zXZ\0|\x28\xb5\x2f\xfd", "a compressed file", _UNPACK),
        (
            rb"\x04\x22\x4d\x18|\x1f\x9d|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07",
            "a compressed file (lz4, Z, 7z or rar)",
            _UNPACK,
        ),
        (
            rb"(?=.{,100}\0).{257}ustar",
            "a tar archive",
            "Unpack it with tar -xf, then give the folder or a file in it",
        ),
        (
            rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|II\*\0|MM\0\*|BM.{4}\0{4}",
            "an image",
            "Give a file of texts",
        ),
        (rb"\x7fELF|MZ.\0", "a program", "Give a file of texts"),
    )
)
# name of a member, what the archive is, what to do
_IN_ZIP = (
    ("xl/workbook.xml", "an Excel workbook (.xlsx)", "Save the sheet as csv (UTF-8)"),
    ("xl/workbook.bin", "an Excel workbook (.xlsb)", "Save the sheet as csv (UTF-8)"),
    ("word/document.xml", "a Word document (.docx)", "Save it as text"),
    ("content.xml", "an OpenDocument file (.ods, .odt)", "Save it as csv or as text"),
    ("data.pkl", "a file of weights (torch.save)", "Give a file of texts"),
    ("weights.safetensors", "a model file (.ulmus)", "Give a file of texts"),
)


def not_text(path: Path, head: bytes) -> str | None:
    """What a file starting with `head` (at least 300 bytes) is, and what to do with it; None if it may be text."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(path)
    for pattern, what, advice in _SIGNATURES:
        if pattern.match(head):
            return f"{what}. {advice}"
    return None


def _zip(path: Path) -> str:
    names: list[str] = []
    with (
        suppress(zipfile.BadZipFile, OSError, ValueError, NotImplementedError),
        zipfile.ZipFile(path) as archive,
    ):
        names = archive.namelist()  # (none if it is damaged or compressed again)
    for name, what, advice in _IN_ZIP:
        if any(member == name or member.endswith(f"/{name}") for member in names):
            return f"{what}. {advice}"
    members = f" of {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}" if names else ""
    return f"a zip archive{members}. Unpack it, then give the folder or a file in it"


def table_format(path: Path) -> str | None:
    """The format of a table ("csv", "parquet" ...) by its name, else by its first bytes; None if neither tells.

    Raises StorageError if the file cannot be read.
    """
    if (named := TABLES.get(plain_suffix(path))) is not None:
        return named
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise read_error(path, error) from error
    if head.startswith(_PARQUET):
        return "parquet"
    return "arrow" if head == _ARROW or head.startswith(_ARROW_STREAM) else None
