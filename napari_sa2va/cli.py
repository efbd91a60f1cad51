"""The `napari-sa2va` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import napari_sa2va
from napari_sa2va.cli_arguments import (
    parse_box,
    parse_frames,
    parse_names,
    parse_point,
    parse_split,
)
from napari_sa2va.core.errors import Sa2VAError
from napari_sa2va.core.options import ATTENTION, DTYPES, GROUNDINGS, OFFLOAD, QUANTIZE

ERROR, INTERRUPTED = 2, 130

# As in napari_sa2va.export.FORMATS, which --help does not wait for.
_FORMATS = (
    "coco", "coco-polygons", "youtube-vis", "yolo", "davis", "ctc", "ome-tiff", "ome-zarr",
    "ome-zarr-0.4", "cellpose", "sa2va", "mevis", "tiff", "png", "npy", "csv",
)  # fmt: skip
# As in napari_sa2va.evaluation.kinds.KINDS.
_KINDS = (
    "davis", "ref-davis", "mevis", "ref-youtube-vos", "ref-sav", "revos", "refcoco", "coco", "ctc",
)  # fmt: skip
_STACK_HELP = "TIFF, OME-TIFF, OME-Zarr, video, image, or folder of images"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the command's name; default those of the process.

    Returns
    -------
    int
        0, 1 where nothing was found or a model is damaged, 2 for an error that the user can act
        on, 130 after Ctrl-C. Arguments that cannot be parsed exit with 2 at once.
    """
    arguments = build_parser().parse_args(argv)
    try:
        if arguments.command == "models":
            from napari_sa2va.cli_models import MODELS

            return MODELS[arguments.action](arguments)
        if arguments.command in ("export", "import"):
            from napari_sa2va.cli_export import COMMANDS as EXPORT

            return EXPORT[arguments.command](arguments)
        if arguments.command == "eval":
            from napari_sa2va.cli_eval import evaluate

            return evaluate(arguments)
        if arguments.command == "serve":
            from napari_sa2va.cli_serve import serve

            return serve(arguments)
        # Readers and codecs take seconds to import: --help and models do not wait for them.
        from napari_sa2va.cli_commands import COMMANDS

        return COMMANDS[arguments.command](arguments)
    except Sa2VAError as error:
        sys.stderr.write(f"napari-sa2va: {error.message}\n{error.hint}".rstrip() + "\n")
        return ERROR
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="napari-sa2va",
        description="Say it, click it or box it, and get the object's mask in every time frame.",
    )
    parser.add_argument("--version", action="version", version=napari_sa2va.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_segment(commands)
    _add_ask(commands)
    _add_demo(commands)
    _add_models(commands)
    _add_export(commands)
    _add_import(commands)
    _add_eval(commands)
    _add_serve(commands)
    commands.add_parser("info", help="versions, devices and the bundled model")
    return parser


def _add_segment(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "segment",
        help="segment objects, follow them, and write labels",
        description="Segment objects in one frame, follow them through the others, and write "
        "their labels as OME-TIFF (T, Y, X). Where objects overlap, the first id wins. Frames "
        "that were not asked for are empty. Ctrl-C writes what is finished.",
    )
    parser.add_argument("stack", metavar="STACK", help=_STACK_HELP)
    parser.add_argument(
        "--text",
        action="append",
        default=[],
        help="what to segment, in words; may be repeated; objects get the ids after the last "
        "clicked one",
    )
    parser.add_argument(
        "--points",
        nargs="+",
        action="extend",
        type=parse_point,
        default=[],
        metavar="POINT",
        help="clicks Y,X in data pixels, on object 1; Y,X,- lies beside the object; Y,X@2 is on "
        "object 2; --points=-0.4,3 where the first number is negative",
    )
    parser.add_argument(
        "--box",
        nargs="+",
        action="extend",
        type=parse_box,
        default=[],
        metavar="BOX",
        help="half-open boxes Y0,X0,Y1,X1 in data pixels, one an object; @2 for object 2",
    )
    parser.add_argument(
        "--frame", type=int, metavar="N", help="where the prompts are (default: first of --frames)"
    )
    parser.add_argument(
        "--frames",
        type=parse_frames,
        default=slice(None),
        metavar="A:B",
        help="follow the objects from frame A to before B (default: all)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="LABELS.tif", help="where to write"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    _add_model(parser)


def _add_ask(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("ask", help="ask a question about a stack")
    parser.add_argument("stack", metavar="STACK", help=_STACK_HELP)
    parser.add_argument("question", metavar="QUESTION")
    parser.add_argument(
        "--frames",
        type=parse_frames,
        metavar="A:B",
        help="which frames the model looks at (default: the first five; by sa2va-i, five spread "
        "over the stack)",
    )
    _add_model(parser)


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "export",
        help="write labels in a format that models are trained from",
        description="Write labels in a format that models are trained from, with their provenance "
        "and a data card. Nothing appears under the output's name until all is written.",
    )
    parser.add_argument(
        "labels", nargs="+", metavar="LABELS", help="TIFF, NPY, OME-Zarr, PNG, folder, or an export"
    )
    parser.add_argument("--format", required=True, help=f"one of {', '.join(_FORMATS)}")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="PATH", help="a folder that will be, "
        "or a file with the format's suffix, e.g. labels.ome.tif"
    )  # fmt: skip
    parser.add_argument(
        "--images", nargs="+", default=[], metavar="STACK", help=f"of each LABELS: {_STACK_HELP}"
    )
    parser.add_argument(
        "--objects", type=Path, metavar="CSV", help="a table with id, phrase, class, parent"
    )
    parser.add_argument("--frames", type=parse_frames, metavar="A:B", help="default: all")
    parser.add_argument(
        "--classes", type=parse_names, metavar="A,B", help="only these, numbered in this order"
    )
    parser.add_argument(
        "--split", type=parse_split, metavar="TRAIN,VAL,TEST", help="shares, e.g. 0.8,0.1,0.1"
    )
    parser.add_argument("--split-by", choices=("frame", "object", "movie"), default="frame")
    parser.add_argument("--seed", type=int, default=0, help="of the split (default: 0)")
    parser.add_argument(
        "--verified-only",
        action="store_true",
        help="only masks and phrases that a person confirmed",
    )
    parser.add_argument(
        "--image-files", choices=("write", "reference", "none"), default="write",
        help="write them, name those that are there, or leave them out (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--depth", choices=("rendered", "kept"), default="rendered",
        help="images in 8-bit RGB, or as they are stored (default: %(default)s)",
    )  # fmt: skip
    _add_overlaps(parser)


def _add_import(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "import",
        help="read labels from a format that models are trained from",
        description="Read labels from a format that models are trained from, and write them as "
        "label images that napari opens.",
    )
    parser.add_argument("dataset", metavar="DATASET", help="a folder or file")
    parser.add_argument("--format", help="where it is not recognized by itself")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="PATH", help="where to write"
    )
    parser.add_argument("--to", default="ome-tiff", help="in which format (default: %(default)s)")
    _add_overlaps(parser)


def _add_overlaps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--overlaps", choices=("refuse", "first"), default="refuse",
        help="in formats with one object a pixel: refuse, or the lowest id wins",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace an export that is there")


def _add_eval(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "eval",
        help="measure a model on a data set",
        description="Ask a model for everything in a data set, and measure how well it does: J&F, "
        "cIoU, gIoU, mAP, SEG and TRA, with tables, plots, the worst cases, and published figures "
        "beside. Stopped or killed, the same command goes on.",
    )
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="its folder")
    parser.add_argument("--kind", required=True, help=f"one of {', '.join(_KINDS)}")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FOLDER", help="where the run is written"
    )
    parser.add_argument("--split", default="", help="which part (default: the kind's usual one)")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="where the images are, if not in their place"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N samples")
    parser.add_argument(
        "--question", default="", help='how a phrase is asked for, e.g. "Please segment {}."'
    )
    parser.add_argument(
        "--prompt", choices=("mask", "box", "click"), default="mask",
        help="how objects are given where nothing is said (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--worst", type=int, default=8, metavar="N", help="worst cases shown (default: %(default)s)"
    )
    parser.add_argument(
        "--server", metavar="URL", help="of napari-sa2va serve; the model runs there"
    )
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="the server's token")
    _add_model(parser)


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("demo", help="show the bundled model on a sample")
    parser.add_argument(
        "--headless", action="store_true", help="open no window: write labels and a contact sheet"
    )
    parser.add_argument(
        "--sample", choices=("dividing_cells", "moving_shapes"), default="moving_shapes"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("demo-output"),
        metavar="DIR",
        help="where --headless writes (default: %(default)s)",
    )


def _add_models(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "models",
        help="list, download and check models",
        description="The models that --model takes. Nothing but `download` and `info --ask` uses "
        "the network.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="all models, and which are on this machine")
    info = actions.add_parser("info", help="what one model is, needs, and where it is")
    info.add_argument("--ask", action="store_true", help="ask the Hub what it holds today")
    add = actions.add_parser("add", help="add a Hub id or a checkpoint's folder to the list")
    download = actions.add_parser(
        "download",
        help="download a model, or what is missing of it",
        description="Download safetensors, settings and tokenizer, and nothing else. Ctrl-C stops; "
        "the same command goes on at the byte where it stopped. The revision is pinned: from then "
        "on exactly that one is loaded.",
    )
    download.add_argument(
        "--revision", help="commit, branch or tag to pin (default: the pinned one, else main)"
    )
    remove = actions.add_parser(
        "remove",
        help="delete a model's files, or take a folder off the list",
        description="Delete all downloaded revisions of a model. A folder of your own is taken off "
        "the list and never deleted.",
    )
    verify = actions.add_parser("verify", help="compare a model's files with their checksums")
    verify.add_argument(
        "--discard",
        action="store_true",
        help="delete damaged files; `download` then brings only those",
    )
    for action in (info, add, download, remove, verify):
        action.add_argument("model", metavar="MODEL", help="Hub id, folder, or 'nano'")


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "serve",
        help="run models for clients on other machines",
        description="Keep models loaded and let clients use them. Without --host only this machine "
        "can connect; any other address needs a token, and should have TLS.",
    )
    parser.add_argument(
        "--model", action="append", help="what clients may ask for; may be repeated (default: nano)"
    )
    _add_options(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (%(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="port to bind (%(default)s)")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="the token that clients must show; where one is needed and none is given, one is made "
        "and printed once",
    )
    parser.add_argument("--tls-cert", type=Path, metavar="PEM", help="certificate, with its chain")
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help="its key")
    parser.add_argument(
        "--data-root",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder whose stacks clients may open without sending them; may be repeated",
    )
    parser.add_argument(
        "--keep",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="how long the session of a client that vanished is kept (%(default)s)",
    )
    parser.add_argument(
        "--max-sessions", type=int, default=8, metavar="N", help="sessions at once (%(default)s)"
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default="nano", help="'nano' (bundled), a checkpoint's folder, or a Hub id"
    )
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    """All of `napari_sa2va.core.options.LoadOptions`."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps, ...")
    parser.add_argument("--dtype", default="auto", choices=DTYPES, help="precision")
    parser.add_argument(
        "--prompt-model",
        metavar="MODEL",
        help="a plain SAM 2.1 for clicks and boxes: facebook/sam2.1-hiera-tiny, -small, "
        "-base-plus, -large, or a folder (default: the model's own SAM 2)",
    )
    parser.add_argument(
        "--grounding",
        default="auto",
        choices=GROUNDINGS,
        help="how what words found is followed (default: %(default)s)",
    )
    parser.add_argument(
        "--quantize", choices=QUANTIZE, help="weights of the LLM in 8 or 4 bits (bitsandbytes)"
    )
    parser.add_argument(
        "--offload", choices=OFFLOAD, help="the LLM waits in host memory while objects are tracked"
    )
    parser.add_argument(
        "--attention", default="sdpa", choices=ATTENTION,
        help="of the LLM; flash_attention_2 needs flash-attn and CUDA (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--compile", action="store_true",
        help="torch.compile of image encoder and LLM: a minute or more at first, then faster",
    )  # fmt: skip
