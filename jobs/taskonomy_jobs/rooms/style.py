"""The taste of a building and of a room: colours and materials drawn once, used throughout.

Colours overlap between kinds of object on purpose: a red thing may be a couch, a book or a rug.
"""

import colorsys
from dataclasses import dataclass

import numpy as np

from taskonomy_jobs.rooms.parts import Material, Triple
from taskonomy_jobs.rooms.textures import Pattern


@dataclass(slots=True)
class Style:
    """Draws materials for the objects of one room."""

    rng: np.random.Generator
    """Every draw comes from here, in the order in which the room is furnished."""
    wood_tone: Triple
    """Hue, saturation and value of the room's wood."""
    accent: float
    """Hue that comes back in fabrics and the feature wall."""

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Style":
        """Return a new taste."""
        tone = (rng.uniform(0.04, 0.11), rng.uniform(0.25, 0.7), rng.uniform(0.25, 0.85))
        return cls(rng, tone, float(rng.random()))

    def varied(self, rng: np.random.Generator) -> "Style":
        """Return this taste for another room: the same wood, mostly, and a hue near or opposite."""
        hue, saturation, value = self.wood_tone
        tone = (hue, saturation, float(np.clip(value * rng.uniform(0.75, 1.25), 0.15, 0.9)))
        return Style(rng, tone, float((self.accent + rng.choice([0.0, 0.08, 0.5, 0.3])) % 1.0))

    def between(self, low: float, high: float) -> float:
        """Return a number between two."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return bool(self.rng.random() < probability)

    def wood(self) -> Material:
        """Wood of the room, a little different each time."""
        hue, saturation, value = self.wood_tone
        value = float(np.clip(value * self.between(0.8, 1.2), 0.12, 0.95))
        return self._material(
            Pattern.WOOD,
            colour(hue, saturation, value),
            colour(hue, min(saturation * 1.15, 1.0), value * 0.55),
            scale=self.between(0.03, 0.07),
            contrast=self.between(0.4, 0.9),
            gloss=self.between(0.0, 0.25),
        )

    def metal(self) -> Material:
        """Steel, chrome or painted metal."""
        value = self.between(0.25, 0.8)
        base = colour(self.between(0.0, 1.0), self.between(0.0, 0.12), value)
        return self._material(Pattern.PLAIN, base, base, contrast=0.4, gloss=self.between(0.4, 1.0))

    def ceramic(self) -> Material:
        """White or pastel glaze."""
        base = colour(float(self.rng.random()), self.between(0.0, 0.14), self.between(0.78, 0.95))
        return self._material(Pattern.PLAIN, base, base, contrast=0.3, gloss=self.between(0.4, 0.9))

    def dark(self) -> Material:
        """Dark plastic or glass."""
        base = colour(self.between(0.55, 0.7), self.between(0.0, 0.3), self.between(0.04, 0.22))
        return self._material(Pattern.PLAIN, base, base, contrast=0.3, gloss=self.between(0.2, 0.8))

    def paint(self, value: float = 0.0) -> Material:
        """Lacquer of any colour, often white."""
        saturation = self.between(0.0, 0.15) if self.chance(0.5) else self.between(0.2, 0.75)
        base = colour(self.hue(), saturation, value or self.between(0.4, 0.95))
        return self._material(Pattern.PLAIN, base, base, contrast=0.6, gloss=self.between(0.0, 0.4))

    def fabric(self, lively: float = 0.35) -> Material:
        """Cloth: grain, stripes, dots or checks, with colours near or against the accent."""
        base = colour(self.hue(), self.between(0.1, 0.75), self.between(0.25, 0.9))
        other = colour(self.hue(), self.between(0.1, 0.8), self.between(0.2, 0.95))
        if not self.chance(lively):
            dark = (0.6 * base[0], 0.6 * base[1], 0.6 * base[2])
            return self._material(Pattern.FABRIC, base, dark, scale=0.02, contrast=0.8)
        pattern = self.rng.choice([Pattern.STRIPES, Pattern.DOTS, Pattern.CHECKER])
        return self._material(
            Pattern(int(pattern)), base, other, scale=self.between(0.06, 0.25), contrast=0.9
        )

    def leaf(self) -> Material:
        """Greens from olive to blue-green, now and then reddish."""
        hue = self.between(0.22, 0.42) if self.chance(0.88) else self.between(0.92, 1.0)
        base = colour(hue, self.between(0.35, 0.8), self.between(0.2, 0.6))
        dark = (0.35 * base[0], 0.35 * base[1], 0.35 * base[2])
        return self._material(Pattern.FABRIC, base, dark, scale=0.035, contrast=1.0)

    def painting(self) -> Material:
        """Large soft areas of colour."""
        one = colour(float(self.rng.random()), self.between(0.2, 0.9), self.between(0.3, 0.9))
        two = colour(float(self.rng.random()), self.between(0.2, 0.9), self.between(0.15, 0.9))
        return self._material(Pattern.PAINTING, one, two, scale=self.between(0.12, 0.3))

    def spines(self) -> Material:
        """The backs of a row of books."""
        one = colour(self.hue(), self.between(0.4, 0.9), self.between(0.3, 0.8))
        two = colour(float(self.rng.random()), self.between(0.2, 0.9), self.between(0.3, 0.9))
        return self._material(Pattern.SHELVED, one, two, scale=self.between(0.025, 0.045))

    def glowing(self, strength: float) -> Material:
        """A lamp's shade or a lit screen."""
        base = colour(self.between(0.08, 0.16), self.between(0.02, 0.3), 0.95)
        return self._material(Pattern.PLAIN, base, base, contrast=0.1, glow=strength)

    def screen(self) -> Material:
        """A screen: black glass, or lit."""
        if self.chance(0.5):
            return self.dark()
        one, two = (
            colour(float(self.rng.random()), self.between(0.2, 0.9), self.between(0.3, 0.9))
            for _ in range(2)
        )
        return self._material(Pattern.PAINTING, one, two, scale=0.25, gloss=0.3, glow=0.35)

    def stone(self) -> Material:
        """Marble or granite of a worktop."""
        base = colour(self.between(0.0, 0.15), self.between(0.0, 0.15), self.between(0.2, 0.9))
        vein = colour(self.between(0.0, 0.7), self.between(0.0, 0.2), self.between(0.1, 0.6))
        return self._material(
            Pattern.MARBLE, base, vein, scale=self.between(0.15, 0.5), contrast=0.8, gloss=0.4
        )

    def floor(self, wet: bool) -> Material:
        """Planks, tiles, carpet, checks or stone."""
        pick = self.rng.random() + (0.45 if wet else 0.0)
        hue, saturation, value = self.wood_tone
        if pick < 0.45:
            return self._material(
                Pattern.PLANKS,
                colour(hue, saturation * 0.9, min(1.0, value * 1.1)),
                colour(hue, saturation, value * 0.5),
                scale=self.between(0.09, 0.2),
                contrast=self.between(0.6, 1.0),
                gloss=self.between(0.0, 0.3),
            )
        base = colour(self.hue(), self.between(0.05, 0.35), self.between(0.3, 0.85))
        other = colour(self.hue(), self.between(0.0, 0.3), self.between(0.15, 0.9))
        if pick < 0.75 and not wet:
            dark = (0.55 * base[0], 0.55 * base[1], 0.55 * base[2])
            return self._material(Pattern.FABRIC, base, dark, scale=0.03, contrast=1.0)
        pattern = Pattern.TILES if self.chance(0.65) else Pattern.CHECKER
        return self._material(
            pattern, base, other, scale=self.between(0.2, 0.6), contrast=0.8, gloss=0.3
        )

    def wall(self, wet: bool, feature: bool) -> Material:
        """Paint, wallpaper, tiles or brick; a feature wall is bolder."""
        saturation = self.between(0.2, 0.6) if feature else 0.45 * self.between(0.0, 1.0) ** 2
        base = colour(self.hue(), saturation, self.between(0.45, 0.95))
        near = colour(self.hue(), saturation * 1.2, self.between(0.3, 0.95))
        if wet and self.chance(0.75):
            grout = colour(0.1, 0.05, self.between(0.4, 0.95))
            return self._material(
                Pattern.TILES, base, grout, scale=self.between(0.12, 0.35), contrast=0.8, gloss=0.4
            )
        pick = self.rng.random() - (0.25 if feature else 0.0)
        if pick > 0.4:
            return self._material(Pattern.PLAIN, base, base, contrast=1.0)
        if pick > 0.2:
            return self._material(
                Pattern.STRIPES, base, near, scale=self.between(0.12, 0.5), contrast=0.6
            )
        if pick > 0.0:
            return self._material(
                Pattern.DOTS, base, near, scale=self.between(0.12, 0.35), contrast=0.7
            )
        if pick > -0.1:
            brick = colour(self.between(0.01, 0.08), 0.5, self.between(0.35, 0.8))
            return self._material(Pattern.BRICK, brick, base, scale=0.08, contrast=0.8)
        return self._material(Pattern.MARBLE, base, near, scale=0.6, contrast=0.5)

    def ceiling(self) -> Material:
        """Nearly white."""
        base = colour(self.hue(), self.between(0.0, 0.08), self.between(0.8, 0.95))
        return self._material(Pattern.PLAIN, base, base, contrast=0.5)

    def hue(self) -> float:
        """Return a hue: near the accent half of the time, else any."""
        if self.chance(0.5):
            return float((self.accent + self.rng.normal(0.0, 0.05)) % 1.0)
        return float(self.rng.random())

    def _material(
        self,
        pattern: Pattern,
        first: Triple,
        second: Triple,
        *,
        scale: float = 1.0,
        contrast: float = 1.0,
        gloss: float = 0.0,
        glow: float = 0.0,
    ) -> Material:
        seed = float(self.rng.integers(1, 60000))
        return (float(pattern), *first, *second, scale, contrast, seed, gloss, glow)


def colour(hue: float, saturation: float, value: float) -> Triple:
    """Linear RGB of a hue, saturation and value as a screen shows them."""
    r, g, b = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return (_linear(r), _linear(g), _linear(b))


def _linear(v: float) -> float:
    return v / 12.92 if v <= 0.04045 else float(((v + 0.055) / 1.055) ** 2.4)
