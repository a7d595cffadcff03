"""A mass message is one or two messages per group: a list of contents, and as many messages in the outbox.

The messages of a group are found by cause and group, as those of launches are; so far each part named its only one.
Also, a picture's address stands in `content` and in `url` from now on, in drafts and in what is not sent yet, too.
"""

from django.db import migrations, models
from django.db.models import Q

_AS_LIST = """
UPDATE launches_massmessage SET contents = jsonb_build_array(CASE
    WHEN contents ->> 'type' = '8' THEN contents || jsonb_build_object(
        'content', COALESCE(NULLIF(contents ->> 'url', ''), contents ->> 'content'),
        'url', COALESCE(NULLIF(contents ->> 'url', ''), contents ->> 'content'))
    ELSE contents END)
"""
_AS_OBJECT = "UPDATE launches_massmessage SET contents = contents -> 0"
_PICTURE_DRAFTS = """
UPDATE launches_massmessagedraft SET content = content || jsonb_build_object('content', content -> 'url')
WHERE content ->> 'type' = '8' AND content ->> 'content' = ''
"""
_UNSENT_PICTURES = """
UPDATE robots_outboxmessage SET content = content || jsonb_build_object('content', content -> 'url')
WHERE status IN (0, 2) AND content ->> 'type' = '8' AND COALESCE(content ->> 'content', '') = ''
"""
_COUNT = "UPDATE launches_massmessagegroup SET message_count = 1 WHERE message_id IS NOT NULL"
_FIND = """
UPDATE launches_massmessagegroup p SET message_id = o.id
FROM groups_group g, robots_outboxmessage o
WHERE g.id = p.group_id AND o.cause = 'mass_message:' || p.mass_message_id AND o.group_code = g.code;
SET CONSTRAINTS ALL IMMEDIATE
"""


class Migration(migrations.Migration):
    dependencies = [("launches", "0004_more_backoffice_filters"), ("robots", "0009_backoffice_filters")]

    operations = [
        migrations.RenameField("massmessage", "content", "contents"),
        migrations.RunSQL(_AS_LIST, _AS_OBJECT),
        migrations.RunSQL(_PICTURE_DRAFTS, migrations.RunSQL.noop),
        migrations.RunSQL(_UNSENT_PICTURES, migrations.RunSQL.noop),
        migrations.RemoveConstraint("massmessagegroup", "mass_message_is_sent_by_a_message"),
        migrations.AddField(
            "massmessagegroup",
            "message_count",
            models.PositiveSmallIntegerField(default=0, verbose_name="消息数"),
        ),
        migrations.RunSQL(_COUNT, _FIND),
        migrations.RemoveField("massmessagegroup", "message"),
        migrations.AddConstraint(
            "massmessagegroup",
            models.CheckConstraint(
                condition=~Q(status=1) | Q(message_count__gt=0), name="mass_message_is_sent_by_messages"
            ),
        ),
    ]
