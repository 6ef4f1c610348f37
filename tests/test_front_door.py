"""What one meets first: the names of the package, help without torch, a quiet terminal."""

from __future__ import annotations

import logging
import subprocess
import sys

import polars as pl
import pytest

import spectype
from spectype.cli import run
from spectype.core.processes import workers_may_start
from tests.classify.test_batch import write


def python(code, *argv):
    command = [sys.executable, "-c", code, *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_package_shows_its_names():
    assert {"read", "load_model", "Spectra", "Model", "Flag", "classify"} <= set(dir(spectype))
    assert spectype.Flag(5) == spectype.Flag.LOW_SNR | spectype.Flag.PARTIAL_COVERAGE
    text = repr(spectype.load_model())
    assert text == "Model('standard', 3904 pixels, 3700-9089 A)"


def test_classify_is_a_function_and_the_room_is_there(tmp_path):
    import spectype.classify.batch as room
    from spectype import classify
    from spectype.classify import runtime

    assert spectype.classify is classify and callable(classify)
    assert spectype.classify.batch is room and spectype.classify.runtime is runtime
    path = write(tmp_path / "a.csv", 22.0)
    table = classify([path, tmp_path / "gone.csv"])
    assert table["type"].to_list() == ["A", None] and table["error"][1]
    assert run(["classify", path, "-o", str(tmp_path / "t.csv")]) == 0
    assert pl.read_csv(tmp_path / "t.csv")["p_A"].item() == pytest.approx(table["p_A"][0], rel=1e-3)


def test_help_and_suggestions_need_no_torch():
    code = (
        "import sys\n"
        "extras = ('torch', 'safetensors', 'sklearn', 'onnx', 'optuna')\n"
        "sys.modules.update(dict.fromkeys(extras))\n"
        "from spectype.cli import run\n"
        "verbs = ['train', 'sweep', 'evaluate', 'demo', 'gan train', 'gan sample', 'gan audit']\n"
        "assert all(run([*verb.split(), '--help']) == 0 for verb in verbs)\n"
        "assert run(['clasify']) == 2\n"
        "assert run(['sweep', 'nowhere']) == 1\n"
    )
    out = python(code)
    assert out.returncode == 0, out.stderr
    assert 'Did you mean "classify"' in out.stdout + out.stderr
    assert 'pip install "spectype[train]"' in out.stderr


def test_others_logs_are_silent_unless_asked_for(capsys):
    def said(*argv):
        run([*argv, "doctor", "--help"])
        for name in ("spectype", "fontTools.subset"):
            logging.getLogger(name).info("news of %s", name)
        logging.getLogger("fontTools.subset").warning("alarm")
        logging.getLogger("spectype").warning("care")
        return capsys.readouterr().err

    assert said() == "news of spectype\ncare\n"
    assert said("--quiet") == "care\n"
    assert "news of fontTools.subset" in said("--verbose") and "alarm" in said("--verbose")
    said()


def test_a_script_without_a_guard_is_told(tmp_path):
    """Workers import the script; without a guard they come to the same call again."""
    script = tmp_path / "script.py"
    script.write_text(
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "from spectype.core.processes import workers_may_start\n"
        "with workers_may_start(), ProcessPoolExecutor(1, get_context('forkserver')) as pool:\n"
        "    print(pool.submit(abs, -1).result())\n"
    )
    out = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert out.returncode == 1
    assert "if __name__ == '__main__'" in out.stderr.splitlines()[-1]
    with workers_may_start():
        pass


@pytest.mark.parametrize("verb", ["catalogue sample", "train", "gan train", "gan", "bench", "plot"])
def test_help_has_no_noise(verb, capsys):
    assert run([*verb.split(), "--help"]) == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--empty-" not in said and ".no-" not in said and "[default: ]" not in said
    assert "default: False" not in said and "default: None" not in said
    if verb in ("gan", "bench"):
        for name in {"gan": "audit evaluate", "bench": "catalogue read"}[verb].split():
            assert any(f"{name} {word}" in said for word in ("Show", "Judge", "Measure"))
    if verb == "gan train":
        assert "Reference recipe" in said and "[choices: auto, cpu, cuda]" in said
    if verb == "catalogue sample":
        assert "--include-ob --no-include-ob" in said and "--no-overwrite" not in said


def test_doctor_types_spectra_and_names_the_extras(capsys):
    assert run(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "extra web" in said and "for serve:" in said and "cores" in said
    assert "types of simulated O5 B5" in said.splitlines()[-1]
