"""What a card says that no measurement says. `{name}` and the like are filled in by `card`."""

INTRODUCTION = """\
# {name}

Sa2VA (arXiv 2501.04001) with {parameters:.1f} million parameters in {megabytes:.1f} MB. It goes
through the same code as the large checkpoints; only what `config.json` and `grounding.json` say is
small. It is there so that everything can be tried, taught and tested without a download.
"""

KNOWLEDGE = """\
## What it knows

- A click, a box, several clicks with negative ones among them.
- English and Korean, in sentences about what it sees: requests for masks by colour, shape, place,
  size, brightness, relation and motion, for all of a kind and for several; questions about number,
  colour, shape, place and presence; descriptions, also with masks.
- Drawn shapes, and what looks like cells under fluorescence and phase contrast, stained tissue,
  coins, beads, bacteria and fibres; real nuclei.
- Following objects over frames, also by a phrase.

## What it does not know

- Anything else: photographs, faces, written words, other languages.
- Counts beyond twenty: it says that there are more, or, of 21 to 25, some number near twenty.
- What is only a few pixels large after the image is squeezed to {side} x {side}.
- What it says is no measurement: see the figures, and what they miss.
"""

DATA = """\
## Data and licences

- Drawn scenes and clips: drawn by `napari_sa2va/training`, no one else's. The figures below are
  of seeds that training does not use.
- Real nuclei: labelled micrographs of fluorescence and histology, CC0. The fifth whose number
  leaves 4 when divided by 5 is held out; the figures below are of that fifth.
- scikit-image's picture of coins: public domain, for the figures only; never trained on.
- The weights are under the licence of this package.
"""

METHOD = """\
Through the public API, as a user's requests go; text is generated greedily. A phrase to which the
model answers without a mask scores 0. An answer is right where it tells the right value, in
whatever words. Of the drawn scenes 40% are shapes, 20% fluorescence, 8% each phase contrast,
stained tissue and coins, 6% beads, 5% each bacteria and fibres (training draws the hard ones more
often); half of them are at 256 and half at 512 pixels. Korean is asked about the same scenes and
meanings as English. J&F is that of DAVIS (Perazzi et al., 2016), over the frames that show the
object, without the prompted one; presence is right in a frame where the mask is empty exactly if
the object is absent. The language side looks at the first five frames of a clip, as where nothing
is chosen; "frames over the clip" are five that are spread over it. The interval is a bootstrap over
images.
"""

CALIBRATION = """\
### How far its own scores can be trusted

Each mask comes with an IoU that the model predicts. By ten bins of that prediction; the expected
calibration error (ECE) is the mean distance between the two columns, over masks.
"""

PICTURES = """\
## Pictures

Orange is what the model found, the white line the truth; green dots are clicks, red ones negative
clicks, blue frames boxes. By rule, not by hand: of all cases that were measured, the one with the
lowest value, the median and the highest, from left to right (frames of clips: from top to bottom).
"""
