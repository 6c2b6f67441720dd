"""``gpc export``: the policy file of a training, whole or not at all."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from gpc_ros.cli import arguments


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = subparsers.add_parser("export", help="make a policy file from a checkpoint of gpc train")
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="as runs/ROBOT/checkpoint.npz")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="policy file (default: policy.onnx beside the checkpoint)"
    )
    parser.add_argument("--last", action="store_true", help="not the best in the training's validation but the last")
    arguments.add_json(parser, "max_abs_error and the file's name")
    return parser


def run(args: argparse.Namespace) -> int:
    """Compare with torch, write, say so; the exit code."""
    arguments.require_learning("export")
    from gpc_ros.learning import export

    file = args.output or args.checkpoint.with_name("policy.onnx")
    difference = export.export_checkpoint(args.checkpoint, file, last=args.last)
    Console().print(f"{file}: differs from torch by {difference:.1g} at most", highlight=False)
    arguments.write_json(args.json, {"max_abs_error": difference, "file": str(file)})
    return 0
