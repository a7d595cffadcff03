"""Invitation posters: a picture with the QR code of a user's invite link, to be shown to friends.

Clients show them in an <img>, which sends no token: whoever knows the id of a user sees the poster.
"""

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import segno
from PIL import Image, ImageDraw, ImageFont

from accounts.models import User
from accounts.referral import invite_link_of
from config.platform.cache import cached
from config.platform.lookups import has_id

WIDTH, HEIGHT = 750, 1200
KEEP_SECONDS = 24 * 3600
_QR_SIDE, _QR_TOP, _FRAME = 400, 520, 30
_FONT = Path(__file__).parent / "fonts" / "poster.otf"  # has the characters of the words below, and no others
_WHITE, _GOLD, _DARK = (255, 255, 255), (255, 214, 90), (51, 51, 51)
Color = tuple[int, int, int]
# (color above, color below, stars, headline, second line) of each kind of poster
KINDS: dict[str, tuple[Color, Color, int, str, str]] = {
    "default": ((7, 193, 96), (4, 120, 87), 0, "邀请你一起来", "把小助手拉进群,每天都有收益"),
    "fourstar": ((60, 90, 220), (30, 40, 120), 4, "四星级的群", "星级更高,收益更高"),
    "fivestar": ((220, 60, 60), (110, 20, 50), 5, "五星级的群", "星级最高,收益最高"),
}
_BELOW_QR = "长按识别二维码,添加小助手"


def poster_owner(user_id: str) -> User | None:
    """Return the user with posters under this id: one with a completed profile. Takes no code, which can be guessed."""
    return User.objects.filter(has_id(user_id), is_staff=False, is_active=True, completed_at__isnull=False).first()


def poster_of(user: User, kind: str) -> bytes:
    """Return the PNG that this user shows to friends; drawing takes 0.2 s, so it is kept for a day."""
    return cached(f"poster:{kind}:{user.pk}", KEEP_SECONDS, lambda: draw_poster(kind, invite_link_of(user)))


def draw_poster(kind: str, link: str) -> bytes:
    """A PNG of this kind (one of KINDS) whose QR code leads to `link`."""
    picture = _background(kind).copy()
    picture.paste(_qr(link), ((WIDTH - _QR_SIDE) // 2, _QR_TOP))
    written = BytesIO()
    picture.quantize(128).save(written, "PNG", optimize=True)
    return written.getvalue()


@cache
def placeholder() -> bytes:
    """Return a plain gray PNG of a poster's proportions, to stand where there is no poster."""
    written = BytesIO()
    Image.new("L", (WIDTH // 10, HEIGHT // 10), 238).save(written, "PNG", optimize=True)
    return written.getvalue()


@cache
def _background(kind: str) -> Image.Image:
    """Everything but the code; the same for all users."""
    above, below, stars, headline, second = KINDS[kind]
    picture = _gradient(above, below)
    draw = ImageDraw.Draw(picture)
    _draw_line(draw, "★" * stars, y=150, size=64, color=_GOLD)
    _draw_line(draw, headline, y=270, size=92, color=_WHITE)
    _draw_line(draw, second, y=390, size=40, color=_WHITE)
    left, right = (WIDTH - _QR_SIDE) // 2 - _FRAME, (WIDTH + _QR_SIDE) // 2 + _FRAME
    frame = (left, _QR_TOP - _FRAME, right, _QR_TOP + _QR_SIDE + _FRAME + 80)
    draw.rounded_rectangle(frame, radius=28, fill=_WHITE)
    _draw_line(draw, _BELOW_QR, y=_QR_TOP + _QR_SIDE + 50, size=30, color=_DARK)
    return picture


def _gradient(above: Color, below: Color) -> Image.Image:
    mask = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    return Image.composite(Image.new("RGB", (WIDTH, HEIGHT), below), Image.new("RGB", (WIDTH, HEIGHT), above), mask)


def _draw_line(draw: ImageDraw.ImageDraw, words: str, *, y: int, size: int, color: Color) -> None:
    """One centered line whose middle is at `y`."""
    draw.text((WIDTH // 2, y), words, font=_font(size), fill=color, anchor="mm")


@cache
def _font(size: int) -> Any:
    return ImageFont.truetype(str(_FONT), size)


def _qr(link: str) -> Image.Image:
    """The code, a whole number of pixels a module, on white."""
    code = segno.make(link, error="m", micro=False)
    scale = _QR_SIDE // code.symbol_size(border=0)[0]
    drawn = BytesIO()
    code.save(drawn, kind="png", scale=scale, border=0)
    square = Image.new("RGB", (_QR_SIDE, _QR_SIDE), _WHITE)
    modules = Image.open(drawn).convert("RGB")
    offset = (_QR_SIDE - modules.width) // 2
    square.paste(modules, (offset, offset))
    return square
