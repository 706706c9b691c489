"""What is shipped: the wheel works without the checkout, and the locks cover what it declares."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built offline and unpacked: what `pip install` would put on the path."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    [built] = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.mark.parametrize("shipped", ["retention_kit", "templates", "notebooks"])
def test_the_wheel_holds_every_file(wheel, shipped):
    target = wheel / "retention_kit" / ("" if shipped == "retention_kit" else shipped)
    sources = {path.relative_to(ROOT / shipped) for path in (ROOT / shipped).rglob("*") if is_source(path)}
    assert sources
    assert sorted(path for path in sources if not (target / path).is_file()) == []


def is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and ".ipynb_checkpoints" not in path.parts


def test_the_wheel_holds_nothing_else(wheel):
    tops = {path.name for path in wheel.iterdir()}
    assert tops == {"retention_kit", f"retention_kit-{PROJECT['version']}.dist-info"}


@pytest.mark.long
def test_a_report_is_built_from_the_wheel_alone(wheel, tmp_path):
    program = "import sys; sys.path.insert(0, sys.argv.pop(1)); from retention_kit.cli import main; sys.exit(main())"
    arguments = ["report", "--only", "overview", "--format", "html", "--static", "--output", "reports"]
    result = subprocess.run([sys.executable, "-P", "-c", program, wheel, *arguments], cwd=tmp_path, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
    [manifest] = tmp_path.glob("reports/*/manifest.json")
    assert json.loads(manifest.read_text("utf-8"))


@pytest.mark.parametrize("lock", ["core", "dev", "uv"])
def test_locks_are_hashed_and_hold_no_address(lock):
    entries = re.split(r"\n(?=\w)", locked(lock))
    assert [entry for entry in entries if "--hash=sha256:" not in entry or "://" in entry] == []


def test_locks_cover_the_declared_dependencies_and_agree():
    core, dev = pins("core"), pins("dev")
    extras = PROJECT["optional-dependencies"]
    assert names(PROJECT["dependencies"]) - {name for name, _ in core} == set()
    assert {package for name, extra in extras.items() if name != "spark" for package in names(extra)} - {
        name for name, _ in dev
    } == set()
    assert core - dev == set()


def locked(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8").strip()


def pins(lock: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^([\w.-]+)==(\S+)", locked(lock), re.MULTILINE))


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", line)[0] for line in requirements}
