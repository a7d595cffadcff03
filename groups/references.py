"""Look-up of the groups that a request names by ids or codes."""

from collections.abc import Sequence

from django.db.models import Q

from config.platform.lookups import as_uuid
from groups.models import Group
from groups.models.group import GroupQuerySet


def groups_by_reference(groups: GroupQuerySet, references: Sequence[str]) -> dict[str, Group]:
    """Return the group of each reference that is the id or the code of one of `groups`."""
    ids = {reference: as_uuid(reference) for reference in references}
    found = list(groups.filter(Q(code__in=ids) | Q(pk__in=[pk for pk in ids.values() if pk])))
    by_code, by_id = {group.code: group for group in found}, {group.pk: group for group in found}
    matches = {
        reference: by_code.get(reference) or (by_id.get(pk) if pk else None) for reference, pk in ids.items()
    }
    return {reference: group for reference, group in matches.items() if group}
