"""What English calls things."""

from __future__ import annotations

from napari_sa2va.training.phrasing.forms import Forms, words

COLORS = {
    "red": words("red"),
    "green": words("green"),
    "blue": words("blue"),
    "yellow": words("yellow"),
    "orange": words("orange"),
    "purple": words("purple", "violet", share=0.85),
    "pink": words("pink"),
    "cyan": words("cyan", "turquoise", share=0.85),
    "white": words("white"),
    "black": words("black"),
    "brown": words("brown"),
}
# "object" fits everything, "shape" every drawn shape, "blob" every roundish thing in a micrograph.
NOUNS = {
    "circle": words("circle", "disc", "disk", "round shape", share=0.85),
    "square": words("square", "box", share=0.9),
    "triangle": words("triangle"),
    "star": words("star"),
    "ellipse": words("ellipse", "oval"),
    "cross": words("cross", "plus sign", share=0.9),
    "ring": words("ring", "donut", share=0.9),
    "cell": words("cell", "nucleus", share=0.85),
    "nucleus": words("nucleus", "cell nucleus", "cell", share=0.85),
    "coin": words("coin", "disc", share=0.9),
    "disc": words("disc", "disk"),
    "bead": words("bead", "dot", "spot", "particle"),
    "bacterium": words("bacterium", "germ", "microbe", "rod", "bacterial cell"),
    "fibre": words("fibre", "fiber", "filament", "strand"),
    "vessel": words("vessel", "blood vessel", "vein"),
    "object": words("object", "thing"),
    "shape": words("shape", "object", "figure"),
    "blob": words("object", "blob", "spot"),
}
PLURALS = {"nucleus": "nuclei", "bacterium": "bacteria"}
ALL = Forms(("all the {}", "all {}"), ("every one of the {}", "all of the {}", "the {}"), 0.75)
RANKS = {
    "largest": words("largest", "biggest", share=0.65),
    "smallest": words("smallest", "tiniest", "littlest", share=0.7),
    "brightest": words("brightest", "most intense", share=0.8),
    "dimmest": words("dimmest", "darkest", "faintest"),
    "fastest": words("fastest", "quickest"),
}
OF_TWO = {"largest": "larger", "smallest": "smaller", "brightest": "brighter", "dimmest": "dimmer"}
NUMBERS = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
# Where the answer to "where" puts a ninth of the image.
REGIONS = {
    **{corner: f"at the {corner}" for corner in ("top left", "top right")},
    **{corner: f"at the {corner}" for corner in ("bottom left", "bottom right")},
    **{side: f"at the {side}" for side in ("top", "bottom")},
    **{side: f"on the {side}" for side in ("left", "right")},
    "center": "in the center",
}
RELATIONS = {
    "left": Forms(("left of", "to the left of"), ("on the left of", "on the left side of"), 0.8),
    "right": Forms(
        ("right of", "to the right of"), ("on the right of", "on the right side of"), 0.8
    ),
    "above": Forms(("above",), ("over", "directly above"), 0.8),
    "below": Forms(("below",), ("under", "beneath", "directly below"), 0.8),
    "next": Forms(("closest to", "next to"), ("nearest to", "nearest", "beside"), 0.8),
}
MOTIONS = {
    "moving": Forms(
        ("the moving {}", "the {} that moves", "the {} that is moving"),
        ("the {} which moves", "the {} in motion", "the only {} that moves", "the {} moving"),
    ),
    "still": Forms(
        ("the still {}", "the {} that stays still", "the {} that does not move"),
        ("the resting {}", "the static {}", "the {} that stays where it is", "the motionless {}"),
    ),
    "dividing": Forms(
        ("the dividing {}", "the {} that divides"),
        ("the {} that is dividing", "the {} that splits in two", "the {} in division"),
    ),
    "leaving": Forms(
        ("the {} that leaves", "the {} that leaves the image"),
        ("the leaving {}", "the {} that goes out of the image", "the {} that disappears"),
    ),
    "entering": Forms(
        ("the {} that enters", "the {} that comes in"),
        ("the entering {}", "the {} that enters the image", "the {} that comes into view"),
    ),
}
TOWARDS = {"left": "to the left", "right": "to the right", "up": "up", "down": "down"}
HEADING = Forms(
    ("the {} that moves {}", "the {} moving {}"),
    ("the {} that goes {}", "the {} going {}", "the {} that is moving {}"),
)
MOVEMENTS = {
    **{way: f"It moves {towards}." for way, towards in TOWARDS.items()},
    "still": "It stays still.",
    "dividing": "It divides.",
    "leaving": "It leaves the image.",
    "entering": "It enters the image.",
}


def plural(noun: str) -> str:
    """`crosses`, `red nuclei`."""
    last = noun.rsplit(" ", 1)[-1]
    if last in PLURALS:
        return noun.removesuffix(last) + PLURALS[last]
    return noun + ("es" if noun.endswith(("s", "x")) else "s")


def with_article(phrase: str) -> str:
    """`a red circle`, `an orange star`."""
    return f"{'an' if phrase[0] in 'aeio' else 'a'} {phrase}"


def enumerated(parts: list[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
