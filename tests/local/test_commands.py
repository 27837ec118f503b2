from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from pipectl.errors import InternalError, StateError
from pipectl.model import OUTPUT_LIMIT, Cause, Command

RAN = Cause.EXITED
INSTEAD = ": read it from $PIPECTL_INPUTS"


def test_exit_code_and_output_of_both_streams_come_back_in_order(local):
    outcome = local.sh("echo one; echo two >&2; echo three; exit 3")
    assert (outcome.cause, outcome.exit_code, outcome.signal) == (RAN, 3, None)
    assert outcome.log == b"one\ntwo\nthree\n"
    assert local.told["t", 1] == outcome.log
    assert (outcome.log_size, outcome.log_file) == (14, None)


def test_short_task_makes_no_file(local):
    local.sh("echo hi")
    assert not local.logs.exists()
    assert not list(local.scratch.iterdir())


def test_death_by_a_signal_is_no_exit_code(local):
    outcome = local.sh("kill -SEGV $$")
    assert (outcome.exit_code, outcome.signal) == (None, 11)


def test_output_without_a_newline_arrives(local):
    assert local.sh("printf abc").log == b"abc"


def test_binary_output_arrives_as_it_is(local):
    code = "import os; os.write(1, bytes(range(256)) * 100)"
    assert local.run(local.job(Command((sys.executable, "-c", code))))["t"].log == bytes(range(256)) * 100


def test_standard_input_is_empty(local):
    assert local.sh("cat; echo read").log == b"read\n"


def test_task_may_close_its_output_and_go_on(local):
    outcome = local.sh("exec >&- 2>&-; i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; exit 4")
    assert outcome.exit_code == 4


def test_program_is_looked_up_on_the_path_of_the_job(local):
    tool = local.root / "tool"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    outcome = local.run(local.job(Command(("tool",)), env={"PATH": f"{local.root}:/bin"}))["t"]
    assert outcome.log == b"found\n"


def test_program_with_a_slash_is_relative_to_the_folder(local):
    (local.root / "sub").mkdir()
    tool = local.root / "sub" / "tool"
    tool.write_text("#!/bin/sh\npwd\n")
    tool.chmod(0o755)
    outcome = local.run(local.job(Command(("./tool",)), cwd=local.root / "sub"))["t"]
    assert outcome.log == f"{local.root}/sub\n".encode()


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (("no-such-program",), "no such program: `no-such-program`"),
        (("./absent",), "no such program: `./absent`"),
        (("./plain",), "`./plain` is not executable"),
        (("./headless",), "`./headless` is not a program: its first line names no interpreter (`#!`)"),
        (("./orphan",), "`./orphan` names an interpreter in its first line that does not exist"),
        (("./",), "`./` is a folder"),
        (("echo", "a\0b"), f"an argument holds a NUL character, which no process can be given{INSTEAD}"),
        (("echo", "x" * 200_000), f"an argument is too long for a process (195 KiB, the limit is 128){INSTEAD}"),
    ],
)
def test_what_cannot_be_started_says_why(local, argv, error):
    (local.root / "plain").write_text("#!/bin/sh\n")
    for name, text in (("headless", "text"), ("orphan", "#!/no/such/interpreter\n")):
        (local.root / name).write_text(text)
        (local.root / name).chmod(0o755)
    outcome = local.run(local.job(Command(argv)))["t"]
    assert (outcome.cause, outcome.exit_code, outcome.error) == (Cause.UNSTARTABLE, None, error)


@pytest.mark.parametrize("work", ["command", "call"])
def test_missing_folder_says_so(local, work):
    it = Command(("true",)) if work == "command" else local.call({"code": ""})
    outcome = local.run(local.job(it, cwd=local.root / "nowhere"))["t"]
    assert (outcome.cause, outcome.error) == (Cause.UNSTARTABLE, f"no such folder: `{local.root}/nowhere`")


@pytest.mark.parametrize("work", ["command", "call"])
def test_variable_that_does_not_fit_is_named(local, work):
    it = Command(("true",)) if work == "command" else local.call({"code": ""})
    outcome = local.run(local.job(it, env={"BIG": "x" * 150_000}))["t"]
    assert outcome.cause is Cause.UNSTARTABLE
    assert outcome.error == "`BIG` is too long for a process (146 KiB, the limit is 128): read it from $PIPECTL_INPUTS"


def test_many_values_that_do_not_fit_together_are_explained(local):
    outcome = local.run(local.job(Command(("true", *["x" * 100_000] * 40))))["t"]
    assert outcome.cause is Cause.UNSTARTABLE
    assert "too long together" in outcome.error


def test_runner_stays_in_its_own_folder(local, monkeypatch):
    monkeypatch.chdir("/")
    local.sh("true")
    assert Path.cwd() == Path("/")


def test_output_file_comes_back_and_is_gone(local):
    outcome = local.sh('echo "rows=3" > "$PIPECTL_OUTPUT"')
    assert outcome.output == b"rows=3\n"
    assert local.sh("true").output is None


def test_output_file_is_cut_one_byte_beyond_the_limit(local):
    outcome = local.sh('head -c 3000000 /dev/zero > "$PIPECTL_OUTPUT"')
    assert len(outcome.output) == OUTPUT_LIMIT + 1


@pytest.mark.parametrize("make", ["mkfifo", "mkdir", "ln -s /etc/hostname"])
def test_output_that_is_no_file_is_none(local, make):
    assert local.sh(f'{make} "$PIPECTL_OUTPUT"; exit 0').output is None
    for path in local.scratch.iterdir():
        path.rmdir() if path.is_dir() else path.unlink()


def test_inputs_are_a_private_file_that_is_gone_afterwards(local):
    outcome = local.sh('cat "$PIPECTL_INPUTS"; stat -c " %a" "$PIPECTL_INPUTS"', inputs='{"a": "é"}')
    assert outcome.log.decode() == '{"a": "é"} 600\n'


def test_without_inputs_there_is_no_variable(local):
    assert local.sh("echo ${PIPECTL_INPUTS-none}").log == b"none\n"


def test_script_is_a_file_behind_the_arguments(local):
    command = Command((sys.executable, "-u"), script="import sys\nprint(len(sys.argv), 'é')\n")
    assert local.run(local.job(command))["t"].log.decode() == "1 é\n"


def test_captured_output_comes_raw_and_goes_to_the_log(local):
    local.open(secrets=["hunter2-hunter2"])
    command = Command(("sh", "-c", "echo hunter2-hunter2; echo oops >&2"), capture=True)
    outcome = local.run(local.job(command))["t"]
    assert outcome.stdout == b"hunter2-hunter2\n"
    assert sorted(outcome.log.splitlines()) == [b"***", b"oops"]


def test_captured_output_is_cut_one_byte_beyond_the_limit(local):
    command = Command(("sh", "-c", "head -c 3000000 /dev/zero"), capture=True)
    outcome = local.run(local.job(command))["t"]
    assert len(outcome.stdout) == OUTPUT_LIMIT + 1
    assert outcome.log_size == 3_000_000


def test_environment_is_the_jobs_and_nothing_else(local):
    outcome = local.run(local.job(Command(("env",)), env={"ONE": "1"}))["t"]
    names = {line.partition("=")[0] for line in outcome.log.decode().splitlines()}
    marker = {"PIPECTL_RUN_ID", "PIPECTL_INSTANCE", "PIPECTL_ATTEMPT"}
    assert names == {"ONE", "PATH", "TOKEN", "PIPECTL_OUTPUT"} | marker


@pytest.mark.parametrize("work", ["command", "call"])
def test_task_gets_no_descriptor_of_ours(local, work):
    (local.root / "list.py").write_text("import os; print(*os.listdir('/proc/self/fd'))")
    argv = [sys.executable, "list.py"]
    code = f"import subprocess; subprocess.run({argv}, close_fds=False)"
    with (local.root / "held").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        local.open()
        outcome = local.run(local.job(Command(tuple(argv)) if work == "command" else local.call({"code": code})))["t"]
    assert sorted(outcome.log.split()) == [b"0", b"1", b"2", b"3"]  # the last is the listing's own


def test_signals_are_as_a_fresh_program_expects(local):
    lines = local.sh("grep -h 'Sig[IB]' /proc/self/status").log.splitlines()
    named = (1 << 31) - 1  # beyond lie what the C library keeps for itself
    assert [int(line.split()[1], 16) & named for line in lines] == [0, 0]


def test_task_is_leader_of_its_own_session(local):
    outcome = local.sh("ps -o pid=,pgid=,sid= -p $$")
    assert len(set(outcome.log.split())) == 1


def test_long_log_goes_to_a_private_file_and_its_end_comes_back(local):
    script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"
    outcome = local.sh(script)
    whole = "".join(f"line {i}\n" for i in range(20000)).encode()
    assert outcome.log_file == "t.1.log"
    assert (local.logs / "t.1.log").read_bytes() == whole
    assert (local.logs / "t.1.log").stat().st_mode & 0o777 == 0o600
    assert local.logs.stat().st_mode & 0o777 == 0o700
    assert outcome.log == whole[-8192:]
    assert outcome.log_size == len(whole)


def test_log_of_an_attempt_that_lasts_goes_to_a_file_while_it_runs(local):
    local.begin(local.job(Command(("sh", "-c", 'echo begun; until [ -e go ]; do sleep 0.01; done; echo "done"'))))
    local.until((local.logs / "t.1.log").exists)
    assert (local.logs / "t.1.log").read_bytes() == b"begun\n"
    (local.root / "go").touch()
    (outcome,) = local.executor.wait(20)
    assert outcome.log == (local.logs / "t.1.log").read_bytes() == b"begun\ndone\n"


def test_much_output_arrives_whole(local):
    size = 200_000_000
    local.listens = False
    outcome = local.sh(f"yes 0123456789012345678901234567890123456789 | head -c {size}")
    assert outcome.log_size == size == (local.logs / "t.1.log").stat().st_size


def test_many_tasks_that_print_at_once_keep_their_logs_apart(local):
    jobs = [
        local.job(Command(("sh", "-c", f"yes {name}-{'x' * 30} | head -n 5000")), name=name)
        for name in (f"t{i}" for i in range(32))
    ]
    for name, outcome in local.run(*jobs).items():
        kept = (local.logs / outcome.log_file).read_bytes()
        wanted = hashlib.sha256(f"{name}-{'x' * 30}\n".encode() * 5000).digest()
        assert hashlib.sha256(kept).digest() == wanted
        assert local.told[name, 1] == kept


def test_log_that_cannot_be_written_stops_the_run(local):
    local.logs.parent.mkdir()
    local.logs.write_text("in the way")
    local.begin(local.job(Command(("sh", "-c", "head -c 100000 /dev/zero"))))
    with pytest.raises(StateError, match=r"the log .*t\.1\.log cannot be written"):
        local.executor.wait(20)


def test_secret_split_by_one_byte_writes_never_shows(local):
    local.open(secrets=["hunter2-hunter2"])
    code = "import os, time\nfor c in b'key: hunter2-hunter2!': os.write(1, bytes([c])); time.sleep(0.005)"
    outcome = local.run(local.job(Command((sys.executable, "-c", code))))["t"]
    assert outcome.log == local.told["t", 1] == b"key: ***!"


def test_wait_returns_when_woken(local):
    reader, writer = os.pipe()
    os.write(writer, b"!")
    assert local.executor.wait(None, reader) == []
    os.close(reader)
    os.close(writer)


def test_wait_without_anything_to_do_returns_in_time(local):
    assert local.executor.wait(0) == []


def test_attempts_of_one_instance_follow_each_other(local):
    first = local.sh("echo $PIPECTL_ATTEMPT", attempt=1)
    second = local.sh("echo $PIPECTL_ATTEMPT", attempt=2)
    assert (first.attempt, first.log, second.attempt, second.log) == (1, b"1\n", 2, b"2\n")


def test_there_is_nothing_to_attach_to(local):
    with pytest.raises(InternalError):
        local.executor.attach(local.job(Command(("true",))), "42")


def test_memory_of_a_large_process_is_told(local):
    outcome = local.run(local.job(Command((sys.executable, "-c", "x = bytearray(400_000_000)"))))["t"]
    assert 400_000_000 < outcome.max_rss < 500_000_000
