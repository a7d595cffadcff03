"""An XLSX workbook of one sheet, written while it is sent: it is never in memory or on disk as a whole.

Libraries build a workbook before they hand out its first byte. Text cells are inline strings, which no
spreadsheet takes for a formula.
"""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

from django.utils.translation import gettext as _

MOST_ROWS = 1_048_576  # what a sheet can hold
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
    """Where the archive is written to, and taken from in pieces."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self.pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> bytes:
        pieces, self.pieces = self.pieces, []
        return b"".join(pieces)


def workbook(rows: Iterable[list[Any]]) -> Iterator[bytes]:
    """The file's bytes, piece by piece; when there are more rows than a sheet can hold, the last says so."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, xml in _PARTS.items():
            archive.writestr(name, _HEAD + xml)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for piece in _sheet(rows):
                sheet.write(piece.encode())
                yield pipe.taken()
    yield pipe.taken()


def _sheet(rows: Iterable[list[Any]]) -> Iterator[str]:
    held = [f'{_HEAD}<worksheet xmlns="{_OOXML}/spreadsheetml/2006/main"><sheetData>']
    size = 0
    for number, row in enumerate(rows, start=1):
        if number == MOST_ROWS:  # the last one: whatever comes is more than a sheet holds
            held.append(
                f'<row r="{number}">{_cell(_("其余的行超出了工作表的容量,请筛选后分批导出,或导出 CSV"))}</row>'
            )
            break
        held.append(f'<row r="{number}">{"".join(map(_cell, row))}</row>')
        size += len(held[-1])
        if size > FLUSH_BYTES:
            yield "".join(held)
            held, size = [], 0
    yield "".join([*held, "</sheetData></worksheet>"])


def _cell(value: Any) -> str:
    if isinstance(value, int | Decimal):
        return f"<c><v>{value}</v></c>"
    text = escape(_NOT_XML.sub("", value))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>' if text else "<c/>"
