"""Readers of exported workbooks."""

import io
import zipfile
from typing import Any
from xml.etree import ElementTree

_NAMES = {"s": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def sheet_of(response: Any) -> str:
    """Return the XML of the only sheet."""
    content = b"".join(response.streaming_content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("xl/worksheets/sheet1.xml").decode()


def rows_of(response: Any) -> list[list[str]]:
    """Return the text of every cell, row by row, starting with the titles."""
    rows = ElementTree.fromstring(sheet_of(response)).iterfind(".//s:row", _NAMES)
    return [["".join(cell.itertext()) for cell in row.iterfind("s:c", _NAMES)] for row in rows]
