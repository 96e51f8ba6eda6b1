"""Measures, by hand and without Airflow, what suggestions are worth to the person who labels."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from include.dataset.obtain import FORMS, canonical, obtain
from include.labelling.simulation import Simulation
from include.settings import LabellingSettings, state_folder


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.labelling", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    simulate = commands.add_parser(
        "simulate",
        help="label an annotated set again, with a simulated reviewer who knows its annotations",
        description="Takes the annotations away, labels the images round by round, and counts: boxes accepted "
        "unchanged, corrected, rejected, drawn, and the minutes that this would have taken. The seconds of each action "
        "and their sources are in include/labelling/simulated.py. Nothing is trained between the rounds: that does "
        "benches/labelling.py. Images on which the model was trained flatter it.",
    )
    simulate.add_argument("--data", required=True, help=f"images with their annotations: {FORMS}")
    simulate.add_argument(
        "--model",
        type=Path,
        metavar="FOLDER",
        help="who suggests: the folder of a job (<store>/<collection>/models/<job>); without it, nobody",
    )
    simulate.add_argument("--images", type=int, default=20, help="in a round (default: %(default)s)")
    simulate.add_argument("--rounds", type=int, default=0, help="how many (default: until no image is left)")
    simulate.add_argument(
        "--threshold",
        type=float,
        nargs="+",
        default=[LabellingSettings().threshold],
        metavar="SCORE",
        help="suggestions of a lower score are not shown; several: what each would come to (default: %(default)s)",
    )
    simulate.set_defaults(run=run_simulate)
    return parser


def run_simulate(options: argparse.Namespace) -> int:
    from include.labelling.labeller import Labeller, Nobody
    from include.labelling.own_model import model_in

    folder = obtain(canonical(options.data), state_folder())
    labeller: Labeller = model_in(options.model) if options.model else Nobody()
    for threshold in options.threshold:
        with tempfile.TemporaryDirectory(prefix="lanner-simulated-") as scratch:
            simulation = Simulation(folder, Path(scratch), images=options.images, threshold=threshold)
            print(
                f"{len(simulation.truth)} images, {simulation.true_boxes} boxes; suggestions by {labeller.name} with a "
                f"score of at least {threshold}"
            )
            while options.rounds == 0 or len(simulation.rounds) < options.rounds:
                effort = simulation.step(labeller)
                if effort is None:
                    break
                print(f"round {len(simulation.rounds)}: {effort}")
            print(f"all: {simulation.effort}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
