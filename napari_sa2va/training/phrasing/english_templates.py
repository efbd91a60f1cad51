"""English sentences: `{}` is the noun phrase that is asked about."""

from __future__ import annotations

from itertools import product

from napari_sa2va.training.phrasing.forms import Forms

_VERBS = (
    *("segment", "find", "show me", "outline", "track", "select", "highlight", "mark", "locate"),
    *("pick out", "point out", "detect", "mask", "trace", "give me", "identify"),
)
_FRAMES = (
    "Please {verb} {{}}.",
    "{Verb} {{}}.",
    "{verb} {{}}",
    "Can you {verb} {{}}?",
    "Could you please {verb} {{}}?",
    "Would you {verb} {{}}?",
    "Can you please {verb} {{}} in the image?",
    "Please {verb} {{}} in this image.",
    "{Verb} {{}} in the video.",
    "Please {verb} {{}} in the video.",
    "I would like you to {verb} {{}}.",
    "In this image, {verb} {{}}.",
    "{Verb} {{}}, please.",
)
REQUESTS = Forms(
    ("Please segment {}.", "Segment {}.", "segment {}", "Can you segment {}?", "{}"),
    (
        *(
            frame.format(verb=verb, Verb=verb[0].upper() + verb[1:])
            for frame, verb in product(_FRAMES, _VERBS)
        ),
        "{}.",
        "{}, please.",
        "{} in the image",
        "I need {}.",
        "I need a mask of {}.",
        "Only {}, please.",
        "Give me the mask of {}.",
        "Where is the mask of {}?",
        "Which pixels belong to {}?",
        "Can you segment {}? Please respond with the segmentation mask.",
        "Please segment {}. Respond with the segmentation mask.",
        "Please identify and segment {} in this image.",
        "Could you provide a segmentation mask for {} in this image?",
        "Where is {} in this picture? Please respond with a segmentation mask.",
        "Can you highlight {} in this image with a segmentation mask?",
        "Where is {}? Please respond with a mask.",
        "Follow {} in the video.",
        "Please track {} through the video.",
    ),
)
# {0}: "cells", {1}: "cell"
COUNTS = Forms(
    ("How many {0} are there?", "How many {0} are there in the image?", "How many {0}?"),
    (
        "How many {0} are in the image?",
        "How many {0} are in this image?",
        "How many {0} do you see?",
        "How many {0} can you see?",
        "How many {0} can you count?",
        "How many {0} does the image show?",
        "how many {0}",
        "Count the {0}.",
        "Please count the {0}.",
        "Can you count the {0}?",
        "What is the number of {0}?",
        "Tell me how many {0} there are.",
        "How many {0} are in the video?",
    ),
)
COLOR_QUESTIONS = Forms(
    ("What color is {}?", "What is the color of {}?"),
    (
        "What colour is {}?",
        "What is the colour of {}?",
        "Which color is {}?",
        "Which color does {} have?",
        "Tell me the color of {}.",
        "what color is {}",
        "What color does {} have?",
        "In the image, what color is {}?",
    ),
)
SHAPE_QUESTIONS = Forms(
    ("What shape is {}?", "What is the shape of {}?"),
    (
        "Which shape is {}?",
        "Which shape does {} have?",
        "What shape does {} have?",
        "Tell me the shape of {}.",
        "what shape is {}",
        "What kind of shape is {}?",
        "In the image, what shape is {}?",
    ),
)
WHERE_QUESTIONS = Forms(
    ("Where is {}?", "Where is {} in the image?"),
    (
        "Where in the image is {}?",
        "Where can I find {}?",
        "Where do you see {}?",
        "In which part of the image is {}?",
        "What is the position of {}?",
        "where is {}",
        "Tell me where {} is.",
        "Where is {} located?",
    ),
)
# {}: "a red circle"
IS_THERE = Forms(
    ("Is there {}?", "Is there {} in the image?"),
    (
        "Is there {} in this image?",
        "Is {} in the image?",
        "Is {} visible?",
        "Is there {} here?",
        "is there {}",
        "Is there {} in the video?",
    ),
)
# {}: "red circles"
ARE_THERE = Forms(
    ("Are there {}?", "Are there any {}?"),
    (
        "Are there any {} in the image?",
        "Are there {} in the image?",
        "Are there any {} in this image?",
        "are there any {}",
        "Are any {} visible?",
    ),
)
WHICH_QUESTIONS = Forms(
    ("What is {}?", "Which one is {}?"),
    (
        "Which is {}?",
        "Tell me what {} is.",
        "What do you call {}?",
        "what is {}",
        "Can you tell me what {} is?",
    ),
)
# {0}: "object", {1}: "largest"
RANK_QUESTIONS = Forms(
    ("Which {0} is the {1}?",),
    ("Which {0} is {1}?", "Which is the {1} {0}?", "Which of the {2} is the {1}?"),
)
GROUNDED = Forms(
    ("Please respond with a mask.", "Respond with a mask."),
    ("Please respond with a segmentation mask.", "Answer with a mask.", "Show its mask, too."),
)
OVERVIEWS = Forms(
    ("What is in the image?", "Describe the image.", "What do you see?"),
    (
        "What is in this image?",
        "What can you see in the image?",
        "What can you see?",
        "Please describe the image.",
        "Describe this image.",
        "Describe the image briefly.",
        "describe the image",
        "What does the image show?",
        "What does this image show?",
        "What is shown here?",
        "What is this?",
        "Tell me what is in the image.",
        "Can you describe the image?",
        "Give me a short description of the image.",
        "What is in the video?",
        "Describe the video.",
    ),
)
CAPTIONS = Forms(
    (
        "Could you please give me a brief description of the image? Please respond with "
        "interleaved segmentation masks for the corresponding parts of the answer.",
        "Describe the image with masks.",
    ),
    (
        "Please describe the image. Respond with interleaved segmentation masks.",
        "What is in the image? Please respond with masks.",
        "Please describe the image in brief. Respond with segmentation masks.",
        "What do you see? Please respond with interleaved segmentation masks.",
        "Describe the image and show masks.",
        "Describe the image and segment what you name.",
        "Describe the video with masks.",
    ),
)
MOVEMENT_QUESTIONS = Forms(
    ("How does {} move?",),
    (
        "What does {} do?",
        "Where does {} move?",
        "Which way does {} move?",
        "How is {} moving?",
        "In which direction does {} move?",
        "What happens to {}?",
        "How does {} move in the video?",
        "Describe the motion of {}.",
    ),
)
DOES_IT_MOVE = Forms(
    ("Does {} move?",),
    ("Is {} moving?", "Does {} move in the video?", "Does {} change its place?"),
)
NATURES = Forms(
    ("What are these?", "What are these objects?"),
    (
        "What objects are these?",
        "What kind of objects are these?",
        "What kind of objects does the image show?",
        "Which objects are in the image?",
        "what are these",
    ),
)
TEMPLATES = (
    *(REQUESTS, COUNTS, COLOR_QUESTIONS, SHAPE_QUESTIONS, WHERE_QUESTIONS, IS_THERE, ARE_THERE),
    *(WHICH_QUESTIONS, RANK_QUESTIONS, GROUNDED, OVERVIEWS, CAPTIONS, MOVEMENT_QUESTIONS),
    *(DOES_IT_MOVE, NATURES),
)
