"""`pixera policy`: the versions of the privacy policy and the terms, publishing one, and who has been told."""

from typing import Annotated, Any

import typer

from cli.output import NO, AsJson, Level, console, emit, fail, mark, moment, table, told
from cli.platform import Platform

app = typer.Typer(help="See and publish the privacy policy and the terms.", no_args_is_help=True)

LEVELS = {"current": Level.WELL, "draft": Level.LATE, "superseded": Level.WELL}


@app.command("list")
def list_versions(as_json: AsJson = False) -> None:
    """List every version that is written or published.

    Exit 1 where the files of a published one are no longer what was published.
    """
    versions = Platform().staff("GET", "privacy", "/policies")["versions"]
    if as_json:
        emit(versions)
    else:
        columns = ("document", "version", "date", "state", "significant", "published", "by", "files")
        table("Policies", columns, [_version_row(each) for each in versions])
    if any(each["altered"] for each in versions):
        raise typer.Exit(NO)


@app.command("publish")
def publish(
    document: Annotated[str, typer.Argument(help="policy or terms")],
    version: Annotated[str, typer.Argument(help="As `pixera policy list` names it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Everybody is to be told of a significant one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a version: it is in force at once and cannot be taken back. A significant one is mailed to everybody.

    Exit 1 where it is published already, or a newer one is in force.
    """
    platform = Platform()
    if _is_significant(platform, document, version) and not yes:
        fail(f"{document} {version} is significant: everybody is told by mail. Say --yes to mean it.")
    made = platform.staff("POST", "privacy", f"/policies/{document}/{version}/publish")
    if as_json:
        emit(made)
        return
    console().print(
        mark(good=True), f"{document} {version} is in force since {moment(made['published_at'])}."
    )
    if made["significant"]:
        console().print("Everybody is being told: `pixera policy notices` shows how far that is.")


@app.command("notices")
def list_notices(as_json: AsJson = False) -> None:
    """Show how far everybody has been told of each significant version. Exit 1 while anybody is left."""
    runs = Platform().staff("GET", "auth", "/policy-notices")["runs"]
    if as_json:
        emit(runs)
    else:
        columns = ("document", "version", "state", "begun", "done", "told", "mailed", "acknowledged")
        table("Notices of significant versions", columns, [_run_row(each) for each in runs])
    if any(each["done_at"] is None for each in runs):
        raise typer.Exit(NO)


def _is_significant(platform: Platform, document: str, version: str) -> bool:
    versions = platform.staff("GET", "privacy", "/policies")["versions"]
    return any(
        each["significant"] for each in versions if (each["document"], each["version"]) == (document, version)
    )


def _version_row(each: dict[str, Any]) -> list[Any]:
    files = told(Level.FAILING, "changed since") if each["altered"] else "as published"
    return [
        each["document"],
        each["version"],
        each["date"],
        told(LEVELS[each["state"]], each["state"]),
        "significant" if each["significant"] else "",
        moment(each["published_at"]),
        each["published_by"],
        files if each["published_at"] else "",
    ]


def _run_row(each: dict[str, Any]) -> list[Any]:
    over = each["done_at"] is not None
    state = told(Level.WELL, "everybody told") if over else told(Level.LATE, "telling")
    times = [moment(each["begun_at"]), moment(each["done_at"])]
    return [
        each["document"],
        each["version"],
        state,
        *times,
        each["told"],
        each["mailed"],
        each["acknowledged"],
    ]
