"""The command line: a thin coat on the library. Verbs load only when they are used."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

# verb -> (module:object, one line for the list of verbs)
VERBS: dict[str, tuple[str, str]] = {
    "classify": ("spectype.cli.classify:classify", "Type spectra: files in, a table out."),
    "results": ("spectype.cli.results:app", "Join, check and sum up shards of results."),
    "mine": ("spectype.cli.mine:mine", "Hunt the rare stars among typed spectra."),
    "plot": ("spectype.cli.plot:app", "Draw a spectrum with its type; compare spectra."),
    "catalogue": ("spectype.cli.catalogue:app", "Summarise, split and sample a catalogue."),
    "fetch": ("spectype.cli.fetch:app", "Download spectra and catalogues from the archives."),
    "build": ("spectype.cli.build:build", "Gather files and labels into a training store."),
    "simulate": ("spectype.cli.simulate:simulate", "Write a simulated LAMOST release."),
    "gan": ("spectype.cli.gan:app", "Train generators of rare stars, draw samples, judge them."),
    "train": ("spectype.cli.train:train", "Train a network on a store."),
    "sweep": ("spectype.cli.sweep:sweep", "The reference study's sweeps, beside its figures."),
    "evaluate": ("spectype.cli.evaluate:evaluate", "Judge a run on stars it has not seen."),
    "report": ("spectype.cli.evaluate:report", "Write the report of an evaluated run again."),
    "serve": ("spectype.cli.serve:serve", "Look at spectra and types in a browser; judge by hand."),
    "demo": ("spectype.cli.demo:demo", "The whole way on a simulated release."),
    "bench": ("spectype.cli.bench:app", "Measure speed against named alternatives."),
    "doctor": ("spectype.cli.doctor:doctor", "Explain a file in words; say what is installed."),
}

#: Options of every verb: how much is said on the way, as the lowest level of our log.
VOLUMES = {"--quiet": logging.WARNING, "--verbose": logging.DEBUG}


def build_app(verb: str = "") -> object:
    """Make the cyclopts application with every verb registered lazily.

    The list of verbs takes its lines from here, so that it imports nothing; `verb`, the one in
    use, brings its own help.
    """
    from cyclopts import App, Parameter

    import spectype

    app = App(
        name="spectype",
        help="Spectral types of stars from optical spectra, with honest uncertainties.\n\n"
        "Example: `spectype classify spec-*.fits.gz --output types.csv`\n\n"
        "Every verb takes `--quiet` (warnings only), `--verbose` (all that is logged) and "
        "`--config FILE.toml`.",
        version=spectype.__version__,
        result_action="return_value",
        # The list of verbs needs no Markdown, which costs a quarter of its time to import.
        help_format="markdown" if verb in VERBS else "plaintext",
        suppress_keyboard_interrupt=False,  # `run` says how to go on
        # An option for each way to give nothing would be noise: --empty-quota, --no-overwrite.
        default_parameter=Parameter(
            negative_iterable=(), negative_bool=(), show_default=worth_saying
        ),
    )
    for name, (target, line) in VERBS.items():
        if name == verb:
            app.command(target, name=name)
        else:
            app.command(target, name=name, help=line)
    app.register_install_completion_command(
        help="Set up completion for this shell (bash, zsh, fish)."
    )
    return app


def worth_saying(default: object) -> object:
    """A default as help shows it: none where it is nothing."""
    nothing = default is False or default is None or default in ("", (), [])
    if isinstance(default, tuple) and default:
        return " ".join(str(part) for part in default)
    return None if nothing else default


def take_config(arguments: list[str]) -> tuple[list[str], str | None]:
    """Split ``--config FILE`` off the arguments; it holds for every verb."""
    for i, argument in enumerate(arguments):
        if argument == "--config" and i + 1 < len(arguments):
            return arguments[:i] + arguments[i + 2 :], arguments[i + 1]
        if argument.startswith("--config="):
            return arguments[:i] + arguments[i + 1 :], argument.partition("=")[2]
    return arguments, None


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on `arguments` and return the exit status.

    0 done; 1 nothing could be done; 2 bad usage; 3 done, but some rows carry an error;
    130 or 143 ended by SIGINT or SIGTERM (rerun to resume).
    """
    tokens, config = take_config(list(sys.argv[1:] if arguments is None else arguments))
    wanted = [word for word in VOLUMES if word in tokens]
    tokens = [token for token in tokens if token not in VOLUMES]
    listen(wanted[-1] if wanted else "")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file's name need not be UTF-8, and not every terminal writes every letter.
        utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
    from cyclopts import CycloptsError
    from cyclopts.config import Toml

    from spectype.core.errors import SpectypeError, UsageError

    app = build_app(tokens[0] if tokens else "")
    try:
        if config is not None:
            if not os.path.isfile(config):  # noqa: PTH113 (pathlib is not needed here)
                raise UsageError("does not exist", path=config, remedy="give a TOML file")
            app.config = (Toml(config),)  # type: ignore[attr-defined]
        status = app(tokens, exit_on_error=False, print_error=True)  # type: ignore[operator]
        return status if isinstance(status, int) else 0
    except CycloptsError:
        return 2
    except SpectypeError as error:
        print(f"spectype: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        from spectype.cli.doctor import EXTRAS

        extra = next((e for e, modules in EXTRAS.items() if error.name in modules), None)
        if extra is None:
            raise
        print(
            f'spectype: this needs {error.name} (pip install "spectype[{extra}]")', file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        print("spectype: interrupted; run the same command again to resume", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: not an error.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        return 0


class _Terminal(logging.Handler):
    """Log lines on what is stderr at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def listen(volume: str) -> None:
    """Show the log: our own lines by default, of them warnings or those of every library, too."""
    ours, everyone = logging.getLogger("spectype"), logging.getLogger()
    for logger in (ours, everyone):
        for handler in [h for h in logger.handlers if isinstance(h, _Terminal)]:
            logger.removeHandler(handler)
    ours.setLevel(VOLUMES.get(volume, logging.INFO))
    if volume == "--verbose":
        everyone.setLevel(logging.INFO)
        everyone.addHandler(_Terminal())
    else:
        ours.addHandler(_Terminal())
        # Without a handler of the root Python would show others' warnings itself.
        everyone.addHandler(logging.NullHandler())


def main() -> NoReturn:
    """Entry point of the ``spectype`` command."""
    verbose = "--verbose" in sys.argv
    if not verbose and not sys.warnoptions:
        import warnings

        # Of broken files, mostly; what matters of them stands in the output. For workers, too.
        warnings.simplefilter("ignore")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")
    try:
        status = run()
    except Exception as error:
        if verbose:
            raise
        words = " ".join(str(error).split())[:300]
        print(
            f"spectype: unexpected {type(error).__name__}: {words} (--verbose shows where)",
            file=sys.stderr,
        )
        status = 1
    sys.exit(status)
