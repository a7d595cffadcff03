"""Views of the earnings app, one module per subject."""
