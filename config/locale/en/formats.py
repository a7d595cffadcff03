"""Days and moments on pages, in both languages alike: short, sortable by eye, as in exports."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i"
