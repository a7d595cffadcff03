"""The operators' pages for sensitive words: the import of a file, and the test of a text."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core import signing
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice.base import ListAdmin
from integrations.moderation import imports
from integrations.moderation import words as moderation
from integrations.moderation.finder import FoundWord
from integrations.moderation.imports import NotAList, WordFile

SHOWN_WORDS = 100
SHOWN_LINES = 20
MAX_FILE_BYTES = 2**20  # the words come back with the confirmation, in a body of MAX_BODY_BYTES
MAX_TEXT_LENGTH = 10_000
_SALT = "sensitive-words"
_MAX_AGE = 3600  # seconds during which a preview can be confirmed


class FileForm(forms.Form):
    """A file of words, for the preview. The confirmation sends the words of the preview instead of the file."""

    file = forms.FileField(
        label=_("文件"),
        help_text=_("CSV 或文本文件（UTF-8 或 GBK），第一列，每行一个词，最大 1 MB"),
    )

    def clean_file(self) -> tuple[str, bytes, WordFile]:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > MAX_FILE_BYTES:
            raise forms.ValidationError(gettext("文件超过 1 MB，请分成几个文件导入。"))
        raw = file.read()
        try:
            return file.name or "", raw, imports.read_words(raw)
        except NotAList as error:
            raise forms.ValidationError(str(error)) from error


class ConfirmedForm(forms.Form):
    """The words of the preview, signed so that no others can replace them."""

    shown = forms.CharField(widget=forms.HiddenInput)
    take_short = forms.BooleanField(
        label=_("很短的词也导入"),
        help_text=_("一个字的词，和两个字母、数字的词，会使很多正常内容被拒绝。"),
        required=False,
    )

    def clean_shown(self) -> Any:
        try:
            return signing.loads(self.cleaned_data["shown"], salt=_SALT, max_age=_MAX_AGE)
        except signing.BadSignature as error:
            raise forms.ValidationError(gettext("页面已过期，请重新选择文件。")) from error


def import_file(model_admin: ListAdmin, request: HttpRequest) -> HttpResponse | None:
    """Show the form for a file, then the preview of its import; then import it. Returns None after the import."""
    confirmed = ConfirmedForm(request.POST) if "confirmed" in request.POST else None
    if confirmed is not None and confirmed.is_valid():
        _import(model_admin, request, confirmed.cleaned_data)
        return None
    form = FileForm(request.POST, request.FILES) if "asked" in request.POST else FileForm()
    context: dict[str, Any] = {
        "title": gettext("导入敏感词"),
        "form": form,
        "errors": confirmed and confirmed.errors,
    }
    if form.is_valid():
        name, _raw, found = form.cleaned_data["file"]
        context |= {"name": name, "found": found, "more_refused": max(0, len(found.refused) - SHOWN_LINES)}
        context |= {"refused": found.refused[:SHOWN_LINES], "risky": found.risky[: SHOWN_LINES * 5]}
        context |= {"words": found.words[:SHOWN_WORDS], "more_words": max(0, len(found.words) - SHOWN_WORDS)}
        shown = {"name": name, "words": list(found.words), "short": found.risky}
        context["form"] = ConfirmedForm(initial={"shown": signing.dumps(shown, salt=_SALT, compress=True)})
    return _page(model_admin, request, "admin/word_import.html", context)


def _import(model_admin: ListAdmin, request: HttpRequest, confirmed: dict[str, Any]) -> None:
    shown = confirmed["shown"]
    words = [*shown["words"], *(shown["short"] if confirmed["take_short"] else [])]
    now, by = timezone.now(), request.user.get_username()
    done = imports.import_words(words, file_name=shown["name"], by=by, at=now)
    model_admin.report(request, done=done.word_count, chosen=len(words), did=_("已导入"), why_not=_("已经在列表中"))
    if done.word_count:
        model_admin.message_user(request, gettext("在“敏感词导入”里可以撤销这次导入。"), messages.INFO)


class TextForm(forms.Form):
    text = forms.CharField(
        label=_("文字"),
        max_length=MAX_TEXT_LENGTH,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, "cols": 80}),
    )


def try_text(model_admin: ListAdmin, request: HttpRequest) -> HttpResponse:
    """Return the page that tests a text: it marks the sensitive words that the text contains."""
    form = TextForm(request.POST or None)
    context: dict[str, Any] = {"title": gettext("试一段文字"), "form": form}
    if form.is_valid():
        text = form.cleaned_data["text"]
        found = moderation.words_in(text)
        context |= {"was_tried": True, "found": found, "parts": _parts(text, found)}
    return _page(model_admin, request, "admin/try_text.html", context)


def _parts(text: str, found: list[FoundWord]) -> list[tuple[str, bool]]:
    """Return the parts of the text, each with whether it belongs to a sensitive word."""
    parts: list[tuple[str, bool]] = []
    marked = bytearray(len(text))
    for word in found:
        marked[word.start : word.end] = b"\x01" * (word.end - word.start)
    for letter, mark in zip(text, marked, strict=True):
        if parts and parts[-1][1] == bool(mark):
            parts[-1] = (parts[-1][0] + letter, bool(mark))
        else:
            parts.append((letter, bool(mark)))
    return parts


def _page(model_admin: ListAdmin, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    shared = {**model_admin.admin_site.each_context(request), "opts": model_admin.opts}
    return TemplateResponse(request, template, {**shared, **context})
