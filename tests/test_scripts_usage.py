"""The operators' scripts before they do anything: help, wrong arguments, and tools that will not do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import jmespath
import pytest

from local_aws.server import LocalAws
from operator_scripts import ROOT, SCRIPTS, Checkout

ORGANIZATION_ID = "o-a1b2c3d4e5"
VALID = {
    "deploy-central": ["--organization-id", ORGANIZATION_ID, "--region", "us-east-1"],
    "deploy-members": ["--regions", "us-east-1", "--ou", "ou-a1b2-11111111", "--central-region", "us-east-1"],
    "deploy-quicksight": ["--owner", "user/jane", "--central-region", "us-east-1"],
    "verify": ["--regions", "us-east-1", "--central-region", "us-east-1"],
    "teardown": ["--central-region", "us-east-1"],
}
WRONG = [
    ("deploy-central", [], "--organization-id"),
    ("deploy-central", ["--organization-id", "a1b2"], "not 'a1b2'"),
    ("deploy-central", ["--organization-id"], "--organization-id needs a value"),
    ("deploy-central", [*VALID["deploy-central"], "--arch", "mips"], "not 'mips'"),
    ("deploy-central", [*VALID["deploy-central"], "--parameter", "LogRetentionDays"], "Name=Value"),
    ("deploy-central", [*VALID["deploy-central"], "--parameter", "LogDays=7"], "has no parameter 'LogDays'"),
    ("deploy-central", [*VALID["deploy-central"], "--parameter", "OrganizationId=o-1"], "set by --organization-id"),
    ("deploy-members", ["--ou", "ou-a1b2-11111111"], "--regions takes"),
    ("deploy-members", ["--regions", "us-east-1"], "name the accounts"),
    ("deploy-members", ["--regions", "us-east-1 eu-west-1", "--ou", "r-a1b2"], "not 'us-east-1 eu-west-1'"),
    ("deploy-members", ["--regions", "us-east-1", "--ou", "Workloads"], "not 'Workloads'"),
    ("deploy-members", ["--regions", "us-east-1", "--account", "1234"], "12 digits"),
    ("deploy-members", ["--regions", "us-east-1", "--ou", ",".join(f"ou-a1b2-{n:08}" for n in range(51))], "most 50"),
    ("deploy-members", [*VALID["deploy-members"], "--max-concurrent-percentage", "0"], "at least 1"),
    ("deploy-members", [*VALID["deploy-members"], "--failure-tolerance-percentage", "101"], "'101' is no percentage"),
    ("deploy-members", [*VALID["deploy-members"], "--parameter", "CodeS3Key=k"], "set by scripts/build"),
    ("deploy-quicksight", [], "--owner takes"),
    ("deploy-quicksight", ["--owner", "jane"], "not 'jane'"),
    ("deploy-quicksight", ["--owner", "none"], "not 'none'"),
    ("deploy-quicksight", [*VALID["deploy-quicksight"], "--viewers", "nonesuch"], "not 'nonesuch'"),
    ("deploy-quicksight", [*VALID["deploy-quicksight"], "--identity-region", "Ireland"], "not 'Ireland'"),
    ("deploy-quicksight", [*VALID["deploy-quicksight"], "--import-mode", "spice"], "not 'spice'"),
    ("deploy-quicksight", [*VALID["deploy-quicksight"], "--refresh-time", "24:00"], "not '24:00'"),
    ("deploy-quicksight", [*VALID["deploy-quicksight"], "--parameter", "StaleAfterDays=7"], "set by --central-stack"),
    ("verify", [], "--regions takes"),
    ("verify", [*VALID["verify"], "--max-age-hours", "soon"], "not 'soon'"),
    ("teardown", ["--regions", "everywhere"], "not 'everywhere'"),
    ("teardown", ["--members-are-gone", "1234"], "12 digits"),
]
# bash 3.2, which macOS has, does not know these, or takes an empty array for an unset variable.
NEWER_THAN_BASH_3_2 = {
    "associative arrays": r"\b(declare|local|typeset)\s+-[a-zA-Z]*[An]",
    "mapfile": r"\b(mapfile|readarray)\b",
    "changes of case": r"\$\{\w+(\^|,)",
    "wait -n": r"\bwait -n\b",
    "negative subscripts": r"\[-\d+\]\}",
    "&>>": r"&>>|\|&",
}


@pytest.fixture
def unreachable(tmp_path: Path) -> Checkout:
    """A checkout whose AWS does not answer: nothing may be asked of it."""
    server = LocalAws()
    (tmp_path / "checkout").mkdir()
    return Checkout(tmp_path / "checkout", server)


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_told_on_the_standard_output(unreachable: Checkout, script: str, option: str) -> None:
    run = unreachable.run(script, option)
    assert (run.status, run.errors) == (0, ""), run.all
    assert run.output.startswith(f"Usage: scripts/{script} ")
    told = set(re.findall(r"--[a-z-]+", run.output))
    understood = set(re.findall(r"--[a-z-]+(?=[ |)\\]*(?:\||\)))", (ROOT / "scripts" / script).read_text()))
    assert understood <= told, "an option is not described"
    assert all(len(line) <= 104 for line in run.output.splitlines())


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_argument_is_status_2(unreachable: Checkout, script: str) -> None:
    run = unreachable.run(script, *VALID[script], "--frobnicate")
    assert (run.status, run.output) == (2, ""), run.all
    assert run.errors.startswith(f"scripts/{script}: unknown argument '--frobnicate'\nUsage: ")


@pytest.mark.parametrize(("script", "arguments", "words"), WRONG)
def test_wrong_arguments_are_status_2_and_nothing_is_called(
    unreachable: Checkout, script: str, arguments: list[str], words: str
) -> None:
    run = unreachable.run(script, *arguments)
    assert run.status == 2, run.all
    assert words in run.errors.splitlines()[0]
    assert unreachable.calls() == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_credentials_that_do_not_exist_are_status_2_in_one_line(unreachable: Checkout, script: str) -> None:
    option = "--profile" if script == "deploy-central" else "--central-profile"
    run = unreachable.run(script, *VALID[script], option, "nobody")
    assert run.status == 2, run.all
    (line,) = run.errors.splitlines()
    assert "no usable credentials for the central account" in line
    assert "The config profile (nobody) could not be found" in line, "the AWS CLI's own words"


def put_on_path(checkout: Checkout, name: str, text: str) -> None:
    """Replaces a tool of the checkout's PATH."""
    (checkout.folder / "bin" / name).write_text(text)


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    "version",
    ["aws-cli/2.12.7 Python/3.11.4 Linux/6.1 exe/x86_64", "aws-cli/1.28.0 Python/3.8 Linux/6.1 botocore/1.30"],
)
def test_an_aws_cli_that_ignores_the_endpoint_is_refused_in_one_line(
    unreachable: Checkout, script: str, version: str
) -> None:
    """https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html: since 2.13.0 and 1.29.0."""
    put_on_path(unreachable, "aws", f"#!/bin/sh\necho '{version}'\n")
    (unreachable.folder / ".venv").unlink()
    # Nothing else on the PATH may help out.
    tools = unreachable.folder / "tools"
    tools.mkdir()
    for tool in (
        "awk",
        "basename",
        "bash",
        "cat",
        "cut",
        "dirname",
        "grep",
        "mkdir",
        "mktemp",
        "python3",
        "rm",
        "tr",
        "wc",
    ):
        (tools / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool}"))
    run = unreachable.run(script, *VALID[script], env={"PATH": f"{unreachable.folder / 'bin'}:{tools}"})
    assert run.status == 1, run.all
    (line,) = run.errors.splitlines()
    assert version.split()[0] in line
    assert "ignores AWS_ENDPOINT_URL" in line
    assert "2.13 or newer, or 1.29 or newer" in line


@pytest.mark.parametrize(
    "broken",
    ["#!/bin/sh\necho 'aws-cli/2.9.1 Python/3.9'\n", "#!/bin/sh\necho 'pyenv: aws: command not found' >&2\nexit 127\n"],
    ids=["too old", "a shim of nothing"],
)
def test_an_unusable_aws_cli_on_the_path_gives_way_to_the_one_of_setup(unreachable: Checkout, broken: str) -> None:
    put_on_path(unreachable, "aws", broken)
    run = unreachable.run("verify", *VALID["verify"], "--central-profile", "nobody")
    assert "The config profile (nobody) could not be found" in run.errors, run.all


@pytest.mark.parametrize(
    "script", [*SCRIPTS, "demo", *(f"lib/{path.name}" for path in (ROOT / "scripts" / "lib").glob("*.sh"))]
)
def test_scripts_keep_to_the_bash_of_macos(script: str) -> None:
    text = (ROOT / "scripts" / script).read_text()
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert [name for name, pattern in NEWER_THAN_BASH_3_2.items() if re.search(pattern, code)] == []
    # An array that may be empty has to be spelled ${array[@]+"${array[@]}"}.
    may_be_empty = re.findall(r"^\s*(\w+)=\(\)", text, flags=re.M)
    bare = [name for name in may_be_empty if re.search(rf'(?<!\+)"\$\{{{name}\[@\]\}}"', code)]
    assert [name for name in bare if f"${{{name}[*]+" not in code] == []


def test_no_script_leaves_a_temporary_file_behind(unreachable: Checkout, tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    for script in SCRIPTS:
        unreachable.run(script, *VALID[script], "--central-profile", "nobody", env={"TMPDIR": str(scratch)})
        unreachable.run(script, "-h", env={"TMPDIR": str(scratch)})
    assert list(scratch.iterdir()) == []


def test_the_demo_says_at_once_that_the_functions_cannot_run_here(tmp_path: Path) -> None:
    (tmp_path / "uname").write_text("#!/bin/sh\necho Darwin arm64\n")
    (tmp_path / "uname").chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run([ROOT / "scripts" / "demo"], env=env, capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith("needs Linux on x86_64, where the functions can run; this is Darwin arm64")


def in_bash(code: str, *arguments: str) -> str:
    """What some lines of shell print that use the scripts' common part."""
    source = f'source "{ROOT}/scripts/lib/aws.sh"\nset -euo pipefail\n{code}'
    command = ["bash", "-c", source, "scripts/some-script", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


@pytest.mark.parametrize("width", [80, 20, 3])
def test_progress_on_a_terminal_never_takes_more_than_one_row(width: int) -> None:
    code = f'interactive=1\nterminal_width() {{ echo {width}; }}\nprogress "$1"'
    printed = in_bash(code, "all: 120 of 400 done, 2 failed, us-east-1 3/100, eu-west-1 4/100, " * 3)
    assert len(printed.split("\033[K")[1]) <= max(width - 1, 4)


def code_names(stack: str, region: str) -> tuple[str, str]:
    """The names of the code stack and, less the Region, of the code bucket."""
    code = 'name_code "$1" "$2" 111122223333\necho "$code_stack" "$code_prefix"'
    code_stack, prefix = in_bash(code, stack, region).split()
    return code_stack, prefix


def test_each_central_stack_has_code_of_its_own_under_names_that_aws_takes() -> None:
    """Also stacks of one name in two Regions, of names that differ in case, and of long names that begin alike."""
    centrals = [
        ("patch-reporting", "us-east-1"),
        ("patch-reporting", "eu-west-1"),
        ("Patch-Reporting", "us-east-1"),
        ("P" * 128, "us-east-1"),
        ("P" * 127 + "q", "us-east-1"),
        ("nineteen-characters-and-more", "us-east-1"),
    ]
    names = [code_names(*central) for central in centrals]
    for part in zip(*names, strict=True):
        assert len(set(part)) == len(centrals)
    for stack, prefix in names:
        assert re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", stack)
        # The longest name of a Region has 15 characters.
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", f"{prefix}-us-isof-south-1")
        assert len(prefix) <= 47, "the parameter's limit"


@pytest.mark.parametrize(
    ("status", "detailed", "told"),
    [
        ("CURRENT", "SUCCEEDED", "SUCCEEDED"),
        ("OUTDATED", "SUCCEEDED", "OUTDATED"),
        ("OUTDATED", "FAILED", "FAILED"),
        ("OUTDATED", "PENDING", "PENDING"),
        ("INOPERABLE", "INOPERABLE", "INOPERABLE"),
        ("CURRENT", None, "CURRENT"),
    ],
)
def test_an_instance_that_a_change_has_passed_by_is_outdated(status: str, detailed: str | None, told: str) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackInstanceSummary.html"""
    instance = {"Account": "111122223333", "Region": "us-east-1", "Status": status}
    instance |= {"StackInstanceStatus": {"DetailedStatus": detailed}} if detailed else {}
    code = 'stackset() { printf "%s" "${@: -1}"; }\ncall_as=SELF\nlist_instances set /dev/null\necho "$answer"'
    assert jmespath.search(in_bash(code).strip(), {"Summaries": [instance]})[0][2] == told


def test_bash_itself_finds_no_mistake() -> None:
    for script in SCRIPTS:
        subprocess.run(["bash", "-n", str(ROOT / "scripts" / script)], check=True)
