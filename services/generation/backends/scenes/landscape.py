"""Layered landscapes: mountains, sea, forest, desert and city under a great sky."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from services.generation.backends.canvas import blend, bloom, lighten, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, line_noise, smooth
from services.generation.backends.palettes import Scenic, scenic
from services.generation.backends.prompt import Wishes
from services.generation.backends.scenes import land, sky, water
from services.generation.backends.scenes.scene import Scene
from services.generation.backends.scenes.weather import weather

_COMES_WITH = MappingProxyType({"lake": "mountain", "boat": "sea", "trees": "forest"})


@dataclass(frozen=True, slots=True)
class View:
    """A landscape in the making: its colours, its horizon and its light."""

    plane: Plane
    dice: Dice
    wishes: Wishes
    palette: Scenic
    horizon: float
    disc: sky.Disc
    night: bool
    subject: str


def draw(scene: Scene) -> Field:
    """Return the landscape that the wishes describe."""
    return paint(view_of(scene))


def paint(view: View) -> Field:
    """Return the view, painted from the sky forwards."""
    picture = _heavens(view)
    _LANDS[view.subject](picture, view)
    weather(picture, view.plane, view.dice.fork("weather"), view.wishes, view.palette)
    bloom(picture, 0.5)
    return picture


def _subject(scene: Scene) -> str:
    asked = scene.wishes.first(("city", "sea", "desert", "mountain", "forest"))
    asked = asked or _COMES_WITH.get(scene.wishes.first(("lake", "boat", "trees")) or "")
    usual = ("mountain", "mountain", "mountain", "sea", "forest", "desert")
    allowed = [name for name in usual if not scene.wishes.bans(name)] or ["mountain"]
    return asked or scene.dice.fork("subject").pick(allowed)


def view_of(scene: Scene) -> View:
    """Return the view that the wishes describe, nothing painted yet."""
    subject = _subject(scene)
    dice = scene.dice.fork("view")
    palette = scenic(scene.wishes, dice.fork("palette"), subject)
    night = "night" in palette.tags
    horizon = dice.between(0.56, 0.66) * scene.plane.bottom
    side = dice.pick((0.3, 0.36, 0.64, 0.7))
    low = scene.wishes.wants("sunset", "dawn") or "sunset" in palette.tags
    height = dice.between(0.06, 0.14) if low else dice.between(0.26, 0.42)
    moon = scene.wishes.wants("moon") or (night and not scene.wishes.wants("sun"))
    radius = dice.between(0.03, 0.05) if moon else dice.between(0.035, 0.065)
    disc = sky.Disc(side * scene.plane.right, horizon - height * scene.plane.bottom, radius, moon)
    return View(scene.plane, scene.dice, scene.wishes, palette, horizon, disc, night, subject)


def _heavens(view: View) -> Field:
    """Draw the sky and everything in it."""
    plane, palette, wishes, dice = view.plane, view.palette, view.wishes, view.dice.fork("heavens")
    picture = sky.backdrop(plane, palette, dice.fork("backdrop"), view.horizon)
    if wishes.shows("stars", dice, 1.0 if view.night else 0.0):
        count = int(420 * plane.right * plane.bottom)
        sky.stars(picture, plane, dice.fork("stars"), count=count, floor=view.horizon)
    gloomy = wishes.wants("stormy", "rain")
    if wishes.shows("moon" if view.disc.moon else "sun", dice, 0.15 if gloomy else 0.92):
        sky.shine(picture, plane, view.disc, palette.light)
        if view.disc.moon:
            sky.maria(picture, plane, view.disc, dice.fork("maria"), palette.sky[1])
    if wishes.shows("clouds", dice, 1.0 if gloomy else 0.65):
        amount = 1.0 if gloomy or wishes.wants("clouds") else dice.between(0.25, 0.75)
        sky.clouds(picture, plane, dice.fork("clouds"), palette, floor=view.horizon, amount=amount)
    return picture


def _mountains(picture: Field, view: View) -> None:
    """Draw ranges behind one another, the farther the paler, and firs or a lake in front."""
    plane, palette, wishes, dice = view.plane, view.palette, view.wishes, view.dice.fork("mountains")
    lake = wishes.shows("lake", dice, 0.4)
    shore = dice.between(0.74, 0.8) * plane.bottom if lake else plane.bottom
    relief = land.Relief.of(dice.fork("relief"), plane, view.disc.x)
    sharp, tall = dice.between(0.6, 1.0), dice.between(0.75, 1.1)
    snow = 0.16 if wishes.wants("snow", "white", "cold") else 0.09 if "day" in palette.tags else 0.0
    ranges = 6
    for index in range(ranges):
        near = index / (ranges - 1)
        fork = dice.fork(f"range-{index}")
        base = view.horizon + (shore - view.horizon) * (0.95 * near) + 0.015
        height = (0.17, 0.3, 0.19, 0.12, 0.08, 0.05)[index] * tall
        crest = land.crest_line(
            fork, plane, base, height=height, cells=1.5 + 0.9 * near, sharp=sharp * (1.0 - 0.65 * near)
        )
        rows, _ = land.body(plane, crest)
        land.mountain_range(
            picture,
            plane,
            crest,
            colour=blend(palette.far, palette.near, near * (0.55 + 0.45 * near)),
            haze=blend(palette.sky[-1], palette.far, 0.35),
            mist=0.85 - 0.6 * near,
            relief=relief.under(crest * np.float32(plane.unit), rows, fork.below(plane.width)),
            light=palette.light,
            contrast=(0.35, 0.8, 0.6, 0.4, 0.25, 0.1)[index],
            snow=snow if index in (0, 1, 2) else 0.0,
        )
        if index >= ranges - 3 and not wishes.bans("trees"):
            fir = 0.02 + 0.05 * (near - 0.4)
            colour = blend(palette.far, palette.near, 0.35 + 0.6 * near)
            land.firs(
                picture, plane, fork, crest, colour, count=int(60 * plane.right), low=fir * 0.5, high=fir
            )
    if lake:
        water.mirror(picture, plane, dice.fork("lake"), palette, shore=shore, calm=0.85)
    _foreground(picture, view, dice.fork("front"))


def _foreground(picture: Field, view: View, dice: Dice) -> None:
    """Draw a dark bank close by, with tall firs at the sides and perhaps a flock above."""
    plane, palette = view.plane, view.palette
    if view.wishes.shows("birds", dice, 0.35):
        sky.birds(picture, plane, dice.fork("birds"), blend(palette.near, palette.far, 0.2), view.horizon)
    bank = line_noise(dice.fork("bank"), plane, 1.4, 5) * np.float32(0.02)
    sides = np.abs(plane.xs / np.float32(plane.right) * np.float32(2) - np.float32(1))
    crest = np.float32(plane.bottom - 0.01) - sides * sides * np.float32(0.09) + bank
    land.mountain_range(picture, plane, crest, colour=palette.near, haze=palette.near, mist=0.0)
    if not view.wishes.bans("trees"):
        grove = crest + (sides < np.float32(dice.between(0.3, 0.62))) * np.float32(0.5)
        count = int(46 * plane.right)
        land.firs(picture, plane, dice.fork("grove"), grove, palette.near, count=count, low=0.05, high=0.27)


def _seascape(picture: Field, view: View) -> None:
    """Draw headlands, open sea, and perhaps a sail."""
    plane, palette, dice = view.plane, view.palette, view.dice.fork("seascape")
    for index in range(3):
        fork = dice.fork(f"head-{index}")
        side = fork.pick((0.0, 1.0))
        crest = land.crest_line(fork, plane, view.horizon, height=0.035 + 0.03 * index, cells=2.2, sharp=0.5)
        edge = fork.between(0.35, 0.75) - 0.12 * index
        away = plane.xs / np.float32(plane.right)
        away = away if side else np.float32(1) - away
        crest = crest * smooth(away, edge, edge + 0.25) + (
            np.float32(1) - smooth(away, edge, edge + 0.25)
        ) * np.float32(view.horizon + 0.05)
        colour = blend(palette.far, palette.near, 0.12 + 0.22 * index)
        land.mountain_range(picture, plane, crest, colour=colour, haze=palette.sky[-1], mist=0.5)
    water.sea(picture, plane, dice.fork("sea"), palette, horizon=view.horizon, sun_x=view.disc.x)
    if view.wishes.shows("boat", dice, 0.55):
        x = plane.right - view.disc.x + dice.between(-0.12, 0.12)
        size = dice.between(0.035, 0.065)
        cloth = blend(palette.light, palette.far, 0.25)
        water.sail(picture, plane, palette.near, cloth, x=x, foot=view.horizon + 0.02 + size * 0.7, size=size)
    if view.wishes.shows("birds", dice, 0.6):
        sky.birds(picture, plane, dice.fork("birds"), blend(palette.near, palette.far, 0.3), view.horizon)


def _forest(picture: Field, view: View) -> None:
    """Draw rows of firs standing in mist, the nearest the darkest."""
    plane, palette, dice = view.plane, view.palette, view.dice.fork("forest")
    rows = 6
    for index in range(rows):
        near = index / (rows - 1)
        fork = dice.fork(f"row-{index}")
        base = view.horizon - 0.05 + (plane.bottom - view.horizon) * near * 0.92
        crest = land.crest_line(fork, plane, base, height=0.06 - 0.02 * near, cells=1.3, sharp=0.0)
        colour = blend(palette.far, palette.near, 0.08 + 0.92 * near)
        tall = 0.07 + 0.3 * near * near + 0.06 * near
        count = int((120 - 90 * near) * plane.right)
        land.firs(picture, plane, fork, crest, colour, count=count, low=tall * 0.45, high=tall)
        haze = blend(palette.sky[-1], palette.far, 0.25)
        land.mountain_range(picture, plane, crest, colour=colour, haze=haze, mist=0.92 - 0.55 * near)
    if view.wishes.shows("birds", dice, 0.4):
        sky.birds(picture, plane, dice.fork("birds"), palette.near, view.horizon)


def _desert(picture: Field, view: View) -> None:
    """Draw far table mountains and dunes."""
    plane, palette, dice = view.plane, view.palette, view.dice.fork("desert")
    crest = land.crest_line(dice.fork("mesa"), plane, view.horizon + 0.02, height=0.06, cells=1.8, sharp=0.3)
    land.mountain_range(picture, plane, crest, colour=palette.far, haze=palette.sky[-1], mist=0.7)
    land.dunes(picture, plane, dice.fork("dunes"), palette, horizon=view.horizon, sun_x=view.disc.x)


def _city(picture: Field, view: View) -> None:
    """Draw rows of towers over water, their windows lit when it is dark."""
    plane, palette, dice = view.plane, view.palette, view.dice.fork("city")
    shore = 0.8 * plane.bottom
    dark = view.night or "sunset" in palette.tags
    for index in range(4):
        near = index / 3.0
        fork = dice.fork(f"row-{index}")
        lamps = (0.12 + 0.3 * near) if dark else 0.02
        land.skyline(
            picture,
            plane,
            fork,
            palette,
            foot=shore,
            tall=0.46 - 0.24 * near,
            near=0.12 + 0.88 * near,
            lamps=lamps,
        )
        mist = smooth(plane.y, view.horizon - 0.2, shore) * np.float32(0.26 * (1.0 - near))
        lighten(picture, rgb(palette.sky[-1]), np.broadcast_to(mist, picture.shape[1:]))
    water.mirror(picture, plane, dice.fork("river"), palette, shore=shore, calm=0.6)


_LANDS: Mapping[str, Callable[[Field, View], None]] = MappingProxyType(
    {"mountain": _mountains, "sea": _seascape, "forest": _forest, "desert": _desert, "city": _city}
)
