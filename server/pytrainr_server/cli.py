"""The command ``pytrainr-server``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from pytrainr_server import backup
from pytrainr_server.config import Config, ConfigError, add_flags, load
from pytrainr_server.security.tokens import TokenStore
from pytrainr_server.shown import one_line
from pytrainr_server.store.database import DamagedDatabaseError
from pytrainr_server.store.migrations import SchemaError
from pytrainr_server.store.places import FilesError
from pytrainr_server.store.store import DirectoryInUseError, Store

DESCRIPTION = """Trains and predicts for callers in R, Python and anything else that speaks gRPC.

Without a subcommand it serves. It listens on this machine only (127.0.0.1:7272) and keeps everything in one directory;
killed at any moment, it goes on where it was when it is started again."""

EXAMPLES = """examples:
  pytrainr-server                                   serve this machine, no token needed
  pytrainr-server token create --owner alice        make a token; from now on every call needs one
  pytrainr-server serve --listen 0.0.0.0:7272 --tls-certificate cert.pem --tls-key key.pem
                                                    serve other machines, over TLS
  pytrainr-server backup /backups/monday.tar        save everything, while the server runs
  pytrainr-server restore /backups/monday.tar --data-dir /srv/trainr

Settings come from flags, then from environment variables (in brackets below), then from the TOML file that --config
names (data_dir = "/srv/trainr"), then from the defaults. Sizes are in bytes, times in seconds."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    form = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("pytrainr-server", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=form)
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve (the default)", epilog=EXAMPLES, formatter_class=form)
    serve.add_argument(
        "--ready-file", metavar="FILE", help="write the addresses here, one a line, once calls are answered"
    )
    serve.add_argument(
        "--leave-with-parent", action="store_true", help="stop when standard input ends or says anything"
    )
    add_flags(serve)

    token = commands.add_parser("token", help="make, list and revoke the tokens by which callers show who they are")
    actions = token.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a token and print it; it is shown this once only")
    create.add_argument(
        "--owner",
        required=True,
        nargs="+",
        metavar="OWNER",
        help="whose it is: an owner sees only its own jobs, models, datasets; for several a token each, a line each",
    )
    create.add_argument("--days", type=float, default=0.0, help="valid for so many days (default: until revoked)")
    listing = actions.add_parser("list", help="list the tokens, without their secrets")
    revoke = actions.add_parser("revoke", help="make a token invalid, within seconds, for ever")
    revoke.add_argument("id", help="the token's id, as `token list` shows it")

    save = commands.add_parser("backup", help="save everything to one file, while the server runs or not")
    save.add_argument("file", type=Path, help="the .tar file to write")
    restore = commands.add_parser("restore", help="fill an empty data directory from a backup")
    restore.add_argument("file", type=Path, help="the .tar file that `backup` wrote")
    collect = commands.add_parser("collect-garbage", help="remove now what has expired; the server does so by itself")
    for command in (create, listing, revoke, save, restore, collect):
        _add_directory(command)
    return top


def _add_directory(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", metavar="FILE", help="TOML file with settings")
    command.add_argument("--data-dir", dest="data_dir", metavar="TEXT", help="the server's data directory")
    command.add_argument("--store-url", dest="store_url", metavar="TEXT", help="the server's database")
    command.add_argument("--files", dest="files", metavar="TEXT", help="where servers share files")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 1 with a message on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, "serve")
    parsed = parser().parse_args(given)
    try:
        return _COMMANDS[parsed.command](load(parsed), parsed)
    except (
        ConfigError,
        DamagedDatabaseError,
        FilesError,
        SchemaError,
        DirectoryInUseError,
        backup.BackupError,
        RuntimeError,
    ) as error:
        print(f"pytrainr-server: {error}", file=sys.stderr)
    except OSError as error:
        print(f"pytrainr-server: {error.filename or 'the data directory'}: {error.strerror}", file=sys.stderr)
    return 1


def _serve(config: Config, parsed: argparse.Namespace) -> int:
    from pytrainr_server.server import serve  # gRPC is loaded only where it is needed

    def ready(addresses: list[str]) -> None:
        if parsed.ready_file:
            partial = Path(parsed.ready_file + ".part")
            partial.write_text("\n".join(addresses) + "\n", encoding="utf-8")
            partial.replace(parsed.ready_file)

    if parsed.leave_with_parent:
        threading.Thread(target=_leave_with_parent, daemon=True).start()
    serve(config, ready)
    return 0


def _leave_with_parent() -> None:
    os.read(0, 1)  # not by way of sys.stdin, whose lock would be held while Python ends
    signal.raise_signal(signal.SIGTERM)  # not os.kill, which on Windows ends the process at once


def _open(config: Config) -> Store:
    from pytrainr_server.server import store_settings

    store = Store(store_settings(config))
    store.open()
    return store


def _token(config: Config, parsed: argparse.Namespace) -> int:
    tokens = TokenStore(_open(config).database)
    if parsed.action == "create":
        if not all(0 < len(owner) <= 100 and owner.isprintable() for owner in parsed.owner) or parsed.days < 0:
            raise ConfigError("--owner should be a printable name of at most 100 characters, --days zero or more")
        for owner in parsed.owner:
            print(tokens.create(owner, parsed.days))
    elif parsed.action == "revoke":
        if not tokens.revoke(parsed.id):
            raise ConfigError(
                f"there is no valid token with the id {parsed.id!r}; `pytrainr-server token list` shows them"
            )
    else:
        print(f"{'id':18}{'owner':24}{'made':22}{'valid'}")
        for token in tokens.all():
            print(f"{token.id:18}{one_line(token.owner):24}{_time(token.create_time):22}{_validity(token)}")
    return 0


def _validity(token: object) -> str:
    expire_time, revoke_time = token.expire_time, token.revoke_time  # type: ignore[attr-defined]
    if revoke_time:
        return f"revoked {_time(revoke_time)}"
    if expire_time:
        return f"{'until' if expire_time > time.time() else 'expired'} {_time(expire_time)}"
    return "until revoked"


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def _backup(config: Config, parsed: argparse.Namespace) -> int:
    count, size = backup.save(_open(config), parsed.file)
    print(f"{count} files, {size} bytes saved to {parsed.file}")
    return 0


def _restore(config: Config, parsed: argparse.Namespace) -> int:
    count = backup.restore(parsed.file, config)
    print(f"{count} files restored to {config.data_dir}")
    return 0


def _collect(config: Config, parsed: argparse.Namespace) -> int:
    print(f"{_open(config).collect_garbage()} things removed")
    return 0


_COMMANDS = {
    "serve": _serve,
    "token": _token,
    "backup": _backup,
    "restore": _restore,
    "collect-garbage": _collect,
}

if __name__ == "__main__":
    sys.exit(main())
