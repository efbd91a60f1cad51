import numpy as np

from napari_sa2va.overlay import PALETTE, color_of, contact_sheet, draw_masks

FRAME = np.full((40, 60, 3), 100, np.uint8)
LABELS = np.zeros((40, 60), np.uint8)
LABELS[10:30, 10:30] = 1
LABELS[:5, 50:] = 9


def test_colours_differ_and_come_again():
    assert len(set(PALETTE)) == len(PALETTE)
    assert color_of(1) == color_of(len(PALETTE) + 1)


def test_masks_are_tinted_and_outlined_and_the_rest_is_left_alone():
    drawn = draw_masks(FRAME, LABELS)
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn[LABELS == 0], FRAME[LABELS == 0])
    assert tuple(drawn[10, 20]) == color_of(1)
    assert tuple(drawn[11, 20]) == color_of(1)
    assert tuple(drawn[20, 20]) not in ((100, 100, 100), color_of(1))
    assert tuple(FRAME[20, 20]) == (100, 100, 100)


def test_the_border_of_the_frame_is_no_contour():
    assert tuple(draw_masks(FRAME, LABELS)[0, 55]) != color_of(9)


def test_a_sheet_holds_all_tiles_and_the_legend():
    tiles = [(f"frame {number}", FRAME, LABELS) for number in range(5)]
    short = contact_sheet(iter(tiles[:4]), [(1, "a cell")], "title", columns=4)
    long = contact_sheet(iter(tiles), [(1, "a cell"), (9, "another")], "title", columns=4)
    assert short.width == long.width == 4 * (384 + 6) + 6
    assert long.height - short.height == 256 + 6 + 30
    pixels = np.asarray(long).reshape(-1, 3)
    for object_id in (1, 9):
        assert (pixels == color_of(object_id)).all(1).any()
