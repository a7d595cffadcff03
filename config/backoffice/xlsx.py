"""An XLSX workbook of one sheet, generated while it is sent: it is never complete in memory or on disk.

Libraries build a whole workbook before they return its first byte. Text cells are inline strings, which no
spreadsheet runs as a formula.
"""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

from django.utils.translation import gettext as _

MOST_ROWS = 1_048_576  # the capacity of a sheet
FLUSH_BYTES = 64 * 1024
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_OOXML = "http://schemas.openxmlformats.org"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_OOXML}/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml"'
    ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_OOXML}/package/2006/relationships"><Relationship Id="rId1"'
    f' Type="{_OOXML}/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_OOXML}/spreadsheetml/2006/main"'
    f' xmlns:r="{_OOXML}/officeDocument/2006/relationships">'
    '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_OOXML}/package/2006/relationships"><Relationship Id="rId1"'
    f' Type="{_OOXML}/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


class _Pipe(io.RawIOBase):
    """A buffer to which the archive is written and from which it is read in pieces."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self.pieces.append(bytes(piece))
        return len(piece)

    def read_all(self) -> bytes:
        pieces, self.pieces = self.pieces, []
        return b"".join(pieces)


def workbook(rows: Iterable[list[Any]]) -> Iterator[bytes]:
    """Yield the bytes of the file. With more rows than a sheet holds, the last row is a note about it."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, xml in _PARTS.items():
            archive.writestr(name, _HEAD + xml)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for piece in _sheet(rows):
                sheet.write(piece.encode())
                yield pipe.read_all()
    yield pipe.read_all()


def _sheet(rows: Iterable[list[Any]]) -> Iterator[str]:
    buffer = [f'{_HEAD}<worksheet xmlns="{_OOXML}/spreadsheetml/2006/main"><sheetData>']
    size = 0
    for number, row in enumerate(rows, start=1):
        if number == MOST_ROWS:  # the last row of a sheet, and more rows follow
            buffer.append(
                f'<row r="{number}">{_cell(_("其余的行超出了工作表的容量,请筛选后分批导出,或导出 CSV"))}</row>'
            )
            break
        buffer.append(f'<row r="{number}">{"".join(map(_cell, row))}</row>')
        size += len(buffer[-1])
        if size > FLUSH_BYTES:
            yield "".join(buffer)
            buffer, size = [], 0
    yield "".join([*buffer, "</sheetData></worksheet>"])


def _cell(value: Any) -> str:
    if isinstance(value, int | Decimal):
        return f"<c><v>{value}</v></c>"
    text = escape(_NOT_XML.sub("", value))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>' if text else "<c/>"
