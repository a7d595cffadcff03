"""The language of texts that are stored or sent: always the product's, whichever language the operator reads."""

from django.conf import settings
from django.utils import translation
from django.utils.functional import Promise


def in_product_language(text: str | Promise) -> str:
    """Return the text in Chinese, also while an operator works in English."""
    with translation.override(settings.LANGUAGE_CODE):
        return str(text)
