"""The `napari-sa2va` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import napari_sa2va
from napari_sa2va.cli_arguments import parse_box, parse_frames, parse_point
from napari_sa2va.core.errors import Sa2VAError

ERROR, INTERRUPTED = 2, 130

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
        help="which frames the model looks at (default: the first five)",
    )
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
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps, ...")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16, float16")
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
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps, ...")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16, float16")
