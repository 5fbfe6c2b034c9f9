"""The name and the first bytes of a file -> the format of its table, or what it is if it is no text, and what to do.

Nothing of a file is run. Knows no columns.
"""

from __future__ import annotations

import re
import zipfile
from contextlib import suppress
from pathlib import Path

from ulmus.corpus.packing import plain_suffix, read_error

__all__ = ["TABLES", "not_text", "table_format"]

TABLES = {  # suffix below any packing -> format
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
_AS_TABLE = "Write it as csv, jsonl or parquet with the program that made it"
_UNPACK = "Unpack it first"
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
            "a Python pickle, which nothing opens safely",
            _AS_TABLE,
        ),
        (rb"\x93NUMPY", "a numpy array", _AS_TABLE),
        (rb"\x89HDF\r\n", "an HDF5 file", _AS_TABLE),
        (
            rb"SQLite format 3\0",
            "an SQLite database",
            "Export the table as csv, e.g. with sqlite3 -csv -header",
        ),
        (rb"FEA1", "a Feather file of version 1", "Write it again as version 2, or as parquet"),
        (rb"Obj\x01", "an Avro file", _AS_TABLE),
        (rb"ORC.{,60}\0", "an ORC file", _AS_TABLE),
        (rb"PAR1\x15", "a parquet file", "Name it .parquet"),
        (rb"ARROW1\0\0", "an Arrow (Feather) file", "Name it .arrow"),
        (rb"\x1f\x8b|BZh[1-9]1AY&SY|\xfd7zXZ\0|\x28\xb5\x2f\xfd", "a packed file", _UNPACK),
        (
            rb"\x04\x22\x4d\x18|\x1f\x9d|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07",
            "a packed file (lz4, Z, 7z or rar)",
            _UNPACK,
        ),
        (
            rb"(?=.{,100}\0).{257}ustar",
            "a tar archive",
            "Unpack it with tar -xf, then name the folder or a file in it",
        ),
        (
            rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|II\*\0|MM\0\*|BM.{4}\0{4}",
            "an image",
            "Name a file of texts",
        ),
        (rb"\x7fELF|MZ.\0", "a program", "Name a file of texts"),
    )
)
_IN_ZIP = (  # a name that such an archive holds
    ("xl/workbook.xml", "an Excel workbook (.xlsx)", "Save the sheet as csv (UTF-8)"),
    ("xl/workbook.bin", "an Excel workbook (.xlsb)", "Save the sheet as csv (UTF-8)"),
    ("word/document.xml", "a Word document (.docx)", "Save it as text"),
    ("content.xml", "an OpenDocument file (.ods, .odt)", "Save it as csv or as text"),
    ("data.pkl", "a file of weights (torch.save)", "Name a file of texts"),
    ("weights.safetensors", "a model file (.ulmus)", "Name a file of texts"),
)


def not_text(path: Path, head: bytes) -> str | None:
    """What a file is whose content begins with `head` (300 bytes or more), and what to do; None: it may be text."""
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
        names = archive.namelist()  # none of one that is damaged, or packed once more
    for name, what, advice in _IN_ZIP:
        if any(member == name or member.endswith(f"/{name}") for member in names):
            return f"{what}. {advice}"
    held = f" of {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}" if names else ""
    return f"a zip archive{held}. Unpack it, then name the folder or a file in it"


def table_format(path: Path) -> str | None:
    """The format of a table ("csv", "parquet" ...) by its name, else by its first bytes; None where neither says it."""
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
