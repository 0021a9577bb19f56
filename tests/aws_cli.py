"""The AWS CLI without its start-up: a server that has it loaded, and forks for each call.

Most of a short call's time is Python and the CLI's modules being loaded, and the scripts call it hundreds of times. The
client hands over its arguments, its folder, its environment and its three streams, and ends as the call ended. Each
call is a process of its own, so nothing of one is left to the next.
"""

from __future__ import annotations

import array
import atexit
import functools
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

# Runs under `python -I -S`, which starts in some hundredths of a second.
_CLIENT = """\
import array, json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
streams = array.array("i", [0, 1, 2])
server.sendmsg([len(call).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
server.sendall(call)
status = server.recv(1)
sys.exit(status[0] if status else "the AWS CLI's server has ended")
"""


@functools.cache
def command() -> str:
    """The start of a command line for the shell, to which a call's arguments are added. The server ends with us."""
    folder = tempfile.mkdtemp(prefix="aws-cli-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address, client = Path(folder, "socket"), Path(folder, "client.py")
    client.write_text(_CLIENT.format(address=str(address)))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(64)
        server = subprocess.Popen(
            [sys.executable, __file__, str(listener.fileno())], pass_fds=[listener.fileno()], stdin=subprocess.PIPE
        )
    # Its standard input ends when we close it, or when this process is no more.
    atexit.register(server.communicate)
    return f'"{sys.executable}" -I -S "{client}"'


def serve(listener: socket.socket) -> None:
    """Answers each call from a process of its own, until standard input ends."""
    from awscli import clidriver

    clidriver.create_clidriver()  # loads what every call loads first
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        ready = [key.fileobj for key, _ in selector.select()]
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            selector.close()
            listener.close()
            _answer(connection)
        connection.close()


def _answer(connection: socket.socket) -> None:
    """Runs one call, in a process that ends with it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, ancillary, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    streams = array.array("i")
    streams.frombytes(ancillary[0][2])
    with connection.makefile("rb") as reader:
        arguments, folder, environment = json.loads(reader.read(int.from_bytes(size, "big")))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    loaded = os.environ["AWS_DATA_PATH"]  # the CLI's, set when it was loaded
    os.environ.clear()
    os.environ.update(environment | {"AWS_DATA_PATH": loaded})
    sys.argv = ["aws", *arguments]
    from awscli import clidriver

    status = 255
    try:
        status = clidriver.main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            connection.sendall(bytes([(status or 0) & 255]))
            os._exit(0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
