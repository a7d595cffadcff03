"""Invitation posters: a picture with the QR code of a user's invite link, to be shown to friends.

Clients show posters in an <img>, which sends no token: anyone who knows the id of a user can load the poster.
"""

from functools import cache
from io import BytesIO
from pathlib import Path

import segno
from PIL import Image, ImageDraw, ImageFont

from accounts.models import User
from accounts.referral import invite_link_of
from config.platform.cache import cached
from config.platform.lookups import has_id

WIDTH, HEIGHT = 750, 1200
KEEP_SECONDS = 24 * 3600
_QR_SIDE, _QR_TOP, _FRAME = 400, 520, 30
_FONT = Path(__file__).parent / "fonts" / "poster.otf"  # contains only the characters of the texts below
_WHITE, _GOLD, _DARK = (255, 255, 255), (255, 214, 90), (51, 51, 51)
Color = tuple[int, int, int]
# (top color, bottom color, stars, headline, second line) of each kind of poster
KINDS: dict[str, tuple[Color, Color, int, str, str]] = {
    "default": ((7, 193, 96), (4, 120, 87), 0, "邀请你一起来", "把小助手拉进群，每天都有收益"),
    "fourstar": ((60, 90, 220), (30, 40, 120), 4, "四星级的群", "星级更高，收益更高"),
    "fivestar": ((220, 60, 60), (110, 20, 50), 5, "五星级的群", "星级最高，收益最高"),
}
_BELOW_QR = "长按识别二维码，添加小助手"


def poster_owner(user_id: str) -> User | None:
    """Return the user with this id and a completed profile. Gateway codes are not accepted, because they can be guessed."""
    return User.objects.filter(has_id(user_id), is_staff=False, is_active=True, completed_at__isnull=False).first()


def poster_of(user: User, kind: str) -> bytes:
    """Return the PNG that this user shows to friends. Drawing takes 0.2 s, so the PNG is cached for a day."""
    return cached(f"poster:{kind}:{user.pk}", KEEP_SECONDS, lambda: draw_poster(kind, invite_link_of(user)))


def draw_poster(kind: str, link: str) -> bytes:
    """Return a PNG of this kind (one of KINDS) whose QR code leads to `link`."""
    picture = _background(kind).copy()
    picture.paste(_qr(link), ((WIDTH - _QR_SIDE) // 2, _QR_TOP))
    buffer = BytesIO()
    picture.quantize(128).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


@cache
def placeholder() -> bytes:
    """Return a plain gray PNG of a poster's proportions, for users without a poster."""
    buffer = BytesIO()
    Image.new("L", (WIDTH // 10, HEIGHT // 10), 238).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


@cache
def _background(kind: str) -> Image.Image:
    """Return the poster without the QR code, the same for all users."""
    top, bottom, stars, headline, second = KINDS[kind]
    picture = _gradient(top, bottom)
    draw = ImageDraw.Draw(picture)
    _draw_line(draw, "★" * stars, y=150, size=64, color=_GOLD)
    _draw_line(draw, headline, y=270, size=92, color=_WHITE)
    _draw_line(draw, second, y=390, size=40, color=_WHITE)
    left, right = (WIDTH - _QR_SIDE) // 2 - _FRAME, (WIDTH + _QR_SIDE) // 2 + _FRAME
    frame = (left, _QR_TOP - _FRAME, right, _QR_TOP + _QR_SIDE + _FRAME + 80)
    draw.rounded_rectangle(frame, radius=28, fill=_WHITE)
    _draw_line(draw, _BELOW_QR, y=_QR_TOP + _QR_SIDE + 50, size=30, color=_DARK)
    return picture


def _gradient(top: Color, bottom: Color) -> Image.Image:
    mask = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    return Image.composite(Image.new("RGB", (WIDTH, HEIGHT), bottom), Image.new("RGB", (WIDTH, HEIGHT), top), mask)


def _draw_line(draw: ImageDraw.ImageDraw, text: str, *, y: int, size: int, color: Color) -> None:
    """Draw one centered line whose middle is at `y`."""
    draw.text((WIDTH // 2, y), text, font=_font(size), fill=color, anchor="mm")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONT), size)


def _qr(link: str) -> Image.Image:
    """Return the QR code on a white square; each module is a whole number of pixels, or readers may fail."""
    qr_code = segno.make(link, error="m", micro=False)
    scale = _QR_SIDE // qr_code.symbol_size(border=0)[0]
    buffer = BytesIO()
    qr_code.save(buffer, kind="png", scale=scale, border=0)
    square = Image.new("RGB", (_QR_SIDE, _QR_SIDE), _WHITE)
    modules = Image.open(buffer).convert("RGB")
    offset = (_QR_SIDE - modules.width) // 2
    square.paste(modules, (offset, offset))
    return square
