"""Finding the groups that a request names, by ids or codes."""

from collections.abc import Sequence

from django.db.models import Q

from config.lookups import as_uuid
from groups.models import Group
from groups.models.group import GroupQuerySet


def named(groups: GroupQuerySet, references: Sequence[str]) -> dict[str, Group]:
    """Each reference that is the id or the code of one of `groups`, with that group."""
    by_id = {str(known): reference for reference in references if (known := as_uuid(reference))}
    wanted, found = set(references), dict[str, Group]()
    for group in groups.filter(Q(code__in=wanted) | Q(pk__in=by_id)):
        names = {group.code, by_id.get(str(group.pk), group.code)}
        found |= dict.fromkeys(names & wanted, group)
    return found
