"""The command line: `muster run | demo | init | doctor | keys | import | export | backup | ...`.

Exit codes: 0 done, 1 something is at fault, 2 wrong usage or settings, 3 schema out of date.
"""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text
from telegram.error import BadRequest, InvalidToken, TelegramError

from bot import backups, bringing, doctoring, moving_data, schema, setting_up
from bot import keys as key_steps
from bot.logs import set_up_logs
from bot.schema import DatabaseUnreachableError
from bot.settings import ProcessRole, Settings, SettingsError, read_settings
from models import ImportKind
from models.sealed import KeyFileError
from services.errors import Gone
from services.founding import CityError

T = TypeVar("T")

FAULT, USAGE, OUTDATED = 1, 2, 3

app = typer.Typer(
    help="Muster runs a city's volunteers in a chat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


def main() -> None:
    app()


def _stop(reason: object, code: int = FAULT) -> NoReturn:
    """Ends the command with one line that says why."""
    _complain(reason)
    raise typer.Exit(code)


def _complain(reason: object) -> None:
    err.print(Text(" ".join(str(reason).split()), style="red"))


def _settings() -> Settings:
    try:
        return read_settings()
    except SettingsError as fault:
        _stop(f"setting {fault}", USAGE)


def _keys(settings: Settings) -> None:
    """Reads the key file; one line and an exit code if there is none."""
    try:
        setting_up.read_keys(settings)
    except KeyFileError as fault:
        _stop(f"setting security.key_file: {fault}; `muster init` makes one", USAGE)


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        return _in_a_loop(coroutine)
    except DatabaseUnreachableError as fault:
        _stop(f"setting database.url: {fault}", USAGE)


def _in_a_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    if sys.platform != "win32":
        import uvloop

        return uvloop.run(coroutine)
    return asyncio.run(coroutine)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip


@app.command()
def init(
    sample: Annotated[
        str | None,
        typer.Option(help="A city that ships with Muster (zhongshan), or a folder like it."),
    ] = None,
) -> None:
    """Makes keys and tables, founds a city, prints the first administrator's code.

    Safe to repeat: it upgrades the schema and adds what is new in the city's files.
    """
    settings = _settings()
    city = None
    if sample is not None:
        try:
            city = setting_up.city_folder(sample)
        except FileNotFoundError:
            known = ", ".join(setting_up.samples())
            _stop(f"there is no city {sample!r}; samples: {known}; or give a folder", USAGE)
    with _progress() as progress:
        task = progress.add_task("founding the city", total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        try:
            done = _run(setting_up.set_up(settings, city, report))
        except (KeyFileError, CityError) as fault:
            _stop(fault)
    if done.new_keys:
        path = settings.security.key_file
        out.print(f"New keys in {path}. Keep a copy of it apart from the database.")
    out.print(f"The tables are up to date; {done.entries} entries of the city.")
    if done.claim_code:
        out.print("The first administrator claims the system with this one-time code:")
        out.print(f"  [bold]/claim[/bold] and then  [bold]{done.claim_code}[/bold]")
    elif not done.has_city:
        out.print("No city yet: `muster init --sample zhongshan`, or a folder of your own.")


@app.command()
def run(
    role: Annotated[
        list[ProcessRole] | None,
        typer.Option(help="What this process does; more than one, or all of it."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Instead of web.port, where several run on a machine.")
    ] = None,
) -> None:
    """Runs the bot, the sender, the scheduler and the web pages until Ctrl-C.

    On PostgreSQL the roles can be shared out among any number of processes and machines.
    """
    settings = _settings()
    roles = role or [ProcessRole.ALL]
    if port is not None:
        settings = settings.model_copy(
            update={"web": settings.web.model_copy(update={"port": port})}
        )
    set_up_logs(settings.log.level, settings.log.format)
    if ProcessRole.ALL not in roles and settings.database.url.startswith("sqlite"):
        _stop("setting database.url: on SQLite one process does it all; use PostgreSQL", USAGE)
    if not settings.telegram.token.get_secret_value():
        _stop("setting telegram.token: is empty; @BotFather gives you one", USAGE)
    _keys(settings)
    raise typer.Exit(_run(_serve(settings, roles)))


async def _serve(settings: Settings, roles: list[ProcessRole]) -> int:
    from bot.program import Program

    async with schema.opened(settings.database.url) as database:
        if not await schema.is_current(database):
            _complain(f"the tables are out of date; `{schema.COMMAND}` upgrades them")
            return OUTDATED
    program = Program(settings, roles=roles)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopping.set)
    try:
        await program.start()
    except (TelegramError, OSError) as fault:
        await program.stop()
        _complain(f"setting {_key_of(fault)}: {_reason_of(fault)}")
        return USAGE
    out.print(f"Running. Pages: http://{settings.web.host}:{program.web_port}", highlight=False)
    program.failed.add_done_callback(lambda _: stopping.set())
    await stopping.wait()
    await program.stop()
    if program.failed.done():
        reason = program.failed.exception()
        _complain(f"stopped: {type(reason).__name__}: {reason}")
        return FAULT
    return 0


def _key_of(fault: TelegramError | OSError) -> str:
    """The setting that is to blame when Muster can't start."""
    if isinstance(fault, InvalidToken):
        return "telegram.token"
    if isinstance(fault, BadRequest):
        return "web.public_url"
    return "telegram.api_base_url" if isinstance(fault, TelegramError) else "web.port"


def _reason_of(fault: TelegramError | OSError) -> str:
    if isinstance(fault, InvalidToken):
        return "Telegram does not accept it"
    if isinstance(fault, TelegramError):
        return fault.message
    return fault.strerror or str(fault)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Port of the page with the phones; 0: any free.")] = 0,
    crowd: Annotated[int, typer.Option(min=0, max=200, help="Simulated people.")] = 12,
) -> None:
    """A whole city on this computer: a local Telegram, the bot, a small crowd. No token needed."""
    from bot.demo import DemoError, show

    set_up_logs("WARNING")
    try:
        _run(show(port, crowd, out))
    except DemoError as fault:
        _stop(fault)


@app.command()
def doctor(
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Also verify every entry of the ledger of hours.")
    ] = False,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Also compare every count of the statistics.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="With --statistics: counts anew what is wrong.")
    ] = False,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="All of this, and what must be true of all tables together."),
    ] = False,
) -> None:
    """Checks settings, token, database, clock and webhook, and says what to do about each fault."""
    from bot.program import utc_now

    settings = _settings()
    findings = _run(doctoring.examine(settings, utc_now))
    if deep:
        findings += _run(doctoring.examine_invariants(settings, utc_now))
    if ledger or deep:
        with _progress() as progress:
            task = progress.add_task("verifying the ledger", total=None)

            def report(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            findings += _run(doctoring.examine_ledger(settings, report))
    if statistics or deep:
        findings += _run(doctoring.examine_statistics(settings, utc_now, repair=repair))
    for finding in findings:
        mark = Text("ok   ", style="green") if finding.ok else Text("FAULT", style="red")
        out.print(Text.assemble(mark, f" {finding.subject}: {finding.text}"))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(FAULT)


@app.command("bots")
def show_bots(
    retire: Annotated[
        int | None, typer.Option(help="Number of a bot that runs no more; see --heir.")
    ] = None,
    heir: Annotated[int, typer.Option(help="Number of the bot that its people go on with.")] = 1,
) -> None:
    """Lists the city's bots, how many speak with each and what waits to be sent by it."""
    settings = _settings()
    try:
        served, moved = _run(setting_up.look_at_bots(settings, retire, heir))
    except Gone:
        _stop(f"there is no bot {retire}, or no bot {heir}", USAGE)
    if moved is not None:
        out.print(f"{moved} people of bot {retire} go on with bot {heir} once they start it.")
    for one in served:
        name = f"@{one.bot.username}" if one.bot.username else "not run yet"
        said = f"{one.bot.id}  {name}: {one.people} people, {one.waiting} waiting"
        out.print(said, highlight=False)


@app.command("export")
def export_data(
    file: Annotated[Path, typer.Argument(help="Where to write; one JSON row a line, gzipped.")],
) -> None:
    """Writes all tables into one file, which `import` reads into either kind of database.

    Sealed columns stay sealed: the same key file is needed to read them.
    """
    _move(moving_data.export_to, file, "rows exported")


@app.command("import")
def import_data(
    file: Annotated[Path, typer.Argument(exists=True, help="A file that `export` wrote.")],
) -> None:
    """Reads an export into an empty database, to move from SQLite to PostgreSQL or back."""
    _move(moving_data.import_from, file, "rows imported")


def _move(way: moving_data.Way, file: Path, outcome: str) -> None:
    settings = _settings()
    _keys(settings)
    with _progress() as progress:
        task = progress.add_task(str(file), total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        try:
            count = _run(way(settings, file, report))
        except moving_data.DataError as fault:
            _stop(fault)
    out.print(f"{count} {outcome}.")


@app.command("import-people")
def import_people(
    file: Annotated[Path, typer.Argument(exists=True, help="An .xlsx or .csv of your own.")],
    organisation: Annotated[str, typer.Option(help="Code of the organisation they belong to.")],
    number: Annotated[str, typer.Option(help="Registration number of who imports.")],
    kind: Annotated[ImportKind, typer.Option(help="What is in it.")] = ImportKind.VOLUNTEERS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is wrong.")] = False,
) -> None:
    """Imports volunteers, organisations or past hours out of a table, as the console does.

    Not to be mistaken for `import`, which reads a whole city that `export` wrote.
    """
    settings = _settings()
    _keys(settings)
    order = bringing.Order(file, kind, organisation, number, dry_run)
    with _progress() as progress:
        task = progress.add_task(str(file), total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        try:
            brought = _run(bringing.bring(settings, order, report))
        except bringing.BringError as fault:
            _stop(fault)
    out.print(Text("columns: " + ", ".join(name or "-" for name in brought.columns)))
    for line in brought.faults:
        out.print(Text(line))
    counts = ", ".join(f"{count} {name}" for name, count in sorted(brought.counts.items()))
    out.print(f"Import {brought.import_id} is {brought.state.value}: {counts}.", highlight=False)


keys = typer.Typer(help="New keys while everything runs, one step after the other.")
app.add_typer(keys, name="keys", no_args_is_help=True)


@keys.command()
def rotate(
    signing: Annotated[
        bool, typer.Option("--signing", help="Also what signs links, cards and posters.")
    ] = False,
) -> None:
    """Puts new keys in front of those in the key file, which running processes notice at once."""
    settings = _settings()
    _keys(settings)
    path = settings.security.key_file
    try:
        key_steps.rotate(settings, signing=signing)
    except OSError as fault:
        _stop(f"setting security.key_file: {path} can't be written: {fault.strerror}", USAGE)
    out.print(f"New keys in {path}; keep a copy apart, and bring it to every machine.")
    out.print("Next: `muster keys renew` renews what the older keys wrote.")


@keys.command()
def renew() -> None:
    """Seals and hashes anew what older keys wrote. Everything may run meanwhile; safe to repeat."""
    settings = _settings()
    _keys(settings)
    with _progress() as progress:
        task = progress.add_task("renewing", total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        try:
            count = _run(key_steps.renew(settings, report))
        except key_steps.KeysError as fault:
            _stop(fault)
    out.print(f"{count} rows renewed. Next: `muster keys retire` takes the older keys out.")


@keys.command()
def retire(
    signing: Annotated[
        bool,
        typer.Option("--signing", help="Also those that signed; what they signed opens nothing."),
    ] = False,
) -> None:
    """Takes the older keys out of the file, once nothing is sealed with them any more.

    Backups from before need the older file: keep it with them.
    """
    settings = _settings()
    _keys(settings)
    try:
        _run(key_steps.retire(settings, signing=signing))
    except key_steps.KeysError as fault:
        _stop(fault)
    out.print("The older keys are out. Backups from before need the older file: keep it with them.")


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Folder to which the copy is added.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Restore the copy beside, and compare it.")
    ] = False,
    keep: Annotated[
        str | None,
        typer.Option(help="Drop older copies in the folder: `14` keeps so many, `30d` days."),
    ] = None,
) -> None:
    """Copies the database while it is in use. The key file is to be kept apart, by hand."""
    settings = _settings()
    try:
        kept = backups.Keep.read(keep) if keep is not None else None
    except ValueError:
        _stop(f"--keep {keep}: a number of copies, or of days like 30d", USAGE)
    with _progress() as progress:
        task = progress.add_task("copying", total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        try:
            made = _run(backups.back_up(settings, folder, report, verify=verify, keep=kept))
        except moving_data.DataError as fault:
            _stop(fault)
    proven = " and restored to verify it" if made.verified else ""
    out.print(f"Copied to {made.file}{proven}: {made.contents.rows} rows.", highlight=False)
    for path in made.dropped:
        out.print(f"Dropped {path}.", highlight=False)


@app.command()
def restore(
    file: Annotated[
        Path | None, typer.Argument(exists=True, help="A file that `backup` made.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where the database is not empty.")
    ] = False,
    send_held: Annotated[
        bool, typer.Option("--send-held", help="Afterwards: what is held goes out after all.")
    ] = False,
    drop_held: Annotated[
        bool, typer.Option("--drop-held", help="Afterwards: what is held never goes out.")
    ] = False,
) -> None:
    """Puts a backup in the place of the database; Muster must not be running.

    Calls to an emergency that were on their way go out again, marked as possible duplicates.
    Everything else that was due is held until you decide, since it may have gone out meanwhile.
    """
    if (file is not None) + send_held + drop_held != 1:
        _stop("either a file, or --send-held, or --drop-held", USAGE)
    settings = _settings()
    _keys(settings)
    now = datetime.now(UTC)
    try:
        if file is None:
            count = _run(backups.decide(settings, now, send=send_held))
            out.print(f"{count} {'go out' if send_held else 'are dropped'}.", highlight=False)
            return
        done = _run(backups.restore(settings, file, now, replace=replace))
    except moving_data.DataError as fault:
        _stop(fault)
    _tell_of(done)


def _tell_of(done: backups.Restored) -> None:
    """What there is to be decided now."""
    settled = done.settled
    out.print(f"Restored: {done.contents.rows} rows.", highlight=False)
    if done.aside is not None:
        out.print(f"What was there before lies in {done.aside}.", highlight=False)
    out.print(f"{settled.again} messages go out once more, as possible duplicates.")
    if settled.held:
        out.print(f"{settled.held} are held: `muster restore --send-held`, or --drop-held.")
    if settled.paused:
        out.print(f"{settled.paused} broadcasts are paused; their authors can resume them.")
    out.print("Everybody must log in to the console again.")


if __name__ == "__main__":
    main()
