import hashlib
import shutil
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import spectype
from spectype.classify import obtain
from spectype.core.errors import DataError, SpectypeError, UsageError
from spectype.core.files import CACHE
from tests.stars import star_batch


@pytest.fixture
def zipped(tmp_path, monkeypatch):
    """The shipped model as a zip archive, whose names climb out of where it is unpacked."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    path = tmp_path / "mine.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in obtain.PARTS:
            archive.write(obtain.SHIPPED / "standard" / part, f"../../mine/{part}")
        archive.writestr("../../mine/setup.py", "raise SystemExit('run')")
        archive.writestr("../evil.txt", "out")
    return path


@pytest.fixture
def served(zipped):
    """The archive on a server of this machine, and how often it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            data = zipped.read_bytes()
            self.send_response(200 if self.path == "/mine.zip" else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_a_zip_is_the_model_in_it_and_nothing_else_is_unpacked(zipped, tmp_path):
    model = spectype.load_model(zipped)
    stars = star_batch([22.0, 44.0])
    same = spectype.load_model().predict(stars)
    assert model.predict(stars)["p_A"].to_list() == same["p_A"].to_list()
    assert sorted(p.name for p in model.folder.iterdir()) == list(obtain.PARTS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "mine.zip"]


def test_an_address_is_fetched_once_and_its_checksum_decides(served, zipped):
    url, asked = served
    right = hashlib.sha256(zipped.read_bytes()).hexdigest()
    for _ in range(2):
        model = spectype.load_model(f"{url}/mine.zip#sha256={right.upper()}")
    assert model.name == "standard" and asked == ["/mine.zip"]
    with pytest.raises(DataError, match=f"has the SHA-256 {right}, not 0000"):
        spectype.load_model(f"{url}/mine.zip#sha256={'0' * 64}")
    for bare in ("", "#sha256=12", "#md5=" + "0" * 32):
        with pytest.raises(UsageError, match="names no checksum"):
            spectype.load_model(f"{url}/mine.zip{bare}")
    with pytest.raises(SpectypeError, match="cannot be fetched: the archive does not have it"):
        spectype.load_model(f"{url}/gone.zip#sha256={'1' * 64}")


def test_broken_archives_say_what_they_are(zipped, tmp_path):
    (tmp_path / "cut.zip").write_bytes(zipped.read_bytes()[:-400])
    (tmp_path / "text.zip").write_text("no archive")
    for name in ("cut", "text"):
        with pytest.raises(DataError, match="is no whole zip archive"):
            spectype.load_model(tmp_path / f"{name}.zip")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for folder in "ab":
            archive.writestr(f"{folder}/model.json", "{}")
    with pytest.raises(DataError, match="holds 2 models"):
        spectype.load_model(tmp_path / "two.zip")
    with zipfile.ZipFile(tmp_path / "half.zip", "w") as archive:
        archive.writestr("model.json", "{}")
    with pytest.raises(DataError, match=r"without model\.onnx"):
        spectype.load_model(tmp_path / "half.zip")


def test_weights_that_are_not_the_cards_are_refused(tmp_path):
    folder = tmp_path / "m"
    shutil.copytree(obtain.SHIPPED / "standard", folder)
    weights = bytearray((folder / "model.onnx").read_bytes())
    weights[len(weights) // 2] ^= 1
    (folder / "model.onnx").write_bytes(weights)
    with pytest.raises(DataError, match="does not have the checksum that its card says"):
        spectype.load_model(folder)
