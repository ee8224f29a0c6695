"""On dark ground: colours that can be seen there, pictures that follow the page, corners that show it."""

from __future__ import annotations

import base64
import gc
import io
import weakref
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from coro_magic import show
from coro_magic.show import palette, sheet, tabs
from coro_magic.show.drawn import Drawn, Ground
from coro_magic.show.interactive import SCRIPT
from coro_magic.show.sheet import png

from .runs import run_of, sleepers, threads

# What is behind a picture or the timeline: our own paper, and JupyterLab's in its dark theme.
GROUNDS = (palette.DARK["PAPER"], "#212121")
# Vienot, Brettel and Mollon (1999), for linear red, green and blue: without red cones, without green ones.
EYES = {
    "all colours": np.eye(3),
    "protanopia": np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]),
    "deuteranopia": np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]),
}


def linear(colour: str) -> Any:
    parts = np.array(to_rgb(colour))
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2."""
    low, high = sorted(float(linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ground", GROUNDS)
def test_on_dark_ground_graphics_have_a_contrast_of_three_and_text_of_four_and_a_half(ground: str) -> None:
    dark = palette.DARK
    graphics = [dark[name] for name in ("RUNNING", "READY", "ACTIVE", "OTHER_WAITS", "NOT_BEGUN", "SLOW")]
    assert min(contrast(each, ground) for each in (*graphics, *dark["WAITS"])) >= 3
    text = [dark[name] for name in ("INK", "FAINT_INK", "FAILED", "MARK")]
    # The captions of the sides have the colours of their lines.
    text += [line[0] for line in dark["LINES"].values()]
    assert min(contrast(each, ground) for each in text) >= 4.5


def test_text_on_light_ground_can_be_read_too() -> None:
    light = palette.LIGHT
    text = [light[name] for name in ("INK", "FAINT_INK", "FAILED", "MARK")]
    text += [line[0] for line in light["LINES"].values()]
    assert min(contrast(each, light["PAPER"]) for each in text) >= 4.5


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("ground", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_running_ready_and_waiting_are_told_apart_by_every_eye(ground: Any, eye: str) -> None:
    states = (ground["RUNNING"], ground["READY"], ground["WAITS"][0])
    for one, other in combinations(states, 2):
        seen = [np.clip(EYES[eye] @ linear(colour), 0.0, 1.0) for colour in (one, other)]
        # In what the screen sends (0 to 1), of which one part in fifty is just seen.
        assert np.abs(seen[0] ** (1 / 2.4) - seen[1] ** (1 / 2.4)).max() > 0.15, (one, other)
    # The second cue: how high they are.
    assert len(set(palette.HEIGHTS.values())) == 3


def test_both_grounds_have_the_same_names_and_the_same_dashes() -> None:
    assert palette.LIGHT.keys() == palette.DARK.keys()
    dashes = [[line[1] for line in ground["LINES"].values()] for ground in (palette.LIGHT, palette.DARK)]
    assert dashes[0] == dashes[1]


def test_the_timeline_has_the_same_dark_colours() -> None:
    script = SCRIPT.read_text()
    dark = script[script.index("const DARK") : script.index("const HEIGHTS")]
    names = {"running": "RUNNING", "active": "ACTIVE", "ready": "READY", "otherWaits": "OTHER_WAITS",
             "notBegun": "NOT_BEGUN", "failed": "FAILED", "ink": "INK", "faint": "FAINT_INK", "grid": "GRID",
             "paper": "PAPER", "lane": "LANE", "mark": "MARK"}  # fmt: skip
    for name, ours in names.items():
        assert f'{name}: "{palette.DARK[ours]}"' in dark
    assert "waits: [" + ", ".join(f'"{colour}"' for colour in palette.DARK["WAITS"]) + "]" in dark


def corner_and_ground(html: str) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Of each picture in some HTML: its first pixel, with its opacity, and one of its paper."""
    out = []
    for part in html.split("base64,")[1:]:
        image = Image.open(io.BytesIO(base64.b64decode(part.split('"')[0]))).convert("RGBA")
        pixels = np.asarray(image)
        out.append((tuple(pixels[0, 0].tolist()), tuple(pixels[4, 200].tolist())))
    return out


def rgba(colour: str) -> tuple[int, ...]:
    return (*(round(255 * part) for part in to_rgb(colour)), 255)


def test_the_panels_pictures_are_drawn_again_when_the_page_turns_dark_and_when_it_turns_light() -> None:
    panel = show.panel(run_of(sleepers(3), threads(3, 0.1)), b"png")
    timeline = panel.tab.children[0].children[0]
    panel.tab.selected_index = tabs.TITLES.index("Throughput")
    shown = panel.tab.children[1].children[0]
    light = shown.value
    assert {ground for _, ground in corner_and_ground(light)} == {rgba(palette.LIGHT["PAPER"])}
    timeline.dark = True  # as the front end sets it
    assert {ground for _, ground in corner_and_ground(shown.value)} == {rgba(palette.DARK["PAPER"])}
    assert len(corner_and_ground(shown.value)) == 3 and shown.value.count('alt="') == 3
    timeline.dark = False
    assert shown.value == light
    # What others draw meanwhile is not touched.
    assert palette.LIGHT["INK"] == palette.INK


def test_a_tab_that_is_looked_at_later_is_drawn_dark_at_once() -> None:
    panel = show.panel(run_of(sleepers(3)), b"png")
    panel.tab.children[0].children[0].dark = True
    panel.tab.selected_index = tabs.TITLES.index("Throughput")
    grounds = {ground for _, ground in corner_and_ground(panel.tab.children[1].children[0].value)}
    assert grounds == {rgba(palette.DARK["PAPER"])}


def test_a_picture_that_was_taken_away_is_not_drawn_again_and_not_kept() -> None:
    ground, drawn = Ground(), []
    picture = Drawn(ground, lambda: drawn.append(palette.PAPER) or "")  # type: ignore[func-returns-value]
    picture.close()
    ground.dark = True
    assert drawn == [palette.LIGHT["PAPER"]]
    there = weakref.ref(picture)
    del picture
    gc.collect()
    assert there() is None


@pytest.mark.parametrize("figure", [show.picture, show.timeline, show.throughput_plot])
def test_a_picture_has_no_colour_of_the_other_ground(figure: Any) -> None:
    with palette.on(True):
        drawn = figure(run_of(sleepers(60), threads(60, 0.1)))
    image = np.asarray(Image.open(io.BytesIO(png(drawn))).convert("RGBA"))[:, :, :3]
    # White, or next to it, is the ink only: thin letters.
    assert (image.min(axis=2) > 200).mean() < 0.05
    paper = (image == rgba(palette.DARK["PAPER"])[:3]).all(axis=2)
    assert paper.mean() > 0.3


def test_the_corners_of_a_picture_let_the_page_be_seen_and_nothing_else_does() -> None:
    image = Image.open(io.BytesIO(png(show.picture(run_of(sleepers(3))))))
    opacity = np.asarray(image.convert("RGBA"))[:, :, 3]
    size = sheet._RADIUS
    for corner in (opacity, opacity[::-1], opacity[:, ::-1], opacity[::-1, ::-1]):
        assert corner[0, 0] == 0 and corner[size, size] == 255 and corner[0, size] == 255
        # Smooth, and round: a circle leaves about a fifth of its square out.
        assert len(np.unique(corner[:size, :size])) > 4
        assert 0.15 < 1 - corner[:size, :size].mean() / 255 < 0.28
    opacity = opacity.copy()
    for down in (slice(None, size), slice(-size, None)):
        for across in (slice(None, size), slice(-size, None)):
            opacity[down, across] = 255
    assert (opacity == 255).all()
