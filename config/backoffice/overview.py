"""Pages with an overview of the object: its figures, operators' notes and the timeline."""

from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from config.backoffice.base import ReadOnlyAdmin, ReadOnlyInline
from config.backoffice.figures import figures_of
from config.backoffice.texts import VisibleCharField
from config.backoffice.timeline import timeline_page
from config.models.notes import LONGEST_NOTE


class NoteForm(forms.Form):
    note = VisibleCharField(
        label=_("备注"), max_length=LONGEST_NOTE, widget=forms.Textarea(attrs={"rows": 2, "cols": 60})
    )


class NoteInline(ReadOnlyInline):
    """The notes about an object."""

    fields = ("written_at", "written_by", "text")
    readonly_fields = fields


class OverviewAdmin(ReadOnlyAdmin):
    """A read-only page with an overview. Its action `add_note` has a box on the page instead of a button."""

    change_form_template = "admin/overview_form.html"

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and action != "add_note"

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        obj = kwargs.get("obj")
        if obj is not None:
            until = _moment_in(request.GET.get("until", ""))
            skip = request.GET.get("skip", "")
            skipped = int(skip) if skip.isascii() and skip.isdigit() and len(skip) < 6 else 0
            events, older = timeline_page(
                obj, by=request.user, until=until or timezone.now(), skip=skipped if until else 0
            )
            context |= {
                "figures": figures_of([obj])[obj.pk],
                "events": events,
                "older": older,
                "is_older": until is not None,
                "note_form": NoteForm() if "add_note" in self.get_actions(request) else None,
            }
        return super().render_change_form(request, context, *args, **kwargs)


def _moment_in(text: str) -> datetime | None:
    """Return the moment of a link to older events, or None for another text."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and timezone.is_aware(moment) and 1970 <= moment.year < 9000 else None
