"""What one process can send to another of the same machine."""

from __future__ import annotations

import socket
import threading
import time

CHUNK, COUNT = 2**22, 32


def loopback_bandwidth() -> float:
    """Measure a stream through a socket of the loopback, bytes/s.

    This is the way of MindSpore's exchange on CPU, which waits between its messages: a bound.
    """
    chunk = bytes(CHUNK)

    def send(sender: socket.socket) -> None:
        for _ in range(COUNT):
            sender.sendall(chunk)

    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
        thread = threading.Thread(target=send, args=(sender,))
        with sender, receiver:
            buffer = bytearray(CHUNK)
            left = CHUNK * COUNT
            start = time.perf_counter()
            thread.start()
            while left:
                left -= receiver.recv_into(buffer)
            seconds = time.perf_counter() - start
            thread.join()
    return CHUNK * COUNT / seconds
